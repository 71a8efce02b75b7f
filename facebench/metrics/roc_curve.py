"""The exact ROC: every operating point that the scores allow, and the threshold that gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.labels import read_comparisons
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["Roc", "Sweep", "as_roc", "parting_thresholds", "roc", "sweep"]


@dataclass(frozen=True, eq=False)
class Roc:
    """A receiver operating characteristic; unpacks as ``fmr, fnmr, thresholds``.

    Attributes
    ----------
    fmr, fnmr : array, shape [T]
        False match rate (share of impostors accepted) and false non-match rate (share of genuine
        comparisons rejected) at each threshold.
    thresholds : array, shape [T]
        From accept-none to accept-all, in the units of the scores: decreasing for similarities
        (accept if >=), increasing for distances (accept if <=).
    n_genuine, n_impostor : int
        Comparisons of each class, failed ones included.
    n_failed : int
        Comparisons whose score is NaN: rejected at every threshold.
    higher_is_better : bool
        Whether the scores are similarities.
    """

    fmr: Float64Array
    fnmr: Float64Array
    thresholds: Float64Array
    n_genuine: int
    n_impostor: int
    n_failed: int = 0
    higher_is_better: bool = True

    def __iter__(self) -> Iterator[Float64Array]:
        return iter((self.fmr, self.fnmr, self.thresholds))

    @property
    def tmr(self) -> Float64Array:
        """True match rate, 1 - FNMR."""
        return self.true_matches / self.n_genuine

    @property
    def false_matches(self) -> Float64Array:
        """Impostors accepted at each threshold, as whole numbers: rates of equal count compare."""
        return np.asarray(np.rint(self.fmr * self.n_impostor))

    @property
    def true_matches(self) -> Float64Array:
        """Genuine comparisons accepted at each threshold, as whole numbers."""
        return self.n_genuine - np.asarray(np.rint(self.fnmr * self.n_genuine))

    def with_failed_accepted(self) -> Roc:
        """Return the curve with a last point that takes the failed comparisons too, at no score.

        So NaN ranks below every score, its ties counted like any others.
        """
        if not self.n_failed:
            return self
        return replace(
            self,
            fmr=np.append(self.fmr, 1.0),
            fnmr=np.append(self.fnmr, 0.0),
            thresholds=np.append(self.thresholds, np.nan),
        )


class Sweep(NamedTuple):
    """Counts of what is accepted at each distinct similarity, from the strictest.

    Attributes
    ----------
    observed : array, shape [T]
        The distinct similarities, decreasing.
    true_matches, false_matches : array of int, shape [T]
        Genuine and impostor comparisons at or above each.
    n_genuine, n_impostor, n_failed : int
        As in `Roc`.
    """

    observed: FloatArray
    true_matches: IntArray
    false_matches: IntArray
    n_genuine: int
    n_impostor: int
    n_failed: int


def _sorted_finite(similarities: FloatArray) -> FloatArray:
    # NaN is sorted to the end, where it is cut off.
    ordered = np.sort(similarities)
    return ordered[: int(np.searchsorted(ordered, np.nan))]


def sweep(labels: Any, scores: Any, higher_is_better: bool) -> Sweep:
    """Count accepted comparisons at every distinct score, exactly.

    The classes are sorted apart, which is far cheaper than an argsort of all; a stable sort of two
    sorted runs then is one merge.

    Parameters
    ----------
    labels, scores, higher_is_better
        As in `roc`.

    Returns
    -------
    Sweep
        The counts.

    Raises
    ------
    ValueError
        If there is one class only.

    Examples
    --------
    >>> sweep([1, 1, 0], [0.9, 0.4, 0.4], True).true_matches
    array([1, 2])
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    n_genuine = int(np.count_nonzero(genuine))
    n_impostor = genuine.size - n_genuine
    if n_genuine == 0 or n_impostor == 0:
        msg = (
            "Error rates need comparisons of both classes. "
            f"Got {n_genuine} genuine and {n_impostor} impostor ones."
        )
        raise ValueError(msg)
    mated = _sorted_finite(similarities[genuine])
    unmated = _sorted_finite(similarities[~genuine])
    merged = np.concatenate((mated, unmated))
    merged.sort(kind="stable")
    first = np.ones(merged.size, dtype=np.bool_)
    np.not_equal(merged[1:], merged[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    observed = merged[starts]
    # Keys in rising order keep the search within the cache.
    false_matches = (unmated.size - np.searchsorted(unmated, observed))[::-1]
    accepted = (merged.size - starts)[::-1]
    return Sweep(
        observed=observed[::-1],
        true_matches=accepted - false_matches,
        false_matches=false_matches,
        n_genuine=n_genuine,
        n_impostor=n_impostor,
        n_failed=genuine.size - merged.size,
    )


def parting_thresholds(observed: FloatArray) -> Float64Array:
    """Thresholds midway between decreasing similarities, with accept-none and accept-all.

    A midpoint that rounds onto the lower value would accept it too; the upper value itself parts
    the two then. Rounding is to the precision of the scores, so that the threshold also works
    where it is compared as float32.

    Parameters
    ----------
    observed : array, shape [T]
        Distinct similarities, decreasing.

    Returns
    -------
    array, shape [T + 1]
        +inf (accept none), the midpoints, -inf (accept all).

    Examples
    --------
    >>> parting_thresholds(np.array([0.75, 0.25]))
    array([ inf,  0.5, -inf])
    """
    upper, lower = observed[:-1], observed[1:]
    # Halved first: the sum of two large values would overflow.
    middle = upper / 2
    with np.errstate(invalid="ignore"):  # +inf beside -inf is seen to below
        middle += lower / 2
    np.copyto(middle, upper, where=(middle <= lower) | (middle > upper))
    if upper.size and np.isposinf(upper[0]):
        # +inf is kept for accepting none.
        middle[0] = np.finfo(middle.dtype).max
    return np.concatenate(([np.inf], middle, [-np.inf] if observed.size else [])).astype(np.float64)


def roc(labels: Any, scores: Any, *, higher_is_better: bool = True) -> Roc:
    """Exact ROC: one point per distinct score, none left out.

    A comparison is accepted if similarity >= threshold (distance <= threshold), so tied scores
    move together. FMR(t) and FNMR(t) are the shares of impostors accepted and of genuine
    comparisons rejected.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor (see `as_labels`).
    scores : array-like, shape [N]
        Similarities or distances, any unit. NaN (failure to process) is rejected at every
        threshold and counted in ``n_failed``; infinities are ordinary extreme scores.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    Roc
        ``fmr``, ``fnmr`` (lower is better) and ``thresholds``. Thresholds are midway between
        neighbouring scores; accept-none is +inf for similarities and -inf for distances and
        accepts nothing, not even an equally infinite score; accept-all is the other infinity.

    Raises
    ------
    ValueError
        If there is one class only, lengths differ, or a label is none.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006) 861-874.

    Examples
    --------
    >>> curve = roc([1, 1, 0, 0], [0.75, 0.5, 0.5, 0.0])
    >>> curve.fnmr
    array([1. , 0.5, 0. , 0. ])
    >>> curve.thresholds
    array([  inf, 0.625, 0.25 ,  -inf])
    """
    counts = sweep(labels, scores, higher_is_better)
    thresholds = parting_thresholds(counts.observed)
    fmr = np.zeros(thresholds.size)
    fnmr = np.ones(thresholds.size)
    np.divide(counts.false_matches, counts.n_impostor, out=fmr[1:])
    np.divide(counts.n_genuine - counts.true_matches, counts.n_genuine, out=fnmr[1:])
    return Roc(
        fmr=fmr,
        fnmr=fnmr,
        thresholds=thresholds if higher_is_better else -thresholds,
        n_genuine=counts.n_genuine,
        n_impostor=counts.n_impostor,
        n_failed=counts.n_failed,
        higher_is_better=higher_is_better,
    )


def as_roc(labels: Any, scores: Any, higher_is_better: bool) -> Roc:
    """Return labels that already are a `Roc`, else the ROC of labels and scores.

    Raises
    ------
    ValueError
        If scores come beside a `Roc`, or are missing beside labels.

    Examples
    --------
    >>> as_roc(roc([1, 0], [0.9, 0.1]), None, True).n_genuine
    1
    """
    if isinstance(labels, Roc):
        if scores is not None:
            msg = "Give either labels and scores, or a Roc alone. Got a Roc and scores."
            raise ValueError(msg)
        return labels
    if scores is None:
        msg = "Give labels and scores, or a Roc. Got labels without scores."
        raise ValueError(msg)
    return roc(labels, scores, higher_is_better=higher_is_better)
