"""Intervals of means over choices among three images, which share images."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from facebench.metrics.uncertainty.influence import Scale, interval
from facebench.metrics.uncertainty.rating_resamples import RatingEstimate
from facebench.types import Float64Array, IntArray

__all__ = ["choice_estimate"]


def choice_estimate(
    value: float,
    influences: Any,
    images: Any,
    *,
    by: str = "image",
    confidence: float = 0.95,
    scale: Scale = "identity",
    long_tails: bool = False,
) -> RatingEstimate:
    """Give a measure of choices with Student's interval that knows which share images.

    By 'image' the variance is that of the jackknife over images, less twice that by triplet: what
    is peculiar to a choice goes with each of its three images, and would count three times. It is
    never below a third of the jackknife's nor below that by triplet, for which only choices about
    the same three images depend on each other; times n / (n - 1) of n images. With long tails,
    nothing is taken off.

    Parameters
    ----------
    value : float
        The measure.
    influences : array-like, shape [N]
        What each choice moves it by, such as (v - mean)/N for a mean.
    images : array-like of int, shape [N, 3]
        The three images of each choice, in any order.
    by : {'image', 'triplet'}
        What the interval is for: new images, or new triplets of these.
    confidence : float, default 0.95
        Nominal coverage.
    scale : {'identity', 'logit', 'fisher'}
        See `facebench.metrics.uncertainty.influence.interval`.
    long_tails : bool, default False
        Whether few choices may decide the measure, as of a log likelihood.

    Returns
    -------
    RatingEstimate
        Bounds are NaN with fewer than four images, by 'triplet' with fewer than two triplets.

    References
    ----------
    B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981)
    586-596; docs/intervals.md has the coverage.

    Examples
    --------
    >>> found = choice_estimate(
    ...     0.5, [0.2, -0.2, 0.1, -0.1], [[0, 1, 2], [1, 2, 3], [2, 3, 4], [0, 3, 4]]
    ... )
    >>> [round(bound, 3) for bound in found]
    [0.5, -1.461, 2.461]
    """
    moved = np.asarray(influences, dtype=np.float64)
    members = np.sort(np.asarray(images, dtype=np.intp), axis=1)
    triplets, triplet = np.unique(members, axis=0, return_inverse=True)
    images_of = np.unique(members, return_inverse=True)[1].reshape(members.shape)
    n_images = int(images_of.max(initial=-1)) + 1
    n_units, fewest = (n_images, 4) if by == "image" else (len(triplets), 2)
    if n_units < fewest or np.isnan(moved).any():
        return RatingEstimate(value, float("nan"), float("nan"))
    sums = np.bincount(triplet.ravel(), moved)
    variance = by_triplet = float((sums**2).sum()) * len(triplets) / max(len(triplets) - 1, 1)
    if by == "image":
        whole = _left_out(moved, images_of)
        taken = 0.0 if long_tails else 2 * by_triplet
        variance = max(whole - taken, whole / 3, by_triplet)
        # As where pairs link people, see `jackknife_error`.
        variance *= n_images / (n_images - 1)
    level = (1 + confidence) / 2
    widened = (
        np.sqrt(variance) * scipy.special.stdtrit(n_units - 1, level) / scipy.special.ndtri(level)
    )
    return RatingEstimate(value, *interval(value, float(widened), scale, confidence))


def _left_out(moved: Float64Array, images: IntArray) -> float:
    """Give the jackknife's variance over images."""
    n_images = int(images.max()) + 1
    lost = np.bincount(images.ravel(), np.repeat(moved, 3), n_images)
    share = np.bincount(images.ravel(), minlength=n_images) / len(moved)
    # An image that is in every choice leaves none: it has nothing to be compared with.
    values = (moved.sum() - lost) / np.where(share < 1, 1 - share, np.nan)
    return float((n_images - 1) * np.nanvar(values))
