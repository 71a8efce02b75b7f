"""A run folder, from its first line of log to the end of its process."""

import logging
import subprocess
import sys

import pytest

from facebench import load_run
from facebench.results.run_folder import RunFolder
from support.small_run import small_manager


def test_log_is_kept(tmp_path):
    run = RunFolder.create(tmp_path, "logged")
    before = logging.getLogger("facebench").handlers[:]
    with run.log() as path:
        logging.getLogger("facebench.engine").info("half of it")
    assert "half of it" in path.read_text()
    assert logging.getLogger("facebench").handlers == before


@pytest.mark.slow
def test_states_of_a_run(tmp_path):
    run = RunFolder.create(tmp_path / "runs", "a/b")
    assert run.path.parent.parent == tmp_path / "runs"
    fresh = load_run(run.path)
    assert fresh.status == "running"
    assert fresh.results.empty
    assert fresh.headline().empty
    manager = small_manager(tmp_path)
    run.save(manager, status="interrupted")
    assert load_run(run.path).status == "interrupted"
    again = RunFolder.reopen(run.path)
    again.save(manager, status="failed", failures=[("plain / rate", ValueError("no"))])
    found = load_run(run.path)
    assert found.status == "failed"
    assert found.manifest["failures"] == [{"what": "plain / rate", "error": "ValueError: no"}]
    assert found.manifest["created"] == fresh.manifest["created"]
    assert not [path for path in run.path.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_run_whose_process_is_gone_is_interrupted(tmp_path):
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from facebench.results.run_folder import RunFolder\n"
        "print(RunFolder.create(Path(sys.argv[1]), 'killed').path, flush=True)\nos._exit(9)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    run = load_run(done.stdout.strip())
    assert run.manifest["status"] == "running"
    assert run.status == "interrupted"
