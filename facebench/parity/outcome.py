"""What every rule returns, and what they share: folds as the rows lie, and checked scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.labels import read_comparisons
from facebench.types import Float64Array, IntArray

__all__ = ["Outcome", "checked_scores", "contiguous_folds", "count_below", "grid_accuracies"]


class Outcome(NamedTuple):
    """What a rule prints.

    Attributes
    ----------
    accuracy : float
        Mean over folds, or the one accuracy of an in-sample rule.
    spread : float
        The number after ±; NaN where the rule prints none.
    spread_is : str
        What that number is.
    fold_accuracies, thresholds : array, shape [K]
        Per fold, in the order of the folds; the thresholds in the units of the scores.
    tar, far : float
        Mean true and false accept rate over folds at the target; NaN where the rule has none.
    """

    accuracy: float
    spread: float
    spread_is: str
    fold_accuracies: Float64Array
    thresholds: Float64Array
    tar: float = float("nan")
    far: float = float("nan")


def contiguous_folds(size: int, folds: int) -> IntArray:
    """Cut N rows into folds as they lie: the first N mod K folds have one row more."""
    if not 2 <= folds <= size:
        msg = f"The 'folds' must be from 2 to the number of pairs, {size}. Got {folds!r} instead."
        raise ValueError(msg)
    sizes = np.full(folds, size // folds)
    sizes[: size % folds] += 1
    return np.repeat(np.arange(folds), sizes)


def checked_scores(labels: Any, scores: Any) -> tuple[NDArray[np.bool_], Float64Array]:
    """Read labels and scores, of which no rule but ours knows what to do with a failed one."""
    genuine, values = read_comparisons(labels, scores, higher_is_better=True)
    if genuine.all() or not genuine.any():
        msg = "A rule of verification needs pairs of both classes."
        raise ValueError(msg)
    if np.isnan(values).any():
        msg = (
            f"{int(np.isnan(values).sum())} of {values.size} scores are NaN. Other evaluators "
            "have no rule for failures: leave those pairs out, and say so."
        )
        raise ValueError(msg)
    return genuine, values.astype(np.float64)


def count_below(sorted_values: Float64Array, thresholds: Float64Array) -> Float64Array:
    """Count the values strictly below each threshold."""
    return np.searchsorted(sorted_values, thresholds, side="left").astype(np.float64)


def grid_accuracies(
    genuine: NDArray[np.bool_], distances: Float64Array, grid: Float64Array
) -> Float64Array:
    """Accuracy of ``distance < threshold`` at every threshold of a grid."""
    accepted = count_below(np.sort(distances[genuine]), grid)
    false = count_below(np.sort(distances[~genuine]), grid)
    return np.asarray((accepted + np.count_nonzero(~genuine) - false) / genuine.size)
