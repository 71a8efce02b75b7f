"""Conditions and effects with intervals, a row per model-layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from facebench.figures.drawing.people import Human, draw_people, legend_of
from facebench.figures.drawing.style import (
    GRID,
    INK,
    LABEL,
    PAGE_HEIGHT,
    SMALL,
    SOFT,
    TICK,
    TITLE,
    house_axes,
    house_figure,
    house_legend,
    model_colors,
    shade,
    text_scale,
    text_style,
    wrapped,
)
from facebench.figures.palette import PEOPLE_COLORS

__all__ = ["Dot", "effects_figure", "rows_of_page"]

ROW, PANEL_WIDTH, GAP = 0.3, 3.0, 0.35
LONGEST_NAME = 2.4
MARKS = ("o", "s", "D", "^", "v", "P", "X", "*")


@dataclass(frozen=True)
class Dot:
    """A value with its interval, NaN without one."""

    value: float
    low: float
    high: float


def effects_figure(
    labels: Sequence[str],
    conditions: Sequence[tuple[str, Sequence[Dot]]],
    effects: Sequence[tuple[str, Sequence[Dot]]],
    *,
    title: str,
    value_label: str,
    models: Sequence[str] = (),
    note: str = "",
    people: Mapping[str, Sequence[Human]] = MappingProxyType({}),
    levels: Mapping[str, Sequence[Human]] = MappingProxyType({}),
) -> Figure:
    """Draw the conditions on the left and their differences on the right.

    Parameters
    ----------
    labels : sequence of str, length L
        The model-layers.
    conditions, effects : sequence of (str, sequence of Dot of length L)
        By name.
    title, value_label : str
        The title, and the name of the measure.
    models : sequence of str, length L, optional
        Whose each row is: rows have the colours of models, and conditions shades of these.
    note : str
        What else to say, under the figure.
    people : mapping of str to sequence of Human
        By the name of an effect, what people do: drawn as a band.
    levels : mapping of str to sequence of Human
        Likewise by condition, in shades; '' is of no condition, such as what is published.

    Returns
    -------
    Figure
        Two axes that share their rows; a value that is not defined is 'n/a'.
    """
    step = _step(len(conditions), len(effects))
    height = max(step * len(labels), 0.6)
    figure = house_figure(2 * PANEL_WIDTH + GAP, height)
    panels = [
        house_axes(figure, (left, 0, PANEL_WIDTH, height), "x") for left in (0.0, PANEL_WIDTH + GAP)
    ]
    known = model_colors(models)
    colors = [known[model][0] for model in models] or [SOFT] * len(labels)
    for axes, series, first in ((panels[0], conditions, 0), (panels[1], effects, len(conditions))):
        _draw(axes, series, first if len(effects) > 1 else 0, colors)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        for row in range(1, len(labels)):
            axes.axhline(row - 0.5, color=GRID, linewidth=0.6)
    panels[1].axvline(0, color=INK, linewidth=0.7)
    beside = []
    for place, (name, _) in enumerate([*conditions, ("", ())]):
        color = shade(PEOPLE_COLORS[0], place, len(conditions), lightest=0.4) if name else ""
        draw_people(panels[0], levels.get(name, ()), "x", color)
        beside += [f"{name} {text}".strip() for _, text in legend_of(levels.get(name, ()))]
    for name, _ in effects:
        draw_people(panels[1], people.get(name, ()), "x")
        texts = [text for _, text in legend_of(people.get(name, ()))]
        beside += [f"{name}, {text}" if len(effects) > 1 else text for text in texts]
    names = [wrapped(label, LONGEST_NAME, TICK) for label in labels]
    panels[0].set_yticks(range(len(labels)), labels=names, **text_style(TICK))
    panels[1].set_yticks([])
    panels[0].set_xlabel(value_label, labelpad=4, **text_style(LABEL))
    single = effects[0][0] if len(effects) == 1 else "Difference"
    panels[1].set_xlabel(single, labelpad=4, **text_style(LABEL))
    _legend(panels[0], [name for name, _ in conditions], 0, height)
    if len(effects) > 1:
        _legend(panels[1], [name for name, _ in effects], len(conditions), height)
    figure.text(
        0.5,
        1 + (0.22 + 0.17 * _legend_rows([name for name, _ in conditions])) / height,
        wrapped(title, 2 * PANEL_WIDTH, TITLE * 1.1),
        ha="center",
        va="bottom",
        **text_style(TITLE, weight="bold"),
    )
    bars = "Bars are 95 % intervals, of differences with the same people in all conditions."
    if beside:
        note = " ".join([note, f"Bands and lines across: {'; '.join(beside)}."]).strip()
    figure.text(
        0,
        -0.5 / height,
        "\n".join([bars, wrapped(note, 2 * PANEL_WIDTH, SMALL)]) if note else bars,
        va="top",
        **text_style(SMALL, SOFT),
    )
    return figure


def rows_of_page(n_conditions: int, n_effects: int) -> int:
    """Give how many model-layers fit on a page."""
    return max(1, int((PAGE_HEIGHT - 2) / _step(n_conditions, n_effects)))


def _step(n_conditions: int, n_effects: int) -> float:
    return max(text_scale(), 1.0) * ROW * max(1.0, 0.28 * max(n_conditions, n_effects) + 0.4)


def _draw(
    axes: Axes, series: Sequence[tuple[str, Sequence[Dot]]], first: int, colors: Sequence[str]
) -> None:
    offsets = np.linspace(-0.28, 0.28, len(series)) if len(series) > 1 else np.zeros(1)
    for place, (_, dots) in enumerate(series):
        shades = [shade(color, place, len(series), lightest=0.4) for color in colors]
        values, low, high = np.array([(dot.value, dot.low, dot.high) for dot in dots]).T
        across = np.arange(len(dots)) + offsets[place]
        there = ~np.isnan(values)
        # All bars at once: a hundred separate lines take a hundred times as long.
        seen = [color for color, known in zip(shades, there, strict=True) if known]
        axes.hlines(across[there], low[there], high[there], colors=seen, linewidth=1.3)
        for color in dict.fromkeys(seen):
            own = there & np.array([each == color for each in shades])
            axes.plot(
                values[own],
                across[own],
                marker=MARKS[(first + place) % len(MARKS)],
                markersize=4.5,
                color=color,
                markeredgewidth=0,
                linestyle="none",
            )
        for at in across[~there]:
            axes.annotate(
                "n/a", (0, at), xytext=(3, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", **text_style(SMALL, SOFT),
            )  # fmt: skip


def _columns(names: Sequence[str]) -> int:
    longest = max(len(name) for name in names)
    return max(1, min(len(names), int(PANEL_WIDTH / (0.3 + 0.075 * longest))))


def _legend_rows(names: Sequence[str]) -> int:
    return -(-len(names) // _columns(names))


def _legend(axes: Axes, names: Sequence[str], first: int, height: float) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=shade(SOFT, place, len(names), lightest=0.4),
            marker=MARKS[(first + place) % len(MARKS)],
            markersize=4.5,
            markeredgewidth=0,
            linewidth=1.3,
        )
        for place in range(len(names))
    ]
    house_legend(
        axes,
        handles,
        names,
        loc="lower left",
        bbox_to_anchor=(0, 1 + 0.02 / height),
        borderaxespad=0.2,
        ncols=_columns(names),
        columnspacing=1.0,
        handlelength=1.4,
    )
