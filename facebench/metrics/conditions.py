"""Conditions of comparisons, and any measure of each of them, without each person too."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.correlation import correlate
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    Proportion,
    effective_counts,
    has_few_errors,
    no_narrower,
)
from facebench.metrics.uncertainty.replicates import verification_replicates
from facebench.metrics.uncertainty.resamples import Interval, Weightings
from facebench.metrics.uncertainty.spread import Scale, interval
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.metrics.verification import auc, dprime, tar_at_far
from facebench.metrics.verification_report import UNKNOWN
from facebench.types import Float64Array, IntArray

__all__ = [
    "MEASURES",
    "ConditionEstimate",
    "ConditionScores",
    "Measure",
    "condition_estimates",
    "condition_replicates",
    "condition_values",
    "measured",
]

Measure: TypeAlias = Literal[
    "auc", "dprime", "accuracy", "tar", "mean distance", "pearson", "spearman"
]
# What each measure is called.
MEASURES: dict[str, str] = {
    "auc": "AUC",
    "dprime": "d'",
    "accuracy": "Accuracy",
    "tar": "TAR",
    "mean distance": "Mean Distance",
    "pearson": "Pearson",
    "spearman": "Spearman",
}
_PROPORTIONS: dict[str, Proportion] = {"auc": "auc", "accuracy": "accuracy", "tar": "tar"}
_SCALES: dict[str, Scale] = {
    **dict.fromkeys(_PROPORTIONS, "logit"),
    **dict.fromkeys(("pearson", "spearman"), "fisher"),
}


class ConditionScores(NamedTuple):
    """The comparisons of one layer, parted into conditions ('cells'), and what to measure.

    Attributes
    ----------
    measure : str
        One of `MEASURES`.
    cell : int array, shape [N]
        The condition of each comparison, 0 to K - 1.
    labels : bool array, shape [N]
        True where both images show one person.
    distances : array, shape [N]
        NaN where a comparison failed: rejected by AUC, TAR and accuracy, left out of the rest.
    ratings : array, shape [N], or None
        People's ratings of distance, for the correlations.
    threshold : float
        The largest accepted distance, one for all conditions, for accuracy.
    far : float
        For TAR.
    """

    measure: Measure
    cell: IntArray
    labels: NDArray[np.bool_]
    distances: Float64Array
    ratings: Float64Array | None = None
    threshold: float = float("nan")
    far: float = 0.01

    def part(self, chosen: NDArray[np.bool_]) -> ConditionScores:
        """Give some of the comparisons."""
        return self._replace(
            cell=self.cell[chosen],
            labels=self.labels[chosen],
            distances=self.distances[chosen],
            ratings=None if self.ratings is None else self.ratings[chosen],
        )

    @property
    def n_cells(self) -> int:
        """Number of conditions."""
        return int(self.cell.max()) + 1


def condition_values(cells: ConditionScores) -> tuple[Float64Array, dict[int, str]]:
    """Measure every condition.

    Parameters
    ----------
    cells : ConditionScores
        The comparisons.

    Returns
    -------
    array, shape [K]
        NaN where the measure is not defined.
    dict of int to str
        Why, for these.

    Examples
    --------
    >>> conditions = np.array([0, 0, 1])
    >>> cells = ConditionScores("mean distance", conditions, np.ones(3, bool), np.array([1., 3, 4]))
    >>> condition_values(cells)[0]
    array([2., 4.])
    """
    values = np.full(cells.n_cells, np.nan)
    reasons: dict[int, str] = {}
    for k in range(cells.n_cells):
        part = cells.part(cells.cell == k)
        reason = _not_measurable(part)
        if reason:
            reasons[k] = reason
            continue
        values[k] = _value(part)
        if np.isnan(values[k]):
            reasons[k] = "too few comparisons, or none that differ"
    return values, reasons


def _not_measurable(part: ConditionScores) -> str:
    usable = ~np.isnan(part.distances)
    if not usable.any():
        return "no comparison is left"
    if part.measure in ("auc", "dprime", "tar") and (part.labels.all() or not part.labels.any()):
        return "its pairs are all of one class"
    n_impostor = int(np.count_nonzero(~part.labels))
    if part.measure == "tar" and part.far * n_impostor < 0.5:
        fewest = ceil(0.5 / part.far)
        return f"FAR {part.far:g} takes {fewest} pairs of two people or more, it has {n_impostor}"
    if part.ratings is not None:
        if usable.sum() < 3:
            return "fewer than 3 pairs"
        if np.ptp(part.ratings[usable]) == 0:
            return "its ratings are constant"
        if np.ptp(part.distances[usable]) == 0:
            return "its distances are constant"
    return ""


def _value(part: ConditionScores) -> float:
    way: dict[str, Any] = {"higher_is_better": False}
    if part.measure == "auc":
        return auc(part.labels, part.distances, **way)
    if part.measure == "dprime":
        found = dprime(part.labels, part.distances, **way)
        return found if np.isfinite(found) else float("nan")
    if part.measure == "tar":
        return tar_at_far(part.labels, part.distances, far=part.far, **way).tar
    ones = _Once(part.distances.size)
    return float(measured(part, ones)[0])


class _Once:
    """Every comparison counts once."""

    n_resamples = 1

    def __init__(self, size: int) -> None:
        self._size = size

    def weights(self) -> Iterator[NDArray[np.float32]]:
        yield np.ones((self._size, 1), dtype=np.float32)

    def sums(self, columns: Float64Array) -> Float64Array:
        return np.asarray(columns.sum(axis=0, keepdims=True))


def condition_replicates(
    cells: ConditionScores, resamples: StratifiedJackknife | JackknifeGroups
) -> Float64Array:
    """Measure every condition without each unit, the same people in all conditions.

    Parameters
    ----------
    cells : ConditionScores
        The comparisons.
    resamples : StratifiedJackknife or JackknifeGroups
        Of the same comparisons.

    Returns
    -------
    array, shape [R, K]
    """
    columns = []
    for k in range(cells.n_cells):
        chosen = cells.cell == k
        part = cells.part(chosen)
        if _not_measurable(part):
            columns.append(np.full(resamples.n_resamples, np.nan))
        else:
            columns.append(measured(part, resamples.part(chosen)))
    return np.stack(columns, axis=1)


def measured(part: ConditionScores, drawn: Weightings) -> Float64Array:
    """Measure some comparisons, all conditions together, under each weighting.

    Parameters
    ----------
    part : ConditionScores
        The comparisons.
    drawn : Weightings
        Of the same comparisons.

    Returns
    -------
    array, shape [R]
        NaN where the measure is not defined.
    """
    if part.measure in ("auc", "dprime", "tar"):
        far = [part.far] if part.measure == "tar" else []
        found = verification_replicates(
            part.labels, part.distances, drawn, far=far, higher_is_better=False
        )
        return found[f"tar@{part.far:g}" if part.measure == "tar" else part.measure]
    usable = ~np.isnan(part.distances)
    distances = np.where(usable, part.distances, 0.0)
    if part.ratings is not None:
        parts = [
            correlate(part.distances, part.ratings, part.measure, weights.T)
            for weights in drawn.weights()
        ]
        return np.concatenate(parts)
    if part.measure == "accuracy":
        accepted = usable & (distances <= part.threshold)
        hits, counted = accepted == part.labels, np.ones(usable.size)
        return _mean(hits.astype(np.float64), counted, drawn)
    # Centred, so that single precision keeps the digits of small differences.
    centre = float(distances[usable].mean())
    centred = np.where(usable, distances - centre, 0.0)
    return _mean(centred, usable.astype(np.float64), drawn) + centre


def _mean(values: Float64Array, counted: Float64Array, drawn: Weightings) -> Float64Array:
    total, count = drawn.sums(np.stack((values, counted), axis=1)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(total / count)


class ConditionEstimate(NamedTuple):
    """A measure of one condition.

    Attributes
    ----------
    value : float
        The measure.
    interval : Interval
        What it is reported with.
    shown : Interval
        What the jackknife alone would say: narrower where a share is next to 0 or 1.
    few_errors : bool
        Whether the interval is conservative since there are few errors, see `has_few_errors`.
    """

    value: float
    interval: Interval
    shown: Interval
    few_errors: bool = False


def condition_estimates(
    cells: ConditionScores,
    values: Float64Array,
    replicates: Float64Array,
    jackknife: StratifiedJackknife,
    units: tuple[IntArray, IntArray],
) -> list[ConditionEstimate]:
    """Give every condition its interval.

    Parameters
    ----------
    cells : ConditionScores
        The comparisons.
    values : array, shape [K]
        From `condition_values`.
    replicates : array, shape [units, K]
        From `condition_replicates`, without each unit.
    jackknife : StratifiedJackknife
        Of the same comparisons.
    units : pair of int array, shape [N]
        The unit of each side.

    Returns
    -------
    list of ConditionEstimate
        By the t distribution: shares on the logit scale, correlations on Fisher's, no share
        narrower than the number of comparisons allows.
    """
    found = []
    for k, value in enumerate(values.tolist()):
        error = jackknife.error(replicates[:, k])
        share = _PROPORTIONS.get(cells.measure)
        if np.isnan(value) or (np.isnan(error.standard) and (share is None or 0 < value < 1)):
            found.append(ConditionEstimate(value, UNKNOWN.interval, UNKNOWN.interval))
            continue
        own = shown = _on_its_scale(cells.measure, value, replicates[:, k], jackknife)
        is_few = False
        if share is not None:
            counts = effective_counts(cells.labels, cells.distances, *units, cells.cell == k)
            own = no_narrower(share, value, shown, error.standard**2, counts)
            is_few = has_few_errors(
                share, value, counts, cells.far if cells.measure == "tar" else None
            )
        found.append(ConditionEstimate(value, own, shown, is_few))
    return found


def _on_its_scale(
    measure: str, value: float, replicates: Float64Array, jackknife: StratifiedJackknife
) -> Interval:
    error = jackknife.error(replicates)
    if error.standard == 0 or np.isnan(error.standard):
        return Interval(value, value)
    return interval(value, error.standard, _SCALES.get(measure, "identity"), df=error.df)
