"""Error curves: ROC, DET and error against discard, in one set of axes or a panel each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from facebench.figures.drawing.panels import PanelGrid
from facebench.figures.drawing.style import (
    LABEL,
    TICK,
    Array,
    curve_looks,
    house_axes,
    house_figure,
    house_legend,
    house_note,
    house_title,
    model_colors,
    percent,
    text_style,
    wrapped,
)

_NOTHING = np.empty(0)
LineStyle = Any


@dataclass(frozen=True)
class Curve:
    """One model-layer's curve as steps, its interval band, and a line that says what it shows."""

    model: str
    label: str
    detail: str
    x: Array = field(default_factory=_NOTHING.copy)
    y: Array = field(default_factory=_NOTHING.copy)
    band_x: Array = field(default_factory=_NOTHING.copy)
    band_low: Array = field(default_factory=_NOTHING.copy)
    band_high: Array = field(default_factory=_NOTHING.copy)


@dataclass(frozen=True)
class CurveAxes:
    """The two axes all curves share: names, ends, and how their ticks are set."""

    x_label: str
    y_label: str
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    dress: Callable[[Axes], None]


WIDTH, HEIGHT = 4.6, 3.8
PANEL = 2.3
MOST_TOGETHER = 6
LEGEND_WIDTH = 2.6
CONTEXT = "#d0d0d0"


def as_percent(value: float, _position: object) -> str:
    """Label a tick."""
    return percent(value)


def decades(limits: tuple[float, float]) -> list[float]:
    """Give the powers of ten within limits."""
    low, high = (math.log10(limit) for limit in limits)
    return [
        10.0**power for power in range(int(np.ceil(low - 1e-9)), int(np.floor(high + 1e-9)) + 1)
    ]


def log_rate(axes: Axes, limits: tuple[float, float]) -> None:
    """Make the x axis a logarithmic rate."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(decades(limits)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(as_percent))


def roc_axes(lowest_fmr: float, lowest_tmr: float) -> CurveAxes:
    """Lay out a ROC: TMR over the logarithm of FMR.

    Parameters
    ----------
    lowest_fmr : float
        The smallest rate that the impostors resolve, where the axis begins.
    lowest_tmr : float
        The smallest TMR that is drawn; the axis begins at a round number below.
    """
    x_limits = (min(lowest_fmr, 0.1), 1.0)
    step = 0.1 if lowest_tmr < 0.9 else 0.01
    y_limits = (max(0.0, np.floor(lowest_tmr / step - 0.5) * step), 1.0)

    def dress(axes: Axes) -> None:
        log_rate(axes, x_limits)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(as_percent))

    top = y_limits[1] + 0.02 * (y_limits[1] - y_limits[0])
    return CurveAxes(
        "False match rate",
        "True match rate",
        x_limits,
        (float(y_limits[0]), float(top)),
        dress,
    )


# Those that matter most first: where there is room for few, these are named.
DEVIATE_TICKS = (
    *(0.01, 0.1, 1e-3, 0.5, 1e-4, 1e-5, 1e-6, 0.9, 0.99),
    *(0.05, 0.2, 0.02, 0.005, 0.002, 0.4, 0.3, 0.6, 0.8, 0.95, 0.98),
)


def spaced(places: Sequence[float], apart: float) -> list[int]:
    """Choose the places, first come first served, that keep a distance from each other."""
    chosen: list[int] = []
    for index, place in enumerate(places):
        if all(abs(place - places[other]) >= apart for other in chosen):
            chosen.append(index)
    return chosen


def det_axes(lowest_fmr: float, fnmr: tuple[float, float]) -> CurveAxes:
    """Lay out a DET: FNMR over FMR, each on the scale of normal deviates.

    Normal scores of one variance make a straight line there, however good the system.

    Parameters
    ----------
    lowest_fmr : float
        The smallest rate that the impostors resolve, where the axis begins.
    fnmr : tuple of float
        The smallest and largest rates to show, within 0 and 1.

    References
    ----------
    A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech
    (1997).
    """
    from scipy.special import ndtr, ndtri

    def to_deviate(rate: Array) -> Array:
        return np.asarray(ndtri(np.clip(rate, 1e-12, 1 - 1e-12)))

    def to_rate(deviate: Array) -> Array:
        return np.asarray(ndtr(deviate))

    x_limits = (lowest_fmr, 0.5)
    y_limits = (fnmr[0], float(ndtr(ndtri(fnmr[1]) + 0.12)))

    def dress(axes: Axes) -> None:
        axes.set_xscale("function", functions=(to_deviate, to_rate))
        axes.set_yscale("function", functions=(to_deviate, to_rate))
        box = axes.get_window_extent()
        for axis, (low, high), pixels, room in (
            (axes.xaxis, x_limits, box.width, 0.42),
            (axes.yaxis, y_limits, box.height, 0.24),
        ):
            inside = [tick for tick in DEVIATE_TICKS if low <= tick <= high]
            inches = pixels / axes.figure.dpi
            span = float(ndtri(high) - ndtri(low))
            named = spaced([float(ndtri(tick)) for tick in inside], room * span / inches)
            axis.set_major_locator(FixedLocator([inside[index] for index in named]))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(as_percent))

    return CurveAxes("False match rate", "False non-match rate", x_limits, y_limits, dress)


def discard_axes(longest: float, highest: float) -> CurveAxes:
    """Lay out error against discard: FNMR over the share of comparisons discarded."""

    def dress(axes: Axes) -> None:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(FuncFormatter(as_percent))

    return CurveAxes(
        "Comparisons discarded, lowest quality first",
        "False non-match rate",
        (0.0, longest),
        (0.0, highest * 1.08 or 0.01),
        dress,
    )


def draw_curve(axes: Axes, curve: Curve, color: str, line: LineStyle = "-") -> None:
    """Draw one curve as the steps it is, over its band."""
    if curve.band_x.size:
        axes.fill_between(
            curve.band_x,
            curve.band_low,
            curve.band_high,
            step="post",
            color=color,
            alpha=0.16,
            linewidth=0,
        )
    axes.plot(
        curve.x,
        curve.y,
        color=color,
        linewidth=1.4,
        linestyle=line,
        drawstyle="steps-post",
        solid_joinstyle="miter",
        marker="None",
    )


def as_corners(x: Array, y: Array) -> tuple[Array, Array]:
    """Give every corner of the steps that keep a height until the next x."""
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]


def draw_legend(
    axes: Axes, curves: Sequence[Curve], looks: Sequence[tuple[str, LineStyle]]
) -> None:
    """Name the curves to the right of the axes, each with what it shows."""
    handles = [
        Line2D([], [], color=color, linewidth=1.8, linestyle=line, marker="None")
        for color, line in looks
    ]
    names = [f"{wrapped(curve.label, LEGEND_WIDTH, TICK)}\n{curve.detail}" for curve in curves]
    legend = house_legend(axes, handles, names, handlelength=2.2, labelspacing=0.8)
    for entry in legend.get_texts():
        entry.set_linespacing(1.25)


def together(curves: Sequence[Curve], shared: CurveAxes, title: str, note: str) -> Figure:
    """Draw all curves in one set of axes."""
    figure = house_figure(WIDTH, HEIGHT)
    axes = house_axes(figure, (0, 0, WIDTH, HEIGHT), "both")
    shared.dress(axes)
    axes.set(xlim=shared.x_limits, ylim=shared.y_limits)
    looks = curve_looks([(curve.model, curve.label) for curve in curves])
    for curve, look in zip(curves, looks, strict=True):
        draw_curve(axes, curve, *look)
    axes.set_xlabel(shared.x_label, labelpad=4, **text_style(LABEL))
    axes.set_ylabel(shared.y_label, labelpad=4, **text_style(LABEL))
    draw_legend(axes, curves, looks)
    house_title(axes, title, WIDTH)
    house_note(axes, note, WIDTH)
    return figure


def apart(curves: Sequence[Curve], shared: CurveAxes, title: str, note: str) -> Figure:
    """Draw a panel per curve, all the others in grey behind it."""
    panels = PanelGrid([curve.label for curve in curves], PANEL, PANEL * 0.9)
    figure = panels.figure
    colors = model_colors(curve.model for curve in curves)
    corners = [np.column_stack(as_corners(curve.x, curve.y)) for curve in curves]
    for index, curve in enumerate(curves):
        axes = panels.add(index, "both")
        shared.dress(axes)
        axes.set(xlim=shared.x_limits, ylim=shared.y_limits)
        axes.add_collection(LineCollection(corners, colors=CONTEXT, linewidths=0.5), autolim=False)
        draw_curve(axes, curve, colors[curve.model][0])
        panels.head(axes, index, curve.detail)
        panels.name_axes(axes, index, shared.x_label, shared.y_label)
    panels.finish(title, note)
    return figure


def curves_figure(curves: Sequence[Curve], shared: CurveAxes, *, title: str, note: str) -> Figure:
    """Draw curves in one set of axes while they are distinguishable, else a panel each.

    Parameters
    ----------
    curves : sequence of Curve
        At least one.
    shared : CurveAxes
        The axes of all of them.
    title, note : str
        The title, and small print below that says how intervals were made.

    Returns
    -------
    Figure
        One axes, or one per curve.
    """
    draw = together if len(curves) <= MOST_TOGETHER else apart
    return draw(curves, shared, title, note)
