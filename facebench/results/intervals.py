"""Intervals and paired differences of the measures that come without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from facebench.metrics.influence import (
    Influence,
    PairedDifference,
    Scale,
    auc_influence,
    dyadic_error,
    interval,
    mean_influence,
    paired_difference,
    pearson_influence,
    relative_difference_influence,
    spearman_influence,
)
from facebench.metrics.stats import wilson
from facebench.metrics.verification import accuracy_at, youden_threshold
from facebench.results.pair_rows import PairRows

__all__ = ["compare_measure", "measure_influence", "measure_interval"]

_SCALES: dict[str, Scale] = {
    "AUC": "logit",
    "Accuracy": "logit",
    "Correlation Score": "fisher",
    "Relative Difference": "fisher",
}
_CORRELATIONS: dict[str, Callable[[Any, Any], Influence]] = {
    "corrcoef": pearson_influence,
    "pearsonr": pearson_influence,
    "spearmanr": spearman_influence,
}
_AGREES = 1e-4


def measure_influence(metric: str, pairs: PairRows) -> Influence | None:
    """Say how much each usable pair moves a measure.

    Parameters
    ----------
    metric : str
        AUC, Accuracy, Correlation Score (Pearson's or Spearman's), Mean Value or Relative
        Difference.
    pairs : PairRows
        The pairs behind it.

    Returns
    -------
    Influence or None
        None for other measures, or where the measure is not defined.
    """
    if not pairs.has_pairs or not pairs.usable.any():
        return None
    used = pairs.usable
    distances = pairs.distances[used]
    try:
        if metric in ("AUC", "Accuracy") and pairs.labels is not None:
            labels = pairs.labels[used]
            if metric == "AUC":
                return auc_influence(labels, distances, higher_is_better=False)
            return _accuracy_influence(labels, 1.0 - distances)
        if metric == "Correlation Score" and pairs.given is not None:
            correlation = _CORRELATIONS.get(str(pairs.facts.correlation))
            return None if correlation is None else correlation(distances, pairs.given[used])
        if metric == "Mean Value":
            scale = float(np.nanmax(pairs.whole.distances)) if pairs.facts.normalized else 1.0
            return mean_influence(distances / scale) if scale > 0 else None
        if metric == "Relative Difference":
            return _relative_influence(pairs)
    except ValueError:
        # Not defined on these pairs: a class or the spread is missing.
        return None
    return None


def measure_interval(metric: str, value: float, pairs: PairRows) -> dict[str, Any]:
    """Make the 95 % interval of a measure from its pairs.

    Parameters
    ----------
    metric : str
        See `measure_influence`.
    value : float
        The measure as its task reports it.
    pairs : PairRows
        The pairs behind it.

    Returns
    -------
    dict
        ci_low, ci_high and ci_method; empty where there is none, or where the measure made here
        is not the task's.
    """
    influence = measure_influence(metric, pairs)
    if influence is None or abs(influence.estimate - value) > _AGREES:
        return {}
    if metric == "Accuracy" and value in (0.0, 1.0):
        # No pair is on the other side, so that pairs say nothing of the spread.
        size = len(influence.values)
        low, high = wilson(round(value * size), size)
        return {"ci_low": low, "ci_high": high, "ci_method": "Wilson, pairs independent"}
    error = dyadic_error(influence.values, pairs.dyads)
    low, high = interval(value, error, _SCALES.get(metric, "identity"))
    by = pairs.members[0]
    return {"ci_low": low, "ci_high": high, "ci_method": f"dyadic cluster-robust by {by}"}


def compare_measure(metric: str, a: PairRows, b: PairRows) -> PairedDifference | None:
    """Compare a measure of two models (or runs) on the very same pairs, row by row.

    Parameters
    ----------
    metric : str
        See `measure_influence`.
    a, b : PairRows
        The same pairs in the same order.

    Returns
    -------
    PairedDifference or None
        a - b; None where the pairs differ or the measure is not known.
    """
    if not (a.has_pairs and b.has_pairs) or len(a.frame) != len(b.frame):
        return None
    if any(
        (a.frame[column].to_numpy() != b.frame[column].to_numpy()).any()
        for column in ("img1", "img2")
    ):
        return None
    both = a.usable & b.usable
    a, b = a.only(both), b.only(both)
    one, other = measure_influence(metric, a), measure_influence(metric, b)
    if one is None or other is None:
        return None
    _, first, second = a.members
    return paired_difference(one, other, first, second)


def _accuracy_influence(labels: Any, similarities: Any) -> Influence:
    threshold = youden_threshold(labels, similarities)
    right = (similarities >= threshold) == (labels == 1)
    # The threshold is taken as given: it was chosen on the same pairs, as the task says.
    return Influence(
        float(accuracy_at(labels, similarities, threshold)), mean_influence(right).values
    )


def _relative_influence(pairs: PairRows) -> Influence | None:
    column = pairs.facts.group_column
    if column is None or column not in pairs.frame:
        return None
    # The groups in order of the file, as in the task.
    names = list(dict.fromkeys(pairs.whole.frame[column]))
    if len(names) != 2:
        return None
    used = pairs.usable
    is_first = pairs.frame[column].to_numpy()[used] == names[0]
    distances = pairs.distances[used]
    made = relative_difference_influence(distances[is_first], distances[~is_first])
    values = np.empty(distances.size)
    values[is_first] = made.values[: int(is_first.sum())]
    values[~is_first] = made.values[int(is_first.sum()) :]
    return Influence(made.estimate, values)
