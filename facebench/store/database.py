"""The store's index file: one SQLite database in WAL mode, opened once per process.

::

    layers   what was stored under which key, its width, and names to show a person
    shards   files of rows; `size` is how far a file was ever indexed, and only grows
    batches  one write: its shard and its images' digests, 16 bytes each
    blocks   one layer of one write: where its rows begin, a checksum for each, the dead ones
    usage    the day a layer was last read from a shard
    notes    remarks of a preprocessing on an image
    facts    small values to remember
    files    digests of files by path, with what tells whether the file is still the same

The index is written after the rows it points at, in one transaction: a row is found whole or not
at all. Rows are not flushed to the disk one by one; should the power fail between the two, their
checksums tell.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facebench.errors import StoreError
from facebench.store.locks import lock

__all__ = ["FORMAT", "INDEX_NAME", "Database", "is_of_another_program", "store_error"]

# Part of every layer's key too: a store of another format holds other embeddings.
FORMAT = 1
INDEX_NAME = "index.sqlite3"
_APPLICATION = 0x46414345  # 'FACE'
_PATIENCE = 120.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SCHEMA = """
CREATE TABLE layers (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, dtype TEXT NOT NULL, width INTEGER,
    model TEXT NOT NULL DEFAULT '', layer TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT '{}', UNIQUE (key, dtype)
);
CREATE TABLE shards (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, images BLOB NOT NULL
);
CREATE INDEX batches_by_shard ON batches (shard);
CREATE TABLE blocks (
    layer INTEGER NOT NULL, batch INTEGER NOT NULL, offset INTEGER NOT NULL,
    checksums BLOB NOT NULL, dead BLOB, PRIMARY KEY (layer, batch)
) WITHOUT ROWID;
CREATE INDEX blocks_by_batch ON blocks (batch);
CREATE TABLE usage (
    layer INTEGER NOT NULL, shard INTEGER NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (layer, shard)
) WITHOUT ROWID;
CREATE TABLE notes (
    key TEXT NOT NULL, image BLOB NOT NULL, notes TEXT NOT NULL, PRIMARY KEY (key, image)
) WITHOUT ROWID;
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path BLOB PRIMARY KEY, stat TEXT NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE state (generation INTEGER NOT NULL);
INSERT INTO state VALUES (0);
"""
# Connections of the parent process, which a forked child must neither use nor close.
_abandoned: list[sqlite3.Connection] = []


def store_error(error: Exception, folder: Path, doing: str) -> StoreError:
    """Say in one sentence what went wrong with the store at `folder`, and what to do."""
    if (isinstance(error, OSError) and error.errno in _FULL) or (
        isinstance(error, sqlite3.OperationalError) and "is full" in str(error)
    ):
        return StoreError(
            f"The disk is full: the embedding store at {folder} cannot take more. What it holds "
            "stays readable; make room, run 'facebench cache prune --max-size 20GB', give another "
            "cache_dir, or turn the store off with cache_dir=None."
        )
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return StoreError(
            f"The index of the embedding store at {folder} is damaged ({error}). Remove the store "
            "with 'facebench cache clear', or give another cache_dir."
        )
    return StoreError(f"The embedding store at {folder} cannot be {doing}: {error}.")


def is_of_another_program(path: Path) -> bool:
    """Tell whether a file is a sound database but not a store's index, by its header."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return False
    # The header's bytes 68 to 71 are the application's number.
    return header.startswith(b"SQLite format 3\0") and header[68:72] != _APPLICATION.to_bytes(4)


class Database:
    """The index of one store; one connection per process, shared by its threads.

    Parameters
    ----------
    folder : Path
        The store's folder; it exists.
    read_only : bool
        Never write.

    Raises
    ------
    StoreError
        If the index is of a newer format, damaged, or no index.
    """

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.folder = folder
        self.read_only = read_only
        self.path = folder / INDEX_NAME
        self.opened = 0
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._guard = threading.RLock()
        with self.use():
            pass

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Give the connection of this process, to one thread at a time, for reading."""
        if self._process != os.getpid():
            if self._connection is not None:
                _abandoned.append(self._connection)
            # The guard may have been held by a thread that does not exist in this child.
            self._connection, self._guard = None, threading.RLock()
            self._process = os.getpid()
        with self._guard:
            try:
                if self._connection is None:
                    self._connection = self._open()
                    self.opened += 1
                yield self._connection
            except sqlite3.Error as error:
                raise store_error(error, self.folder, "read") from error

    @contextmanager
    def change(self, timeout: float | None = None) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction: all that the block writes, or nothing.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for other writers.

        Yields
        ------
        sqlite3.Connection
        """
        with self.use() as connection:
            if timeout is not None:
                connection.execute(f"PRAGMA busy_timeout = {int(timeout * 1000)}")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise store_error(error, self.folder, "written") from error
                raise
            finally:
                if timeout is not None:
                    connection.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")

    def close(self) -> None:
        """Close this process's connection."""
        with self._guard:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self.read_only:
            return self._open_read_only()
        # Switching to WAL and recovering after a killed process want the file for themselves.
        descriptor = os.open(self.folder / "opening.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock(descriptor, _PATIENCE)
            connection = self._connect(str(self.path))
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            return connection
        finally:
            os.close(descriptor)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._check_format(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {_APPLICATION}; "
                f"PRAGMA user_version = {FORMAT}; COMMIT;"
            )
        connection.execute("PRAGMA synchronous = NORMAL")

    def _open_read_only(self) -> sqlite3.Connection:
        address = self.path.resolve().as_uri()
        try:
            connection = self._connect(f"{address}?mode=ro")
            self._check_format(connection)
        except sqlite3.OperationalError:
            # WAL wants to write beside the index; where it cannot, no other process can.
            connection = self._connect(f"{address}?mode=ro&immutable=1")
            self._check_format(connection)
        return connection

    def _connect(self, address: str) -> sqlite3.Connection:
        return sqlite3.connect(
            address,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
            uri=address.startswith("file:"),
        )

    def _check_format(self, connection: sqlite3.Connection) -> bool:
        """Say whether there is an index, and refuse what is not one of ours."""
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION
        if not ours:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                msg = (
                    f"{self.path} is a database of another program. Give another cache_dir (or "
                    "FACEBENCH_CACHE) for the embedding store."
                )
                raise StoreError(msg)
            return False
        if found > FORMAT:
            msg = (
                f"The embedding store at {self.folder} was written by a newer facebench (format "
                f"{found}; this one knows {FORMAT}). Update facebench, give another cache_dir (or "
                "FACEBENCH_CACHE), or remove the store with 'facebench cache clear'."
            )
            raise StoreError(msg)
        return True
