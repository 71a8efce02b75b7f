"""Effects with intervals, P and sizes: one standard error by person, so that they always agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import scipy

from facebench.metrics.conditions import ConditionEstimate
from facebench.metrics.effects import Contrast, compared, sides_of, weights_of
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.stratified_jackknife import Error, StratifiedJackknife
from facebench.metrics.verification_report import UNKNOWN, Estimate
from facebench.types import Float64Array

__all__ = ["ConditionValues", "Effect", "ZeroTest", "effect_of", "tested"]

_NO_ERROR = "interval: not defined without one of the people (images), or fewer than three of them"


class ConditionValues(NamedTuple):
    """The conditions of one layer, or of two networks one after the other.

    Attributes
    ----------
    values : array, shape [K]
        A measure of every condition.
    replicates : array, shape [units, K]
        The same without each unit.
    estimates : sequence of ConditionEstimate, length K
        The conditions with intervals of their own. What few errors make these wider than the
        jackknife does is added to the intervals of the effect, as if it were independent from
        condition to condition.
    jackknife : StratifiedJackknife
        Of the same comparisons.
    is_signed : bool
        Whether the measure may be negative, as d' and correlations.
    """

    values: Float64Array
    replicates: Float64Array
    estimates: Sequence[ConditionEstimate]
    jackknife: StratifiedJackknife
    is_signed: bool = True


class ZeroTest(NamedTuple):
    """A number with its interval, and the test that it is zero.

    Attributes
    ----------
    estimate : Estimate
        The number.
    p_value : float
        Two-sided, by the t distribution; below .05 exactly where the interval excludes zero.
    statistic : float
        The number by its standard error.
    error : Error
        Standard error and degrees of freedom by the jackknife alone.
    """

    estimate: Estimate
    p_value: float
    statistic: float
    error: Error


class Effect(NamedTuple):
    """An effect with its intervals.

    Attributes
    ----------
    test : ZeroTest
        Of a - b; of an interaction the difference of differences.
    ratio, relative : Estimate
        a / b and (a - b) / (a + b); of an interaction the ratio of ratios and the difference of
        indices.
    undefined : str
        Why ratio, index or intervals are NaN; empty if they are not.
    """

    test: ZeroTest
    ratio: Estimate
    relative: Estimate
    undefined: str


def tested(conditions: ConditionValues, weights: Float64Array) -> ZeroTest:
    """Test whether a weighted sum of conditions is zero.

    Parameters
    ----------
    conditions : ConditionValues
        What is summed.
    weights : array, shape [K]
        0 leaves a condition out.

    Returns
    -------
    ZeroTest
        NaN if one of the conditions is undefined. Where all units show the very same difference, P
        is 1 for none, else 2 ** (1 - n), what n units that all agree give in a sign test.
    """
    used = np.flatnonzero(weights)
    value = float(conditions.values[used] @ weights[used])
    error = conditions.jackknife.error(conditions.replicates[:, used] @ weights[used])
    if np.isnan(value) or np.isnan(error.standard):
        return ZeroTest(Estimate(value, UNKNOWN.interval), np.nan, np.nan, error)
    below, above = _hidden([float(step @ weights) for step in _hidden_steps(conditions, used)])
    interval = Interval(
        value - float(np.hypot(error.step, below)), value + float(np.hypot(error.step, above))
    )
    towards_zero = (value - interval.low if value > 0 else interval.high - value) / error.quantile
    if towards_zero == 0:
        p_value = 1.0 if value == 0 else 2.0 ** (1 - conditions.jackknife.n_resamples)
        return ZeroTest(Estimate(value, interval), p_value, np.nan, error)
    statistic = value / towards_zero
    p_value = float(2 * scipy.special.stdtr(error.df, -abs(statistic)))
    return ZeroTest(Estimate(value, interval), p_value, statistic, error)


def effect_of(conditions: ConditionValues, contrast: Contrast) -> Effect:
    """Give an effect its intervals, and refuse quotients whose denominator may be zero.

    Parameters
    ----------
    conditions : ConditionValues
        Of one layer.
    contrast : Contrast
        What is compared.

    Returns
    -------
    Effect
        Ratio (index) are NaN where the interval of their denominator, b (a + b), holds zero; the
        index also where a and b have opposite signs or, if the measure may be negative, the
        interval of one of them holds zero: it then goes beyond 1. Intervals of ratio and index are
        Fieller's: they hold 1 and 0 exactly where that of the difference holds 0. Those of an
        interaction are of its logarithm, and of the difference of indices.

    References
    ----------
    E. C. Fieller, "Some problems in interval estimation", Journal of the Royal Statistical Society
    B 16 (1954) 175-185; G. Y. Zou and A. Donner, "Construction of confidence limits about effect
    measures: a general approach", Statistics in Medicine 27 (2008) 1693-1702, for what conditions'
    own intervals add.

    Examples
    --------
    >>> people, cell = np.tile(np.arange(4), 2), np.repeat([0, 1], 4)
    >>> jackknife = StratifiedJackknife(people, people, cell)
    >>> left_out = np.array([[1.1, 0.55], [0.9, 0.45], [1.05, 0.5], [0.95, 0.5]])
    >>> conditions = ConditionValues(left_out.mean(axis=0), left_out, [], jackknife, False)
    >>> effect = effect_of(conditions, Contrast("difference", (0,), (1,)))
    >>> round(effect.ratio.value, 6), effect.test.p_value < 0.05, effect.ratio.interval.low > 1
    (2.0, True, True)
    """
    weights = weights_of(contrast, conditions.values.size)
    test = tested(conditions, weights)
    if np.isnan(test.error.standard):
        undefined = "" if np.isnan(test.estimate.value) else _NO_ERROR
        return Effect(test, UNKNOWN, UNKNOWN, undefined)
    point = [float(number) for number in compared(conditions.values, contrast)]
    reasons = _refusals(conditions, contrast)
    if contrast.kind == "interaction":
        quotients = [_log_ratio(conditions, contrast, point[1])]
        quotients.append(_moved(conditions, contrast, point[2]))
    else:
        # First and second side, and their sum.
        first = np.where(weights > 0, weights, 0.0)
        second = np.where(weights < 0, -weights, 0.0)
        lowest = (-np.inf, -np.inf) if conditions.is_signed else (0.0, -1.0)
        highest = (np.inf, np.inf) if conditions.is_signed else (np.inf, 1.0)
        quotients = [
            _fieller(conditions, *sides, test.error.quantile, low, high)
            for sides, low, high in zip(
                ((first, second), (first - second, first + second)), lowest, highest, strict=True
            )
        ]
    found = []
    for name, value, interval in zip(("ratio", "index"), point[1:], quotients, strict=True):
        if name not in reasons and np.isnan(interval.low):
            reasons[name] = f"{name}: its denominator may be zero"
        refused = name in reasons or np.isnan(value)
        found.append(UNKNOWN if refused else Estimate(value, interval))
    return Effect(test, found[0], found[1], "; ".join(reasons.values()))


def _refusals(conditions: ConditionValues, contrast: Contrast) -> dict[str, str]:
    """Say why there is no ratio or index."""
    reasons = {}
    values, left_out = (
        sides_of(numbers, contrast) for numbers in (conditions.values, conditions.replicates)
    )

    def may_be_zero(value: float, replicates: Float64Array) -> bool:
        return abs(value) <= conditions.jackknife.error(replicates).step

    pairs = list(zip(values, left_out, strict=True))
    denominators = [(b, drawn[1]) for (_, b), drawn in pairs]
    if contrast.kind == "interaction":
        # A ratio of ratios also divides by the numerator of the second.
        denominators.append((values[1][0], left_out[1][0]))
    if any(may_be_zero(float(value), drawn) for value, drawn in denominators):
        reasons["ratio"] = "ratio: its denominator may be zero"
    if any(may_be_zero(float(a + b), drawn[0] + drawn[1]) for (a, b), drawn in pairs):
        reasons["index"] = "index: its denominator may be zero"
    elif any(a * b < 0 for a, b in values):
        reasons["index"] = "index: the conditions have opposite signs"
    # A share may be zero, but not below.
    elif conditions.is_signed and any(
        may_be_zero(float(value), drawn)
        for sides, both in pairs
        for value, drawn in zip(sides, both, strict=True)
    ):
        reasons["index"] = "index: a condition may be zero"
    return reasons


def _fieller(
    conditions: ConditionValues,
    above: Float64Array,
    below: Float64Array,
    quantile: float,
    lowest: float,
    highest: float,
) -> Interval:
    """Give the interval of the quotient of two weighted sums of conditions."""
    both = np.stack((above, below), axis=1)
    used = np.flatnonzero(both.any(axis=1))
    numerator, denominator = conditions.values[used] @ both[used]
    shown = conditions.jackknife.covariances(conditions.replicates[:, used] @ both[used]).sum(
        axis=0
    )
    steps = np.array(_hidden_steps(conditions, used)).reshape(-1, conditions.values.size)
    ends = []
    for sign in (-1, 1):
        # What is hidden counts where it moves the quotient towards this end.
        moved = steps @ both
        towards = sign * (moved[:, 0] * denominator - moved[:, 1] * numerator) > 0
        spread = shown * quantile**2 + moved[towards].T @ moved[towards]
        a = denominator**2 - spread[1, 1]
        b = numerator * denominator - spread[0, 1]
        c = numerator**2 - spread[0, 0]
        if a <= 0:
            return UNKNOWN.interval
        ends.append((b + sign * np.sqrt(max(b * b - a * c, 0.0))) / a)
    return Interval(float(np.clip(ends[0], lowest, highest)), float(min(ends[1], highest)))


def _moved(conditions: ConditionValues, contrast: Contrast, value: float) -> Interval:
    """Give the interval of a difference of indices."""
    step = conditions.jackknife.error(compared(conditions.replicates, contrast)[2]).step
    used = np.array([*contrast.first, *contrast.second])
    with np.errstate(invalid="ignore", divide="ignore"):
        hidden = [
            float(compared(conditions.values + moved, contrast)[2]) - value
            for moved in _hidden_steps(conditions, used)
        ]
    below, above = _hidden(hidden)
    return Interval(value - float(np.hypot(step, below)), value + float(np.hypot(step, above)))


def _log_ratio(conditions: ConditionValues, contrast: Contrast, value: float) -> Interval:
    """Give the interval of a ratio of ratios, by its logarithm."""
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(compared(conditions.replicates, contrast)[1])
        step = conditions.jackknife.error(logs).step
        used = np.array([*contrast.first, *contrast.second])
        hidden = [
            float(np.log(compared(conditions.values + moved, contrast)[1] / value))
            for moved in _hidden_steps(conditions, used)
        ]
        below, above = _hidden(hidden)
        return Interval(
            value * float(np.exp(-np.hypot(step, below))),
            value * float(np.exp(np.hypot(step, above))),
        )


def _hidden_steps(conditions: ConditionValues, used: Iterable[int]) -> list[Float64Array]:
    """Say how far each condition may be off, down or up, beyond what the jackknife shows."""
    steps: list[Float64Array] = []
    replicates = conditions.replicates
    used = [] if not len(conditions.estimates) else [int(k) for k in used]
    for k in used:
        value, interval, shown, few_errors = conditions.estimates[k]
        if not few_errors or (
            any(
                np.array_equal(replicates[:, k], replicates[:, other])
                for other in used
                if other != k
            )
            and np.ptp(replicates[:, k])
        ):
            # The same comparisons in both: what is hidden is the same, too.
            continue
        for sign, own, seen in (
            (-1, value - interval.low, value - shown.low),
            (1, interval.high - value, shown.high - value),
        ):
            hidden = own**2 - max(seen, 0.0) ** 2
            if hidden > 0:
                step = np.zeros(conditions.values.size)
                step[k] = sign * hidden**0.5
                steps.append(step)
    return steps


def _hidden(moved: Sequence[float]) -> tuple[float, float]:
    changes = np.asarray(moved, dtype=np.float64)
    return float(np.linalg.norm(np.fmin(changes, 0))), float(np.linalg.norm(np.fmax(changes, 0)))
