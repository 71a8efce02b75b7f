"""Errors per group of people (by age, sex, ethnicity …) at one threshold, and how far they differ.

Group fairness measures take error rates per group: a mapping group → rate, or an array.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.accuracy import accepted_at
from facebench.metrics.labels import read_comparisons
from facebench.metrics.verification import auc as _auc
from facebench.metrics.verification import dprime as _dprime
from facebench.types import Float64Array

__all__ = [
    "GroupErrors",
    "fairness_replicates",
    "fdr",
    "garbe",
    "group_errors",
    "max_geomean_ratio",
    "max_min_ratio",
]


class GroupErrors(NamedTuple):
    """Error rates per group; NaN where a group has no comparison to count.

    Attributes
    ----------
    fmr : dict of group to float
        Proportion accepted of the impostor comparisons with both images in the group.
    fnmr : dict of group to float
        Proportion rejected of the group's genuine comparisons.
    auc, dprime : dict of group to float
        Of the group's own genuine and impostor comparisons.
    cross_fmr : float
        Proportion accepted of the impostor comparisons between two groups.
    cross_fmr_of : dict of (group, group) to float
        The same for each two groups, their names in sorted order.
    """

    fmr: dict[Any, float]
    fnmr: dict[Any, float]
    auc: dict[Any, float]
    dprime: dict[Any, float]
    cross_fmr: float
    cross_fmr_of: dict[tuple[Any, Any], float]


def _share(hits: NDArray[np.bool_]) -> float:
    return float(np.mean(hits)) if hits.size else float("nan")


def group_errors(
    labels: Any,
    scores: Any,
    group1: Any,
    group2: Any,
    threshold: float,
    *,
    higher_is_better: bool = True,
) -> GroupErrors:
    """Error rates of every group at one global threshold, within groups and across.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances; NaN is rejected.
    group1, group2 : array-like, shape [N]
        Group of the first and of the second image of each comparison.
    threshold : float
        In the units of the scores.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    GroupErrors
        Per group, in sorted order. FMR, FNMR: lower is better; AUC and d' higher.

    Raises
    ------
    ValueError
        If lengths differ, the threshold is NaN, or a genuine comparison has two groups.

    References
    ----------
    P. Grother, M. Ngan and K. Hanaoka, "Face recognition vendor test part 3: demographic
    effects", NIST IR 8280 (2019); ISO/IEC 19795-10:2024.

    Examples
    --------
    >>> found = group_errors([1, 1, 0, 0], [.9, .3, .6, .2], list("abab"), list("abaa"), 0.5)
    >>> found.fmr, found.fnmr["b"], found.cross_fmr
    ({'a': 1.0, 'b': nan}, 1.0, 0.0)
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    first, second = np.asarray(group1), np.asarray(group2)
    if first.shape != genuine.shape or second.shape != genuine.shape:
        msg = (
            f"Got groups of shapes {first.shape} and {second.shape} for {genuine.size} comparisons."
        )
        raise ValueError(msg)
    if np.isnan(threshold):
        msg = "The 'threshold' parameter of group_errors must be a number. Got NaN instead."
        raise ValueError(msg)
    split = np.flatnonzero(genuine & (first != second))
    if split.size:
        msg = (
            f"A genuine comparison is of one person, so of one group. Got {first[split[0]]!r} "
            f"and {second[split[0]]!r} at position {split[0]}."
        )
        raise ValueError(msg)
    accepted = accepted_at(similarities, threshold if higher_is_better else -threshold)
    # Plain values: an array of Python's own strings holds those already.
    names = np.unique(np.concatenate((first, second))).tolist()
    fmr, fnmr, areas, sensitivities = {}, {}, {}, {}
    for group in names:
        inside = (first == group) & (second == group)
        fmr[group] = _share(accepted[inside & ~genuine])
        fnmr[group] = _share(~accepted[inside & genuine])
        areas[group] = sensitivities[group] = float("nan")
        if (inside & genuine).any() and (inside & ~genuine).any():
            areas[group] = _auc(genuine[inside], similarities[inside])
            sensitivities[group] = _dprime(genuine[inside], similarities[inside])
    pairs = {}
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            between = ((first == one) & (second == other)) | ((first == other) & (second == one))
            if between.any():
                pairs[one, other] = _share(accepted[between])
    return GroupErrors(fmr, fnmr, areas, sensitivities, _share(accepted[first != second]), pairs)


def _rates(name: str, rates: Any) -> Float64Array:
    values = list(rates.values()) if isinstance(rates, Mapping) else rates
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < 2 or (array < 0).any():
        msg = f"{name} needs the rates, 0 or more, of at least two groups. Got {values!r}."
        raise ValueError(msg)
    return array


def _two_rates(name: str, fmr: Any, fnmr: Any, alpha: float) -> tuple[Float64Array, Float64Array]:
    false_match, false_non_match = _rates(name, fmr), _rates(name, fnmr)
    if false_match.size != false_non_match.size or not 0 <= alpha <= 1:
        msg = (
            f"{name} needs as many FMRs as FNMRs and 0 <= alpha <= 1. "
            f"Got {false_match.size}, {false_non_match.size} and alpha={alpha!r}."
        )
        raise ValueError(msg)
    return false_match, false_non_match


def fdr(fmr: Any, fnmr: Any, alpha: float = 0.5) -> float:
    """Fairness discrepancy rate at one threshold.

    FDR = 1 - (alpha A + (1 - alpha) B), with A and B the largest differences of FMR and of FNMR
    between two groups.

    Parameters
    ----------
    fmr, fnmr : mapping of group to rate, or array, shape [G]
        Error rates per group, at least two groups.
    alpha : float, default 0.5
        Weight of false matches, in [0, 1].

    Returns
    -------
    float
        In [0, 1]; higher is fairer. NaN if a rate is.

    Raises
    ------
    ValueError
        If there are fewer than two groups, sizes differ, or alpha is out of range.

    References
    ----------
    T. de Freitas Pereira and S. Marcel, "Fairness in biometrics: a figure of merit to assess
    biometric verification systems", arXiv:2011.02395 (2020); IEEE TBIOM 4 (2022).

    Examples
    --------
    >>> fdr([0.25, 0.5], {"a": 0.0, "b": 0.25})
    0.75
    """
    false_match, false_non_match = _two_rates("fdr", fmr, fnmr, alpha)
    return float(1 - (alpha * np.ptp(false_match) + (1 - alpha) * np.ptp(false_non_match)))


def _gini(rates: Float64Array) -> float:
    n = rates.size
    if not rates.any():
        return 0.0
    differences = np.abs(rates[:, None] - rates[None, :]).sum()
    return float(n / (n - 1) * differences / (2 * n**2 * rates.mean()))


def garbe(fmr: Any, fnmr: Any, alpha: float = 0.5) -> float:
    """Gini aggregation rate for biometric equitability.

    GARBE = alpha G(FMR) + (1 - alpha) G(FNMR), with the Gini coefficient
    G(x) = n / (n - 1) · Σ_i Σ_j abs(x_i - x_j) / (2 n² mean(x)); 0 where all rates are 0.

    Parameters
    ----------
    fmr, fnmr : mapping of group to rate, or array, shape [G]
        Error rates per group, at least two groups.
    alpha : float, default 0.5
        Weight of false matches, in [0, 1].

    Returns
    -------
    float
        In [0, 1]; lower is fairer. NaN if a rate is.

    Raises
    ------
    ValueError
        If there are fewer than two groups, sizes differ, or alpha is out of range.

    References
    ----------
    J. J. Howard et al., "Evaluating proposed fairness models for face recognition algorithms",
    arXiv:2203.05051 (2022).

    Examples
    --------
    >>> garbe([0.0, 0.5], [0.25, 0.25])
    0.5
    """
    false_match, false_non_match = _two_rates("garbe", fmr, fnmr, alpha)
    return float(alpha * _gini(false_match) + (1 - alpha) * _gini(false_non_match))


def max_min_ratio(rates: Any) -> float:
    """Largest rate over the smallest.

    Parameters
    ----------
    rates : mapping of group to rate, or array, shape [G]
        Error rates per group, at least two groups.

    Returns
    -------
    float
        1 or more; lower is fairer. Infinite where only the smallest is 0, NaN where all are, or
        one is NaN.

    Raises
    ------
    ValueError
        If there are fewer than two groups or a rate is negative.

    References
    ----------
    P. Grother, "Face recognition vendor test part 8: summarizing demographic differentials", NIST
    IR 8429 (2022).

    Examples
    --------
    >>> max_min_ratio({"a": 0.5, "b": 0.25})
    2.0
    """
    array = _rates("max_min_ratio", rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(array.max() / array.min())


def max_geomean_ratio(rates: Any) -> float:
    """Largest rate over the geometric mean of all.

    Parameters
    ----------
    rates : mapping of group to rate, or array, shape [G]
        Error rates per group, at least two groups.

    Returns
    -------
    float
        1 or more; lower is fairer. Infinite where some rate is 0, NaN where all are, or one is
        NaN.

    Raises
    ------
    ValueError
        If there are fewer than two groups or a rate is negative.

    References
    ----------
    P. Grother, "Face recognition vendor test part 8: summarizing demographic differentials", NIST
    IR 8429 (2022); ISO/IEC 19795-10:2024.

    Examples
    --------
    >>> round(max_geomean_ratio([0.5, 0.125]), 6)
    2.0
    """
    array = _rates("max_geomean_ratio", rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(array.max() / np.exp(np.log(array).mean()))


def fairness_replicates(
    fmr: Float64Array, fnmr: Float64Array, alpha: float = 0.5
) -> dict[str, Float64Array]:
    """Measure fairness on every resample: FDR, GARBE and the ratios of both rates.

    Percentiles of these are not an interval: resamples of equal groups all differ, so that none is
    as fair as the truth. See `facebench.metrics.uncertainty.fairness_intervals`.

    Parameters
    ----------
    fmr, fnmr : array, shape [R, G]
        Error rates per resample and group.
    alpha : float, default 0.5
        Weight of false matches, in [0, 1].

    Returns
    -------
    dict of str to array, shape [R]
        'fdr', 'garbe', 'fmr max/min', 'fmr max/geomean', 'fnmr max/min', 'fnmr max/geomean'; NaN
        where a rate is.

    References
    ----------
    See `fdr`, `garbe`, `max_min_ratio` and `max_geomean_ratio`.

    Examples
    --------
    >>> rates = np.array([[0.5, 0.25]])
    >>> fairness_replicates(rates, rates)["fmr max/min"]
    array([2.])
    """
    found = {
        "fdr": 1 - (alpha * np.ptp(fmr, axis=1) + (1 - alpha) * np.ptp(fnmr, axis=1)),
        "garbe": alpha * _ginis(fmr) + (1 - alpha) * _ginis(fnmr),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, rates in (("fmr", fmr), ("fnmr", fnmr)):
            found[f"{name} max/min"] = rates.max(axis=1) / rates.min(axis=1)
            found[f"{name} max/geomean"] = rates.max(axis=1) / np.exp(np.log(rates).mean(axis=1))
    return found


def _ginis(rates: Float64Array) -> Float64Array:
    n = rates.shape[1]
    differences = np.abs(rates[:, :, None] - rates[:, None, :]).sum(axis=(1, 2))
    total = 2 * (n - 1) * rates.sum(axis=1)
    return np.asarray(np.divide(differences, total, out=np.zeros(len(rates)), where=total != 0))
