"""Error consistency: whether two observers err on the same items, beyond what accuracy explains.

Two observers that are right in 90 % of trials agree in 82 % of them by chance alone. Cohen's kappa
takes that off. It is 0 for observers whose errors are independent, 1 for the same errors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.types import Float64Array

__all__ = [
    "Consistency",
    "consistencies",
    "error_consistency",
    "kappa",
    "kappa_bounds",
    "mean_between",
    "observed_bounds",
]

# Fewer shared items say nothing of kappa.
_FEWEST_SHARED = 2


class Consistency(NamedTuple):
    """How consistent the errors of two observers are.

    Attributes
    ----------
    kappa : float
        (observed - expected) / (1 - expected); NaN where both are always right, or always wrong.
    observed : float
        The share of items on which both are right, or both wrong.
    expected : float
        The share of independent observers: p1 p2 + (1 - p1) (1 - p2).
    """

    kappa: float
    observed: float
    expected: float


def kappa(observed: Any, expected: Any) -> Any:
    """Give Cohen's kappa of the observed and the expected consistency; NaN where that is 1.

    Examples
    --------
    >>> round(kappa(0.9, 0.82), 4)
    0.4444
    """
    shared, chance = np.broadcast_arrays(np.asarray(observed, float), np.asarray(expected, float))
    room = 1 - chance
    found = np.divide(shared - chance, room, out=np.full(room.shape, np.nan), where=room > 1e-12)
    return found if found.ndim else float(found)


def error_consistency(first: Any, second: Any) -> Consistency:
    """Compare the errors of two observers on the same items.

    Parameters
    ----------
    first, second : array-like of bool, shape [N]
        Whether each was right.

    Returns
    -------
    Consistency

    Raises
    ------
    ValueError
        If lengths differ, or there are no items.

    References
    ----------
    R. Geirhos, K. Meding and F. A. Wichmann, "Beyond accuracy: quantifying trial-by-trial behaviour
    of CNNs and humans by measuring error consistency", NeurIPS 33 (2020).

    Examples
    --------
    >>> found = error_consistency([1, 1, 1, 0], [1, 1, 0, 0])
    >>> found.observed, found.expected, found.kappa
    (0.75, 0.5, 0.5)
    """
    one, other = (np.asarray(side, dtype=bool) for side in (first, second))
    if one.shape != other.shape or one.ndim != 1 or not one.size:
        msg = f"Two observers need the same items, one or more. Got {one.shape} and {other.shape}."
        raise ValueError(msg)
    p1, p2 = float(one.mean()), float(other.mean())
    observed, expected = float((one == other).mean()), p1 * p2 + (1 - p1) * (1 - p2)
    return Consistency(kappa(observed, expected), observed, expected)


def observed_bounds(first: float, second: float) -> tuple[float, float]:
    """Give the smallest and the largest consistency of observers of these accuracies.

    Errors overlap least where |p1 + p2 - 1| of the items are judged alike, most where 1 - |p1 - p2|
    are.

    Examples
    --------
    >>> [round(end, 6) for end in observed_bounds(0.9, 0.8)]
    [0.7, 0.9]
    """
    return abs(first + second - 1), 1 - abs(first - second)


def kappa_bounds(first: float, second: float) -> tuple[float, float]:
    """Give the smallest and the largest kappa that observers of these accuracies can have.

    Parameters
    ----------
    first, second : float
        The accuracies p1 and p2.

    Returns
    -------
    tuple of float
        1 can only be reached where they are equal.

    Examples
    --------
    >>> [round(end, 4) for end in kappa_bounds(0.9, 0.8)]
    [-0.1538, 0.6154]
    """
    expected = first * second + (1 - first) * (1 - second)
    low, high = observed_bounds(first, second)
    return kappa(low, expected), kappa(high, expected)


def consistencies(right: Any, seen: Any, other: Any = None, other_seen: Any = None) -> Float64Array:
    """Give kappa for every two observers, each two on the items that both judged.

    Parameters
    ----------
    right, seen : array-like of bool, shape [P, N]
        Whether each observer was right, and judged the item at all.
    other, other_seen : array-like of bool, shape [Q, N], optional
        Likewise of others; None compares the observers with each other.

    Returns
    -------
    array, shape [P, Q]
        NaN where fewer than two items are shared, or kappa is not defined.

    Examples
    --------
    >>> right = [[1, 1, 1, 0], [1, 1, 0, 0]]
    >>> float(consistencies(right, np.ones((2, 4)))[0, 1])
    0.5
    """
    one = np.asarray(seen, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64) * one
    if other is None:
        two, hits2 = one, hits
    else:
        two = np.asarray(other_seen, dtype=np.float64)
        hits2 = np.asarray(other, dtype=np.float64) * two
    shared = one @ two.T
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p2 = (hits @ two.T) / shared, (one @ hits2.T) / shared
        both = (hits @ hits2.T) / shared
    observed = 1 - p1 - p2 + 2 * both
    found: Float64Array = np.asarray(kappa(observed, p1 * p2 + (1 - p1) * (1 - p2)))
    return np.where(shared >= _FEWEST_SHARED, found, np.nan)


def mean_between(table: Float64Array, kept: NDArray[np.bool_] | None = None) -> float:
    """Average kappa over every two different observers, of those kept.

    Parameters
    ----------
    table : array, shape [P, P]
        From `consistencies`.
    kept : bool array, shape [P], optional
        Which observers; None takes all.

    Returns
    -------
    float
        NaN where no two have one.
    """
    own = table if kept is None else table[np.ix_(kept, kept)]
    above = own[np.triu_indices(len(own), 1)]
    above = above[np.isfinite(above)]
    return float(above.mean()) if above.size else float("nan")
