"""Scatter of two distances with the fitted line, a panel per model-layer."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from facebench.figures.drawing.panels import PanelGrid
from facebench.figures.drawing.style import (
    INK,
    SMALL,
    SOFT,
    Array,
    model_colors,
    number_text,
    text_style,
)


@dataclass(frozen=True)
class Panel:
    """The distances of one model-layer, and the score they got."""

    model: str
    label: str
    score_name: str
    score: float
    given: Array
    computed: Array


PANEL_WIDTH, PANEL_HEIGHT = 2.3, 2.0
MOST_COLUMNS = 5


@dataclass(frozen=True)
class RegressionLine:
    """A least-squares line with the 95 % confidence band of its mean, left to right."""

    x: Array
    y: Array
    margin: Array


def fitted_line(x: Array, y: Array, steps: int = 50) -> RegressionLine | None:
    """Fit a line in closed form.

    The band takes pairs as independent. Pairs that share an image are not, so it is a lower
    bound of the uncertainty; intervals of the scores come from elsewhere.

    Returns
    -------
    RegressionLine or None
        None with fewer than two pairs or with one axis constant. The band is NaN with two pairs.
    """
    if why_no_line(x, y):
        return None
    across = x - x.mean()
    spread = across @ across
    slope = across @ (y - y.mean()) / spread
    at = np.linspace(x.min(), x.max(), steps)
    freedom = len(x) - 2
    margin = np.full(steps, np.nan)
    if freedom:
        from scipy.special import stdtrit

        left = y - y.mean() - slope * across
        noise = left @ left / freedom
        error = np.sqrt(noise * (1 / len(x) + (at - x.mean()) ** 2 / spread))
        margin = stdtrit(freedom, 0.975) * error
    return RegressionLine(at, y.mean() + slope * (at - x.mean()), margin)


def why_no_line(x: Array, y: Array) -> str:
    """Say why complete pairs have no line worth drawing, or nothing."""
    if len(x) == 0:
        return "no complete pairs"
    if len(x) == 1:
        return "only one complete pair"
    for name, values in (("given", x), ("model", y)):
        # Rounding makes equal distances differ in their last digits.
        if np.ptp(values) <= 1e-12 * np.abs(values).max():
            return f"all {name} distances are equal"
    return ""


def draw_panel(axes: Axes, panel: Panel, color: str) -> None:
    """Draw the points of one panel and their line."""
    complete = np.isfinite(panel.given) & np.isfinite(panel.computed)
    x, y = panel.given[complete], panel.computed[complete]
    many = len(x)
    axes.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=float(np.clip(9 / max(many, 1) ** 0.2, 1.5, 4.5)),
        markeredgewidth=0,
        color=color,
        alpha=float(np.clip(8 / max(many, 1) ** 0.5, 0.2, 0.85)),
        rasterized=True,
    )
    line = fitted_line(x, y)
    if line is None:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9}
        reason = textwrap.fill(f"no line: {why_no_line(x, y)}", 26)
        style = text_style(SMALL, SOFT) | {"ha": "center", "va": "top", "bbox": box}
        axes.text(0.5, 0.95, reason, transform=axes.transAxes, **style)
    else:
        low, high = line.y - line.margin, line.y + line.margin
        axes.fill_between(line.x, low, high, color=INK, alpha=0.18, linewidth=0, zorder=3)
        axes.plot(
            line.x, line.y, color=INK, linewidth=1.3, linestyle="-", solid_capstyle="butt", zorder=4
        )


def panel_detail(panel: Panel) -> str:
    """Say what a panel shows: its score, and from how many pairs."""
    known, given = (
        int((np.isfinite(panel.given) & np.isfinite(panel.computed)).sum()),
        len(panel.given),
    )
    pairs = f"{known:,}" if known == given else f"{known:,} of {given:,}"
    plural = "s" * (given != 1)
    return f"{panel.score_name} {number_text(panel.score, 1.0)}  ·  {pairs} pair{plural}"


def scatter_figure(
    panels: Sequence[Panel],
    *,
    title: str,
    names: tuple[str, str] = ("Given distance", "Model distance"),
    note: str = "",
) -> Figure:
    """Draw one panel per model-layer, row by row in the order given, on one scale of x.

    Parameters
    ----------
    panels : sequence of Panel
        At least one.
    title : str
        The title of the whole figure.
    names : tuple of str
        The names of the x and the y axis.
    note : str
        What else to say, under the figure.

    Returns
    -------
    Figure
        One axes per panel.
    """
    grid = PanelGrid([panel.label for panel in panels], PANEL_WIDTH, PANEL_HEIGHT)
    colors = model_colors(panel.model for panel in panels)

    given = np.concatenate([panel.given[np.isfinite(panel.given)] for panel in panels])
    low, high = given.min(initial=np.inf), given.max(initial=-np.inf)
    margin = 0.05 * (high - low) or 0.5
    for index, panel in enumerate(panels):
        axes = grid.add(index, "both")
        draw_panel(axes, panel, colors[panel.model][0])
        if low <= high:
            axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if not np.isfinite(panel.given + panel.computed).any():
            # Numbers would pretend a scale where nothing is drawn.
            axes.yaxis.set_major_locator(NullLocator())
        grid.head(axes, index, panel_detail(panel))
        grid.name_axes(axes, index, *names)
    grid.finish(title, note)
    return grid.figure
