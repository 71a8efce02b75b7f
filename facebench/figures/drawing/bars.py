"""Bars of a metric with their intervals, standing or lying, alone or in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
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
    Array,
    Limits,
    house_axes,
    house_figure,
    house_legend,
    house_note,
    house_title,
    model_colors,
    number_text,
    shade,
    text_scale,
    text_style,
    text_width,
    wrapped,
)


@dataclass(frozen=True)
class Bar:
    """One bar: whose it is, what it is called, its length, its group, and its interval.

    The interval is NaN where there is none.
    """

    model: str
    label: str
    value: float
    group: str | None = None
    low: float = np.nan
    high: float = np.nan

    @property
    def tip(self) -> float:
        """How far the bar reaches from zero, its interval included."""
        ends = [end for end in (self.value, self.low, self.high) if np.isfinite(end)]
        if not ends or not np.isfinite(self.value):
            return self.value
        return min(ends) if self.value < 0 else max(ends)


UPRIGHT_HEIGHT = 3.2
UPRIGHT_WIDTHS = (3.2, 10.0)
LYING_WIDTH = 4.6
LONGEST_LABEL = 4.2
LEGEND_WIDTH = 3.0


@dataclass(frozen=True)
class BarLayout:
    """Where bars stand along the category axis, in inches from its start."""

    upright: bool
    names: list[str]
    groups: list[list[Bar]]
    pitch: float
    thickness: float
    centers: Array
    length: float

    @property
    def reach(self) -> float:
        """Give the length of the value axis."""
        return UPRIGHT_HEIGHT if self.upright else LYING_WIDTH


def bar_layout(bars: Sequence[Bar], widest_value: float) -> BarLayout:
    """Group bars and place them: upright if all names and values fit side by side, else lying."""
    grouped = bars[0].group is not None
    members: dict[object, list[Bar]] = {}
    for index, bar in enumerate(bars):
        members.setdefault(bar.group if grouped else index, []).append(bar)
    groups = list(members.values())
    names = [
        wrapped(group[0].label if group[0].group is None else group[0].group, LONGEST_LABEL, TICK)
        for group in groups
    ]
    counts = np.array([len(group) for group in groups])

    pitch, gap = (max(0.3, widest_value + 0.06), 0.25) if grouped else (0.7, 0.0)
    needed = max(text_width(name, TICK) for name in names) + 0.18
    slots = np.maximum(needed, counts * pitch + gap)
    shortest, longest = UPRIGHT_WIDTHS
    upright = bool(slots.sum() <= longest) and not any("\n" in name for name in names)
    if not upright:
        large = max(text_scale(), 1.0)
        pitch, gap = (0.16 * large, 0.14) if grouped else (0.2 * large, 0.0)
        heights = np.array([0.135 * large * (name.count("\n") + 1) + 0.065 for name in names])
        slots = np.maximum(heights, counts * pitch + gap)
        shortest = float(slots.sum()) + 0.1
    length = max(float(slots.sum()), shortest)
    return BarLayout(
        upright=upright,
        names=names,
        groups=groups,
        pitch=pitch,
        thickness=pitch * 0.92 if grouped else 0.45 if upright else 0.145,
        centers=np.cumsum(slots) - slots / 2 + (length - slots.sum()) / 2,
        length=length,
    )


def value_limits(values: Array, limits: Limits, reach: float, room: float) -> tuple[float, float]:
    """Choose the ends of the value axis that are not given, zero among them.

    `room` inches of the axis' `reach` are kept beyond the longest bar, for its value.
    """
    shown = values[np.isfinite(values)]
    low, high = min(0.0, shown.min(initial=0.0)), max(0.0, shown.max(initial=0.0))
    if low == high:
        high = 1.0
    below, above = (room if low < 0 else 0.0), (room if high > 0 else 0.0)
    inch = (high - low) / (reach - below - above)
    low, high = float(low - below * inch), float(high + above * inch)
    given_low, given_high = limits
    if given_low is not None:
        high = max(high, given_low + 1.0) if high <= given_low else high
    if given_high is not None:
        low = min(low, given_high - 1.0) if low >= given_high else low
    return (low if given_low is None else given_low, high if given_high is None else given_high)


def bar_styles(bars: Sequence[Bar]) -> dict[str, dict[str, Any]]:
    """Give every label the look of its bars.

    A model has one colour. Where a legend must distinguish its layers they become shades of it,
    from dark to light in network order.
    """
    colors = model_colors(bar.model for bar in bars)
    grouped = bars[0].group is not None
    layers: dict[str, dict[str, None]] = {}
    for bar in bars:
        layers.setdefault(bar.model, {})[bar.label] = None
    styles: dict[str, dict[str, Any]] = {}
    for model, labels in layers.items():
        color, hatch = colors[model]
        for step, label in enumerate(labels):
            face = shade(color, step, len(labels)) if grouped else color
            styles[label] = {"facecolor": face, "hatch": hatch, "edgecolor": "white", "lw": 0.4}
    return styles


def draw_value(axes: Axes, layout: BarLayout, place: float, bar: Bar, text: str, fill: str) -> None:
    """Write a value beyond the tip of its bar, or inside the tip if the axis ends there."""
    value = bar.value
    low, high = axes.get_ylim() if layout.upright else axes.get_xlim()
    inch = (high - low) / layout.reach
    known = bool(np.isfinite(value))
    tip = min(max(bar.tip if known else 0.0, low), high)
    outward = -1 if value < 0 else 1
    needed = 0.17 if layout.upright else text_width(text, SMALL) + 0.07
    inside = ((high - tip) if outward > 0 else (tip - low)) < needed * inch * 0.99
    # A base line at the axis' very end leaves room on one side only, and a gap has no inside.
    side = -outward if inside else outward
    if inside:
        # Within the bar, not within what its interval covers beyond it.
        tip = min(max(value if known else 0.0, low), high)
    color = INK if known else SOFT
    if inside and known and np.dot(to_rgb(fill), (0.3, 0.59, 0.11)) < 0.5:
        color = "white"
    style = text_style(SMALL, color)
    offset = side * 0.035 * inch
    if layout.upright:
        vertical = "bottom" if side > 0 else "top"
        axes.text(place, tip + offset, text, ha="center", va=vertical, **style)
    else:
        horizontal = "left" if side > 0 else "right"
        axes.text(tip + offset, place, text, ha=horizontal, va="center_baseline", **style)


def draw_legend(axes: Axes, styles: dict[str, dict[str, Any]], beside: Beside) -> None:
    """Name the bars of a group, and what is drawn across, to the right of the axes."""
    named: list[tuple[Any, str]] = [(Patch(**style), label) for label, style in styles.items()]
    named += legend_of_beside(beside)
    if named:
        house_legend(
            axes,
            [handle for handle, _ in named],
            [wrapped(label, LEGEND_WIDTH, TICK) for _, label in named],
            handlelength=1.1 if styles else 1.6,
            handleheight=0.9,
            labelspacing=0.45,
        )


def draw_interval(axes: Axes, upright: bool, place: float, bar: Bar) -> None:
    """Draw the interval of a bar as a line across its tip."""
    if np.isfinite([bar.value, bar.low, bar.high]).all():
        draw = axes.vlines if upright else axes.hlines
        # White beneath the ink keeps it visible on a dark bar.
        for color, width in (("white", 2.4), (INK, 1.1)):
            draw(place, bar.low, bar.high, colors=color, linewidth=width, zorder=3)


def bar_figure(
    bars: Sequence[Bar],
    *,
    title: str,
    value_label: str,
    category_label: str,
    limits: Limits = (None, None),
    beside: Beside = NOTHING_BESIDE,
    note: str = "",
    scale_of: Sequence[Bar] = (),
) -> Figure:
    """Draw bars in the order given: upright while there is room for their names, else lying.

    Parameters
    ----------
    bars : sequence of Bar
        At least one. Bars of one group stand side by side and are distinguished by a legend; bars
        without a group stand alone, over their own label.
    title, value_label, category_label : str
        The title and the names of the two axes.
    limits : tuple of (float or None), default (None, None)
        The ends of the value axis; None chooses, with zero inside.
    beside : Beside
        Chance, ceilings and people, drawn across the bars.
    note : str
        What else to say, under the figure.
    scale_of : sequence of Bar
        The bars whose values the axis is to hold, where these are a part of them.

    Returns
    -------
    Figure
        One figure with one axes, whose category axis counts in inches.
    """
    values = np.array([bar.value for bar in scale_of or bars], dtype=np.float64)
    tips = [bar.tip for bar in scale_of or bars]
    reached = np.array([*values, *tips, *beside.numbers()], dtype=np.float64)
    scale = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    widest = max(text_width(number_text(bar.value, scale), SMALL) for bar in bars)
    layout = bar_layout(bars, widest)
    upright, length, reach = layout.upright, layout.length, layout.reach
    size = (length, reach) if upright else (reach, length)
    figure = house_figure(*size)
    axes = house_axes(figure, (0, 0, *size), "y" if upright else "x")
    ends = value_limits(reached, limits, reach, 0.19 if upright else widest + 0.09)
    if upright:
        axes.set(xlim=(0, length), ylim=ends)
    else:
        axes.set(xlim=ends, ylim=(length, 0))

    category, value_axis = (axes.xaxis, axes.yaxis) if upright else (axes.yaxis, axes.xaxis)
    category.set_ticks(layout.centers, labels=layout.names, **text_style(TICK))
    category.set_tick_params(length=0, pad=5)
    category.set_label_text(category_label, **text_style(LABEL))
    category.labelpad = value_axis.labelpad = 4
    value_axis.set_major_locator(MaxNLocator(6))
    value_axis.set_label_text(value_label, **text_style(LABEL))
    if ends[0] < 0 < ends[1]:
        axes.spines["bottom" if upright else "left"].set_visible(False)
        zero = axes.axhline if upright else axes.axvline
        zero(0, color=INK, linewidth=0.7)

    styles = bar_styles(bars)
    for center, group in zip(layout.centers, layout.groups, strict=True):
        for index, bar in enumerate(group):
            place = center + layout.pitch * (index - (len(group) - 1) / 2)
            text, style = number_text(bar.value, scale), styles[bar.label]
            if np.isfinite(bar.value):
                draw = axes.bar if upright else axes.barh
                draw(place, bar.value, layout.thickness, **style)
                draw_interval(axes, upright, place, bar)
            draw_value(axes, layout, place, bar, text, style["facecolor"])
    draw_beside(axes, beside, "y" if upright else "x")
    draw_legend(axes, styles if bars[0].group is not None else {}, beside)
    house_title(axes, title, max(size[0], 4.5))
    if note:
        house_note(axes, note, max(size[0], 4.5))
    return figure
