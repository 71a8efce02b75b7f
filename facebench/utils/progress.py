"""How far a run is: a bar on a terminal, plain log lines elsewhere, all on standard error."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Progress", "bars_shown", "visible_log"]

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0
_bars_wanted = ContextVar("bars_wanted", default=True)


@contextmanager
def bars_shown(wanted: bool) -> Iterator[None]:
    """Set whether terminals show bars meanwhile; the default is that they do."""
    token = _bars_wanted.set(wanted)
    try:
        yield
    finally:
        _bars_wanted.reset(token)


class Progress:
    """Counts what is done, such as the images of a model; use as a context manager.

    Parameters
    ----------
    title : str
        What is going on, such as the model's name.
    total : int
        How many things there are to do.
    unit : str, default 'images'
        What they are.
    """

    def __init__(self, title: str, total: int, unit: str = "images") -> None:
        self._unit = unit
        self._title = title
        self._total = total
        self._done = 0
        self._started = self._last_line = time.monotonic()
        self._bar: RichProgress | None = None
        if _bars_wanted.get() and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}", markup=False),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=total, rate="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is None and self._total:
            _log.info("%s: %d %s, %s.", self._title, self._done, self._unit, self._rate())

    def advance(self, number: int) -> None:
        """Count what was done since the last call."""
        self._done += number
        if self._bar is not None:
            self._bar.update(self._task, advance=number, rate=self._rate())
            return
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES and self._done < self._total:
            self._last_line = now
            left = (now - self._started) / max(1, self._done) * (self._total - self._done)
            _log.info(
                "%s: %d of %d %s, %s, about %.0f s left.",
                self._title,
                self._done,
                self._total,
                self._unit,
                self._rate(),
                left,
            )

    def _rate(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        return f"{self._done / seconds:.1f} {self._unit}/s"


@contextmanager
def visible_log(wanted: bool) -> Iterator[None]:
    """Show facebench's log while a run lasts, on standard error unless logging is set up."""
    if not wanted:
        yield
        return
    logger = logging.getLogger("facebench")
    level = logger.level
    handlers: list[logging.Handler] = []
    if not logger.hasHandlers():
        handlers = [logging.StreamHandler(sys.stderr)]
        handlers[0].setFormatter(logging.Formatter("%(message)s"))
    for handler in handlers:
        logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
        logger.setLevel(level)
