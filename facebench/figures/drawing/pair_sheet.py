"""A sheet of face pairs, each with names and score: the hardest of every model-layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from facebench.figures.drawing.style import (
    INK,
    LABEL,
    PALETTE,
    SMALL,
    SOFT,
    TICK,
    TITLE,
    house_figure,
    text_style,
    text_width,
    wrapped,
)

FACE, SEAM, GUTTER = 0.82, 0.03, 0.3
NAME = 2 * FACE + SEAM + 0.2
ERROR = PALETTE[5]


@dataclass(frozen=True)
class FacePair:
    """Two pictures (None: unreadable) with their names, their score, and whether it is an error."""

    first: NDArray[np.uint8] | None
    second: NDArray[np.uint8] | None
    names: tuple[str, str]
    score: str
    is_error: bool


@dataclass(frozen=True)
class Strip:
    """A row of pairs under a heading."""

    heading: str
    pairs: Sequence[FacePair]


@dataclass(frozen=True)
class Block:
    """What one model-layer finds hardest."""

    label: str
    detail: str
    strips: Sequence[Strip]


class _Pen:
    """Draws on a figure whose coordinates are inches from its top left corner."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._wide, self._high = figure.get_size_inches()

    def text(self, x: float, y: float, text: str, **style: object) -> None:
        self._figure.text(x / self._wide, 1 - y / self._high, text, **style)  # type: ignore[arg-type]

    def box(self, x: float, y: float, width: float, height: float, **style: object) -> None:
        self._figure.add_artist(
            Rectangle(
                (x / self._wide, 1 - (y + height) / self._high),
                width / self._wide,
                height / self._high,
                transform=self._figure.transFigure,
                **style,  # type: ignore[arg-type]
            )
        )

    def picture(self, x: float, y: float, side: float, pixels: NDArray[np.uint8] | None) -> None:
        if pixels is None:
            self.box(x, y, side, side, facecolor="#efefef", edgecolor="none")
            style = text_style(SMALL, SOFT)
            self.text(x + side / 2, y + side / 2, "unreadable", ha="center", va="center", **style)
            return
        rectangle = (
            x / self._wide,
            1 - (y + side) / self._high,
            side / self._wide,
            side / self._high,
        )
        axes = self._figure.add_axes(rectangle)
        axes.imshow(pixels, interpolation="antialiased", aspect="equal")
        axes.set_axis_off()


def name_lines(pairs: Sequence[FacePair]) -> int:
    """Count the lines that the longest name needs."""
    return max(
        (wrapped(name, NAME, SMALL).count("\n") + 1 for pair in pairs for name in pair.names),
        default=0,
    )


def draw_pair(pen: _Pen, x: float, y: float, pair: FacePair) -> None:
    """Draw two faces side by side, framed if they are an error, over score and names."""
    for index, pixels in enumerate((pair.first, pair.second)):
        pen.picture(x + index * (FACE + SEAM), y, FACE, pixels)
    width = 2 * FACE + SEAM
    if pair.is_error:
        pen.box(
            x - 0.015, y - 0.015, width + 0.03, FACE + 0.03,
            facecolor="none", edgecolor=ERROR, linewidth=1.6, zorder=5,
        )  # fmt: skip
    color = ERROR if pair.is_error else INK
    below = y + FACE + 0.05
    pen.text(x, below, pair.score, va="top", **text_style(TICK, color, "bold"))
    below += 0.15
    for name in dict.fromkeys(pair.names):
        lines = wrapped(name, NAME, SMALL)
        pen.text(x, below, lines, va="top", **text_style(SMALL, SOFT))
        below += 0.115 * (lines.count("\n") + 1)


def strip_height(strip: Strip) -> float:
    """Give the height of a strip with its heading, in inches."""
    if not strip.pairs:
        return 0.4
    return 0.24 + FACE + 0.2 + 0.115 * 2 * name_lines(strip.pairs) + 0.12


def pair_sheet_figure(blocks: Sequence[Block], *, title: str, note: str) -> Figure:
    """Draw a block per model-layer, in each a strip per kind of pair.

    Parameters
    ----------
    blocks : sequence of Block
        At least one.
    title, note : str
        The title, and the small print below.

    Returns
    -------
    Figure
        An axes per picture.
    """
    across = max(max(len(strip.pairs) for strip in block.strips) for block in blocks)
    pitch = 2 * FACE + SEAM + GUTTER
    width = max(across * pitch - GUTTER, 4.5)
    heading = wrapped(title, width, TITLE * 1.1)
    below = wrapped(note, width, SMALL)
    top = 0.3 + 0.17 * heading.count("\n")
    labels = [wrapped(block.label, width, LABEL) for block in blocks]
    heights = [
        0.34 + 0.15 * label.count("\n") + sum(map(strip_height, block.strips))
        for label, block in zip(labels, blocks, strict=True)
    ]
    figure = house_figure(width, top + sum(heights) + 0.14 * (below.count("\n") + 1))
    pen = _Pen(figure)
    pen.text(width / 2, 0, heading, ha="center", va="top", **text_style(TITLE, weight="bold"))
    y = top
    for label, block, height in zip(labels, blocks, heights, strict=True):
        pen.box(0, y, width, 0.0, facecolor="none", edgecolor="#cccccc", linewidth=0.7)
        pen.text(0, y + 0.08, label, va="top", **text_style(LABEL, weight="bold"))
        lines = label.split("\n")
        after = text_width(lines[-1], LABEL) * 1.12 + 0.12
        line = y + 0.08 + 0.15 * (len(lines) - 1)
        pen.text(after, line + 0.01, block.detail, va="top", **text_style(TICK, SOFT))
        place = y + 0.34 + 0.15 * (len(lines) - 1)
        for strip in block.strips:
            empty = "" if strip.pairs else ": none"
            pen.text(0, place, f"{strip.heading}{empty}", va="top", **text_style(TICK))
            for index, pair in enumerate(strip.pairs):
                draw_pair(pen, index * pitch, place + 0.2, pair)
            place += strip_height(strip)
        y += height
    pen.text(0, y, below, va="top", **text_style(SMALL, SOFT))
    return figure
