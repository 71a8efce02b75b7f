"""A measure without each person (or image) in turn, from the pairs behind it, and its interval."""

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
    auc_influence,
    eer_influence,
    linear_replicates,
    mean_influence,
    relative_difference_influence,
)
from facebench.metrics.uncertainty.proportions import (
    CHOSEN_NOTE,
    FEW_ERRORS_NOTE,
    PROPORTIONS_NOTE,
    Proportion,
    has_few_errors,
    jackknife_proportion,
    ties_note,
    uneven_note,
)
from facebench.metrics.uncertainty.replicates import youden_accuracy_jackknife
from facebench.metrics.uncertainty.spread import Replicates, Scale
from facebench.results.pair_rows import PairRows

__all__ = ["EVERY_PAIR", "replicates_interval", "replicates_of"]

_SCALES: dict[InfluenceKind, Scale] = {
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
    "eer of all pairs": "eer",
    "accuracy": "accuracy",
}
# Measures that count failed pairs, as rejected.
EVERY_PAIR: dict[InfluenceKind, Callable[..., Influence]] = {
    "auc of all pairs": auc_influence,
    "eer of all pairs": eer_influence,
}


def replicates_of(measure: str, pairs: PairRows) -> Replicates | None:
    """Measure a layer without each person (or image) in turn.

    Parameters
    ----------
    measure : str
        One that the task declares in `influences`.
    pairs : PairRows
        The pairs behind it.

    Returns
    -------
    Replicates or None
        None for other measures, or where the measure is not defined.
    """
    kind = pairs.facts.influences.get(measure)
    if kind is None or not pairs.has_pairs or not pairs.usable.any():
        return None
    try:
        found = _replicates(kind, pairs)
    except ValueError:
        # Not defined on these pairs: a class or the spread is missing.
        return None
    return found if found is not None and np.isfinite(found.value) else None


def _replicates(kind: InfluenceKind, pairs: PairRows) -> Replicates | None:
    if kind == "accuracy":
        if pairs.labels is None:
            return None
        used = pairs.usable
        return youden_accuracy_jackknife(
            pairs.labels[used], 1.0 - pairs.distances[used], pairs.groups
        )
    influence = _influence(kind, pairs)
    shared = pairs.dyads_of_all if kind in EVERY_PAIR else pairs.dyads
    return None if influence is None else linear_replicates(influence, shared)


def _influence(kind: InfluenceKind, pairs: PairRows) -> Influence | None:
    used = pairs.usable
    distances = pairs.distances[used]
    if kind == "auc" or kind in EVERY_PAIR:
        if pairs.labels is None:
            return None
        if kind in EVERY_PAIR:
            return EVERY_PAIR[kind](pairs.labels, pairs.distances, higher_is_better=False)
        return auc_influence(pairs.labels[used], distances, higher_is_better=False)
    if kind in _CORRELATIONS:
        other = pairs.rated if pairs.given is None else pairs.given
        return None if other is None else _CORRELATIONS[kind](distances, other[used])
    if kind == "mean":
        scale = float(np.nanmax(pairs.whole.distances)) if pairs.facts.normalized else 1.0
        return mean_influence(distances / scale) if scale > 0 else None
    return _relative_influence(pairs) if kind == "relative difference" else None


def replicates_interval(measure: str, value: float, pairs: PairRows) -> dict[str, Any] | None:
    """Make the 95 % interval of a measure from its values without each person (or image).

    Parameters
    ----------
    measure : str
        See `replicates_of`.
    value : float
        The measure as its task reports it.
    pairs : PairRows
        The pairs behind it.

    Returns
    -------
    dict or None
        low, high and method of a `MeasureEstimate`; None where pairs do not say.
    """
    made = replicates_of(measure, pairs)
    if made is None:
        return None
    made = made._replace(value=value)
    by = pairs.sampling_units[0]
    kind = pairs.facts.influences[measure]
    share = _PROPORTIONS.get(kind)
    how = f"jackknife by {by}, {made.units.size} groups, t quantiles"
    how += uneven_note(made.df, "people" if by == "identity" else "images")
    if share is None:
        found = made.interval(_SCALES.get(kind, "identity"))
        if kind == "relative difference" and _shares_members(pairs):
            shared = "people" if by == "identity" else "images"
            how += f"; both means share {shared}: conservative"
    else:
        counts = pairs.effective_counts
        found = jackknife_proportion(share, made, counts)
        how += PROPORTIONS_NOTE
        if kind == "accuracy":
            how += CHOSEN_NOTE
        elif has_few_errors(share, value, counts):
            how += FEW_ERRORS_NOTE
        elif share == "eer":
            how += ties_note(pairs.distances)
    if np.isnan(found.low):
        return None
    return {"low": found.low, "high": found.high, "method": how}


def _shares_members(pairs: PairRows) -> bool:
    is_first = pairs.first_group
    if is_first is None:
        return False
    _, *sides = pairs.sampling_units
    first, second = (
        np.concatenate([side[pairs.usable][chosen] for side in sides])
        for chosen in (is_first, ~is_first)
    )
    return bool(np.isin(first, second).any())


def _relative_influence(pairs: PairRows) -> Influence | None:
    is_first = pairs.first_group
    if is_first is None:
        return None
    distances = pairs.distances[pairs.usable]
    made = relative_difference_influence(distances[is_first], distances[~is_first])
    values = np.empty(distances.size)
    values[is_first] = made.values[: int(is_first.sum())]
    values[~is_first] = made.values[int(is_first.sum()) :]
    return Influence(made.estimate, values, is_first)
