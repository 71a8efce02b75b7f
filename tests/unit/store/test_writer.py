"""A batch is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.errors import StoreError
from facebench.store.database import SHARDS_NAME, Database
from facebench.store.layer_index import as_digests
from facebench.store.reader import RowReader
from facebench.store.writer import RowWriter

IMAGES = as_digests([bytes([number]) * 16 for number in range(2)])
ROWS = np.ones((2, 3), dtype=np.float32)


def test_a_layer_that_is_refused_takes_the_others_of_its_batch_along(tmp_path: Path) -> None:
    database = Database(tmp_path, read_only=False)
    writer, reader = RowWriter(database, "float32"), RowReader(database, "float32")
    writer.write({"a": ROWS}, IMAGES, None, None)
    (shard,) = (tmp_path / SHARDS_NAME).glob("*.bin")
    size = shard.stat().st_size
    with pytest.raises(StoreError, match="one width"):
        writer.write({"b": ROWS, "a": ROWS[:, :2]}, IMAGES, [["x"], ["y"]], "notes")
    reader.note_written()
    assert not reader.read("b", IMAGES)[1].any()
    # Nor does it leave bytes behind.
    assert shard.stat().st_size - size < 64
    with database.use() as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)


def test_a_shard_that_was_given_back_is_replaced(tmp_path: Path) -> None:
    database = Database(tmp_path, read_only=False)
    writer, reader = RowWriter(database, "float32"), RowReader(database, "float32")
    writer.write({"a": ROWS}, IMAGES, None, None)
    with database.change() as connection:
        connection.execute("DELETE FROM shards")
        connection.execute("UPDATE state SET generation = generation + 1")
    writer.write({"b": ROWS}, IMAGES, None, None)
    reader.forget()
    assert np.array_equal(reader.read("b", IMAGES)[0], ROWS)
