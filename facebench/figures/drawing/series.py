"""A measure over levels or over training: lines with bands, together or a panel per model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, MultipleLocator, NullLocator, ScalarFormatter

from facebench.figures.drawing.panels import PanelGrid
from facebench.figures.drawing.style import (
    INK,
    LABEL,
    SMALL,
    SOFT,
    TICK,
    Array,
    curve_looks,
    house_axes,
    house_figure,
    house_legend,
    house_note,
    house_title,
    model_colors,
    shade,
    text_style,
    wrapped,
)

__all__ = ["SeriesAxes", "SeriesLine", "series_figure"]

WIDTH, HEIGHT = 4.6, 3.1
PANEL_WIDTH, PANEL_HEIGHT = 2.7, 2.2
LEGEND_WIDTH = 2.6
MOST_TOGETHER = 6
_NOTHING = np.empty(0)
# Of the width of the axis.
_ASIDE = 0.005
# Of a full turn.
_FULL_TURN, _EIGHTH = 360.0, 45.0


@dataclass(frozen=True)
class SeriesLine:
    """A measure at each x with its interval (NaN without one), and a function through it."""

    model: str
    label: str
    x: Array
    y: Array
    low: Array
    high: Array
    curve_x: Array = field(default_factory=_NOTHING.copy)
    curve_y: Array = field(default_factory=_NOTHING.copy)


@dataclass(frozen=True)
class SeriesAxes:
    """What all lines share.

    Attributes
    ----------
    x_label, y_label : str
        Names of the axes.
    log : bool
        Whether x is on a logarithmic scale; 0 then stands left of the smallest.
    period : float or None
        Of x that runs in a circle.
    references : sequence of (float, str)
        Values to be marked, and what they are.
    people : sequence of SeriesLine
        Drawn in black, behind the others.
    """

    x_label: str
    y_label: str
    log: bool = False
    period: float | None = None
    references: Sequence[tuple[float, str]] = ()
    people: Sequence[SeriesLine] = ()


def series_figure(
    lines: Sequence[SeriesLine], shared: SeriesAxes, *, title: str, note: str = ""
) -> Figure:
    """Draw lines in one set of axes while they are distinguishable, else a panel per model.

    Parameters
    ----------
    lines : sequence of SeriesLine
        At least one.
    shared : SeriesAxes
        The axes.
    title, note : str
        The title, and small print below.
    """
    draw = _together if len(lines) <= MOST_TOGETHER else _apart
    return draw(lines, shared, title, note)


def _together(lines: Sequence[SeriesLine], shared: SeriesAxes, title: str, note: str) -> Figure:
    figure = house_figure(WIDTH, HEIGHT)
    axes = house_axes(figure, (0, 0, WIDTH, HEIGHT), "both")
    looks = curve_looks([(line.model, line.label) for line in lines])
    colors = [color for color, _ in looks]
    _draw_all(axes, lines, colors, shared)
    axes.set_xlabel(shared.x_label, labelpad=4, **text_style(LABEL))
    axes.set_ylabel(shared.y_label, labelpad=4, **text_style(LABEL))
    _legend(axes, [*shared.people, *lines], [*[INK] * len(shared.people), *colors])
    house_title(axes, title, WIDTH)
    if note:
        house_note(axes, note, WIDTH)
    return figure


def _apart(lines: Sequence[SeriesLine], shared: SeriesAxes, title: str, note: str) -> Figure:
    models = list(dict.fromkeys(line.model for line in lines))
    base = model_colors(models)
    panels = PanelGrid(models, PANEL_WIDTH, PANEL_HEIGHT, gap=1.9, below=0.5, most_columns=2)
    drawn = []
    for index, model in enumerate(models):
        own = [line for line in lines if line.model == model]
        axes = panels.add(index, "both")
        colors = [shade(base[model][0], place, len(own)) for place in range(len(own))]
        _draw_all(axes, own, colors, shared)
        panels.head(axes, index, "")
        panels.name_axes(axes, index, shared.x_label, shared.y_label)
        _legend(axes, [*shared.people, *own], [*[INK] * len(shared.people), *colors], SMALL)
        drawn.append(axes)
    ends = [end for axes in drawn for end in axes.get_ylim()]
    for axes in drawn:
        axes.set_ylim(min(ends), max(ends))
    panels.finish(title, note)
    return panels.figure


def _draw_all(
    axes: Axes, lines: Sequence[SeriesLine], colors: Sequence[str], shared: SeriesAxes
) -> None:
    for line in shared.people:
        _draw(axes, line, INK, shared.period, dashed=True)
    for place, (line, color) in enumerate(zip(lines, colors, strict=True)):
        _draw(axes, line, color, shared.period, aside=place - (len(lines) - 1) / 2)
    for value, name in shared.references:
        axes.axhline(value, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            name, (1, value), (-3, 2), ("axes fraction", "data"), textcoords="offset points",
            ha="right", va="bottom", **text_style(SMALL, SOFT),
        )  # fmt: skip
    _dress(axes, np.concatenate([line.x for line in [*lines, *shared.people]]), shared)


def _draw(
    axes: Axes,
    line: SeriesLine,
    color: str,
    period: float | None,
    *,
    dashed: bool = False,
    aside: float = 0.0,
) -> None:
    x, y, low, high = (line.x, line.y, line.low, line.high)
    if period is not None and x.size and x.max() == period / 2 and -period / 2 < x.min() < 0:
        # One level that is drawn at both ends, where there are levels on either side.
        x = np.append(x, -period / 2)
        last = int(line.x.argmax())
        y, low, high = (np.append(values, values[last]) for values in (y, low, high))
    order = np.argsort(x, kind="stable")
    x, y, low, high = (values[order] for values in (x, y, low, high))
    style = (0, (4, 2)) if dashed else "-"
    if line.curve_x.size:
        # Intervals of lines at one level stand side by side.
        x = x + _ASIDE * aside * np.ptp(line.curve_x)
        axes.vlines(x, low, high, colors=color, linewidth=1.0, alpha=0.75)
        axes.plot(line.curve_x, line.curve_y, color=color, linewidth=1.4, linestyle=style)
    else:
        axes.fill_between(x, low, high, color=color, alpha=0.14, linewidth=0)
        axes.plot(x, y, color=color, linewidth=1.3, linestyle=style)
    axes.plot(x, y, "o", markersize=3.4, color=color, markeredgewidth=0)


def _dress(axes: Axes, x: Array, shared: SeriesAxes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if shared.log:
        smallest = x[x > 0].min(initial=np.inf)
        if (x <= 0).any() and np.isfinite(smallest):
            axes.set_xscale("symlog", linthresh=float(smallest), linscale=0.6)
        elif np.isfinite(smallest):
            axes.set_xscale("log")
        levels = np.unique(x)
        if levels.size <= 8:
            axes.set_xticks(levels)
            axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
    elif shared.period == _FULL_TURN:
        axes.xaxis.set_major_locator(MultipleLocator(2 * _EIGHTH))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(7))
    for label in axes.get_xticklabels():
        label.set(**text_style(TICK))


def _legend(
    axes: Axes, lines: Sequence[SeriesLine], colors: Sequence[str], size: float = TICK
) -> None:
    handles = [
        Line2D([], [], color=color, linewidth=1.8, marker="o", markersize=3.4) for color in colors
    ]
    width = LEGEND_WIDTH if size == TICK else 1.4
    names = [wrapped(line.label, width, size) for line in lines]
    house_legend(axes, handles, names, size, borderaxespad=0.4, handlelength=1.4, labelspacing=0.5)
