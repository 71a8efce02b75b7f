"""``facebench data``, from the tree of a data set to a run on it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.data.sets.catalogue import FACE_SETS
from support.face_sets import TREES

pytestmark = pytest.mark.integration


@pytest.fixture
def facebench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments, status=0):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == status, f"{done.output}\n{done.stderr}\n{done.exception!r}"
        return SimpleNamespace(out=done.stdout, talk=done.stderr)

    return call


def test_list_and_show(facebench):
    listed = facebench("data", "list").out
    assert all(name in listed for name in FACE_SETS)
    for name, face_set in FACE_SETS.items():
        shown = facebench("data", "show", name).out
        for said in (face_set.licence, face_set.access, face_set.protocol, face_set.layout):
            assert said in shown
        assert json.loads(facebench("data", "show", name, "--json").out)["name"] == name
    assert "Did you mean 'calfw'" in facebench("data", "show", "cal-fw", status=2).talk


@pytest.mark.parametrize("name", FACE_SETS)
def test_prepare_writes_an_experiment_that_validates(name, facebench, tmp_path):
    TREES[name](tmp_path / "root")
    done = facebench("data", "prepare", name, "--root", "root", "-o", "made")
    written = [Path(line) for line in done.out.splitlines()]
    assert written[0] == Path("made") / f"{name}.yaml"
    assert all(path.is_file() for path in written)
    experiment = yaml.safe_load(written[0].read_text(encoding="utf-8"))
    tasks = {task["task"] for task in experiment["tasks"].values()}
    assert tasks == (
        {"verification", "group-errors"} if FACE_SETS[name].has_groups else {"verification"}
    )
    assert experiment["models"]["dlib-resnet"]["align"] is (name != "packs")
    facebench("validate", written[0])
    again = facebench("data", "prepare", name, "--root", "root", "-o", "made", status=2)
    assert "already exists" in again.talk
    facebench("data", "prepare", name, "--root", "root", "-o", "made", "--force")


@pytest.mark.parametrize("name", ["packs", "rfw"])
def test_the_experiment_runs(name, facebench, tmp_path):
    TREES[name](tmp_path / "root")
    facebench("data", "prepare", name, "--root", "root")
    facebench("run", f"{name}.yaml")
    run = load_run(tmp_path / "runs" / name).path
    tasks = yaml.safe_load(Path(f"{name}.yaml").read_text(encoding="utf-8"))["tasks"]
    assert set(load_run(run).results["task"]) == set(tasks)


def test_errors_are_one_sentence_and_write_nothing(facebench, tmp_path):
    TREES["lfw-view2"](tmp_path / "root")
    (tmp_path / "root" / "lfw-deepfunneled" / "Cy_Noe" / "Cy_Noe_0001.jpg").unlink()
    done = facebench("data", "prepare", "lfw-view2", "--root", "root", "-o", "made", status=2)
    assert done.talk.count("Error:") == 1
    assert "Cy_Noe_0001.jpg" in done.talk
    assert not (tmp_path / "made").exists()


def test_remarks_are_told_and_written_down(facebench, tmp_path):
    TREES["calfw"](tmp_path / "root")
    done = facebench("data", "prepare", "calfw", "--root", "root", "--json")
    assert "Warning: pairs_CALFW.txt has 20 genuine and 20 impostor pairs" in done.talk
    remarks = json.loads(done.out)["remarks"]
    assert all(f"# Note: {remark}" in Path("calfw.yaml").read_text() for remark in remarks)


def test_the_page_of_data_sets_is_up_to_date(monkeypatch):
    docs = Path(__file__).parents[2] / "docs"
    monkeypatch.syspath_prepend(str(docs))
    fill = importlib.import_module("fill_datasets")
    text = fill.PAGE.read_text(encoding="utf-8")
    assert text == fill.page(text), "run: python docs/fill_datasets.py"
    assert all(f"### {name}\n" in text for name in FACE_SETS)
