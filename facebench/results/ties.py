"""Who cannot be told apart: paired tests of all pairs of models, and groups by letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from facebench.metrics.stats import holm
from facebench.results.intervals import compare_measure
from facebench.results.pair_rows import PairRows

__all__ = ["letters", "tie_groups"]

_LEVEL = 0.05


def tie_groups(metric: str, models: Mapping[str, PairRows]) -> dict[str, str]:
    """Group models that a paired test cannot tell apart.

    Every two models are compared on the same pairs (see `compare_measure`); p values are adjusted
    by Holm's method over all comparisons of the measure, and judged at 0.05.

    Parameters
    ----------
    metric : str
        The measure.
    models : mapping of str to PairRows
        The pairs of each model, best model first.

    Returns
    -------
    dict of str to str
        Letters by model: two models that share one are not told apart. Empty where the measure
        has no paired test, or there is one model only.
    """
    names = list(models)
    pairs, p_values = [], []
    for one, other in combinations(range(len(names)), 2):
        difference = compare_measure(metric, models[names[one]], models[names[other]])
        if difference is None:
            return {}
        pairs.append((one, other))
        p_values.append(difference.p_value)
    if not pairs:
        return {}
    apart = [pair for pair, p in zip(pairs, holm(p_values), strict=True) if p < _LEVEL]
    return dict(zip(names, letters(len(names), apart), strict=True))


def letters(n: int, apart: Sequence[tuple[int, int]]) -> list[str]:
    """Letter groups so that two share a letter if and only if they are not told apart.

    Parameters
    ----------
    n : int
        How many there are, best first.
    apart : sequence of (int, int)
        Which are told apart.

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


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"({place + 1})"
