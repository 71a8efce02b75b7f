"""What the ratings alone have to tell in some versions of them, computed once for all layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from facebench.metrics.correlation import correlate, standardise, standardise_all
from facebench.metrics.noise_ceiling import ceilings, mean_rating, pooled_ratings
from facebench.metrics.ratings.draws import Draws
from facebench.types import Float64Array

__all__ = ["People", "people_in", "scales_differ", "with_raters"]

# Scales differ if chance gives such raters once in a thousand times, and the order of mean ratings
# depends on it.
_BY_CHANCE = 0.001
_SAME_ORDER = 0.98


class People(NamedTuple):
    """What the ratings are in some versions.

    Attributes
    ----------
    mean : array, shape [R, N] or [1, N]
        Mean ratings.
    mean_weights : array, shape [R, N]
        How often each pair with a mean counts.
    mean_targets : dict of str to array, shape [R, N]
        Each measure's standardised mean rating times `mean_weights`.
    rater_targets : list of (array of bool [N], array [R, N], array [R])
        The same of single raters, summed over those who rated the same pairs, with their number.
    lower, upper : array, shape [R]
        Noise ceilings.
    """

    mean: Float64Array
    mean_weights: Float64Array
    mean_targets: dict[str, Float64Array]
    rater_targets: list[tuple[NDArray[np.bool_], Float64Array, Float64Array]]
    lower: Float64Array
    upper: Float64Array

    @property
    def target(self) -> Float64Array:
        """The mean rating, one row [N] where all versions have the same."""
        return np.asarray(self.mean[0] if len(self.mean) == 1 else self.mean)


def people_in(
    ratings: Float64Array, averaged: Float64Array, measure: str, pool: str, draws: Draws
) -> People:
    """Compute all that ratings have to tell in some versions.

    Parameters
    ----------
    ratings : array, shape [N, K]
        NaN where missing.
    averaged : array, shape [N, K]
        The same, on the scale on which they are averaged.
    measure : str
        The measure of ceilings and single raters.
    pool : str
        How raters are averaged for ceilings.
    draws : Draws
        The versions.

    Returns
    -------
    People
    """
    weights, times = draws
    seen = ~np.isnan(ratings)
    values = np.where(seen, averaged, 0.0)
    mean = mean_rating(times @ values.T, times @ seen.T.astype(np.float64))
    rated = ~np.isnan(mean)
    mean_weights = weights if rated.all() else weights * rated
    targets = {
        name: scores * mean_weights
        for name, scores in standardise_all(
            mean[0] if len(mean) == 1 else mean, mean_weights
        ).items()
    }
    lower, upper = (
        _mean_by_count(found, times) for found in ceilings(ratings, measure, weights, times, pool)
    )
    raters = [] if measure == "tau-a" else _rater_targets(ratings, measure, draws)
    return People(mean, mean_weights, targets, raters, lower, upper)


def _rater_targets(
    ratings: Float64Array, measure: str, draws: Draws
) -> list[tuple[NDArray[np.bool_], Float64Array, Float64Array]]:
    weights, times = draws
    found = []
    patterns, pattern_of = np.unique(~np.isnan(ratings), axis=1, return_inverse=True)
    for index, pattern in enumerate(patterns.T):
        own = weights if pattern.all() else weights * pattern
        total, number = np.zeros(weights.shape), np.zeros(len(weights))
        for rater in np.flatnonzero(pattern_of == index):
            scores = standardise(ratings[:, rater], own, measure) * own
            often = np.where(np.isnan(scores).any(axis=1), 0.0, times[:, rater])
            total += np.nan_to_num(scores) * often[:, None]
            number += often
        found.append((pattern, total, number))
    return found


def scales_differ(ratings: Float64Array) -> bool:
    """Tell whether mean ratings depend on who rated which pair.

    Parameters
    ----------
    ratings : array, shape [N, K]
        NaN where missing.

    Returns
    -------
    bool
        True where raters rated different pairs, their means of the same pairs differ (F test of
        the raters beside the pairs; of all ratings where no pair has two raters), and mean ratings
        rank pairs otherwise (Spearman below 0.98) once each rater's are standardised.
    """
    seen = ~np.isnan(ratings)
    if seen.all() or ratings.shape[1] < 2:
        return False
    counts = seen.sum(axis=1)
    twice = counts > 1
    table = ratings
    if twice.any():
        table = ratings[twice] - np.nanmean(ratings[twice], axis=1, keepdims=True)
    used = ~np.isnan(table)
    each = used.sum(axis=0)
    means = np.divide(np.nansum(table, axis=0), each, out=np.zeros(each.shape), where=each > 0)
    between, within = (each * means**2).sum(), np.nansum((table - means) ** 2)
    freedom = int((each > 0).sum()) - 1
    rest = int(each.sum()) - freedom - (int(twice.sum()) if twice.any() else 1)
    if not twice.any():
        between -= each.sum() * (np.nansum(table) / each.sum()) ** 2
    if (
        freedom < 1
        or rest < 1
        or scipy.special.fdtrc(
            freedom, rest, between / freedom * rest / max(within, np.finfo(float).tiny)
        )
        > _BY_CHANCE
    ):
        return False
    raw, scaled = (np.nanmean(pooled_ratings(ratings, pool), axis=1) for pool in ("mean", "zscore"))
    return bool(correlate(raw, scaled, "spearman") < _SAME_ORDER)


def with_raters(
    distances: Float64Array,
    ratings: Float64Array,
    measure: str,
    draws: Draws,
    people: People,
    known: Float64Array | None = None,
) -> Float64Array:
    """Average the correlations of distances with single raters, version by version.

    Parameters
    ----------
    distances : array, shape [N]
        A layer's distances.
    ratings : array, shape [N, K]
        NaN where missing.
    measure : str
        The measure.
    draws, people : Draws, People
        The versions, and what `people_in` says of them.
    known : array, shape [R, N], optional
        The distances standardised over all pairs, if that is done already.

    Returns
    -------
    array, shape [R]
    """
    weights, times = draws
    if measure == "tau-a":
        columns = [correlate(distances, column, "tau-a", weights) for column in ratings.T]
        return _mean_by_count(np.stack(columns, axis=1), times)
    total, number = np.zeros(len(weights)), np.zeros(len(weights))
    for pattern, targets, often in people.rater_targets:
        if known is not None and pattern.all():
            scores = known
        else:
            scores = standardise(distances, weights * pattern, measure)
        total += np.where(often > 0, np.einsum("rn,rn->r", scores, targets), 0.0)
        number += often
    return _divided(total, number)


def _mean_by_count(values: Float64Array, times: Float64Array) -> Float64Array:
    """Average over raters, each as often as it counts, without those that are not defined."""
    often = np.where(np.isnan(values), 0.0, times)
    return _divided((np.nan_to_num(values) * often).sum(axis=1), often.sum(axis=1))


def _divided(total: Float64Array, number: Float64Array) -> Float64Array:
    return np.asarray(np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0))
