"""Which files figures are written to, and their figures where these are asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.errors import InputError
from facebench.utils.files import atomic_path
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "FigureOutput", "checked_formats", "draw_pages", "figure_output"]

FORMATS = ("png", "pdf", "svg")
# matplotlib promises no thread safety, and figures share its caches of fonts.
_drawing = threading.Lock()


@dataclass(frozen=True)
class FigureOutput:
    """What is made of the figures that are drawn in a block of `figure_output`.

    Attributes
    ----------
    formats : tuple of str
        What each figure is written as; none writes no files.
    paths : list of Path
        The files written so far.
    figures : list of matplotlib.figure.Figure
        The figures drawn so far, a page each, where they are kept.
    keeps : bool
        Whether figures are kept.
    """

    formats: tuple[str, ...] = ("png",)
    paths: list[Path] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    keeps: bool = False


_current: ContextVar[FigureOutput | None] = ContextVar("facebench_figure_output", default=None)


@contextmanager
def figure_output(formats: Sequence[str], *, keep: bool = False) -> Iterator[FigureOutput]:
    """Write the figures of the block in other formats than PNG, or keep them.

    Parameters
    ----------
    formats : sequence of {'png', 'pdf', 'svg'}
        What each figure is written as; none writes no files.
    keep : bool, default False
        Whether the figures themselves are kept.

    Yields
    ------
    FigureOutput
        The files written and the figures drawn, as they come.
    """
    output = FigureOutput(checked_formats(formats, "The formats of figures"), keeps=keep)
    token = _current.set(output)
    try:
        yield output
    finally:
        _current.reset(token)


def checked_formats(formats: Any, what: str) -> tuple[str, ...]:
    """Read the formats of figures: one, or a sequence of them, each once.

    Parameters
    ----------
    formats : str or sequence of str
        As given.
    what : str
        What is read, for the error.

    Returns
    -------
    tuple of str
        In lower case, in the order given.

    Raises
    ------
    InputError
        If one is not known.

    Examples
    --------
    >>> checked_formats(["PNG", ".pdf"], "The formats")
    ('png', 'pdf')
    """
    given = [formats] if isinstance(formats, str) else list(formats)
    read = [str(name).lower().removeprefix(".") for name in given]
    for name, said in zip(read, given, strict=True):
        if name not in FORMATS:
            msg = (
                f"{what} must be among {', '.join(FORMATS)}. Got {said!r} instead."
                f"{did_you_mean(name, FORMATS)}"
            )
            raise InputError(msg)
    return tuple(dict.fromkeys(read))


def draw_pages(target: Path, draw: Callable[[], Sequence[Figure]]) -> list[Path]:
    """Write the pages of a figure in the formats asked for, while no other thread draws.

    Parameters
    ----------
    target : Path
        The file of the first page, whose suffix is replaced; its folder is made if need be. Further
        pages are ``<stem>_page_2`` and so on.
    draw : callable
        Returns the pages.

    Returns
    -------
    list of Path
        The files written, page by page.
    """
    output = _current.get() or FigureOutput()
    written: list[Path] = []
    with _drawing:
        pages = draw()
        if output.formats:
            from facebench.figures.drawing.style import write_figure

            for number, figure in enumerate(pages, 1):
                for suffix in output.formats:
                    path = _page_path(target, number).with_suffix(f".{suffix}")
                    with atomic_path(path) as temporary:
                        write_figure(figure, temporary)
                    written.append(path)
            for suffix in output.formats:
                _remove_former_pages(target, len(pages) + 1, suffix)
    output.paths.extend(written)
    if output.keeps:
        output.figures.extend(pages)
    return written


def _page_path(target: Path, number: int) -> Path:
    # Names such as 'dlib v1.2_auc' hold dots; the suffix of a target is always a format.
    stem = target.name.removesuffix(target.suffix)
    return target.with_name(f"{stem}{f'_page_{number}' if number > 1 else ''}{target.suffix}")


def _remove_former_pages(target: Path, first: int, suffix: str) -> None:
    """Remove pages that an earlier figure of this name had beyond the present ones."""
    number = first
    while (path := _page_path(target, number).with_suffix(f".{suffix}")).is_file():
        path.unlink()
        number += 1
