"""How sure are identification rates? Intervals and errors that leave out people, not probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.identification import RankedProbes, within_rank
from facebench.metrics.stats import wilson
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    PROPORTIONS_NOTE,
    EffectiveCounts,
    effective_counts,
    has_few_errors,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.spread import Replicates
from facebench.types import Float64Array, IntArray

__all__ = [
    "IdentificationIntervals",
    "IdentificationReplicates",
    "identification_intervals",
    "identification_jackknife",
]

_CHUNK = 1 << 22

_Rate = Callable[[Float64Array], Float64Array]


class IdentificationReplicates(NamedTuple):
    """Rank-k rates and TPIRs without each group of people, in the order asked for."""

    rank: list[Replicates]
    tpir: list[Replicates]


class IdentificationIntervals(NamedTuple):
    """Intervals of rank-k rates and of TPIRs, in the order asked for, and how they were made.

    Attributes
    ----------
    rank, tpir : list of Interval
    few_rank, few_tpir : list of bool
        Which of them are conservative since there are few errors, see `has_few_errors`.
    method : str
    """

    rank: list[Interval]
    tpir: list[Interval]
    few_rank: list[bool]
    few_tpir: list[bool]
    method: str


def identification_intervals(
    galleries: Sequence[RankedProbes],
    *,
    ranks: Sequence[int] = (1,),
    fpir: Sequence[float] = (),
    confidence: float = 0.95,
) -> IdentificationIntervals:
    """Give intervals of rank-k rates and of TPIR at FPIR, of one gallery or averaged over several.

    Probes of one person are dependent, so people are left out in turn, each with all its probes and
    in every gallery. Where every mated probe is another person's, and there is one gallery, a
    rank-k rate is a plain proportion and has Wilson's interval. Next to 0 and 1 no interval is
    narrower than the number of probes allows, see `jackknife_proportion`.

    Parameters
    ----------
    galleries : sequence of RankedProbes
        One or more; rates are averaged over them.
    ranks : sequence of int, default 1
        The k of rank-k.
    fpir : sequence of float
        Targets of TPIR at rank 1; needs probes outside the gallery.
    confidence : float, default 0.95
        Nominal coverage.

    Returns
    -------
    IdentificationIntervals
        NaN where the measure is not defined, or of fewer than three people.

    Raises
    ------
    ValueError
        If there are no galleries.

    References
    ----------
    E. B. Wilson, JASA 22 (1927) 209-212; see `JackknifeGroups` and `jackknife_proportion`.

    Examples
    --------
    >>> from facebench.metrics.identification import rank_probes
    >>> ranked = rank_probes([[0.9, 0.1], [0.6, 0.5]], ["ann", "bea"], ["ann", "bea"])
    >>> found = identification_intervals([ranked])
    >>> found.method, [round(end, 3) for end in found.rank[0]]
    ('95 % Wilson', [0.095, 0.905])
    """
    made = identification_jackknife(galleries, ranks=ranks, fpir=fpir)
    level = f"{confidence * 100:g} %"
    mated = np.concatenate([gallery.identities[gallery.mated] for gallery in galleries])
    ranked = _counts_by_rank(galleries)
    few_rank = [has_few_errors("fnmr", each.value, ranked) for each in made.rank]
    if 0 < np.unique(mated).size == mated.size and len(galleries) == 1:
        rank = [
            wilson(round(each.value * mated.size), mated.size, confidence) for each in made.rank
        ]
        method, few_rank = f"{level} Wilson", [False] * len(rank)
    else:
        rank = [jackknife_proportion("fnmr", each, ranked, confidence) for each in made.rank]
        method = f"{level} jackknife of people{_groups(made.rank)}, t quantiles{PROPORTIONS_NOTE}"
    if not fpir:
        return IdentificationIntervals(rank, [], few_rank, [], method)
    searched = _counts_by_distance(galleries)
    tpir = [jackknife_proportion("tar", each, searched, confidence) for each in made.tpir]
    few_tpir = [
        has_few_errors("tar", each.value, searched, target)
        for each, target in zip(made.tpir, fpir, strict=True)
    ]
    method += f"; TPIR: {level} jackknife of people{_groups(made.tpir)}"
    return IdentificationIntervals(rank, tpir, few_rank, few_tpir, method)


def identification_jackknife(
    galleries: Sequence[RankedProbes],
    *,
    ranks: Sequence[int] = (1,),
    fpir: Sequence[float] = (),
) -> IdentificationReplicates:
    """Measure rank-k rates and TPIRs without the probes of each group of people in turn.

    Parameters
    ----------
    galleries, ranks, fpir
        See `identification_intervals`.

    Returns
    -------
    IdentificationReplicates
        Rank-k rates without each of the people who are in a gallery, TPIRs without each of all;
        the same people and galleries give the same groups. A TPIR has no more degrees of freedom
        than either kind of people has, and than 2 k + 2 where k false positives place its
        threshold. NaN where not defined.

    Raises
    ------
    ValueError
        If there are no galleries.

    Examples
    --------
    >>> from facebench.metrics.identification import rank_probes
    >>> ranked = rank_probes([[0.9, 0.1], [0.6, 0.5]], ["ann", "bea"], ["ann", "bea"])
    >>> made = identification_jackknife([ranked]).rank[0]
    >>> made.value, sorted(made.units.tolist())
    (0.5, [0.0, 1.0])
    """
    if not galleries:
        msg = "There are no galleries to average."
        raise ValueError(msg)
    sizes = [gallery.identities.size for gallery in galleries]
    names = np.concatenate([gallery.identities for gallery in galleries])
    people, codes = np.unique(names, return_inverse=True)
    both = list(zip(galleries, np.split(codes, np.cumsum(sizes)[:-1]), strict=True))
    mated, outside = (
        np.unique(np.concatenate([part[gallery.mated == is_in] for gallery, part in both]))
        for is_in in (True, False)
    )

    def without(who: IntArray) -> Float64Array:
        kept = JackknifeGroups(people[who]).kept.T
        weights = np.ones((1 + len(kept), people.size))
        weights[1:, who] = kept
        return weights

    step = max(1, _CHUNK // max(sizes))

    def left_out(rates: list[_Rate], weights: Float64Array, df: float | None = None) -> Replicates:
        values = np.concatenate(
            [
                np.mean([rate(weights[start : start + step]) for rate in rates], axis=0)
                for start in range(0, len(weights), step)
            ]
        )
        return Replicates(float(values[0]), values[1:], df=df)

    n_outside = int(np.sum([(~gallery.mated).sum() for gallery in galleries]))
    fewest = min(mated.size, outside.size) - 1
    # The same groups for every rate of a kind.
    by_mated, by_anyone = without(mated), without(np.arange(people.size))
    return IdentificationReplicates(
        [left_out([_rank_rate(*each, k) for each in both], by_mated) for k in ranks],
        [
            left_out(
                [_tpir(*each, target) for each in both],
                by_anyone,
                max(1.0, min(fewest, 2 * target * n_outside + 2)),
            )
            for target in fpir
        ],
    )


def _groups(made: Sequence[Replicates]) -> str:
    """Say how many groups of people are left out."""
    return f" ({made[0].units.size} groups)" if made else ""


def _joined(galleries: Sequence[RankedProbes], distances: Sequence[Any]) -> EffectiveCounts:
    """Count the independent probes of all galleries, by those that are the hardest."""
    people = np.unique(
        np.concatenate([gallery.identities for gallery in galleries]), return_inverse=True
    )[1]
    mated = np.concatenate([gallery.mated for gallery in galleries])
    return effective_counts(mated, np.concatenate(distances), people, people)


def _counts_by_rank(galleries: Sequence[RankedProbes]) -> EffectiveCounts:
    return _joined(
        galleries, [np.where(gallery.ranks > 0, gallery.ranks, np.nan) for gallery in galleries]
    )


def _counts_by_distance(galleries: Sequence[RankedProbes]) -> EffectiveCounts:
    return _joined(galleries, [-within_rank(gallery, 1) for gallery in galleries])


def _rank_rate(gallery: RankedProbes, people: IntArray, k: int) -> _Rate:
    """Give a rank-k rate as a function of how often people count, [R, people]."""
    found = gallery.mated & (gallery.ranks > 0) & (gallery.ranks <= k)

    def rate(weights: Float64Array) -> Float64Array:
        n_found, n_mated = (
            weights @ np.bincount(people[chosen], minlength=weights.shape[1]).astype(np.float64)
            for chosen in (found, gallery.mated)
        )
        undefined = np.full(len(weights), np.nan)
        return np.asarray(np.divide(n_found, n_mated, out=undefined, where=n_mated > 0))

    return rate


def _tpir(gallery: RankedProbes, people: IntArray, target: float) -> _Rate:
    """Give a TPIR as a function of how often people count."""
    n_outside = int((~gallery.mated).sum())
    if target * n_outside < 0.5 or gallery.mated.sum() == 0:
        # Not even the estimate exists.
        return lambda weights: np.full(len(weights), np.nan)
    similarities = within_rank(gallery, 1)
    # NaN sorts last, and is never accepted.
    order = np.argsort(-similarities, kind="stable")
    order = order[: np.count_nonzero(~np.isnan(similarities))]
    ranked = similarities[order]
    # Tied probes pass together: only the last of them is a threshold.
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    is_mated, who = gallery.mated[order], people[order]

    def rate(weights: Float64Array) -> Float64Array:
        own = weights[:, who]
        found = np.cumsum(own * is_mated, axis=1)[:, ends]
        false = np.cumsum(own * ~is_mated, axis=1)[:, ends]
        n_mated, n_false = (
            weights @ np.bincount(people[chosen], minlength=weights.shape[1]).astype(np.float64)
            for chosen in (gallery.mated, ~gallery.mated)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            fits = np.count_nonzero(false / n_false[:, None] <= target, axis=1)
            best = np.where(fits > 0, found[np.arange(len(weights)), fits - 1], 0.0) / n_mated
        return np.asarray(np.where(n_false > 0, best, np.nan))

    return rate
