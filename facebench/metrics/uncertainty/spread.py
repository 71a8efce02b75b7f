"""Standard errors, intervals and tests from a measure without each unit (or group) in turn.

All intervals and comparisons of measures on pairs that share people are computed here. One standard
error gives the interval, the P, the equivalence test and the detectable difference, so that they
never contradict each other. docs/intervals.md has their measured coverage and size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import scipy

from facebench.metrics.uncertainty.resamples import Interval
from facebench.types import Float64Array

__all__ = [
    "FEWEST_UNITS",
    "LargestError",
    "PairedDifference",
    "Replicates",
    "Scale",
    "Spread",
    "StandardError",
    "interval",
    "jackknife_error",
    "less_dyads",
    "long_tailed",
    "max_statistic",
    "uneven_df",
]

Scale = Literal["identity", "logit", "fisher"]
_SCALES: dict[tuple[float, float], Scale] = {(0, 1): "logit", (-1, 1): "fisher"}

# Fewer units say next to nothing of a spread.
FEWEST_UNITS = 3
# Smaller errors are rounding.
_TINY = 1e-9
_POWER = 0.8
# Units whose comparisons are as unequal as at random count as equal.
_UNEVEN = 0.75
_FEWEST_DF, _FEWEST_LONG_DF = 3.0, 2.0
# Where one unit has more than seven in ten of the comparisons, three are too many.
_FEWEST_OF_ONE_DF = 2.0
# So many degrees of freedom are as good as any: the t quantile is within 1 % of the normal one.
_MANY_DF = 200
# Draws of the maximum statistic, and random numbers that they may take.
_MOST_DRAWS, _FEWEST_DRAWS, _DRAWN = 20_000, 1000, 400_000_000
_DRAWS_OF_BEST = 10_000
# Correlations of fewer groups of units say too little. Those of more are shrunk, by this over their
# number; see docs/intervals.md.
_FEWEST_CORRELATED, _SHRINKAGE = 16, 4.0
_NOTHING = Interval(float("nan"), float("nan"))


class Spread(NamedTuple):
    """The standard error of a measure, and the degrees of freedom that it has.

    Attributes
    ----------
    error : float
        NaN where there is none to be had.
    df : float
        Infinite for the normal distribution.
    """

    error: float
    df: float

    def quantile(self, level: float) -> float:
        """Give a quantile of the t distribution."""
        return float(
            scipy.special.ndtri(level)
            if np.isinf(self.df)
            else scipy.special.stdtrit(self.df, level)
        )

    def tail(self, statistic: float) -> float:
        """Give the chance of a value below the statistic."""
        return float(
            scipy.special.ndtr(statistic)
            if np.isinf(self.df)
            else scipy.special.stdtr(self.df, statistic)
        )


class PairedDifference(NamedTuple):
    """A measure of a minus that of b, on the same comparisons.

    Attributes
    ----------
    difference, low, high : float
        The difference and its interval.
    p_value : float
        Two-sided, of no difference: below .05 exactly where the 95 % interval excludes 0.
    spread : Spread
        Of the difference.
    moved : array, shape [G], or None
        The difference without each group of units, where it is by units.
    """

    difference: float
    low: float
    high: float
    p_value: float
    spread: Spread
    moved: Float64Array | None = None

    @classmethod
    def of(
        cls,
        difference: float,
        spread: Spread,
        confidence: float = 0.95,
        moved: Float64Array | None = None,
    ) -> PairedDifference:
        """Test a difference by its standard error; P is 1 where two do not differ at all."""
        error = spread.error
        if error < _TINY:
            p_value = 1.0 if abs(difference) < _TINY else 0.0
        else:
            p_value = 2 * spread.tail(-abs(difference) / error)
        step = spread.quantile((1 + confidence) / 2) * error
        return cls(difference, difference - step, difference + step, p_value, spread, moved)

    def equivalence(self, margin: float) -> float:
        """Give the P of two one-sided tests that the true difference is as large as a margin.

        Parameters
        ----------
        margin : float
            The smallest difference that would matter, above 0.

        Returns
        -------
        float
            Below .05 exactly where the 90 % interval lies within -margin and margin; NaN where
            nothing changes without any unit, so that the spread is not known.

        References
        ----------
        D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach
        for assessing the equivalence of average bioavailability", Journal of Pharmacokinetics and
        Biopharmaceutics 15 (1987) 657-680.

        Examples
        --------
        >>> made = PairedDifference.of(0.0, Spread(0.01, 9))
        >>> round(made.equivalence(0.05), 4), round(made.equivalence(0.005), 2)
        (0.0004, 0.31)
        """
        if self.spread.error < _TINY:
            return float("nan")
        return self.spread.tail((abs(self.difference) - margin) / self.spread.error)

    @property
    def detectable(self) -> float:
        """The smallest true difference that P < .05 finds in 80 % of studies like this one.

        NaN where nothing changes without any unit, so that the spread is not known.
        """
        if self.spread.error < _TINY:
            return float("nan")
        quantiles = self.spread.quantile(0.975) + self.spread.quantile(_POWER)
        return quantiles * self.spread.error


class Replicates(NamedTuple):
    """A measure, and the same without each group of units in turn.

    Attributes
    ----------
    value : float
        The measure of all comparisons.
    units : array, shape [G]
        Without the comparisons of each group of units.
    dyads : array, shape [B]
        Without each group of the pairs of two units; empty where their share of the error is kept,
        see `less_dyads`.
    df : float or None
        Degrees of freedom, if there are fewer than G - 1.
    sides : int
        Units of a comparison: 2 for pairs; 3 for triplets, which `dyads` then leaves out.
    """

    value: float
    units: Float64Array
    dyads: Float64Array = np.empty(0)
    df: float | None = None
    sides: int = 2

    @property
    def spread(self) -> Spread:
        """The standard error and its degrees of freedom."""
        error = jackknife_error(self.units, self.dyads, self.sides)
        df = self.units.size - 1.0
        return Spread(error, df if self.df is None else min(df, self.df))

    def minus(self, other: Replicates, confidence: float = 0.95) -> PairedDifference | None:
        """Compare with the same measure of another system, on the same comparisons.

        Parameters
        ----------
        other : Replicates
            Without the same groups.
        confidence : float, default 0.95
            Coverage of the interval.

        Returns
        -------
        PairedDifference or None
            By the t distribution; None where there is no error to go by.

        Examples
        --------
        >>> one = Replicates(0.5, np.array([0.4, 0.5, 0.6]))
        >>> one.minus(one).p_value
        1.0
        """
        if self.units.size != other.units.size:
            return None
        has_dyads = self.dyads.size == other.dyads.size
        known = [df for df in (self.df, other.df) if df is not None]
        with np.errstate(invalid="ignore"):
            # Ratios may be infinite.
            both = Replicates(
                self.value - other.value,
                self.units - other.units,
                self.dyads - other.dyads if has_dyads else np.empty(0),
                min(known, default=None),
                self.sides,
            )
        found = both.spread
        if np.isnan(found.error) or not np.isfinite(both.value):
            return None
        if found.error < _TINY < abs(both.value):
            return None
        return PairedDifference.of(both.value, found, confidence, both.units)

    def interval(self, scale: Scale = "identity", confidence: float = 0.95) -> Interval:
        """Make the interval of the measure, by the t distribution.

        Parameters
        ----------
        scale : {'identity', 'logit', 'fisher'}
            See `facebench.metrics.uncertainty.spread.interval`.
        confidence : float, default 0.95
            Coverage.

        Returns
        -------
        Interval
            NaN where there is no error to go by.

        Examples
        --------
        >>> low, high = Replicates(0.5, np.array([0.48, 0.5, 0.52, 0.5])).interval()
        >>> round(low, 3), round(high, 3)
        (0.422, 0.578)
        """
        error, df = self.spread
        if not error > _TINY:
            return _NOTHING
        return interval(self.value, error, scale, confidence, df)

    def interval_within(
        self, bounds: tuple[float, float] | None, confidence: float = 0.95
    ) -> Interval:
        """Make the interval of a measure that lies between bounds, on the scale that suits them.

        Parameters
        ----------
        bounds : (float, float) or None
            The logit scale is taken between 0 and 1, Fisher's z between -1 and 1.
        confidence : float, default 0.95
            Coverage.

        Examples
        --------
        >>> low, high = Replicates(0.9, np.array([0.8, 0.9, 1.0, 0.9])).interval_within((0, 1))
        >>> round(low, 3), round(high, 3)
        (0.106, 0.999)
        """
        low, high = bounds or (-np.inf, np.inf)
        ends = self.interval(_SCALES.get((low, high), "identity"), confidence)
        return Interval(*(float(min(max(end, low), high)) for end in ends))


def jackknife_error(values: Any, dyads: Any = (), sides: int = 2) -> float:
    """Give the standard error of a measure from its values without each group.

    s² = (G - 1) / G Σ (value - mean of values)², less a part of the same of `dyads`: see
    `less_dyads`. Where there are such, G / (G - 1) times this, which docs/intervals.md finds to
    hold the level down to eight units.

    Parameters
    ----------
    values : array-like, shape [G]
        The measure without each group of units.
    dyads : array-like, shape [B], optional
        The measure without each group of pairs of two units.
    sides : int, default 2
        Units of a comparison, see `less_dyads`.

    Returns
    -------
    float
        NaN with fewer than three groups, or where the measure is undefined without one.

    Examples
    --------
    >>> round(jackknife_error([1.0, 2.0, 3.0]), 6)
    1.154701
    """
    array, others = np.asarray(values, dtype=np.float64), np.asarray(dyads, dtype=np.float64)
    if array.size < FEWEST_UNITS or not np.isfinite(array).all():
        return float("nan")
    variance = float((array.size - 1) * array.var())
    if others.size > 1 and np.isfinite(others).all():
        variance = less_dyads(variance, float((others.size - 1) * others.var()), sides)
        # Units whose pairs are shared are fewer than they seem.
        variance *= array.size / (array.size - 1)
    return float(np.sqrt(variance))


def uneven_df(*counts: Any) -> float | None:
    """Give the degrees of freedom that units have who are in very different numbers of comparisons.

    A few people with most of the images decide a number, whoever else is there. Units count as
    (Σ n)² / Σ n² (Kish's effective number); of several kinds of comparisons the smallest counts.

    Parameters
    ----------
    *counts : array-like, shape [G]
        The comparisons of each unit (or group): of all, and of a unit with itself; none at all are
        passed over.

    Returns
    -------
    float or None
        One fewer than that number, but 3 or more (2 where the number is below 2: one unit has most
        of the comparisons), which docs/intervals.md finds to be enough; None where the number is
        three quarters of G or more, or more than 200.

    References
    ----------
    L. Kish, "Survey Sampling" (1965), section 8.2.

    Examples
    --------
    >>> uneven_df([5, 5, 4, 6]), uneven_df([50, 20, 3, 4, 3]), uneven_df([90, 3, 3, 4])
    (None, 3.0, 2.0)
    """
    tables = [np.asarray(one, dtype=np.float64) for one in counts]
    numbers = [float(one.sum() ** 2 / (one**2).sum()) for one in tables if one.any()]
    if not numbers or min(numbers) >= min(_UNEVEN * tables[0].size, _MANY_DF):
        return None
    fewest = _FEWEST_DF if min(numbers) >= 2 else _FEWEST_OF_ONE_DF
    return min(max(min(numbers) - 1, fewest), tables[0].size - 1.0)


def long_tailed(made: Replicates, widening: float = 1.0) -> Replicates:
    """Give replicates the degrees of freedom that their variance has if a few units make it.

    The variance of G deviations d has 2 / (Σ d⁴ / (Σ d²)² - 1 / G) degrees of freedom, matched by
    its own variance (Satterthwaite): G - 1 or so where they are normal, few where some are large.

    Parameters
    ----------
    made : Replicates
        On the scale of the interval.
    widening : float, default 1
        The standard error is multiplied by it.

    Returns
    -------
    Replicates
        With 2 degrees of freedom or more.

    References
    ----------
    F. E. Satterthwaite, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2 (1946) 110-114.

    Examples
    --------
    >>> even, one = np.linspace(0, 1, 20), np.eye(20)[0]
    >>> [round(long_tailed(Replicates(0.5, units)).spread.df, 1) for units in (even, one)]
    [19.0, 2.3]
    """
    deviations = made.units - made.units.mean()
    squares = deviations**2
    df = made.df
    if np.isfinite(squares).all() and squares.any():
        excess = float((squares**2).sum() / squares.sum() ** 2) - 1 / squares.size
        most = made.units.size - 1.0 if df is None else df
        df = most if excess <= 2 / most else max(2 / excess, _FEWEST_LONG_DF)
    return made._replace(units=made.units.mean() + widening * deviations, df=df)


def less_dyads(variance: float, of_dyads: float, sides: int = 2) -> float:
    """Take what pairs of the same two units add off a jackknife variance, as far as it is known.

    A pair of two units is left out with either, so that what is peculiar to it counts twice. Of
    that surplus d, which is at most half of the variance s², the share 2 d / s² is taken off: all
    of it where there is nothing else, hardly any where units are what varies. Taking all of it off
    makes intervals of few units too short, leaving it makes those of sparse pairs too long;
    docs/intervals.md has the coverage that this gives. What is peculiar to a triplet counts three
    times: of twice d, which is at most a third of s², the share 3 d / s² is taken off.

    Examples
    --------
    >>> less_dyads(4.0, 1.0), less_dyads(4.0, 3.0), less_dyads(6.0, 2.0, sides=3)
    (3.5, 2.0, 2.0)
    """
    if variance <= 0:
        return variance
    surplus = min(of_dyads, variance / sides)
    return variance - (sides - 1) * sides * surplus**2 / variance


class StandardError(float):
    """A standard error that keeps what `interval` goes by: the jackknife's, with t quantiles.

    Attributes
    ----------
    spread : Spread
        Of few units, error and quantiles are larger than those of the error itself.
    """

    spread: Spread

    def __new__(cls, error: float, spread: Spread) -> Self:
        """Keep the spread beside the error."""
        made = super().__new__(cls, error)
        made.spread = spread
        return made


def interval(
    estimate: float,
    error: float,
    scale: Scale = "identity",
    confidence: float = 0.95,
    df: float | None = None,
) -> Interval:
    """Make the interval of an estimate, on a scale on which it stays in range.

    Parameters
    ----------
    estimate, error : float
        The measure and its standard error.
    scale : {'identity', 'logit', 'fisher'}
        'logit' for measures in [0, 1], 'fisher' (atanh) for those in [-1, 1].
    confidence : float, default 0.95
        Coverage.
    df : float, optional
        Degrees of freedom of the t distribution; the normal distribution where infinite. By default
        what a `StandardError` has, with its correction for few units, else infinite.

    Returns
    -------
    Interval
        low, high; both the estimate where that is an end of its range.

    Examples
    --------
    >>> low, high = interval(0.9, 0.05, "logit")
    >>> round(low, 3), round(high, 3)
    (0.752, 0.964)
    """
    if df is None and isinstance(error, StandardError):
        spread = error.spread
    else:
        spread = Spread(error, np.inf if df is None else df)
    z = spread.quantile((1 + confidence) / 2) * spread.error
    if scale == "logit" and 0 < estimate < 1:
        centre, step = scipy.special.logit(estimate), z / (estimate * (1 - estimate))
        return Interval(
            float(scipy.special.expit(centre - step)), float(scipy.special.expit(centre + step))
        )
    if scale == "fisher" and -1 < estimate < 1:
        centre, step = np.arctanh(estimate), z / (1 - estimate**2)
        return Interval(float(np.tanh(centre - step)), float(np.tanh(centre + step)))
    return Interval(estimate - z, estimate + z)


def max_statistic(differences: Sequence[PairedDifference], *, seed: int = 0) -> Float64Array:
    """Adjust P for looking at many differences, such as those of all layers, by their maximum.

    P is the chance that any of them is as large, in standard errors, where none is real: of the
    largest absolute value of a multivariate t with the correlations that leaving out the same
    groups of units shows. Layers that move together cost less than by Holm's method. Correlations
    of G groups are shrunk by 4 / G, as they seem larger than they are.

    Parameters
    ----------
    differences : sequence of PairedDifference
        On the same comparisons.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    array, shape [M]
        None is below its own P. Bonferroni's where differences are not by the same groups, or there
        are fewer than 16 of these.

    References
    ----------
    P. H. Westfall and S. S. Young, "Resampling-based multiple testing" (1993); T. Hothorn, F. Bretz
    and P. Westfall, "Simultaneous inference in general parametric models", Biometrical Journal 50
    (2008) 346-363.

    Examples
    --------
    >>> one, other = (Replicates(0.5, np.sin(k * np.arange(20.0))) for k in (1, 2))
    >>> made = one._replace(value=12.0).minus(other)
    >>> adjusted = max_statistic([made] * 16)
    >>> bool(made.p_value < adjusted[0] < 16 * made.p_value)
    True
    """
    own = np.array([found.p_value for found in differences])
    tested = np.array([found.spread.error >= _TINY for found in differences], dtype=bool)
    chosen = [found for found, is_tested in zip(differences, tested, strict=True) if is_tested]
    sizes = {None if found.moved is None else found.moved.size for found in chosen}
    if not chosen:
        return own
    n_groups = min(size or 0 for size in sizes)
    if len(sizes) > 1 or n_groups < _FEWEST_CORRELATED:
        return np.asarray(np.minimum(1.0, own * len(chosen)))
    rows = np.stack(
        [found.moved - found.moved.mean() for found in chosen if found.moved is not None]
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shrinkage = _SHRINKAGE / n_groups
    rows *= np.sqrt(1 - shrinkage)
    statistics = np.array([abs(found.difference) / found.spread.error for found in chosen])
    df = min(found.spread.df for found in chosen)
    n_draws = int(np.clip(_DRAWN // rows.size, _FEWEST_DRAWS, _MOST_DRAWS))
    rng = np.random.default_rng(seed)
    largest = np.empty(n_draws)
    step = max(1, (1 << 22) // len(rows))
    for start in range(0, n_draws, step):
        drawn = rng.normal(size=(min(step, n_draws - start), rows.shape[1]))
        values = drawn @ rows.T
        values += np.sqrt(shrinkage) * rng.normal(size=values.shape)
        largest[start : start + step] = np.abs(values).max(axis=1)
    largest *= np.sqrt(df / rng.chisquare(df, n_draws))
    largest.sort()
    exceeding = n_draws - np.searchsorted(largest, statistics)
    adjusted = own.copy()
    adjusted[tested] = np.maximum(own[tested], (1 + exceeding) / (1 + n_draws))
    return adjusted


@lru_cache(maxsize=4)
def _normal_draws(n_units: int, seed: int) -> Float64Array:
    """Draw normal numbers of every unit: the same for all measures by as many units."""
    return np.random.default_rng(seed).normal(size=(_DRAWS_OF_BEST, n_units))


class LargestError:
    """How far off the best of several measures may be, as it was chosen by its own value.

    Its error is at most the largest of the errors of all, in standard errors of each: the largest
    of a multivariate t with the correlations that leaving out the same groups of units shows. A
    measure that does not change without any unit counts as one that is correlated with none.
    Errors in the other direction are not made larger by the choice.

    Parameters
    ----------
    measures : sequence of Replicates or None
        Those that were chosen from, without the same groups of units.
    df : float, default inf
        Degrees of freedom where some are not known (None) or not by the same groups: errors then
        are taken to be uncorrelated (Bonferroni).
    seed : int, default 0
        Of the draws.

    Attributes
    ----------
    n : int
        How many there are.
    by_bonferroni : bool
        Whether their correlations are not known.

    References
    ----------
    T. Hothorn, F. Bretz and P. Westfall, "Simultaneous inference in general parametric models",
    Biometrical Journal 50 (2008) 346-363.

    Examples
    --------
    >>> one = Replicates(0.6, np.array([0.59, 0.61, 0.58, 0.62]))
    >>> same, other = LargestError([one, one]), LargestError([one, None], 3)
    >>> round(same.end(0.6, 0.5), 2), round(other.end(0.6, 0.5), 2)
    (0.5, 0.47)
    >>> round(same.p_value(0.02), 2), other.p_value(0.02)
    (0.02, 0.04)
    """

    def __init__(
        self, measures: Sequence[Replicates | None], df: float = np.inf, *, seed: int = 0
    ) -> None:
        self.n = len(measures)
        known = [made for made in measures if made is not None and made.spread.error >= 0]
        self.by_bonferroni = len(known) < self.n or len({made.units.size for made in known}) > 1
        self._spread = Spread(0.0, min([made.spread.df for made in known], default=df))
        self._drawn: Float64Array = np.empty(0)
        if self.by_bonferroni:
            self._spread = Spread(0.0, min(self._spread.df, df))
            return
        rows = np.stack([made.units - made.units.mean() for made in known])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        moves = np.array([made.spread.error > _TINY for made in known], dtype=bool)
        moves &= lengths[:, 0] > 0
        if not moves.any():
            self.by_bonferroni = True
            return
        drawn = (_normal_draws(rows.shape[1], seed) @ (rows[moves] / lengths[moves]).T).max(axis=1)
        rng = np.random.default_rng([seed, 1])
        for _ in range(int((~moves).sum())):
            np.maximum(drawn, rng.normal(size=drawn.size), out=drawn)
        df = self._spread.df
        self._drawn = np.sort(drawn * np.sqrt(df / rng.chisquare(df, drawn.size)))

    def end(
        self, value: float, end: float, bounds: tuple[float, float] | None = None,
        confidence: float = 0.95,
    ) -> float:  # fmt: skip
        """Move the end of the interval of one measure to where it holds for the best of all.

        Parameters
        ----------
        value, end : float
            The measure, and the end of its own interval that the choice favours.
        bounds : (float, float), optional
            The ends of the measure. Between finite ones, the distance is stretched on the logit
            scale (that of Fisher's z between -1 and 1), and no further than Wilson's interval of a
            share of 0 or 1 would be.
        confidence : float, default 0.95
            Coverage.
        """
        level = (1 + confidence) / 2
        own = self._spread.quantile(level)
        if self.by_bonferroni:
            found = self._spread.quantile(1 - (1 - level) / self.n)
        else:
            found = float(np.quantile(self._drawn, level))
        factor = max(1.0, found / own)
        low, high = bounds or (-np.inf, np.inf)
        if not np.isfinite(high - low):
            return value + factor * (end - value)
        shares = (np.array([value, end]) - low) / (high - low)
        # Infinite at the ends, where the second step counts.
        with np.errstate(divide="ignore", invalid="ignore"):
            at_value, at_end = scipy.special.logit(np.clip(shares, 0, 1))
            step = np.fmin((factor - 1) * abs(at_end - at_value), 2 * np.log(factor))
        moved = scipy.special.expit(at_end + np.sign(end - value) * step)
        return float(low + (high - low) * moved)

    def p_value(self, own: float) -> float:
        """Give P for the best of all from the one-sided P of the same measure by itself."""
        if np.isnan(own):
            return own
        if self.by_bonferroni:
            return min(1.0, self.n * own)
        statistic = -self._spread.quantile(own)
        exceeding = self._drawn.size - int(np.searchsorted(self._drawn, statistic))
        return max(own, (1 + exceeding) / (1 + self._drawn.size))

    def two_sided(self, own: float) -> float:
        """Give the two-sided P for the best of all from that of the same measure by itself.

        It is that of a number on the side that the choice favours; others need no allowance.
        """
        return min(1.0, 2 * self.p_value(own / 2))
