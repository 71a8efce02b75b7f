"""Conditions that differ in one ordered parameter: rotation, blur, noise, steps of a morph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from facebench.data.made_stimuli import UPRIGHT
from facebench.stimuli.catalogue import CONDITIONS, Condition

__all__ = ["SERIES", "level_of", "series_of", "steps_of"]

# What is appended to the name of a kind for the table of its levels.
SERIES = "-series"


def level_of(condition: Condition) -> float:
    """Return the level of a condition; NaN if it has none."""
    return math.nan if condition.level is None else float(condition.level)


def series_of(conditions: Sequence[Condition]) -> dict[str, list[Condition]]:
    """Return conditions that differ in their level alone, in its order, by the table's name."""
    families: dict[tuple[Any, ...], list[Condition]] = {}
    for condition in conditions:
        kind = CONDITIONS[condition.kind]
        if condition.level is not None:
            rest = {k: v for k, v in condition.parameters.items() if k != kind.level}
            families.setdefault((condition.kind, *sorted(rest.items())), []).append(condition)
    series: dict[str, list[Condition]] = {}
    for (kind_name, *_), members in families.items():
        # Of conditions of one level under several labels, the first stands for it.
        by_level = {level_of(member): member for member in reversed(members)}
        if len(by_level) < 2:
            continue
        name, count = f"{kind_name}{SERIES}", 1
        while name in series:
            count += 1
            name = f"{kind_name}{SERIES}-{count}"
        series[name] = [by_level[place] for place in sorted(by_level)]
    return series


def steps_of(series: Sequence[Condition]) -> list[tuple[float, str]]:
    """Return level and label of each step in order, with the upright faces where they are one."""
    steps = [(level_of(condition), condition.label) for condition in series]
    upright = CONDITIONS[series[0].kind].level_of_upright
    if upright is not None and all(step != upright for step, _ in steps):
        steps = sorted([*steps, (upright, UPRIGHT)])
    return steps
