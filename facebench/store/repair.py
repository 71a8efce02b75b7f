"""Making a damaged index anew, from the rows of it that can be read and whose checksums fit."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facebench.errors import StoreError
from facebench.store.database import (
    IN_USE,
    INDEX_NAME,
    OPENING,
    PATIENCE,
    SHARDS_NAME,
    check_format,
    check_places,
    check_structure,
    connect,
    header_like_ours,
    is_damage,
    lock_file,
    make_tables,
    store_error,
)
from facebench.store.index_tables import (
    COLUMNS,
    KEY_LENGTHS,
    add_functions,
    add_views,
    has_our_schema,
    insertion,
)
from facebench.store.places import new_generation, today
from facebench.store.shards import shard_path
from facebench.utils.locks import lock, try_lock

__all__ = ["DAMAGED_NAME", "Rebuilt", "repair_index"]

DAMAGED_NAME = "index.damaged.sqlite3"
_SIDE_FILES = ("-wal", "-shm")


@dataclass(frozen=True)
class Rebuilt:
    """An index that was made anew: why, how many entries were recovered, and the old file."""

    why: str
    entries: int
    set_aside: Path


def repair_index(folder: Path) -> Rebuilt | None:
    """Check the structure of a store's index, and make it anew if it is damaged.

    Rows that were recovered are found again; images of the others are embedded again.

    Returns
    -------
    Rebuilt or None
        None if its structure is sound.

    Raises
    ------
    StoreError
        If the index is of another program or a newer version, is in use, or cannot be written.
    """
    path = folder / INDEX_NAME
    check_places(folder)
    try:
        with _locked(folder):
            why = _damage(path)
            if why is None:
                return None
            with _locked(folder, alone=True):
                fresh, entries = _salvaged(path)
                # Side files belong to the old index: with the new one they would spoil it.
                path.replace(folder / DAMAGED_NAME)
                for end in _SIDE_FILES:
                    (folder / f"{INDEX_NAME}{end}").unlink(missing_ok=True)
                fresh.replace(path)
    except StoreError:
        raise
    except OSError as error:
        raise store_error(error, folder, "repaired") from error
    return Rebuilt(why, entries, folder / DAMAGED_NAME)


@contextlib.contextmanager
def _locked(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Keep others from opening the index, or make sure that no process has it open."""
    descriptor = lock_file(folder, IN_USE if alone else OPENING)
    try:
        if not alone:
            lock(descriptor, PATIENCE)
        elif not try_lock(descriptor):
            msg = (
                f"The index of the embedding store, {folder / INDEX_NAME}, is damaged, and another "
                "process uses it. Repair it with 'facebench cache verify' when that is done."
            )
            raise StoreError(msg)
        yield
    finally:
        os.close(descriptor)


def _damage(path: Path) -> str | None:
    """Say what is wrong with an index; None if nothing is."""
    connection = connect(str(path))
    try:
        check_format(connection, path.parent)
        check_structure(connection)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise store_error(error, path.parent, "read") from error
        return str(error)
    finally:
        connection.close()
    return None


def _salvaged(path: Path) -> tuple[Path, int]:
    """Write what can be read of a damaged index to a new file; returns it and its entries."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".repair-") as folder:
        copy, fresh = Path(folder) / "copy.sqlite3", Path(folder) / INDEX_NAME
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{end}", f"{copy}{end}")
        target = connect(str(fresh))
        make_tables(target)
        _mend_first_page(copy, fresh)
        source = connect(str(copy))
        try:
            for connection in (target, source):
                add_functions(connection, lambda _table: None)
            with contextlib.suppress(sqlite3.Error):
                add_views(source)
            target.execute("BEGIN")
            for table in COLUMNS:
                target.executemany(insertion(table), _rows(source, table))
            _relist_shards(target, path.parent)
            for gone in (
                "batches WHERE shard NOT IN (SELECT id FROM shards)",
                "blocks WHERE layer NOT IN (SELECT id FROM layers) "
                "OR batch NOT IN (SELECT id FROM batches)",
            ):
                target.execute(f"DELETE FROM {gone}")
            target.execute(
                "INSERT INTO usage SELECT DISTINCT layer, shard, ? FROM blocks "
                "JOIN batches ON batches.id = blocks.batch",
                (today(),),
            )
            new_generation(target)
            target.execute("COMMIT")
            entries = sum(
                target.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in COLUMNS
            )
        finally:
            source.close()
            target.close()
        shutil.copymode(path, fresh)
        beside = path.with_name(f".{INDEX_NAME}.new")
        return fresh.replace(beside), entries


def _mend_first_page(copy: Path, fresh: Path) -> None:
    """Mend what SQLite must know of a file before it reads any row.

    An index is made in one go, so that the tables of all begin on the same pages.
    """
    with copy.open("r+b") as file:
        header = header_like_ours(file.read(100), copy.stat().st_size)
        file.seek(0)
        file.write(header)
    connection = connect(str(copy))
    try:
        is_sound = has_our_schema(connection)
    except sqlite3.Error:
        is_sound = False
    finally:
        connection.close()
    if not is_sound:
        with copy.open("r+b") as file, fresh.open("rb") as pattern:
            header = pattern.read(100)
            page = int.from_bytes(header[16:18])
            file.write(header_like_ours(header, copy.stat().st_size))
            file.write(pattern.read(page - 100))


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    """Read a table's whole rows from both ends, up to what cannot be read."""
    rows: dict[tuple[object, ...], tuple[object, ...]] = {}
    keys = COLUMNS[table][: KEY_LENGTHS[table]]
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{key} {direction}" for key in keys)
        # The views of `add_views` give no row whose checksum does not fit.
        with contextlib.suppress(sqlite3.Error, MemoryError):
            for row in connection.execute(f"SELECT * FROM whole_{table} ORDER BY {order}"):
                rows.setdefault(row[: len(keys)], row)
    return list(rows.values())


def _relist_shards(connection: sqlite3.Connection, folder: Path) -> None:
    """List the one shard whose entry was lost, if there is one; its rows carry checksums."""
    listed = connection.execute("SELECT id, name FROM shards").fetchall()
    names = {
        file.name
        for file in (folder / SHARDS_NAME).glob("*.bin")
        if shard_path(folder, file.name) is not None
    } - {name for _identifier, name in listed}
    used = {shard for (shard,) in connection.execute("SELECT DISTINCT shard FROM batches")}
    lost = used - {identifier for identifier, _name in listed}
    if len(names) == len(lost) == 1:
        name = names.pop()
        size = (folder / SHARDS_NAME / name).stat().st_size
        connection.execute(insertion("shards"), (lost.pop(), name, size))
