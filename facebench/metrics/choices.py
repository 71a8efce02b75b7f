"""Choices among alternatives: the nearest, probabilities of each, and their prediction.

Distances are an array [N, K], a row per trial and a column per alternative. An alternative that a
trial does not offer is infinitely far; NaN is a distance that is not known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy

from facebench.types import Float64Array

__all__ = [
    "ChoiceModel",
    "absence_criterion",
    "choice_ceiling_likelihoods",
    "choice_shares",
    "fit_choices",
    "held_out_log_probabilities",
    "log_probabilities",
    "margins",
    "share_of_most",
    "with_absence",
]

# Inverse temperatures are looked for up to this over the spread of distances.
_REACH = 1e3
# Slopes below this are rounding.
_FLAT = 1e-12


class ChoiceModel(NamedTuple):
    """The softmax of minus distance: P(k) = exp(-d_k / T) / Σ_i exp(-d_i / T).

    Attributes
    ----------
    slope : float
        1/T, per unit of distance; 0 where choices are at or below chance, NaN without choices.
    absence : float
        What stands in the place of -d / T for "none of them"; NaN if that is not an alternative.
    """

    slope: float
    absence: float = float("nan")

    @property
    def temperature(self) -> float:
        """T, in the units of the distances; inf where choices are at or below chance."""
        return float("inf") if self.slope == 0 else 1 / self.slope


def choice_shares(distances: Any) -> Float64Array:
    """Choose the nearest alternative; alternatives that are equally near share the choice.

    Parameters
    ----------
    distances : array-like, shape [N, K]
        See the module.

    Returns
    -------
    array, shape [N, K]
        1 for the nearest, 1/m for each of m that tie, 0 for others; NaN in rows with a NaN.

    Examples
    --------
    >>> choice_shares([[0.1, 0.2, np.inf], [0.3, 0.3, 0.9]])
    array([[1. , 0. , 0. ],
           [0.5, 0.5, 0. ]])
    """
    table = np.asarray(distances, dtype=np.float64)
    nearest = table == table.min(axis=1, keepdims=True, initial=np.inf)
    shares = nearest / np.maximum(nearest.sum(axis=1, keepdims=True), 1)
    return np.where(np.isnan(table).any(axis=1, keepdims=True), np.nan, shares)


def margins(distances: Any, right: Any) -> Float64Array:
    """Tell how much nearer the right alternative is than the nearest of the others.

    Parameters
    ----------
    distances : array-like, shape [N, K]
        See the module.
    right : int array, shape [N]
        The column of the right one.

    Returns
    -------
    array, shape [N]
        Distance of the nearest wrong alternative minus that of the right one: above 0 where the
        choice is right, 0 in a tie.

    Examples
    --------
    >>> margins([[0.1, 0.4], [0.5, 0.2]], [0, 0])
    array([ 0.3, -0.3])
    """
    table = np.array(distances, dtype=np.float64)
    rows = np.arange(len(table))
    own = table[rows, right]
    failed = np.isnan(table).any(axis=1)
    table[rows, right] = np.inf
    return np.where(failed, np.nan, table.min(axis=1, initial=np.inf) - own)


def absence_criterion(distances: Any, right: Any, how: str) -> float:
    """Choose the largest distance at which an alternative is still taken for the target.

    Parameters
    ----------
    distances : array-like, shape [N, K]
        See the module; rows with NaN do not count.
    right : int array, shape [N]
        The column of the right alternative, -1 where the target is absent.
    how : {'best', 'equal error'}
        For the most right decisions; or where target-present trials are rejected as often as
        target-absent ones are accepted.

    Returns
    -------
    float
        Midway between two trials' smallest distances; NaN without trials of both kinds. Of several
        that are equally good the middle one.

    Examples
    --------
    >>> absence_criterion([[0.1, 0.5], [0.2, 0.9], [0.4, 0.6]], [0, 0, -1], "best").__round__(6)
    0.3
    """
    table, answer = np.asarray(distances, dtype=np.float64), np.asarray(right)
    kept = ~np.isnan(table).any(axis=1)
    table, answer = table[kept], answer[kept]
    absent = answer < 0
    if not absent.any() or absent.all():
        return float("nan")
    nearest = table.min(axis=1)
    order = np.argsort(nearest, kind="stable")
    nearest, absent = nearest[order], absent[order]
    shares = choice_shares(table)[np.arange(len(table)), np.maximum(answer, 0)][order]
    # After so many accepted trials: none, one … all. Trials that tie are accepted together.
    ends = np.concatenate(([True], np.append(nearest[1:] != nearest[:-1], True)))
    accepted_absent = np.concatenate(([0], np.cumsum(absent)))
    if how == "best":
        right_choices = np.concatenate(([0], np.cumsum(np.where(absent, 0.0, shares))))
        score = right_choices + absent.sum() - accepted_absent
    else:
        accepted = np.arange(len(nearest) + 1) - accepted_absent
        rejected = 1 - accepted / (~absent).sum()
        score = -np.abs(rejected - accepted_absent / absent.sum())
    score = np.where(ends, score, -np.inf)
    best = np.flatnonzero(score >= score.max() - _FLAT)
    place = int(best[len(best) // 2])
    step = float(np.ptp(nearest)) or 1.0
    low = nearest[place - 1] if place else nearest[0] - step
    high = nearest[place] if place < len(nearest) else nearest[-1] + step
    return float((low + high) / 2)


def with_absence(distances: Any, criterion: float) -> Float64Array:
    """Add "none of them" as an alternative, just behind the criterion, at which one is accepted.

    Parameters
    ----------
    distances : array-like, shape [N, K]
        See the module.
    criterion : float
        The largest accepted distance.

    Returns
    -------
    array, shape [N, K + 1]
        With absence as the last alternative.

    Examples
    --------
    >>> choice_shares(with_absence([[0.1, 0.4], [0.3, 0.4], [0.2, 0.4]], 0.2)).argmax(axis=1)
    array([0, 2, 0])
    """
    table = np.asarray(distances, dtype=np.float64)
    behind = np.full((len(table), 1), np.nextafter(criterion, np.inf))
    return np.concatenate((table, behind), axis=1)


def log_probabilities(distances: Any, model: ChoiceModel) -> Float64Array:
    """Give the logarithm of the probability of each alternative.

    Parameters
    ----------
    distances : array-like, shape [N, K]
        See the module.
    model : ChoiceModel
        The temperature, and what "none of them" stands at if it may be answered.

    Returns
    -------
    array, shape [N, K] or [N, K + 1]
        Natural logarithms, -inf for alternatives that are not offered; the last of K + 1 columns
        is "none of them".

    Examples
    --------
    >>> np.exp(log_probabilities([[0.0, 0.0, np.inf]], ChoiceModel(1.0)))
    array([[0.5, 0.5, 0. ]])
    """
    return np.asarray(
        scipy.special.log_softmax(_utilities(np.asarray(distances, dtype=np.float64), model), 1)
    )


def _utilities(table: Float64Array, model: ChoiceModel) -> Float64Array:
    # No distance times no slope is nothing, but an alternative that is not offered stays so.
    offered = ~np.isinf(table)
    utilities = np.where(offered, -model.slope * np.where(offered, table, 0.0), -np.inf)
    if np.isnan(model.absence):
        return utilities
    return np.concatenate((utilities, np.full((len(table), 1), model.absence)), axis=1)


def fit_choices(
    distances: Any,
    counts: Any,
    *,
    temperature: float | None = None,
    absence: float | None = None,
    start: ChoiceModel | None = None,
) -> ChoiceModel:
    """Find the temperature under which choices are most likely.

    Parameters
    ----------
    distances : array-like, shape [N, K]
        See the module; rows with NaN do not count.
    counts : array-like, shape [N, K] or [N, K + 1]
        How often each alternative was chosen; the last of K + 1 is "none of them".
    temperature : float, optional
        T, where it is given and not fitted.
    absence : float, optional
        The distance that "none of them" stands at, where it is given and not fitted.
    start : ChoiceModel, optional
        Where to begin, to be quick.

    Returns
    -------
    ChoiceModel
        The likelihood is concave in 1/T and absence, so that there is one best.

    Examples
    --------
    >>> found = fit_choices([[0.0, 1.0]], [[3, 1]])
    >>> round(found.slope, 4)
    1.0986
    """
    table, chosen = np.asarray(distances, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    has_none = chosen.shape[1] > table.shape[1]
    kept = ~np.isnan(table).any(axis=1) & (chosen.sum(axis=1) > 0)
    table, chosen = table[kept], chosen[kept]
    if not len(table):
        return ChoiceModel(float("nan") if temperature is None else 1 / temperature)
    offered = np.isfinite(table)
    centre = float(table[offered].mean())
    # Alternatives differ within trials, and all of them from absence.
    means = np.where(offered, table, 0).sum(axis=1) / offered.sum(axis=1)
    off = table - (centre if has_none else means[:, None])
    spread = float(np.sqrt((off[offered] ** 2).mean()))
    is_flat = spread <= _FLAT * max(1.0, abs(centre))
    unit = 1.0 if is_flat else spread
    scaled = (table - centre) / unit
    if has_none and absence is not None:
        # It is then an alternative like the others.
        at = (absence - centre) / unit
        scaled = np.concatenate((scaled, np.full((len(table), 1), at)), axis=1)
    slopes = (0.0, 0.0 if is_flat else _REACH)
    if temperature is not None:
        slopes = (unit / temperature,) * 2
    is_free = has_none and absence is None
    first = (1.0, 0.0)
    if start is not None and np.isfinite(start.slope):
        first = (start.slope * unit, start.absence + start.slope * centre if is_free else 0.0)
    found = _most_likely(scaled, chosen, slopes, first, is_free=is_free)
    slope = found.slope / unit
    if is_free:
        return ChoiceModel(slope, found.absence - slope * centre)
    return ChoiceModel(slope, -slope * absence if has_none and absence is not None else np.nan)


def _most_likely(
    scaled: Float64Array,
    chosen: Float64Array,
    slopes: tuple[float, float],
    first: tuple[float, float],
    *,
    is_free: bool,
) -> ChoiceModel:
    """Maximise the likelihood over slopes within bounds, and over absence if it is free."""
    from scipy.optimize import minimize

    total, per_trial = chosen.sum(), chosen.sum(axis=1, keepdims=True)
    known = np.where(np.isinf(scaled), 0.0, scaled)
    width = scaled.shape[1]

    def unlikely(at: Float64Array) -> tuple[float, Float64Array]:
        model = ChoiceModel(float(at[0]), float(at[1]) if is_free else np.nan)
        utilities = _utilities(scaled, model)
        logs = scipy.special.log_softmax(utilities, axis=1)
        surplus = (chosen - per_trial * np.exp(logs)) / total
        gradient = [(surplus[:, :width] * known).sum(), -surplus[:, width:].sum()]
        # What is not offered is not chosen.
        return -float((chosen * np.where(np.isinf(logs), 0.0, logs)).sum() / total), np.array(
            gradient
        )

    best = minimize(
        unlikely,
        np.array([np.clip(first[0], *slopes), np.clip(first[1], -_REACH, _REACH)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[slopes, (-_REACH, _REACH) if is_free else (0.0, 0.0)],
        options={"ftol": 1e-15, "gtol": 1e-11, "maxiter": 1000},
    )
    slope, absence = map(float, best.x)
    # So small a slope is rounding: chance is as likely.
    slope = slope if slope > 1e-7 or slopes[0] > 0 else 0.0
    return ChoiceModel(slope, absence if is_free else float("nan"))


def held_out_log_probabilities(
    distances: Any,
    counts: Any,
    group: Any,
    *,
    n_folds: int = 10,
    temperature: float | None = None,
    absence: float | None = None,
) -> Float64Array:
    """Give log-probabilities by models that were fitted to the choices of other trials.

    Parameters
    ----------
    distances, counts, temperature, absence
        See `fit_choices`.
    group : array-like, shape [N]
        Trials of one group are held out together, such as those of one target's identity.
    n_folds : int, default 10
        Groups are assigned to so many folds by their sorted names; as many as groups where there
        are fewer.

    Returns
    -------
    array
        See `log_probabilities`; NaN where there are fewer than two groups.

    Examples
    --------
    >>> found = held_out_log_probabilities([[0.0, 1.0]] * 2, [[3, 1], [1, 1]], ["a", "b"])
    >>> np.exp(found).round(2)
    array([[0.5 , 0.5 ],
           [0.75, 0.25]])
    """
    table, chosen = np.asarray(distances, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    names, number = np.unique(np.asarray(group).astype(str), return_inverse=True)
    found = np.full(chosen.shape, np.nan)
    n_parts = min(n_folds, names.size)
    if n_parts < 2:
        return found
    fold = (np.random.default_rng(0).permutation(names.size) % n_parts)[number]
    given: dict[str, Any] = {"temperature": temperature, "absence": absence}
    whole = fit_choices(table, chosen, **given)
    for part in range(n_parts):
        out = fold == part
        model = fit_choices(table[~out], chosen[~out], **given, start=whole)
        if not np.isnan(model.slope):
            found[out] = log_probabilities(table[out], model)
    return found


def share_of_most(counts: Any, chosen: Any) -> Float64Array:
    """Tell whether a choice is the most frequent one; choices that tie for it share 1.

    Parameters
    ----------
    counts : array-like, shape [N, K]
        How often each alternative was chosen.
    chosen : int array, shape [N]
        A choice of each row.

    Returns
    -------
    array, shape [N]

    Examples
    --------
    >>> share_of_most([[2, 1], [1, 1]], [1, 0])
    array([0. , 0.5])
    """
    table = np.asarray(counts, dtype=np.float64)
    return np.asarray(choice_shares(-table)[np.arange(len(table)), chosen])


def choice_ceiling_likelihoods(counts: Any, offered: Any) -> tuple[Float64Array, Float64Array]:
    """Bound the log-likelihood of people's choices, on trials that two or more people judged.

    Parameters
    ----------
    counts : array-like, shape [N, K]
        How often each alternative was chosen.
    offered : bool array, shape [N, K]
        Which alternatives there were.

    Returns
    -------
    lower, upper : array, shape [N]
        Sums over the choices of a trial: by the shares of the others' choices, to each of which
        1/2 is added (so that none is impossible); and by the shares of all, more than which no
        model can reach. NaN where fewer than two choices are known.

    Examples
    --------
    >>> lower, upper = choice_ceiling_likelihoods([[3, 1]], [[True, True]])
    >>> lower.round(3), upper.round(3)
    (array([-3.489]), array([-2.249]))
    """
    table, known = np.asarray(counts, dtype=np.float64), np.asarray(offered, dtype=bool)
    total = table.sum(axis=1, keepdims=True)
    number = known.sum(axis=1, keepdims=True)
    others = np.log((table - 0.5).clip(min=0.5)) - np.log(total - 1 + number / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.log(table / total)
    chosen = table > 0
    sums = [
        np.where(total[:, 0] > 1, (table * np.where(chosen, logs, 0.0)).sum(axis=1), np.nan)
        for logs in (others, shares)
    ]
    return sums[0], sums[1]
