"""The index's tables, and the checksum that each row of them carries but those of `usage`.

::

    layers   what was stored under which key, its width, and names to show a person
    shards   files of rows; `size` is how far a file was ever indexed, and only grows
    batches  one write: its shard and its images' digests, 16 bytes each
    blocks   one layer of one write: where its rows begin, a checksum for each, the dead ones
    usage    the day a layer was last read from a shard
    notes    remarks of a preprocessing on an image
    facts    small values to remember
    files    digests of files by path, with what tells whether the file is still the same

What matters is read through the views ``whole_layers`` and so on. They leave out every row whose
checksum does not fit, so that a damaged row is as if it had never been written.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence

import xxhash

__all__ = [
    "COLUMNS",
    "FULL_SIZE",
    "KEY_LENGTHS",
    "SCHEMA",
    "add_functions",
    "add_views",
    "convert_first_format",
    "drop_damaged",
    "has_our_schema",
    "insertion",
    "is_sound",
    "seal",
    "spelled_counts",
]

COLUMNS = {
    "layers": ("id", "key", "dtype", "width", "model", "layer", "details"),
    "shards": ("id", "name", "size"),
    "batches": ("id", "shard", "images"),
    "blocks": ("layer", "batch", "offset", "checksums", "dead"),
    "notes": ("key", "image", "notes"),
    "facts": ("key", "value"),
    "files": ("path", "stat", "digest"),
}
# A shard that has grown past this takes no more: pruning gives back whole files.
FULL_SIZE = 1 << 30
# So many of the first columns are a table's primary key.
KEY_LENGTHS = {table: 2 if table in ("blocks", "notes") else 1 for table in COLUMNS}
SCHEMA = """
CREATE TABLE layers (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, dtype TEXT NOT NULL, width INTEGER,
    model TEXT NOT NULL DEFAULT '', layer TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT '{}', checksum BLOB, UNIQUE (key, dtype)
);
CREATE TABLE shards (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, checksum BLOB
);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, images BLOB NOT NULL,
    checksum BLOB
);
CREATE INDEX batches_by_shard ON batches (shard);
CREATE TABLE blocks (
    layer INTEGER NOT NULL, batch INTEGER NOT NULL, offset INTEGER NOT NULL,
    checksums BLOB NOT NULL, dead BLOB, checksum BLOB, PRIMARY KEY (layer, batch)
) WITHOUT ROWID;
CREATE INDEX blocks_by_batch ON blocks (batch);
CREATE TABLE usage (
    layer INTEGER NOT NULL, shard INTEGER NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (layer, shard)
) WITHOUT ROWID;
CREATE TABLE notes (
    key TEXT NOT NULL, image BLOB NOT NULL, notes TEXT NOT NULL, checksum BLOB,
    PRIMARY KEY (key, image)
) WITHOUT ROWID;
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum BLOB) WITHOUT ROWID;
CREATE TABLE files (
    path BLOB PRIMARY KEY, stat TEXT NOT NULL, digest BLOB NOT NULL, checksum BLOB
) WITHOUT ROWID;
CREATE TABLE state (generation INTEGER NOT NULL);
INSERT INTO state VALUES (0);
"""


def add_functions(connection: sqlite3.Connection, note_damaged: Callable[[str], None]) -> None:
    """Give a new connection the functions that statements here use.

    Parameters
    ----------
    connection : sqlite3.Connection
        A new one.
    note_damaged : callable
        Told the table of each damaged row that a statement meets.
    """

    def is_whole(table: str, checksum: object, kinds: str, *cells: bytes | None) -> bool:
        if checksum == _checksum(table, kinds, *cells):
            return True
        note_damaged(table)
        return False

    connection.create_function("is_whole", -1, is_whole, deterministic=True)
    connection.create_function("checksum_of", -1, _checksum, deterministic=True)


def add_views(connection: sqlite3.Connection, *, checked: bool = True) -> None:
    """Give a connection the views of whole rows.

    Parameters
    ----------
    connection : sqlite3.Connection
        With the functions of `add_functions`.
    checked : bool, default True
        False for an index of the first format, whose rows carry no checksum.
    """
    for table, columns in COLUMNS.items():
        connection.execute(
            f"CREATE TEMP VIEW whole_{table} AS SELECT {', '.join(columns)} FROM {table}"
            f"{f' WHERE {is_sound(table)}' if checked else ''}"
        )


def is_sound(table: str) -> str:
    """Give the SQL condition that a row's checksum fits."""
    return f"is_whole('{table}', checksum, {_spelled(COLUMNS[table])})"


def insertion(table: str) -> str:
    """Give the SQL statement that puts a row in, in place of one of the same key."""
    cells = [f"?{number}" for number in range(1, len(COLUMNS[table]) + 1)]
    return (
        f"INSERT OR REPLACE INTO {table} VALUES ({', '.join(cells)}, "
        f"checksum_of('{table}', {_spelled(cells)}))"
    )


def seal(
    connection: sqlite3.Connection, table: str, where: str = "1", cells: Sequence[object] = ()
) -> None:
    """Renew the checksums of rows that were changed."""
    checksum = f"checksum_of('{table}', {_spelled(COLUMNS[table])})"
    connection.execute(f"UPDATE {table} SET checksum = {checksum} WHERE {where}", tuple(cells))


def drop_damaged(connection: sqlite3.Connection, tables: Iterable[str]) -> dict[str, int]:
    """Remove rows whose checksum does not fit, inside a transaction; count them by table."""
    dropped = {}
    for table in tables:
        if table == "shards":
            # Rows in it carry checksums of their own; only how far it reaches is not known.
            change = f"UPDATE shards SET size = {FULL_SIZE}"
        else:
            change = f"DELETE FROM {table}"
        count = connection.execute(f"{change} WHERE NOT {is_sound(table)}").rowcount
        if count:
            dropped[table] = count
    if "shards" in dropped:
        seal(connection, "shards")
    if "layers" in dropped:
        connection.execute("DELETE FROM blocks WHERE layer NOT IN (SELECT id FROM layers)")
    return dropped


def spelled_counts(counts: Mapping[str, int]) -> str:
    """Spell numbers of rows by table out."""
    return ", ".join(f"{table}: {count:,}" for table, count in sorted(counts.items()))


def has_our_schema(connection: sqlite3.Connection) -> bool:
    """Tell whether the tables are those of `SCHEMA`, to the letter."""
    try:
        return _definitions(connection) == _our_definitions()
    except UnicodeDecodeError:
        # A damaged name, in the schema or in SQLite's message about it.
        return False


def convert_first_format(connection: sqlite3.Connection) -> None:
    """Give the rows of an index of the first format their checksums, inside a transaction."""
    for table in (*COLUMNS, "usage", "state"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for index in ("batches_by_shard", "blocks_by_batch"):
        connection.execute(f"DROP INDEX {index}")
    for statement in SCHEMA.split(";")[:-1]:
        connection.execute(statement)
    for table, columns in COLUMNS.items():
        cells = ", ".join(columns)
        connection.execute(f"INSERT INTO {table} ({cells}) SELECT {cells} FROM old_{table}")
        seal(connection, table)
    connection.execute("INSERT INTO usage SELECT layer, shard, day FROM old_usage")
    connection.execute("UPDATE state SET generation = 1 + (SELECT max(generation) FROM old_state)")
    for table in (*COLUMNS, "usage", "state"):
        connection.execute(f"DROP TABLE old_{table}")


def _checksum(table: str, kinds: str, *cells: bytes | None) -> bytes:
    lengths = [None if cell is None else len(cell) for cell in cells]
    parts = (cell for cell in cells if cell is not None)
    return xxhash.xxh3_64_digest(b"".join((f"{table} {kinds} {lengths}".encode(), *parts)))


def _spelled(cells: Sequence[str]) -> str:
    """Spell cells out as their types and bytes."""
    kinds = " || ' ' || ".join(f"typeof({cell})" for cell in cells)
    return f"{kinds}, {', '.join(f'CAST({cell} AS BLOB)' for cell in cells)}"


def _definitions(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    return set(connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master"))


@functools.cache
def _our_definitions() -> set[tuple[str, str, str]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SCHEMA)
        return _definitions(connection)
    finally:
        connection.close()
