"""How sure can we be? Intervals and tests for rates, areas and comparisons of systems."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy

from facebench.metrics.bootstrap import Interval, PairedBootstrap, bootstrap, paired_bootstrap
from facebench.metrics.labels import as_labels, read_comparisons
from facebench.metrics.uncertainty.spread import PairedDifference, Spread
from facebench.metrics.weighted_ranks import ranks
from facebench.types import Float64Array

__all__ = [
    "Delong",
    "Interval",
    "PairedBootstrap",
    "Significance",
    "benjamini_hochberg",
    "bootstrap",
    "clopper_pearson",
    "delong",
    "delong_test",
    "holm",
    "mcnemar",
    "mcnemar_difference",
    "paired_bootstrap",
    "wilson",
]

# Below this many discordant pairs the chi-squared approximation of McNemar's test is poor.
_FEW_DISCORDANT = 25


class Significance(NamedTuple):
    """Outcome of a two-sided test: its p value, in [0, 1]."""

    p_value: float


class Delong(NamedTuple):
    """An AUC and the variance of its estimate; NaN variance with one comparison in a class."""

    auc: float
    variance: float


def _proportion_interval(k: int, n: int, confidence: float, method: str) -> Interval:
    if not (n >= 1 and 0 <= k <= n and k == int(k) and n == int(n) and 0 < confidence < 1):
        msg = (
            "A proportion needs whole 0 <= k <= n, n of 1 or more, and 0 < confidence < 1. "
            f"Got k={k!r}, n={n!r}, confidence={confidence!r}."
        )
        raise ValueError(msg)
    from scipy.stats import binomtest

    # Of the proportion itself: the p value is not used, and so known at once.
    found = binomtest(int(k), int(n), k / n).proportion_ci(confidence, method)
    return Interval(float(found.low), float(found.high))


def wilson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a proportion k / n.

    (p + z²/2n ± z sqrt(p (1 - p)/n + z²/4n²)) / (1 + z²/n), p = k/n, z the normal quantile.

    Parameters
    ----------
    k, n : int
        Successes and trials, 0 <= k <= n, n >= 1.
    confidence : float, default 0.95
        Nominal coverage, on average over p.

    Returns
    -------
    Interval
        low, high in [0, 1]; low is 0 for k = 0, high is 1 for k = n.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927) 209-212.

    Examples
    --------
    >>> low, high = wilson(0, 10)
    >>> low, round(high, 4)
    (0.0, 0.2775)
    """
    return _proportion_interval(k, n, confidence, "wilson")


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact (conservative) interval of a proportion k / n, from the binomial distribution.

    Quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k).

    Parameters
    ----------
    k, n : int
        Successes and trials, 0 <= k <= n, n >= 1.
    confidence : float, default 0.95
        Coverage, at least, at every p.

    Returns
    -------
    Interval
        low, high in [0, 1]; low is 0 for k = 0, high is 1 for k = n.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26 (1934) 404-413.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 10)
    >>> low, round(high, 4)
    (0.0, 0.3085)
    """
    return _proportion_interval(k, n, confidence, "exact")


def _placements(labels: Any, scores: Any, higher_is_better: bool) -> tuple[Any, Any]:
    """Return for each genuine and each impostor score the share of the other class it beats."""
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    n_genuine = int(np.count_nonzero(genuine))
    n_impostor = genuine.size - n_genuine
    if n_genuine == 0 or n_impostor == 0:
        msg = f"AUC needs both classes. Got {n_genuine} genuine, {n_impostor} impostor comparisons."
        raise ValueError(msg)
    # Ranks instead of scores, so that NaN can stand below -inf.
    place = np.unique(similarities, return_inverse=True, equal_nan=True)[1]
    place = np.where(np.isnan(similarities), -1, place)
    overall = ranks(place)
    mated = (overall[genuine] - ranks(place[genuine])) / n_impostor
    unmated = 1 - (overall[~genuine] - ranks(place[~genuine])) / n_genuine
    return mated, unmated


def _variance(mated: Float64Array, unmated: Float64Array) -> float:
    if min(mated.size, unmated.size) < 2:
        return float("nan")
    return float(mated.var(ddof=1) / mated.size + unmated.var(ddof=1) / unmated.size)


def delong(labels: Any, scores: Any, *, higher_is_better: bool = True) -> Delong:
    """AUC with DeLong's variance, which assumes nothing of the scores' distributions.

    With V10 and V01 the shares of the other class that each genuine and impostor score beats,
    var = s²(V10) / n_genuine + s²(V01) / n_impostor; by midranks, in O(n log n).

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances; NaN ranks below every score.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    Delong
        auc (higher is better) and variance. Pairs are taken to be independent: see `bootstrap`
        for pairs that share people.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845; X. Sun and
    W. Xu, "Fast implementation of DeLong's algorithm", IEEE Signal Processing Letters 21 (2014).

    Examples
    --------
    >>> delong([1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1])
    Delong(auc=0.75, variance=0.125)
    """
    mated, unmated = _placements(labels, scores, higher_is_better)
    return Delong(float(mated.mean()), _variance(mated, unmated))


def delong_test(
    labels: Any, scores_a: Any, scores_b: Any, *, higher_is_better: bool = True
) -> Significance:
    """Two-sided test that two systems have the same AUC on the same comparisons.

    z = (AUC_a - AUC_b) / sqrt(var_a + var_b - 2 cov), from the paired differences of `delong`.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor; two or more of each.
    scores_a, scores_b : array-like, shape [N]
        Scores of the two systems, pair by pair.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    Significance
        p_value; 1 where the two order all comparisons alike.

    Raises
    ------
    ValueError
        If there is one class only, or one comparison in a class.

    References
    ----------
    E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845.

    Examples
    --------
    >>> delong_test([1, 1, 0, 0], [4, 2, 3, 1], [40, 20, 30, 10]).p_value
    1.0
    """
    mated_a, unmated_a = _placements(labels, scores_a, higher_is_better)
    mated_b, unmated_b = _placements(labels, scores_b, higher_is_better)
    if min(mated_a.size, unmated_a.size) < 2:
        msg = "DeLong's test needs two comparisons or more of each class."
        raise ValueError(msg)
    difference = float(mated_a.mean() - mated_b.mean())
    variance = _variance(mated_a - mated_b, unmated_a - unmated_b)
    if abs(difference) < 1e-14:
        return Significance(1.0)
    if variance < 1e-28:
        return Significance(0.0)
    return Significance(float(2 * scipy.special.ndtr(-abs(difference) / np.sqrt(variance))))


def mcnemar(correct_a: Any, correct_b: Any) -> Significance:
    """Two-sided test that two systems are right equally often on the same comparisons.

    With b and c the comparisons only a and only b gets right: the exact binomial test of b among
    b + c for fewer than 25, else chi² = (abs(b - c) - 1)² / (b + c), one degree of freedom.

    Parameters
    ----------
    correct_a, correct_b : array-like of bool, shape [N]
        Whether each system decided each comparison rightly.

    Returns
    -------
    Significance
        p_value; 1 where the two never differ.

    Raises
    ------
    ValueError
        If lengths differ or values are not true/false.

    References
    ----------
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947) 153-157; continuity correction: A. L. Edwards (1948).

    Examples
    --------
    >>> mcnemar([1, 1, 1, 1, 1], [0, 0, 0, 0, 1]).p_value
    0.125
    """
    right_a, right_b = as_labels(correct_a).astype(bool), as_labels(correct_b).astype(bool)
    if right_a.shape != right_b.shape:
        msg = f"Got {right_a.size} decisions of the one system and {right_b.size} of the other."
        raise ValueError(msg)
    only_a = int(np.count_nonzero(right_a & ~right_b))
    only_b = int(np.count_nonzero(right_b & ~right_a))
    discordant = only_a + only_b
    if discordant < _FEW_DISCORDANT:
        from scipy.stats import binom

        return Significance(float(min(1.0, 2 * binom.cdf(min(only_a, only_b), discordant, 0.5))))
    excess = max(abs(only_a - only_b) - 1, 0)
    return Significance(float(scipy.special.chdtrc(1, excess**2 / discordant)))


def mcnemar_difference(
    correct_a: Any, correct_b: Any, confidence: float = 0.95
) -> PairedDifference:
    """Difference of two accuracies on independent comparisons, by McNemar's test.

    The interval is that of the share b / (b + c) which goes with the test (exact or Wilson's with
    continuity correction), times (b + c) / N: it excludes 0 exactly where P < 1 - confidence.

    Parameters
    ----------
    correct_a, correct_b : array-like of bool, shape [N]
        See `mcnemar`. Comparisons that share people are not independent: P is then too small.
    confidence : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    PairedDifference

    Raises
    ------
    ValueError
        As `mcnemar`.

    Examples
    --------
    >>> made = mcnemar_difference([1, 1, 1, 1, 1], [0, 0, 0, 0, 1])
    >>> made.difference, round(made.low, 3), made.p_value
    (0.8, -0.164, 0.125)
    """
    p_value = mcnemar(correct_a, correct_b).p_value
    right_a, right_b = as_labels(correct_a).astype(bool), as_labels(correct_b).astype(bool)
    only_a = int(np.count_nonzero(right_a & ~right_b))
    discordant = only_a + int(np.count_nonzero(right_b & ~right_a))
    if discordant == 0:
        return PairedDifference(0.0, 0.0, 0.0, p_value, Spread(0.0, np.inf))
    from scipy.stats import binomtest

    method = "exact" if discordant < _FEW_DISCORDANT else "wilsoncc"
    share = binomtest(only_a, discordant).proportion_ci(confidence, method)
    scale = discordant / right_a.size
    low, high = ((2 * float(end) - 1) * scale for end in (share.low, share.high))
    spread = Spread(float(np.sqrt(discordant)) / right_a.size, np.inf)
    return PairedDifference((2 * only_a / discordant - 1) * scale, low, high, p_value, spread)


def _p_values(p: Any) -> Float64Array:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        msg = f"p values must be one row of numbers within 0 and 1. Got {p!r}."
        raise ValueError(msg)
    return values


def holm(p: Any) -> Float64Array:
    """Adjust p values by Holm's step-down method: the family-wise error rate is kept.

    The i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j <= i, at most 1.

    Parameters
    ----------
    p : array-like, shape [M]
        p values in any order.

    Returns
    -------
    array, shape [M]
        Adjusted p values in the same order; reject where below the level.

    Raises
    ------
    ValueError
        If a value is outside [0, 1] or NaN.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979) 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    values = _p_values(p)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def benjamini_hochberg(p: Any) -> Float64Array:
    """Adjust p values by Benjamini and Hochberg: the false discovery rate is kept.

    The i-th smallest of m becomes the smallest of m p_(j) / j over j >= i, at most 1.

    Parameters
    ----------
    p : array-like, shape [M]
        p values in any order, independent or positively dependent.

    Returns
    -------
    array, shape [M]
        Adjusted p values in the same order; reject where below the level.

    Raises
    ------
    ValueError
        If a value is outside [0, 1] or NaN.

    References
    ----------
    Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57 (1995) 289-300.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.02])
    array([0.03, 0.04, 0.03])
    """
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(_p_values(p)))
