"""How sure are identification rates? Intervals that resample people, not probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.bootstrap import Interval
from facebench.metrics.identification import RankedProbes, within_rank
from facebench.metrics.stats import wilson
from facebench.types import Float64Array, IntArray

__all__ = ["IdentificationIntervals", "identification_intervals", "identification_replicates"]

_CHUNK = 1 << 20
_UNKNOWN = Interval(float("nan"), float("nan"))


class IdentificationIntervals(NamedTuple):
    """Intervals of rank-k rates and of TPIRs, in the order asked for, and how they were made."""

    rank: list[Interval]
    tpir: list[Interval]
    method: str


def identification_intervals(
    galleries: Sequence[RankedProbes],
    *,
    ranks: Sequence[int] = (1,),
    fpir: Sequence[float] = (),
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: Any = 0,
) -> IdentificationIntervals:
    """Give intervals of rank-k rates and of TPIR at FPIR, of one gallery or averaged over several.

    Probes of one person are dependent, so people are resampled, each with all its probes and the
    same in every gallery. Where every mated probe is another person's, and there is one gallery, a
    rank-k rate is a plain proportion and has Wilson's interval. A bootstrap says nothing where all
    resamples agree, as at a rate of 0 or 1: there it is Wilson's too, with people as trials.

    Parameters
    ----------
    galleries : sequence of RankedProbes
        One or more; rates are averaged over them.
    ranks : sequence of int, default 1
        The k of rank-k.
    fpir : sequence of float
        Targets of TPIR at rank 1; needs probes outside the gallery.
    n_resamples : int, default 1000
        Number of resamples.
    confidence : float, default 0.95
        Nominal coverage.
    seed : int or numpy Generator, default 0
        The same seed gives the same intervals.

    Returns
    -------
    IdentificationIntervals
        Percentile intervals, or Wilson's. NaN where the measure is undefined in more than one of
        twenty resamples, or there is one person only.

    Raises
    ------
    ValueError
        If there are no galleries.

    References
    ----------
    R. M. Bolle et al., "Error analysis of pattern recognition systems: the subsets bootstrap",
    CVIU 93 (2004) 1-33; E. B. Wilson, JASA 22 (1927) 209-212.

    Examples
    --------
    >>> from facebench.metrics.identification import rank_probes
    >>> ranked = rank_probes([[0.9, 0.1], [0.6, 0.5]], ["ann", "bea"], ["ann", "bea"])
    >>> found = identification_intervals([ranked])
    >>> found.method, [round(end, 3) for end in found.rank[0]]
    ('95% Wilson', [0.095, 0.905])
    """
    if not galleries:
        msg = "There are no galleries to average."
        raise ValueError(msg)
    people, parts = _people_of(galleries)
    both = list(zip(galleries, parts, strict=True))
    mated = parts[0][galleries[0].mated]
    is_plain = len(galleries) == 1 and np.unique(mated).size == mated.size
    rate_of = _rate_functions(galleries, parts, () if is_plain else ranks, fpir)
    replicates: dict[tuple[str, float], list[Float64Array]] = {key: [] for key in rate_of}
    longest = max(people.size, max(part.size for part in parts))
    for draws in _draws(people.size, n_resamples, longest, seed) if rate_of else ():
        for key, rates in rate_of.items():
            replicates[key].append(np.mean([rate(draws) for rate in rates], axis=0))
    n_people = np.unique(np.concatenate([part[gallery.mated] for gallery, part in both])).size
    intervals = {
        key: _interval(np.concatenate(values), n_people, confidence)
        for key, values in replicates.items()
    }
    level = f"{confidence * 100:g}%"
    resampled = f"{level} bootstrap by identity ({n_resamples} resamples; Wilson at 0 and 1)"
    if is_plain:
        found = galleries[0].ranks[galleries[0].mated]
        plain = [
            wilson(int(((found > 0) & (found <= k)).sum()), found.size, confidence) for k in ranks
        ]
        method = f"{level} Wilson" + (f"; TPIR: {resampled}" if len(fpir) else "")
        return IdentificationIntervals(plain, [intervals["fpir", t] for t in fpir], method)
    return IdentificationIntervals(
        [intervals["rank", k] for k in ranks],
        [intervals["fpir", target] for target in fpir],
        resampled,
    )


def identification_replicates(
    galleries: Sequence[RankedProbes],
    weights: Mapping[str, Any],
    *,
    ranks: Sequence[int] = (1,),
    fpir: Sequence[float] = (),
) -> tuple[list[Float64Array], list[Float64Array]]:
    """Measure rank-k rates and TPIRs with every person's probes counted as often as given.

    Parameters
    ----------
    galleries, ranks, fpir
        See `identification_intervals`.
    weights : mapping of str to array-like, shape [R]
        By person, how often the probes of each count.

    Returns
    -------
    list of array, list of array, shape [R]
        Per rank and per target; NaN where not defined.

    Examples
    --------
    >>> from facebench.metrics.identification import rank_probes
    >>> ranked = rank_probes([[0.9, 0.1], [0.6, 0.5]], ["ann", "bea"], ["ann", "bea"])
    >>> identification_replicates([ranked], {"ann": [1, 0], "bea": [1, 1]})[0]
    [array([0.5, 0. ])]
    """
    people, parts = _people_of(galleries)
    draws = np.stack([np.asarray(weights[name], dtype=np.float64) for name in people], axis=1)
    found = {
        key: np.mean([rate(draws) for rate in rates], axis=0)
        for key, rates in _rate_functions(galleries, parts, ranks, fpir).items()
    }
    return [found["rank", k] for k in ranks], [found["fpir", target] for target in fpir]


def _people_of(galleries: Sequence[RankedProbes]) -> tuple[Any, list[IntArray]]:
    """Give all people of the probes, and those of each gallery's probes by number."""
    sizes = [gallery.identities.size for gallery in galleries]
    names = np.concatenate([gallery.identities for gallery in galleries])
    people, codes = np.unique(names, return_inverse=True)
    return people, np.split(codes, np.cumsum(sizes)[:-1])


def _rate_functions(
    galleries: Sequence[RankedProbes],
    parts: Sequence[IntArray],
    ranks: Sequence[int],
    fpir: Sequence[float],
) -> dict[tuple[str, float], list[Callable[[Float64Array], Float64Array]]]:
    """Give each measure as functions of how often people are drawn, one per gallery."""
    both = list(zip(galleries, parts, strict=True))
    found: dict[tuple[str, float], list[Callable[[Float64Array], Float64Array]]] = {}
    for k in ranks:
        found["rank", k] = [_rank_rate(gallery, part, k) for gallery, part in both]
    for target in fpir:
        found["fpir", target] = [_tpir(gallery, part, target) for gallery, part in both]
    return found


def _draws(n_people: int, n_resamples: int, longest: int, seed: Any) -> Iterator[Float64Array]:
    """Yield how often each person is drawn, [R, people], some resamples at a time."""
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // longest)
    shares = np.full(n_people, 1 / n_people)
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        yield generator.multinomial(n_people, shares, size=rows).astype(np.float64)


def _rank_rate(
    gallery: RankedProbes, people: Any, k: int
) -> Callable[[Float64Array], Float64Array]:
    found = gallery.mated & (gallery.ranks > 0) & (gallery.ranks <= k)

    def rate(draws: Float64Array) -> Float64Array:
        n_found, n_mated = (
            draws @ np.bincount(people[chosen], minlength=draws.shape[1]).astype(np.float64)
            for chosen in (found, gallery.mated)
        )
        undefined = np.full(len(draws), np.nan)
        return np.asarray(np.divide(n_found, n_mated, out=undefined, where=n_mated > 0))

    return rate


def _tpir(
    gallery: RankedProbes, people: Any, target: float
) -> Callable[[Float64Array], Float64Array]:
    n_outside = int((~gallery.mated).sum())
    if target * n_outside < 0.5 or gallery.mated.sum() == 0:
        # Not even the estimate exists.
        return lambda draws: np.full(len(draws), np.nan)
    similarities = within_rank(gallery, 1)
    # NaN sorts last, and is never accepted.
    order = np.argsort(-similarities, kind="stable")
    order = order[: np.count_nonzero(~np.isnan(similarities))]
    ranked = similarities[order]
    # Tied probes pass together: only the last of them is a threshold.
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    is_mated, who = gallery.mated[order], people[order]

    def rate(draws: Float64Array) -> Float64Array:
        weights = draws[:, who]
        found = np.cumsum(weights * is_mated, axis=1)[:, ends]
        false = np.cumsum(weights * ~is_mated, axis=1)[:, ends]
        n_mated, n_false = (
            draws @ np.bincount(people[chosen], minlength=draws.shape[1]).astype(np.float64)
            for chosen in (gallery.mated, ~gallery.mated)
        )
        with np.errstate(invalid="ignore"):
            fits = np.count_nonzero(false / n_false[:, None] <= target, axis=1)
            best = np.where(fits > 0, found[np.arange(len(draws)), fits - 1], 0.0) / n_mated
        return np.asarray(np.where(n_false > 0, best, np.nan))

    return rate


def _interval(values: Float64Array, n_people: int, confidence: float) -> Interval:
    defined = values[~np.isnan(values)]
    if defined.size < 0.95 * values.size or n_people < 2:
        return _UNKNOWN
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    if low == high and low in (0.0, 1.0):
        return wilson(int(low) * n_people, n_people, confidence)
    return Interval(float(low), float(high))
