"""What an effect compares conditions by: the measure, and what it needs of the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.errors import InputError, PairsError
from facebench.metrics.conditions import MEASURES, ConditionScores
from facebench.metrics.conditions import Measure as ConditionMeasure
from facebench.metrics.effects import Contrast
from facebench.metrics.verification import best_accuracy
from facebench.tasks.measures import Measure
from facebench.tasks.shared.effect_design import ConditionDesign
from facebench.types import Float64Array, StrPath
from facebench.utils.suggestions import did_you_mean

__all__ = ["EffectMeasure", "contrast_labels", "relative_label"]


class EffectMeasure:
    """A measure with its parameters; see `EffectTask` for these.

    Parameters
    ----------
    measure, threshold, far
        See `EffectTask`.
    owner : str
        The task's class, for messages.

    Raises
    ------
    InputError
        If a parameter is not what it should be.
    """

    def __init__(
        self, measure: ConditionMeasure, threshold: float | None, far: float, owner: str
    ) -> None:
        if measure not in MEASURES:
            msg = (
                f"The 'measure' parameter of {owner} must be one of "
                f"{', '.join(map(repr, MEASURES))}. Got {measure!r} instead."
                f"{did_you_mean(measure, MEASURES)}"
            )
            raise InputError(msg)
        if not isinstance(far, int | float) or not 0 < far <= 1:
            msg = f"The 'far' parameter of {owner} must be a rate above 0. Got {far!r} instead."
            raise InputError(msg)
        if threshold is not None and (
            not isinstance(threshold, int | float) or np.isnan(threshold)
        ):
            msg = (
                f"The 'threshold' parameter of {owner} must be a distance or None. "
                f"Got {threshold!r} instead."
            )
            raise InputError(msg)
        self.measure: ConditionMeasure = measure
        self.threshold = threshold
        self.far = far

    @property
    def name(self) -> str:
        """What the measure is called in the results."""
        return f"TAR@FAR={self.far:g}" if self.measure == "tar" else MEASURES[self.measure]

    def declared(self, conditions: Sequence[str]) -> tuple[Measure, ...]:
        """Declare the measure of every condition."""
        known: dict[str, Any] = {
            "auc": {"better": "higher", "chance": 0.5, "bounds": (0, 1)},
            "dprime": {"better": "higher", "chance": 0},
            "accuracy": {"better": "higher", "bounds": (0, 1)},
            "tar": {"better": "higher", "chance": self.far, "bounds": (0, 1)},
            "mean distance": {},
            "pearson": {"better": "higher", "chance": 0, "bounds": (-1, 1)},
            "spearman": {"better": "higher", "chance": 0, "bounds": (-1, 1)},
        }
        return tuple(
            Measure(f"{name} {self.name}", **known[self.measure], label=f"{self.label}, {name}")
            for name in conditions
        )

    @property
    def label(self) -> str:
        """What an axis calls the measure."""
        return {"dprime": "d′", "mean distance": "Mean distance"}.get(self.measure, self.name)

    @property
    def needs_labels(self) -> bool:
        """Whether pairs must be known as of one person or of two."""
        return self.measure not in ("mean distance", "pearson", "spearman")

    @property
    def needs_ratings(self) -> bool:
        """Whether people's ratings are needed."""
        return self.measure in ("pearson", "spearman")

    def check_classes(
        self, conditions: ConditionDesign, labels: NDArray[np.bool_], *, task: str, path: StrPath
    ) -> None:
        """Refuse conditions of one class, if the measure compares two.

        Raises
        ------
        PairsError
            If there is one.
        """
        if self.measure not in ("auc", "dprime", "tar"):
            return
        for k in conditions.involved:
            genuine = labels[conditions.cell == k]
            if genuine.all() or not genuine.any():
                msg = (
                    f"Condition {conditions.names[k]!r} of {task!r} must have pairs of one person "
                    f"and of two for {self.measure!r}. In {path} all {genuine.size} are "
                    f"{'same' if genuine[0] else 'different'}."
                )
                raise PairsError(msg)

    def cells(
        self,
        conditions: ConditionDesign,
        labels: NDArray[np.bool_],
        distances: Float64Array,
        ratings: Float64Array | None,
    ) -> ConditionScores:
        """Give one layer's comparisons to be measured."""
        threshold = float("nan")
        if self.measure == "accuracy":
            threshold = self.threshold if self.threshold is not None else float("nan")
            if self.threshold is None:
                threshold = best_accuracy(labels, distances, higher_is_better=False).threshold
        return ConditionScores(
            self.measure, conditions.cell, labels, distances, ratings, threshold, self.far
        )


def contrast_labels(
    measure: str, contrast: Contrast, conditions: Sequence[str]
) -> tuple[str, str, str]:
    """Say what the difference, the ratio and the relative difference of a contrast are made of.

    Parameters
    ----------
    measure : str
        What is measured in each condition.
    contrast : Contrast
        What is compared.
    conditions : sequence of str
        The names of all conditions.

    Examples
    --------
    >>> contrast_labels("AUC", Contrast("difference", (0,), (1,)), ["upright", "inverted"])[0]
    'AUC, upright − inverted'
    >>> names = ["own × seen", "own × new", "other × seen", "other × new"]
    >>> contrast_labels("AUC", Contrast("difference", (0, 1), (2, 3)), names)[1]
    'AUC, own ÷ other'
    >>> contrast_labels("d′", Contrast("interaction", (0, 1), (2, 3)), names)[0]
    'd′, (own × seen − own × new) − (other × seen − other × new)'
    """
    if contrast.kind == "interaction":
        first, second = (
            [conditions[k] for k in side] for side in (contrast.first, contrast.second)
        )
        return (
            f"{measure}, ({first[0]} − {first[1]}) − ({second[0]} − {second[1]})",
            f"{measure}, ({first[0]} ÷ {first[1]}) ÷ ({second[0]} ÷ {second[1]})",
            f"{measure}, relative difference of {first[0]} and {first[1]} − that of {second[0]} "
            f"and {second[1]}",
        )
    one, other = (
        _side([conditions[k] for k in side]) for side in (contrast.first, contrast.second)
    )
    return (
        f"{measure}, {one} − {other}",
        f"{measure}, {one} ÷ {other}",
        relative_label(measure, one, other),
    )


def relative_label(measure: str, one: str, other: str) -> str:
    """Say what a relative difference is made of.

    Examples
    --------
    >>> relative_label("AUC", "upright", "inverted")
    'AUC, (upright − inverted) ÷ (upright + inverted)'
    """
    return f"{measure}, ({one} − {other}) ÷ ({one} + {other})"


def _side(names: Sequence[str]) -> str:
    """Name conditions that are averaged: by the level that all of a factorial design share."""
    if len(names) == 1:
        return names[0]
    shared = [
        level
        for level in names[0].split(" × ")
        if all(level in name.split(" × ") for name in names)
    ]
    return " × ".join(shared) or f"mean of {', '.join(names)}"
