"""The command line, run as people run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import facebench
from facebench.cli import app
from facebench.experiment.config import load_config
from facebench.results.reader import load_run
from support.data import data_folder
from support.pages import script_of_docs

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ
FILL = "run: make demo; python docs/fill_readme.py demo_results/rendered/runs/demo/latest"
COMMAND = [sys.executable, "-m", "facebench"]


def run(*arguments, cwd=None):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_version_and_help():
    assert run("--version").stdout.strip() == f"facebench {facebench.__version__}"
    shown = run("--help")
    assert shown.returncode == 0
    assert "demo" in shown.stdout


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    first = run("demo", "--people", 4, "--photographs", 2, cwd=folder)
    return folder / "demo_results" / "rendered", first


@pytest.fixture
def again(tiny_vgg16, monkeypatch):
    """Return a function that runs the demo here, with a small network in place of VGG16."""

    def run_again(folder, *arguments):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "200")
        done = CliRunner().invoke(app, ["demo", *map(str, arguments)])
        assert done.exit_code == 0, done.stderr
        return done

    return run_again


def latest(folder):
    """Give the run that a demo's folder shows last."""
    return (folder / "runs" / "demo" / "latest").resolve()


class TestDemo:
    def test_ends_with_the_report_and_a_result_of_every_task(self, small_demo):
        folder, first = small_demo
        assert first.returncode == 0, first.stderr
        for task in ("Verification", "Inversion effect", "Thatcher effect", "Similarity ratings"):
            assert task in first.stdout
        assert "say nothing about real faces" in first.stdout
        # Numbers of the first description do not lead, if they are said at all.
        assert "Optimal Threshold" not in first.stdout
        run = load_run(latest(folder))
        assert {"Difference", "Noise Ceiling Lower"} <= set(run.results["metric"])
        page = run.path / "report.html"
        assert first.stdout.splitlines()[-1].endswith("report.html")
        assert Path(first.stdout.splitlines()[-1]).resolve() == page

    def test_leaves_all_tables_and_plots_of_the_first_description(self, small_demo):
        folder = latest(small_demo[0])
        summary = pd.read_csv(folder / "models_unified_results.csv")
        assert summary["Layer Name"].tolist() == ["default", "avgpool", "classifier.5"]
        for kind in ("Accuracy", "Correlation", "RelativeDifference"):
            assert list((folder / f"{kind}Task Plots").glob("Rendered faces*.png"))
        assert list((folder / "ConditionedAverageDistances Plots").glob("Rendered faces*.png"))

    def test_the_experiment_is_there_to_be_changed(self, small_demo):
        folder, _ = small_demo
        config = load_config(folder / "experiment.yaml")
        assert len(config.settings.tasks) == 9
        ratings = pd.read_csv(folder / "stimuli" / "ratings.csv")
        assert ratings.filter(like="rater_").stack().between(1, 7).all()

    def test_pages_show_the_distances_of_today(self, small_demo):
        # Faces and networks of the whole demo are those of a small one: only there are fewer.
        fill = script_of_docs("fill_readme")
        kept = json.loads(fill.NUMBERS.read_text(encoding="utf-8"))["distances"]
        found = fill.distances(load_run(latest(small_demo[0])))
        assert found.keys() == kept.keys()
        for network, distances in found.items():
            assert distances == pytest.approx(kept[network], abs=2e-3), FILL

    @pytest.mark.skipif(not NIGHTLY, reason="takes minutes (set FACEBENCH_NIGHTLY)")
    def test_pages_show_the_sentences_of_today(self, tmp_path):
        assert run("demo", "--quiet", cwd=tmp_path).returncode == 0
        fill = script_of_docs("fill_readme")
        kept = json.loads(fill.NUMBERS.read_text(encoding="utf-8"))["sentences"]
        today = latest(tmp_path / "demo_results" / "rendered")
        assert fill.numbers(load_run(today))["sentences"] == kept, FILL

    def test_tables_pair_what_they_should(self, small_demo):
        stimuli = small_demo[0] / "stimuli"
        same = pd.read_csv(stimuli / "same_upright.csv")
        one_person = same["img1"].str.split("/").str[1] == same["img2"].str.split("/").str[1]
        assert (one_person == (same["same"] == 1)).all()
        assert same["same"].mean() == 0.5
        inverted = pd.read_csv(stimuli / "same_inverted.csv")
        assert (
            inverted["img1"]
            .str.removeprefix("inverted/")
            .equals(same["img1"].str.removeprefix("upright/"))
        )
        distances = pd.read_csv(stimuli / "distances.csv")
        assert len(distances) == 6
        assert (distances["distance"] > 0).all()
        thatcher = pd.read_csv(stimuli / "thatcher.csv")
        assert thatcher["orientation"].tolist() == ["upright"] * 4 + ["inverted"] * 4
        assert len(json.loads((stimuli / "parameters.json").read_text())) == 4 * 2 + 4 * 6

    def test_stimuli_are_kept_for_the_next_time(self, small_demo, again):
        folder, first = small_demo
        stimuli = sorted((folder / "stimuli").rglob("*.png"))
        before = [(path, path.stat().st_mtime_ns) for path in stimuli]
        done = again(folder.parents[1], "--people", 4, "--photographs", 2)
        assert "Rendering" in first.stderr
        assert "Rendering" not in done.stderr
        assert "Nothing is left to do" in done.stderr
        assert before == [(path, path.stat().st_mtime_ns) for path in stimuli]

    def test_runs_on_a_folder_of_real_faces(self, tmp_path, again):
        data = data_folder() / "lfw_view1" / "images"
        if not data.is_dir():
            pytest.skip(f"no LFW data at {data} (set FACEBENCH_DATA)")
        done = again(tmp_path, "--data", data, "--people", 8, "--photographs", 2)
        assert "rendered" not in done.stdout.lower()
        folder = latest(tmp_path / "demo_results" / "images")
        summary = pd.read_csv(folder / "models_unified_results.csv")
        assert summary.loc[0, "images, same person, upright: AUC"] > 0.9


class TestWrongInput:
    def test_missing_data_folder(self, tmp_path):
        done = run("demo", "--data", "nowhere", cwd=tmp_path)
        assert done.returncode == 2
        assert "The data folder nowhere does not exist" in done.stderr
        assert "Traceback" not in done.stderr

    def test_folder_without_people(self, tmp_path):
        (tmp_path / "faces" / "someone").mkdir(parents=True)
        done = run("demo", "--data", "faces", cwd=tmp_path)
        assert done.returncode == 2
        assert "NAME/*.jpg" in done.stderr

    def test_unknown_option(self, tmp_path):
        assert run("demo", "--colour", cwd=tmp_path).returncode == 2
