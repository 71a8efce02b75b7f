"""The index's tables in terms of layers and places of rows; all inside a caller's transaction."""

from __future__ import annotations

import datetime
import sqlite3

import numpy as np

from facebench.errors import StoreError
from facebench.store.index_tables import seal
from facebench.store.layer_index import DIGEST_BYTES, LayerIndex, RowPlaces

__all__ = ["layer_id", "load_places", "mark_dead", "new_generation", "today"]


def today() -> int:
    """Count the days, as `usage` keeps them."""
    return datetime.datetime.now(datetime.UTC).date().toordinal()


def new_generation(connection: sqlite3.Connection) -> None:
    """Tell all processes that rows they know of were moved or removed."""
    connection.execute("UPDATE state SET generation = generation + 1")


def layer_id(connection: sqlite3.Connection, layer: tuple[str, str], width: int) -> int:
    """Give the number of a layer (key, dtype), listing it if it is new.

    Raises
    ------
    StoreError
        If its rows had another width so far.
    """
    query = "SELECT id, width FROM whole_layers WHERE key = ? AND dtype = ?"
    found = connection.execute(query, layer).fetchone()
    if found is None:
        # One whose entry is damaged is replaced.
        cursor = connection.execute(
            "INSERT OR REPLACE INTO layers (key, dtype, width) VALUES (?, ?, ?)", (*layer, width)
        )
        seal(connection, "layers", "id = ?", (cursor.lastrowid,))
        return cursor.lastrowid or 0
    identifier, known = found
    if known is None:
        connection.execute("UPDATE layers SET width = ? WHERE id = ?", (width, identifier))
        seal(connection, "layers", "id = ?", (identifier,))
    elif known != width:
        msg = (
            f"The layer {layer[0]!r} must keep one width for all images. The embedding store has "
            f"rows of {known} values and got rows of {width}."
        )
        raise StoreError(msg)
    return int(identifier)


def load_places(connection: sqlite3.Connection, layer: int, index: LayerIndex) -> None:
    """Add to a layer's index what was written since it was last brought up to now."""
    blocks = connection.execute(
        "SELECT b.batch, a.shard, b.offset, a.images, b.checksums, b.dead FROM "
        "whole_blocks b JOIN whole_batches a ON a.id = b.batch "
        "WHERE b.layer = ? AND b.batch > ? ORDER BY b.batch",
        (layer, index.last_batch),
    ).fetchall()
    if not blocks:
        return
    index.last_batch = blocks[-1][0]
    batches, shards, offsets, images, checksums, dead = zip(*blocks, strict=True)
    counts = np.array([len(packed) // DIGEST_BYTES for packed in images])
    digests = np.frombuffer(b"".join(images), dtype="<u8").reshape(-1, 2)
    position = np.arange(len(digests)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = RowPlaces(
        high=digests[:, 0],
        low=digests[:, 1],
        batch=np.repeat(np.array(batches, dtype=np.int64), counts),
        shard=np.repeat(np.array(shards, dtype=np.int64), counts),
        begin=np.repeat(np.array(offsets, dtype=np.int64), counts) + position * index.row_bytes,
        checksum=np.frombuffer(b"".join(checksums), dtype="<u8"),
    )
    if any(flags is not None for flags in dead):
        flags = b"".join(
            bytes(count) if flags is None else flags
            for count, flags in zip(counts.tolist(), dead, strict=True)
        )
        rows = rows.take(np.frombuffer(flags, dtype=np.uint8) == 0)
    index.add(rows)


def mark_dead(
    connection: sqlite3.Connection, layer: int, row_bytes: int, places: RowPlaces
) -> None:
    """Forget damaged rows."""
    for batch in np.unique(places.batch).tolist():
        block = connection.execute(
            "SELECT offset, checksums, dead FROM whole_blocks WHERE layer = ? AND batch = ?",
            (layer, batch),
        ).fetchone()
        if block is None:
            continue
        offset, checksums, dead = block
        flags = bytearray(dead or bytes(len(checksums) // 8))
        for begin in places.begin[places.batch == batch].tolist():
            position = (begin - offset) // row_bytes
            if 0 <= position < len(flags):
                flags[position] = 1
        if all(flags):
            connection.execute("DELETE FROM blocks WHERE layer = ? AND batch = ?", (layer, batch))
        else:
            connection.execute(
                "UPDATE blocks SET dead = ? WHERE layer = ? AND batch = ?",
                (bytes(flags), layer, batch),
            )
            seal(connection, "blocks", "layer = ? AND batch = ?", (layer, batch))
    new_generation(connection)
