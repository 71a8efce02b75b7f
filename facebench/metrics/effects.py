"""Effects: how a measure differs between conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from facebench.types import Float64Array

__all__ = ["Contrast", "compared", "item_index", "sides_of", "weights_of"]

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


def sides_of(values: Float64Array, contrast: Contrast) -> list[tuple[Any, Any]]:
    """Give what is compared: a and b, or those of either pair of an interaction.

    Parameters
    ----------
    values : array, shape [..., K]
        A measure of every condition.
    contrast : Contrast
        What is compared.

    Returns
    -------
    list of (array, array), shape [...]
    """
    if contrast.kind == "interaction":
        return [
            (values[..., side[0]], values[..., side[1]])
            for side in (contrast.first, contrast.second)
        ]
    first, second = (
        values[..., list(side)].mean(axis=-1) for side in (contrast.first, contrast.second)
    )
    return [(first, second)]


def weights_of(contrast: Contrast, n_cells: int) -> Float64Array:
    """Give the weights of conditions whose sum is the difference.

    Examples
    --------
    >>> weights_of(Contrast("interaction", (0, 1), (2, 3)), 4)
    array([ 1., -1., -1.,  1.])
    """
    weights = np.zeros(n_cells)
    if contrast.kind == "interaction":
        weights[[*contrast.first, *contrast.second]] = 1, -1, -1, 1
    else:
        weights[list(contrast.first)] = 1 / len(contrast.first)
        weights[list(contrast.second)] = -1 / len(contrast.second)
    return weights


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
