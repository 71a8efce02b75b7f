"""Each row of the index carries a checksum, and one that does not fit is not read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from facebench.store import open_store
from facebench.store.database import Database
from facebench.store.index_tables import (
    COLUMNS,
    KEY_LENGTHS,
    SCHEMA,
    add_functions,
    add_views,
    drop_damaged,
    has_our_schema,
    insertion,
    seal,
)

ROW = {
    "layers": (1, "k", "float32", 3, "m", "l", "{}"),
    "shards": (1, "name", 64),
    "batches": (1, 1, b"images"),
    "blocks": (1, 1, 0, b"checks", None),
    "notes": ("k", b"image", "[]"),
    "facts": ("k", "1"),
    "files": (b"/a", "1 2 3", b"digest"),
}
# Of each kind of cell, other ones that look alike.
OTHERS = {
    int: (2, "1", b"1", 1.5),
    str: ("x", b"k", 7),
    bytes: (b"digesu", "digest", b""),
    type(None): (b"", 0),
}


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    add_functions(connection, lambda _table: None)
    add_views(connection)
    for table, row in ROW.items():
        connection.execute(insertion(table), row)
    yield connection
    connection.close()


def rows(connection, table):
    return connection.execute(f"SELECT * FROM whole_{table}").fetchall()


def test_columns_and_keys_are_those_of_the_tables(connection):
    for table, columns in COLUMNS.items():
        found = connection.execute(f"PRAGMA table_info({table})").fetchall()
        assert [name for _i, name, *_rest in found] == [*columns, "checksum"]
        keys = sum(key > 0 for *_rest, key in found)
        assert keys == KEY_LENGTHS[table]
    assert has_our_schema(connection)


@pytest.mark.parametrize("table", COLUMNS)
def test_a_row_is_read_back_unless_any_cell_has_changed(connection, table):
    assert rows(connection, table) == [ROW[table]]
    for column, cell in zip(COLUMNS[table], ROW[table], strict=True):
        for other in OTHERS[type(cell)]:
            connection.execute("BEGIN")
            try:
                connection.execute(f"UPDATE {table} SET {column} = ?", (other,))
            except sqlite3.IntegrityError:
                # Row numbers are numbers.
                assert column == "id"
            else:
                stored = connection.execute(f"SELECT {column} FROM {table}").fetchone()[0]
                is_same = type(stored) is type(cell) and stored == cell
                assert rows(connection, table) == ([ROW[table]] if is_same else []), (column, other)
            connection.execute("ROLLBACK")


def test_a_row_of_one_table_does_not_pass_for_one_of_another(connection):
    checksum = connection.execute("SELECT checksum FROM facts").fetchone()[0]
    connection.execute(
        "INSERT OR REPLACE INTO layers (key, dtype, checksum) VALUES ('k', '1', ?)", (checksum,)
    )
    assert rows(connection, "layers") == [ROW["layers"]]


def test_rows_are_sealed_after_a_change(connection):
    connection.execute("UPDATE layers SET width = 4")
    assert rows(connection, "layers") == []
    seal(connection, "layers", "id = ?", (1,))
    assert rows(connection, "layers")[0][3] == 4


def test_damaged_rows_are_dropped_and_counted(connection):
    assert drop_damaged(connection, COLUMNS) == {}
    connection.execute("UPDATE facts SET value = '2'")
    connection.execute("UPDATE layers SET width = 4")
    connection.execute("UPDATE shards SET size = 0")
    assert drop_damaged(connection, COLUMNS) == {"facts": 1, "layers": 1, "shards": 1}
    assert (
        rows(connection, "facts") == rows(connection, "layers") == rows(connection, "blocks") == []
    )
    # Its rows are still found, but nothing is cut off where it is said to end.
    assert rows(connection, "shards") == [(1, "name", 1 << 30)]


def first_format(folder: Path) -> None:
    """Turn an index into what earlier versions have left."""
    connection = sqlite3.connect(folder / "index.sqlite3")
    for table in COLUMNS:
        connection.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def test_an_index_of_the_first_format_is_converted_and_keeps_all(tmp_path):
    import numpy as np

    images = [bytes([number]) * 16 for number in range(5)]
    values = np.arange(15, dtype=np.float32).reshape(5, 3)
    with open_store(tmp_path) as store:
        store.write({"a": values}, images, [["x"]] * 5, "notes")
        store.remember("fact", 7)
        store.describe("a", model="m", layer="l", details={})
    first_format(tmp_path)
    with open_store(tmp_path) as store:
        assert np.array_equal(store.read("a", images)[0], values)
        assert store.notes("notes", images) == [("x",)] * 5
        assert store.recall("fact") == 7
        verified = store.verify()
        assert (verified.rows, verified.damaged, verified.entries) == (5, {}, {})
        assert store.info().layers[0].model == "m"
        store.write({"a": values + 1}, [bytes([9]) * 16] * 5)
    with open_store(tmp_path) as store:
        assert store.has("a", [*images, bytes([9]) * 16]).all()


def test_an_index_of_the_first_format_that_cannot_be_converted_is_read(tmp_path):
    with open_store(tmp_path) as store:
        store.remember("fact", 7)
    first_format(tmp_path)
    database = Database(tmp_path, read_only=True)
    with database.use() as connection:
        assert connection.execute("SELECT value FROM whole_facts").fetchall() == [("7",)]
    database.close()


def test_a_schema_whose_text_is_damaged_is_not_ours(tmp_path):
    path = tmp_path / "index.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    connection.close()
    # The index's root page is none, so that SQLite names it, and the name is no UTF-8.
    content = path.read_bytes()
    at = content.rindex(b"blocks_by_batchblocks")
    path.write_bytes(content[:at] + b"\xa0" + content[at + 1 :])
    connection = sqlite3.connect(path)
    assert not has_our_schema(connection)
    connection.close()
