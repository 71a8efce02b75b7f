"""The files that hold the rows: appended to by one process each, read by memory map."""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facebench.store.database import Database, store_error
from facebench.store.locks import try_lock

__all__ = ["SHARDS_NAME", "OwnShard", "copy_rows", "hold"]

SHARDS_NAME = "shards"
# A shard that has grown past this takes no more: pruning gives back whole files.
FULL_SIZE = 1 << 30
_ALIGNED = 64
_BINARY: int = getattr(os, "O_BINARY", 0)
# Mapped pages count as this process's memory until they are let go.
_LET_GO = 64 << 20


class OwnShard:
    """The shard this process appends to; no other process does while it is open.

    Parameters
    ----------
    database : Database
        Where shards are listed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder = database.folder / SHARDS_NAME
        self._folder.mkdir(exist_ok=True)
        self._process = os.getpid()
        self.identifier, self._descriptor, self._end = self._take_or_make()

    @property
    def is_usable(self) -> bool:
        """Whether it is this process's own and has room."""
        return self._process == os.getpid() and self._end < FULL_SIZE

    @property
    def end(self) -> int:
        """Where the next block begins."""
        return self._end

    def append(self, rows: NDArray[np.generic]) -> int:
        """Write rows behind all others; returns where they begin.

        Nobody finds them before the index tells of them and `settle` was called.
        """
        begin = self._end
        data = np.ascontiguousarray(rows).data.cast("B")
        try:
            os.lseek(self._descriptor, begin, os.SEEK_SET)
            while len(data):
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            self.forget_after(begin)
            raise store_error(error, self._database.folder, "written") from error
        self._end = _up(os.lseek(self._descriptor, 0, os.SEEK_CUR))
        return begin

    def forget_after(self, end: int) -> None:
        """Cut off what was appended but not indexed."""
        self._end = end
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, end)

    def close(self) -> None:
        """Let others append to it."""
        # In a forked child the lock is still the parent's; closing the copy does not free it.
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1

    def _take_or_make(self) -> tuple[int, int, int]:
        with self._database.use() as connection:
            unfilled = connection.execute(
                "SELECT id, name FROM shards WHERE size < ? ORDER BY id", (FULL_SIZE,)
            ).fetchall()
        for identifier, name in unfilled:
            taken = self._take(identifier, self._folder / name)
            if taken is not None:
                return identifier, *taken
        return self._make()

    def _take(self, identifier: int, path: Path) -> tuple[int, int] | None:
        try:
            descriptor = os.open(path, os.O_RDWR | _BINARY)
        except OSError:
            return None
        if try_lock(descriptor):
            with self._database.use() as connection:
                # Whoever removes a shard holds its lock: it is listed now, or gone.
                listed = connection.execute(
                    "SELECT size FROM shards WHERE id = ?", (identifier,)
                ).fetchone()
            if listed is not None and os.fstat(descriptor).st_size >= listed[0]:
                end = _up(listed[0])
                # What a killed process left behind its last index entry was never found by anyone.
                os.ftruncate(descriptor, end)
                return descriptor, end
        os.close(descriptor)
        return None

    def _make(self) -> tuple[int, int, int]:
        name = f"{uuid.uuid4().hex}.bin"
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY
            descriptor = os.open(self._folder / name, flags, 0o666)
        except OSError as error:
            raise store_error(error, self._database.folder, "written") from error
        try_lock(descriptor)
        with self._database.change() as connection:
            cursor = connection.execute("INSERT INTO shards (name, size) VALUES (?, 0)", (name,))
            identifier = cursor.lastrowid or 0
        return identifier, descriptor, 0


def hold(path: Path) -> int | None:
    """Take a shard's lock, so that no process appends to it; None while one does.

    Returns
    -------
    int or None
        A descriptor whose closing gives the lock back.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666)
    except OSError:
        return None
    if try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def copy_rows(
    path: Path,
    begins: NDArray[np.int64],
    row_bytes: int,
    rows: NDArray[np.uint8],
    places: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Copy rows of one shard to where they belong.

    Parameters
    ----------
    path : Path
        The shard.
    begins : array, shape [N]
        Where each row begins, in bytes.
    row_bytes : int
        Bytes of a row.
    rows : array, shape [M, row_bytes]
        Filled in place.
    places : array, shape [N]
        The index in `rows` of each.

    Returns
    -------
    array, shape [N]
        Which could be copied; the others lie beyond the end of a file that was cut short.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            fits = begins + row_bytes <= size
            if not fits.any():
                return fits
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        return np.zeros(len(begins), dtype=bool)
    begins, places = begins[fits], places[fits]
    target, let_go = rows.reshape(-1).data, 0
    with mapped, memoryview(mapped) as source:
        for first, last in _runs(begins, places, row_bytes):
            length = (last - first) * row_bytes
            begin, place = int(begins[first]), int(places[first]) * row_bytes
            target[place : place + length] = source[begin : begin + length]
            let_go += length
            if let_go > _LET_GO and hasattr(mapped, "madvise"):
                mapped.madvise(mmap.MADV_DONTNEED)
                let_go = 0
    return fits


def _runs(
    begins: NDArray[np.int64], places: NDArray[np.intp], row_bytes: int
) -> Iterator[tuple[int, int]]:
    """Find stretches of rows that lie one behind the other, in the file and where they go."""
    breaks = (np.diff(begins) != row_bytes) | (np.diff(places) != 1)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(begins)]
    return itertools.pairwise(edges)


def _up(position: int) -> int:
    return -(-position // _ALIGNED) * _ALIGNED
