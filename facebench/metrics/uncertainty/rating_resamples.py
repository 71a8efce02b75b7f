"""What an estimate owes to the images and people it is from: leaving out, drawing again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy

from facebench.metrics.uncertainty.correlation_influence import CORRELATION_DYADS
from facebench.metrics.uncertainty.spread import less_dyads
from facebench.types import Float64Array

__all__ = [
    "Estimate",
    "RatingEstimate",
    "RatingReplicates",
    "drawn_counts",
    "kept_counts",
    "replicated_interval",
]

_MOST_UNDEFINED = 0.05
# Correlations of 1 have no Fisher's z.
_NEARLY_ONE = 1 - 1e-12


class RatingEstimate(NamedTuple):
    """A value with its interval; NaN where not defined."""

    value: float
    low: float
    high: float


# Its older name.
Estimate = RatingEstimate


class RatingReplicates(NamedTuple):
    """The same measure on many versions of the data, for the error that one factor brings.

    Attributes
    ----------
    values : array, shape [R]
        One per version; NaN where it is not defined.
    n_units : int
        Images, people, pairs, or groups of them, that were left out one by one or drawn from.
    left_out : bool
        Whether they were left out in turn (jackknife), or drawn with replacement (bootstrap).
    dyads : array or None
        The measure without each group of pairs, which are left out with either of two images.
    """

    values: Float64Array
    n_units: int
    left_out: bool
    dyads: Float64Array | None = None


def kept_counts(n_units: int, most: int, generator: np.random.Generator) -> Float64Array:
    """Leave out each unit in turn, or each of `most` random groups where there are more.

    Returns
    -------
    array, shape [min(n_units, most), n_units]
        1 for those that stay, 0 for those left out.

    Examples
    --------
    >>> import numpy as np
    >>> kept_counts(2, 10, np.random.default_rng(0))
    array([[0., 1.],
           [1., 0.]])
    """
    if n_units <= most:
        return np.asarray(1 - np.eye(n_units))
    groups = generator.permutation(n_units) % most
    return np.asarray(groups != np.arange(most)[:, None], dtype=np.float64)


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


def replicated_interval(
    value: float,
    factors: Sequence[RatingReplicates],
    *,
    confidence: float = 0.95,
    is_correlation: bool = True,
    inflation: float = 1.0,
) -> RatingEstimate:
    """Give an estimate with Student's interval, of the errors that all factors bring together.

    The variance due to one factor of n units is (n - 1)/n Σ (v - mean)² over the n leavings-out,
    less a part of what single pairs add (`less_dyads`), or n/(n - 1) of the variance of
    bootstrapped v; those of crossed factors are added, which counts twice what is peculiar to one
    unit of each, and so is a little on the safe side. Degrees
    of freedom are n - 1, of several factors by Satterthwaite. Correlations go through Fisher's z.

    Percentiles of the bootstrapped values themselves are not an interval here: raters drawn twice
    make a mean less reliable than as many different ones, so all of them lie too low.

    Parameters
    ----------
    value : float
        The estimate itself.
    factors : sequence of RatingReplicates
        Of images, of raters, or both.
    confidence : float, default 0.95
        Nominal coverage.
    is_correlation : bool, default True
        Whether it is in [-1, 1].
    inflation : float, default 1
        The variance is multiplied by it.

    Returns
    -------
    RatingEstimate
        Bounds are NaN without factors, with fewer than two units of one, and if more than one in
        twenty of its values is not defined.

    References
    ----------
    B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981)
    586-596; H. H. Schütt et al., "Statistical inference on representational geometries", eLife 12
    (2023) e82566 (Student's t with the units' degrees of freedom; two factors); F. E.
    Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.

    Examples
    --------
    >>> import numpy as np
    >>> found = replicated_interval(
    ...     2.0, [RatingReplicates(np.array([1.5, 2.0, 2.5]), 3, True)], is_correlation=False
    ... )
    >>> [round(bound, 3) for bound in found]
    [2.0, -0.484, 4.484]
    """
    spreads = [_variance(each, is_correlation) for each in factors]
    total = sum(spreads)
    if not spreads or not np.isfinite([value, total]).all():
        return RatingEstimate(value, float("nan"), float("nan"))
    if total == 0:
        return RatingEstimate(value, value, value)
    shares = [spread**2 / (each.n_units - 1) for spread, each in zip(spreads, factors, strict=True)]
    step = scipy.special.stdtrit(total**2 / sum(shares), (1 + confidence) / 2) * np.sqrt(
        inflation * total
    )
    centre = _on_scale(value, is_correlation)
    bounds = np.array([centre - step, centre + step])
    low, high = np.tanh(bounds) if is_correlation else bounds
    return RatingEstimate(value, float(low), float(high))


def _on_scale(values: Any, is_correlation: bool) -> Any:
    return np.arctanh(np.clip(values, -_NEARLY_ONE, _NEARLY_ONE)) if is_correlation else values


def _variance(factor: RatingReplicates, is_correlation: bool) -> float:
    values = _on_scale(factor.values, is_correlation)
    defined = values[~np.isnan(values)]
    if factor.n_units < 2 or defined.size < max(2, (1 - _MOST_UNDEFINED) * values.size):
        return float("nan")
    n = factor.n_units
    if not factor.left_out:
        return float(n / (n - 1) * np.var(defined, ddof=1))
    variance = float((n - 1) * np.mean((defined - defined.mean()) ** 2))
    if factor.dyads is None or not np.isfinite(factor.dyads).all():
        return variance
    dyads = CORRELATION_DYADS * _on_scale(factor.dyads, is_correlation)
    return less_dyads(variance, float((dyads.size - 1) * dyads.var()))
