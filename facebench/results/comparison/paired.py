"""Which models differ: the one place that compares a measure of two on the very same pairs.

The report's letters, `compare_runs` and `compare_models` all come here. What is known of a number
decides how its differences are tested: `Evidence` of a saved run uses how much each pair moves
the measure, or by the measure without parts of the pairs; `Resampled` by bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import norm

from facebench.metrics.stats import holm, mcnemar
from facebench.metrics.uncertainty.influence import Influence, PairedDifference, paired_difference
from facebench.metrics.uncertainty.jackknife import JackknifeReplicates, jackknife_difference
from facebench.metrics.uncertainty.rank_groups import letters_of_tests
from facebench.results.influences import influence_of
from facebench.results.pair_rows import PairRows
from facebench.types import Float64Array

__all__ = ["Evidence", "PairedTests", "Resampled", "paired_tests", "tie_groups"]

_LEVEL = 0.05


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
    left_out : JackknifeReplicates or None
        The layer's measures without parts of its pairs.
    """

    def __init__(
        self,
        metric: str,
        condition: str | None,
        value: float,
        pairs: PairRows | None,
        left_out: JackknifeReplicates | None = None,
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


class Resampled(NamedTuple):
    """A measured number, and the same on resamples that it shares with others.

    Attributes
    ----------
    value : float
        The number.
    replicates : array, shape [R]
        The number on each resample.
    right : bool array, shape [N], or None
        Of an accuracy, which decisions are right: its differences are tested by McNemar's test,
        which takes pairs as independent. None tests by the normal distribution.
    """

    value: float
    replicates: Float64Array
    right: NDArray[np.bool_] | None = None

    def minus(self, other: Resampled) -> PairedDifference:
        """Compare with the same measure elsewhere, on the same resamples."""
        difference = self.value - other.value
        spread = float(np.nanstd(self.replicates - other.replicates, ddof=1))
        if self.right is not None and other.right is not None:
            p_value = mcnemar(self.right, other.right).p_value
        else:
            # Without spread two networks order all pairs alike, or never do.
            p_value = (
                float(2 * norm.sf(abs(difference) / spread)) if spread else float(not difference)
            )
        step = float(ndtri(0.975)) * spread
        return PairedDifference(difference, difference - step, difference + step, p_value)


class PairedTests(NamedTuple):
    """Every two of several numbers compared.

    Attributes
    ----------
    differences : list of PairedDifference
        The first minus the second, in the order of ``itertools.combinations``.
    adjusted : array
        Their p values, adjusted by Holm's method.
    level : float
        Chance of calling any two equal ones different.
    """

    differences: list[PairedDifference]
    adjusted: Float64Array
    level: float

    @property
    def different(self) -> NDArray[np.bool_]:
        """Which differ at the level."""
        return np.asarray(self.adjusted < self.level)

    def letters(self, order: Sequence[int]) -> list[str]:
        """Letter the numbers, given from best to worst, so that those that share one may be equal.

        Parameters
        ----------
        order : sequence of int
            The numbers by their place, the best first.

        Returns
        -------
        list of str
            In this order.
        """
        places = combinations(range(len(order)), 2)
        p_of = {
            frozenset(two): one.p_value for two, one in zip(places, self.differences, strict=True)
        }
        ordered = [p_of[frozenset(two)] for two in combinations(order, 2)]
        return letters_of_tests(len(order), ordered, self.level)


def paired_tests(differences: Sequence[PairedDifference], level: float = _LEVEL) -> PairedTests:
    """Adjust the tests of every two of several numbers.

    Parameters
    ----------
    differences : sequence of PairedDifference
        Of every two, in the order of ``itertools.combinations``.
    level : float, default 0.05
        Chance of calling any two equal ones different.

    Returns
    -------
    PairedTests
    """
    adjusted = holm(np.array([found.p_value for found in differences]))
    return PairedTests(list(differences), adjusted, level)


def tie_groups(models: Mapping[str, Evidence]) -> dict[str, str]:
    """Group models that a paired test does not find to differ.

    Parameters
    ----------
    models : mapping of str to Evidence
        One measure of each model, the best model first.

    Returns
    -------
    dict of str to str
        Letters by model, see `PairedTests.letters`. Empty where two of them have no paired test, or
        there is one model only.
    """
    found = [one.minus(other) for one, other in combinations(models.values(), 2)]
    differences = [difference for difference in found if difference is not None]
    if not found or len(differences) < len(found):
        return {}
    letters = paired_tests(differences).letters(range(len(models)))
    return dict(zip(models, letters, strict=True))
