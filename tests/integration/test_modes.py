"""What goes where: results to standard output, talk to standard error, and how much of it."""

import json
import os
import re

import pandas as pd
import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.store import open_store

if os.name == "nt":
    pytest.skip("Windows has no pseudo-terminals", allow_module_level=True)

from support.terminal import call_in_terminal

NET = '''
import torch
from torch import nn

from facebench import BaseModel


class Tiny(BaseModel):
    """Four numbers of an image."""

    def _build_model(self):
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())

    def _forward(self, input_tensor):
        return self.model(input_tensor)
'''
EXPERIMENT = """
images: faces
models: tiny.py
num_workers: 0
report: false
tasks: {same: {task: accuracy, pairs: pairs.csv, true_label: same}}
"""
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m")
SIGNS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
BAR = "━"


@pytest.fixture
def place(tmp_path, monkeypatch, world):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "faces").symlink_to(world.images)
    (tmp_path / "pairs.csv").write_bytes(world.pairs.read_bytes())
    (tmp_path / "tiny.py").write_text(NET)
    (tmp_path / "x.yaml").write_text(EXPERIMENT)
    open_store("default").close()
    return tmp_path


class TestOnATerminal:
    def test_a_run_shows_progress_with_speed_and_time_left(self, place):
        done = call_in_terminal("run", "x.yaml")
        assert done.status == 0, done.talk
        assert re.search(r"tiny .*18/18 .*images/s", SIGNS.sub("", done.talk))
        assert BAR in done.talk
        assert "Results are in" in done.talk
        # Standard output is no terminal here: results alone, without colour.
        assert "AUC" in done.out
        assert "\x1b" not in done.out
        assert "images/s" not in done.out

    @pytest.mark.parametrize("arguments", [("run", "x.yaml"), ("validate", "x.yaml", "--deep")])
    def test_quiet_leaves_results_only(self, place, arguments):
        done = call_in_terminal(*arguments, "--quiet")
        assert done.status == 0
        assert done.talk == ""
        assert done.out

    def test_quiet_tells_errors(self, place):
        done = call_in_terminal("run", "none.yaml", "-q")
        assert done.status == 2
        assert "Error: " in done.talk.replace("\x1b[0m", "")
        assert done.out == ""

    def test_verbose_tells_more(self, place):
        usual = call_in_terminal("validate", "none.yaml")
        verbose = call_in_terminal("validate", "none.yaml", "--verbose")
        assert "Traceback" not in usual.talk
        assert "Traceback" in verbose.talk
        assert usual.status == verbose.status == 2

    @pytest.mark.parametrize("arguments", [("run", "x.yaml"), ("run", "none.yaml")])
    def test_no_color(self, place, arguments):
        assert COLOUR.search(call_in_terminal(*arguments).talk)
        plain = call_in_terminal(*arguments, "--set", "seed=1", NO_COLOR="1")
        assert not COLOUR.search(plain.talk)
        assert not COLOUR.search(plain.out)

    def test_json_is_the_only_result(self, place):
        done = call_in_terminal("run", "x.yaml", "--json")
        assert json.loads(done.out)["status"] == "finished"
        assert BAR in done.talk


# Every command with arguments that take a moment; None: what it prints is its own format.
COMMANDS = {
    "init": ["init", "faces", "-o", "new.yaml"],
    "run": ["run", "x.yaml"],
    "dry run": ["run", "x.yaml", "--dry-run"],
    "validate": ["validate", "x.yaml", "--deep"],
    "schema": ["schema"],
    "models": ["models"],
    "tasks": ["tasks"],
    "metrics": ["metrics"],
    "layers": ["layers", "tiny.py"],
    "embed": ["embed", "faces", "--model", "tiny.py", "-o", "e.npz"],
    "pairs": ["pairs", "faces", "-o", "p.csv"],
    "align": ["align", "faces", "-o", "chips"],
    "new": ["new", "model", "my-net"],
    "prompt": ["prompt", "task", "a wish"],
    "doctor": ["doctor"],
    "cache info": ["cache", "info"],
    "cache verify": ["cache", "verify"],
    "cache prune": ["cache", "prune", "--max-size", "1GB"],
    "cache clear": ["cache", "clear", "--yes"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=list(COMMANDS))
class TestEveryCommand:
    def test_json_is_one_document_on_standard_output(self, place, arguments):
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, done.stderr
        json.loads(done.stdout)

    def test_quiet_is_silent_on_standard_error(self, place, arguments):
        done = CliRunner().invoke(app, [*arguments, "--quiet"])
        assert done.exit_code == 0, done.stderr
        assert done.stderr == ""
        assert done.stdout


def test_what_is_read_from_runs_likewise(place):
    run = CliRunner().invoke(app, ["run", "x.yaml", "--json", "-q"])
    folder = json.loads(run.stdout)["run"]
    for arguments in (
        ["report", folder],
        ["compare", folder, folder],
        ["leaderboard", folder, "-o", "b.html"],
    ):
        done = CliRunner().invoke(app, [*arguments, "--json", "--quiet"])
        assert (done.exit_code, done.stderr) == (0, ""), done.stderr
        json.loads(done.stdout)
    assert pd.read_csv(f"{folder}/results.csv")["metric"].isin(["AUC"]).any()
