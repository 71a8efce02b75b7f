"""Bootstrap intervals that know that pairs sharing an image or a person are not independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import scipy

from facebench.metrics.labels import read_comparisons
from facebench.metrics.uncertainty.resamples import CHUNK, By, Interval, Units, draws_of, units_of
from facebench.types import Float64Array

__all__ = ["Interval", "PairedBootstrap", "ResamplingError", "bootstrap", "paired_bootstrap"]

Metric: TypeAlias = str | Callable[[Any, Any], float]
_Weighted: TypeAlias = Callable[[Float64Array], Float64Array]


class ResamplingError(ValueError):
    """Too few comparisons of one class, or too few people, for a bootstrap."""


class PairedBootstrap(NamedTuple):
    """A difference of two systems on the same comparisons.

    Attributes
    ----------
    difference : float
        Metric of a minus metric of b.
    low, high : float
        Percentile interval of the difference.
    p_value : float
        Two-sided: twice the smaller share of resamples on one side of 0.
    """

    difference: float
    low: float
    high: float
    p_value: float


def _weighted_metric(metric: Metric, labels: Any, scores: Any, higher_is_better: bool) -> _Weighted:
    """Return the metric as a function of weights [R, N] → [R]; undefined is NaN."""
    if callable(metric):
        label_array = read_comparisons(labels, scores, True).genuine.astype(np.int8)
        score_array = np.asarray(scores)
        measure = metric

        def repeated(weights: Float64Array) -> Float64Array:
            counts = weights.astype(np.intp)
            values = np.full(len(counts), np.nan)
            for row, count in enumerate(counts):
                drawn = np.repeat(label_array, count)
                # Without one of the classes most metrics refuse: such a resample is undefined.
                if drawn.any() and not drawn.all():
                    values[row] = measure(drawn, np.repeat(score_array, count))
            return values

        return repeated

    target = _target(metric)
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    # NaN ranks below every score, -inf included, and is never accepted.
    order = np.lexsort((-similarities, np.isnan(similarities)))
    ranked = similarities[order]
    is_first = np.concatenate(([True], ranked[1:] != ranked[:-1]))
    is_first[np.isnan(ranked)] = False
    failed = np.isnan(ranked)
    is_first[np.argmax(failed)] |= bool(failed.any())
    starts = np.flatnonzero(is_first)
    accepting = starts.size - bool(failed.any())
    mated = genuine[order].astype(np.float64)

    def ranked_metric(weights: Float64Array) -> Float64Array:
        drawn = weights[:, order]
        true_matches = np.cumsum(np.add.reduceat(drawn * mated, starts, axis=1), axis=1)
        false_matches = np.cumsum(np.add.reduceat(drawn * (1 - mated), starts, axis=1), axis=1)
        n_genuine, n_impostor = true_matches[:, -1], false_matches[:, -1]
        with np.errstate(invalid="ignore"):
            if target is None:
                before = np.zeros((len(drawn), 1))
                gained = np.diff(false_matches, axis=1, prepend=before)
                doubled = true_matches * 2 - np.diff(true_matches, axis=1, prepend=before)
                return np.asarray((gained * doubled).sum(axis=1) / (2 * n_genuine * n_impostor))
            fits = false_matches[:, :accepting] / n_impostor[:, None] <= target
            last = np.count_nonzero(fits, axis=1) - 1
            found = np.where(last >= 0, true_matches[np.arange(len(drawn)), last], 0.0)
            return np.where(n_impostor > 0, found / n_genuine, np.nan)

    return ranked_metric


def _target(metric: str) -> float | None:
    if metric == "auc":
        return None
    try:
        name, target = metric.split("@")
        if name == "tar" and 0 < float(target) <= 1:
            return float(target)
    except ValueError:
        pass
    msg = f"The 'metric' must be 'auc', 'tar@1e-2' (any rate) or a function. Got {metric!r}."
    raise ValueError(msg)


def _left_out(units: Units) -> Iterator[Float64Array]:
    step = max(1, CHUNK // max(units.n_units, units.first.size))
    for start in range(0, units.n_units, step):
        rows = np.arange(start, min(start + step, units.n_units))
        draws = np.ones((rows.size, units.n_units))
        draws[np.arange(rows.size), rows] = 0.0
        yield draws


def _defined(values: Float64Array) -> Float64Array:
    kept = values[~np.isnan(values)]
    if kept.size < 0.95 * values.size:
        msg = (
            f"The metric is undefined in {values.size - kept.size} of {values.size} resamples: "
            "too few comparisons of one class, or too few people, for an interval."
        )
        raise ResamplingError(msg)
    return kept


def _bca_levels(
    estimate: float, values: Float64Array, left_out: Float64Array, levels: Float64Array
) -> Float64Array:
    below = np.mean(values < estimate) + np.mean(values == estimate) / 2
    bias = scipy.special.ndtri(np.clip(below, 0.5 / values.size, 1 - 0.5 / values.size))
    influence = left_out.mean() - left_out
    scale = (influence**2).sum() ** 1.5
    acceleration = (influence**3).sum() / (6 * scale) if scale > 0 else 0.0
    shifted = bias + scipy.special.ndtri(levels)
    return np.asarray(scipy.special.ndtr(bias + shifted / (1 - acceleration * shifted)))


def _check_numbers(n_resamples: int, confidence: float) -> None:
    if n_resamples < 1 or not 0 < confidence < 1:
        msg = (
            "A bootstrap needs n_resamples of 1 or more and 0 < confidence < 1. "
            f"Got {n_resamples!r} and {confidence!r}."
        )
        raise ValueError(msg)


def bootstrap(
    labels: Any,
    scores: Any,
    metric: Metric = "auc",
    *,
    by: By = "pair",
    members1: Any = None,
    members2: Any = None,
    n_resamples: int = 1000,
    method: Literal["percentile", "bca"] = "percentile",
    confidence: float = 0.95,
    seed: Any = 0,
    higher_is_better: bool = True,
) -> Interval:
    """Bootstrap interval of a metric, resampling pairs, images or identities.

    Pairs that share people are dependent, and resampling them one by one gives intervals that are
    too narrow; resample identities where they are known. With c the number of times a unit is
    drawn, a genuine pair of identity i weighs c_i (its person's draws once), an impostor pair of i
    and j weighs c_i c_j; by image a pair of two images weighs c_i c_j.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances.
    metric : 'auc', 'tar@RATE' or callable, default 'auc'
        'tar@1e-2' is TAR at FAR 0.01. A function takes (labels, scores) with the pairs repeated
        and returns a number; it knows itself which way its scores are better.
    by : {'pair', 'image', 'identity'}
        What is resampled.
    members1, members2 : array-like, shape [N]
        Image or identity of each side of each pair; not needed by pair.
    n_resamples : int, default 1000
        Number of resamples.
    method : {'percentile', 'bca'}
        BCa corrects for bias and skewness (acceleration by leaving out each unit in turn).
    confidence : float, default 0.95
        Nominal coverage.
    seed : int or numpy Generator, default 0
        The same seed gives the same interval.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    Interval
        low, high, in the units of the metric. Resamples in which the metric is undefined (a
        class missing) are set aside, up to one in twenty.

    Raises
    ------
    ValueError
        For unknown names, missing or contradictory members, or a metric undefined on the data or
        in more than one in twenty resamples.

    References
    ----------
    B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987) 171-185; R. M. Bolle et al.,
    "Error analysis of pattern recognition systems: the subsets bootstrap", CVIU 93 (2004).

    Examples
    --------
    >>> low, high = bootstrap([1, 1, 1, 0, 0, 0] * 5, [3, 4, 5, 1, 2, 3] * 5, "auc", seed=1)
    >>> bool(0.85 < low < high <= 1)
    True
    """
    _check_numbers(n_resamples, confidence)
    if method not in ("percentile", "bca"):
        msg = f"The 'method' parameter must be 'percentile' or 'bca'. Got {method!r} instead."
        raise ValueError(msg)
    genuine = read_comparisons(labels, scores, higher_is_better).genuine
    units = units_of(genuine, by, members1, members2)
    measure = _weighted_metric(metric, labels, scores, higher_is_better)
    estimate = float(measure(np.ones((1, genuine.size)))[0])
    if np.isnan(estimate):
        msg = f"The metric {metric!r} is undefined on these comparisons: no interval follows."
        raise ValueError(msg)
    draws = draws_of(units, n_resamples, seed)
    values = _defined(np.concatenate([measure(units.weights(draw)) for draw in draws]))
    levels = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if method == "bca":
        left_out = np.concatenate([measure(units.weights(draw)) for draw in _left_out(units)])
        levels = _bca_levels(estimate, values, _defined(left_out), levels)
    low, high = np.quantile(values, levels)
    return Interval(float(low), float(high))


def paired_bootstrap(
    labels: Any,
    scores_a: Any,
    scores_b: Any,
    metric: Metric = "auc",
    *,
    by: By = "pair",
    members1: Any = None,
    members2: Any = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: Any = 0,
    higher_is_better: bool = True,
) -> PairedBootstrap:
    """Compare two systems on the same pairs: both are measured on the same resamples.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores_a, scores_b : array-like, shape [N]
        Scores of the two systems, pair by pair.
    metric, by, members1, members2, n_resamples, confidence, seed, higher_is_better
        As in `bootstrap`.

    Returns
    -------
    PairedBootstrap
        difference (a - b; above 0 where a is better), low, high (percentile) and p_value.

    Raises
    ------
    ValueError
        As `bootstrap`.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An introduction to the bootstrap" (1993), chapters 8 and 15.

    Examples
    --------
    >>> paired_bootstrap([1, 0] * 9, [2, 1] * 9, [2, 1] * 9).difference
    0.0
    """
    _check_numbers(n_resamples, confidence)
    genuine = read_comparisons(labels, scores_a, higher_is_better).genuine
    units = units_of(genuine, by, members1, members2)
    one = _weighted_metric(metric, labels, scores_a, higher_is_better)
    other = _weighted_metric(metric, labels, scores_b, higher_is_better)
    whole = np.ones((1, genuine.size))
    estimate = float((one(whole) - other(whole))[0])
    if np.isnan(estimate):
        msg = f"The metric {metric!r} is undefined on these comparisons: no difference follows."
        raise ValueError(msg)
    differences = []
    for draw in draws_of(units, n_resamples, seed):
        weights = units.weights(draw)
        differences.append(one(weights) - other(weights))
    values = _defined(np.concatenate(differences))
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    # One more on either side: a finite number of resamples never proves a p value of 0.
    side = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0)) + 1
    return PairedBootstrap(
        estimate, float(low), float(high), float(min(1.0, 2 * side / (values.size + 1)))
    )
