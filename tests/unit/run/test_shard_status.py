"""How far shards are: what they wrote, what others put there, and who has died."""

import json
import os
import time

import pytest

from facebench.engine.sharding import Shard
from facebench.run import shard_status
from facebench.run.shard_status import StatusFile, read_statuses


def test_what_a_shard_notes_is_read(tmp_path):
    environment = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2", "SLURM_JOB_ID": "9"}
    status = StatusFile(tmp_path, "a/b", Shard(2, 4), environment)
    status.begin("net", 10, 8)
    status.batch(4)
    status.begin("other", 10, 0)
    [read] = read_statuses(tmp_path, "a/b")
    assert (read.number, read.count, read.state, read.model) == (2, 4, "running", "other")
    assert (read.n_images, read.n_missing, read.n_forwards) == (20, 8, 4)
    assert (read.job, read.process) == ("7_2", os.getpid())
    status.end("failed", "Error: \x1b[31mred")
    assert read_statuses(tmp_path, "a/b")[0].error == "Error: \ufffd[31mred"
    assert read_statuses(tmp_path, "another") == []


def test_the_number_of_shards_that_was_begun_last_counts(tmp_path):
    for count in (3, 2):
        for number in reversed(range(count)):
            StatusFile(tmp_path, "x", Shard(number, count), {}).end("done")
    assert [(one.number, one.count) for one in read_statuses(tmp_path, "x")] == [(0, 2), (1, 2)]


def test_shards_that_are_not_heard_of_were_killed(tmp_path, monkeypatch):
    StatusFile(tmp_path, "x", Shard(0, 1), {})
    monkeypatch.setattr(shard_status.psutil, "pid_exists", lambda _process: False)
    assert read_statuses(tmp_path, "x")[0].state == "killed"
    monkeypatch.setattr(shard_status.socket, "gethostname", lambda: "other")
    assert read_statuses(tmp_path, "x")[0].state == "running"
    path = tmp_path / "shards/x/1/0.json"
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3600))
    [read] = read_statuses(tmp_path, "x")
    assert read.state == "killed"
    assert 3600 <= read.silent < 4200


def test_a_clock_that_is_wrong_kills_no_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_status.socket, "gethostname", lambda: "other")
    StatusFile(tmp_path, "x", Shard(0, 1), {})
    monkeypatch.undo()
    for shift in (-7200, 7200):
        now = time.time() + shift
        monkeypatch.setattr(shard_status.time, "time", lambda now=now: now)
        [read] = read_statuses(tmp_path, "x")
        assert (read.state, read.silent < 600) == ("running", True)
        monkeypatch.undo()


@pytest.mark.parametrize("linked", ["shards", "shards/x", "shards/x/2"])
def test_no_link_leads_out_of_the_folder_of_packs(tmp_path, linked):
    elsewhere, packs = tmp_path / "elsewhere", tmp_path / "packs"
    StatusFile(elsewhere, "x", Shard(0, 2), {})
    (packs / linked).parent.mkdir(parents=True)
    (packs / linked).symlink_to(elsewhere / linked)
    written = (elsewhere / "shards/x/2/0.json").read_bytes()
    assert read_statuses(packs, "x") == []
    StatusFile(packs, "x", Shard(0, 2), {}).end("done")
    StatusFile(packs, "x", Shard(1, 2), {}).end("done")
    assert [path.read_bytes() for path in elsewhere.rglob("*.json")] == [written]


@pytest.mark.parametrize(
    "change",
    [
        {"number": 3},
        {"state": "\x1b[2J"},
        {"n_forwards": -1},
        {"n_images": 1 << 80},
        {"started": float("nan")},
        {"host": ["x"]},
        {"model": "x" * 20_000},
    ],
)
def test_what_others_put_there_is_passed_over(tmp_path, change):
    StatusFile(tmp_path, "x", Shard(0, 2), {})
    path = tmp_path / "shards/x/2/0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert read_statuses(tmp_path, "x") == []


def test_links_and_folders_are_passed_over(tmp_path):
    StatusFile(tmp_path, "x", Shard(0, 2), {})
    folder = tmp_path / "shards/x/2"
    (folder / "0.json").rename(tmp_path / "secret.json")
    (folder / "0.json").symlink_to(tmp_path / "secret.json")
    (folder / "1.json").mkdir()
    assert read_statuses(tmp_path, "x") == []


def test_a_status_that_cannot_be_written_stops_no_shard(tmp_path):
    (tmp_path / "shards").touch()
    StatusFile(tmp_path, "x", Shard(0, 2), {}).batch(3)
