"""The index's tables: one width per layer, rows at their places, damaged ones forgotten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.errors import StoreError
from facebench.store.database import Database
from facebench.store.index_tables import insertion, seal
from facebench.store.layer_index import LayerIndex, as_digests
from facebench.store.places import layer_id, load_places, mark_dead

IMAGES = [bytes([number]) * 16 for number in range(1, 6)]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path, read_only=False)


def add(database: Database, images: list[bytes], begin: int, width: int = 2) -> int:
    """List a batch whose rows begin somewhere; each row's checksum is its image's number."""
    with database.change() as connection:
        layer = layer_id(connection, ("key", "float32"), width)
        batch = connection.execute(
            "INSERT INTO batches (shard, images) VALUES (1, ?)", (b"".join(images),)
        ).lastrowid
        seal(connection, "batches")
        checksums = np.array([image[0] for image in images], dtype="<u8")
        connection.execute(insertion("blocks"), (layer, batch, begin, checksums.tobytes(), None))
    return layer


def found_in(database: Database, layer: int, index: LayerIndex | None = None) -> dict[int, int]:
    """Give where each image's row begins."""
    index = LayerIndex(2, "float32") if index is None else index
    with database.use() as connection:
        load_places(connection, layer, index)
    found, places = index.find(as_digests(IMAGES))
    assert places.checksum.tolist() == (np.flatnonzero(found) + 1).tolist()
    return dict(zip((np.flatnonzero(found) + 1).tolist(), places.begin.tolist(), strict=True))


def test_rows_of_a_batch_lie_one_behind_the_other(database: Database) -> None:
    layer = add(database, IMAGES[:3], begin=128)
    assert found_in(database, layer) == {1: 128, 2: 136, 3: 144}


def test_only_what_is_new_is_added_and_the_latest_row_counts(database: Database) -> None:
    layer = add(database, IMAGES[:2], begin=0)
    index = LayerIndex(2, "float32")
    found_in(database, layer, index)
    add(database, IMAGES[1:4], begin=64)
    assert found_in(database, layer, index) == {1: 0, 2: 64, 3: 72, 4: 80}
    assert len(index) == 5


def test_a_damaged_row_is_forgotten_and_the_others_stay(database: Database) -> None:
    layer = add(database, IMAGES[:2], begin=0)
    add(database, IMAGES[2:], begin=64)
    index = LayerIndex(2, "float32")
    found_in(database, layer, index)
    _, bad = index.find(as_digests(IMAGES[1:3]))
    with database.change() as connection:
        mark_dead(connection, layer, index.row_bytes, bad)
    assert found_in(database, layer) == {1: 0, 4: 72, 5: 80}
    _, rest = index.find(as_digests(IMAGES[3:]))
    with database.change() as connection:
        mark_dead(connection, layer, index.row_bytes, rest)
        (left,) = connection.execute("SELECT count(*) FROM blocks").fetchone()
    assert left == 1
    assert found_in(database, layer) == {1: 0}


def test_a_layer_of_another_width_is_refused(database: Database) -> None:
    layer = add(database, IMAGES[:1], begin=0, width=2)
    with database.change() as connection:
        assert layer_id(connection, ("key", "float32"), 2) == layer
        assert layer_id(connection, ("key", "float16"), 3) != layer
        with pytest.raises(StoreError, match="rows of 2 values and got rows of 3"):
            layer_id(connection, ("key", "float32"), 3)


def test_a_damaged_entry_is_passed_over(database: Database) -> None:
    layer = add(database, IMAGES[:2], begin=0)
    add(database, IMAGES[2:4], begin=64)
    with database.change() as connection:
        connection.execute("UPDATE batches SET images = x'00' WHERE id = 1")
    assert found_in(database, layer) == {3: 64, 4: 72}
