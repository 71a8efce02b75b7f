"""The files that hold the rows: appended to by one process each, read by memory map."""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import re
import uuid
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facebench.store.database import SHARDS_NAME, Database, store_error
from facebench.store.index_tables import FULL_SIZE, insertion, seal
from facebench.utils.locks import try_lock
from facebench.utils.sharing import make_folder, open_to_others

__all__ = ["OwnShard", "ShardFile", "hold", "shard_path"]

_ALIGNED = 64
_BINARY: int = getattr(os, "O_BINARY", 0)
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NAME = re.compile(r"[0-9a-f]{32}\.bin")
# Mapped pages count as this process's memory until they are let go.
_LET_GO = 64 << 20
# Rows are gathered all at once where they lie singly or in runs shorter than this.
_SHORT_RUNS = 4
_WIDE = 1 << 16


def shard_path(folder: Path, name: object) -> Path | None:
    """Give the path of a shard in a store's folder; None for a name that the store never gave.

    An index may be a stranger's: its names lead to no other file, and links are not followed.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    return folder / SHARDS_NAME / name


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
        make_folder(self._folder)
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

        They are not found before the index lists them and `settle` was called.
        """
        begin = self._end
        data = np.ascontiguousarray(rows).data.cast("B")
        try:
            os.lseek(self._descriptor, begin, os.SEEK_SET)
            end = _up(begin + len(data))
            while len(data):
                data = data[os.write(self._descriptor, data) :]
            # As long as the index will say: a shorter file is one that has lost something.
            os.ftruncate(self._descriptor, end)
        except OSError as error:
            self.forget_after(begin)
            raise store_error(error, self._database.folder, "written") from error
        self._end = end
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
                "SELECT id, name FROM whole_shards WHERE size < ? ORDER BY id", (FULL_SIZE,)
            ).fetchall()
        for identifier, name in unfilled:
            path = shard_path(self._database.folder, name)
            taken = None if path is None else self._take(identifier, path)
            if taken is not None:
                return identifier, *taken
        return self._make()

    def _take(self, identifier: int, path: Path) -> tuple[int, int] | None:
        try:
            descriptor = os.open(path, os.O_RDWR | _NO_LINK | _BINARY)
        except OSError:
            return None
        if try_lock(descriptor):
            with self._database.use() as connection:
                # A process that removes a shard holds its lock: it is listed now, or gone.
                listed = connection.execute(
                    "SELECT size FROM whole_shards WHERE id = ?", (identifier,)
                ).fetchone()
            if listed is not None and os.fstat(descriptor).st_size >= listed[0]:
                end = _up(listed[0])
                # What a killed process left behind its last index entry was never visible.
                os.ftruncate(descriptor, end)
                return descriptor, end
        os.close(descriptor)
        return None

    def _make(self) -> tuple[int, int, int]:
        name = f"{uuid.uuid4().hex}.bin"
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY
            descriptor = os.open(self._folder / name, flags, 0o666)
            open_to_others(self._folder / name)
        except OSError as error:
            raise store_error(error, self._database.folder, "written") from error
        try_lock(descriptor)
        with self._database.change() as connection:
            identifier = connection.execute(insertion("shards"), (None, name, 0)).lastrowid or 0
            seal(connection, "shards", "id = ?", (identifier,))
        return identifier, descriptor, 0


def hold(path: Path) -> int | None:
    """Take a shard's lock, so that no process appends to it; None while one does.

    Returns
    -------
    int or None
        A descriptor whose closing gives the lock back.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | _BINARY, 0o666)
    except OSError:
        return None
    if try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


class ShardFile:
    """One shard, mapped for reading; a context manager.

    Parameters
    ----------
    path : Path
        The shard. A missing file is an empty one, and so are a link and a folder.
    """

    def __init__(self, path: Path) -> None:
        self._map: mmap.mmap | None = None
        self._let_go = 0
        try:
            with open(path, "rb", opener=_open_no_link) as file:
                if os.fstat(file.fileno()).st_size:
                    self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP, errno.EISDIR):
                raise
        self._size = 0 if self._map is None else len(self._map)

    def __enter__(self) -> ShardFile:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._map is not None:
            self._map.close()

    def copy(self, begins: NDArray[np.int64], rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Copy rows.

        Parameters
        ----------
        begins : array, shape [N]
            Where each begins, in bytes.
        rows : array, shape [N, row_bytes]
            Filled in place, contiguous.

        Returns
        -------
        array, shape [N]
            Which could be copied; the others lie beyond the end of a file that was cut short, or
            where a damaged index says.
        """
        row_bytes = rows.shape[1]
        fits: NDArray[np.bool_] = (begins >= 0) & (begins <= self._size - row_bytes)
        if self._map is None or not fits.any():
            return fits
        if not fits.all():
            # Rare enough to copy once more.
            kept = np.empty((int(fits.sum()), row_bytes), dtype=np.uint8)
            self.copy(begins[fits], kept)
            rows[fits] = kept
            return fits
        breaks = np.flatnonzero(np.diff(begins) != row_bytes) + 1
        if len(breaks) * _SHORT_RUNS > len(begins) and row_bytes < _WIDE:
            self._gather(self._map, begins, rows)
        else:
            self._copy_runs(self._map, begins, [0, *breaks.tolist(), len(begins)], rows)
        self._let_go += rows.nbytes
        if self._let_go > _LET_GO and hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._let_go = 0
        return fits

    @staticmethod
    def _copy_runs(
        mapped: mmap.mmap, begins: NDArray[np.int64], edges: list[int], rows: NDArray[np.uint8]
    ) -> None:
        """Copy stretches of adjacent rows."""
        row_bytes, target = rows.shape[1], rows.reshape(-1).data
        with memoryview(mapped) as source:
            for first, last in itertools.pairwise(edges):
                begin, length = int(begins[first]), (last - first) * row_bytes
                place = first * row_bytes
                target[place : place + length] = source[begin : begin + length]

    @staticmethod
    def _gather(mapped: mmap.mmap, begins: NDArray[np.int64], rows: NDArray[np.uint8]) -> None:
        """Copy scattered rows: one fancy index into overlapping items, a common divisor apart."""
        row_bytes, base = rows.shape[1], int(begins.min())
        apart = max(1, int(np.gcd.reduce(np.append(begins - base, row_bytes))))
        item = np.dtype(f"V{row_bytes}")
        count = (int(begins.max()) - base) // apart + 1
        source: NDArray[np.void] = np.ndarray((count,), item, mapped, base, (apart,))
        rows.view(item)[:, 0] = source[(begins - base) // apart]


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | _NO_LINK)


def _up(position: int) -> int:
    return -(-position // _ALIGNED) * _ALIGNED
