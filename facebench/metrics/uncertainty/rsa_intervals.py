"""Intervals of measures of RDMs that are not defined for images drawn several times."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.noise_ceiling import mean_rating
from facebench.metrics.ratings.draws import RatedUnits
from facebench.metrics.rdm import square
from facebench.metrics.rsa import compare
from facebench.metrics.uncertainty.rating_resamples import (
    RatingEstimate,
    RatingReplicates,
    kept_counts,
    replicated_interval,
)
from facebench.types import Float64Array

__all__ = ["rdm_likeness"]


def rdm_likeness(
    distances: Any, ratings: Any, measure: str, units: RatedUnits, confidence: float = 0.95
) -> RatingEstimate:
    """Compare an RDM with the mean of people's, leaving out images or raters for its interval.

    An RDM without an image is an RDM, so that whitened measures, which need complete ones, have
    intervals too; of images drawn with replacement they are not defined.

    Parameters
    ----------
    distances : array-like, shape [P]
        An RDM.
    ratings : array-like, shape [P, K]
        One of each rater, NaN where missing.
    measure : str
        See `facebench.metrics.rsa.compare`. Images without any distance are left out.
    units : RatedUnits
        What the interval is for; by 'pair' there is none.
    confidence : float, default 0.95
        Nominal coverage.

    Returns
    -------
    RatingEstimate

    Raises
    ------
    ValueError
        As `facebench.metrics.rsa.compare`.

    Examples
    --------
    >>> from facebench.metrics.ratings.draws import RatedUnits
    >>> first, second = np.triu_indices(4, 1)
    >>> units = RatedUnits(first, second, 4, 1, "image", "jackknife", 200, 0)
    >>> people = [[1.0], [2], [3], [2], [3], [2]]
    >>> found = rdm_likeness([1, 2, 3, 1, 3, 2], people, "cosine-whitened", units)
    >>> round(found.value, 3), found.low < found.value < found.high
    (0.965, True)
    """
    given, table = square(distances), np.asarray(ratings, dtype=np.float64)
    # Images of which no distance is known are in no RDM.
    images = np.flatnonzero(np.isnan(given).sum(axis=1) < len(given) - 1)
    everybody = np.ones((1, table.shape[1]))
    mean = square(_means(table, everybody)[0])
    generator = np.random.default_rng([units.seed, 0])
    factors = []
    for factor in units.factors:
        if factor == "image":
            kept = kept_counts(images.size, units.most, generator).astype(bool)
            values = [_likeness(given, mean, images[some], measure) for some in kept]
        elif factor == "rater":
            kept = kept_counts(table.shape[1], units.most, generator)
            values = [
                _likeness(given, square(vector), images, measure) for vector in _means(table, kept)
            ]
        else:
            continue
        factors.append(RatingReplicates(np.asarray(values), len(kept), True))
    value = _likeness(given, mean, images, measure)
    return replicated_interval(value, factors, confidence=confidence)


def _means(table: Float64Array, counts: Float64Array) -> Float64Array:
    seen = ~np.isnan(table)
    total = counts @ np.where(seen, table, 0.0).T
    return mean_rating(total, counts @ seen.T.astype(np.float64))


def _likeness(one: Float64Array, other: Float64Array, images: Any, measure: str) -> float:
    above = np.triu_indices(len(images), 1)
    own, theirs = (each[np.ix_(images, images)][above] for each in (one, other))
    return float(compare(own, theirs, measure)) if own.size else float("nan")
