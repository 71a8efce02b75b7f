"""Letters that say which of several systems differ significantly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from facebench.metrics.stats import holm

__all__ = ["letters", "letters_of_tests"]

_LETTERS = 26


def letters(n: int, apart: Sequence[tuple[int, int]]) -> list[str]:
    """Letter groups so that two share a letter if and only if they do not differ.

    Parameters
    ----------
    n : int
        How many there are, best first.
    apart : sequence of (int, int)
        Which pairs differ significantly.

    Returns
    -------
    list of str
        Letters of each; the best one's begin with 'a'.

    References
    ----------
    H.-P. Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons",
    Journal of Computational and Graphical Statistics 13 (2004) 456-466.

    Examples
    --------
    >>> letters(3, [(0, 2)])
    ['a', 'ab', 'b']
    """
    groups = [frozenset(range(n))]
    for one, other in apart:
        parts = []
        for group in groups:
            if one in group and other in group:
                parts += [group - {one}, group - {other}]
            else:
                parts.append(group)
        # A group within another says nothing new.
        groups = [g for g in dict.fromkeys(parts) if not any(g < other_ for other_ in parts)]
    groups.sort(key=sorted)
    return [
        "".join(_letter(place) for place, group in enumerate(groups) if member in group)
        for member in range(n)
    ]


def letters_of_tests(n: int, p_values: Sequence[float], level: float = 0.05) -> list[str]:
    """Letter groups of n systems from the tests of every two of them.

    Parameters
    ----------
    n : int
        How many there are, best first.
    p_values : sequence of float
        Of every two, in the order of ``itertools.combinations``; adjusted here by Holm's method.
    level : float, default 0.05
        Chance of telling any two equal ones apart.

    Returns
    -------
    list of str
        See `letters`.

    Examples
    --------
    >>> letters_of_tests(3, [0.6, 0.001, 0.002])
    ['a', 'a', 'b']
    """
    told = holm(np.asarray(p_values)) < level
    pairs = combinations(range(n), 2)
    return letters(n, [pair for pair, is_told in zip(pairs, told, strict=True) if is_told])


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < _LETTERS else f"({place + 1})"
