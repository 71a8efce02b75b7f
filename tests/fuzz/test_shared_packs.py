"""Mutated and forged packs, shards that are killed, two writers: right rows, or none."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import xxhash

from facebench import MultiModelTaskManager
from facebench.store import EmbeddingStore
from facebench.store import pack_files as pf
from facebench.store.pack_files import PackLayer, write_pack
from facebench.store.packs import Packs
from support import runs
from support.forked import SERVER
from support.mutation import NIGHTLY, damaged, fuzzed, told_or_done

IMAGES = [bytes([number]) * 16 for number in range(8)]
ROWS = np.random.default_rng(1).standard_normal((8, 5)).astype(np.float32)
LAYER = PackLayer("key", "float32", 5, "net", "fc")
VALUES = (
    None, "", "x", -1, 0, 1, 7, 2**31, 2**62, 2**70, 0.5, [], {}, [[]], "../../victim.bin",
    "/etc/passwd", "\x1b[2J", "a\0b", "x" * 100_000, {"a": {"a": {}}}, True, "float16",
)  # fmt: skip
TO_BE_READ = ("images", "notes", "facts", "checksums.0")


def read_rows(_layer, images):
    return np.stack([ROWS[IMAGES.index(image)] for image in images])


def whole(folder):
    for first in (0, 4):
        write_pack(
            folder, [LAYER], IMAGES[first : first + 4], read_rows, notes_key="n",
            notes=[["remark"], [], [], []], facts={"width key": 5},
        )  # fmt: skip


def forge(path, rng):
    """Write a pack as somebody would who knows the format: digests and seal fit."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    description = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["description"])
    at = rng.choice(
        ["images", "layers", "notes_key", "notes", "facts", "digests", "layer", "small"]
    )
    small = None
    if at == "layer":
        description["layers"][0][
            rng.choice(["key", "dtype", "width", "model", "details", "more"])
        ] = rng.choice(VALUES)
    elif at == "small":
        small = json.dumps(
            rng.choice((*VALUES, {"width key": "x"}, {"9": ["n"]}, {"x": 1}))
        ).encode()
        name = rng.choice(["notes", "facts"])
        description[name], description["digests"][name] = (
            len(small),
            xxhash.xxh3_128_hexdigest(small),
        )
    else:
        description[at] = rng.choice(VALUES)
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["description"] = json.dumps(description, sort_keys=True)
    spelled = json.dumps(header).encode()
    try:
        parsed = pf._described.validate_python(description)
        spelled = pf._header(parsed)
    except (ValueError, MemoryError):
        pass
    seal = pf._seal(spelled)
    rest = content[8 + length + len(seal) :]
    if small is not None:
        old = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["description"])
        begin = 16 * old["images"] + (old["notes"] if name == "facts" else 0)
        rest = rest[:begin] + small + rest[begin + old[name] :]
    path.write_bytes(struct.pack("<Q", len(spelled)) + spelled + seal + rest)
    return at


def mutate(folder, rng):
    """Damage or replace one of the packs; says whether its rows may be forged."""
    path = rng.choice(sorted(folder.iterdir()))
    content = path.read_bytes()
    change = rng.randrange(8)
    if change <= 2:
        return forge(path, rng)
    if change == 3:
        flipped = bytearray(content)
        for _ in range(rng.choice([1, 1, 5])):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
    elif change == 4:
        path.write_bytes(content[: rng.randrange(len(content))])
    elif change == 5:
        path.write_bytes(damaged(content, rng))
    elif change == 6:
        path.unlink()
        target = rng.choice([folder.parent / "victim.bin", path.name, "/etc/passwd", "/dev/zero"])
        path.symlink_to(target)
    else:
        path.unlink()
        rng.choice([os.mkfifo, os.mkdir])(path)
    return ""


@fuzzed(in_ci=15)
def test_shared_packs(seed, tmp_path):
    rng = random.Random(f"packs {seed}")
    folder = tmp_path / "packs"
    whole(folder)
    victim = tmp_path / "victim.bin"
    victim.write_bytes(b"precious")
    mutate(folder, rng)
    (tmp_path / "store").mkdir()

    def use():
        with EmbeddingStore(tmp_path / "store", packs=Packs(folder)) as store:
            order = [rng.randrange(8) for _ in range(6)]
            rows, found = store.read("key", [IMAGES[number] for number in order])
            if len(rows):
                assert np.array_equal(rows, ROWS[np.array(order)[found]])
            store.notes("n", IMAGES)
            assert store.recall("width key") in (None, 5)
            for _places, _rows in store.read_blocks("key", IMAGES, 40):
                pass
            Packs(folder).verify()
        return True

    assert told_or_done(use)
    assert victim.read_bytes() == b"precious"
    shutil.rmtree(folder)


def write_again(folder, times):
    for _ in range(times):
        whole(Path(folder))


@pytest.mark.skipif(not NIGHTLY, reason="takes a minute (set FACEBENCH_NIGHTLY)")
def test_two_writers_of_one_pack_and_a_reader_that_meets_no_half(tmp_path):
    context = multiprocessing.get_context("fork")
    folder = tmp_path / "packs"
    writers = [context.Process(target=write_again, args=(folder, 400)) for _ in range(2)]
    for writer in writers:
        writer.start()
    looks = 0
    while any(writer.is_alive() for writer in writers):
        packs = Packs(folder)
        rows, damage = packs.verify()
        assert (packs.refused, damage) == ({}, {})
        assert rows in (0, 4, 8)
        looks += 1
        if looks % 10 == 0:
            # One more writer, which is killed at any moment.
            killed = context.Process(target=write_again, args=(folder, 10**6))
            killed.start()
            time.sleep(random.uniform(0, 0.05))
            killed.kill()
            killed.join()
    assert looks > 20
    assert len(list(folder.glob("*.safetensors"))) == 2
    assert Packs(folder).verify() == (8, {})


def embed(folder, number, sleep):
    os.environ["FACEBENCH_TEST_SLEEP"] = sleep
    os.chdir(folder)
    manager(Path(folder), f"node {number}").embed_shard(number, 3)


def manager(folder, cache):
    return MultiModelTaskManager(
        runs.make_model(), runs.tasks(folder), batch_size=2, num_workers=0,
        cache_dir=folder / cache, packs=folder / "packs", max_memory=40_000,
    )  # fmt: skip


@pytest.mark.skipif(not NIGHTLY, reason="takes minutes (set FACEBENCH_NIGHTLY)")
@pytest.mark.timeout(1800)
def test_shards_killed_at_any_moment_and_repeated_give_the_numbers_of_one_run(tmp_path):
    runs.make_world(tmp_path)
    alone = runs.run(tmp_path, tmp_path / "alone", cache_dir=None, max_memory=40_000)
    rng, kills, left = random.Random(3), 0, [0, 1, 2]
    while left:
        number = rng.choice(left)
        process = SERVER.Process(target=embed, args=(str(tmp_path), number, "0.4"))
        process.start()
        ends = time.monotonic() + (rng.uniform(0.5, 6) if kills < 20 else 600)
        process.join(max(0, ends - time.monotonic()))
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
        if rng.random() < 0.2:
            # The node is gone with its disk.
            shutil.rmtree(tmp_path / f"node {number}", ignore_errors=True)
        if process.exitcode == 0:
            left.remove(number)
        packs = Packs(tmp_path / "packs")
        assert (packs.verify()[1], packs.refused) == ({}, {})
    assert kills > 3
    run = manager(tmp_path, "last")
    run.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert run.models["net"].images_seen == 0
    np.testing.assert_allclose(runs.distances(run), runs.distances(alone), rtol=1e-5, atol=1e-5)
