"""Worker processes that do not outlive the process that started them."""

from __future__ import annotations

import os
import threading
import time

__all__ = ["end_with_parent"]

_WATCH_SECONDS = 1.0


def end_with_parent(parent: int | None = None) -> None:
    """End this process when its parent is gone, which may be killed without a word.

    A worker would wait for work without end, with its memory and with the parent's output open,
    for which whoever started the parent waits.

    Parameters
    ----------
    parent : int, optional
        The parent's process number, where the worker was given it; else what it is now.
    """
    watched = os.getppid() if parent is None else parent
    threading.Thread(target=_watch, args=(watched,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
