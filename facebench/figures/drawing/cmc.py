"""Cumulative match characteristics of several model-layers in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from facebench.figures.drawing.style import (
    LABEL,
    TICK,
    Array,
    house_axes,
    house_figure,
    house_legend,
    house_note,
    house_title,
    model_colors,
    number_text,
    shade,
    text_style,
    wrapped,
)

WIDTH, HEIGHT = 4.2, 2.9
LEGEND_WIDTH = 2.6
# Legend rows that fit beside the axes; beyond them the figure grows.
ROWS, ROW_HEIGHT = 13, 0.21
# Ranks beyond which a linear axis would hide the first ten.
MANY = 50
MARKED = 25


@dataclass(frozen=True)
class CmcCurve:
    """The CMC of one model-layer: rates within each rank, and their interval if there is one."""

    model: str
    label: str
    ranks: Array
    rates: Array
    band: tuple[Array, Array] | None = None


def cmc_figure(curves: Sequence[CmcCurve], *, title: str, note: str = "") -> Figure:
    """Draw curves over ranks, named in a legend with their first rate.

    Parameters
    ----------
    curves : sequence of CmcCurve
        At least one; those of one model are shades of its colour.
    title, note : str
        The title, and small print below.

    Returns
    -------
    Figure
        One figure with one axes.
    """
    names = [wrapped(curve.label, LEGEND_WIDTH, TICK) for curve in curves]
    n_lines = sum(name.count("\n") + 1 for name in names)
    height = HEIGHT + max(0, n_lines - ROWS) * ROW_HEIGHT
    figure = house_figure(WIDTH, height)
    axes = house_axes(figure, (0, 0, WIDTH, height), "both")
    colors = model_colors(curve.model for curve in curves)
    layers = {model: [c.label for c in curves if c.model == model] for model in colors}
    named: list[tuple[Line2D, str]] = []
    for curve, name in zip(curves, names, strict=True):
        own = layers[curve.model]
        color = shade(colors[curve.model][0], own.index(curve.label), len(own))
        first_rate = number_text(float(curve.rates[0]), 1.0)
        named.append((draw_curve(axes, curve, color), f"{name}  {first_rate}"))
    last = max(float(curve.ranks.max()) for curve in curves)
    scale_ranks(axes, last)
    lowest = min(
        float(np.nanmin(curve.rates if curve.band is None else curve.band[0], initial=1.0))
        for curve in curves
    )
    # A tenth below the lowest, so that neither near-perfect nor poor networks are a flat line.
    axes.set_ylim(max(0.0, np.floor((lowest - 0.02) * 10) / 10), 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("Rank", labelpad=4, **text_style(LABEL))
    axes.set_ylabel("Identification rate", labelpad=4, **text_style(LABEL))
    draw_legend(axes, named)
    house_title(axes, title, 4.5)
    if note:
        house_note(axes, note, WIDTH)
    return figure


def draw_curve(axes: Axes, curve: CmcCurve, color: str) -> Line2D:
    """Draw one curve over its band."""
    if curve.band is not None:
        axes.fill_between(curve.ranks, *curve.band, color=color, alpha=0.15, linewidth=0)
    (line,) = axes.plot(
        curve.ranks,
        curve.rates,
        color=color,
        linewidth=1.4,
        linestyle="-",
        marker="o" if len(curve.ranks) <= MARKED else "none",
        markersize=3,
        markeredgewidth=0,
        clip_on=False,
    )
    return line


def scale_ranks(axes: Axes, last: float) -> None:
    """Give ranks a linear axis, or for large galleries one in powers of ten."""
    if last > MANY:
        axes.set_xscale("log")
        axes.set_xlim(1, last)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:,.0f}"))
    else:
        axes.set_xlim(1, max(last, 2))
        step = max(1, round(last / 8))
        # Rank 1 is what people read first.
        axes.set_xticks(np.unique([1.0, *np.arange(step, last + 1, step)]))


def draw_legend(axes: Axes, curves: Sequence[tuple[Line2D, str]]) -> None:
    """Name the curves to the right of the axes, under a heading that says what the number is."""
    legend = house_legend(
        axes,
        [line for line, _ in curves],
        [label for _, label in curves],
        title="network, and its rate at rank 1",
        handlelength=1.4,
        labelspacing=0.45,
        alignment="left",
    )
    legend.get_title().set(**text_style(TICK, weight="bold"))
