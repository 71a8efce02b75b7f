"""Runs of the command line that are killed, interrupted, or started twice: in real processes."""

import json
import os
import signal
import time
from types import SimpleNamespace

import pandas as pd
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest
from support.forked import CommandProcess
from support.runs import N_IMAGES, make_world

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")

SLOW = '''
import os
import time
from pathlib import Path

import torch
from torch import nn

from facebench import BaseModel


class Slow(BaseModel):
    """Notes how many images went through; may wait in the middle until a file is there."""

    fingerprint = "slow"  # It asks whether there is a gate.

    def _build_model(self):
        generator = torch.Generator().manual_seed(3)
        layer = nn.Linear(48, 8)
        for parameter in layer.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), layer)

    def _forward(self, input_tensor):
        seen, gate = Path("seen"), os.environ.get("FACEBENCH_TEST_GATE")
        with seen.open("a") as file:
            file.write("x" * len(input_tensor))
        while gate and seen.stat().st_size >= 13 and not Path(gate).exists():
            time.sleep(0.02)
        return self.model(input_tensor)
'''
# Before its first batch a network is tried on three and on two images.
TRIED = 5
EXPERIMENT = """
images: images
models: {slow: {model: slow.py, layers: ["0", "2"]}}
batch_size: 2
num_workers: 1
report: false
tasks:
  same: {task: accuracy, pairs: same.csv, true_label: same}
  rated: {task: correlation, pairs: rated.csv}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an experiment, and ways to run it here or in a process of its own."""
    make_world(tmp_path)
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "x.yaml").write_text(EXPERIMENT)
    seen = tmp_path / "seen"
    seen.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    started = []

    def start(gate=""):
        process = CommandProcess("run", "x.yaml", FACEBENCH_TEST_GATE=gate)
        started.append(process)
        return process

    def ended(process):
        done = process.end()
        assert "Traceback" not in done.talk, done.talk
        return done

    def in_the_middle(process):
        """Wait until some images, and not all of them, went through the network."""
        while seen.stat().st_size < 13:
            assert process.poll() is None, process.end()
            time.sleep(0.02)

    def run(*arguments):
        done = CliRunner().invoke(app, ["run", "x.yaml", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return SimpleNamespace(status=done.exit_code, out=done.stdout, talk=done.stderr)

    yield SimpleNamespace(
        folder=tmp_path,
        start=start,
        ended=ended,
        in_the_middle=in_the_middle,
        run=run,
        seen=lambda: seen.stat().st_size,
        runs=lambda: sorted(path.parent for path in tmp_path.glob("runs/x/2*/manifest.json")),
    )
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.end()


def written_status(run):
    return json.loads((run / "manifest.json").read_text())["status"]


def assert_same_results(run, undisturbed):
    assert load_run(run).status == load_run(undisturbed).status == "finished"
    for name in ("results", "distances"):
        ours, theirs = (
            getattr(load_run(path), name).drop(columns="run", errors="ignore")
            for path in (run, undisturbed)
        )
        assert len(ours)
        # To the last bit: the same batches, in the same memory layout.
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_killed_run_is_known_for_interrupted_and_goes_on_in_its_folder(place):
    process = place.start(gate="gate")
    place.in_the_middle(process)
    [run] = place.runs()
    assert load_run(run).status == "running"
    os.kill(process.pid, signal.SIGKILL)
    process.end()
    before = place.seen()
    assert before < N_IMAGES + TRIED
    assert written_status(run) == "running"
    assert load_run(run).status == "interrupted"
    assert load_run(run).results.empty

    # After a reboot some other process, such as this one, may have its number.
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["process"]["pid"] = os.getpid()
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert load_run(run).status == "interrupted"

    again = place.run()
    assert again.status == 0, again.talk
    assert f"Continuing the interrupted run {run}" in again.talk
    assert place.runs() == [run]
    # What was stored is not computed again.
    assert place.seen() - before - TRIED < N_IMAGES
    [record] = load_run(run).manifest["provenance"]["models"].values()
    assert record["n_hits"] > 0
    assert record["n_forwards"] == place.seen() - before - TRIED

    # From the beginning, in an empty store.
    assert place.run("--force", "--set", "cache=fresh").status == 0
    _, undisturbed = place.runs()
    assert_same_results(run, undisturbed)


def test_an_interrupted_run_says_so_and_ends_with_130(place):
    process = place.start(gate="gate")
    place.in_the_middle(process)
    # As a terminal does it: the processes that decode images get it too.
    os.killpg(process.pid, signal.SIGINT)
    stopped = place.ended(process)
    assert stopped.status == 130
    [told] = [line for line in stopped.talk.splitlines() if "Interrupted" in line]
    assert f"Interrupted. What is finished is in {place.runs()[0]}" in told
    assert told.endswith("resumes from there. Continue with: facebench run x.yaml")
    [run] = place.runs()
    assert written_status(run) == "interrupted"
    before = place.seen()
    assert place.run().status == 0
    assert place.runs() == [run]
    assert load_run(run).status == "finished"
    assert place.seen() - before - TRIED < N_IMAGES


def test_a_run_whose_data_change_meanwhile_does_not_pass_for_finished(place):
    process = place.start(gate="gate")
    place.in_the_middle(process)
    # The table was read before, and is used as it was.
    table = place.folder / "rated.csv"
    table.write_text(table.read_text().replace(",0.", ",0.1"))
    (place.folder / "gate").touch()
    first = place.ended(process)
    assert first.status == 0
    assert first.talk.count("changed while it ran") == 1
    again = place.run()
    assert again.status == 0
    assert "changed while it ran" not in again.talk
    assert "is finished" not in again.talk
    assert len(place.runs()) == 2
    assert "is finished, on the same data" in place.run().talk


def test_interrupted_before_it_began(place):
    begun = place.folder / "begun"
    stuck = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)\n"
    (place.folder / "slow.py").write_text(stuck)
    process = place.start()
    while not begun.exists():
        assert process.poll() is None, process.end()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    assert place.ended(process).status == 130
    assert not (place.folder / "runs").exists()


def test_a_second_start_is_refused_as_long_as_the_first_runs(place):
    first = place.start(gate="gate")
    place.in_the_middle(first)
    [run] = place.runs()
    second = place.run()
    assert second.status == 2
    assert f"is already running, into {run} (process {first.pid} on " in second.talk
    assert "Wait until it is done, or stop it and run this again." in second.talk
    # Nor anew: the other is at work on the same.
    assert place.run("--force").status == 2
    # Another experiment of the same name may run beside it.
    other = place.run("--set", "tasks.rated.correlation=spearman")
    assert other.status == 0, other.talk
    (place.folder / "gate").touch()
    assert place.ended(first).status == 0
    assert len(place.runs()) == 2


def test_of_two_starts_in_the_same_second_one_runs(place):
    ends = [place.ended(process) for process in [place.start(), place.start()]]
    [run] = place.runs()
    assert load_run(run).status == "finished"
    assert place.seen() == N_IMAGES + TRIED
    assert 0 in {end.status for end in ends}
    for end in ends:
        # Who comes late is refused, or shown what is finished.
        assert end.status == 0 or (end.status == 2 and "is already running" in end.talk)


def test_the_lock_holds_before_the_folder_tells_of_a_run(place):
    digest = experiment_digest(load_config("x.yaml"))
    (place.folder / "runs" / "x").mkdir(parents=True)
    with FileLock(place.folder / "runs" / "x" / f".{digest[:16]}.lock"):
        refused = place.run()
    assert refused.status == 2
    assert "run this again, to see its results or to continue it" in refused.talk
    assert place.seen() == 0
    assert not place.runs()


def test_runs_that_cannot_be_written(place):
    (place.folder / "taken").write_text("no folder")
    refused = place.run("--set", "output=taken")
    assert refused.status == 2
    assert "must be a folder to write to" in refused.talk


def test_a_report_that_was_not_wanted_is_written_later(place):
    assert place.run().status == 0
    [run] = place.runs()
    assert not (run / "report.html").exists()
    later = place.run("--set", "report=true")
    assert "Nothing is left to do" in later.talk
    assert (run / "report.html").is_file()
    assert place.seen() == N_IMAGES + TRIED
