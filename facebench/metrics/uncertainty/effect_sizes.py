"""Standardised sizes of effects, with intervals that agree with the effect's own."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy

from facebench.metrics.uncertainty.effect_intervals import ZeroTest
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.verification_report import Estimate
from facebench.types import Float64Array

__all__ = ["StandardisedEffect", "noncentral_below", "small_sample", "standardised"]

_NOTHING = Estimate(float("nan"), Interval(float("nan"), float("nan")))


class StandardisedEffect(NamedTuple):
    """The size of an effect in standard deviations of people.

    Attributes
    ----------
    name : str
        'dz' where the same people are in all conditions, "Hedges' g" where they are others.
    size : Estimate
        dz, or g.
    common_language : Estimate
        The chance that the measure is larger in the first condition: for a person drawn at random
        (dz), or for one of the first condition against one of the second (g).
    """

    name: str
    size: Estimate
    common_language: Estimate


def standardised(test: ZeroTest, parts: tuple[float, ...], sizes: list[int]) -> StandardisedEffect:
    """Standardise an effect by the spread between people.

    Parameters
    ----------
    test : ZeroTest
        Of the difference.
    parts : tuple of float
        The squared standard error that each stratum of people adds.
    sizes : list of int
        People in each stratum, one or two.

    Returns
    -------
    StandardisedEffect
        dz = t / sqrt(n), which is the mean difference over its standard deviation where each
        person has one value per condition. g = J (a - b) / sqrt((s_a² + s_b²) / 2), with the
        standard deviations of both kinds of people, which need not be equal. Intervals are by the
        noncentral t distribution; common language takes people as normally distributed. NaN where
        people do not differ.

    References
    ----------
    D. Lakens, "Calculating and reporting effect sizes to facilitate cumulative science", Frontiers
    in Psychology 4 (2013) 863; M. Delacre et al., "Why Hedges's g*s based on the non-pooled
    standard deviation should be reported with Welch's t-test" (2021); K. O. McGraw and S. P. Wong,
    "A common language effect size statistic", Psychological Bulletin 111 (1992) 361-365.

    Examples
    --------
    >>> from facebench.metrics.uncertainty.stratified_jackknife import Error
    >>> test = ZeroTest(Estimate(2.0, Interval(0.5, 3.5)), 0.01, 3.0, Error(2 / 3, 8))
    >>> found = standardised(test, (4 / 9,), [9])
    >>> found.name, round(found.size.value, 6)
    ('dz', 1.0)
    """
    n = np.asarray(sizes, dtype=np.float64)
    variances = np.asarray(parts) * n
    name = "dz" if n.size == 1 else "Hedges' g"
    if not np.isfinite(test.statistic) or not variances.sum() > 0:
        return StandardisedEffect(name, _NOTHING, _NOTHING)
    # From the noncentrality to the difference in standard deviations of people.
    scale = float((sum(parts) / variances.mean()) ** 0.5)
    ends = np.array([test.statistic, *_noncentrality(test.statistic, test.error.df)]) * scale
    chances = scipy.special.ndtr(ends if n.size == 1 else ends / 2**0.5)
    if n.size == 2:
        weights = variances**2 / (n - 1)
        # The estimate is biased; the ends are not, as they come from the distribution of t.
        ends[0] *= small_sample(float(variances.sum() ** 2 / weights.sum()))
    return StandardisedEffect(name, _estimate(ends), _estimate(chances))


def _estimate(ends: Float64Array) -> Estimate:
    value, low, high = map(float, ends)
    return Estimate(value, Interval(low, high))


def small_sample(df: float) -> float:
    """Hedges' correction J."""
    return float(
        np.exp(scipy.special.gammaln(df / 2) - scipy.special.gammaln((df - 1) / 2))
        / (df / 2) ** 0.5
    )


def noncentral_below(statistic: float, df: float, shift: float) -> float:
    """Give the chance that a noncentral t variable is below a statistic.

    P(T <= t) is the mean of P(Z <= t s - shift) over s, the root of chi-square / df. SciPy's own
    function is NaN in its tails.

    Examples
    --------
    >>> round(noncentral_below(0.0, 9, 1.0), 6)
    0.158655
    """
    nodes, weights = _quadrature()
    spread = np.sqrt(2 * scipy.special.gammaincinv(df / 2, nodes) / df)
    return float(weights @ scipy.special.ndtr(statistic * spread - shift))


@cache
def _quadrature() -> tuple[Float64Array, Float64Array]:
    """Give nodes and weights of Gauss and Legendre between 0 and 1."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    return (nodes + 1) / 2, weights / 2


def _noncentrality(statistic: float, df: float) -> tuple[float, float]:
    """Give the 95 % interval of the noncentrality of a t statistic."""
    from scipy.optimize import brentq

    reach = 10 + 10 * abs(statistic)

    def end(level: float) -> float:
        return float(
            brentq(
                lambda shift: noncentral_below(statistic, df, shift) - level,
                statistic - reach,
                statistic + reach,
                xtol=1e-6,
            )
        )

    return end(0.975), end(0.025)
