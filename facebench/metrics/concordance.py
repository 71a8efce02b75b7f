"""Concordant and discordant comparisons, also without some of the pairs."""

from __future__ import annotations

import numpy as np

from facebench.types import Float64Array, IntArray

__all__ = ["concordance_by_pair", "left_out_concordance"]

_FEWEST_IN_BLOCK = 256


def concordance_by_pair(first: Float64Array, second: Float64Array) -> IntArray:
    """Count for each element its concordant minus its discordant comparisons with all others.

    Parameters
    ----------
    first, second : array, shape [N]
        Numbers, none missing.

    Returns
    -------
    array of int, shape [N]
        Σ_j sign(x_i - x_j) sign(y_i - y_j).

    Examples
    --------
    >>> import numpy as np
    >>> concordance_by_pair(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]))
    array([2, 0, 0])
    """
    x, y = (np.unique(side, return_inverse=True)[1] for side in (first, second))
    less, more = zip(*(_less_and_more(side) for side in (x, y)), strict=True)
    both = x * (y.max(initial=0) + 1) + y
    tied_less, tied_more = zip(
        *(_less_and_more(both if side is x else y * (x.max(initial=0) + 1) + x, side)
          for side in (x, y)),
        strict=True,
    )  # fmt: skip
    low_low = _dominated(x, y)
    low_high = less[0] - low_low - tied_less[1]
    high_low = less[1] - low_low - tied_less[0]
    high_high = more[0] - high_low - tied_more[1]
    return np.asarray(low_low + high_high - low_high - high_low, dtype=np.intp)


def _less_and_more(keys: IntArray, groups: IntArray | None = None) -> tuple[IntArray, IntArray]:
    """Count the smaller and the larger keys, of all or of those in the same group."""
    ordered = np.sort(keys)
    low, high = (np.searchsorted(ordered, keys, side) for side in ("left", "right"))
    if groups is None:
        return low, keys.size - high
    # Keys of one group stand together, so what is before the group is taken off.
    among = np.sort(groups)
    start, end = (np.searchsorted(among, groups, side) for side in ("left", "right"))
    return low - start, end - high


def _dominated(x: IntArray, y: IntArray) -> IntArray:
    """Count for each element those smaller on both sides."""
    # Of equal x the larger y comes first, so that none of them stands before one it is below.
    order = np.lexsort((-y, x))
    ranks = y[order]
    found = np.empty(ranks.size, dtype=np.intp)
    step = max(_FEWEST_IN_BLOCK, 4 * int(ranks.size**0.5))
    earlier = np.triu(np.ones((step, step), dtype=bool), 1)
    before = ranks[:0]
    for start in range(0, ranks.size, step):
        block = ranks[start : start + step]
        within = (block[:, None] < block) & earlier[: block.size, : block.size]
        found[start : start + step] = np.searchsorted(before, block) + within.sum(axis=0)
        before = np.sort(np.concatenate([before, block]), kind="stable")
    counts = np.empty_like(found)
    counts[order] = found
    return counts


def left_out_concordance(
    first: Float64Array, second: Float64Array, is_out: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Count concordant minus discordant comparisons, and all, without some of the elements.

    From the whole, what each element left out has with all is taken off, and what those left out
    have with each other is added again: little work where few are left out.

    Parameters
    ----------
    first, second : array, shape [N]
        Numbers, none missing.
    is_out : array of bool, shape [R, N]
        Which are left out; a row per version.

    Returns
    -------
    difference, total : array, shape [R]
        As `facebench.metrics.weighted_ranks.concordance` with weights of 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> left_out_concordance(np.arange(3), np.array([0, 2, 1]), np.array([[False, True, False]]))
    (array([1.]), array([1.]))
    """
    by_pair = concordance_by_pair(first, second)
    x, y = (np.unique(side, return_inverse=True)[1] for side in (first, second))
    whole = by_pair.sum() / 2
    difference = np.empty(len(is_out))
    kept = first.size - is_out.sum(axis=1)
    for row, out in enumerate(is_out):
        places = np.flatnonzero(out)
        own = _signs(x[places]) * _signs(y[places])
        difference[row] = whole - by_pair[places].sum() + own.sum(dtype=np.intp) / 2
    return difference, kept * (kept - 1) / 2


def _signs(ranks: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    below = ranks[:, None] < ranks
    return np.subtract(below.view(np.int8), below.T.view(np.int8))
