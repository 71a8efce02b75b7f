"""A run's folder from a stranger shows nothing of this machine; damage is told in a sentence."""

from __future__ import annotations

import json
import os
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facebench import AccuracyTask, MultiModelTaskManager
from facebench.errors import InputError, RunFolderError
from facebench.results.reader import load_run
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.small_net import SmallNet, small_transform


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    (root / "faces").mkdir()
    rows = []
    for i in range(6):
        for j in range(2):
            Image.effect_noise((32, 32), 40 + 30 * i).convert("RGB").save(
                root / "faces" / f"{i}{j}.png"
            )
        rows += [(f"{i}0.png", f"{i}1.png", 1), (f"{i}0.png", f"{(i + 1) % 6}1.png", 0)]
    pd.DataFrame(rows, columns=["img1", "img2", "same"]).to_csv(root / "pairs.csv", index=False)
    task = AccuracyTask("t", root / "pairs.csv", root / "faces", true_label="same")
    model = SmallNet("m", device="cpu", preprocess_function=small_transform)
    manager = MultiModelTaskManager(model, task, num_workers=0, cache_dir=None)
    manager.run_all_tasks_all_models(root / "out", plots=False)
    RunFolder.create(root / "runs", "r").save(manager)
    return root


@pytest.fixture
def run(made, tmp_path):
    found = next(made.rglob("manifest.json")).parent
    return shutil.copytree(found, tmp_path / "run")


def pictures(run):
    return write_report(run, run.parent / "page.html").read_text().count("data:image/jpeg;base64")


def change(run, **parts):
    file = run / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **parts}))


def name_images(run, name):
    table = pq.read_table(run / "distances.parquet").to_pandas()
    table["img1"] = table["img2"] = name
    table.to_parquet(run / "distances.parquet", index=False)
    # A stranger makes checksums fit.
    change(run, files={})


class TestPictures:
    def test_of_the_run_s_own_images_are_shown(self, run):
        assert pictures(run) > 0

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["{}/passport.png", "../private/passport.png"])
    def test_names_that_lead_out_are_missing(self, run, made, name):
        (made / "private").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(made / "private" / "passport.png")
        name_images(run, name.format(made / "private"))
        assert pictures(run) == 0

    def test_another_folder_is_not_shown(self, run, made):
        private = made.parent / "elsewhere"
        private.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(private / "passport.png")
        name_images(run, "passport.png")
        tasks = json.loads((run / "manifest.json").read_text())["tasks"]
        tasks["t"]["images_path"] = str(private)
        change(run, tasks=tasks)
        assert pictures(run) == 0

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
    @pytest.mark.timeout(120)
    def test_a_pipe_is_not_waited_for(self, run, made):
        pipe = made / "faces" / "pipe.png"
        os.mkfifo(pipe)
        name_images(run, "pipe.png")
        assert pictures(run) == 0
        pipe.unlink()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"schema_version": 1e400}',
        '{"schema_version": []}',
        '{"schema_version": 1, "tasks": []}',
        '{"schema_version": 1, "tasks": {"t": 3}}',
        '{"schema_version": 1, "name": {}}',
        "[]",
        "3",
        "null",
        "",
        "\udcff",
    ],
)
def test_a_damaged_manifest_is_told_in_one_sentence(run, text):
    (run / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunFolderError, match=r"manifest\.json must be the manifest"):
        load_run(run)


def test_a_manifest_of_little_gives_a_report(run):
    (run / "manifest.json").write_text('{"schema_version": 1, "process": {"pid": 1e300}}')
    assert write_report(run).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["results.parquet", "left_out.parquet", "distances.parquet"])
@pytest.mark.parametrize("damage", ["text", "half", "folder", "column"])
def test_damaged_tables_are_told_in_one_sentence(run, file, damage):
    path = run / file
    if damage == "text":
        path.write_text("no table")
    elif damage == "half":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        table = pq.read_table(path)
        pq.write_table(table.drop(["layer"]), path)
        if file == "results.parquet":
            frame = table.to_pandas()
            frame["ci_high"] = "x"
            frame.to_parquet(path)
    if file == "distances.parquet":
        # A report is made without them, and says so.
        assert "cannot be read" in write_report(run).read_text()
        return
    with pytest.raises(RunFolderError, match=file):
        write_report(run)


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_a_page_replaces_plain_files_only(run, tmp_path, kind):
    target, other = tmp_path / "page.html", tmp_path / "other"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(other)
        if kind == "link":
            other.write_text("thesis")
    with pytest.raises(InputError, match="is not replaced"):
        write_report(run, target)
    assert kind != "link" or other.read_text() == "thesis"
