"""Ratings whose images, or pairs, have changed places: which correlations does chance give?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from facebench.metrics.correlation import correlate, standardise
from facebench.metrics.ratings.draws import RatedUnits
from facebench.metrics.rsa import permutations_of, share_as_large
from facebench.types import Float64Array, IntArray

__all__ = ["Permuted", "permute_ratings"]

_FEWEST_SHARED = 3


class Permuted(NamedTuple):
    """Permuted mean ratings, ready to be compared with the distances of many layers.

    Attributes
    ----------
    measure : str
        The measure.
    rows : array, shape [R, M]
        Ratings, standardised but for 'tau-a'; NaN in rows that share too few pairs.
    weights : array, shape [R, M] or [1, M]
        1 where a pair has a rating after the permutation, 0 elsewhere.
    places : array of int, shape [R, M], optional
        Which pairs the columns are; None for all of them in order.
    """

    measure: str
    rows: Float64Array
    weights: Float64Array
    places: IntArray | None

    def p_values(self, distances: Float64Array, statistic: float) -> tuple[float, float]:
        """Give the shares of permutations with a correlation as large, and as small."""
        values = distances if self.places is None else distances[self.places]
        if self.measure == "tau-a":
            found = correlate(values, self.rows, "tau-a", np.ones(self.rows.shape))
        elif len(self.weights) == 1 and values.ndim == 1:
            found = self.rows @ standardise(values, self.weights, self.measure)[0]
        else:
            scores = standardise(values, self.weights, self.measure)
            found = np.einsum("rn,rn->r", scores, self.rows)
        return share_as_large(statistic, found), share_as_large(-statistic, -found)


def permute_ratings(
    mean: Float64Array, units: RatedUnits, measure: str, n_permutations: int
) -> Permuted:
    """Permute the images of rated pairs, as Mantel's test does.

    Of an incomplete table each permutation is compared on the pairs that have a rating before and
    after. Where no image comes twice, pairs themselves change places: nothing ties them together.

    Parameters
    ----------
    mean : array, shape [N]
        Mean ratings, NaN where missing.
    units : RatedUnits
        The images of the pairs.
    measure : str
        The measure.
    n_permutations : int
        How many, fewer if there are not so many.

    Returns
    -------
    Permuted
    """
    rows = _moved(mean, units, n_permutations)
    shared = ~np.isnan(rows)
    most = int(shared.sum(axis=1).max(initial=0))
    places = None
    if 2 * most < mean.size:
        # Sparse tables share few pairs with their permutations: only these are kept.
        places = np.argsort(~shared, axis=1, kind="stable")[:, :most]
        rows, shared = (np.take_along_axis(each, places, axis=1) for each in (rows, shared))
    weights = shared.astype(np.float64)
    if measure != "tau-a":
        rows = standardise(rows, weights, measure) * weights
    rows[shared.sum(axis=1) < _FEWEST_SHARED] = np.nan
    # The same pairs in every permutation: distances are ranked once.
    return Permuted(
        measure, rows, weights[:1] if (weights == weights[:1]).all() else weights, places
    )


def _moved(mean: Float64Array, units: RatedUnits, n_permutations: int) -> Float64Array:
    first, second, n_images = units.first, units.second, units.n_images
    if n_images == 2 * mean.size:
        generator = np.random.default_rng(units.seed)
        return generator.permuted(np.tile(mean, (n_permutations, 1)), axis=1)
    keys = np.minimum(first, second) * n_images + np.maximum(first, second)
    # Of an image with itself there is nothing to permute.
    kept = (first != second) & ~np.isnan(mean)
    known, place = np.unique(keys[kept], return_inverse=True)
    values = np.bincount(place, weights=mean[kept]) / np.bincount(place)
    orders, _ = permutations_of(n_images, n_permutations, units.seed)
    rows = np.full((len(orders), mean.size), np.nan)
    for row, order in zip(rows, orders, strict=True):
        one, other = order[first], order[second]
        wanted = np.minimum(one, other) * n_images + np.maximum(one, other)
        found = np.minimum(np.searchsorted(known, wanted), max(known.size - 1, 0))
        there = known[found] == wanted if known.size else np.zeros(wanted.shape, dtype=bool)
        row[there] = values[found[there]]
    return rows
