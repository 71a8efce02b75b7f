"""Digests of image files, remembered for as long as the file system says they are the same."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facebench.data.images import file_state, image_bytes
from facebench.errors import ImageError
from facebench.store.database import Database
from facebench.store.index_tables import insertion
from facebench.store.layer_index import DIGEST_BYTES

__all__ = ["digest_files", "file_digest"]

# A file changed so recently may change again without its times showing it.
_RACY_NS = 2_000_000_000
_AT_ONCE = 30_000
_WORTH_THREADS = 64


def file_digest(path: Path) -> bytes | None:
    """Digest an image's bytes: the beginning of their SHA-256; None where it cannot be read."""
    try:
        return hashlib.sha256(image_bytes(path)).digest()[:DIGEST_BYTES]
    except ImageError:
        return None


def digest_files(database: Database, paths: Sequence[Path]) -> list[bytes | None]:
    """Digest files, opening only those that changed since they were last digested.

    Parameters
    ----------
    database : Database
        Where digests are remembered.
    paths : sequence of Path
        Image files.

    Returns
    -------
    list of bytes or None
        None where a file cannot be read.
    """
    names = [os.fsencode(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links stay
    stats = [_stat(path) for path in paths]
    known: dict[bytes, tuple[str, bytes]] = {}
    with database.use() as connection:
        for first in range(0, len(names), _AT_ONCE):
            part = names[first : first + _AT_ONCE]
            query = (
                "SELECT path, stat, digest FROM whole_files "
                f"WHERE path IN ({','.join('?' * len(part))})"
            )
            known.update(
                (path, (stat, digest)) for path, stat, digest in connection.execute(query, part)
            )
    digests: list[bytes | None] = [None] * len(paths)
    unknown = []
    for index, (name, stat) in enumerate(zip(names, stats, strict=True)):
        if stat is None:
            continue
        kept = known.get(name)
        if kept is not None and kept[0] == stat:
            digests[index] = kept[1]
        else:
            unknown.append(index)
    if len(unknown) >= _WORTH_THREADS:
        with ThreadPoolExecutor() as pool:
            fresh = list(pool.map(file_digest, [paths[index] for index in unknown]))
    else:
        fresh = [file_digest(paths[index]) for index in unknown]
    lasting = []
    for index, digest in zip(unknown, fresh, strict=True):
        digests[index] = digest
        stat = stats[index]
        if digest is not None and stat is not None and _lasts(paths[index], stat):
            lasting.append((names[index], stat, digest))
    if lasting and not database.read_only:
        with database.change() as connection:
            connection.executemany(insertion("files"), lasting)
    return digests


def _stat(path: Path) -> str | None:
    try:
        found = file_state(path)
    except OSError:
        return None
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _lasts(path: Path, before: str) -> bool:
    """Whether the file is as it was before it was read, and was left alone for a while."""
    if _stat(path) != before:
        return False
    _size, modified, changed, _inode = map(int, before.split())
    return time.time_ns() - max(modified, changed) > _RACY_NS
