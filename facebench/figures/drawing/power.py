"""What more people would show: width of intervals and power over their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from facebench.figures.drawing.style import (
    GRID,
    LABEL,
    SMALL,
    SOFT,
    Array,
    house_axes,
    house_figure,
    house_title,
    model_colors,
    percent,
    text_style,
)

__all__ = ["PowerCurve", "power_figure"]

_PANEL, _HEIGHT, _GAP = 3.4, 2.6, 0.9
_GOAL = 0.8


@dataclass(frozen=True)
class PowerCurve:
    """One measure: half widths and power by number of people."""

    label: str
    people: Array
    half_widths: Array
    power: Array


def power_figure(curves: Sequence[PowerCurve], *, title: str) -> Figure:
    """Draw half widths on the left and power on the right."""
    width = 2 * _PANEL + _GAP
    figure = house_figure(width, _HEIGHT)
    colors = model_colors([curve.label for curve in curves])
    panels = [
        house_axes(figure, (start, 0.0, _PANEL, _HEIGHT), "both") for start in (0.0, _PANEL + _GAP)
    ]
    ticks = np.unique(np.concatenate([curve.people for curve in curves]))
    for axes, label in zip(panels, ("Half width of the 95 % interval", "Power"), strict=True):
        axes.set_xscale("log")
        axes.set_xlabel("People", **text_style(LABEL))
        axes.set_ylabel(label, **text_style(LABEL))
        axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(axis="x", labelrotation=45)
    for curve in curves:
        color, _ = colors[curve.label]
        for axes, values in zip(panels, (curve.half_widths, curve.power), strict=True):
            axes.plot(curve.people, values, color=color, marker=".", label=curve.label)
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(0, 1.02)
    panels[1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
    panels[1].axhline(_GOAL, color=GRID, zorder=0)
    panels[1].text(ticks[0], _GOAL, " 80 %", va="bottom", **text_style(SMALL, SOFT))
    panels[0].legend(loc="upper left", bbox_to_anchor=(0.0, -0.32), frameon=False, fontsize=SMALL)
    house_title(panels[0], title, width)
    return figure
