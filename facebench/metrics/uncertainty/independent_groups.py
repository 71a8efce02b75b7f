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
    chosen = slice(None) if involved is None else involved
    one, other = first[chosen], second[chosen]
    # SciPy does the same, and is slow to import. Of all people in a block the first one stands for
    # it: each takes over whom its comparisons lead to, until none changes.
    stands = np.arange(int(max(first.max(), second.max())) + 1)
    while one.size:
        lower, higher = np.minimum(one, other), np.maximum(one, other)
        np.minimum.at(stands, higher, lower)
        while (further := stands[stands] != stands).any():
            stands[further] = stands[stands[further]]
        one, other = stands[one], stands[other]
        apart = one != other
        one, other = one[apart], other[apart]
    numbers = np.unique(stands, return_inverse=True)[1]
    return np.asarray(numbers[first], dtype=np.intp)


def are_even(blocks: IntArray) -> bool:
    """Tell whether there are six blocks or more, none with over a quarter of the comparisons."""
    sizes = np.unique(blocks, return_counts=True)[1]
    return bool(sizes.size >= FEW_BLOCKS and sizes.max() <= _LARGEST_SHARE * blocks.size)
