"""How far groups differ: intervals that hold where groups are equal, and a test that they are.

Differences between the rates of groups are never negative, so resamples of equal groups all differ,
and their percentiles leave out the truth. Here an interval holds all sizes of the differences under
which a difference as observed is not unusual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.groups import fairness_replicates
from facebench.metrics.uncertainty.resamples import Interval
from facebench.types import Float64Array, IntArray

__all__ = ["GroupRate", "equality_p", "fairness_intervals", "pseudo_values"]

# A little below .025: few errors make the drawn tables coarse.
_TAIL = 0.02
# Times the differences as observed, on the logarithmic scale.
_SIZES = np.concatenate((np.arange(0, 1.5, 0.125), np.geomspace(1.5, 12, 12)))
_FEWEST = 2


class GroupRate(NamedTuple):
    """An error rate of some groups, and how much each person counts for it.

    Attributes
    ----------
    values : array, shape [G]
        The rate of each group.
    people : list of array, length G
        The pseudo-values of each group's people: their mean is the rate, and their variance over
        their number that of the rate.
    totals : array, shape [G]
        The number of comparisons of each group.
    """

    values: Float64Array
    people: list[Float64Array]
    totals: Float64Array

    @property
    def sizes(self) -> IntArray:
        """The number of people of each group."""
        return np.array([own.size for own in self.people])

    def effective(self) -> Float64Array:
        """Count the independent comparisons per group that would tell as much, at most all.

        The variance per person, relative to that of a share, is taken from all groups together.
        """
        free = self.sizes - 1
        binomial = self.values * (1 - self.values)
        seen = sum(own.var() * own.size for own in self.people)
        expected = float((free * binomial).sum())
        if expected <= 0 or seen <= 0:
            return np.minimum(self.totals, self.sizes)
        return np.clip(self.sizes * expected / float(seen), 1.0, self.totals)


def pseudo_values(is_error: NDArray[np.bool_], first: IntArray, second: IntArray) -> Float64Array:
    """Give how much each person counts for an error rate: m rate - (m - 1) rate without them.

    Parameters
    ----------
    is_error : bool array, shape [N]
        The comparisons of one group and class.
    first, second : int array, shape [N]
        The person of each side.

    Returns
    -------
    array, shape [m]
        All equal to the rate where it is not defined without one of them.

    Examples
    --------
    >>> people = np.array([0, 1, 2, 2])
    >>> pseudo_values(np.array([True, False, False, True]), people, people)
    array([0.83333333, 0.16666667, 0.5       ])
    """
    people, index = np.unique(np.concatenate((first, second)), return_inverse=True)
    one, other = np.split(index, 2)
    between = one != other
    errors, counts = (
        np.bincount(one, column, people.size)
        + np.bincount(other[between], column[between], people.size)
        for column in (is_error.astype(np.float64), np.ones(is_error.size))
    )
    rate = float(is_error.mean())
    left = is_error.size - counts
    if people.size < _FEWEST or (left == 0).any():
        return np.full(people.size, rate)
    without = (is_error.sum() - errors) / left
    return np.asarray(people.size * rate - (people.size - 1) * without)


def equality_p(rates: list[GroupRate], *, n_permutations: int = 1000, seed: int = 0) -> float:
    """Test whether all groups have the same rates, by permuting people among groups.

    Parameters
    ----------
    rates : list of GroupRate
        One rate, or several whose statistics are added.
    n_permutations : int, default 1000
        Random permutations.
    seed : int, default 0
        Of these.

    Returns
    -------
    float
        P, exact where people of all groups are exchangeable, otherwise studentised: the statistic
        is Welch's, Σ n_g / s_g² (rate_g - their weighted mean)², with s_g² drawn towards the
        variance of all by two degrees of freedom. NaN where a group has fewer than two people.

    References
    ----------
    E. Chung and J. P. Romano, "Exact and asymptotically robust permutation tests", Annals of
    Statistics 41 (2013) 484-507; A. Janssen, "Studentized permutation tests for non-i.i.d.
    hypotheses and the generalized Behrens-Fisher problem", Statistics & Probability Letters 36
    (1997) 9-21.

    Examples
    --------
    >>> people = [np.array([0.0, 0.1, 0.0, 0.1]), np.array([0.9, 1.0, 1.0, 0.9])]
    >>> rate = GroupRate(np.array([0.05, 0.95]), people, np.array([40.0, 40.0]))
    >>> equality_p([rate]) < 0.05
    True
    """
    if any(rate.sizes.min() < _FEWEST for rate in rates):
        return float("nan")
    observed, permuted = 0.0, np.zeros(n_permutations)
    for number, rate in enumerate(rates):
        pooled = np.concatenate(rate.people)
        rng = np.random.default_rng([seed, number])
        drawn = rng.permuted(np.broadcast_to(pooled, (n_permutations, pooled.size)), axis=1)
        observed += float(_welch(pooled[None], rate.sizes)[0])
        permuted += _welch(drawn, rate.sizes)
    extreme = permuted >= observed * (1 - 1e-9) - 1e-12
    return float((1 + np.count_nonzero(extreme)) / (1 + n_permutations))


def _welch(people: Float64Array, sizes: IntArray) -> Float64Array:
    """Give the studentised distance between groups, for each row."""
    pooled = people.var(axis=1, ddof=1)
    parts = np.split(people, np.cumsum(sizes)[:-1], axis=1)
    means = np.stack([part.mean(axis=1) for part in parts], axis=1)
    own = np.stack([((part - part.mean(axis=1)[:, None]) ** 2).sum(axis=1) for part in parts], 1)
    spread = (own + 2 * pooled[:, None]) / (sizes + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = sizes / spread
        centre = (weights * means).sum(axis=1) / weights.sum(axis=1)
        found = (weights * (means - centre[:, None]) ** 2).sum(axis=1)
    return np.where(pooled > 0, found, 0.0)


def fairness_intervals(
    fmr: GroupRate,
    fnmr: GroupRate,
    p_values: Mapping[str, float],
    *,
    n_draws: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Give the measures of `fairness_replicates` their 95 % intervals.

    Groups are imagined with the same mean rates and the same differences on the logarithmic scale,
    times 0 (equal groups) to 12. The interval holds those sizes under which more than 2 % of drawn
    tables differ as much as observed, and more than 2 % as little. Rates are drawn as shares of the
    effective number of comparisons, whose own uncertainty is counted.

    Parameters
    ----------
    fmr, fnmr : GroupRate
        The rates of the same groups.
    p_values : mapping of str to float
        By measure, P of equal groups (`equality_p`): the interval reaches equality exactly where it
        is .05 or more. NaN leaves this to the interval.
    n_draws : int, default 1000
        Tables drawn for each size.
    seed : int, default 0
        Of these.

    Returns
    -------
    dict of str to Interval
        Infinite above for the ratios where a group has no error. NaN where no group has one.

    References
    ----------
    C. J. Lloyd and M. V. Moldovan, "Exact one-sided confidence limits for the difference between
    two correlated proportions", Statistics in Medicine 26 (2007) 3369-3384, on intervals by
    inverting tests; P. Hall, "The bootstrap and Edgeworth expansion" (1992), chapter 3.
    """
    rng = np.random.default_rng(seed)
    families = [_family(rate) for rate in (fmr, fnmr)]
    # [sizes, groups] of imagined rates, and [sizes, draws, groups] of drawn ones.
    drawn = [
        _drawn(rates, rate, n_draws, rng) for rates, rate in zip(families, (fmr, fnmr), strict=True)
    ]
    flat = [sample.reshape(-1, sample.shape[-1]) for sample in drawn]
    counts = [rate.effective() for rate in (fmr, fnmr)]
    smooth = [_smoothed(sample, own) for sample, own in zip(flat, counts, strict=True)]
    imagined = fairness_replicates(families[0], families[1])
    # FDR and GARBE are of the rates as they are; ratios need rates above zero.
    plain = fairness_replicates(flat[0], flat[1])
    above_zero = fairness_replicates(smooth[0], smooth[1])
    observed = fairness_replicates(fmr.values[None], fnmr.values[None])
    own = [
        _smoothed(rate.values, count)[None] for rate, count in zip((fmr, fnmr), counts, strict=True)
    ]
    observed_above = fairness_replicates(own[0], own[1])
    found = {}
    for name, truth in imagined.items():
        is_ratio = "/" in name
        sample = (above_zero if is_ratio else plain)[name].reshape(_SIZES.size, n_draws)
        value = float((observed_above if is_ratio else observed)[name][0])
        rate = {"fmr": fmr, "fnm": fnmr}.get(name[:3])
        if rate is not None and not rate.values.any():
            found[name] = Interval(float("nan"), float("nan"))
            continue
        is_less = name == "fdr"
        # Groups that are equal but for rounding.
        truth[0] = float(is_less or is_ratio)
        low, high = _inverted(sample, value, truth, p_values[name], is_less)
        if rate is not None and rate.values.min() == 0:
            high = np.inf
        ends = sorted((low, high))
        at = float(observed[name][0])
        found[name] = Interval(min(ends[0], at), max(ends[1], at))
    return found


def _family(rate: GroupRate) -> Float64Array:
    """Give rates with differences of every size."""
    own = rate.effective()
    smooth = np.log(_smoothed(rate.values, own))
    mean = float(np.average(rate.values, weights=own))
    mean = (mean * own.sum() + 0.5) / (own.sum() + 1)
    centred = smooth - smooth.mean()
    if np.ptp(centred) < 0.1:
        # No direction to go by: one group above and one below.
        centred = np.zeros(smooth.size)
        centred[np.argmax(smooth)], centred[np.argmin(smooth - np.arange(smooth.size))] = (
            0.05,
            -0.05,
        )
    grown = np.exp(_SIZES[:, None] * centred)
    scale = mean / (grown * own).sum(axis=1) * own.sum()
    return np.asarray(np.minimum(grown * scale[:, None], 1.0))


def _smoothed(rates: Float64Array, counts: Float64Array) -> Float64Array:
    """Add half an error, so that logarithms are finite."""
    return (rates * counts + 0.5) / (counts + 1)


def _drawn(
    rates: Float64Array, rate: GroupRate, n_draws: int, rng: np.random.Generator
) -> Float64Array:
    """Draw tables of rates."""
    free = float((rate.sizes - 1).sum())
    # The effective number is itself an estimate.
    factor = rng.chisquare(free, n_draws) / free
    counts = np.clip(np.rint(rate.effective() * factor[:, None]), 1, rate.totals).astype(np.int64)
    return np.asarray(rng.binomial(counts, rates[:, None, :]) / counts)


def _inverted(
    sample: Float64Array, value: float, truth: Float64Array, p_equal: float, is_less: bool
) -> tuple[float, float]:
    """Find the imagined values at which the observed one is just not unusual."""
    sign = -1.0 if is_less else 1.0
    slack = 1e-12
    as_much = (sign * sample >= sign * value - slack).mean(axis=1)
    as_little = (sign * sample <= sign * value + slack).mean(axis=1)
    low, high = _crossing(as_much, truth), _crossing(as_little[::-1], truth[::-1])
    if p_equal >= 0.05:
        low = float(truth[0])
    elif p_equal < 0.05 and low == truth[0]:
        # The interval leaves out equality, as the test does.
        low = float(truth[0] + (truth[1] - truth[0]) / 100)
    return low, max(low, high, key=lambda end: sign * end)


def _crossing(shares: Float64Array, truth: Float64Array) -> float:
    """Interpolate the first value at which a share is above the tail."""
    inside = np.flatnonzero(shares > _TAIL)
    k = int(inside[0]) if inside.size else truth.size - 1
    if k == 0 or not inside.size:
        return float(truth[k])
    part = (_TAIL - shares[k - 1]) / (shares[k] - shares[k - 1])
    return float(truth[k - 1] + part * (truth[k] - truth[k - 1]))
