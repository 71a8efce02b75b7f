"""Every row of the index carries a checksum: what was changed by anything else is not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from facebench.store import index_tables
from facebench.store.index_tables import COLUMNS, insertion, seal

ROWS = {
    "layers": (1, "key", "float32", 2, "net", "fc", "{}"),
    "shards": (1, "a.bin", 64),
    "batches": (1, 1, b"\0" * 16),
    "blocks": (1, 1, 0, b"\1" * 8, None),
    "notes": ("key", b"\2" * 16, "[]"),
    "facts": ("width", "2"),
    "files": (b"/a.png", "1 2 3 4", b"\3" * 16),
}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def connection(told: list[str]) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(index_tables.SCHEMA)
    index_tables.add_checks(connection, told.append)
    for table, row in ROWS.items():
        connection.execute(insertion(table), row)
    yield connection
    connection.close()


def whole(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM whole_{table}").fetchall()


@pytest.mark.parametrize("table", COLUMNS)
def test_rows_come_back_as_they_were_put_in(
    connection: sqlite3.Connection, told: list[str], table: str
) -> None:
    assert whole(connection, table) == [ROWS[table]]
    assert told == []


CHANGES = [
    ("layers", "width", "3"),
    ("layers", "width", "x'32'"),
    ("shards", "size", "65"),
    ("batches", "images", "zeroblob(15)"),
    ("blocks", "offset", "-64"),
    ("blocks", "dead", "zeroblob(1)"),
    ("notes", "notes", "'[1]'"),
    ("facts", "value", "'3'"),
    ("files", "digest", "zeroblob(16)"),
]


@pytest.mark.parametrize(("table", "column", "value"), CHANGES)
def test_a_changed_row_is_not_there_and_it_is_told(
    connection: sqlite3.Connection, told: list[str], table: str, column: str, value: str
) -> None:
    connection.execute(f"UPDATE {table} SET {column} = {value}")
    assert whole(connection, table) == []
    assert set(told) == {table}
    seal(connection, table)
    assert len(whole(connection, table)) == 1


def test_text_moved_between_two_cells_is_a_change(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE layers SET model = 'ne', layer = 'tfc'")
    assert whole(connection, "layers") == []


def test_dropping_damaged_rows_counts_them(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE layers SET width = 3")
    connection.execute("UPDATE shards SET size = 1")
    assert index_tables.drop_damaged(connection, COLUMNS) == {"layers": 1, "shards": 1}
    # Rows of a layer that is not known are not either; of a shard all may be there.
    assert whole(connection, "blocks") == []
    assert whole(connection, "shards") == [(1, "a.bin", index_tables.FULL_SIZE)]
    assert index_tables.drop_damaged(connection, COLUMNS) == {}
