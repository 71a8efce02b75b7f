"""Mutated and forged packs, shards that are killed, two writers: right rows, or none."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import struct
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xxhash

from facebench import MultiModelTaskManager
from facebench.engine.sharding import Shard
from facebench.run.shard_status import StatusFile
from facebench.store import EmbeddingStore
from facebench.store import pack_files as pf
from facebench.store.exchange import export_store, import_packs, publish
from facebench.store.pack_files import PackLayer, write_pack
from facebench.store.packs import Packs
from support import runs
from support.forked import SERVER
from support.killed import kill_at, n_lines
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


def stored(folder):
    """Fill a store with all rows but the last."""
    folder.mkdir(exist_ok=True)
    with EmbeddingStore(folder) as store:
        store.write({"key": ROWS[:7]}, IMAGES[:7], [["remark"], *([[]] * 6)], "n")
        store.remember("width key", 5)


def exchange(folder, what):
    """Publish, export or take in, as commands do."""
    packs, store = Packs(folder / "packs"), folder / "store"
    if what == "import":
        store = folder / "other"
    with EmbeddingStore(store) as opened:
        if what == "publish":
            publish(opened, packs, [LAYER], IMAGES, notes_key="n", facts={"width key": 5})
        elif what == "export":
            export_store(opened, packs)
        else:
            import_packs(packs, opened)


def killed_exchange(folder, what, number):
    kill_at(number, "store/", "utils/files.py")
    exchange(folder, what)


def right_or_missing(store):
    """Check the rows that a store gives; says how many."""
    rows, found = store.read("key", IMAGES)
    assert not found.any() or np.array_equal(rows, ROWS[found])
    for notes, image in zip(store.notes("n", IMAGES), IMAGES, strict=True):
        assert notes in (None, ("remark",) if image == IMAGES[0] else ())
    return int(found.sum())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("what", ["publish", "export", "import"])
def test_exchanges_killed_at_any_line_and_repeated_are_whole(tmp_path, what):
    def begin(folder):
        stored(folder / "store")
        (folder / "other").mkdir()
        if what == "import":
            exchange(folder, "publish")

    for name in ("counted", "done"):
        (tmp_path / name).mkdir()
        begin(tmp_path / name)
    exchange(tmp_path / "done", what)
    count = n_lines(lambda: exchange(tmp_path / "counted", what), "store/", "utils/files.py")
    n_kills = 150 if NIGHTLY else 5
    n_killed = 0
    for number in np.linspace(1, count, n_kills, dtype=int).tolist():
        folder = tmp_path / str(number)
        folder.mkdir()
        begin(folder)
        process = SERVER.Process(target=killed_exchange, args=(folder, what, number))
        process.start()
        process.join()
        n_killed += process.exitcode == -signal.SIGKILL
        packs = Packs(folder / "packs")
        assert (packs.verify()[1], packs.refused, packs.contradicted) == ({}, {}, {})
        with EmbeddingStore(folder / "other", packs=packs) as store:
            right_or_missing(store)
        # Whoever comes next finds what is whole, and does the rest.
        exchange(folder, what)
        packs.look()
        assert packs.verify() == Packs(tmp_path / "done/packs").verify()
        assert packs.recall("width key") == 5
        if what == "import":
            with EmbeddingStore(folder / "other") as store:
                assert right_or_missing(store) == 7
                assert not store.verify().damaged
        shutil.rmtree(folder)
    assert n_killed >= 0.7 * n_kills


# A line of each is where a shard is killed: while it embeds, keeps, publishes, renames.
PLACES = (
    "engine/forward.py", "engine/", "store/writer.py", "store/shards.py", "store/exchange.py",
    "store/pack_files.py", "store/packs.py", "store/database.py", "run/shard_status.py",
)  # fmt: skip


def embed(folder, number, sleep, place="", line=0):
    os.environ["FACEBENCH_TEST_SLEEP"] = sleep
    os.chdir(folder)
    shard = manager(Path(folder), f"node {number}")
    status = StatusFile(Path(folder) / "packs", "x", Shard(number, 3), {})
    if place:
        kill_at(line, place)
    shard.embed_shard(number, 3)
    status.end("done")


def manager(folder, cache):
    return MultiModelTaskManager(
        runs.make_model(), runs.tasks(folder), batch_size=2, num_workers=0,
        cache_dir=folder / cache, packs=folder / "packs", max_memory=40_000,
    )  # fmt: skip


@pytest.mark.skipif(not NIGHTLY, reason="takes minutes (set FACEBENCH_NIGHTLY)")
@pytest.mark.timeout(3600)
def test_shards_killed_at_any_line_and_repeated_give_the_numbers_of_one_run(tmp_path):
    runs.make_world(tmp_path)
    alone = runs.run(tmp_path, tmp_path / "alone", cache_dir=None, max_memory=40_000)
    rng, kills, at_work = random.Random(4), Counter(), []
    left = {0: 40, 1: 40, 2: 40}
    while left or at_work:
        # Two at a time, which publish into one folder.
        while left and len(at_work) < 2:
            number = rng.choice(
                [one for one in left if one not in [n for n, *_ in at_work]] or [-1]
            )
            if number < 0:
                break
            left[number] -= 1
            place = rng.choice(PLACES) if left[number] > 0 else ""
            line = int(10 ** rng.uniform(0, 3.5))
            process = SERVER.Process(target=embed, args=(str(tmp_path), number, "0", place, line))
            process.start()
            at_work.append((number, place, process))
        number, place, process = at_work.pop(0)
        process.join()
        if process.exitcode == -signal.SIGKILL:
            kills[place] += 1
        else:
            assert process.exitcode == 0
        if process.exitcode == 0 and left[number] <= 0:
            del left[number]
        if rng.random() < 0.3 and number not in [n for n, *_ in at_work]:
            # The node is gone with its disk, or all that was published.
            gone = rng.choice([f"node {number}", f"node {number}", "packs"])
            if gone != "packs" or not at_work:
                shutil.rmtree(tmp_path / gone, ignore_errors=True)
                if gone == "packs":
                    left = {n: max(left.get(n, 0), 1) for n in range(3)}
        packs = Packs(tmp_path / "packs")
        assert (packs.verify()[1], packs.refused, packs.contradicted) == ({}, {}, {})
    assert sum(kills.values()) >= 60, kills
    run = manager(tmp_path, "last")
    run.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert run.models["net"].images_seen == 0
    np.testing.assert_allclose(runs.distances(run), runs.distances(alone), rtol=1e-5, atol=1e-5)


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
