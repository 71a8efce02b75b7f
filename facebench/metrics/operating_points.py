"""Points of the ROC that people report: equal error rate, TAR at FAR, FNMR at FMR."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args, overload

import numpy as np

from facebench.metrics.roc_curve import Roc, as_roc
from facebench.types import FloatArray, IntArray

__all__ = ["Eer", "FnmrAtFmr", "TarAtFar", "eer", "fnmr_at_fmr", "hull_vertices", "tar_at_far"]

EerMethod = Literal["midpoint", "fvc2000", "hull"]
_TARGETS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


class Eer(NamedTuple):
    """An equal error rate.

    Attributes
    ----------
    rate : float
        The equal error rate, in [0, 1]; lower is better.
    threshold : float
        Where it is taken, in the units of the scores.
    low, high : float
        The smaller and the larger of FMR and FNMR at that threshold.
    """

    rate: float
    threshold: float
    low: float
    high: float


class TarAtFar(NamedTuple):
    """The true accept rate at one target of the false accept rate.

    Attributes
    ----------
    target : float
        The false accept rate asked for.
    tar, far : float
        True and false accept rate reached; far <= target.
    threshold : float
        In the units of the scores.
    n_impostors : int
        Impostor comparisons behind the false accept rate.
    resolvable : bool
        Whether one false accept among them would be within the target.
    """

    target: float
    tar: float
    far: float
    threshold: float
    n_impostors: int
    resolvable: bool


class FnmrAtFmr(NamedTuple):
    """The false non-match rate at one target of the false match rate; see `TarAtFar`."""

    target: float
    fnmr: float
    fmr: float
    threshold: float
    n_impostors: int
    resolvable: bool


def hull_vertices(curve: Roc) -> IntArray:
    """Find the points of a ROC on its upper convex hull, accept-none and last included.

    The slopes of the hull are the blocks of an isotonic regression of 'is genuine' on the score,
    which the pool-adjacent-violators algorithm finds in linear time.

    References
    ----------
    F. Provost and T. Fawcett, "Robust classification for imprecise environments", Machine
    Learning 42 (2001); N. Brümmer and J. du Preez, Computer Speech and Language 20 (2006).

    Examples
    --------
    >>> from facebench.metrics.roc_curve import roc
    >>> hull_vertices(roc([1, 0, 1, 0], [4, 3, 2, 1]))
    array([0, 1, 3, 4])
    """
    from scipy.optimize import isotonic_regression

    true_matches = np.diff(curve.true_matches)
    size = true_matches + np.diff(curve.false_matches)
    if not size.size:
        return np.zeros(1, dtype=np.intp)
    share = true_matches / size
    return np.asarray(isotonic_regression(share, weights=size, increasing=False).blocks)


def _hull_rate(curve: Roc, vertices: IntArray) -> tuple[float, int]:
    """Return where the hull crosses FMR = FNMR, and the hull's vertex nearest to it."""
    fmr, fnmr = curve.fmr[vertices], curve.fnmr[vertices]
    after = int(np.searchsorted(fmr - fnmr, 0.0))
    if after == len(vertices):
        # So many genuine comparisons failed that accepting all the others rejects too many.
        return float((fmr[-1] + fnmr[-1]) / 2), int(vertices[-1])
    before = after - 1
    gap_before, gap_after = fnmr[before] - fmr[before], fmr[after] - fnmr[after]
    share = gap_before / (gap_before + gap_after)
    rate = float(fmr[before] + share * (fmr[after] - fmr[before]))
    return rate, int(vertices[before if gap_before < gap_after else after])


def eer(
    labels: Any,
    scores: Any = None,
    *,
    higher_is_better: bool = True,
    method: EerMethod = "midpoint",
) -> Eer:
    """Equal error rate: where false matches and false non-matches are equally frequent.

    Parameters
    ----------
    labels : array-like, shape [N], or Roc
        1 genuine, 0 impostor; or a `Roc`, and then no scores.
    scores : array-like, shape [N]
        Similarities or distances.
    higher_is_better : bool, default True
        False for distances.
    method : {'midpoint', 'fvc2000', 'hull'}
        'midpoint': the threshold of least abs(FMR - FNMR), of two such that of least FMR + FNMR;
        the rate is their mean, (FMR + FNMR) / 2. 'fvc2000': likewise the mean, but at that one of
        the two thresholds about FMR = FNMR with the least FMR + FNMR. 'hull': where the convex hull
        of the ROC meets FMR = FNMR; threshold, low and high are of the hull's corner nearest to it.

    Returns
    -------
    Eer
        rate (lower is better), threshold, and FMR and FNMR there as low and high.

    Raises
    ------
    ValueError
        If there is one class only, or the method is unknown.

    References
    ----------
    D. Maio et al., "FVC2000: Fingerprint verification competition", IEEE TPAMI 24 (2002) 402-412,
    for 'fvc2000' and the interval from low to high; 'midpoint' is the common reading of a ROC at
    FMR = FNMR, and differs from it where the two thresholds differ; N. Brümmer and J. du Preez,
    "Application-independent evaluation of speaker detection", Computer Speech and Language 20
    (2006), for the hull.

    Examples
    --------
    >>> labels = [1] * 6 + [0] * 6
    >>> scores = [.9, .8, .7, .7, .6, .5, .7, .7, .6, .4, .3, .2]
    >>> round(eer(labels, scores).rate, 4), round(eer(labels, scores, method="hull").rate, 4)
    (0.3333, 0.2857)
    """
    if method not in get_args(EerMethod):
        known = ", ".join(map(repr, get_args(EerMethod)))
        msg = f"The 'method' parameter of eer must be one of {known}. Got {method!r} instead."
        raise ValueError(msg)
    curve = as_roc(labels, scores, higher_is_better)
    if method == "hull":
        rate, point = _hull_rate(curve, hull_vertices(curve))
    else:
        point = _most_equal(curve, least_sum=method == "fvc2000")
        rate = float((curve.fmr[point] + curve.fnmr[point]) / 2)
    errors = float(curve.fmr[point]), float(curve.fnmr[point])
    return Eer(rate, float(curve.thresholds[point]), min(errors), max(errors))


def _most_equal(curve: Roc, *, least_sum: bool) -> int:
    """Return the point of least abs(FMR - FNMR), or of least sum of the two about the crossing."""

    def counts(point: int) -> tuple[int, int]:
        # In whole comparisons: rates that are equal as fractions may differ as floating point.
        false_matches = round(float(curve.fmr[point]) * curve.n_impostor)
        false_non_matches = round(float(curve.fnmr[point]) * curve.n_genuine)
        return false_matches * curve.n_genuine, false_non_matches * curve.n_impostor

    def excess(point: int) -> int:
        fmr, fnmr = counts(point)
        return fmr - fnmr

    # FMR - FNMR grows from point to point, so only the two about its change of sign compete.
    after = bisect_left(range(curve.fmr.size), 0, key=excess)
    nearest = range(max(after - 1, 0), min(after + 1, curve.fmr.size))
    if least_sum:
        # Of equal sums the threshold with FMR >= FNMR; where both are equal there is no other.
        return min(nearest[::-1], key=lambda point: (excess(point) != 0, sum(counts(point))))
    return min(nearest, key=lambda point: (abs(excess(point)), sum(counts(point))))


def _point_at(curve: Roc, target: float) -> int | None:
    """Return the point of largest TAR with FMR <= target, None where too few impostors tell."""
    if not 0 <= target <= 1:
        msg = f"A target rate must be within 0 and 1. Got {target!r} instead."
        raise ValueError(msg)
    if target * curve.n_impostor < 0.5:
        return None
    # Both k/n are rounded alike, so a target of k/n is met exactly.
    last = bisect_right(curve.fmr, target) - 1
    # FNMR falls from point to point: the first point of this FNMR has the lowest FMR.
    return bisect_left(range(last), -curve.fnmr[last], key=lambda index: -curve.fnmr[index])


def _tar_at(curve: Roc, target: float) -> TarAtFar:
    point = _point_at(curve, target)
    if point is None:
        return TarAtFar(target, np.nan, np.nan, np.nan, curve.n_impostor, False)
    return TarAtFar(
        target=target,
        tar=round(float(1.0 - curve.fnmr[point]) * curve.n_genuine) / curve.n_genuine,
        far=float(curve.fmr[point]),
        threshold=float(curve.thresholds[point]),
        n_impostors=curve.n_impostor,
        resolvable=target >= 1 / curve.n_impostor,
    )


def _fnmr_at(curve: Roc, target: float) -> FnmrAtFmr:
    found = _tar_at(curve, target)
    point = _point_at(curve, target)
    fnmr = np.nan if point is None else float(curve.fnmr[point])
    return FnmrAtFmr(target, fnmr, *found[2:])


@overload
def tar_at_far(
    labels: Any, scores: Any = ..., far: float = ..., *, higher_is_better: bool = ...
) -> TarAtFar: ...
@overload
def tar_at_far(
    labels: Any,
    scores: Any = ...,
    far: Sequence[float] | FloatArray = ...,
    *,
    higher_is_better: bool = ...,
) -> list[TarAtFar]: ...
def tar_at_far(
    labels: Any,
    scores: Any = None,
    far: float | Sequence[float] | FloatArray = _TARGETS,
    *,
    higher_is_better: bool = True,
) -> TarAtFar | list[TarAtFar]:
    """Tell the true accept rate at given false accept rates, exact and never above the target.

    TAR is the largest 1 - FNMR(t) over thresholds with FMR(t) <= target; of equal TAR the lowest
    FAR. Nothing is interpolated and no nearest FAR is taken.

    Parameters
    ----------
    labels : array-like, shape [N], or Roc
        1 genuine, 0 impostor; or a `Roc`, and then no scores.
    scores : array-like, shape [N]
        Similarities or distances.
    far : float or sequence of float, default 1e-1, 1e-2 … 1e-6
        Targets, in [0, 1].
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    list of TarAtFar
        One record per target, in their order; the record itself for a single number. Higher TAR
        is better. A target below 1 / n impostors is not ``resolvable``: not one false accept fits
        it, so the TAR can only be the one of none at all. That is given where the target is nearer
        to 1 / n than to 0 (.1 of 6 impostors); below .5 / n it would claim a rate that so few
        comparisons cannot show, and TAR, FAR and threshold are NaN.

    Raises
    ------
    ValueError
        If there is one class only, or a target is outside [0, 1].

    References
    ----------
    ISO/IEC 19795-1:2021; P. Grother, M. Ngan and K. Hanaoka, "Face Recognition Vendor Test
    part 1: verification", NIST.

    Examples
    --------
    >>> labels = [1] * 6 + [0] * 6
    >>> scores = [.9, .8, .7, .7, .6, .5, .7, .7, .6, .4, .3, .2]
    >>> found = tar_at_far(labels, scores, far=0.2)
    >>> round(found.tar, 4), found.far, round(found.threshold, 4), found.resolvable
    (0.3333, 0.0, 0.75, True)
    """
    curve = as_roc(labels, scores, higher_is_better)
    if np.ndim(far) == 0:
        return _tar_at(curve, float(far))  # type: ignore[arg-type]
    return [_tar_at(curve, float(target)) for target in far]  # type: ignore[union-attr]


@overload
def fnmr_at_fmr(
    labels: Any, scores: Any = ..., fmr: float = ..., *, higher_is_better: bool = ...
) -> FnmrAtFmr: ...
@overload
def fnmr_at_fmr(
    labels: Any,
    scores: Any = ...,
    fmr: Sequence[float] | FloatArray = ...,
    *,
    higher_is_better: bool = ...,
) -> list[FnmrAtFmr]: ...
def fnmr_at_fmr(
    labels: Any,
    scores: Any = None,
    fmr: float | Sequence[float] | FloatArray = _TARGETS,
    *,
    higher_is_better: bool = True,
) -> FnmrAtFmr | list[FnmrAtFmr]:
    """Tell the false non-match rate at given false match rates: 1 - TAR of `tar_at_far`.

    Parameters
    ----------
    labels, scores, higher_is_better
        As in `tar_at_far`.
    fmr : float or sequence of float, default 1e-1, 1e-2 … 1e-6
        Targets, in [0, 1].

    Returns
    -------
    list of FnmrAtFmr
        One record per target, or the record itself for a single number. Lower FNMR is better.

    Raises
    ------
    ValueError
        If there is one class only, or a target is outside [0, 1].

    References
    ----------
    ISO/IEC 19795-1:2021, false match rate and false non-match rate.

    Examples
    --------
    >>> fnmr_at_fmr([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1], fmr=[0.5]).pop().fnmr
    0.0
    """
    curve = as_roc(labels, scores, higher_is_better)

    if np.ndim(fmr) == 0:
        return _fnmr_at(curve, float(fmr))  # type: ignore[arg-type]
    return [_fnmr_at(curve, float(target)) for target in fmr]  # type: ignore[union-attr]
