"""Ranks and discordances of weighted numbers, for many weightings of the same numbers at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.concordance import left_out_concordance
from facebench.types import Float64Array, IntArray

__all__ = ["concordance", "concordances", "ranks", "weighted_ranks"]

# Pairs x resamples per call: small enough for the cache.
_CHUNK = 1 << 18
# Comparisons among those left out, per element of the table, up to which leaving out is faster.
_FEW = 64


def ranks(values: Any) -> Any:
    """Mid-ranks of numbers, as `scipy.stats.rankdata` gives them.

    Parameters
    ----------
    values : array, shape [N]
        Numbers, none missing.

    Returns
    -------
    array, shape [N]
        Ranks from 1; equal numbers share the mean of theirs.

    Examples
    --------
    >>> import numpy as np
    >>> ranks(np.array([7.0, 5.0, 7.0]))
    array([2.5, 1. , 2.5])
    """
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[group], dtype=np.float64)


def weighted_ranks(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Mid-ranks of numbers of which each occurs as often as its weight says.

    The rank of v is the sum of the weights below v, plus half of one more than the sum at v.

    Parameters
    ----------
    values : array, shape [N] or [R, N]
        Numbers, none missing.
    weights : array, shape [R, N]
        How often each occurs; a row per weighting.

    Returns
    -------
    array, shape [R, N]
        Ranks, those of weight 0 included (where they would stand).

    Examples
    --------
    >>> import numpy as np
    >>> weighted_ranks(np.array([7.0, 5.0, 7.0]), np.array([[1.0, 1, 1], [2, 0, 1]]))
    array([[2.5, 1. , 2.5],
           [2. , 0.5, 2. ]])
    """
    if values.ndim == 1:
        return _common_ranks(values, weights)
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    drawn = np.take_along_axis(weights, order, axis=1)
    ends = np.cumsum(drawn, axis=1)
    is_first = np.diff(ordered, axis=1, prepend=np.nan) != 0
    is_last = np.roll(is_first, -1, axis=1)
    # Sums only grow along a row, so the nearest start and end of a group are the extremes.
    below = np.maximum.accumulate(np.where(is_first, ends - drawn, -np.inf), axis=1)
    upto = np.minimum.accumulate(np.where(is_last, ends, np.inf)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty_like(ends)
    np.put_along_axis(ranks, order, (below + upto + 1) / 2, axis=1)
    return ranks


def _common_ranks(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Rank numbers that are the same for all weightings."""
    group = np.unique(values, return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    ranks = np.empty_like(weights)
    step = max(1, _CHUNK // max(1, values.size))
    for start in range(0, len(weights), step):
        # A column per weighting, so that taking rows in another order copies whole lines.
        drawn = weights[start : start + step].T[order]
        if starts.size < values.size:
            drawn = np.add.reduceat(drawn, starts, axis=0)
        ends = np.cumsum(drawn, axis=0)
        ranks[start : start + step] = (ends - drawn / 2 + 0.5)[group].T
    return ranks


def concordance(
    first: Float64Array, second: Float64Array, weights: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Count weighted concordant minus discordant comparisons, and all comparisons.

    Knight's merge sort, whose order is the same for all weightings: O(N log N) for each. Where
    weights only leave a few out, what these have to do with the others is taken off the whole.

    Parameters
    ----------
    first, second : array, shape [N]
        Numbers, none missing.
    weights : array, shape [R, N]
        A row per weighting.

    Returns
    -------
    difference, total : array, shape [R]
        Σ w_i w_j sign(x_i - x_j) sign(y_i - y_j) and Σ w_i w_j, over i < j.

    References
    ----------
    W. R. Knight, "A computer method for calculating Kendall's tau with ungrouped data", JASA 61
    (1966) 436-439.

    Examples
    --------
    >>> import numpy as np
    >>> once_and_twice = np.array([[1.0, 1, 1], [1, 2, 1]])
    >>> concordance(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), once_and_twice)
    (array([1., 1.]), array([3., 5.]))
    """
    is_out = weights == 0
    if (is_out | (weights == 1)).all() and (is_out.sum(axis=1) ** 2).sum() <= _FEW * is_out.size:
        return left_out_concordance(first, second, is_out)
    rank1 = np.unique(first, return_inverse=True)[1]
    rank2 = np.unique(second, return_inverse=True)[1]
    order = np.lexsort((rank2, rank1))
    rank1, rank2 = rank1[order], rank2[order]
    joint = rank1 * (rank2.max(initial=0) + 1) + rank2
    merges = _merges(rank2)
    drawn = np.ascontiguousarray(weights[:, order].T)
    difference, total = np.empty(len(weights)), np.empty(len(weights))
    step = max(1, _CHUNK // max(1, first.size))
    for start in range(0, len(weights), step):
        chunk = slice(start, start + step)
        part = drawn[:, chunk]
        whole = part.sum(axis=0) ** 2
        tied = [_squares(part, ranks) for ranks in (rank1, rank2, joint)]
        discordant = sum((_discordant(part, *merge) for merge in merges), np.zeros(part.shape[1]))
        difference[chunk] = (whole - tied[0] - tied[1] + tied[2]) / 2 - 2 * discordant
        total[chunk] = (whole - (part**2).sum(axis=0)) / 2
    return difference, total


def concordances(first: Float64Array, second: Float64Array) -> Float64Array:
    """Count, for every pair of numbers, the others it is concordant minus discordant with.

    The merges of a merge sort by `first`: in each, a number meets all those of the other half of
    its block, sorted by `second`.

    Parameters
    ----------
    first, second : array, shape [N]
        Numbers, none missing.

    Returns
    -------
    array, shape [N]
        Σ_j sign(x_i - x_j) sign(y_i - y_j).

    Examples
    --------
    >>> import numpy as np
    >>> concordances(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]))
    array([2., 0., 0.])
    """
    size = first.size
    rank1 = np.unique(first, return_inverse=True)[1]
    rank2 = np.unique(second, return_inverse=True)[1]
    order = np.lexsort((rank2, rank1))
    rank1, rank2 = rank1[order], rank2[order]
    span = int(rank2.max(initial=0)) + 1
    # Level in x does not count, but is met as if it rose: sorted, one is above the other or level.
    joint = rank1 * span + rank2
    found = np.bincount(joint)[joint] - np.bincount(rank1)[rank1].astype(np.float64)
    places = np.arange(size)
    rows, width = places, 1
    while width < size:
        # Halves are sorted already, which a stable sort makes use of.
        keys = rows // (2 * width) * span + rank2[rows]
        merged = np.argsort(keys, kind="stable")
        rows, keys = rows[merged], keys[merged]
        is_right = rows // width % 2 == 1
        rights = np.concatenate(([0], np.cumsum(is_right)))
        begin = places // (2 * width) * (2 * width)
        end = np.minimum(begin + 2 * width, size)
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        level = np.repeat(np.arange(starts.size), np.diff(starts, append=size))
        low, high = starts[level], np.append(starts[1:], size)[level]
        right = (rights[low] - rights[begin]) - (rights[end] - rights[high])
        every = (low - begin) - (end - high)
        # The right half is above in x, the left one below.
        found[rows] += np.where(is_right, every - right, -right)
        width *= 2
    counts = np.empty(size)
    counts[order] = found
    return counts


def _squares(drawn: Float64Array, ranks: IntArray) -> Float64Array:
    """Sum the squared weight of every group of equal ranks."""
    order = np.argsort(ranks, kind="stable")
    starts = np.flatnonzero(np.diff(ranks[order], prepend=-1))
    if starts.size == ranks.size:
        return np.asarray(np.einsum("nr,nr->r", drawn, drawn))
    groups = np.add.reduceat(drawn[order], starts, axis=0)
    return np.asarray(np.einsum("nr,nr->r", groups, groups))


def _merges(ranks: IntArray) -> list[tuple[IntArray, IntArray, IntArray, IntArray]]:
    """Plan every merge: the left halves in falling order, and what stands above each right one.

    Gives left rows, right rows, and for every right row the first and the last of the left rows
    (as positions) that rank above it in its own block.
    """
    size = ranks.size
    rows = np.arange(size)
    merges = []
    width = 1
    while width < size:
        block, is_right = rows // (2 * width), (rows // width) % 2 == 1
        # Of equal ranks the right one comes first: a tie is not discordant.
        order = np.lexsort((~is_right, -ranks, block))
        right_here = is_right[order]
        above = np.cumsum(~right_here)
        left, right = order[~right_here], order[right_here]
        before = np.searchsorted(block[left], block[right])
        merges.append((left, right, before, above[right_here]))
        width *= 2
    return merges


def _discordant(
    drawn: Float64Array, left: IntArray, right: IntArray, before: IntArray, above: IntArray
) -> Float64Array:
    sums = np.zeros((left.size + 1, drawn.shape[1]))
    np.cumsum(drawn[left], axis=0, out=sums[1:])
    return np.asarray(np.einsum("nr,nr->r", drawn[right], sums[above] - sums[before]))
