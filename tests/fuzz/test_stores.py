"""Mutated embedding stores: every run gives the distances of a run without a store."""

import os
import random
import shutil
import sqlite3
from contextlib import suppress

import numpy as np
import pytest
from typer.testing import CliRunner

from facebench import AccuracyTask, MultiModelTaskManager
from facebench.cli import app
from facebench.store import open_store
from facebench.testing.world import write_world
from support.mutation import damaged, fuzzed, told_or_done
from support.small_net import SmallNet, small_transform

TABLES = {
    "layers": ("key", "dtype", "width", "model", "layer", "details"),
    "shards": ("name", "size", "id"),
    "batches": ("shard", "images", "id"),
    "blocks": ("offset", "checksums", "dead", "layer", "batch"),
    "usage": ("day",),
    "files": ("path", "stat", "digest"),
    "state": ("generation",),
}
CELLS = (
    None, "", "x", 0, 1, -1, 7, 2**31, 2**62, -(2**63), 0.5, b"", b"\0" * 16, b"\xff" * 7, "{",
    "[]", "float16", "float32", "../../victim.bin", "/etc/passwd", "x" * 100_000, "9" * 400, "a\0b",
)  # fmt: skip
SCHEMES = (
    "DROP TABLE {}", "CREATE TRIGGER t AFTER INSERT ON {} BEGIN DELETE FROM layers; END",
    "ALTER TABLE {} RENAME TO gone", "PRAGMA user_version = 99", "PRAGMA user_version = 0",
    "PRAGMA application_id = 7", "DELETE FROM {}", "CREATE TABLE more (x)",
    "DROP INDEX blocks_by_batch", "ALTER TABLE {} ADD COLUMN more", "PRAGMA journal_mode = DELETE",
    "UPDATE {} SET checksum = NULL", "INSERT INTO {0} SELECT * FROM {0}",
)  # fmt: skip


def distances(world, cache):
    """Run two layers' distances of all pairs."""
    model = SmallNet("m", None, ["0", "4"], small_transform, device="cpu")
    task = AccuracyTask("t", world / "pairs.csv", world / "images", true_label="same")
    manager = MultiModelTaskManager(model, [task], cache_dir=cache, num_workers=0, batch_size=5)
    manager.run_all_tasks_all_models(world / "out", plots=False)
    return manager.model_task_distances_dfs["m"]["t"]["model_computed_distance"].to_numpy()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    write_world(folder)
    distances(folder, folder / "store")
    with open_store(folder / "store") as store:
        store.image_digests(sorted((folder / "images").glob("*/*.png")))
    return folder


@pytest.fixture(scope="module")
def expected(world):
    return distances(world, None)


def with_index(folder, statement, *cells):
    connection = sqlite3.connect(folder / "index.sqlite3")
    # A mutant need not be valid.
    with suppress(sqlite3.Error, OverflowError):
        connection.execute(statement, cells)
        connection.commit()
    connection.close()


def swap_names(folder, rng):
    """Put something else in the place of a file: a link, a folder, a pipe, nothing, a copy."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    change = rng.randrange(7)
    content = path.read_bytes()
    path.unlink()
    if change == 0:
        path.symlink_to(folder.parent / "victim.bin")
    elif change == 1:
        path.symlink_to(path.name)
    elif change == 2:
        path.mkdir()
    elif change == 3:
        os.mkfifo(path)
    elif change == 4:
        path.write_bytes(rng.choice(files[:1]).read_bytes() if files[0].exists() else b"")
    elif change == 5:
        path.with_name(f"{path.name}.old").write_bytes(content)


def mutate(folder, rng):
    change = rng.randrange(10)
    index = folder / "index.sqlite3"
    shards = sorted(folder.glob("*/*.bin"))
    if change <= 2:
        table = rng.choice(list(TABLES))
        column = rng.choice(TABLES[table])
        which = rng.choice(["1", "rowid % 2", "1"])
        with_index(folder, f"UPDATE {table} SET {column} = ? WHERE {which}", rng.choice(CELLS))
    elif change == 3:
        with_index(folder, rng.choice(SCHEMES).format(rng.choice(list(TABLES))))
    elif change == 4:
        content = bytearray(index.read_bytes())
        pages = len(content) // 4096
        first, second = (4096 * rng.randrange(pages) for _ in range(2))
        page = bytes(content[first : first + 4096])
        content[first : first + 4096] = rng.choice([bytes(4096), content[second : second + 4096]])
        content[second : second + 4096] = rng.choice([page, content[second : second + 4096]])
        index.write_bytes(content)
    elif change == 5:
        side = folder / f"index.sqlite3{rng.choice(['-wal', '-shm', '-journal'])}"
        side.write_bytes(rng.choice([rng.randbytes(5000), damaged(index.read_bytes(), rng), b""]))
    elif change == 6:
        swap_names(folder, rng)
    elif change == 7 and shards:
        path = rng.choice(shards)
        path.write_bytes(damaged(path.read_bytes(), rng))
    elif change == 8 and shards:
        path = rng.choice(shards)
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice([1, 20])):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    else:
        index.write_bytes(damaged(index.read_bytes(), rng))


def called(*arguments):
    done = CliRunner().invoke(app, ["cache", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 1, 2), done.stderr


@fuzzed(in_ci=10)
def test_stores(seed, world, expected, tmp_path):
    rng = random.Random(f"stores {seed}")
    folder = tmp_path / "store"
    shutil.copytree(world / "store", folder)
    victim = tmp_path / "victim.bin"
    victim.write_bytes(b"precious")
    mutate(folder, rng)
    there = ("--cache-dir", str(folder))
    for step in (*rng.sample(["run", "verify", "info", "prune"], 2), "run", "clear", "run"):
        if step == "run":
            found = told_or_done(lambda: distances(world, folder), folder)
            assert found is None or np.allclose(found, expected, rtol=0, atol=1e-6)
        elif step == "prune":
            called("prune", *there, "--older-than", "1d")
        else:
            called(step, *there, *(["--yes"] if step == "clear" else []))
        assert victim.read_bytes() == b"precious"
    shutil.rmtree(folder, ignore_errors=True)
