"""Digests of the files and pixels that faces are found with and in."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import xxhash

from facebench.faces.detection import Pixels
from facebench.utils.files import FileState

__all__ = ["content_digest", "pixels_digest"]

_AT_ONCE = 1 << 22


def content_digest(file: Path) -> str:
    """Digest a file's content; files as large as dlib's are read once per process."""
    return _digest_of(file, FileState.of(file.stat()))


@functools.lru_cache(maxsize=32)
def _digest_of(file: Path, _state: FileState) -> str:
    digest = xxhash.xxh3_128()
    with file.open("rb") as content:
        while block := content.read(_AT_ONCE):
            digest.update(block)
    return str(digest.hexdigest())


def pixels_digest(image: Pixels) -> str:
    """Digest an image as decoded: its shape and its pixels."""
    digest = xxhash.xxh3_128(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return str(digest.hexdigest())
