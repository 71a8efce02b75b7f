"""Values with their intervals: a dot and a whisker per model-layer, in network order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facebench.figures.drawing.people import (
    NOTHING_BESIDE,
    Beside,
    draw_beside,
    legend_of_beside,
)
from facebench.figures.drawing.style import (
    INK,
    LABEL,
    SMALL,
    SOFT,
    TICK,
    Limits,
    house_axes,
    house_figure,
    house_legend,
    house_note,
    house_title,
    model_colors,
    number_text,
    text_scale,
    text_style,
    wrapped,
)

__all__ = ["Whisker", "interval_figure"]

WIDTH, ROW, LONGEST_LABEL, LEGEND_WIDTH = 4.6, 0.2, 4.2, 2.6
# Room beyond the longest whisker for the value, as a share of the axis.
ROOM = 0.14


@dataclass(frozen=True)
class Whisker:
    """One value: whose it is, what it is called, and its interval (NaN where there is none)."""

    model: str
    label: str
    value: float
    low: float
    high: float


def interval_figure(
    whiskers: Sequence[Whisker],
    *,
    title: str,
    value_label: str,
    beside: Beside = NOTHING_BESIDE,
    limits: Limits = (None, None),
    note: str = "",
    scale_of: Sequence[Whisker] = (),
) -> Figure:
    """Draw values with intervals, a row each, from top to bottom in the order given.

    Parameters
    ----------
    whiskers : sequence of Whisker
        At least one.
    title, value_label : str
        The title and the name of the value axis.
    beside : Beside
        Chance, ceilings and people, drawn across the rows.
    limits : tuple of (float or None), default (None, None)
        The ends of the value axis; None chooses.
    note : str
        What else to say, under the figure.
    scale_of : sequence of Whisker
        The values that the axis is to hold, where these are a part of them.

    Returns
    -------
    Figure
        One figure with one axes.
    """
    names = [wrapped(whisker.label, LONGEST_LABEL, TICK) for whisker in whiskers]
    large = max(text_scale(), 1.0)
    heights = np.array([large * (ROW + 0.13 * name.count("\n")) for name in names])
    height = float(max(heights.sum(), 0.6)) + 0.1
    figure = house_figure(WIDTH, height)
    axes = house_axes(figure, (0, 0, WIDTH, height), "x")
    places = np.cumsum(heights) - heights / 2 + 0.05
    low, high = _ends(scale_of or whiskers, beside, limits)
    axes.set(xlim=(low, high), ylim=(height, 0))
    colors = model_colors(whisker.model for whisker in whiskers)
    scale = max(abs(low), abs(high))
    draw_beside(axes, beside, "x")
    for place, whisker in zip(places, whiskers, strict=True):
        _draw(axes, whisker, float(place), colors[whisker.model][0], scale)
    named = legend_of_beside(beside)
    if named:
        house_legend(
            axes,
            [handle for handle, _ in named],
            [wrapped(text, LEGEND_WIDTH, TICK) for _, text in named],
            handlelength=1.6,
            labelspacing=0.45,
        )
    axes.yaxis.set_ticks(places, labels=names, **text_style(TICK))
    axes.yaxis.set_tick_params(length=0, pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel(value_label, labelpad=4, **text_style(LABEL))
    house_title(axes, title, max(WIDTH, 4.5))
    if note:
        house_note(axes, note, max(WIDTH, 4.5))
    return figure


def _ends(whiskers: Sequence[Whisker], beside: Beside, limits: Limits) -> tuple[float, float]:
    numbers = [number for each in whiskers for number in (each.value, each.low, each.high)]
    numbers += beside.numbers()
    shown = np.array(numbers)[np.isfinite(numbers)]
    # Zero is shown where values are above it; without values there must be some axis.
    low = min(float(shown.min(initial=np.inf)), 0.0)
    high = float(shown.max(initial=-np.inf)) if shown.size else 1.0
    if not beside.levels:
        high = max(high, 0.0)
    span = (high - low) or 1.0
    chosen = (low - 0.03 * span if low < 0 else low, high + ROOM * span)
    return (
        float(chosen[0] if limits[0] is None else limits[0]),
        float(chosen[1] if limits[1] is None else limits[1]),
    )


def _draw(axes: Axes, whisker: Whisker, place: float, color: str, scale: float) -> None:
    style = text_style(SMALL, INK if np.isfinite(whisker.value) else SOFT)
    tip = 0.0
    if np.isfinite(whisker.value):
        axes.plot(whisker.value, place, "o", markersize=4.2, color=color, zorder=3)
        tip = whisker.value
    if np.isfinite([whisker.value, whisker.low, whisker.high]).all():
        axes.plot(
            [whisker.low, whisker.high], [place, place], "-", color=color, linewidth=1.3, zorder=2
        )
        tip = max(tip, whisker.high)
    axes.annotate(
        number_text(whisker.value, scale),
        (tip, place),
        xytext=(5, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        annotation_clip=False,
        **style,
    )
