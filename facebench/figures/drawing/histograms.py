"""Histograms of genuine and impostor scores with the threshold, a panel per model-layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from facebench.figures.drawing.curves import as_percent
from facebench.figures.drawing.panels import PanelGrid
from facebench.figures.drawing.style import (
    INK,
    PALETTE,
    SMALL,
    Array,
    fonts,
    number_text,
    text_style,
)

GENUINE, IMPOSTOR = PALETTE[0], PALETTE[1]
PANEL_WIDTH, PANEL_HEIGHT = 2.6, 1.8
FEWEST_BINS, MOST_BINS = 12, 60


@dataclass(frozen=True)
class Scores:
    """The finite distances of one model-layer by class, and the threshold (NaN: none)."""

    label: str
    detail: str
    genuine: Array
    impostor: Array
    threshold: float


def bin_edges(genuine: Array, impostor: Array) -> Array:
    """Choose the edges that both classes share.

    The width is that of Freedman and Diaconis for the narrower class, within bounds, so that the
    peak of one class is not lost in the breadth of the other.
    """
    values = np.concatenate((genuine, impostor))
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.linspace(low - 0.5, high + 0.5, FEWEST_BINS + 1)
    widths = [
        2 * float(np.subtract(*np.percentile(part, [75, 25]))) / part.size ** (1 / 3)
        for part in (genuine, impostor)
        if part.size
    ]
    width = min(widths)
    bins = MOST_BINS if width <= 0 else int(np.clip((high - low) / width, FEWEST_BINS, MOST_BINS))
    return np.linspace(low, high, bins + 1)


def draw_scores(axes: Axes, scores: Scores) -> None:
    """Draw the two histograms as shares of their class, and the threshold."""
    edges = bin_edges(scores.genuine, scores.impostor)
    for values, color in ((scores.impostor, IMPOSTOR), (scores.genuine, GENUINE)):
        if values.size:
            heights = np.histogram(values, edges)[0] / values.size
            axes.stairs(heights, edges, fill=True, color=color, alpha=0.35, linewidth=0)
            axes.stairs(heights, edges, fill=False, color=color, linewidth=1.1)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.04)
    if np.isfinite(scores.threshold):
        axes.axvline(scores.threshold, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        span = float(np.ptp(axes.get_xlim()))
        right = scores.threshold < axes.get_xlim()[0] + 0.7 * span
        axes.annotate(
            number_text(scores.threshold, abs(scores.threshold)),
            (scores.threshold, 1),
            ((3 if right else -3), -2),
            ("data", "axes fraction"),
            textcoords="offset points",
            ha="left" if right else "right",
            va="top",
            **text_style(SMALL),
        )


def histogram_figure(panels: Sequence[Scores], *, title: str, score_name: str, note: str) -> Figure:
    """Draw one panel per model-layer, each on its own scale: layers differ in theirs.

    Parameters
    ----------
    panels : sequence of Scores
        At least one.
    title, score_name, note : str
        The title, the name of the x axis, and the small print below.

    Returns
    -------
    Figure
        One axes per panel.
    """
    grid = PanelGrid(
        [panel.label for panel in panels], PANEL_WIDTH, PANEL_HEIGHT, gap=0.55, most_columns=4
    )
    for index, panel in enumerate(panels):
        axes = grid.add(index, "y")
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(as_percent))
        if panel.genuine.size + panel.impostor.size:
            draw_scores(axes, panel)
        else:
            axes.set(xticks=[], yticks=[])
        grid.head(axes, index, panel.detail)
        grid.name_axes(axes, index, score_name, "Share of class")
    legend = grid.figure.axes[min(grid.columns, len(panels)) - 1].legend(
        handles=[Patch(color=GENUINE, alpha=0.6), Patch(color=IMPOSTOR, alpha=0.6)],
        labels=["genuine", "impostor"],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.4,
        frameon=False,
        handlelength=1.1,
        handleheight=0.9,
        prop={"size": SMALL, "family": list(fonts())},
    )
    for entry in legend.get_texts():
        entry.set(**text_style(SMALL))
    grid.finish(title, note)
    return grid.figure
