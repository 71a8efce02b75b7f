"""Shards: appended to by one holder, and read wherever rows lie."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.store import open_store
from facebench.store.database import SHARDS_NAME, Database
from facebench.store.shards import OwnShard, ShardFile, hold


@given(places=st.lists(st.integers(0, 30), min_size=1, max_size=20), row_bytes=st.integers(1, 9))
def test_rows_are_copied_wherever_they_lie(
    tmp_path_factory: pytest.TempPathFactory, places: list[int], row_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.bin"
    content = np.arange(200, dtype=np.uint8)
    path.write_bytes(content.tobytes())
    begins = np.array(places, dtype=np.int64) * 7
    rows = np.zeros((len(places), row_bytes), dtype=np.uint8)
    with ShardFile(path) as file:
        fits = file.copy(begins, rows)
    assert np.array_equal(fits, begins + row_bytes <= 200)
    for begin, row in zip(begins[fits], rows[fits], strict=True):
        assert np.array_equal(row, content[begin : begin + row_bytes])


@pytest.mark.parametrize("is_folder", [False, True], ids=["missing", "folder"])
def test_what_is_not_a_file_is_an_empty_one(tmp_path: Path, is_folder: bool) -> None:
    if is_folder:
        (tmp_path / "gone.bin").mkdir()
    with ShardFile(tmp_path / "gone.bin") as file:
        assert not file.copy(np.array([0]), np.zeros((1, 4), dtype=np.uint8)).any()


def test_each_writer_has_a_shard_of_its_own_and_leaves_it_to_the_next(tmp_path: Path) -> None:
    database = Database(tmp_path, read_only=False)
    first, second = OwnShard(database), OwnShard(database)
    assert first.identifier != second.identifier
    paths = sorted((tmp_path / SHARDS_NAME).glob("*.bin"))
    assert [hold(path) for path in paths] == [None, None]
    first.close()
    assert OwnShard(database).identifier == first.identifier
    second.close()
    free = [descriptor for path in paths if (descriptor := hold(path)) is not None]
    assert len(free) == 1
    os.close(free[0])


def test_the_next_process_goes_on_with_a_shard_that_ends_at_no_round_address(
    tmp_path: Path,
) -> None:
    for number in range(3):
        with open_store(tmp_path) as store:
            store.write({"key": np.ones((1, 3), dtype=np.float32)}, [bytes([number]) * 16])
    assert len(list((tmp_path / SHARDS_NAME).iterdir())) == 1
    with open_store(tmp_path) as store:
        rows, found = store.read("key", [bytes([number]) * 16 for number in range(3)])
    assert found.all()
    assert (rows == 1).all()


def test_a_place_before_the_beginning_is_not_there(tmp_path: Path) -> None:
    """An index that a stranger has made may say so."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(100)))
    for begins in ([-8], [-8, 0, 16], [-8, -4, 0, 4]):
        rows = np.zeros((len(begins), 4), dtype=np.uint8)
        with ShardFile(path) as file:
            fits = file.copy(np.array(begins, dtype=np.int64), rows)
        assert fits.tolist() == [begin >= 0 for begin in begins]


def test_what_was_appended_but_not_indexed_is_cut_off(tmp_path: Path) -> None:
    shard = OwnShard(Database(tmp_path, read_only=False))
    begin = shard.append(np.ones((2, 3), dtype=np.float32))
    # Every block begins at a round address.
    assert shard.end >= begin + 24
    assert shard.end % 64 == 0
    shard.forget_after(begin)
    assert shard.end == begin
    (path,) = (tmp_path / SHARDS_NAME).glob("*.bin")
    assert path.stat().st_size == begin
