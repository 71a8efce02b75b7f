"""Effects with intervals and errors, from resamples of people in all conditions at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from facebench.metrics.conditions import UNKNOWN, ConditionEstimate
from facebench.metrics.effects import Contrast, compared, sides_of
from facebench.metrics.uncertainty.resamples import Interval, percentiles
from facebench.metrics.verification_report import Estimate
from facebench.types import Float64Array

__all__ = ["Effect", "effect_of", "weighted_difference"]


class Effect(NamedTuple):
    """An effect with its intervals.

    Attributes
    ----------
    difference, ratio, relative : Estimate
        a - b, a / b and (a - b) / (a + b); of an interaction the difference of differences, ratio
        of ratios and difference of indices.
    error : float
        Standard error of the difference.
    undefined : str
        Why ratio, index or intervals are NaN; empty if they are not.
    """

    difference: Estimate
    ratio: Estimate
    relative: Estimate
    error: float
    undefined: str


def effect_of(
    values: Float64Array,
    replicates: Float64Array,
    contrast: Contrast,
    conditions: Sequence[ConditionEstimate] | None = None,
    n_units: int | None = None,
) -> Effect:
    """Give an effect its intervals, and refuse quotients whose denominator may be zero.

    Parameters
    ----------
    values : array, shape [K]
        A measure of every condition.
    replicates : array, shape [R, K]
        The same on resamples.
    contrast : Contrast
        What is compared.
    conditions : sequence of ConditionEstimate, length K, optional
        The conditions with intervals of their own. What these are wider than resamples would make
        them (a share next to 0 or 1) is added to the intervals of the effect, as if it were
        independent from condition to condition.
    n_units : int, optional
        How many people (images) were drawn from; see `percentiles`.

    Returns
    -------
    Effect
        Ratio (index) are NaN where the interval of their denominator, b (a + b), holds zero; the
        index also where that of a or b does, or they have opposite signs: it then goes beyond 1.

    References
    ----------
    G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27 (2008) 1693-1702, for intervals from intervals.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).normal([1.0, 0.0], 0.1, size=(500, 2))
    >>> effect = effect_of(np.array([1.0, 0.0]), drawn, Contrast("difference", (0,), (1,)))
    >>> effect.undefined
    'ratio: its denominator may be zero; index: a condition may be zero'
    """
    point = np.array([float(value) for value in compared(values, contrast)])
    drawn = compared(replicates, contrast)
    reasons = _refusals(values, replicates, contrast, n_units)
    steps = _hidden_steps(replicates, sorted({*contrast.first, *contrast.second}), conditions)
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = [np.array(compared(values + step, contrast)) - point for step in steps]
    found = []
    for k, name in enumerate(("difference", "ratio", "index")):
        if name in reasons or np.isnan(point[k]):
            found.append(UNKNOWN)
            continue
        interval = _widened(float(point[k]), drawn[k], [float(m[k]) for m in moved], n_units)
        if np.isnan(interval.low):
            reasons["interval"] = "interval: undefined in more than one resample in twenty"
        found.append(Estimate(float(point[k]), interval))
    error = _error(drawn[0], [float(m[0]) for m in moved], n_units)
    return Effect(found[0], found[1], found[2], error, "; ".join(reasons.values()))


def weighted_difference(
    values: Float64Array,
    replicates: Float64Array,
    weights: Float64Array,
    conditions: Sequence[ConditionEstimate],
    n_units: int | None = None,
) -> tuple[Estimate, float]:
    """Give a weighted sum of conditions its interval and standard error, as `effect_of` does.

    Parameters
    ----------
    values, replicates, conditions, n_units
        See `effect_of`.
    weights : array, shape [K]
        Of the conditions; 0 leaves one out.

    Returns
    -------
    Estimate
        NaN if one of the conditions is undefined.
    float
        Its standard error.
    """
    used = np.flatnonzero(weights)
    value = float(values[used] @ weights[used])
    if np.isnan(value):
        return UNKNOWN, float("nan")
    drawn = replicates[:, used] @ weights[used]
    moved = [
        float(step[used] @ weights[used])
        for step in _hidden_steps(replicates, used.tolist(), conditions)
    ]
    return Estimate(value, _widened(value, drawn, moved, n_units)), _error(drawn, moved, n_units)


def _refusals(
    values: Float64Array, replicates: Float64Array, contrast: Contrast, n_units: int | None
) -> dict[str, str]:
    """Say why there is no ratio or index."""
    reasons = {}
    for name, denominators, drawn_denominators in (
        ("ratio", *_ratio_denominators(values, replicates, contrast)),
        ("index", *_index_denominators(values, replicates, contrast)),
    ):
        for value, sample in zip(denominators, drawn_denominators, strict=True):
            low, high = percentiles(sample, n_units=n_units)
            if value == 0 or low <= 0 <= high:
                reasons[name] = f"{name}: its denominator may be zero"
    if "index" in reasons:
        return reasons
    if any(a * b < 0 for a, b in _index_sides(values, contrast)):
        reasons["index"] = "index: the conditions have opposite signs"
    # A share may be zero, but not below.
    elif any(
        low < 0 < high
        for sides in sides_of(replicates, contrast)
        for low, high in (percentiles(side, n_units=n_units) for side in sides)
    ):
        reasons["index"] = "index: a condition may be zero"
    return reasons


def _drawn_interval(value: float, sample: Float64Array, n_units: int | None) -> Interval:
    if not np.isnan(value) and _is_constant(sample):
        # Undefined resamples do not matter where the others agree.
        return Interval(value, value)
    return percentiles(sample, n_units=n_units)


def _is_constant(sample: Float64Array) -> bool:
    defined = sample[~np.isnan(sample)]
    return bool(defined.size and np.ptp(defined) == 0)


def _hidden_steps(
    replicates: Float64Array,
    involved: Sequence[int],
    conditions: Sequence[ConditionEstimate] | None,
) -> list[Float64Array]:
    """Say how far each condition may be off, down or up, beyond what resamples show."""
    if conditions is None:
        return []
    steps: list[Float64Array] = []
    for k in involved:
        value, interval, drawn = conditions[k]
        if _is_constant(replicates[:, k]):
            drawn = Interval(value, value)
        elif any(
            np.array_equal(replicates[:, k], replicates[:, other], equal_nan=True)
            for other in involved
            if other != k
        ):
            # The same comparisons in both: what is hidden is the same, too.
            continue
        for sign, own, shown in (
            (-1, value - interval.low, value - drawn.low),
            (1, interval.high - value, drawn.high - value),
        ):
            hidden = own**2 - max(shown, 0.0) ** 2
            if hidden > 0:
                step = np.zeros(replicates.shape[1])
                step[k] = sign * hidden**0.5
                steps.append(step)
    return steps


def _widened(
    value: float, sample: Float64Array, moved: Sequence[float], n_units: int | None
) -> Interval:
    """Add to the interval that resamples show what they hide."""
    low, high = _drawn_interval(value, sample, n_units)
    below, above = _hidden(moved)
    return Interval(
        float(np.minimum(low, value - np.hypot(np.maximum(value - low, 0), below))),
        float(np.maximum(high, value + np.hypot(np.maximum(high - value, 0), above))),
    )


def _hidden(moved: Sequence[float]) -> tuple[float, float]:
    changes = np.asarray(moved, dtype=np.float64)
    return float(np.linalg.norm(np.fmin(changes, 0))), float(np.linalg.norm(np.fmax(changes, 0)))


def _error(sample: Float64Array, moved: Sequence[float], n_units: int | None) -> float:
    defined = sample[~np.isnan(sample)]
    if defined.size < 0.95 * sample.size and not _is_constant(sample):
        return float("nan")
    few = n_units / (n_units - 1) if n_units is not None and n_units > 1 else 1.0
    # Ends of intervals are two standard errors off.
    return float(np.hypot(defined.std() * few**0.5, max(_hidden(moved)) / ndtri(0.975)))


def _index_sides(values: Float64Array, contrast: Contrast) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in sides_of(values, contrast)]


def _ratio_denominators(
    values: Float64Array, replicates: Float64Array, contrast: Contrast
) -> tuple[list[Any], list[Any]]:
    found = [
        [b for _, b in sides_of(numbers, contrast)]
        # A ratio of ratios also divides by the numerator of the second.
        + ([sides_of(numbers, contrast)[1][0]] if contrast.kind == "interaction" else [])
        for numbers in (values, replicates)
    ]
    return found[0], found[1]


def _index_denominators(
    values: Float64Array, replicates: Float64Array, contrast: Contrast
) -> tuple[list[Any], list[Any]]:
    found = [[a + b for a, b in sides_of(numbers, contrast)] for numbers in (values, replicates)]
    return found[0], found[1]
