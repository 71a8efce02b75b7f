"""All that is known of one model-layer: a panel per family of effects, with people beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from facebench.figures.drawing.panels import PanelGrid
from facebench.figures.drawing.people import (
    NOTHING_BESIDE,
    PUBLISHED_LINE,
    Beside,
    Human,
    draw_beside,
)
from facebench.figures.drawing.style import (
    INK,
    SMALL,
    SOFT,
    TICK,
    house_axes,
    number_text,
    shade,
    text_style,
    text_width,
    wrapped,
)
from facebench.figures.palette import PEOPLE_COLORS

__all__ = ["FAMILIES_OF_PAGE", "Family", "FamilyBar", "families_figure"]

FAMILIES_OF_PAGE = 12
_WIDTH, _HEIGHT, _GAP, _BELOW = 2.9, 1.45, 0.72, 0.72
# Of a panel with conditions and effects, the share of the effects.
_BETWEEN, _EFFECTS = 0.52, 0.75
_ASIDE = 0.24


@dataclass(frozen=True)
class FamilyBar:
    """A condition or an effect: its value, its interval (NaN without one), and people's."""

    name: str
    value: float
    low: float
    high: float
    people: Sequence[Human] = ()


@dataclass(frozen=True)
class Family:
    """What one task found of one model-layer.

    Attributes
    ----------
    name : str
        The task.
    conditions, effects : sequence of FamilyBar
        Either may be empty. Without conditions the effects are the task's measures.
    conditions_label, effects_label : str
        What the axes measure.
    beside : Beside
        Chance and ceilings of the conditions, or of the measures where there are none.
    undefined : str
        Why there are no values.
    """

    name: str
    conditions: Sequence[FamilyBar]
    effects: Sequence[FamilyBar]
    conditions_label: str
    effects_label: str
    beside: Beside = NOTHING_BESIDE
    undefined: str = ""


def families_figure(families: Sequence[Family], color: str, *, title: str, note: str) -> Figure:
    """Draw a panel per family: conditions as bars, and beside them effects as dots.

    Parameters
    ----------
    families : sequence of Family
        At least one.
    color : str
        Of the model; its conditions are shades of it.
    title, note : str
        The title, and small print below.

    Returns
    -------
    Figure
        One or two axes per family: its conditions and its effects.
    """
    grid = PanelGrid(
        [family.name for family in families], _WIDTH, _HEIGHT, gap=_GAP, below=_BELOW,
        most_columns=3,
    )  # fmt: skip
    for index, family in enumerate(families):
        left, bottom = grid.corner(index)
        both = bool(family.conditions and family.effects)
        width = _WIDTH - (_EFFECTS + _BETWEEN if both else 0.0)
        drawn = []
        if family.conditions:
            axes = house_axes(grid.figure, (left, bottom, width, _HEIGHT), "y")
            _draw_bars(axes, family.conditions, color, width)
            draw_beside(axes, family.beside._replace(people=()), "y")
            axes.set_ylabel(family.conditions_label, labelpad=3, **text_style(SMALL))
            drawn.append(axes)
        if family.effects or not drawn:
            start = left + (width + _BETWEEN if both else 0.0)
            wide = _EFFECTS if both else width
            axes = house_axes(grid.figure, (start, bottom, wide, _HEIGHT), "y")
            beside = NOTHING_BESIDE if both else family.beside._replace(people=())
            _draw_effects(axes, family.effects, color, wide, beside)
            label = wrapped(family.effects_label, _HEIGHT, SMALL)
            axes.set_ylabel(label, labelpad=3, **text_style(SMALL))
            drawn.append(axes)
        if not any(np.isfinite(bar.value) for bar in [*family.conditions, *family.effects]):
            why = wrapped(family.undefined or "No values.", _WIDTH * 0.9, SMALL)
            drawn[0].text(
                0.5, 0.5, why, ha="center", va="center", transform=drawn[0].transAxes,
                **text_style(SMALL, SOFT),
            )  # fmt: skip
        grid.head(drawn[0], index, _said(family))
    _legend(grid, families, color)
    grid.finish(title, note, _BELOW + 0.05)
    return grid.figure


def _said(family: Family) -> str:
    """Write the first effect with its interval, as far as there is room for it."""
    if not family.effects:
        return ""
    bar = family.effects[0]
    scale = max(abs(bar.value), 1e-9) if np.isfinite(bar.value) else 1.0
    text = f"{bar.name} {number_text(bar.value, scale)}"
    if np.isfinite([bar.value, bar.low, bar.high]).all():
        ends = f" [{number_text(bar.low, scale)}, {number_text(bar.high, scale)}]"
        text += ends if text_width(text + ends, SMALL) < _WIDTH + 0.3 else ""
    return text


def _draw_bars(axes: Axes, bars: Sequence[FamilyBar], color: str, width: float) -> None:
    places = np.arange(len(bars), dtype=np.float64)
    for place, bar in zip(places, bars, strict=True):
        face = shade(color, int(place), len(bars))
        beside = any(np.isfinite(human.value) and not human.published for human in bar.people)
        middle = place - _ASIDE / 2 if beside else place
        if np.isfinite(bar.value):
            axes.bar(middle, bar.value, 0.5 if beside else 0.7, facecolor=face, edgecolor="white")
            _interval(axes, middle, bar)
        else:
            _missing(axes, middle)
        _draw_humans(axes, place + 0.3, bar.people)
    _name_places(axes, [bar.name for bar in bars], width)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0, color=INK, linewidth=0.7)


def _draw_effects(
    axes: Axes, bars: Sequence[FamilyBar], color: str, width: float, beside: Beside
) -> None:
    for place, bar in enumerate(bars):
        aside = _ASIDE / 2 if bar.people else 0.0
        if np.isfinite(bar.value):
            axes.plot(place - aside, bar.value, "o", markersize=4.5, color=color, zorder=3)
            _interval(axes, place - aside, bar, color)
        else:
            _missing(axes, place - aside)
        _draw_humans(axes, place + aside, bar.people)
    draw_beside(axes, beside, "y")
    numbers = [end for bar in bars for end in (bar.value, bar.low, bar.high)]
    numbers += [
        *Beside(people=[h for bar in bars for h in bar.people]).numbers(),
        *beside.numbers(),
    ]
    if not beside.levels:
        axes.axhline(0, color=INK, linewidth=0.7)
        numbers.append(0.0)
    ends = [number for number in numbers if np.isfinite(number)]
    if ends:
        margin = 0.06 * (max(ends) - min(ends)) or 0.05
        axes.set_ylim(min(ends) - margin, max(ends) + margin)
    _name_places(axes, [bar.name for bar in bars], width)
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _interval(axes: Axes, place: float, bar: FamilyBar, color: str = INK) -> None:
    if np.isfinite([bar.low, bar.high]).all():
        axes.vlines(place, bar.low, bar.high, colors=color, linewidth=1.2, zorder=3)


def _missing(axes: Axes, place: float) -> None:
    axes.annotate(
        "n/a", (place, 0), (0, 3), ("data", "axes fraction"), textcoords="offset points",
        ha="center", **text_style(SMALL, SOFT),
    )  # fmt: skip


def _draw_humans(axes: Axes, place: float, people: Sequence[Human]) -> None:
    """Draw people beside a value: a mark with its interval, a published value as a dotted line."""
    for number, human in enumerate(people):
        if not np.isfinite(human.value):
            continue
        style: dict[str, Any] = {"color": PEOPLE_COLORS[number % len(PEOPLE_COLORS)], "zorder": 3}
        if human.published:
            axes.axhline(human.value, linewidth=1.0, linestyle=PUBLISHED_LINE, **style)
            continue
        at = place + 0.09 * number
        axes.plot(at, human.value, "D", markersize=3.8, **style)
        if np.isfinite([human.low, human.high]).all():
            axes.vlines(at, human.low, human.high, linewidth=1.2, colors=style["color"], zorder=3)


def _name_places(axes: Axes, names: Sequence[str], width: float) -> None:
    axes.set_xlim(-0.6, max(len(names), 1) - 0.4)
    slot = width / max(len(names), 1)
    shown = [wrapped(name, slot * 0.95, SMALL) for name in names]
    fits = all(text_width(name, SMALL) < slot and name.count("\n") < 3 for name in shown)
    if fits:
        axes.set_xticks(range(len(names)), labels=shown, **text_style(SMALL))
        return
    shortened = [name if len(name) <= 14 else f"{name[:13]}…" for name in names]
    axes.set_xticks(range(len(names)), labels=shortened, **text_style(SMALL))
    for label in axes.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")


def _legend(grid: PanelGrid, families: Sequence[Family], color: str) -> None:
    """Name people, once for the whole figure."""
    known: dict[str, tuple[int, bool]] = {}
    for family in families:
        for bar in [*family.conditions, *family.effects]:
            for number, human in enumerate(bar.people):
                if np.isfinite(human.value):
                    known.setdefault(human.name, (number, human.published))
    if not known:
        return
    handles = [Line2D([], [], color=color, marker="o", linewidth=1.2, markersize=4.5)]
    for number, published in known.values():
        handles.append(
            Line2D(
                [],
                [],
                color=PEOPLE_COLORS[number % len(PEOPLE_COLORS)],
                linewidth=1.2,
                marker="None" if published else "D",
                markersize=3.8,
                linestyle=PUBLISHED_LINE if published else "-",
            )
        )
    names = ["network", *(f"{n}, published" if p else n for n, (_, p) in known.items())]
    legend = grid.figure.legend(
        handles, [" "] * len(handles), loc="upper right", frameon=False,
        bbox_to_anchor=(1.0, -(_BELOW - 0.1) / grid.height), borderaxespad=0.0,
        ncols=min(len(handles), 4), handlelength=1.6, columnspacing=1.4,
    )  # fmt: skip
    for entry, name in zip(legend.get_texts(), names, strict=True):
        entry.set(text=name, **text_style(TICK))
