"""The top of a report: each task's sentence, a small figure, and examples of its stimuli.

Figures are drawn here, so that they need no script.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from facebench.results.pair_rows import PairRows
from facebench.results.report.thumbnails import Thumbnails
from facebench.results.verdicts import ModelVerdict, Verdict
from facebench.results.wording import listed, named_layer, short
from facebench.tasks.shared.line_ups import alternative_columns
from facebench.types import IntArray

__all__ = ["Example", "Figure", "VerdictView", "examples_of", "figure_of", "skipped_pairs"]

# Of a drawing of this width, in pixels: where names end, and where the scale ends.
_WIDTH, _LEFT, _RIGHT = 460, 188, 448
_TOP, _ROW, _AXIS = 8, 22, 34
_MOST_ROWS = 24
_NAME = 25
_TICKS = 4
_MOST_CONDITIONS = 6
_TRIPLET = ("img1", "img2", "img3")
_MOST_OFFERED = 5


@dataclass(frozen=True)
class Row:
    """One estimate in a figure.

    Attributes
    ----------
    y : float
        Its height.
    name, text : str
        Whose it is, as short as there is room; and the number in words.
    value, low, high : float or None
        Places of the number and the ends of its interval, None where it has none.
    color : str
        Its colour.
    is_people : bool
        Whether it is of people, who are drawn as diamonds.
    """

    y: float
    name: str
    text: str
    value: float
    low: float | None
    high: float | None
    color: str
    is_people: bool


@dataclass(frozen=True)
class Figure:
    """Estimates and intervals, with lines for chance and ceiling; all places in pixels.

    Attributes
    ----------
    width, height, left, right, bottom : float
        Of the drawing, and of the area of its scale.
    label : str
        What the scale is of.
    rows : list of Row
        One for each model, then groups of people.
    ticks : list of (float, str)
        Places on the scale, and their numbers.
    chance : (float, str) or None
        The place of chance, and its name.
    ceiling : (float, float) or None
        The ends of the noise ceiling.
    n_more : int
        Estimates that there was no room for.
    said : str
        All of it in words, for people who do not see it.
    """

    width: int
    height: int
    left: int
    right: int
    bottom: float
    label: str
    rows: list[Row]
    ticks: list[tuple[float, str]]
    chance: tuple[float, str] | None
    ceiling: tuple[float, float] | None
    n_more: int
    said: str


@dataclass(frozen=True)
class Example:
    """Stimuli of a condition.

    Attributes
    ----------
    condition : str
        The condition, or the label; 'same person' or 'different people' where a task has none.
    images : list of (str, str)
        Data URL and name of each.
    """

    condition: str
    images: list[tuple[str, str]]


@dataclass(frozen=True)
class VerdictView:
    """What the top of a report shows of a task.

    Attributes
    ----------
    id : str
        The id of the task's section; empty where it has none.
    verdict : Verdict
        The sentence.
    figure : Figure or None
        None where there is nothing to draw.
    examples : list of Example
        Stimuli of each condition.
    """

    id: str
    verdict: Verdict
    figure: Figure | None
    examples: list[Example] = field(default_factory=list)


def examples_of(pairs: PairRows | None, thumbnails: Thumbnails) -> list[Example]:
    """Choose the stimuli of a pair of each condition; without conditions of either class.

    Of tasks without pairs: a triplet, a line-up's target and its alternatives, or two images of
    each label.

    Parameters
    ----------
    pairs : PairRows or None
        The pairs, or other items, of a layer.
    thumbnails : Thumbnails
        Where faces are collected.

    Returns
    -------
    list of Example
        The first pair of each, of one person where pairs are labelled; empty where images are not
        there.
    """
    if pairs is None or not len(pairs):
        return []
    if pairs.has_pairs:
        chosen = [
            (title, [str(side[_shown_row(pairs, rows)]) for side in pairs.names])
            for title, rows in _kinds(pairs)
        ]
    else:
        chosen = _items(pairs.frame)
    found = []
    for title, names in chosen[:_MOST_CONDITIONS]:
        images = []
        for name in names:
            place = thumbnails.add(pairs.facts.images_path, name)
            if place is not None:
                images.append((thumbnails.urls[place], name))
        if images:
            found.append(Example(title, images))
    return found


def skipped_pairs(heads: Sequence[tuple[str, str, PairRows]]) -> str:
    """Count the pairs of each condition that have no distance.

    Parameters
    ----------
    heads : sequence of (model, layer, PairRows)
        The layer that represents each model.

    Returns
    -------
    str
        Of the model with most of them; empty where all pairs have a distance.
    """
    lost = [
        (int((~pairs.usable).sum()), place)
        for place, (_, _, pairs) in enumerate(heads)
        if pairs.has_pairs
    ]
    if not lost or not max(lost)[0]:
        return ""
    model, layer, pairs = heads[max(lost, key=lambda one: (one[0], -one[1]))[1]]
    unusable = ~pairs.usable
    parts = [
        f"{int(unusable[rows].sum())} of {rows.size} pairs" + (f" in {title!r}" if title else "")
        for title, rows in _kinds(pairs)
    ]
    return f"{named_layer(model, layer)} has no distance for {listed(parts, most=8)}"


def _items(items: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Choose images of items that are not pairs, and say what they are."""
    first = items.iloc[0]
    if set(_TRIPLET) <= set(items):
        return [("one triplet", [str(first[side]) for side in _TRIPLET])]
    if "target" in items:
        offered = [first[name] for name in alternative_columns(items.columns)]
        named = [str(name) for name in offered if not pd.isna(name) and str(name)]
        return [("target", [str(first["target"])]), ("alternatives", named[:_MOST_OFFERED])]
    if "image" not in items:
        return []
    labels = items["label"] if "label" in items else pd.Series("", index=items.index)
    values = list(dict.fromkeys(labels))
    if len(values) > _MOST_CONDITIONS:
        # Ratings, rather than classes.
        ranked = labels.sort_values(kind="stable")
        values = [ranked.iloc[0], ranked.iloc[-1]]
    images = items["image"].astype(str)
    return [(str(value), list(dict.fromkeys(images[labels == value]))[:2]) for value in values]


def _kinds(pairs: PairRows) -> list[tuple[str, IntArray]]:
    """Give the rows of each condition; without conditions, of either class, or all."""
    labels = pairs.labels
    column = _condition_column(pairs)
    every = np.arange(len(pairs))
    if column is not None:
        conditions = pairs.frame[column].astype(str).to_numpy()
        return [(name, every[conditions == name]) for name in dict.fromkeys(conditions.tolist())]
    if labels is None:
        return [("", every)]
    classes = ((1, "same person"), (0, "different people"))
    return [(title, every[labels == k]) for k, title in classes if (labels == k).any()]


def _condition_column(pairs: PairRows) -> str | None:
    """Find the column of conditions: the one that is declared, or that holds those of an effect."""
    for declared in (pairs.facts.condition_column, pairs.facts.group_column):
        if declared is not None and declared in pairs.frame:
            return declared
    compared = set(pairs.facts.effect)
    for column in pairs.frame if compared else ():
        if compared <= set(pairs.frame[column].astype(str)):
            return str(column)
    return None


def _shown_row(pairs: PairRows, rows: IntArray) -> int:
    """Choose the first pair of one person, or else the first pair."""
    same = rows[:0] if pairs.labels is None else rows[pairs.labels[rows] == 1]
    return int(same[0] if same.size else rows[0])


def figure_of(
    verdict: Verdict, colors: Mapping[str, Sequence[Any]], people: Sequence[str]
) -> Figure | None:
    """Place the numbers of a verdict on one scale.

    Parameters
    ----------
    verdict : Verdict
        What was found.
    colors : mapping of str to sequence
        By model, its colour first.
    people : sequence of str
        The colours of groups of people, in turn.

    Returns
    -------
    Figure or None
        None where no number is defined.
    """
    defined = [one for one in verdict.models if math.isfinite(one.value)]
    shown = _fitting(defined)
    groups = [one for one in verdict.people if math.isfinite(one.value)]
    if not shown:
        return None
    low, high = _span(verdict, [*shown, *groups])

    def place(value: float) -> float:
        # The end of an interval may be infinite.
        share = (min(max(value, low), high) - low) / (high - low)
        return round(_LEFT + share * (_RIGHT - _LEFT), 1)

    several = len({one.condition for one in shown}) > 1
    rows = []
    for k, one in enumerate([*shown, *groups]):
        is_people = k >= len(shown)
        color = people[(k - len(shown)) % len(people)] if is_people else colors[one.model][0]
        name = f"{one.condition} · {one.model}" if several else one.name
        is_known = one.numbers.has_interval
        rows.append(
            Row(
                y=_TOP + _ROW * k + _ROW / 2,
                name=_cut(name),
                text=one.text,
                value=place(one.value),
                low=place(one.low) if is_known else None,
                high=place(one.high) if is_known else None,
                color=color,
                is_people=is_people,
            )
        )
    bottom = _TOP + _ROW * len(rows)
    chance = verdict.chance
    ends = [place(value) for value in verdict.ceiling]
    return Figure(
        width=_WIDTH,
        height=bottom + _AXIS,
        left=_LEFT,
        right=_RIGHT,
        bottom=bottom,
        label=verdict.label,
        rows=rows,
        ticks=[(place(value), _tick(value, high - low)) for value in _ticks(low, high)],
        chance=None if chance is None else (place(chance), "0" if chance == 0 else "chance"),
        ceiling=(min(ends), max(ends)) if ends else None,
        n_more=len(defined) - len(shown),
        said=f"{verdict.label}: {'; '.join(one.text for one in [*shown, *groups])}",
    )


def _fitting(defined: list[ModelVerdict]) -> list[ModelVerdict]:
    """Choose as many estimates as there is room for; of conditions, all of the first models."""
    conditions = len({one.condition for one in defined})
    if conditions < 2 or len(defined) <= _MOST_ROWS:
        return defined[:_MOST_ROWS]
    models = list(dict.fromkeys(one.model for one in defined))[: max(1, _MOST_ROWS // conditions)]
    return [one for one in defined if one.model in models][:_MOST_ROWS]


def _span(verdict: Verdict, estimates: Sequence[ModelVerdict]) -> tuple[float, float]:
    """Give the ends of the scale: all intervals, chance and ceiling, and a little room."""
    values = [x for one in estimates for x in one.numbers if math.isfinite(x)]
    values += verdict.ceiling
    if verdict.chance is not None:
        values.append(verdict.chance)
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Choose round numbers within the scale."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(k * power for k in (1, 2, 2.5, 5, 10) if k * power >= raw)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]


def _tick(value: float, span: float) -> str:
    digits = max(0, math.ceil(-math.log10(span / _TICKS)) + 1)
    if digits > 4 or abs(value) >= 1e5:
        return f"{value:.1e}".replace("-", "−")
    text = short(value, digits)
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def _cut(name: str) -> str:
    """Shorten a name in its middle, where layers and models differ least."""
    if len(name) <= _NAME:
        return name
    half = (_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
