"""Drawing images and raters with replacement, and what follows for pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.types import Float64Array, IntArray

__all__ = ["drawn_counts", "pair_weights", "percentile_interval"]

_MOST_UNDEFINED = 0.05


def drawn_counts(n_units: int, n_resamples: int, generator: np.random.Generator) -> Float64Array:
    """Draw n units out of n with replacement, many times.

    Returns
    -------
    array, shape [R, n_units]
        How often each is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> drawn_counts(4, 3, np.random.default_rng(0)).sum(axis=1)
    array([4., 4., 4.])
    """
    if n_units == 0:
        return np.zeros((n_resamples, 0))
    return generator.multinomial(n_units, np.full(n_units, 1 / n_units), n_resamples).astype(float)


def pair_weights(first: IntArray, second: IntArray, counts: Float64Array) -> Float64Array:
    """Tell how often each pair occurs among images drawn with replacement.

    A pair of images i and j occurs c_i c_j times. Two copies of one image make no pair: their
    distance of 0 is no finding. A pair that is of one image in the table itself occurs c_i times.

    Parameters
    ----------
    first, second : array of int, shape [N]
        The images of each pair.
    counts : array, shape [R, n_images]
        How often each image is drawn.

    Returns
    -------
    array, shape [R, N]

    Examples
    --------
    >>> import numpy as np
    >>> pair_weights(np.array([0, 0]), np.array([1, 2]), np.array([[2.0, 1.0, 0.0]]))
    array([[2., 0.]])
    """
    return np.where(first == second, 1.0, counts[:, second]) * counts[:, first]


def percentile_interval(values: Any, confidence: float = 0.95) -> tuple[float, float]:
    """Give the percentile interval of bootstrapped values.

    Parameters
    ----------
    values : array, shape [R]
        One per resample; NaN where it is not defined.
    confidence : float, default 0.95
        Nominal coverage.

    Returns
    -------
    low, high : float
        NaN if more than one in twenty of the values is not defined.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An introduction to the bootstrap" (1993), chapter 13.

    Examples
    --------
    >>> percentile_interval([float(value) for value in range(101)], 0.5)
    (25.0, 75.0)
    """
    numbers = np.asarray(values, dtype=np.float64)
    defined = numbers[~np.isnan(numbers)]
    if not defined.size or defined.size < (1 - _MOST_UNDEFINED) * numbers.size:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
