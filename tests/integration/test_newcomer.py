"""A newcomer's path: a folder of faces, init, run, report, a change, run again, compare."""

import html
import json
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.errors import InputError
from facebench.run.manager import MultiModelTaskManager


@pytest.fixture
def facebench(tmp_path, monkeypatch, world):
    """Call the command line in an empty folder beside which there are faces."""
    shutil.copytree(world.images, tmp_path / "faces")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments, status=0):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == status, f"{done.output}\n{done.stderr}\n{done.exception!r}"
        return SimpleNamespace(out=done.stdout, talk=done.stderr, folder=tmp_path)

    return call


def runs(folder):
    found = (path.parent for path in folder.glob("runs/experiment/*/manifest.json"))
    return sorted(run for run in found if not run.is_symlink())


def embedded(run):
    """Count the images that went through each network, by what the run says of itself."""
    models = load_run(run).manifest["provenance"]["models"]
    return {name: record["n_forwards"] for name, record in models.items()}


class TestPath:
    def test_from_a_folder_to_a_comparison(self, facebench):
        made = facebench("init", "faces")
        assert made.out.splitlines() == ["experiment.yaml", "experiment_pairs.csv"]
        assert "Next: facebench run experiment.yaml" in made.talk
        folder = made.folder
        pairs = pd.read_csv(folder / "experiment_pairs.csv")
        assert pairs["same"].sum() == 18
        assert len(pairs) == 36

        # Everything is planned, nothing is left behind.
        facebench("run", "experiment.yaml", "--dry-run")
        assert not (folder / "runs").exists()

        first = facebench("run", "experiment.yaml")
        assert "AUC" in first.out
        [run] = runs(folder)
        assert load_run(run).status == "finished"
        assert (run / "report.html").stat().st_size > 10_000
        health = pd.read_csv(run / "data_health.csv")
        assert list(health) == [
            "Task Name", "Finding", "Image 1", "Image 2", "Rows", "Value", "Detail"
        ]  # fmt: skip
        looked = load_run(run).manifest["health"]
        assert (looked["n_images"], looked["decoded"], looked["error"]) == (18, True, None)
        assert embedded(run) == {"dlib-resnet": 18, "untrained": 18}

        again = facebench("run", "experiment.yaml")
        assert "Nothing is left to do" in again.talk
        # The report's path is the last line, on a rerun too; it leads back to the run.
        for shown in (first.out, again.out):
            assert shown.splitlines()[-1].endswith("report.html")
            assert load_run(folder / shown.splitlines()[-1]).path == run
        assert (folder / "runs" / "experiment" / "latest").resolve() == run.resolve()
        assert again.out == first.out
        assert runs(folder) == [run]

        page = facebench("report", "runs/experiment", "-o", "page.html")
        assert page.out.strip() == "page.html"
        assert (folder / "page.html").is_file()

        text = (folder / "experiment.yaml").read_text()
        (folder / "experiment.yaml").write_text(text.replace("# folds: 10", "folds: 3"))
        facebench("run", "experiment.yaml")
        _, second = runs(folder)
        assert set(embedded(second).values()) == {0}
        assert load_run(folder / "runs" / "experiment").path == second

        compared = facebench("compare", run, second, "-o", "compared.html", "--json")
        found = json.loads(compared.out)
        assert {row["metric"] for row in found["numbers"]} >= {"AUC", "Accuracy"}
        assert any("folds" in row["setting"] for row in found["settings"])
        assert (folder / "compared.html").is_file()
        facebench("leaderboard", "runs/experiment", run, "-o", "board.html")
        assert (folder / "board.html").is_file()


@pytest.fixture
def ready(facebench):
    """Give the command line after `init`, with a network of no time."""
    folder = facebench("init", "faces").folder
    (folder / "tiny.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "from facebench import BaseModel\n\n\n"
        "class Tiny(BaseModel):\n"
        "    def _build_model(self):\n"
        "        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())\n\n"
        "    def _forward(self, input_tensor):\n"
        "        return self.model(input_tensor)\n"
    )
    text = "images: faces\nmodels: tiny.py\nreport: false\nnum_workers: 0\nname: experiment\n"
    text += "tasks: {same: {task: accuracy, pairs: experiment_pairs.csv, true_label: same}}\n"
    (folder / "experiment.yaml").write_text(text)
    return facebench


class TestRepeating:
    def test_the_recipe_of_a_report_repeats_the_run_from_another_folder(
        self, ready, tmp_path, monkeypatch
    ):
        (tmp_path / "same").mkdir()
        ready("run", "experiment.yaml", "--set", "report=true", "--set", "seed=3")
        [run] = runs(tmp_path)
        page = (run / "report.html").read_text().partition("<summary>Configuration</summary>")[2]
        recipe = html.unescape(page.partition("</pre>")[0].partition("<pre")[2].partition(">")[2])
        (tmp_path / "same" / "again.yaml").write_text(recipe)
        monkeypatch.chdir(tmp_path / "same")
        ready("run", "again.yaml", "--set", "output=here")
        [again] = (tmp_path / "same" / "here").glob("experiment/2*/")
        told = [load_run(path).results.drop(columns="run") for path in (run, again)]
        pd.testing.assert_frame_equal(*told)
        assert load_run(again).manifest["seeds"] == {"seed": 3}


class TestAgain:
    def test_pictures_are_drawn_if_wanted(self, ready, tmp_path):
        ready("run", "experiment.yaml", "--set", "plots=false")
        [run] = runs(tmp_path)
        assert not list(run.rglob("*.png"))
        ready("run", "experiment.yaml", "--force")
        # Of runs that begin in the same second, chance decides which name comes first.
        [drawn] = set(runs(tmp_path)) - {run}
        assert list(drawn.rglob("*.png"))

    def test_what_does_not_decide_the_numbers_is_no_new_run(self, ready):
        folder = ready("run", "experiment.yaml").folder
        (run,) = runs(folder)
        for change in ("batch_size=4", "device=cpu", "cache=false", "report=false"):
            assert "Nothing is left" in ready("run", "experiment.yaml", "--set", change).talk
        # A moved experiment is the same one.
        moved = folder / "moved"
        moved.mkdir()
        for name in ("experiment.yaml", "experiment_pairs.csv", "tiny.py", "faces", "runs"):
            shutil.move(folder / name, moved / name)
        assert "Nothing is left" in ready("run", "moved/experiment.yaml").talk
        assert [path.name for path in runs(moved)] == [run.name]

    def test_what_decides_them_is(self, ready):
        folder = ready("run", "experiment.yaml").folder
        ready("run", "experiment.yaml", "--set", "seed=3")
        pairs = folder / "experiment_pairs.csv"
        pairs.write_text("".join(pairs.read_text().splitlines(keepends=True)[:-1]))
        ready("run", "experiment.yaml")
        (folder / "tiny.py").write_text((folder / "tiny.py").read_text() + "# changed\n")
        ready("run", "experiment.yaml")
        image = folder / "faces" / "person 0" / "0.png"
        image.write_bytes((folder / "faces" / "person 1" / "0.png").read_bytes())
        ready("run", "experiment.yaml")
        assert len(runs(folder)) == 5
        ready("run", "experiment.yaml", "--force")
        assert len(runs(folder)) == 6

    def test_an_interrupted_run_says_so_and_goes_on(self, ready, monkeypatch):
        whole = MultiModelTaskManager.run_all_tasks_all_models

        def interrupted(self, *arguments, **options):
            whole(self, *arguments, **options)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(MultiModelTaskManager, "run_all_tasks_all_models", interrupted)
            stopped = ready("run", "experiment.yaml", status=130)
        assert "What is finished is in" in stopped.talk
        [run] = runs(stopped.folder)
        assert load_run(run).status == "interrupted"
        assert len(load_run(run).results)
        resumed = ready("run", "experiment.yaml")
        assert f"Continuing the interrupted run {run}" in resumed.talk
        assert runs(stopped.folder) == [run]
        assert load_run(run).status == "finished"
        assert set(embedded(run).values()) == {0}

    def test_a_run_that_is_running_is_left_alone(self, ready):
        folder = ready("run", "experiment.yaml").folder
        [run] = runs(folder)
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
        told = ready("run", "experiment.yaml", status=2)
        assert "is already running" in told.talk

    def test_a_failed_part_is_status_1_and_tried_again(self, ready, monkeypatch):
        from facebench import AccuracyTask

        def fails(self, frame):
            raise ZeroDivisionError("no pairs today")

        with monkeypatch.context() as patch:
            patch.setattr(AccuracyTask, "compute_unrounded_performance", fails)
            failed = ready("run", "experiment.yaml", status=1)
        assert "no pairs today" in failed.talk
        [run] = runs(failed.folder)
        assert load_run(run).status == "failed"
        assert "Continuing the failed run" in ready("run", "experiment.yaml").talk
        assert load_run(run).status == "finished"


class TestFindingRuns:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(InputError, match="There is no run in"):
            load_run(tmp_path)
