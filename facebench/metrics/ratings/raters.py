"""What the ratings alone have to tell in some versions of them, computed once for all layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.correlation import correlate, standardise, standardise_all
from facebench.metrics.noise_ceiling import ceilings, mean_rating
from facebench.metrics.ratings.draws import Draws
from facebench.types import Float64Array

__all__ = ["People", "people_in", "with_raters"]


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


def people_in(ratings: Float64Array, measure: str, draws: Draws) -> People:
    """Compute all that ratings have to tell in some versions.

    Parameters
    ----------
    ratings : array, shape [N, K]
        NaN where missing.
    measure : str
        The measure of ceilings and single raters.
    draws : Draws
        The versions.

    Returns
    -------
    People
    """
    weights, times = draws
    seen = ~np.isnan(ratings)
    values = np.where(seen, ratings, 0.0)
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
        _mean_by_count(found, times) for found in ceilings(ratings, measure, weights, times)
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
