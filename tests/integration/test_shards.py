"""Shards of a run, interrupted and repeated: together they give the numbers of one run."""

import json
import os
import signal
import time

import pandas as pd
import pytest
from integration.test_interruption import EXPERIMENT, SLOW, TRIED
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.commands.embeddings import TO_BE_REQUEUED
from support.forked import CommandProcess
from support.runs import N_IMAGES, make_world

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")


@pytest.fixture
def place(tmp_path, monkeypatch):
    make_world(tmp_path)
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "x.yaml").write_text(f"{EXPERIMENT}packs: packs\n")
    (tmp_path / "seen").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout or "null"), done.stderr


def forwards(place, *arguments):
    before = (place / "seen").stat().st_size
    status, found, talk = call(*arguments)
    assert status == 0, talk
    return found, (place / "seen").stat().st_size - before


def signalled(process, number, place, has_begun):
    """Signal a shard that waits at its gate once it has begun; it asks to be requeued."""
    while not has_begun():
        assert process.poll() is None, process.end()
        time.sleep(0.02)
    os.kill(process.pid, number)
    (place / "gate").touch()
    done = process.end()
    assert done.status == TO_BE_REQUEUED, done.talk
    return done


def test_shards_of_which_one_is_interrupted_give_the_numbers_of_one_run(place):
    undisturbed, n_forwards = forwards(place, "run", "x.yaml", "--set", "cache=one")
    assert n_forwards == N_IMAGES + TRIED
    cache = ["--set", "cache=node"]
    (place / "seen").write_text("")
    process = CommandProcess(
        "embed", "x.yaml", "--shard", "0/2", *cache, FACEBENCH_TEST_GATE="gate"
    )
    done = signalled(process, signal.SIGUSR1, place, lambda: (place / "seen").stat().st_size >= 13)
    assert "Ended by SIGUSR1, after a whole batch" in done.talk
    n_done = (place / "seen").stat().st_size - 2 * TRIED
    assert 0 < n_done < N_IMAGES // 2
    # The node is gone with its store; what was published is not embedded again.
    cache = ["--set", "cache=other"]
    found, again = forwards(place, "embed", "x.yaml", "--shard", "0/2", *cache)
    assert again == N_IMAGES // 2 - n_done + TRIED
    assert found["models"][0]["n_rows"] == 2 * (N_IMAGES // 2 - n_done)
    for _time in range(2):
        found, _n_forwards = forwards(place, "embed", "x.yaml", "--shard", "1/2", *cache)
    assert (found["models"][0]["n_packs"], found["models"][0]["n_forwards"]) == (0, 0)
    from_packs, n_forwards = forwards(place, "run", "x.yaml", "--force", "--set", "cache=third")
    assert n_forwards == 0
    for name in ("results", "distances"):
        ours, theirs = (
            getattr(load_run(run["run"]), name).drop(columns="run", errors="ignore")
            for run in (from_packs, undisturbed)
        )
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_signal_while_models_are_built_ends_a_shard_before_its_first_batch(place):
    stuck = "import time\nfrom pathlib import Path\nPath('begun').touch()\n"
    stuck += "while not Path('gate').exists():\n    time.sleep(0.02)\n"
    (place / "slow.py").write_text(stuck + SLOW)
    process = CommandProcess(
        "embed", "x.yaml", "--set", "cache=node", RANK="1", WORLD_SIZE="2", LOCAL_RANK="0"
    )
    done = signalled(process, signal.SIGTERM, place, (place / "begun").exists)
    assert "Shard 1 of 2 (counted from 0), by RANK and WORLD_SIZE." in done.talk
    assert "Ended by SIGTERM" in done.talk
    assert not (place / "seen").stat().st_size


def test_two_devices_share_packs(place):
    cache = ["--set", "cache=node"]
    found, n_forwards = forwards(place, "embed", "x.yaml", "--devices", "cpu,cpu", *cache)
    assert [(one["shard"], one["status"]) for one in found["shards"]] == [("0/2", 0), ("1/2", 0)]
    # Each tries the network once or twice: the other may have met its layers before.
    assert N_IMAGES + 2 * TRIED <= n_forwards <= N_IMAGES + 4 * TRIED
    assert forwards(place, "run", "x.yaml", "--set", "cache=third")[1] == 0


def test_what_does_not_go_together_is_refused(place):
    for arguments, told in (
        (["embed", "x.yaml", "--model", "vgg16"], "names its models and settings itself"),
        (["embed", "images", "--shard", "0/2"], "are for an experiment"),
        (["embed", "x.yaml", "--shard", "2/2"], "Shards count from 0"),
        (["embed", "x.yaml", "--set", "cache=false"], "in addition to an embedding store"),
    ):
        status, _found, talk = call(*arguments)
        assert status == 2, (arguments, talk)
        assert told in talk
