"""People beside networks: a band for participants, a broken line for a published value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from facebench.figures.drawing.style import number_text
from facebench.figures.palette import PEOPLE_COLORS

__all__ = ["Human", "draw_people", "legend_of", "people_text"]

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
