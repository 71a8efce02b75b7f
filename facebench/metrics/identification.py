"""Identification: finding a probe's person in a gallery.

`scores` are [probe, gallery], similarities or distances (``higher_is_better=False``); the gallery
holds one template per identity. A probe whose identity is in the gallery is mated; only those are
the denominator of CMC, rank-k and TPIR. Ties are pessimistic: every other template that scores as
well as the right one stands before it. NaN is a failed comparison, worse than any score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.labels import as_similarities
from facebench.metrics.operating_points import tar_at_far
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = [
    "Cmc",
    "RankedProbes",
    "TpirAtFpir",
    "cmc",
    "per_gallery_average",
    "rank_k",
    "rank_probes",
    "tpir_at_fpir",
    "within_rank",
]

_CHUNK = 1 << 22
_TARGETS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True, eq=False)
class Cmc:
    """A cumulative match characteristic; also usable as the array of its rates.

    Attributes
    ----------
    rates : array, shape [G]
        Share of mated probes found within rank 1, 2 … G (gallery size).
    """

    rates: Float64Array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Float64Array:
        return np.array(self.rates, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.rates)

    def __getitem__(self, index: Any) -> Any:
        return self.rates[index]


class TpirAtFpir(NamedTuple):
    """Open-set identification at one target of the false positive identification rate.

    Attributes
    ----------
    target : float
        The FPIR asked for.
    tpir, fpir : float
        Rates reached; fpir <= target.
    threshold : float
        In the units of the scores.
    n_outside : int
        Probes without a mate in the gallery.
    resolvable : bool
        Whether one false positive among them would be within the target.
    """

    target: float
    tpir: float
    fpir: float
    threshold: float
    n_outside: int
    resolvable: bool


class RankedProbes(NamedTuple):
    """What a search tells of every probe; `cmc`, `rank_k` and `tpir_at_fpir` take it for scores.

    A search of a large gallery (`facebench.metrics.search`) gives it without a table of scores.

    Attributes
    ----------
    identities : array, shape [P]
        Who the probes are.
    mated : array of bool, shape [P]
        Whether they are in the gallery.
    similarities : array, shape [P]
        Of a mated probe to its right template, of another to the most similar one; distances are
        negated. NaN where the comparison failed.
    ranks : int array, shape [P]
        Of the right template, from 1; 0 where there is none or the comparison failed.
    n_gallery : int
        Templates in the gallery.
    """

    identities: NDArray[Any]
    mated: NDArray[np.bool_]
    similarities: Float64Array
    ranks: IntArray
    n_gallery: int


def rank_probes(
    scores: Any, probe_ids: Any, gallery_ids: Any, *, higher_is_better: bool = True
) -> RankedProbes:
    """Rank the right template of every probe among all templates, from a table of scores.

    Parameters
    ----------
    scores, probe_ids, gallery_ids, higher_is_better
        As in `cmc`.

    Returns
    -------
    RankedProbes

    Raises
    ------
    ValueError
        If shapes differ, the gallery is empty, or it repeats an identity.

    Examples
    --------
    >>> rank_probes([[0.9, 0.1], [0.6, 0.6]], ["ann", "bea"], ["ann", "bea"]).ranks
    array([1, 2])
    """
    table = np.asarray(scores)
    probes, gallery = np.asarray(probe_ids), np.asarray(gallery_ids)
    if table.ndim != 2 or table.shape != (probes.size, gallery.size):
        msg = (
            f"Scores must be of shape [probe, gallery], here ({probes.size}, {gallery.size}). "
            f"Got {table.shape}."
        )
        raise ValueError(msg)
    if gallery.size == 0:
        msg = "The gallery is empty."
        raise ValueError(msg)
    place = {identity: column for column, identity in enumerate(gallery.tolist())}
    if len(place) < gallery.size:
        msg = (
            f"A gallery holds one template per identity. Got {gallery.size} templates of "
            f"{len(place)} identities: pool them first."
        )
        raise ValueError(msg)
    column = np.array([place.get(identity, -1) for identity in probes.tolist()], dtype=np.intp)
    mated = column >= 0
    similarity = np.full(probes.size, np.nan)
    rank = np.zeros(probes.size, dtype=np.intp)
    # A few rows at a time: the comparison of a large table would need as much memory again.
    step = max(1, _CHUNK // gallery.size)
    for start in range(0, probes.size, step):
        rows = slice(start, start + step)
        similarities = as_similarities(table[rows], higher_is_better)
        found = similarities[np.arange(len(similarities)), column[rows]].astype(np.float64)
        # The mate itself is among those as good as it, so this counts from 1; NaN gives 0.
        rank[rows] = np.count_nonzero(similarities >= found[:, None], axis=1)
        similarity[rows] = np.where(mated[rows], found, np.fmax.reduce(similarities, axis=1))
    return RankedProbes(probes, mated, similarity, np.where(mated, rank, 0), gallery.size)


def _as_ranked(
    scores: Any, probe_ids: Any, gallery_ids: Any, higher_is_better: bool
) -> RankedProbes:
    ranked = (
        scores
        if isinstance(scores, RankedProbes)
        else rank_probes(scores, probe_ids, gallery_ids, higher_is_better=higher_is_better)
    )
    if not ranked.mated.any():
        msg = "No probe's identity is in the gallery: there is nothing to find."
        raise ValueError(msg)
    return ranked


def cmc(
    scores: Any,
    probe_ids: Any = None,
    gallery_ids: Any = None,
    *,
    higher_is_better: bool = True,
) -> Cmc:
    """Cumulative match characteristic: share of mated probes found within each rank.

    The rank of a probe is the number of templates that score at least as well as the right one,
    itself included.

    Parameters
    ----------
    scores : array, shape [P, G], or RankedProbes
        Probe against gallery, similarities or distances; or ranked probes, and then no identities.
    probe_ids : array-like, shape [P]
        Identity of each probe; those not in the gallery are left out of the denominator.
    gallery_ids : array-like, shape [G]
        Identity of each template, all different.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    Cmc
        ``rates``, shape [G], never falling; higher is better. Ends at 1 unless a mated
        comparison failed (NaN).

    Raises
    ------
    ValueError
        If shapes differ, the gallery repeats an identity, or no probe is mated.

    References
    ----------
    P. Grother and P. J. Phillips, "Models of large population recognition performance", CVPR
    (2004); ISO/IEC 19795-1:2021.

    Examples
    --------
    >>> cmc([[0.9, 0.1], [0.6, 0.6]], ["ann", "bea"], ["ann", "bea"]).rates
    array([0.5, 1. ])
    """
    ranked = _as_ranked(scores, probe_ids, gallery_ids, higher_is_better)
    ranks = ranked.ranks[ranked.mated]
    at_rank = np.bincount(ranks, minlength=ranked.n_gallery + 1)[1:]
    return Cmc(np.cumsum(at_rank) / ranks.size)


def rank_k(
    scores: Any,
    probe_ids: Any = None,
    gallery_ids: Any = None,
    *,
    k: int = 1,
    higher_is_better: bool = True,
) -> float:
    """Share of mated probes whose identity is among the k best templates.

    Parameters
    ----------
    scores, probe_ids, gallery_ids, higher_is_better
        As in `cmc`.
    k : int, default 1
        Rank, 1 or more; beyond the gallery's size it is that size.

    Returns
    -------
    float
        In [0, 1]; higher is better.

    Raises
    ------
    ValueError
        As `cmc`, or if k is below 1.

    References
    ----------
    P. Grother and P. J. Phillips, "Models of large population recognition performance", CVPR
    (2004).

    Examples
    --------
    >>> rank_k([[0.9, 0.1], [0.6, 0.6]], ["ann", "bea"], ["ann", "bea"], k=1)
    0.5
    """
    _check_rank("k", k)
    rates = cmc(scores, probe_ids, gallery_ids, higher_is_better=higher_is_better).rates
    return float(rates[min(k, rates.size) - 1])


def _check_rank(name: str, rank: int) -> None:
    if rank < 1:
        msg = f"The {name!r} parameter must be 1 or more. Got {rank!r} instead."
        raise ValueError(msg)


def within_rank(ranked: RankedProbes, rank: int) -> Float64Array:
    """Give the similarities of probes, NaN for the mated ones whose rank is beyond `rank`.

    A mate beyond the rank is never found, at any threshold: as if its comparison failed.
    """
    missed = ranked.mated & ((ranked.ranks < 1) | (ranked.ranks > rank))
    return np.where(missed, np.nan, ranked.similarities)


def tpir_at_fpir(
    scores: Any,
    probe_ids: Any = None,
    gallery_ids: Any = None,
    *,
    fpir: float | Sequence[float] | FloatArray = _TARGETS,
    rank: int = 1,
    higher_is_better: bool = True,
) -> Any:
    """Open-set identification: mated probes found at a threshold few outsiders pass (DIR at FAR).

    FPIR(t) is the share of outside probes whose best gallery score passes t; TPIR(t) the share of
    mated probes whose right template passes t and stands within `rank`. TPIR is the largest over
    thresholds with FPIR(t) <= target; of equal TPIR the lowest FPIR.

    Parameters
    ----------
    scores, probe_ids, gallery_ids, higher_is_better
        As in `cmc`; probes outside the gallery are needed too.
    fpir : float or sequence of float, default 0.1, 0.01, 0.001
        Targets, in [0, 1].
    rank : int, default 1
        How far down the list the right template may be.

    Returns
    -------
    list of TpirAtFpir
        One record per target, or the record itself for a single number; higher TPIR is better.
        Targets too low for the number of outside probes: see `tar_at_far`.

    Raises
    ------
    ValueError
        As `cmc`; if there is no outside probe; if rank is below 1 or a target outside [0, 1].

    References
    ----------
    P. J. Phillips, P. Grother and R. Micheals, "Evaluation methods in face recognition", Handbook
    of Face Recognition (2011), detection and identification rate; P. Grother et al., NIST IR 8271.

    Examples
    --------
    >>> scores = [[0.9, 0.1], [0.3, 0.6], [0.7, 0.2]]
    >>> found = tpir_at_fpir(scores, ["ann", "bea", "eve"], ["ann", "bea"], fpir=0.5)
    >>> found.tpir, found.fpir, found.threshold
    (0.5, 0.0, 0.8)
    """
    _check_rank("rank", rank)
    ranked = _as_ranked(scores, probe_ids, gallery_ids, higher_is_better)
    if ranked.mated.all():
        msg = "Every probe's identity is in the gallery: FPIR needs probes outside it."
        raise ValueError(msg)
    records = [
        TpirAtFpir(
            *found._replace(threshold=found.threshold if higher_is_better else -found.threshold)
        )
        for found in tar_at_far(ranked.mated, within_rank(ranked, rank), np.atleast_1d(fpir))
    ]
    return records[0] if np.ndim(fpir) == 0 else records


def per_gallery_average(results: Sequence[Any]) -> Any:
    """Mean of one measure over several galleries, each gallery counting the same.

    Parameters
    ----------
    results : sequence of float, Cmc or array
        One per gallery: rank-k rates, TPIRs, or CMCs (cut to the smallest gallery).

    Returns
    -------
    float, or Cmc for CMCs and arrays
        The mean.

    Raises
    ------
    ValueError
        If there are no galleries.

    References
    ----------
    C. Whitelam et al., "IARPA Janus Benchmark-B face dataset", CVPR Workshops (2017): two
    galleries, results averaged.

    Examples
    --------
    >>> per_gallery_average([0.5, 1.0])
    0.75
    """
    if len(results) == 0:
        msg = "There are no galleries to average."
        raise ValueError(msg)
    arrays = [np.asarray(result, dtype=np.float64) for result in results]
    if arrays[0].ndim == 0:
        return float(np.mean(arrays))
    size = min(len(rates) for rates in arrays)
    return Cmc(np.mean([rates[:size] for rates in arrays], axis=0))
