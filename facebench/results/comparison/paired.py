"""One measure of two models, or of two runs, on the very same pairs."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from facebench.metrics.uncertainty.influence import Influence, PairedDifference, paired_difference
from facebench.metrics.uncertainty.jackknife import LeftOut, jackknife_difference
from facebench.results.influences import influence_of
from facebench.results.pair_rows import PairRows

__all__ = ["Evidence"]


class Evidence:
    """A measured number, and what is known of where it comes from.

    Parameters
    ----------
    metric, condition : str, str or None
        The measure, and its condition.
    value : float
        The number.
    pairs : PairRows or None
        The pairs of the layer.
    left_out : LeftOut or None
        The layer's measures without parts of its pairs.
    """

    def __init__(
        self,
        metric: str,
        condition: str | None,
        value: float,
        pairs: PairRows | None,
        left_out: LeftOut | None = None,
    ) -> None:
        self.metric = metric
        self.value = value
        self._left_out = left_out
        self._drawn = None if left_out is None else left_out.values.get((condition, metric))
        self._pairs = None if pairs is None else pairs.of_condition(condition)

    @cached_property
    def _influence(self) -> Influence | None:
        return None if self._pairs is None else influence_of(self.metric, self._pairs)

    def minus(self, other: Evidence) -> PairedDifference | None:
        """Compare with the same measure elsewhere.

        Parameters
        ----------
        other : Evidence
            The same measure and condition, of the same pairs in the same order.

        Returns
        -------
        PairedDifference or None
            From how much each pair moves the measure where that is known, else from what is left
            without parts of the pairs; None where the pairs differ, or neither is known.
        """
        return self._by_pairs(other) or self._by_parts(other)

    def _by_pairs(self, other: Evidence) -> PairedDifference | None:
        a, b = self._pairs, other._pairs
        if a is None or b is None or not a.same_pairs(b):
            return None
        one, two = self._influence, other._influence
        if one is None or two is None:
            return None
        both = a.usable & b.usable
        if not (both.all() or np.array_equal(a.usable, b.usable)):
            # Measured on what both have; the numbers differ by pairs that one lacks.
            a, b = a.only(both), b.only(both)
            one, two = (influence_of(self.metric, rows) for rows in (a, b))
            if one is None or two is None:
                return None
        return paired_difference(one, two, a.dyads)

    def _by_parts(self, other: Evidence) -> PairedDifference | None:
        one, two = self._left_out, other._left_out
        if one is None or two is None or one.digest != two.digest:
            return None
        if self._drawn is None or other._drawn is None or self._drawn.size != other._drawn.size:
            return None
        return jackknife_difference(self.value, other.value, self._drawn, other._drawn)
