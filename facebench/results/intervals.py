"""Intervals of the measures that come without, from how much each pair moves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from facebench.metrics.uncertainty.correlation_influence import (
    kendall_influence,
    pearson_influence,
    spearman_influence,
)
from facebench.metrics.uncertainty.influence import (
    Influence,
    Scale,
    auc_influence,
    dyadic_error,
    interval,
    mean_influence,
    relative_difference_influence,
)
from facebench.metrics.uncertainty.proportions import (
    SHARES_NOTE,
    Share,
    effective_counts,
    no_narrower,
)
from facebench.metrics.verification import accuracy_at, youden_threshold
from facebench.results.pair_rows import PairRows

__all__ = ["agrees", "measure_influence", "measure_interval"]

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
    "kendalltau": kendall_influence,
}
# What tasks of ratings call them.
_RATED = {
    "Pearson": pearson_influence,
    "Spearman": spearman_influence,
    "Kendall Tau-a": kendall_influence,
}
_SHARES: dict[str, Share] = {"AUC": "auc", "Accuracy": "accuracy"}
_AGREES = 1e-4
_ROUNDING = 1e-12


def measure_influence(metric: str, pairs: PairRows) -> Influence | None:
    """Say how much each usable pair moves a measure.

    Parameters
    ----------
    metric : str
        AUC, Accuracy, Correlation Score (Pearson's, Spearman's or Kendall's), the same with a mean
        rating, Mean Value or Relative Difference.
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
        if metric in _RATED and pairs.rated is not None:
            return _RATED[metric](distances, pairs.rated[used])
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
    if influence is None or not agrees(influence.estimate, value):
        return {}
    by, *sides = pairs.members
    used = pairs.usable
    error = dyadic_error(influence.values, pairs.dyads)
    share = _SHARES.get(metric)
    if error < _ROUNDING and share is None:
        return {}
    found = interval(value, error, _SCALES.get(metric, "identity"))
    how = f"dyadic cluster-robust by {by}"
    if share is not None:
        genuine = np.asarray(pairs.labels)[used] == 1
        first, second = (side[used] for side in sides)
        counts = effective_counts(genuine, pairs.distances[used], first, second)
        found = no_narrower(share, value, found, error**2, counts)
        how += SHARES_NOTE
    return {"ci_low": found.low, "ci_high": found.high, "ci_method": how}


def agrees(estimate: float, value: float) -> bool:
    """Tell whether a measure made here is the one that the task reports."""
    # What is undefined agrees with nothing.
    return abs(estimate - value) <= _AGREES


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
