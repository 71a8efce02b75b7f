"""How much each pair moves a correlation: Pearson's, Spearman's and Kendall's."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.uncertainty.influence import Influence
from facebench.metrics.weighted_ranks import concordances, ranks
from facebench.types import Float64Array

__all__ = [
    "CORRELATION_DYADS",
    "kendall_influence",
    "pearson_influence",
    "spearman_influence",
    "tau_a_influence",
]

# Of few images pairs count for less, in Pearson's correlation not at all: docs/intervals.md has the
# coverage.
CORRELATION_DYADS = 0.85


def pearson_influence(x: Any, y: Any) -> Influence:
    """Influence of Pearson's correlation: (x y - r (x² + y²) / 2) / N of standardised values.

    Parameters
    ----------
    x, y : array-like, shape [N]
        Finite numbers, neither constant.

    Returns
    -------
    Influence
        Of r.

    Raises
    ------
    ValueError
        If lengths differ or a side is constant.

    References
    ----------
    S. J. Devlin, R. Gnanadesikan and J. R. Kettenring, "Robust estimation and outlier detection
    with correlation coefficients", Biometrika 62 (1975) 531-545.

    Examples
    --------
    >>> round(pearson_influence([0, 1, 2, 3], [0, 2, 1, 3]).estimate, 6)
    0.8
    """
    first, second = _two_sides(x, y)
    first = (first - first.mean()) / first.std()
    second = (second - second.mean()) / second.std()
    r = float((first * second).mean())
    values = (first * second - r * (first**2 + second**2) / 2) / first.size
    # Of few images products have long tails: docs/intervals.md has the coverage.
    return Influence(r, values, dyads=0.0)


def spearman_influence(x: Any, y: Any) -> Influence:
    """Influence of Spearman's correlation: that of Pearson's on ranks, and of the ranks themselves.

    Parameters
    ----------
    x, y
        See `pearson_influence`.

    Returns
    -------
    Influence
        Of rho (midranks for ties).

    References
    ----------
    C. Croux and C. Dehon, "Influence functions of the Spearman and Kendall correlation measures",
    Statistical Methods & Applications 19 (2010) 497-515.

    Examples
    --------
    >>> round(spearman_influence([0, 1, 2, 9], [0, 2, 1, 3]).estimate, 6)
    0.8
    """
    first, second = _two_sides(x, y)
    ranks1, ranks2 = ranks(first) - 0.5, ranks(second) - 0.5
    rho, values = pearson_influence(ranks1, ranks2)[:2]
    size = first.size
    share1, share2 = ranks1 / size, ranks2 / size
    spread1, spread2 = share1.std(), share2.std()
    centred1, centred2 = (share1 - 0.5) / spread1, (share2 - 0.5) / spread2
    # One more comparison at x lifts the ranks of all above it, and so their products.
    lifted = _mean_above(first, centred2 - rho * centred1) / spread1
    lifted += _mean_above(second, centred1 - rho * centred2) / spread2
    return Influence(rho, values + (lifted - lifted.mean()) / size, dyads=CORRELATION_DYADS)


def kendall_influence(x: Any, y: Any) -> Influence:
    """Influence of Kendall's tau-b, S / sqrt(Tx Ty), without ties tau-a.

    S is the mean over two pairs of sign(x - x') sign(y - y'), Tx and Ty the shares that differ; a
    pair moves each of them by twice its own mean's distance from them.

    Parameters
    ----------
    x, y
        See `pearson_influence`.

    Returns
    -------
    Influence
        Of tau-b.

    References
    ----------
    C. Croux and C. Dehon, "Influence functions of the Spearman and Kendall correlation measures",
    Statistical Methods & Applications 19 (2010) 497-515.

    Examples
    --------
    >>> round(kendall_influence([0, 1, 2, 9], [0, 2, 1, 3]).estimate, 6)
    0.666667
    """
    first, second = _two_sides(x, y)
    size = first.size
    agree = concordances(first, second) / size
    differ = [1 - _level_with(side) / size for side in (first, second)]
    both = np.sqrt(differ[0].mean() * differ[1].mean())
    tau = float(agree.mean() / both)
    values = 2 * (agree - agree.mean()) / both
    for share in differ:
        values -= tau * (share / share.mean() - 1)
    return Influence(tau, values / size, dyads=CORRELATION_DYADS)


def tau_a_influence(x: Any, y: Any) -> Influence:
    """Influence of Kendall's tau-a, the mean over two pairs of sign(x - x') sign(y - y').

    Parameters
    ----------
    x, y
        See `pearson_influence`.

    Returns
    -------
    Influence
        Of tau-a.

    Examples
    --------
    >>> round(tau_a_influence([0, 1, 2, 9], [0, 2, 2, 3]).estimate, 6)
    0.833333
    """
    first, second = _two_sides(x, y)
    agree = concordances(first, second) / (first.size - 1)
    tau = float(agree.mean())
    return Influence(tau, 2 * (agree - tau) / first.size, dyads=CORRELATION_DYADS)


def _level_with(positions: Float64Array) -> Float64Array:
    """Count, for each position, all that are equal to it."""
    _, inverse, counts = np.unique(positions, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse], dtype=np.float64)


def _two_sides(x: Any, y: Any) -> tuple[Float64Array, Float64Array]:
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.shape != second.shape or first.size < 2:
        msg = f"A correlation needs two sides of equal length. Got {first.size} and {second.size}."
        raise ValueError(msg)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        msg = "The correlation with a constant side is not defined."
        raise ValueError(msg)
    return first, second


def _mean_above(positions: Float64Array, values: Float64Array) -> Float64Array:
    """Return, for each position, the mean over all of value * (1 if above, 1/2 if level)."""
    levels, inverse = np.unique(positions, return_inverse=True)
    sums = np.bincount(inverse, values, levels.size)
    above = np.cumsum(sums[::-1])[::-1] - sums / 2
    return np.asarray(above[inverse] / positions.size)
