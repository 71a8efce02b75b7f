"""Heat maps of error rates between groups of people, a panel per model-layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from facebench.figures.drawing.panels import PanelGrid
from facebench.figures.drawing.style import (
    INK,
    SMALL,
    SOFT,
    TICK,
    Array,
    text_style,
    text_width,
    wrapped,
)

CELL_WIDTH, CELL_HEIGHT, BETWEEN = 0.62, 0.42, 0.22
LONGEST_NAME = 1.9
# From white to a blue dark enough for white letters.
SHADES = LinearSegmentedColormap.from_list(
    "facebench", ["#ffffff", "#9cc7e4", "#0072b2", "#00365a"]
)
EMPTY = "#f2f2f2"


@dataclass(frozen=True)
class GroupRates:
    """Error rates of one model-layer at one threshold.

    `fmr` and its counts `impostors` are [G, G], symmetric; `fnmr` and `genuine` are [G]. NaN where
    there is no comparison.
    """

    label: str
    detail: str
    groups: Sequence[str]
    fmr: Array
    impostors: NDArray[np.intp]
    fnmr: Array
    genuine: NDArray[np.intp]


def rate_text(rate: float) -> str:
    """Write a rate in percent, with digits that suit a small cell."""
    if np.isnan(rate):
        return "\N{EN DASH}"
    shown = 100 * rate
    return "0" if shown == 0 else f"{shown:.2f}" if shown < 1 else f"{shown:.1f}"


def draw_cell(
    axes: Axes, corner: tuple[float, float], rate: float, count: int, largest: float
) -> None:
    """Draw one rate as a filled cell, with the number of comparisons under it."""
    share = 0.0 if np.isnan(rate) or largest == 0 else rate / largest
    # The root keeps small rates, which matter most here, from all looking white.
    face = EMPTY if np.isnan(rate) else to_hex(SHADES(float(np.sqrt(share))))
    axes.add_patch(
        Rectangle(corner, CELL_WIDTH, CELL_HEIGHT, facecolor=face, edgecolor="white", linewidth=1.2)
    )
    dark = np.dot(to_rgb(face), (0.3, 0.59, 0.11)) < 0.55
    across = corner[0] + CELL_WIDTH / 2
    color = SOFT if np.isnan(rate) else "white" if dark else INK
    style: dict[str, Any] = {"ha": "center", "va": "center"}
    middle = corner[1] + (0.17 if count else CELL_HEIGHT / 2)
    axes.text(across, middle, rate_text(rate), **style, **text_style(TICK, color))
    if count:
        small = "white" if dark else INK if share else SOFT
        axes.text(
            across, corner[1] + 0.315, f"of {count:,}", **style, **text_style(SMALL - 1.5, small)
        )


def draw_rates(axes: Axes, rates: GroupRates, most_fmr: float, most_fnmr: float) -> None:
    """Draw the lower triangle of FMR and the column of FNMR beside it."""
    size = len(rates.groups)
    names = [wrapped(name, LONGEST_NAME, TICK) for name in rates.groups]
    beside = size * CELL_WIDTH + BETWEEN
    for row in range(size):
        top = row * CELL_HEIGHT
        for column in range(row + 1):
            draw_cell(
                axes,
                (column * CELL_WIDTH, top),
                float(rates.fmr[row, column]),
                int(rates.impostors[row, column]),
                most_fmr,
            )
        draw_cell(axes, (beside, top), float(rates.fnmr[row]), int(rates.genuine[row]), most_fnmr)
    axes.set(xlim=(0, beside + CELL_WIDTH), ylim=(size * CELL_HEIGHT, 0))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks((np.arange(size) + 0.5) * CELL_HEIGHT, labels=names, **text_style(TICK))
    centers = [*((np.arange(size) + 0.5) * CELL_WIDTH), beside + CELL_WIDTH / 2]
    upright = all(text_width(name, TICK) < CELL_WIDTH * 0.95 for name in names)
    turned = {} if upright else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(centers, labels=[*rates.groups, "FNMR"], **text_style(TICK))
    for label in axes.get_xticklabels()[:-1]:
        label.set(**turned)
    axes.get_xticklabels()[-1].set_fontweight("bold")
    axes.tick_params(length=0, pad=4)


def heat_map_figure(panels: Sequence[GroupRates], *, title: str, note: str) -> Figure:
    """Draw one panel per model-layer, all on one scale of colour for each kind of error.

    Parameters
    ----------
    panels : sequence of GroupRates
        At least one, all of the same groups.
    title, note : str
        The title, and the small print below.

    Returns
    -------
    Figure
        One axes per panel: FMR of each two groups, and FNMR of each group.
    """
    groups = panels[0].groups
    longest = max(text_width(wrapped(name, LONGEST_NAME, TICK), TICK) for name in groups)
    width = (len(groups) + 1) * CELL_WIDTH + BETWEEN
    below = 0.3 + (0.75 * longest if longest >= CELL_WIDTH * 0.95 else 0.0)
    grid = PanelGrid(
        [panel.label for panel in panels],
        width,
        len(groups) * CELL_HEIGHT,
        gap=longest + 0.35,
        below=below,
        most_columns=max(1, int(12 / (width + longest))),
    )
    most_fmr = float(np.nanmax([np.nanmax(panel.fmr, initial=0.0) for panel in panels]))
    most_fnmr = float(np.nanmax([np.nanmax(panel.fnmr, initial=0.0) for panel in panels]))
    for index, panel in enumerate(panels):
        axes = grid.add(index, "y")
        axes.grid(False)
        draw_rates(axes, panel, most_fmr, most_fnmr)
        grid.head(axes, index, panel.detail)
    grid.finish(title, note, below + 0.05)
    return grid.figure
