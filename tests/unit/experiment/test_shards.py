"""Which share a process embeds, by what it is told or where it runs; and how signals end it."""

import os
import re
import signal

import pytest

from facebench.engine.sharding import Shard
from facebench.errors import InputError
from facebench.experiment.shards import ShardStopped, node_folder, shard_of, share_told, stoppable


def array(task, count, first=0, last=None, step=1):
    last = first + step * (count - 1) if last is None else last
    values = {"ID": task, "COUNT": count, "MIN": first, "MAX": last, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("named", "environment", "expected"),
    [
        ("0/1", {}, (0, 1)),
        (" 3 / 16 ", array(1, 2), (3, 16)),
        (None, {}, (0, 1)),
        (None, array(0, 6), (0, 6)),
        (None, array(1, 6, first=1), (0, 6)),
        (None, array(11, 3, first=3, step=4), (2, 3)),
        (None, {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "4"}, (2, 4)),
        (None, {"RANK": "1", "WORLD_SIZE": "4"}, (1, 4)),
        (None, {**array(2, 3), "RANK": "1", "WORLD_SIZE": "2"}, (5, 6)),
    ],
)
def test_the_share(named, environment, expected):
    shard = shard_of(named, environment)
    assert (shard.number, shard.count) == expected


@pytest.mark.parametrize(
    ("named", "environment", "told"),
    [
        ("16/16", {}, "Shards count from 0: the last one of 16 is 15/16"),
        ("0/0", {}, "Shards count from 0"),
        ("-1/4", {}, "such as 0/16"),
        ("1", {}, "such as 0/16"),
        (None, array(5, 3, first=1, last=7), "is not one of 3 shards"),
        (None, array("x", 3), "SLURM_ARRAY_TASK_ID must be a number"),
        (None, {"RANK": "4", "WORLD_SIZE": "4"}, "Shards count from 0"),
        (None, {"RANK": "1"}, "RANK is set and WORLD_SIZE is not"),
        (None, {"WORLD_SIZE": "2"}, "WORLD_SIZE is set and RANK is not"),
        (None, {"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_COUNT is not"),
    ],
)
def test_what_is_no_share_is_refused(named, environment, told):
    with pytest.raises(InputError, match=told):
        shard_of(named, environment)


@pytest.mark.parametrize(
    ("named", "environment", "told"),
    [
        (None, {}, r"0\)\.$"),
        ("0/1", {"SLURM_PROCID": "1"}, r", by --shard\.$"),
        (None, array(2, 3), "by SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT"),
        (
            None,
            {**array(2, 3), "RANK": "1", "WORLD_SIZE": "2"},
            "Shard 5 of 6 .* by SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT, RANK and WORLD_S",
        ),
        ("1/4", array(2, 3), "by --shard; SLURM_ARRAY_TASK_ID and .* are not considered"),
        (None, {"SLURM_PROCID": "2"}, "process 2 of those that srun has started, and all of them"),
        (None, {"SLURM_PROCID": "0"}, r"0\)\.$"),
    ],
)
def test_what_has_decided_is_told(named, environment, told):
    assert re.search(told, share_told(named, environment, shard_of(named, environment)))


def test_shares_are_of_the_images_whatever_their_order():
    digests = [os.urandom(16) for _ in range(23)]
    shares = [{digests[number] for number in Shard(place, 5).images(digests)} for place in range(5)]
    assert sorted(map(len, shares)) == [4, 4, 5, 5, 5]
    assert set().union(*shares) == set(digests)
    again = digests[::-1]
    assert {again[number] for number in Shard(3, 5).images(again)} == shares[3]


def test_a_folder_of_the_job_on_its_node(tmp_path):
    assert node_folder({"SLURM_TMPDIR": str(tmp_path)}) == str(tmp_path / "facebench")
    assert node_folder({"SLURM_TMPDIR": str(tmp_path / "missing")}) is None
    assert node_folder({}) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_is_heard_at_certain_places(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with stoppable() as check:
        check()
        os.kill(os.getpid(), number)
        # The second one is not caught.
        assert signal.getsignal(number) == before
        with pytest.raises(ShardStopped, match=name):
            check()
    assert signal.getsignal(number) == before
