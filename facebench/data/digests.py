"""SHA-256 of files, each read once by a process as long as the file system sees no change of it.

A run asks for its images when it numbers them, when it looks at the data, when it is saved and when
its report shows them.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from facebench.data.images import file_state, image_content
from facebench.errors import FacebenchError
from facebench.types import StrPath
from facebench.utils.files import FileState

__all__ = ["known_sha256", "read_sha256", "settled_sha256"]

# Digests that are kept in mind: some 300 MB.
_MOST_KNOWN = 1_000_000
# Plain tuples of numbers, at which the garbage collector does not look again and again.
_known: dict[str, tuple[tuple[int, ...], bytes]] = {}


def known_sha256(path: StrPath) -> bytes | None:
    """Give the digest of a file, or of an image in a pack; None if it cannot be read.

    Parameters
    ----------
    path : str or Path
        The file. It is not read again if its size, times and inode are those of the last time.
    """
    try:
        state = file_state(path)
    except (OSError, ValueError, FacebenchError):
        return None
    found = _known.get(os.fspath(path))
    return found[1] if found is not None and found[0] == state else read_sha256(path)


def read_sha256(path: StrPath) -> bytes | None:
    """Read a file, or an image in a pack, and give its digest; None if it cannot be read."""
    found = settled_sha256(path)
    return None if found is None else found[0]


def settled_sha256(path: StrPath) -> tuple[bytes, FileState | None] | None:
    """Read a file as `read_sha256` does; says also what tells that it is still the same.

    Returns
    -------
    digest : bytes
    state : FileState or None
        The state in which the file has this digest; None where a change might leave it as it is.
    """
    # Judged of before the file is read: a change within the clock's tick must not go unseen.
    begun = time.time_ns()
    try:
        state, data = image_content(path)
        is_settled = state.was_settled(begun)
        if data is not None:
            digest = hashlib.sha256(data).digest()
        else:
            with Path(path).open("rb", buffering=0) as file:
                # Not all at once: a table may be large.
                digest = hashlib.file_digest(file, "sha256").digest()
                is_settled &= FileState.of(os.fstat(file.fileno())) == state
    except (OSError, ValueError, FacebenchError):
        return None
    if not is_settled:
        return digest, None
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[os.fspath(path)] = (tuple(state), digest)
    return digest, state
