"""Correlations of many weightings of the same pairs at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.resamples import Weightings
from facebench.types import Float64Array

__all__ = ["pearson_replicates", "spearman_replicates"]


def pearson_replicates(
    x: Float64Array, y: Float64Array, drawn: Weightings, usable: NDArray[np.bool_] | None = None
) -> Float64Array:
    """Pearson correlation under each weighting, each pair counted as often as it is drawn.

    Parameters
    ----------
    x, y : array, shape [N]
        Finite numbers.
    drawn : Weightings
        Of the same pairs.
    usable : array of bool, shape [N], optional
        Pairs that count at all.

    Returns
    -------
    array, shape [R]
        NaN where x or y do not vary.

    Examples
    --------
    >>> from facebench.metrics.resamples import Resamples
    >>> x = np.arange(20.0)
    >>> float(pearson_replicates(x, 2 * x, Resamples([1] * 20, n_resamples=9)).min().round(6))
    1.0
    """
    counted = np.ones(x.size, dtype=bool) if usable is None else usable
    parts = []
    for weights in drawn.weights():
        weighted = weights.astype(np.float64) * counted[:, None]
        parts.append(_correlation(x[:, None], y[:, None], weighted))
    return np.concatenate(parts)


def spearman_replicates(
    x: Float64Array, y: Float64Array, drawn: Weightings, usable: NDArray[np.bool_] | None = None
) -> Float64Array:
    """Spearman correlation under each weighting: Pearson's of the midranks in that weighting.

    Parameters
    ----------
    x, y, drawn, usable
        See `pearson_replicates`.

    Returns
    -------
    array, shape [R]

    Examples
    --------
    >>> from facebench.metrics.resamples import Resamples
    >>> x = np.arange(20.0)
    >>> found = spearman_replicates(x, np.exp(x), Resamples([1] * 20, n_resamples=9))
    >>> float(found.min().round(6))
    1.0
    """
    counted = np.ones(x.size, dtype=bool) if usable is None else usable
    parts = []
    for weights in drawn.weights():
        weighted = weights.astype(np.float64) * counted[:, None]
        parts.append(_correlation(_midranks(x, weighted), _midranks(y, weighted), weighted))
    return np.concatenate(parts)


def _midranks(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Rank values, each as often as its weight says; ties share the mean of their ranks."""
    distinct, place = np.unique(values, return_inverse=True)
    counts = np.zeros((distinct.size, weights.shape[1]))
    np.add.at(counts, place, weights)
    ranks = np.cumsum(counts, axis=0) - (counts - 1) / 2
    return np.asarray(ranks[place])


def _correlation(x: Float64Array, y: Float64Array, weights: Float64Array) -> Float64Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        total = weights.sum(axis=0)
        from_mean = [side - (weights * side).sum(axis=0) / total for side in (x, y)]
        products = (weights * from_mean[0] * from_mean[1]).sum(axis=0)
        squares = [(weights * side**2).sum(axis=0) for side in from_mean]
        scale = [(weights * side**2).sum(axis=0) for side in (x, y)]
        # Equal values leave squares of rounding errors.
        varies = (squares[0] > 1e-20 * scale[0]) & (squares[1] > 1e-20 * scale[1])
        found = products / np.sqrt(squares[0] * squares[1])
    return np.where(varies, np.clip(found, -1, 1), np.nan)
