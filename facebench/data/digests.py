"""SHA-256 of files, each read once by a process as long as the file system sees no change of it.

A run asks for its images when it numbers them, when it looks at the data, when it is saved and when
its report shows them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from facebench.data.images import file_state, image_bytes
from facebench.data.packs import split_member
from facebench.errors import FacebenchError
from facebench.utils.files import FileState

__all__ = ["known_sha256", "read_sha256"]

# Digests that are kept in mind: some 300 MB.
_MOST_KNOWN = 1_000_000
_known: dict[str, tuple[FileState, bytes]] = {}


def known_sha256(path: Path) -> bytes | None:
    """Give the digest of a file, or of an image in a pack; None if it cannot be read.

    Parameters
    ----------
    path : Path
        The file. It is not read again if its size, times and inode are those of the last time.

    Returns
    -------
    bytes or None
    """
    try:
        state = file_state(path)
    except (OSError, ValueError, FacebenchError):
        return None
    found = _known.get(os.fspath(path))
    return found[1] if found is not None and found[0] == state else _read(path, state)


def read_sha256(path: Path) -> bytes | None:
    """Read a file, or an image in a pack, and give its digest; None if it cannot be read."""
    try:
        state = file_state(path)
    except (OSError, ValueError, FacebenchError):
        return None
    return _read(path, state)


def _read(path: Path, state: FileState) -> bytes | None:
    # Judged before the file is read: a change within the clock's tick must not go unseen.
    is_settled = state.is_settled
    try:
        if split_member(path) is None and path.is_file():
            with path.open("rb", buffering=0) as file:
                # Not all at once: a table may be large.
                digest = hashlib.file_digest(file, "sha256").digest()
        else:
            # Of a pipe or a device, which would be read without end, this is an error.
            digest = hashlib.sha256(image_bytes(path)).digest()
    except (OSError, ValueError, FacebenchError):
        return None
    if is_settled:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[os.fspath(path)] = (state, digest)
    return digest
