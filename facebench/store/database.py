"""The store's index file: one SQLite database in WAL mode, opened once per process.

The index is written after the rows it points at, in one transaction: a row is found whole or not
at all. Rows are not flushed to the disk one by one; should the power fail between the two, their
checksums tell.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from facebench.errors import StoreError
from facebench.store.index_tables import (
    SCHEMA,
    add_functions,
    add_views,
    convert_first_format,
    drop_damaged,
    has_our_schema,
    spelled_counts,
)
from facebench.store.places import new_generation
from facebench.utils.locks import lock, share
from facebench.utils.sharing import open_to_others

__all__ = [
    "FORMAT",
    "FULL",
    "INDEX_NAME",
    "IN_USE",
    "OPENING",
    "PATIENCE",
    "SHARDS_NAME",
    "Database",
    "check_format",
    "check_places",
    "check_structure",
    "connect",
    "header_like_ours",
    "is_damage",
    "is_of_another_program",
    "lock_file",
    "make_tables",
    "store_error",
]

_log = logging.getLogger(__name__)

# Part of every layer's key: a store of another format holds other embeddings.
FORMAT = 1
# Of the tables; those of the first carried no checksums.
INDEX_FORMAT = 2
# Larger numbers are damage, not the format of a newer version.
_BELIEVED = 1000
INDEX_NAME = "index.sqlite3"
# Held while the index is opened, and, together with others, while it is open.
SHARDS_NAME = "shards"
OPENING, IN_USE = "opening.lock", "in-use.lock"
_APPLICATION = 0x46414345  # 'FACE'
PATIENCE = 120.0
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Connections of the parent process, which a forked child must neither use nor close.
_abandoned: list[sqlite3.Connection] = []


def store_error(error: Exception, folder: Path, doing: str) -> StoreError:
    """Say in one sentence what went wrong with the store at `folder`, and what to do."""
    if (isinstance(error, OSError) and error.errno in FULL) or (
        isinstance(error, sqlite3.OperationalError) and "is full" in str(error)
    ):
        return StoreError(
            f"The disk is full: the embedding store at {folder} cannot take more. What it holds "
            "stays readable; make room, run 'facebench cache prune --max-size 20GB', give another "
            "cache_dir, or turn the store off with cache_dir=None."
        )
    if is_damage(error):
        return StoreError(
            f"The index of the embedding store, {folder / INDEX_NAME}, is damaged ({error}). "
            "Repair it with 'facebench cache verify', or give another cache_dir."
        )
    return StoreError(f"The embedding store at {folder} cannot be {doing}: {error}.")


def is_damage(error: Exception) -> bool:
    """Tell whether an error says that the index's file is damaged."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHORT_READ
    return isinstance(error, sqlite3.DatabaseError)


def lock_file(folder: Path, name: str) -> int:
    """Open a file of the store that is there to be locked; links are not followed."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(folder / name, flags)
    except FileNotFoundError:
        descriptor = os.open(folder / name, flags | os.O_CREAT, 0o666)
        open_to_others(folder / name)
        return descriptor
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise _not_a_file(folder / name) from error


def _not_a_file(path: Path) -> StoreError:
    return StoreError(f"{path} of the embedding store must be a file, and is not. Remove it.")


def check_places(folder: Path) -> None:
    """Refuse a store whose files lead elsewhere, or are another program's, before any is made.

    Raises
    ------
    StoreError
        Naming the file or folder.
    """
    index, shards = folder / INDEX_NAME, folder / SHARDS_NAME
    if index.is_symlink() or (index.exists() and not index.is_file()):
        raise _not_a_file(index)
    if shards.is_symlink() or (shards.exists() and not shards.is_dir()):
        msg = f"{shards} of the embedding store must be a folder, and is not. Remove it."
        raise StoreError(msg)
    if (folder / OPENING).exists() or not index.exists():
        return
    connection = connect(f"{index.resolve().as_uri()}?mode=ro&immutable=1")
    try:
        check_format(connection, folder)
    except sqlite3.Error:
        # It is damaged, or not written yet: opening it will tell.
        pass
    finally:
        connection.close()


def is_of_another_program(path: Path) -> bool:
    """Tell whether a file is a sound database but not a store's index, by its header.

    A process that was killed leaves the newest header in the file beside it, the write-ahead log.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
        log = path.with_name(f"{path.name}-wal")
        if log.is_file() and not log.is_symlink():
            with log.open("rb") as file:
                header = _newest_header(file, header)
    except OSError:
        return False
    # The header's bytes 68 to 71 are the application's number.
    return header.startswith(b"SQLite format 3\0") and header[68:72] != _APPLICATION.to_bytes(4)


def _newest_header(log: BinaryIO, header: bytes) -> bytes:
    """Give the last header that a write-ahead log holds: that of the first page."""
    # https://sqlite.org/fileformat.html#the_write_ahead_log
    size = int.from_bytes(log.read(32)[8:12])
    while len(frame := log.read(24)) == 24 and size:
        page = log.read(size)
        if int.from_bytes(frame[:4]) == 1 and len(page) == size:
            header = page[:100]
    return header


def header_like_ours(header: bytes, size: int) -> bytes:
    """Give a damaged header the fields that all of our indexes share.

    Parameters
    ----------
    header : bytes
        The file's first 100 bytes, or fewer.
    size : int
        Of the file, in bytes.

    Returns
    -------
    bytes
        100 of them; see https://sqlite.org/fileformat.html.
    """
    mended = bytearray(header.ljust(100, b"\0"))
    page = int.from_bytes(mended[16:18])
    if page not in {512 << step for step in range(7)}:
        page = 4096
    # Magic and page size; write-ahead log, no reserved bytes, fractions of a page.
    mended[:24] = b"SQLite format 3\0" + page.to_bytes(2) + bytes([2, 2, 0, 64, 32, 32])
    mended[28:32] = (size // page).to_bytes(4)
    # No list of free pages; of the schema, the format; no automatic vacuum; UTF-8.
    mended[32:40], mended[44:48] = bytes(8), (4).to_bytes(4)
    mended[52:60], mended[64:68] = bytes(4) + (1).to_bytes(4), bytes(4)
    mended[60:64], mended[68:72] = INDEX_FORMAT.to_bytes(4), _APPLICATION.to_bytes(4)
    # The size is believed if it was written with the last change.
    mended[92:96] = mended[24:28]
    return bytes(mended)


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
        self._in_use = -1
        self._process = os.getpid()
        self._guard = threading.RLock()
        self._depth = 0
        # Tables in which damaged rows were met, and those of which that was told.
        self._damaged: set[str] = set()
        self._told: set[str] = set()
        with self.use():
            pass

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Give the connection of this process, to one thread at a time, for reading."""
        if self._process != os.getpid():
            if self._connection is not None:
                _abandoned.append(self._connection)
            # The guard may have been held by a thread that does not exist in this child.
            self._connection, self._guard, self._depth = None, threading.RLock(), 0
            self._in_use = -1
            self._process = os.getpid()
        with self._guard:
            self._depth += 1
            try:
                if self._connection is None:
                    self._connection = self._open()
                    self.opened += 1
                yield self._connection
                if self._damaged - self._told and self._depth == 1:
                    self._forget_damaged()
            except sqlite3.Error as error:
                raise store_error(error, self.folder, "read") from error
            finally:
                self._depth -= 1

    def _forget_damaged(self) -> None:
        """Remove damaged rows from the tables in which some were met, and say so once."""
        found = self._damaged - self._told
        self._damaged.clear()
        if self.read_only:
            self._told |= found
            what = f"are ignored ({', '.join(sorted(found))})"
        else:
            dropped = self.drop_damaged(found)
            if not dropped:
                return
            what = f"were dropped ({spelled_counts(dropped)})"
        _log.warning(
            "Damaged entries of the index of the embedding store, %s, %s. What they described is "
            "read or embedded again.",
            self.path,
            what,
        )

    def drop_damaged(self, tables: Iterable[str]) -> dict[str, int]:
        """Remove the rows whose checksum does not fit; say how many of which tables.

        Parameters
        ----------
        tables : iterable of str
            Where to look.
        """
        with self.change() as connection:
            dropped = drop_damaged(connection, tables)
            if dropped:
                new_generation(connection)
        self._damaged.clear()
        return dropped

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
                with _transaction(connection):
                    yield connection
            except sqlite3.Error as error:
                raise store_error(error, self.folder, "written") from error
            finally:
                if timeout is not None:
                    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")

    def close(self) -> None:
        """Close this process's connection."""
        with self._guard:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
                self._let_go()
            self._connection = None

    def _let_go(self) -> None:
        if self._in_use >= 0:
            os.close(self._in_use)
            self._in_use = -1

    def _open(self) -> sqlite3.Connection:
        check_places(self.folder)
        if self.read_only:
            return self._open_read_only()
        # Switching to WAL and recovering after a killed process want the file for themselves.
        descriptor = lock_file(self.folder, OPENING)
        try:
            lock(descriptor, PATIENCE)
            self._in_use = lock_file(self.folder, IN_USE)
            share(self._in_use)
            if not self.path.exists():
                # Files beside it get its permissions.
                self.path.touch()
                open_to_others(self.path)
            connection = connect(str(self.path))
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                self._let_go()
                raise
            return connection
        finally:
            os.close(descriptor)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = check_format(connection, self.folder)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_mode = WAL")
        if found == 0:
            make_tables(connection)
        add_functions(connection, self._damaged.add)
        if found == 1:
            with _transaction(connection):
                convert_first_format(connection)
                connection.execute(f"PRAGMA user_version = {INDEX_FORMAT}")
            check_format(connection, self.folder)
        add_views(connection)

    def _open_read_only(self) -> sqlite3.Connection:
        address = self.path.resolve().as_uri()
        is_idle = not self.path.with_name(f"{INDEX_NAME}-shm").exists()
        try:
            if is_idle and not os.access(self.path, os.W_OK):
                # What SQLite makes beside it would keep its owner from writing.
                msg = "its folder is not writable"
                raise sqlite3.OperationalError(msg)
            connection = connect(f"{address}?mode=ro")
            found = check_format(connection, self.folder)
        except sqlite3.OperationalError:
            # WAL writes files beside the index; where it cannot, no other process can.
            connection = connect(f"{address}?mode=ro&immutable=1")
            found = check_format(connection, self.folder)
        add_functions(connection, self._damaged.add)
        add_views(connection, checked=found == INDEX_FORMAT)
        return connection


def connect(address: str) -> sqlite3.Connection:
    """Open an SQLite file by its path or its ``file:`` address."""
    connection = sqlite3.connect(
        address,
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
        uri=address.startswith("file:"),
    )
    # Damaged text may not be UTF-8.
    connection.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
    return connection


def make_tables(connection: sqlite3.Connection) -> None:
    """Turn an empty database into an index."""
    connection.executescript(
        f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {_APPLICATION}; "
        f"PRAGMA user_version = {INDEX_FORMAT}; COMMIT;"
    )


def check_format(connection: sqlite3.Connection, folder: Path) -> int:
    """Give the format of an index, 0 if there is none yet; refuse what is not one of ours.

    Raises
    ------
    sqlite3.DatabaseError
        If it is damaged.
    StoreError
        If it is another program's, or a newer version's.
    """
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    is_ours = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION
    has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
    if not is_ours and not has_tables:
        return 0
    is_sound = has_our_schema(connection)
    if not is_ours and not is_sound:
        msg = (
            f"{folder / INDEX_NAME} is a database of another program. Give another cache_dir (or "
            "FACEBENCH_CACHE) for the embedding store."
        )
        raise StoreError(msg)
    if is_ours and INDEX_FORMAT < found < _BELIEVED:
        msg = (
            f"The embedding store at {folder} was written by a newer facebench (format "
            f"{found}; this one knows {INDEX_FORMAT}). Update facebench, give another cache_dir "
            "(or FACEBENCH_CACHE), or remove the store with 'facebench cache clear'."
        )
        raise StoreError(msg)
    if is_ours and found == 1 and not is_sound:
        return 1
    if not is_ours or found != INDEX_FORMAT or not is_sound:
        msg = "its header and its tables do not belong together"
        raise sqlite3.DatabaseError(msg)
    return INDEX_FORMAT


def check_structure(connection: sqlite3.Connection) -> None:
    """Read the whole file, and every index of every table.

    Raises
    ------
    sqlite3.DatabaseError
        If they do not fit together.
    """
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
