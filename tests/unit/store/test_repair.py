"""A damaged index is made anew from what of it can be read; no other row comes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.errors import StoreError
from facebench.store import open_store
from facebench.store.database import INDEX_NAME
from facebench.store.repair import DAMAGED_NAME, repair_index

N_BATCHES, SIZE = 150, 8


def images_of(batch: int) -> list[bytes]:
    return [bytes([batch, place]) * 8 for place in range(SIZE)]


def rows_of(batch: int) -> np.ndarray:
    return np.full((SIZE, 3), batch, dtype=np.float32) + np.arange(SIZE)[:, None] / SIZE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_store(tmp_path) as store:
        store.describe("key", model="net", layer="fc", details={})
        for batch in range(N_BATCHES):
            store.write({"key": rows_of(batch)}, images_of(batch))
    return tmp_path


def found_in(folder: Path) -> int:
    """Count the batches that are found, and check that their rows are their own."""
    count = 0
    with open_store(folder) as store:
        for batch in range(N_BATCHES):
            rows, found = store.read("key", images_of(batch))
            assert np.array_equal(rows, rows_of(batch)[found])
            count += bool(found.all())
    return count


def test_a_sound_index_is_left_alone(folder: Path) -> None:
    before = (folder / INDEX_NAME).read_bytes()
    assert repair_index(folder) is None
    assert (folder / INDEX_NAME).read_bytes() == before
    assert found_in(folder) == N_BATCHES


def test_what_can_be_read_is_found_again_and_the_old_index_is_kept(folder: Path) -> None:
    path = folder / INDEX_NAME
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    rebuilt = repair_index(folder)
    assert rebuilt is not None
    assert rebuilt.set_aside == folder / DAMAGED_NAME
    assert (folder / DAMAGED_NAME).read_bytes() == bytes(content)
    found = found_in(folder)
    assert 0 < found <= N_BATCHES
    assert repair_index(folder) is None
    # What was lost is stored again.
    with open_store(folder) as store:
        for batch in range(N_BATCHES):
            store.write({"key": rows_of(batch)}, images_of(batch))
    assert found_in(folder) == N_BATCHES


def test_a_damaged_first_page_loses_nothing(folder: Path) -> None:
    path = folder / INDEX_NAME
    content = bytearray(path.read_bytes())
    content[:200] = bytes(200)
    path.write_bytes(content)
    assert repair_index(folder) is not None
    assert found_in(folder) == N_BATCHES


def test_an_index_in_use_is_not_replaced(folder: Path) -> None:
    with open_store(folder) as store:
        store.has("key", images_of(0))
        path = folder / INDEX_NAME
        content = bytearray(path.read_bytes())
        content[4096 * 3 : 4096 * 4] = bytes(4096)
        path.write_bytes(content)
        with pytest.raises(StoreError, match="another process uses it"):
            repair_index(folder)
        assert not (folder / DAMAGED_NAME).exists()
