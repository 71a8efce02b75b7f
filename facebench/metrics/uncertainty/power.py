"""How sure a study of more people, or of more photographs of each, would be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from facebench.metrics.uncertainty.effect_sizes import noncentral_below
from facebench.metrics.uncertainty.proportions import auc_score_interval
from facebench.types import Float64Array, IntArray

__all__ = ["ImageShare", "expected_error", "image_share", "power_of_t_test", "typical_half_width"]

# What an AUC is taken to be before anything is measured, and for how many independent comparisons
# of each class a person counts: widths are then between those of sparse and of all pairs of 8 to
# 100 people in the worlds of docs/intervals_numbers.py.
_TYPICAL_AUC, _PAIRS_OF_A_PERSON = 0.85, 2


class ImageShare(NamedTuple):
    """Where the variance of a measure comes from.

    Attributes
    ----------
    share : float
        Of the variance of people, the part that more photographs of each would take away, 0 to 1.
    n_images : float
        Photographs of a person.
    """

    share: float
    n_images: float


def image_share(
    influence: Float64Array, people: tuple[IntArray, IntArray], images: tuple[IntArray, IntArray]
) -> ImageShare:
    """Part the variance of a measure into that of people and that of their photographs.

    Parameters
    ----------
    influence : array, shape [N]
        How much each comparison moves the measure.
    people, images : pair of int array, shape [N]
        The person and the image of each side.

    Returns
    -------
    ImageShare
        By analysis of variance: with n people of m photographs, the variance by people is
        (B + W / m) / n and that by photographs (B + W) / (n m).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> image = np.arange(2000)
    >>> only_images = rng.normal(size=2000)
    >>> found = image_share(only_images, (image // 5, image // 5), (image, image))
    >>> found.share > 0.8, found.n_images
    (True, 5.0)
    """
    by_people, n_people = _variance(influence, people)
    by_images, n_images = _variance(influence, images)
    m = n_images / n_people
    if m <= 1 or by_people <= 0:
        return ImageShare(0.0, m)
    # Both sides scaled by n: B + W / m and B + W.
    whole, total = by_people * n_people, by_images * n_images
    within = float(np.clip((total - whole) * m / (m - 1), 0.0, whole * m))
    return ImageShare(within / m / whole, m)


def _variance(influence: Float64Array, sides: tuple[IntArray, IntArray]) -> tuple[float, int]:
    first, second = sides
    between = first != second
    used = np.unique(np.concatenate(sides)).size
    size = int(max(first.max(), second.max())) + 1
    sums = np.bincount(first, influence, size)
    sums += np.bincount(second[between], influence[between], size)
    return float((sums**2).sum()) * used / max(used - 1, 1), used


def expected_error(
    error: float, n_people: int, people: int, share: ImageShare, images: float
) -> float:
    """Give the standard error that a study of other numbers would have.

    Parameters
    ----------
    error : float
        Of the pilot.
    n_people : int
        Of the pilot.
    people, images : int, float
        Of the study: people, and photographs of each.
    share : ImageShare
        Of the pilot.

    Returns
    -------
    float

    Examples
    --------
    >>> expected_error(0.1, 10, 40, ImageShare(0.0, 5), 20)
    0.05
    """
    scale = 1 - share.share + share.share * share.n_images / images
    return float(error * np.sqrt(scale * n_people / people))


def power_of_t_test(difference: float, error: float, people: int) -> float:
    """Give the chance that a two-sided t test by person finds a difference at the .05 level.

    Parameters
    ----------
    difference : float
        The true one.
    error : float
        Its standard error.
    people : int
        How many; degrees of freedom are one less.

    Returns
    -------
    float
        NaN if the error is.

    References
    ----------
    J. Cohen, "Statistical power analysis for the behavioral sciences" (1988).

    Examples
    --------
    >>> round(power_of_t_test(0.5, 1 / 34**0.5, 34), 3)
    0.808
    """
    if not error > 0 or people < 2:
        return float("nan")
    df, shift = people - 1.0, abs(difference) / error
    quantile = float(scipy.special.stdtrit(df, 0.975))
    return noncentral_below(-quantile, df, shift) + 1 - noncentral_below(quantile, df, shift)


def typical_half_width(people: int) -> float:
    """Give half the width of the interval that an AUC of .85 of so many people typically has.

    Parameters
    ----------
    people : int
        2 or more, each with a few photographs.

    Returns
    -------
    float

    Examples
    --------
    >>> round(typical_half_width(16), 2)
    0.1
    """
    n = float(_PAIRS_OF_A_PERSON * people)
    low, high = auc_score_interval(_TYPICAL_AUC, n, n)
    return (high - low) / 2
