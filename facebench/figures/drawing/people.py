"""What networks are held against: people, published values, chance and noise ceilings.

Participants are a band, a published value is a dotted line, chance a broken line, and a noise
ceiling a hatched band between its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from facebench.figures.drawing.style import GRID, SOFT, number_text
from facebench.figures.palette import PEOPLE_COLORS

__all__ = [
    "NOTHING_BESIDE",
    "Beside",
    "Human",
    "Level",
    "draw_beside",
    "draw_people",
    "legend_of",
    "legend_of_beside",
    "people_text",
]

PUBLISHED_LINE = (0, (1, 1.5))


class Human(NamedTuple):
    """What people do by a measure, to be drawn beside networks.

    Attributes
    ----------
    name : str
        'People', the group of participants, or the publication.
    value, low, high : float
        The interval is NaN where there is none.
    published : bool
        Whether it is from a paper, not from trials of this task.
    """

    name: str
    value: float
    low: float
    high: float
    published: bool


class Level(NamedTuple):
    """A value of a measure that has a meaning: chance, or a noise ceiling between two ends."""

    name: str
    low: float
    high: float


class Beside(NamedTuple):
    """All that is drawn beside networks."""

    levels: Sequence[Level] = ()
    people: Sequence[Human] = ()

    def numbers(self) -> list[float]:
        """Give the finite numbers that an axis should show."""
        found = [end for level in self.levels for end in level[1:]]
        found += [end for human in self.people for end in human[1:4]]
        return [number for number in found if np.isfinite(number)]


NOTHING_BESIDE = Beside()


def people_text(human: Human) -> str:
    """Write the value of people with its interval.

    Examples
    --------
    >>> people_text(Human("People", 0.064, 0.024, 0.103, False))
    'People: 0.064 [0.024, 0.103]'
    """
    scale = max(abs(human.value), 1e-9)
    text = f"{human.name}: {number_text(human.value, scale)}"
    if np.isfinite([human.low, human.high]).all():
        text += f" [{number_text(human.low, scale)}, {number_text(human.high, scale)}]"
    return text


def _style(place: int, human: Human) -> dict[str, Any]:
    return {
        "color": PEOPLE_COLORS[place % len(PEOPLE_COLORS)],
        "linewidth": 1.1,
        "linestyle": PUBLISHED_LINE if human.published else "-",
    }


def legend_of(people: Sequence[Human]) -> list[tuple[Line2D, str]]:
    """Give the entries of a legend: what is drawn, and the value in words."""
    return [
        (
            Line2D([], [], **_style(place, human)),
            f"{people_text(human)}{', published' if human.published else ''}",
        )
        for place, human in enumerate(people)
        if np.isfinite(human.value)
    ]


def draw_people(
    axes: Axes, people: Sequence[Human], values: Literal["x", "y"], color: str = ""
) -> None:
    """Draw people across an axes, behind the networks.

    Parameters
    ----------
    axes : Axes
        Where.
    people : sequence of Human
        Whom.
    values : {'x', 'y'}
        The axis of values.
    color : str, default ''
        Of all of them; '' gives each its own.
    """
    line = axes.axvline if values == "x" else axes.axhline
    span = axes.axvspan if values == "x" else axes.axhspan
    for place, human in enumerate(people):
        style = _style(place, human) | ({"color": color} if color else {})
        if not np.isfinite(human.value):
            continue
        line(human.value, zorder=1, **style)
        if np.isfinite([human.low, human.high]).all():
            span(human.low, human.high, color=style["color"], alpha=0.15, linewidth=0, zorder=0)


_CHANCE: dict[str, Any] = {"color": SOFT, "linewidth": 0.9, "linestyle": (0, (4, 3))}
_CEILING: dict[str, Any] = {"facecolor": GRID, "edgecolor": "#b5b5b5", "hatch": "////", "lw": 0.4}


def _is_band(level: Level) -> bool:
    return level.low < level.high


def draw_beside(axes: Axes, beside: Beside, values: Literal["x", "y"]) -> None:
    """Draw chance, ceilings and people across an axes, behind the networks."""
    line, span = (axes.axvline, axes.axvspan) if values == "x" else (axes.axhline, axes.axhspan)
    for level in beside.levels:
        if _is_band(level):
            span(level.low, level.high, zorder=0, **_CEILING)
        else:
            line(level.low, zorder=1, **_CHANCE)
    draw_people(axes, beside.people, values)


def legend_of_beside(beside: Beside) -> list[tuple[Line2D | Patch, str]]:
    """Give the entries of a legend: what is drawn, and its value in words."""
    entries: list[tuple[Line2D | Patch, str]] = []
    for level in beside.levels:
        scale = max(abs(level.low), abs(level.high), 1e-9)
        if _is_band(level):
            ends = "\N{EN DASH}".join(number_text(end, scale) for end in level[1:])
            entries.append((Patch(**_CEILING), f"{level.name}: {ends}"))
        else:
            entries.append(
                (Line2D([], [], **_CHANCE), f"{level.name}: {number_text(level.low, scale)}")
            )
    return [*entries, *legend_of(beside.people)]
