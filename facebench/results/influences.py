"""How much each pair moves a measure, and the interval that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from facebench.data.estimates import InfluenceKind
from facebench.metrics.uncertainty.correlation_influence import (
    kendall_influence,
    pearson_influence,
    spearman_influence,
    tau_a_influence,
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
    PROPORTIONS_NOTE,
    Proportion,
    effective_counts,
    no_narrower,
)
from facebench.metrics.verification import accuracy_at, youden_threshold
from facebench.results.pair_rows import PairRows

__all__ = ["influence_interval", "influence_of"]

_SCALES: dict[InfluenceKind, Scale] = {
    "auc": "logit",
    "auc of all pairs": "logit",
    "accuracy": "logit",
    "pearson": "fisher",
    "spearman": "fisher",
    "kendall": "fisher",
    "tau-a": "fisher",
    "relative difference": "fisher",
}
_CORRELATIONS: dict[InfluenceKind, Callable[[Any, Any], Influence]] = {
    "pearson": pearson_influence,
    "spearman": spearman_influence,
    "kendall": kendall_influence,
    "tau-a": tau_a_influence,
}
_PROPORTIONS: dict[InfluenceKind, Proportion] = {
    "auc": "auc",
    "auc of all pairs": "auc",
    "accuracy": "accuracy",
}
_ROUNDING = 1e-12


def influence_of(measure: str, pairs: PairRows) -> Influence | None:
    """Say how much each usable pair moves a measure.

    Parameters
    ----------
    measure : str
        One that the task declares in `influences`.
    pairs : PairRows
        The pairs behind it.

    Returns
    -------
    Influence or None
        None for other measures, or where the measure is not defined.
    """
    kind = pairs.facts.influences.get(measure)
    if kind is None or not pairs.has_pairs or not pairs.usable.any():
        return None
    try:
        found = _influence(kind, pairs)
    except ValueError:
        # Not defined on these pairs: a class or the spread is missing.
        return None
    return found if found is not None and np.isfinite(found.estimate) else None


def _influence(kind: InfluenceKind, pairs: PairRows) -> Influence | None:
    used = pairs.usable
    distances = pairs.distances[used]
    if kind in _PROPORTIONS:
        if pairs.labels is None or (kind == "auc of all pairs" and not used.all()):
            return None
        labels = pairs.labels[used]
        if kind == "accuracy":
            return _accuracy_influence(labels, 1.0 - distances)
        return auc_influence(labels, distances, higher_is_better=False)
    if kind in _CORRELATIONS:
        other = pairs.rated if pairs.given is None else pairs.given
        return None if other is None else _CORRELATIONS[kind](distances, other[used])
    if kind == "mean":
        scale = float(np.nanmax(pairs.whole.distances)) if pairs.facts.normalized else 1.0
        return mean_influence(distances / scale) if scale > 0 else None
    return _relative_influence(pairs) if kind == "relative difference" else None


def influence_interval(measure: str, value: float, pairs: PairRows) -> dict[str, Any] | None:
    """Make the 95 % interval of a measure from how much each pair moves it.

    Parameters
    ----------
    measure : str
        See `influence_of`.
    value : float
        The measure as its task reports it.
    pairs : PairRows
        The pairs behind it.

    Returns
    -------
    dict or None
        low, high and method of an `Estimate`; None where pairs do not say.
    """
    influence = influence_of(measure, pairs)
    if influence is None:
        return None
    by, *sides = pairs.members
    used = pairs.usable
    error = dyadic_error(influence.values, pairs.dyads)
    kind = pairs.facts.influences[measure]
    share = _PROPORTIONS.get(kind)
    if error < _ROUNDING and share is None:
        return None
    found = interval(value, error, _SCALES.get(kind, "identity"))
    how = f"dyadic cluster-robust by {by}"
    if share is not None:
        genuine = np.asarray(pairs.labels)[used] == 1
        first, second = (side[used] for side in sides)
        counts = effective_counts(genuine, pairs.distances[used], first, second)
        found = no_narrower(share, value, found, error**2, counts)
        how += PROPORTIONS_NOTE
    return {"low": found.low, "high": found.high, "method": how}


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
