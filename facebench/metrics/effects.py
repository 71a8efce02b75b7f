"""Effects: how a measure differs between conditions, on the same people, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from facebench.metrics.cells import UNKNOWN
from facebench.metrics.report import Estimate
from facebench.metrics.resamples import Interval, percentiles
from facebench.types import Float64Array

__all__ = ["Contrast", "Effect", "compared", "effect_of", "item_index"]

_TINY = 1e-9


class Contrast(NamedTuple):
    """What is compared with what.

    Attributes
    ----------
    kind : {'difference', 'interaction'}
        'difference': the mean of the conditions `first` against that of `second`. 'interaction':
        the difference between the two of `first` against the difference between the two of
        `second`.
    first, second : tuple of int
        Conditions.
    moves : tuple of tuple of int, optional
        Relabellings of all conditions that would change nothing if there were no effect, the
        first of them none. Empty: any relabelling of the conditions involved.
    """

    kind: Literal["difference", "interaction"]
    first: tuple[int, ...]
    second: tuple[int, ...]
    moves: tuple[tuple[int, ...], ...] = ()


class Effect(NamedTuple):
    """An effect with its intervals.

    Attributes
    ----------
    difference, ratio, relative : Estimate
        a - b, a / b and (a - b) / (a + b); of an interaction the difference of differences, ratio
        of ratios and difference of indices.
    undefined : str
        Why ratio or index are NaN; empty if they are not.
    """

    difference: Estimate
    ratio: Estimate
    relative: Estimate
    undefined: str


def compared(values: Float64Array, contrast: Contrast) -> tuple[Float64Array, ...]:
    """Compare conditions.

    Parameters
    ----------
    values : array, shape [..., K]
        A measure of every condition.
    contrast : Contrast
        What is compared.

    Returns
    -------
    three arrays, shape [...]
        Difference, ratio and relative index; see `Effect`. NaN where not defined.

    Examples
    --------
    >>> found = compared(np.array([0.9, 0.6]), Contrast("difference", (0,), (1,)))
    >>> [round(float(value), 9) for value in found]
    [0.3, 1.5, 0.2]
    """
    if contrast.kind == "interaction":
        one = _two(values[..., contrast.first[0]], values[..., contrast.first[1]])
        other = _two(values[..., contrast.second[0]], values[..., contrast.second[1]])
        return one[0] - other[0], _quotient(one[1], other[1]), one[2] - other[2]
    return _two(
        values[..., list(contrast.first)].mean(axis=-1),
        values[..., list(contrast.second)].mean(axis=-1),
    )


def _two(a: Float64Array, b: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    return a - b, _quotient(a, b), _quotient(a - b, a + b, np.abs(a) + np.abs(b))


def _quotient(a: Float64Array, b: Float64Array, scale: Float64Array | None = None) -> Float64Array:
    size = np.abs(a) if scale is None else scale
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(b) > _TINY * np.maximum(size, _TINY), np.divide(a, b), np.nan)


def effect_of(
    values: Float64Array,
    replicates: Float64Array,
    contrast: Contrast,
    conditions: Sequence[Estimate] | None = None,
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
    conditions : sequence of Estimate, length K, optional
        The conditions with intervals of their own. Where a condition is the same in all resamples
        but uncertain nevertheless (a share of 0 or 1), intervals of the effect are put together
        from these, as if conditions were independent: wider, not narrower, than paired ones.

    Returns
    -------
    Effect
        Ratio (index) are NaN where the interval of their denominator, b (a + b), holds zero, and
        the index also where a and b have opposite signs.

    References
    ----------
    G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27 (2008) 1693-1702, for intervals from intervals.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).normal([1.0, 0.0], 0.1, size=(500, 2))
    >>> effect = effect_of(np.array([1.0, 0.0]), drawn, Contrast("difference", (0,), (1,)))
    >>> effect.undefined
    'ratio: its denominator may be zero'
    """
    point = [float(value) for value in compared(values, contrast)]
    drawn = compared(replicates, contrast)
    reasons = {}
    for name, denominators, drawn_denominators in (
        ("ratio", *_ratio_denominators(values, replicates, contrast)),
        ("index", *_index_denominators(values, replicates, contrast)),
    ):
        for value, sample in zip(denominators, drawn_denominators, strict=True):
            low, high = percentiles(sample)
            if value == 0 or low <= 0 <= high:
                reasons[name] = f"{name}: its denominator may be zero"
    if "index" not in reasons and any(a * b < 0 for a, b in _index_sides(values, contrast)):
        reasons["index"] = "index: the conditions have opposite signs"
    intervals = [percentiles(sample) for sample in drawn]
    if conditions is not None and _hides_uncertainty(replicates, contrast, conditions):
        intervals = _put_together(point, contrast, conditions)
    found = [
        UNKNOWN if name in reasons or np.isnan(value) else Estimate(value, interval)
        for name, value, interval in zip(
            ("difference", "ratio", "index"), point, intervals, strict=True
        )
    ]
    return Effect(found[0], found[1], found[2], "; ".join(reasons.values()))


def _sides(values: Float64Array, contrast: Contrast) -> list[tuple[Any, Any]]:
    if contrast.kind == "interaction":
        return [
            (values[..., side[0]], values[..., side[1]])
            for side in (contrast.first, contrast.second)
        ]
    first, second = (
        values[..., list(side)].mean(axis=-1) for side in (contrast.first, contrast.second)
    )
    return [(first, second)]


def _index_sides(values: Float64Array, contrast: Contrast) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in _sides(values, contrast)]


def _ratio_denominators(
    values: Float64Array, replicates: Float64Array, contrast: Contrast
) -> tuple[list[Any], list[Any]]:
    found = [
        [b for _, b in _sides(numbers, contrast)]
        # A ratio of ratios also divides by the numerator of the second.
        + ([_sides(numbers, contrast)[1][0]] if contrast.kind == "interaction" else [])
        for numbers in (values, replicates)
    ]
    return found[0], found[1]


def _index_denominators(
    values: Float64Array, replicates: Float64Array, contrast: Contrast
) -> tuple[list[Any], list[Any]]:
    found = [[a + b for a, b in _sides(numbers, contrast)] for numbers in (values, replicates)]
    return found[0], found[1]


def _hides_uncertainty(
    replicates: Float64Array, contrast: Contrast, conditions: Sequence[Estimate]
) -> bool:
    return any(
        np.ptp(replicates[:, k]) == 0 and conditions[k].interval.low < conditions[k].interval.high
        for k in (*contrast.first, *contrast.second)
    )


def _put_together(
    point: Sequence[float], contrast: Contrast, conditions: Sequence[Estimate]
) -> list[Interval]:
    """Make intervals of difference, ratio and index from those of the conditions."""
    signs = dict.fromkeys(contrast.first, 1 / len(contrast.first))
    signs.update(dict.fromkeys(contrast.second, -1 / len(contrast.second)))
    if contrast.kind == "interaction":
        signs = dict(zip((*contrast.first, *contrast.second), (1, -1, -1, 1), strict=True))
    below = above = 0.0
    for k, sign in signs.items():
        value, (low, high) = conditions[k]
        down, up = (value - low, high - value) if sign > 0 else (high - value, value - low)
        below, above = below + (sign * down) ** 2, above + (sign * up) ** 2
    difference = Interval(point[0] - below**0.5, point[0] + above**0.5)
    if contrast.kind == "interaction":
        return [difference, UNKNOWN.interval, UNKNOWN.interval]
    (a_low, a_high), (b_low, b_high) = (
        np.mean([conditions[k].interval for k in side], axis=0)
        for side in (contrast.first, contrast.second)
    )
    # Shares are not negative, so the extremes are at the corners.
    corners = [_two(np.array(a), np.array(b)) for a, b in ((a_low, b_high), (a_high, b_low))]
    return [
        difference,
        *(Interval(float(corners[0][i]), float(corners[1][i])) for i in (1, 2)),
    ]


def item_index(
    first: Sequence[float] | Float64Array, second: Sequence[float] | Float64Array
) -> Float64Array:
    """Relative difference (a - b) / (a + b) of every item, NaN where a + b is next to zero.

    Parameters
    ----------
    first, second : array-like, shape [M]
        The item's value in the one and in the other condition.

    Returns
    -------
    array, shape [M]
        The mean of these is not the index of the means: it weighs items with small and large
        values alike. 'Next to zero' is below a millionth of the mean of |a| + |b|.

    Examples
    --------
    >>> item_index([3.0, 1.0, 0.0], [1.0, 1.0, 0.0])
    array([0.5, 0. , nan])
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    size = np.abs(a) + np.abs(b)
    floor = 1e-6 * np.nanmean(size) if np.isfinite(size).any() else np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(a + b) > floor, (a - b) / (a + b), np.nan)
