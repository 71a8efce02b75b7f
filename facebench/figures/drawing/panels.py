"""Small multiples: a grid of panels, each under its own name, and one title over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from facebench.figures.drawing.style import (
    SMALL,
    SOFT,
    TICK,
    TITLE,
    house_axes,
    house_figure,
    text_style,
    wrapped,
)

__all__ = ["PanelGrid"]

MOST_COLUMNS = 5
GAP = 0.62


class PanelGrid:
    """Places for panels, row by row in the order of their names.

    Parameters
    ----------
    names : sequence of str
        What each panel is called; at least one.
    width, height : float
        Of one panel, in inches.
    gap : float, default 0.62
        Between the columns, in inches: room for the labels of an axis.
    below : float, default 0.3
        Under each panel, in inches: room for the labels of an axis.
    """

    def __init__(
        self,
        names: Sequence[str],
        width: float,
        height: float,
        *,
        gap: float = GAP,
        below: float = 0.3,
        most_columns: int = MOST_COLUMNS,
    ) -> None:
        self.count = len(names)
        self.columns = (
            min(self.count, most_columns)
            if self.count <= 3
            else min(most_columns, int(np.ceil(self.count**0.5)))
        )
        rows = -(-self.count // self.columns)
        self.names = [wrapped(name, width, TICK) for name in names]
        tallest = [
            max(
                name.count("\n") + 1
                for name in self.names[row * self.columns : (row + 1) * self.columns]
            )
            for row in range(rows)
        ]
        # Above a panel: its name and what it shows.
        self._above = np.array([0.26 + 0.14 * lines for lines in tallest])
        self._size, self._gap, self._step = (width, height), gap, height + below
        self.width = self.columns * width + (self.columns - 1) * gap
        self.height = float(self._above[1:].sum()) + rows * self._step - below
        self.figure = house_figure(self.width, self.height)

    def corner(self, index: int) -> tuple[float, float]:
        """Give where the lower left corner of a panel is, in inches."""
        row, column = divmod(index, self.columns)
        width, height = self._size
        top = self.height - float(self._above[1 : row + 1].sum()) - row * self._step
        return column * (width + self._gap), top - height

    def add(self, index: int, grid: Literal["x", "y", "both"]) -> Axes:
        """Add the axes of one panel."""
        return house_axes(self.figure, (*self.corner(index), *self._size), grid)

    def head(self, axes: Axes, index: int, detail: str) -> None:
        """Write a panel's name, and under it what it shows."""
        axes.set_title(self.names[index], loc="left", pad=16, **text_style(TICK, weight="bold"))
        axes.annotate(
            detail,
            (0, 1),
            xytext=(0, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            **text_style(SMALL, SOFT),
        )

    def name_axes(self, axes: Axes, index: int, x_label: str, y_label: str) -> None:
        """Name the x axis of the lowest panel of a column, the y axis of the first of a row."""
        if index + self.columns >= self.count:
            axes.set_xlabel(x_label, labelpad=4, **text_style(TICK))
        if index % self.columns == 0:
            axes.set_ylabel(y_label, labelpad=4, **text_style(TICK))

    def finish(self, title: str, note: str = "", note_offset: float = 0.5) -> None:
        """Write the title above all panels, and small print `note_offset` inches below them."""
        width = max(self.width, 4.5)
        self.figure.text(
            0.5,
            1 + (self._above[0] + 0.06) / self.height,
            wrapped(title, width, TITLE * 1.1),
            ha="center",
            va="bottom",
            **text_style(TITLE, weight="bold"),
        )
        if note:
            self.figure.text(
                0,
                -note_offset / self.height,
                wrapped(note, width, SMALL),
                ha="left",
                va="top",
                **text_style(SMALL, SOFT),
            )
