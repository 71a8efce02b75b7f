"""How much memory and disk there is, and how much may be used."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import psutil

__all__ = ["FLOAT", "free_disk", "free_memory", "peak_memory"]

FLOAT = 4
"""Bytes of a value of an embedding."""


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
