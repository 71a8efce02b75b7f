"""Rows are found and verified, also when another process moves them meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facebench.store import EmbeddingStore
from facebench.store.database import Database
from facebench.store.layer_index import as_digests
from facebench.store.reader import RowReader
from facebench.store.writer import RowWriter

IMAGES = as_digests([bytes([number]) * 16 for number in range(4)])
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_what_another_writes_is_found_by_a_reader_that_has_looked_before(tmp_path: Path) -> None:
    reader = RowReader(Database(tmp_path, read_only=False), "float32")
    rows, found = reader.read("a", IMAGES)
    assert rows.shape == (0, 0)
    assert not found.any()
    RowWriter(Database(tmp_path, read_only=False), "float32").write(
        {"a": ROWS[:2]}, IMAGES[:2], None, None
    )
    rows, found = reader.read("a", IMAGES)
    assert found.tolist() == [True, True, False, False]
    assert np.array_equal(rows, ROWS[:2])


def test_the_order_asked_for_and_the_type_it_was_kept_as(tmp_path: Path) -> None:
    RowWriter(Database(tmp_path, read_only=False), "float32").write({"a": ROWS}, IMAGES, None, None)
    rows, _found = RowReader(Database(tmp_path, read_only=True), "float32").read(
        "a", IMAGES[[3, 0, 3]]
    )
    assert np.array_equal(rows, ROWS[[3, 0, 3]])
    assert not RowReader(Database(tmp_path, read_only=True), "float16").read("a", IMAGES)[1].any()


def test_rows_moved_by_another_process_are_looked_for_again(tmp_path: Path) -> None:
    writer = EmbeddingStore(tmp_path)
    digests = [image.tobytes() for image in IMAGES]
    writer.write({"a": ROWS}, digests)
    reader = RowReader(Database(tmp_path, read_only=False), "float32")
    assert reader.read("a", IMAGES)[1].all()
    writer.clear()
    writer.write({"a": ROWS + 1}, digests)
    rows, found = reader.read("a", IMAGES)
    assert found.all()
    assert np.array_equal(rows, ROWS + 1)


def test_a_layer_whose_rows_were_all_removed_keeps_its_width(tmp_path: Path) -> None:
    digests = [image.tobytes() for image in IMAGES]
    with EmbeddingStore(tmp_path) as store:
        store.write({"a": ROWS}, digests)
        assert store.prune(max_size=0).rows == len(ROWS)
    with EmbeddingStore(tmp_path) as store:
        for places, rows in store.read_blocks("a", digests):
            assert places.size == 0
            assert rows.shape == (0, ROWS.shape[1])
