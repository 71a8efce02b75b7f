"""Digests of image files, remembered for as long as the file system says they are the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facebench.data.digests import read_sha256
from facebench.data.images import file_state
from facebench.store.database import Database
from facebench.store.index_tables import insertion
from facebench.store.layer_index import DIGEST_BYTES
from facebench.utils.files import FileState
from facebench.utils.progress import Progress

__all__ = ["digest_all", "digest_files", "file_digest"]

_AT_ONCE = 30_000
_WORTH_THREADS = 64
# Files that a thread reads in one go.
_OF_A_THREAD = 32


def file_digest(path: Path) -> bytes | None:
    """Digest an image's bytes: the beginning of their SHA-256; None where it cannot be read."""
    digest = read_sha256(path)
    return None if digest is None else digest[:DIGEST_BYTES]


def digest_all(paths: Sequence[Path]) -> list[bytes | None]:
    """Digest files, each of which is opened; None where one cannot be read."""
    if len(paths) < _WORTH_THREADS:
        return [file_digest(path) for path in paths]
    progress = Progress("Reading files", len(paths), "files", logged=False)
    parts = [paths[start : start + _OF_A_THREAD] for start in range(0, len(paths), _OF_A_THREAD)]
    with ThreadPoolExecutor() as pool, progress:
        return [
            progress.passed(digest)
            for found in pool.map(lambda part: [file_digest(path) for path in part], parts)
            for digest in found
        ]


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
    states = [_state(path) for path in paths]
    # Judged before files are read: a change within the clock's tick must not go unseen.
    is_settled = [state is not None and state.is_settled for state in states]
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
    for index, (name, state) in enumerate(zip(names, states, strict=True)):
        if state is None:
            continue
        kept = known.get(name)
        if kept is not None and kept[0] == _text(state):
            digests[index] = kept[1]
        else:
            unknown.append(index)
    lasting = []
    fresh = digest_all([paths[index] for index in unknown])
    for index, digest in zip(unknown, fresh, strict=True):
        digests[index] = digest
        state = states[index]
        if digest is None or state is None:
            continue
        if is_settled[index] and _state(paths[index]) == state:
            lasting.append((names[index], _text(state), digest))
    if lasting and not database.read_only:
        with database.change() as connection:
            connection.executemany(insertion("files"), lasting)
    return digests


def _state(path: Path) -> FileState | None:
    try:
        return file_state(path)
    except OSError:
        return None


def _text(state: FileState) -> str:
    return " ".join(map(str, state))
