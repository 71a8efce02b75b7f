"""Sizes and times as people write and read them, in one system of units: 1 GB is 10⁹ bytes."""

from __future__ import annotations

import math
import re

from facebench.errors import InputError

__all__ = ["as_bytes", "shown_bytes", "shown_seconds"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)
_TIMES = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def as_bytes(size: float | str, parameter: str, *, minimum: int = 1) -> int:
    """Read a size such as 4_000_000_000, '4GB' or '4GiB'.

    Parameters
    ----------
    size : int, float or str
        Bytes, or a text with a unit.
    parameter : str
        What it was given as, for the message.
    minimum : int, default 1
        The smallest size that is accepted, in bytes.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    InputError
        If it is not such a size.

    Examples
    --------
    >>> as_bytes("1.5 GiB", "max_memory")
    1610612736
    """
    number, unit = -1.0, ""
    if isinstance(size, int | float) and not isinstance(size, bool):
        number = float(size)
    elif isinstance(size, str) and (match := _SIZE.fullmatch(size)):
        number, unit = float(match[1]), match[2].lower()
    n_bytes = number * {**_UNITS, **_BINARY}.get(unit, math.nan)
    if not minimum <= n_bytes < math.inf:
        msg = (
            f"The {parameter!r} parameter must be a size such as '4GiB' or a number of bytes. "
            f"Got {size!r} instead."
        )
        raise InputError(msg)
    return int(n_bytes)


def shown_bytes(size: float) -> str:
    """Write a size as people read it.

    Examples
    --------
    >>> shown_bytes(1_610_612_736)
    '1.6 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if round(size, 1) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def shown_seconds(seconds: float) -> str:
    """Write a time as people read it, by its two largest units.

    Examples
    --------
    >>> [shown_seconds(seconds) for seconds in (0.42, 12.3, 133, 7384, 180_000)]
    ['0.4 s', '12 s', '2 min 13 s', '2 h 3 min', '2 d 2 h']
    """
    if not math.isfinite(seconds):
        return "-"
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, length in _TIMES:
        number, left = divmod(left, length)
        if number or parts:
            parts.append((number, unit))
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)
