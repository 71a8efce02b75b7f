"""Groups of people (or images) that no comparison links to each other: the independent parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebench.types import IntArray

__all__ = ["FEW_BLOCKS", "are_even", "blocks_of"]

# Fewer say next to nothing: of 6 there are 64 ways to swap, so that P may be .03.
FEW_BLOCKS = 6
_LARGEST_SHARE = 0.25


def blocks_of(
    first: IntArray, second: IntArray, involved: NDArray[np.bool_] | None = None
) -> IntArray:
    """Tell which comparisons hang together through the people they share, directly or not.

    Parameters
    ----------
    first, second : int array, shape [N]
        The person (or image) of each side.
    involved : bool array, shape [N], optional
        The comparisons that link; None takes all.

    Returns
    -------
    int array, shape [N]
        The block of each comparison's first side.

    Examples
    --------
    >>> blocks_of(np.array([0, 1, 2, 3]), np.array([1, 1, 3, 3])).tolist()
    [0, 0, 1, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_units = int(max(first.max(), second.max())) + 1
    chosen = slice(None) if involved is None else involved
    ends = (first[chosen], second[chosen])
    links = coo_array((np.ones(ends[0].size), ends), shape=(n_units, n_units))
    return np.asarray(connected_components(links, directed=False)[1][first], dtype=np.intp)


def are_even(blocks: IntArray) -> bool:
    """Tell whether there are six blocks or more, none with over a quarter of the comparisons."""
    sizes = np.unique(blocks, return_counts=True)[1]
    return bool(sizes.size >= FEW_BLOCKS and sizes.max() <= _LARGEST_SHARE * blocks.size)
