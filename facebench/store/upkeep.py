"""Maintenance of a store: what it holds, verification, and freeing space."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from facebench.errors import StoreError
from facebench.store.database import FORMAT, SHARDS_NAME, Database, check_structure
from facebench.store.index_tables import COLUMNS, seal
from facebench.store.layer_index import LayerIndex
from facebench.store.places import load_places, mark_dead, new_generation, today
from facebench.store.rows import checksums_of
from facebench.store.shards import OwnShard, ShardFile, hold, shard_path

__all__ = [
    "Contents",
    "LayerInfo",
    "Pruned",
    "StoreInfo",
    "Verified",
    "clear",
    "contents",
    "info",
    "prune",
    "verify",
]

# Rewriting what lives in a shard is worth it where at least this part of the file is dead.
_WORTH_REWRITING = 0.25
_AT_ONCE = 256 << 20
_SURELY_MADE = 60.0
_VALUE_BYTES = "CASE l.dtype WHEN 'float16' THEN 2 ELSE 4 END"


@dataclass(frozen=True)
class LayerInfo:
    """One layer of one model in the store; `size` counts the bytes of its rows."""

    model: str
    layer: str
    dtype: str
    width: int
    images: int
    size: int
    last_used: datetime.date | None
    key: str
    details: str


@dataclass(frozen=True)
class StoreInfo:
    """What a store holds; `size` counts the bytes of all its files."""

    folder: Path
    format: int
    size: int
    layers: tuple[LayerInfo, ...]


@dataclass(frozen=True)
class Verified:
    """Rows read, those found damaged, per (model, layer), and damaged index entries, per table."""

    rows: int
    damaged: dict[tuple[str, str], int]
    entries: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Pruned:
    """Rows and bytes removed from the index, and the bytes given back to the disk by now.

    What a running process's own shard holds is given back by a later pruning.
    """

    rows: int
    size: int
    freed: int


@dataclass(frozen=True)
class Contents:
    """All that a store holds: layers and the images they have rows of, remarks, and facts."""

    layers: list[tuple[LayerInfo, list[bytes]]]
    notes: dict[str, list[bytes]]
    facts: dict[str, Any]


def contents(database: Database) -> Contents:
    """List all that is in the store."""
    layers = []
    for described in info(database).layers:
        index = LayerIndex(described.width, described.dtype)
        with database.use() as connection:
            layer = connection.execute(
                "SELECT id FROM whole_layers WHERE key = ? AND dtype = ?",
                (described.key, described.dtype),
            ).fetchone()
            load_places(connection, layer[0], index)
        images = {
            image.tobytes()
            for part in index.parts()
            for image in np.stack([part.high, part.low], axis=1)
        }
        layers.append((described, list(images)))
    notes: dict[str, list[bytes]] = {}
    with database.use() as connection:
        for key, image in connection.execute("SELECT key, image FROM whole_notes"):
            notes.setdefault(key, []).append(image)
        facts = dict(connection.execute("SELECT key, value FROM whole_facts"))
    return Contents(layers, notes, {key: json.loads(value) for key, value in facts.items()})


def info(database: Database) -> StoreInfo:
    """Tell what is in the store, per model and layer."""
    with database.use() as connection:
        found = connection.execute(
            "SELECT l.model, l.layer, l.dtype, l.width, total(length(b.checksums) / 8), "
            "(SELECT max(day) FROM usage u WHERE u.layer = l.id), l.key, l.details "
            "FROM whole_layers l LEFT JOIN whole_blocks b ON b.layer = l.id "
            "WHERE l.width IS NOT NULL GROUP BY l.id ORDER BY l.model, l.id"
        ).fetchall()
        dead: Counter[tuple[str, str]] = Counter()
        for key, dtype, flags in connection.execute(
            "SELECT l.key, l.dtype, b.dead FROM whole_blocks b "
            "JOIN whole_layers l ON l.id = b.layer WHERE b.dead IS NOT NULL"
        ):
            dead[key, dtype] += flags.count(1)
    layers = tuple(
        LayerInfo(
            model,
            layer,
            dtype,
            width,
            int(rows) - dead[key, dtype],
            int(rows) * width * np.dtype(dtype).itemsize,
            _date(day),
            key,
            details,
        )
        for model, layer, dtype, width, rows, day, key, details in found
        if rows
    )
    return StoreInfo(database.folder, FORMAT, _disk_size(database.folder), layers)


def _date(day: object) -> datetime.date | None:
    """Read a day of `usage`, which may be damaged."""
    if isinstance(day, int) and 0 < day <= datetime.date.max.toordinal():
        return datetime.date.fromordinal(day)
    return None


def verify(database: Database) -> Verified:
    """Read the index and all rows; what is damaged is forgotten.

    Raises
    ------
    StoreError
        If the index is damaged in its structure.
    """
    with database.use() as connection:
        check_structure(connection)
    entries = {} if database.read_only else database.drop_damaged(COLUMNS)
    with database.use() as connection:
        layers = connection.execute(
            "SELECT id, key, dtype, width, model, layer FROM whole_layers WHERE width IS NOT NULL"
        ).fetchall()
    total, damaged = 0, {}
    for identifier, key, dtype, width, model, layer in layers:
        rows, bad = _verify_layer(database, (identifier, key, dtype, width))
        total += rows
        if bad:
            damaged[model or key, layer] = bad
    return Verified(total, damaged, entries)


def _verify_layer(database: Database, layer: tuple[int, str, str, int]) -> tuple[int, int]:
    identifier, key, dtype, width = layer
    index = LayerIndex(width, dtype)
    with database.use() as connection:
        load_places(connection, identifier, index)
        names = dict(connection.execute("SELECT id, name FROM shards").fetchall())
    rows = damaged = 0
    step = max(1, _AT_ONCE // index.row_bytes)
    for places in index.parts():
        for shard in np.unique(places.shard).tolist():
            of_shard = places.take(places.shard == shard)
            of_shard = of_shard.take(np.argsort(of_shard.begin))
            path = shard_path(database.folder, names.get(shard)) or database.folder / "none"
            with ShardFile(path) as file:
                for first in range(0, len(of_shard), step):
                    part = of_shard.take(np.arange(first, min(first + step, len(of_shard))))
                    data = np.empty((len(part), index.row_bytes), dtype=np.uint8)
                    whole = file.copy(part.begin, data)
                    images = np.stack([part.high, part.low], axis=1)
                    whole &= checksums_of(data, images, key) == part.checksum
                    rows += len(part)
                    if whole.all():
                        continue
                    damaged += int((~whole).sum())
                    if not database.read_only:
                        with database.change() as connection:
                            mark_dead(connection, identifier, index.row_bytes, part.take(~whole))
    return rows, damaged


def prune(
    database: Database, max_size: int | None, older_than: datetime.timedelta | None
) -> Pruned:
    """Remove what was not used for long, and of the rest the longest unused that is too much."""
    before = _disk_size(database.folder)
    database.drop_damaged(COLUMNS)
    rows = size = 0
    with database.change() as connection:
        # What a layer has in a shard goes or stays as a whole: that is how use is counted.
        groups = connection.execute(
            "SELECT b.layer, a.shard, sum(length(b.checksums) / 8), "
            f"sum(length(b.checksums) / 8) * l.width * {_VALUE_BYTES}, "
            "CASE typeof(u.day) WHEN 'integer' THEN u.day ELSE 0 END "
            "FROM whole_blocks b JOIN whole_batches a ON a.id = b.batch "
            "JOIN whole_layers l ON l.id = b.layer "
            "LEFT JOIN usage u ON u.layer = b.layer AND u.shard = a.shard "
            "GROUP BY b.layer, a.shard ORDER BY 5, max(b.batch)"
        ).fetchall()
        excess = sum(group[3] for group in groups) - max_size if max_size is not None else 0
        oldest = today() - older_than.days if older_than is not None else 0
        for layer, shard, n_rows, n_bytes, day in groups:
            if day >= oldest and size >= excess:
                break
            connection.execute(
                "DELETE FROM blocks WHERE layer = ? AND batch IN "
                "(SELECT id FROM whole_batches WHERE shard = ?)",
                (layer, shard),
            )
            rows += n_rows
            size += n_bytes
        connection.execute("DELETE FROM batches WHERE id NOT IN (SELECT batch FROM blocks)")
        new_generation(connection)
    _give_back(database)
    return Pruned(rows, size, max(0, before - _disk_size(database.folder)))


def clear(database: Database) -> None:
    """Remove everything but the shards that running processes append to."""
    with database.change() as connection:
        for table in ("blocks", "batches", "usage", "layers", "notes", "facts", "files"):
            connection.execute(f"DELETE FROM {table}")
        new_generation(connection)
    _give_back(database)
    with contextlib.suppress(StoreError), database.use() as connection:
        connection.execute("VACUUM")


def _give_back(database: Database) -> None:
    """Remove dead shards and rewrite what lives in half-dead ones."""
    with database.use() as connection:
        shards = connection.execute("SELECT id, name FROM shards").fetchall()
    for identifier, name in shards:
        path = shard_path(database.folder, name)
        if path is None:
            _forget_shard(database, identifier)
            continue
        held = hold(path)
        if held is None:
            continue
        try:
            emptied = _empty(database, identifier, path)
        finally:
            os.close(held)
        if emptied:
            path.unlink(missing_ok=True)
    listed = {name for _identifier, name in shards}
    for path in (database.folder / SHARDS_NAME).glob("*.bin"):
        # Left by a process killed while making it; a moment ago it may be one being made.
        ours = shard_path(database.folder, path.name) is not None and not path.is_symlink()
        if ours and path.name not in listed and time.time() - path.stat().st_mtime > _SURELY_MADE:
            path.unlink(missing_ok=True)


def _empty(database: Database, shard: int, path: Path) -> bool:
    """Move what lives in a shard elsewhere if that is worth it; says whether the file may go."""
    with database.use() as connection:
        blocks = connection.execute(
            "SELECT b.batch, b.layer, b.offset, length(b.checksums) / 8 * l.width * "
            f"{_VALUE_BYTES} FROM whole_blocks b JOIN whole_batches a ON a.id = b.batch "
            "JOIN whole_layers l ON l.id = b.layer WHERE a.shard = ? ORDER BY b.batch, b.offset",
            (shard,),
        ).fetchall()
    living = sum(length for *_block, length in blocks)
    if living > (1 - _WORTH_REWRITING) * path.stat().st_size:
        return False
    by_batch: dict[int, list[tuple[int, int, int]]] = {}
    for batch, layer, offset, length in blocks:
        by_batch.setdefault(batch, []).append((layer, offset, length))
    own: OwnShard | None = None
    try:
        with path.open("rb") as file:
            for batch, parts in by_batch.items():
                if own is None or not own.is_usable:
                    if own is not None:
                        own.close()
                    own = OwnShard(database)
                _move(database, file, own, (shard, batch), parts)
    finally:
        if own is not None:
            own.close()
    _forget_shard(database, shard)
    return True


def _forget_shard(database: Database, shard: int) -> None:
    with database.change() as connection:
        connection.execute("DELETE FROM batches WHERE shard = ?", (shard,))
        connection.execute("DELETE FROM usage WHERE shard = ?", (shard,))
        connection.execute("DELETE FROM shards WHERE id = ?", (shard,))
        new_generation(connection)


def _move(
    database: Database,
    file: BinaryIO,
    own: OwnShard,
    source: tuple[int, int],
    parts: list[tuple[int, int, int]],
) -> None:
    """Copy one batch to another shard and point the index there."""
    shard, batch = source
    begin, moved, lost = own.end, [], []
    for layer, offset, length in parts:
        file.seek(offset)
        data = file.read(length)
        if len(data) == length:
            moved.append((own.append(np.frombuffer(data, dtype=np.uint8)), layer, batch))
        else:
            lost.append((layer, batch))
    try:
        with database.change() as connection:
            connection.execute(
                "UPDATE shards SET size = max(size, ?) WHERE id = ?", (own.end, own.identifier)
            )
            connection.execute("UPDATE batches SET shard = ? WHERE id = ?", (own.identifier, batch))
            connection.executemany(
                "UPDATE blocks SET offset = ? WHERE layer = ? AND batch = ?", moved
            )
            connection.executemany("DELETE FROM blocks WHERE layer = ? AND batch = ?", lost)
            connection.executemany(
                "INSERT INTO usage SELECT layer, ?, day FROM usage WHERE layer = ? AND shard = ? "
                "ON CONFLICT (layer, shard) DO UPDATE SET day = max(day, excluded.day)",
                [(own.identifier, layer, shard) for _offset, layer, _batch in moved],
            )
            seal(connection, "shards", "id = ?", (own.identifier,))
            seal(connection, "batches", "id = ?", (batch,))
            for _offset, *block in moved:
                seal(connection, "blocks", "layer = ? AND batch = ?", block)
            new_generation(connection)
    except BaseException:
        own.forget_after(begin)
        raise


def _disk_size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    return size
