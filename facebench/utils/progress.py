"""How far a run is: a bar on a terminal, plain log lines elsewhere, all on standard error."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from facebench.utils.units import shown_seconds

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Progress", "ScreenHandler", "bars_shown", "visible_log", "without_bars"]

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0
_ROOM_FOR_BAR = 70
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

    Bars that are shown at once share one display, each on a line of its own. What is logged, warned
    or printed meanwhile appears above them.

    Parameters
    ----------
    title : str
        What is going on, such as the model's name.
    total : int
        How many things there are to do.
    unit : str, default 'images'
        What they are.
    logged : bool, default True
        Whether logs tell of it where there is no bar, and how it ended. What only a terminal shows
        is not timed either.
    """

    def __init__(
        self, title: str, total: int, unit: str = "images", *, logged: bool = True
    ) -> None:
        self._unit = unit
        self._logged = logged
        self._title = title
        self._total = total
        self._done = 0
        self._started = self._last_line = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        if _bars_wanted.get() and _can_redraw():
            self._bar = _Display.join()
            self._task = self._bar.add_task(self._title, total=self._total, rate="", left="")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.update(self._task, visible=False)
            _Display.leave()
        if kind is None and self._total and self._logged:
            _log.info("%s: %d %s, %s.", self._title, self._done, self._unit, self._rate())

    def begin(self, what: str) -> None:
        """Name what is being done now, in place of the title."""
        if self._bar is not None:
            self._bar.update(self._task, description=what)

    def advance(self, number: int) -> None:
        """Count what was done since the last call."""
        self._done += number
        now = time.monotonic()
        if self._first is None:
            self._first = now, self._done
        is_due = (
            self._logged
            and now - self._last_line >= _SECONDS_BETWEEN_LINES
            and self._done < self._total
        )
        if self._bar is None and not is_due:
            return
        # What was found done already, all at once, says nothing about the rest.
        since, done = now - self._first[0], self._done - self._first[1]
        left = shown_seconds(since / done * (self._total - self._done)) if done else ""
        if self._bar is not None:
            left = left and f"{left} left"
            rate = self._rate() if self._logged else ""
            self._bar.update(self._task, advance=number, rate=rate, left=left)
        elif left:
            self._last_line = now
            _log.info(
                "%s: %d of %d %s, %s, about %s left.",
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


def _can_redraw() -> bool:
    """Tell whether standard error is a screen that can be redrawn, rather than a file or a log."""
    on_screen = sys.stderr is not None and sys.stderr.isatty()
    return on_screen and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


@contextmanager
def without_bars() -> Iterator[None]:
    """Take bars down while another library draws its own, such as that of a download."""
    display = _Display.shown
    if display is None:
        yield
        return
    display.stop()
    try:
        yield
    finally:
        display.start()


class _Display:
    """The lines at the bottom of the terminal that all bars of the moment share."""

    shown: RichProgress | None = None
    users = 0
    redirected: ExitStack

    @classmethod
    def join(cls) -> RichProgress:
        """Give the display, which is put up for the first bar."""
        if cls.shown is None:
            from rich.console import Console, ConsoleDimensions
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as RichProgress
            from rich.table import Column

            class Narrower(Console):
                """Leaves room for the ^C of an interrupt: a line that wraps cannot be erased."""

                @property  # type: ignore[misc]
                @override
                def size(self) -> ConsoleDimensions:
                    whole = super().size
                    return ConsoleDimensions(max(1, whole.width - 3), whole.height)

            console = Narrower(stderr=True)
            name = Column(no_wrap=True, overflow="ellipsis", max_width=max(8, console.width // 3))
            whole, flexible = Column(no_wrap=True), Column(ratio=1)
            # In a narrow terminal the numbers are worth more than the bar.
            bar = [BarColumn(None, table_column=flexible)] if console.width >= _ROOM_FOR_BAR else []
            cls.shown = RichProgress(
                TextColumn("{task.description}", markup=False, table_column=name),
                *bar,
                MofNCompleteColumn(table_column=whole),
                TextColumn("{task.fields[rate]}", markup=False, table_column=whole),
                TextColumn("{task.fields[left]}", markup=False, table_column=whole),
                console=console,
                expand=bool(bar),
                # The line that is logged at the end says it all.
                transient=True,
                # What is printed to a file or a pipe goes there.
                redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            )
            streams = {id(stream): stream for stream in (sys.stdout, sys.stderr)}
            cls.shown.start()
            cls.redirected = ExitStack()
            cls.redirected.callback(cls.shown.stop)
            for handler in _screen_handlers(streams):
                cls.redirected.callback(handler.setStream, handler.stream)
                handler.setStream(sys.stderr)
        cls.users += 1
        return cls.shown

    @classmethod
    def leave(cls) -> None:
        """Take the display down after the last bar."""
        cls.users -= 1
        if cls.users == 0:
            cls.shown = None
            cls.redirected.close()


def _screen_handlers(streams: Mapping[int, Any]) -> list[logging.StreamHandler[Any]]:
    """Find the handlers of people's own logging that write to these streams past any display."""
    handlers = {*logging.getLogger().handlers, *logging.getLogger("facebench").handlers}
    return [
        handler
        for handler in handlers
        if isinstance(handler, logging.StreamHandler) and id(handler.stream) in streams
    ]


class ScreenHandler(logging.Handler):
    """Writes to what standard error is at the time: above a progress bar, not through it."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            if sys.stderr is not None:
                sys.stderr.write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)


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
        handlers = [ScreenHandler()]
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
