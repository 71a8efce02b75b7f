"""Standard errors of measures on pairs that share people, in one pass and without resampling.

A measure is linearised: `Influence.values` says how much each pair moves it. Pairs that share an
image or a person move together, and `standard_error` adds what they do up. A bootstrap of one layer
takes half a second; a run of 10 models, 39 layers and 15 tasks has 5,850 of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.accuracy import accepted_at
from facebench.metrics.labels import read_comparisons
from facebench.metrics.operating_points import eer
from facebench.metrics.uncertainty.spread import (
    PairedDifference,
    Replicates,
    Scale,
    Spread,
    StandardError,
    interval,
    uneven_df,
)
from facebench.types import Float64Array, IntArray

__all__ = [
    "Dyads",
    "Influence",
    "PairedDifference",
    "Scale",
    "auc_influence",
    "dprime_influence",
    "dyadic_error",
    "dyads",
    "eer_influence",
    "interval",
    "linear_replicates",
    "mean_influence",
    "paired_difference",
    "relative_difference_influence",
    "standard_error",
]


class Influence(NamedTuple):
    """A measure and what each comparison contributes to its error.

    Attributes
    ----------
    estimate : float
        The measure.
    values : array, shape [N]
        First-order change of the measure per unit of each comparison's weight; they sum to 0.
    classes : bool array, shape [N], or None
        Which of two classes each comparison is of, where each is averaged on its own.
    dyads : float
        Times this, pairs of the same two units are counted by `less_dyads`; 0 keeps all that they
        add to the jackknife's variance.
    """

    estimate: float
    values: Float64Array
    classes: NDArray[np.bool_] | None = None
    dyads: float = 1.0


def mean_influence(values: Any) -> Influence:
    """Influence of a mean, such as an accuracy (of 0/1) or a mean distance.

    Parameters
    ----------
    values : array-like, shape [N]
        Finite numbers.

    Returns
    -------
    Influence
        Of mean(values): (value - mean) / N.

    Raises
    ------
    ValueError
        If there is no value.

    Examples
    --------
    >>> mean_influence([1, 0, 1, 0]).values
    array([ 0.125, -0.125,  0.125, -0.125])
    """
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        msg = "A mean needs one value or more. Got none."
        raise ValueError(msg)
    mean = float(array.mean())
    return Influence(mean, (array - mean) / array.size)


def auc_influence(labels: Any, scores: Any, *, higher_is_better: bool = True) -> Influence:
    """Influence of the area under the ROC curve.

    A genuine comparison's is (share of impostors it beats - AUC) / n_genuine, an impostor's
    likewise; ties count half.

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
    Influence
        Of the AUC.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845.

    Examples
    --------
    >>> auc_influence([1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1]).values
    array([ 0.125, -0.125, -0.125,  0.125])
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    if np.isnan(similarities).any():
        # Ranks instead of scores, so that NaN can stand below -inf.
        place = np.unique(similarities, return_inverse=True, equal_nan=True)[1]
        similarities = np.where(np.isnan(similarities), -1, place)
    n_genuine = int(np.count_nonzero(genuine))
    n_impostor = genuine.size - n_genuine
    if n_genuine == 0 or n_impostor == 0:
        msg = f"AUC needs both classes. Got {n_genuine} genuine, {n_impostor} impostor comparisons."
        raise ValueError(msg)
    # One sort: how many of each class are below every score, equal ones counted half.
    order = np.argsort(similarities, kind="stable")
    ranked, is_genuine = similarities[order], genuine[order]
    is_first = np.append(True, ranked[1:] != ranked[:-1])
    bounds = np.append(np.flatnonzero(is_first), genuine.size)
    upto = np.append(0, np.cumsum(is_genuine))[bounds]
    genuine_below = (upto[:-1] + upto[1:]) / 2
    impostors_below = (bounds[:-1] + bounds[1:]) / 2 - genuine_below
    place = np.cumsum(is_first) - 1
    beaten = np.empty(genuine.size)
    beaten[order] = np.where(
        is_genuine, (impostors_below / n_impostor)[place], (1 - genuine_below / n_genuine)[place]
    )
    area = float(beaten[genuine].mean())
    values = (beaten - area) / np.where(genuine, n_genuine, n_impostor)
    return Influence(area, values, np.asarray(genuine))


def dprime_influence(labels: Any, scores: Any, *, higher_is_better: bool = True) -> Influence:
    """Influence of d' (with variances over n), by its derivatives of the means and variances.

    Parameters
    ----------
    labels, scores, higher_is_better
        See `auc_influence`.

    Returns
    -------
    Influence
        Of d'; 0 where no score differs from others of its class.

    Raises
    ------
    ValueError
        If the lengths differ, there is nothing, or a label is none.

    Examples
    --------
    >>> dprime_influence([1, 1, 0, 0], [4, 2, 1, -1]).estimate
    3.0
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    (mean1, variance1), (mean0, variance0) = (
        (side.mean(), side.var()) for side in (similarities[genuine], similarities[~genuine])
    )
    spread = np.sqrt((variance1 + variance0) / 2)
    if not spread > 0:
        return Influence(0.0, np.zeros(genuine.size), genuine)
    value = (mean1 - mean0) / spread
    off = similarities - np.where(genuine, mean1, mean0)
    by_mean = np.where(genuine, off, -off) / spread
    by_variance = value * (off**2 - np.where(genuine, variance1, variance0)) / (4 * spread**2)
    numbers = np.where(genuine, genuine.sum(), (~genuine).sum())
    return Influence(float(value), (by_mean - by_variance) / numbers, genuine)


def eer_influence(labels: Any, scores: Any, *, higher_is_better: bool = True) -> Influence:
    """Influence of the equal error rate, by how fast either error rate moves with the threshold.

    Where a comparison raises the FMR, the threshold moves until both rates are equal again: an
    impostor's is w (error - FMR) / n_impostor and a genuine one's (1 - w) (error - FNMR) /
    n_genuine, w being the genuine share of the density around the threshold. It is taken where the
    difference of both rates is within three standard errors. Where many scores are equal, both
    rates jump by m1 and m2 from one threshold to the next: the EER, the mean of both where they are
    nearest, is then off by up to |m1 - m2| / 4. Twice the variance of an error that is anywhere
    within this is added: (m1 - m2)² / 24.

    Parameters
    ----------
    labels, scores, higher_is_better
        See `auc_influence`.

    Returns
    -------
    Influence
        Of the EER.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    A. W. van der Vaart, "Asymptotic statistics" (1998), chapter 20, the delta method for functions
    of distributions.

    Examples
    --------
    >>> eer_influence([1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1]).values
    array([-0.125,  0.125,  0.125, -0.125])
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    found = eer(labels, scores, higher_is_better=higher_is_better)
    threshold = found.threshold if higher_is_better else -found.threshold
    similarities = np.where(np.isnan(similarities), -np.inf, similarities)
    wrong = accepted_at(similarities, threshold) != genuine
    rates = [float(wrong[of_class].mean()) for of_class in (genuine, ~genuine)]
    genuine_scores, impostor_scores = (
        np.sort(similarities[of_class]) for of_class in (genuine, ~genuine)
    )
    smaller = min(genuine_scores.size, impostor_scores.size)
    rate = max(found.rate, 0.5 / smaller)
    reach = 3 * (rate * (1 - rate) / smaller) ** 0.5
    # FNMR - FMR with the threshold at every score.
    places = np.unique(similarities)
    gaps = (
        np.searchsorted(genuine_scores, places) / genuine_scores.size
        + np.searchsorted(impostor_scores, places) / impostor_scores.size
        - 1
    )
    gap = rates[0] - rates[1]
    near = places[(gaps >= gap - reach) & (gaps <= gap + reach)]
    low, high = (near[0], near[-1]) if near.size else (threshold, threshold)
    genuine_share, impostor_share = (
        # Half a comparison, so that there is a density.
        (np.searchsorted(own, high, "right") - np.searchsorted(own, low) + 0.5) / own.size
        for own in (genuine_scores, impostor_scores)
    )
    weight = genuine_share / (genuine_share + impostor_share)
    values = np.where(
        genuine,
        (1 - weight) * (wrong - rates[0]) / genuine_scores.size,
        weight * (wrong - rates[1]) / impostor_scores.size,
    )
    above = np.searchsorted(places, threshold)
    nearest = places[np.clip([above - 1, above], 0, places.size - 1)]
    jumps = [
        # A single score is not a tie.
        np.maximum(np.searchsorted(own, nearest, "right") - np.searchsorted(own, nearest) - 1, 0)
        / own.size
        for own in (genuine_scores, impostor_scores)
    ]
    variance, jump = float((values**2).sum()), float(np.abs(jumps[0] - jumps[1]).max())
    if variance > 0:
        values *= (1 + jump**2 / 24 / variance) ** 0.5
    return Influence(found.rate, values, np.asarray(genuine))


def relative_difference_influence(first: Any, second: Any) -> Influence:
    """Influence of (m1 - m2) / (m1 + m2), m1 and m2 the means of two groups.

    Parameters
    ----------
    first, second : array-like, shapes [N1] and [N2]
        Finite numbers of the groups.

    Returns
    -------
    Influence
        Values of the first group, then of the second.

    Raises
    ------
    ValueError
        If a group is empty or the means sum to zero.

    Examples
    --------
    >>> relative_difference_influence([2, 4], [1, 1]).estimate
    0.5
    """
    (mean1, values1), (mean2, values2) = (mean_influence(side)[:2] for side in (first, second))
    total = mean1 + mean2
    if total == 0:
        msg = "The relative difference of two means that sum to zero is not defined."
        raise ValueError(msg)
    values = np.concatenate((2 * mean2 * values1, -2 * mean1 * values2)) / total**2
    classes = np.arange(values.size) < values1.size
    return Influence((mean1 - mean2) / total, values, classes)


class Dyads(NamedTuple):
    """Which comparisons have members in common.

    Attributes
    ----------
    low, high : int array, shape [N]
        The members of each, by number.
    between : bool array, shape [N]
        Whether they are different ones.
    dyad : int array
        Which two they are, of the comparisons between different ones.
    n_members : int
        How many there are.
    """

    low: IntArray
    high: IntArray
    between: NDArray[np.bool_]
    dyad: IntArray
    n_members: int


def dyads(members1: Any, members2: Any) -> Dyads:
    """Find out which comparisons have members in common, for any number of `dyadic_error`.

    Parameters
    ----------
    members1, members2 : array-like, shape [N]
        Image or identity of each side.

    Returns
    -------
    Dyads
    """
    first, second = np.asarray(members1), np.asarray(members2)
    names, index = np.unique(np.concatenate((first, second)), return_inverse=True)
    low = np.minimum(index[: first.size], index[first.size :])
    high = np.maximum(index[: first.size], index[first.size :])
    between = low != high
    _, dyad = np.unique(low[between] * names.size + high[between], return_inverse=True)
    return Dyads(low, high, between, dyad, names.size)


def standard_error(values: Any, members1: Any = None, members2: Any = None) -> float:
    """Add up influences into a standard error that knows which comparisons share a member.

    var = sum of v_k v_l over all comparisons k, l that have a member in common; never below
    sum of v_k², what independent comparisons would give.

    Parameters
    ----------
    values : array-like, shape [N]
        Influences.
    members1, members2 : array-like, shape [N], optional
        Image or identity of each side; without them comparisons are taken to be independent.

    Returns
    -------
    float
        The standard error, in the units of the measure.

    References
    ----------
    P. M. Aronow, C. Samii and V. A. Assenova, "Cluster-robust variance estimation for dyadic
    data", Political Analysis 23 (2015) 564-577.

    Examples
    --------
    >>> round(standard_error([0.3, -0.3, 0.4, -0.4]) ** 2, 6)
    0.5
    >>> round(standard_error([0.3, 0.3, -0.6], ["a", "a", "b"], ["a", "a", "b"]) ** 2, 6)
    0.72
    """
    influences = np.asarray(values, dtype=np.float64)
    if members1 is None or members2 is None:
        return float(np.sqrt((influences**2).sum()))
    return dyadic_error(influences, dyads(members1, members2))


def dyadic_error(values: Any, shared: Dyads) -> StandardError:
    """Give the `standard_error` of comparisons whose members are known already.

    It keeps the spread of `linear_replicates`, by which `interval` corrects for few members.

    Parameters
    ----------
    values : array-like, shape [N]
        Influences.
    shared : Dyads
        Of the same comparisons.

    Returns
    -------
    StandardError
        In the units of the measure.
    """
    influences = np.asarray(values, dtype=np.float64)
    low, high, between, dyad, n_members = shared
    sums = np.bincount(low, influences, n_members)
    sums += np.bincount(high[between], influences[between], n_members)
    # Comparisons of the same two members share both, and would count twice.
    twice = float((np.bincount(dyad, influences[between]) ** 2).sum())
    independent = float((influences**2).sum())
    error = np.sqrt(max(float((sums**2).sum()) - twice, independent))
    return StandardError(float(error), linear_replicates(Influence(0.0, influences), shared).spread)


def linear_replicates(influence: Influence, shared: Dyads) -> Replicates:
    """Give a measure without each unit in turn, to first order.

    Without the comparisons of unit g it changes by - sum of v_k N / (N - N_g), class by class where
    classes are averaged on their own: exact for means. A unit that is in every comparison is never
    left out.

    Parameters
    ----------
    influence : Influence
        Of the measure.
    shared : Dyads
        Which comparisons have units in common.

    Returns
    -------
    Replicates
        NaN without a unit without which a class is empty.

    References
    ----------
    B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981)
    586-596; J. N. Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40 (1969)
    2076-2100.

    Examples
    --------
    >>> linear_replicates(mean_influence([1.0, 2.0, 6.0]), dyads([*"abc"], [*"abc"])).units
    array([4. , 3.5, 1.5])
    """
    values = np.asarray(influence.values, dtype=np.float64)
    low, high, between, dyad, n_members = shared
    both = high[between]
    n_of = np.bincount(low, minlength=n_members) + np.bincount(both, minlength=n_members)
    counted = (n_of > 0) & (n_of < max(values.size, 2))
    units = np.full(int(np.count_nonzero(counted)), influence.estimate)
    classes = influence.classes
    every = np.ones(values.size, dtype=bool)
    for chosen in (every,) if classes is None else (classes, ~classes):
        own, ones = np.where(chosen, values, 0.0), chosen.astype(np.float64)
        sums, touching = (
            np.bincount(low, column, n_members) + np.bincount(both, column[between], n_members)
            for column in (own, ones)
        )
        size = float(ones.sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            units -= np.where(touching < size, sums * size / (size - touching), np.nan)[counted]
    df = uneven_df(n_of[counted], np.bincount(low[~between], minlength=n_members)[counted])
    if not influence.dyads:
        return Replicates(influence.estimate, units, df=df)
    of_dyads = influence.estimate - influence.dyads * np.bincount(dyad, values[between])
    return Replicates(influence.estimate, units, np.asarray(of_dyads, dtype=np.float64), df)


def paired_difference(
    a: Influence,
    b: Influence,
    shared: Dyads | None = None,
    confidence: float = 0.95,
) -> PairedDifference:
    """Compare a measure of two systems on the same comparisons.

    Parameters
    ----------
    a, b : Influence
        Of each system, comparison by comparison.
    shared : Dyads, optional
        Which comparisons have members in common; without, they are taken to be independent.
    confidence : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    PairedDifference
        a - b; the p value is 1 where the two do not differ at all.

    Examples
    --------
    >>> same = mean_influence([1, 0, 1])
    >>> paired_difference(same, same).p_value
    1.0
    """
    both = Influence(a.estimate - b.estimate, a.values - b.values, a.classes, a.dyads)
    if shared is None:
        found = Spread(standard_error(both.values), np.inf)
    else:
        found = linear_replicates(both, shared).spread
    return PairedDifference.of(both.estimate, found, confidence)
