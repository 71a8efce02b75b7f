"""Processes that are killed at a certain line of the package, so that every moment has its turn."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["kill_at", "n_lines"]


def kill_at(number: int, *parts: str) -> None:
    """Have this process killed, as by `kill -9`, before it runs the n-th line, from 1.

    Parameters
    ----------
    number : int
        Which line, of those that are run.
    *parts : str
        Whose lines count: files of the package, or folders, as 'store/packs.py'.
    """
    left = [number]

    def note() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    _trace(note, parts)


def n_lines(function: Callable[[], Any], *parts: str) -> int:
    """Count the lines that a function runs in certain files; see `kill_at`."""
    count = [0]

    def note() -> None:
        count[0] += 1

    before = sys.gettrace()
    _trace(note, parts)
    try:
        function()
    finally:
        sys.settrace(before)
    return count[0]


def _trace(note: Callable[[], None], parts: tuple[str, ...]) -> None:
    import facebench

    places = tuple(str(Path(facebench.__file__).parent / part) for part in parts)

    def line(_frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            note()
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(places) else None

    sys.settrace(call)
