"""How much memory and disk there is, and how much may be used."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = ["FLOAT", "free_disk", "free_memory", "keeping_freed_memory", "peak_memory"]

FLOAT = 4
"""Bytes of a value of an embedding."""
# Of glibc's malloc.h; and what the two become by themselves once large blocks are freed.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_USUAL_TRIM_THRESHOLD = 2 * _LARGEST_MMAP_THRESHOLD
_LARGEST_INT = 2**31 - 1


@contextmanager
def keeping_freed_memory(at_most: int) -> Iterator[None]:
    """Have memory that is freed in a block used again, and give it back to the system at the end.

    glibc gives large blocks back at once. Every pass of a network would then pay a page fault for
    every four kilobytes of its outputs, which takes longer than to copy them. Other allocators stay
    as they are, and so does glibc's where the environment sets it.

    Parameters
    ----------
    at_most : int
        Bytes that may wait to be used again.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    libc.mallopt(_M_TRIM_THRESHOLD, min(_LARGEST_INT, max(_USUAL_TRIM_THRESHOLD, at_most)))
    try:
        yield
    finally:
        libc.mallopt(_M_TRIM_THRESHOLD, _USUAL_TRIM_THRESHOLD)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Give the C library, if it is glibc and its allocator was not set by the user."""
    is_set = any(name.startswith("MALLOC_") for name in os.environ)
    if not sys.platform.startswith("linux") or is_set or "GLIBC_TUNABLES" in os.environ:
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def free_memory() -> int:
    """Bytes of memory that new data may take without swapping."""
    return int(psutil.virtual_memory().available)


def free_disk(folder: Path) -> int:
    """Bytes free where a folder is, or would be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
