"""Intervals of shares (AUC, accuracy, TAR …), next to 0 and 1 too, where nothing shows a spread.

An AUC of 1 is 1 whoever is left out. What might have gone wrong shows nowhere but in the number of
comparisons in which nothing did. So no interval is narrower than the one that this number
gives, less so the more comparisons did go wrong: it moves on smoothly from .99 over .999 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from facebench.metrics.uncertainty.influence import Dyads, dyads
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.spread import FEWEST_UNITS, Replicates
from facebench.types import FloatArray, IntArray

__all__ = [
    "CHOSEN_NOTE",
    "FEW_ERRORS_NOTE",
    "PROPORTIONS_NOTE",
    "ClassUnits",
    "EffectiveCounts",
    "Proportion",
    "auc_score_interval",
    "conservative_note",
    "effective_counts",
    "effective_number",
    "has_few_errors",
    "jackknife_proportion",
    "no_narrower",
    "score_interval",
    "ties_note",
    "uneven_note",
]

# Comparisons of a class that are called hard: this share of them, or so many if that is more.
_TAIL = 0.1
_FEW = 8

_ROUNDING = 1e-9
# How it is told in results.
PROPORTIONS_NOTE = "; score intervals next to 0 and 1"

FEW_ERRORS_NOTE = "; few errors: conservative"
CHOSEN_NOTE = "; threshold chosen on the same pairs: conservative"
# Below this many errors their spread is not known; a TAR hangs on the threshold, too.
_FEW_ERRORS, _FEW_MISSES = 10, 20
# So many errors show as much of the spread as is assumed. The threshold of an EER moves with the
# errors of either class, so that it takes more.
_ASSUMED, _ASSUMED_OF_EER = 1, 8

_Variance: TypeAlias = Callable[[float], float]

Proportion: TypeAlias = Literal["auc", "accuracy", "tar", "fnmr", "fmr", "eer"]


class EffectiveCounts(NamedTuple):
    """How many independent comparisons would tell as much.

    Attributes
    ----------
    genuine, impostor : float
        Of each class.
    n_genuine, n_impostor : int
        Comparisons that there are.
    n_units : int
        Units (people, images) that they hang on.
    """

    genuine: float
    impostor: float
    n_genuine: int
    n_impostor: int
    n_units: int


def effective_number(values: Any, first: IntArray, second: IntArray) -> float:
    """Count the independent comparisons whose mean would vary as that of these does.

    n Σ v² / var, v being the deviations from the mean and var = Σ v_k v_l over all k, l that share
    a unit (Kish's effective sample size), at most n.

    Parameters
    ----------
    values : array-like, shape [N]
        Finite numbers.
    first, second : int array, shape [N]
        The unit of each side.

    Returns
    -------
    float

    References
    ----------
    E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number
    of positive counts estimated from survey data", Survey Methodology 24 (1998) 193-201; var as in
    `standard_error`.

    Examples
    --------
    >>> people = np.array([0, 0, 1, 1])
    >>> effective_number([1.0, 1.0, 0.0, 0.0], people, people)
    1.0
    >>> effective_number([1.0, 0.0, 1.0, 0.0], people, people)
    4.0
    """
    return _effective_number(values, dyads(first, second))


def _effective_number(values: Any, shared: Dyads) -> float:
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return float(array.size)
    low, high, between, dyad, n_units = shared
    deviations = array - array.mean()
    independent = float((deviations**2).sum())
    sums = np.bincount(low, deviations, n_units)
    sums += np.bincount(high[between], deviations[between], n_units)
    # Comparisons of the same two units share both, and would count twice.
    twice = float((np.bincount(dyad, deviations[between]) ** 2).sum())
    together = float((sums**2).sum()) - twice
    if together <= independent * (1 + _ROUNDING):
        return float(array.size)
    # The mean was taken from the same units.
    spread = together * n_units / max(n_units - 1, 1)
    return float(array.size * independent / spread)


class ClassUnits:
    """The units behind the comparisons of each class: the same for any distances of these.

    Parameters
    ----------
    genuine : bool array, shape [N]
        The class of each comparison.
    first, second : int array, shape [N]
        The unit of each side of each comparison.
    chosen : bool array, shape [N], optional
        Which of them; None takes all.
    """

    def __init__(
        self,
        genuine: NDArray[np.bool_],
        first: IntArray,
        second: IntArray,
        chosen: NDArray[np.bool_] | None = None,
    ) -> None:
        chosen = np.ones(genuine.size, dtype=bool) if chosen is None else chosen
        self._rows = [np.flatnonzero(chosen & (genuine == of_class)) for of_class in (True, False)]
        self._shared = [dyads(first[rows], second[rows]) for rows in self._rows]
        self._n_units = np.unique(np.concatenate((first[chosen], second[chosen]))).size

    def counts(self, distances: FloatArray) -> EffectiveCounts:
        """Count effective comparisons, as `effective_counts` of these distances."""
        genuine, impostor = self._rows
        furthest = np.where(np.isnan(distances), np.inf, distances)
        hard = (_is_hard(-furthest[genuine]), _is_hard(furthest[impostor]))
        numbers = (_effective_number(*each) for each in zip(hard, self._shared, strict=True))
        return EffectiveCounts(
            next(numbers), next(numbers), genuine.size, impostor.size, self._n_units
        )


def _is_hard(values: FloatArray) -> NDArray[np.bool_]:
    """Mark the lowest values of a class, of equal ones the first."""
    n_hard = max(min(_FEW, values.size // 2), int(_TAIL * values.size))
    if not n_hard:
        return np.zeros(values.size, dtype=bool)
    highest = np.partition(values, n_hard - 1)[n_hard - 1]
    hard = values < highest
    equal = np.flatnonzero(values == highest)
    hard[equal[: n_hard - int(np.count_nonzero(hard))]] = True
    return np.asarray(hard)


def effective_counts(
    genuine: NDArray[np.bool_],
    distances: FloatArray,
    first: IntArray,
    second: IntArray,
    chosen: NDArray[np.bool_] | None = None,
) -> EffectiveCounts:
    """Count effective comparisons of each class, by which of them are next to the other class.

    Errors are of these, a tenth of the class or eight comparisons, and depend on each other less
    than mean distances do.

    Parameters
    ----------
    genuine : bool array, shape [N]
        The class of each comparison.
    distances : array, shape [N]
        NaN is the largest.
    first, second : int array, shape [N]
        The unit of each side of each comparison.
    chosen : bool array, shape [N], optional
        Which of them; None takes all.

    Returns
    -------
    EffectiveCounts
    """
    return ClassUnits(genuine, first, second, chosen).counts(distances)


def _auc_variance(n_genuine: float, n_impostor: float) -> _Variance:
    mean = (n_genuine + n_impostor) / 2

    def variance(area: float) -> float:
        beyond = (1 - area) / (2 - area) + area / (1 + area)
        return area * (1 - area) / (n_genuine * n_impostor) * (1 + (mean - 1) * beyond)

    return variance


def _solved(value: float, variance: _Variance, confidence: float) -> Interval:
    """Find the ends at which the value is just as far off as the variance there allows."""
    from scipy.optimize import brentq

    z = float(scipy.special.ndtri((1 + confidence) / 2))

    def end(value: float) -> float:
        if value <= 0:
            return 0.0
        # The value itself solves it at 1; the end is below.
        highest = min(value, 1 - 1e-12)
        return float(brentq(lambda x: value - x - z * variance(x) ** 0.5, 0.0, highest))

    # Either variance is the same of x and 1 - x.
    return Interval(end(value), 1 - end(1 - value))


def auc_score_interval(
    value: float, n_genuine: float, n_impostor: float, confidence: float = 0.95
) -> Interval:
    """Interval of an AUC from the numbers of independent comparisons alone (Newcombe's method 5).

    All A with (AUC - A)² <= z² A (1 - A) / (g i) (1 + (m - 1) ((1 - A) / (2 - A) + A / (1 + A))), m
    the mean of g and i: Hanley and McNeil's variance, at A instead of at the AUC.

    Parameters
    ----------
    value : float
        The AUC.
    n_genuine, n_impostor : float
        Comparisons of each class, 1 or more.
    confidence : float, default 0.95
        Nominal coverage.

    Returns
    -------
    Interval

    References
    ----------
    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic. Part 2: asymptotic methods and evaluation", Statistics in Medicine 25 (2006) 559-573.

    Examples
    --------
    >>> low, high = auc_score_interval(1.0, 20, 20)
    >>> round(low, 3), high
    (0.899, 1.0)
    """
    return _solved(value, _auc_variance(n_genuine, n_impostor), confidence)


def score_interval(value: float, n: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share of n independent trials, n not need be whole.

    Parameters
    ----------
    value : float
        The share.
    n : float
        Trials.
    confidence : float, default 0.95
        Nominal coverage.

    Returns
    -------
    Interval

    Examples
    --------
    >>> low, high = score_interval(1.0, 20)
    >>> round(low, 3), high
    (0.839, 1.0)
    """
    return _solved(value, lambda share: share * (1 - share) / n, confidence)


def has_few_errors(
    share: Proportion, value: float, counts: EffectiveCounts, far: float | None = None
) -> bool:
    """Tell whether the errors of a share are too few to know their spread.

    Its interval then follows from the number of comparisons and is conservative, as are tests of
    it: see docs/intervals.md.

    Parameters
    ----------
    share, value, counts
        See `no_narrower`.
    far : float, optional
        Of a TAR: too few false matches may place its threshold, too.

    Returns
    -------
    bool
        With fewer than ten, of a TAR twenty. False for what is not defined.

    Examples
    --------
    >>> counts = EffectiveCounts(20, 20, 40, 40, 20)
    >>> has_few_errors("auc", 0.98, counts), has_few_errors("auc", 0.7, counts)
    (True, False)
    >>> has_few_errors("tar", 0.5, counts, 0.5), has_few_errors("tar", 0.5, counts, 0.1)
    (False, True)
    """
    if far is not None and far * counts.n_impostor < _FEW_ERRORS:
        return not np.isnan(value)
    fewest = _FEW_MISSES if share == "tar" else _FEW_ERRORS
    return _expected(share, value, counts)[1] < fewest


def ties_note(scores: Any, *measures: str) -> str:
    """Say that half of the scores or more equal another, so that error rates jump; of 20 or more.

    Examples
    --------
    >>> ties_note(np.arange(40) % 10, "EER"), ties_note(np.arange(40))
    ('; many equal distances: conservative (EER)', '')
    """
    known = np.asarray(scores, dtype=np.float64)
    known = known[np.isfinite(known)]
    if known.size < 20 or np.unique(known).size > known.size / 2:
        return ""
    return "; many equal distances: conservative" + (
        f" ({', '.join(measures)})" if measures else ""
    )


def uneven_note(df: float | None, units: str) -> str:
    """Say that units are in very different numbers of comparisons, see `uneven_df`."""
    return "" if df is None else f"; {df:.2g} degrees of freedom, as {units} have unequal shares"


def conservative_note(measures: Sequence[str]) -> str:
    """Say which measures have conservative intervals for want of errors; empty if none has.

    Examples
    --------
    >>> conservative_note(["AUC", "TAR@FAR=0.1"]), conservative_note([])
    ('; few errors: conservative (AUC, TAR@FAR=0.1)', '')
    """
    return f"{FEW_ERRORS_NOTE} ({', '.join(measures)})" if measures else ""


def jackknife_proportion(
    share: Proportion, made: Replicates, counts: EffectiveCounts, confidence: float = 0.95
) -> Interval:
    """Jackknife interval of a share on the logit scale, no narrower than the numbers allow.

    Parameters
    ----------
    share, counts, confidence
        See `no_narrower`.
    made : Replicates
        The share, and without each group of units.

    Returns
    -------
    Interval
        NaN where the share is undefined or there are fewer than three units. From the numbers of
        comparisons alone where it is undefined without some of the units.

    Examples
    --------
    >>> counts = EffectiveCounts(20, 20, 30, 30, 20)
    >>> made = Replicates(1.0, np.ones(20), np.ones(20))
    >>> low, high = jackknife_proportion("auc", made, counts)
    >>> round(low, 3), high
    (0.899, 1.0)
    """
    if np.isnan(made.value) or made.units.size < FEWEST_UNITS:
        return Interval(float("nan"), float("nan"))
    drawn = made.interval("logit", confidence)
    error = made.spread.error
    variance = float("inf") if np.isnan(error) else error**2
    return no_narrower(share, made.value, drawn, variance, counts, confidence)


def no_narrower(
    share: Proportion,
    value: float,
    interval: Interval,
    variance: float,
    counts: EffectiveCounts,
    confidence: float = 0.95,
) -> Interval:
    """Widen the interval of a share to what the numbers of comparisons allow.

    Parameters
    ----------
    share : {'auc', 'accuracy', 'tar', 'fnmr', 'fmr', 'eer'}
        What it is a share of: of pairs of a genuine and an impostor comparison, of all, of the
        genuine ones, of the impostors, or the mean of two shares.
    value : float
        The share.
    interval : Interval
        By the jackknife.
    variance : float
        Of the share, from the same.
    counts : EffectiveCounts
        From `effective_counts`.
    confidence : float, default 0.95
        Nominal coverage.

    Returns
    -------
    Interval
    """
    expected, n_errors = _expected(share, value, counts)
    # What is seen of the spread counts for more, the more errors there are to see it by.
    assumed = _ASSUMED_OF_EER if share == "eer" else _ASSUMED
    weight = assumed / (assumed + n_errors)
    factor = 1.0
    if weight < 1:
        factor = weight + (1 - weight) * min(1.0, variance / expected(value))
    allowed = _solved(value, lambda at: factor * expected(at), confidence)
    return Interval(
        float(np.fmin(interval.low, allowed.low)), float(np.fmax(interval.high, allowed.high))
    )


def _expected(share: Proportion, value: float, counts: EffectiveCounts) -> tuple[_Variance, float]:
    """Give the variance that a share would have by effective numbers, and the number of errors."""
    genuine, impostor, n_genuine, n_impostor, _ = counts
    rarer = min(value, 1 - value)
    if share == "auc":
        return _auc_variance(genuine, impostor), rarer * min(n_genuine, n_impostor)
    n, size = {
        "accuracy": (genuine + impostor, n_genuine + n_impostor),
        "tar": (genuine, n_genuine),
        "fnmr": (genuine, n_genuine),
        "fmr": (impostor, n_impostor),
        # Of two shares the mean: its variance is a quarter of the sum of theirs.
        "eer": (4 * genuine * impostor / max(genuine + impostor, 1), min(n_genuine, n_impostor)),
    }[share]
    return lambda at: at * (1 - at) / n, rarer * size
