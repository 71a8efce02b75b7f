"""Digests of image files, remembered for as long as the file system says they are the same."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from facebench.data.digests import read_sha256, settled_sha256
from facebench.data.images import file_state
from facebench.store.database import Database
from facebench.store.index_tables import insertion
from facebench.store.layer_index import DIGEST_BYTES
from facebench.utils.files import FileState
from facebench.utils.progress import Progress

__all__ = ["digest_all", "digest_files", "file_digest"]

_AT_ONCE = 30_000
# Files that a thread reads in one go.
_OF_A_THREAD = 32
# Seconds that reading a file takes where several threads are worth it.
_SLOW = 1e-4

# The digest of a file, and the state by which to know that it is the same.
_Digested: TypeAlias = tuple[bytes | None, FileState | None]


def file_digest(path: Path) -> bytes | None:
    """Digest an image's bytes: the beginning of their SHA-256; None where it cannot be read."""
    digest = read_sha256(path)
    return None if digest is None else digest[:DIGEST_BYTES]


def digest_all(paths: Sequence[Path]) -> list[bytes | None]:
    """Digest files, each of which is opened; None where one cannot be read."""
    return [digest for digest, _ in _read_all(paths)]


def _read_all(paths: Sequence[Path]) -> list[_Digested]:
    """Digest files, by several threads where one is slow: they are large, or not in memory."""
    found: list[_Digested] = []
    parts = iter(
        [paths[start : start + _OF_A_THREAD] for start in range(0, len(paths), _OF_A_THREAD)]
    )
    started = time.perf_counter()
    with Progress("Reading files", len(paths), "files", logged=False) as progress:
        for part in parts:
            found += _read_part(part)
            progress.advance(len(part))
            if time.perf_counter() - started > _SLOW * len(found):
                break
        with ThreadPoolExecutor() as pool:
            for done in pool.map(_read_part, parts):
                found += done
                progress.advance(len(done))
    return found


def _read_part(paths: Sequence[Path]) -> list[_Digested]:
    return [_read(path) for path in paths]


def _read(path: Path) -> _Digested:
    found = settled_sha256(path)
    return (None, None) if found is None else (found[0][:DIGEST_BYTES], found[1])


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
    for index, name in enumerate(names):
        kept = known.get(name)
        if kept is not None and kept[0] == _state_of(paths[index]):
            digests[index] = kept[1]
        else:
            unknown.append(index)
    lasting = []
    fresh = _read_all([paths[index] for index in unknown])
    for index, (digest, state) in zip(unknown, fresh, strict=True):
        digests[index] = digest
        if state is not None:
            lasting.append((names[index], _text(state), digest))
    if lasting and not database.read_only:
        with database.change() as connection:
            connection.executemany(insertion("files"), lasting)
    return digests


def _state_of(path: Path) -> str | None:
    try:
        return _text(file_state(path))
    except OSError:
        return None


def _text(state: FileState) -> str:
    return " ".join(map(str, state))
