"""Who cannot be told apart: paired tests of all pairs of models, and groups by letters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from facebench.metrics.uncertainty.rank_groups import letters_of_tests
from facebench.results.comparison.paired import Evidence

__all__ = ["tie_groups"]


def tie_groups(models: Mapping[str, Evidence]) -> dict[str, str]:
    """Group models that a paired test cannot tell apart.

    Every two models are compared on the same pairs (see `Evidence.minus`); p values are adjusted by
    Holm's method over all comparisons of the measure, and judged at 0.05.

    Parameters
    ----------
    models : mapping of str to Evidence
        One measure of each model, the best model first.

    Returns
    -------
    dict of str to str
        Letters by model: two models that share one are not told apart. Empty where two of them
        have no paired test, or there is one model only.
    """
    p_values = []
    for one, other in combinations(models.values(), 2):
        difference = one.minus(other)
        if difference is None:
            return {}
        p_values.append(difference.p_value)
    if not p_values:
        return {}
    return dict(zip(models, letters_of_tests(len(models), p_values), strict=True))
