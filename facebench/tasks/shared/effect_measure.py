"""What an effect compares conditions by: the measure, and what it needs of the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.errors import InputError, PairsError
from facebench.metrics.conditions import MEASURES, ConditionScores
from facebench.metrics.conditions import Measure as ConditionMeasure
from facebench.metrics.verification import best_accuracy
from facebench.tasks.measures import Measure
from facebench.tasks.shared.effect_design import Conditions
from facebench.types import Float64Array, StrPath
from facebench.utils.suggestions import did_you_mean

__all__ = ["EffectMeasure"]


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
        return tuple(Measure(f"{name} {self.name}", **known[self.measure]) for name in conditions)

    @property
    def needs_labels(self) -> bool:
        """Whether pairs must be known as of one person or of two."""
        return self.measure not in ("mean distance", "pearson", "spearman")

    @property
    def needs_ratings(self) -> bool:
        """Whether people's ratings are needed."""
        return self.measure in ("pearson", "spearman")

    def check_classes(
        self, conditions: Conditions, labels: NDArray[np.bool_], *, task: str, path: StrPath
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
        conditions: Conditions,
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
