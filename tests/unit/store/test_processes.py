"""The store under several processes, and under processes that are killed."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import StoreError
from facebench.store import EmbeddingStore
from support.store_writer import (
    LAYERS,
    count_whole,
    images_of,
    open_there,
    rows_of,
    write_batches,
)

KILLS = 30
needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)
WRITER = Path(__file__).parents[2] / "support" / "store_writer.py"


def start(folder: Path, writer: int, first: int, last: int) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    arguments = [sys.executable, str(WRITER), str(folder), *map(str, (writer, first, last))]
    return subprocess.Popen(
        arguments, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.slow
@needs_fork
def test_a_process_killed_at_any_moment_leaves_batches_whole_or_absent(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    moments = random.Random(0)
    said = context.Value("i", 0, lock=False)
    for kill in range(KILLS):
        first = said.value
        process = context.Process(target=write_batches, args=(tmp_path, 0, first, 10**6, said))
        process.start()
        # Most die while they write, some while they open the store.
        while kill % 5 and said.value == first:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        process.close()
        with open_there(tmp_path) as store:
            # What was said to be kept is kept; of the batch in work, all or nothing.
            unsaid = count_whole(store, 0, said.value, said.value + 2)
            assert unsaid in (0, 1)
            said.value += unsaid
            assert count_whole(store, 0, first, said.value) == said.value - first
    with open_there(tmp_path) as store:
        assert count_whole(store, 0, 0, said.value + 1) == said.value >= KILLS // 2
        assert store.verify().damaged == {}
    # Whoever dies leaves its shard to the next.
    assert len(list((tmp_path / "shards").iterdir())) == 1


@pytest.mark.slow
def test_processes_write_and_read_at_once(tmp_path: Path) -> None:
    writers = [start(tmp_path, writer, 0, 40) for writer in range(4)]
    with open_there(tmp_path) as store:
        while any(process.poll() is None for process in writers):
            for writer in range(4):
                count_whole(store, writer, 0, 5, while_writing=True)
        for process in writers:
            _lines, errors = process.communicate()
            assert (process.returncode, errors) == (0, "")
        for writer in range(4):
            assert count_whole(store, writer, 0, 40) == 40
        assert store.verify() == store.verify()
        assert store.verify().damaged == {}


@needs_fork
def test_a_forked_worker_writes_to_a_shard_of_its_own(tmp_path: Path) -> None:
    with open_there(tmp_path) as store:
        store.write(rows_of(0, 0), images_of(0, 0))
        child = multiprocessing.get_context("fork").Process(
            target=store.write, args=(rows_of(1, 0), images_of(1, 0))
        )
        child.start()
        store.write(rows_of(0, 1), images_of(0, 1))
        child.join()
        assert child.exitcode == 0
        assert count_whole(store, 0, 0, 2) == 2
        assert count_whole(store, 1, 0, 1) == 1
        assert len(list((tmp_path / "shards").iterdir())) == 2


def test_a_store_sent_to_another_process_is_the_same_store(tmp_path: Path) -> None:
    with open_there(tmp_path) as store:
        store.write(rows_of(0, 0), images_of(0, 0))
        with pickle.loads(pickle.dumps(store)) as copy:
            assert count_whole(copy, 0, 0, 1) == 1


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    with open_there(tmp_path) as store, open_there(tmp_path) as reader:
        store.write(rows_of(0, 0), images_of(0, 0))
        with store._database.change():
            # A writer holds the index's lock for as long as this block lasts.
            assert count_whole(reader, 0, 0, 1) == 1


def test_clearing_while_another_process_writes_loses_nothing_new(tmp_path: Path) -> None:
    with open_there(tmp_path) as store, open_there(tmp_path) as other:
        store.write(rows_of(0, 0), images_of(0, 0))
        other.clear()
        assert count_whole(store, 0, 0, 1) == 0
        store.write(rows_of(0, 1), images_of(0, 1))
        assert count_whole(other, 0, 0, 2) == 1


def test_pruning_moves_rows_under_a_reader_that_finds_them_still(tmp_path: Path) -> None:
    write_batches(tmp_path, 0, 0, 6)
    with open_there(tmp_path) as reader, open_there(tmp_path) as other:
        assert count_whole(reader, 0, 0, 6) == 6
        kept = 6 * 16 * 4 * (LAYERS["narrow"] + LAYERS["single"])
        before = other.info().size
        with other._database.change() as connection:
            connection.execute("UPDATE usage SET day = day - (SELECT id = 1 FROM layers "
                               "WHERE layers.id = usage.layer)")  # fmt: skip
        pruned = other.prune(max_size=kept)
        assert pruned.rows == 6 * 16
        assert other.info().size < before - 6 * 16 * 4 * 2000
        for batch in range(6):
            for layer in ("narrow", "single"):
                rows, found = reader.read(layer, images_of(0, batch))
                assert found.all()
                np.testing.assert_array_equal(rows, rows_of(0, batch)[layer])
            assert not reader.has("wide", images_of(0, batch)).any()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="files have no size limit there")
def test_a_full_disk_is_one_clear_error_and_the_store_stays_readable(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stderr == ""
    message, kept = process.stdout.strip().rsplit("\n", 1)
    assert message.startswith("The disk is full: the embedding store at")
    with open_there(tmp_path) as store:
        assert count_whole(store, 0, 0, 100) == int(kept) > 0
        assert store.verify().damaged == {}
        store.write(rows_of(1, 0), images_of(1, 0))
        assert count_whole(store, 1, 0, 1) == 1


_FILL = f"""
import resource, sys
from pathlib import Path
from support.store_writer import *
from facebench.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, {resource.RLIM_INFINITY}))
store = open_there(Path(sys.argv[1]))
for batch in range(100):
    try:
        store.write(rows_of(0, batch), images_of(0, batch))
    except StoreError as error:
        print(error)
        print(count_whole(store, 0, 0, 100))
        break
"""


def write_until_refused(store: EmbeddingStore) -> None:
    for batch in range(1, 1000):
        store.write(rows_of(0, batch), images_of(0, batch))


def test_an_index_that_cannot_grow_is_the_same_error(tmp_path: Path) -> None:
    with open_there(tmp_path) as store:
        store.write(rows_of(0, 0), images_of(0, 0))
        with store._database.use() as connection:
            connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match="The disk is full"):
            write_until_refused(store)
        assert count_whole(store, 0, 0, 1) == 1
        assert store.verify().damaged == {}
