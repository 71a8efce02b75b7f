"""The index file: what a block writes is written whole or not at all."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.errors import StoreError
from facebench.store import open_store
from facebench.store.database import IN_USE, INDEX_NAME, OPENING, Database, store_error


def facts(database: Database) -> list[str]:
    with database.use() as connection:
        return [key for (key,) in connection.execute("SELECT key FROM facts ORDER BY key")]


def note(connection: sqlite3.Connection, key: str) -> None:
    connection.execute("INSERT INTO facts (key, value) VALUES (?, '1')", (key,))


def test_all_that_a_block_writes_or_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path, read_only=False)
    with database.change() as connection:
        note(connection, "kept")

    def note_and(fail: Callable[[sqlite3.Connection], object]) -> None:
        with database.change() as connection:
            note(connection, "lost")
            fail(connection)

    with pytest.raises(KeyError):
        note_and(lambda _connection: {}["nothing"])
    with pytest.raises(StoreError, match="cannot be written"):
        note_and(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)"))
    assert facts(database) == facts(Database(tmp_path, read_only=False)) == ["kept"]


def test_a_read_only_index_is_read_and_not_written(tmp_path: Path) -> None:
    with Database(tmp_path, read_only=False).change() as connection:
        note(connection, "kept")
    database = Database(tmp_path, read_only=True)
    assert facts(database) == ["kept"]
    with pytest.raises(StoreError), database.change() as connection:
        note(connection, "lost")


def test_closed_it_opens_again_when_used(tmp_path: Path) -> None:
    database = Database(tmp_path, read_only=False)
    opened = database.opened
    database.close()
    assert facts(database) == []
    assert database.opened == opened + 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "no space"), "The disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "The disk is full"),
        (sqlite3.DatabaseError("malformed"), "is damaged"),
        (PermissionError(errno.EACCES, "denied"), "cannot be written"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, error: Exception, told: str) -> None:
    assert told in str(store_error(error, tmp_path, "written"))


@pytest.mark.parametrize("name", [IN_USE, OPENING])
@pytest.mark.parametrize("is_link", [True, False], ids=["link", "folder"])
def test_what_stands_where_a_lock_belongs_is_named(
    tmp_path: Path, name: str, is_link: bool
) -> None:
    (tmp_path / name).symlink_to("elsewhere") if is_link else (tmp_path / name).mkdir()
    with pytest.raises(StoreError, match=rf"{name} of the embedding store must be a file"):
        open_store(tmp_path).recall("fact")


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("target", ["nowhere", INDEX_NAME, "elsewhere"])
def test_an_index_that_is_a_link_is_not_followed(
    tmp_path: Path, target: str, read_only: bool
) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / INDEX_NAME).symlink_to(target)
    with (
        pytest.raises(StoreError, match=r"index\.sqlite3 of the embedding store must be a file"),
        Database(tmp_path, read_only=read_only).use(),
    ):
        pass
    assert (tmp_path / "elsewhere").read_bytes() == b""
