"""How much memory and disk there is, and how much may be used."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import psutil

from facebench.errors import InputError

__all__ = ["FLOAT", "as_bytes", "free_disk", "free_memory", "peak_memory", "shown_bytes"]

FLOAT = 4
"""Bytes of a value of an embedding."""

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)


def as_bytes(size: float | str, parameter: str) -> int:
    """Read a size such as 4_000_000_000, '4GB' or '4GiB'.

    Parameters
    ----------
    size : int, float or str
        Bytes, or a text with a unit.
    parameter : str
        What it was given as, for the message.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    InputError
        If it is not a positive size.

    Examples
    --------
    >>> as_bytes("1.5 GiB", "max_memory")
    1610612736
    """
    number, unit = 0.0, ""
    if isinstance(size, int | float) and not isinstance(size, bool):
        number = float(size)
    elif isinstance(size, str) and (match := _SIZE.fullmatch(size)):
        number, unit = float(match[1]), match[2].lower()
    if not 1 <= number < float("inf") or unit not in {**_UNITS, **_BINARY}:
        msg = (
            f"The {parameter!r} parameter must be a size such as '4GiB' or a number of bytes. "
            f"Got {size!r} instead."
        )
        raise InputError(msg)
    return int(number * {**_UNITS, **_BINARY}[unit])


def shown_bytes(size: float) -> str:
    """Write a size as people read it.

    Examples
    --------
    >>> shown_bytes(1_610_612_736)
    '1.6 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


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
