"""Odd-one-out choices: of three images, which is least like the other two?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.choices import (
    ChoiceModel,
    choice_shares,
    fit_choices,
    log_probabilities,
    share_of_most,
)
from facebench.types import Float64Array, IntArray

__all__ = ["ChoiceCeiling", "agreement", "best_temperature", "choice_ceiling", "log_likelihood"]


class ChoiceCeiling(NamedTuple):
    """How well people's choices can be predicted, on triplets that two or more people judged.

    Attributes
    ----------
    lower : float
        How often a choice is that of most of the others who judged the triplet.
    upper : float
        How often it is that of most of all: no model can agree more often.
    repeated : array of bool, shape [N]
        The choices it is about.
    by_choice : array, shape [N, 2]
        What each of them adds to the lower and the upper one, 1 or 0, or a share of ties.
    """

    lower: float
    upper: float
    repeated: Any
    by_choice: Float64Array


def _as_pairs(similarities: Any, odd: Any) -> tuple[Float64Array, IntArray]:
    table, chosen = np.asarray(similarities, dtype=np.float64), np.asarray(odd)
    if table.ndim != 2 or table.shape[1] != 3 or chosen.shape != (len(table),):
        msg = (
            "Choices need three similarities each, [N, 3], and one odd image, [N]. "
            f"Got {table.shape} and {chosen.shape}."
        )
        raise ValueError(msg)
    if not np.isin(chosen, (0, 1, 2)).all():
        msg = f"The odd image must be 0, 1 or 2. Got {chosen[~np.isin(chosen, (0, 1, 2))][0]!r}."
        raise ValueError(msg)
    return table, chosen.astype(np.intp)


def agreement(similarities: Any, odd: Any) -> Float64Array:
    """Tell whether the model chooses as people did: the odd one is outside the nearest pair.

    Parameters
    ----------
    similarities : array-like, shape [N, 3]
        Column i: how alike the two images other than i are (any scale; larger is more alike).
    odd : array-like of int, shape [N]
        The image chosen as odd, 0, 1 or 2.

    Returns
    -------
    array, shape [N]
        1 or 0; where pairs tie for the nearest, the share of the chosen one; NaN with a missing
        similarity. By chance 1/3.

    Raises
    ------
    ValueError
        If shapes do not fit or a choice is none of the three.

    References
    ----------
    M. N. Hebart et al., "Revealing the multidimensional mental representations of natural objects
    underlying human similarity judgements", Nature Human Behaviour 4 (2020) 1173-1185.

    Examples
    --------
    >>> agreement([[0.9, 0.1, 0.2], [0.9, 0.1, 0.9]], [0, 0])
    array([1. , 0.5])
    """
    table, chosen = _as_pairs(similarities, odd)
    return choice_shares(-table)[np.arange(len(table)), chosen]


def log_likelihood(similarities: Any, odd: Any, temperature: float = 1.0) -> Float64Array:
    """Log-likelihood of choices under a softmax of similarity.

    log P(odd = k) = s_k / T - log Σ_i exp(s_i / T), s_i the similarity of the pair without i.

    Parameters
    ----------
    similarities, odd
        See `agreement`.
    temperature : float, default 1
        T > 0, in the units of the similarities: small is sure of its choices.

    Returns
    -------
    array, shape [N]
        Natural logarithms, at most 0; log(1/3) = -1.0986 by chance; NaN with a missing similarity.

    Raises
    ------
    ValueError
        As `agreement`; also if the temperature is not above 0.

    References
    ----------
    M. N. Hebart et al., Nature Human Behaviour 4 (2020) 1173-1185.

    Examples
    --------
    >>> log_likelihood([[1.0, 1.0, 1.0]], [2]).round(4)
    array([-1.0986])
    """
    table, chosen = _as_pairs(similarities, odd)
    if not temperature > 0:
        msg = f"The 'temperature' must be above 0. Got {temperature!r}."
        raise ValueError(msg)
    logs = log_probabilities(-table, ChoiceModel(1 / temperature))
    return np.asarray(logs[np.arange(len(table)), chosen])


def best_temperature(similarities: Any, odd: Any) -> float:
    """Find the temperature under which choices are most likely.

    Layers have similarities of different scales, so one temperature for all would compare scales.

    Parameters
    ----------
    similarities, odd
        See `agreement`.

    Returns
    -------
    float
        Above 0; inf where the choices are no better than chance at any temperature, or the
        similarities of no triplet differ; NaN without complete choices.

    Raises
    ------
    ValueError
        As `agreement`.

    Examples
    --------
    >>> best_temperature([[1.0, 0.0, 0.0]] * 3, [1, 2, 1])
    inf
    """
    table, chosen = _as_pairs(similarities, odd)
    return fit_choices(-table, np.eye(3)[chosen]).temperature


def choice_ceiling(triplet: Any, odd: Any) -> ChoiceCeiling:
    """Bound the agreement that any model can reach, from triplets judged several times.

    Parameters
    ----------
    triplet : array-like of int, shape [N]
        Which triplet each choice is about: equal numbers, equal triplets.
    odd : array-like of int, shape [N]
        The image chosen, numbered within its triplet the same way in all its choices.

    Returns
    -------
    ChoiceCeiling
        lower, upper, repeated and by_choice; NaN without repeated triplets. Choices that tie for
        the most share 1 among them.

    References
    ----------
    M. N. Hebart et al., Nature Human Behaviour 4 (2020) 1173-1185 (the noise ceiling is the mean
    share of the most frequent choice).

    Examples
    --------
    >>> found = choice_ceiling([0, 0, 0, 1], [2, 2, 1, 0])
    >>> round(found.lower, 4), round(found.upper, 4)
    (0.3333, 0.6667)
    """
    groups, index = np.unique(np.asarray(triplet), return_inverse=True)
    chosen = np.asarray(odd, dtype=np.intp)
    counts = np.zeros((groups.size, 3))
    np.add.at(counts, (index, chosen), 1)
    repeated = counts.sum(axis=1)[index] > 1
    rows = np.arange(len(chosen))
    everybody = counts[index]
    others = everybody.copy()
    others[rows, chosen] -= 1
    by_choice = np.stack([share_of_most(table, chosen) for table in (others, everybody)], axis=1)
    if not repeated.any():
        return ChoiceCeiling(float("nan"), float("nan"), repeated, by_choice)
    lower, upper = by_choice[repeated].mean(axis=0)
    return ChoiceCeiling(float(lower), float(upper), repeated, by_choice)
