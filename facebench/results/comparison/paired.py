"""Which models differ: the one place that compares a measure of two on the very same pairs.

The report's letters, `compare_runs` and `compare_models` all come here. A difference is tested by
the measure of both without each person (or image) in turn: see `Replicates`. Interval, P, Holm's P
and the letters follow from the same standard error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.stats import holm
from facebench.metrics.uncertainty.jackknife import JackknifeReplicates
from facebench.metrics.uncertainty.rank_groups import letters_of_tests
from facebench.metrics.uncertainty.spread import LargestError, PairedDifference, Replicates
from facebench.results.influences import EVERY_PAIR, replicates_of
from facebench.results.pair_rows import PairRows
from facebench.types import Float64Array

__all__ = [
    "Evidence",
    "PairedTests",
    "detectable_difference",
    "is_tested",
    "paired_tests",
    "tie_groups",
]

_LEVEL = 0.05
_Key = TypeVar("_Key")


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
        self._condition = condition
        self._pairs = None if pairs is None else pairs.of_condition(condition)

    @cached_property
    def _replicates(self) -> Replicates | None:
        return None if self._pairs is None else replicates_of(self.metric, self._pairs)

    @property
    def replicates(self) -> Replicates | None:
        """The measure without each person (or image) in turn, where that is known."""
        found = self._replicates
        if found is None and self._left_out is not None:
            return self._left_out.of(self._condition, self.metric, self.value)
        return found

    def minus(self, other: Evidence) -> PairedDifference | None:
        """Compare with the same measure elsewhere.

        Parameters
        ----------
        other : Evidence
            The same measure and condition, of the same pairs in the same order.

        Returns
        -------
        PairedDifference or None
            From the pairs where the measure follows from them, else from what the task saved
            without each group of people; None where the pairs differ, or neither is known.
        """
        return self._by_pairs(other) or self._by_parts(other)

    def _by_pairs(self, other: Evidence) -> PairedDifference | None:
        a, b = self._pairs, other._pairs
        if a is None or b is None or not a.same_pairs(b):
            return None
        one, two = self._replicates, other._replicates
        if one is None or two is None:
            return None
        both = a.usable & b.usable
        counts_failed = a.facts.influences[self.metric] in EVERY_PAIR
        if not (counts_failed or both.all() or np.array_equal(a.usable, b.usable)):
            # Measured on what both have; the numbers differ by pairs that one lacks.
            one, two = (replicates_of(self.metric, rows.only(both)) for rows in (a, b))
            if one is None or two is None:
                return None
        return one.minus(two)

    def _by_parts(self, other: Evidence) -> PairedDifference | None:
        one, two = self._left_out, other._left_out
        if one is None or two is None or one.digest != two.digest:
            return None
        mine = one.of(self._condition, self.metric, self.value)
        theirs = two.of(self._condition, self.metric, other.value)
        return None if mine is None or theirs is None else mine.minus(theirs)


class Comparable(Protocol):
    """A number that can be compared with the same of another model: `Evidence`, `Replicates`."""

    def minus(self, other: Any, /) -> PairedDifference | None:
        """Compare with the same measure of another model."""


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
    """
    adjusted = holm(np.array([found.p_value for found in differences]))
    return PairedTests(list(differences), adjusted, level)


def tie_groups(
    models: Mapping[_Key, Comparable], choices: Mapping[_Key, LargestError | None] | None = None
) -> dict[_Key, str]:
    """Group models that a paired test does not find to differ.

    Parameters
    ----------
    models : mapping of str (or another key) to Evidence or Replicates
        One measure of each model, the best model first.
    choices : mapping of str (or another key) to LargestError, optional
        Of models whose layer was chosen on the same pairs. The better of two may owe its lead to
        the choice, which P allows for; that of the other's layer makes the lead smaller.

    Returns
    -------
    dict of str to str
        Letters by model, see `PairedTests.letters`; none of a model that has no paired test with
        any other. Empty where two of the others have none, or there is one model only.
    """
    chosen = choices or {}
    tests = {
        (one, other): _allowing(models[one].minus(models[other]), chosen.get(one))
        for one, other in combinations(models, 2)
    }
    tested = {model for both, test in tests.items() if test is not None for model in both}
    found = [test for both, test in tests.items() if tested.issuperset(both)]
    differences = [difference for difference in found if difference is not None]
    if not found or len(differences) < len(found):
        return {}
    letters = paired_tests(differences).letters(range(len(tested)))
    return dict(zip((model for model in models if model in tested), letters, strict=True))


def _allowing(
    test: PairedDifference | None, chosen: LargestError | None
) -> PairedDifference | None:
    """Allow for the choice of the better model's layer in P."""
    if test is None or chosen is None:
        return test
    return test._replace(p_value=chosen.two_sided(test.p_value))


def is_tested(models: Iterable[Comparable]) -> bool:
    """Tell whether any two numbers have a paired test.

    Parameters
    ----------
    models : iterable of Evidence or Replicates
        One measure of each model.
    """
    return any(one.minus(other) is not None for one, other in combinations(models, 2))


def detectable_difference(models: Mapping[str, Evidence]) -> float | None:
    """Give the difference that would be found between two models, the median of every two.

    Parameters
    ----------
    models : mapping of str to Evidence
        One measure of each model.

    Returns
    -------
    float or None
        With 80 % power at P < .05; None where no two models have a paired test.
    """
    found = [one.minus(other) for one, other in combinations(models.values(), 2)]
    known = [test.detectable for test in found if test is not None]
    known = [each for each in known if np.isfinite(each)]
    return float(np.median(known)) if known else None
