"""Does a quality score predict errors? Error-versus-discard curves."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.accuracy import accepted_at
from facebench.metrics.labels import read_comparisons
from facebench.metrics.operating_points import fnmr_at_fmr
from facebench.types import Float64Array

__all__ = ["ErrorVsDiscard", "error_vs_discard"]


class ErrorVsDiscard(NamedTuple):
    """Error rates of what is left after discarding the comparisons of lowest quality.

    Attributes
    ----------
    discard : array, shape [D]
        Share of all comparisons discarded, from 0.
    fnmr, fmr : array, shape [D]
        Error rates of the rest; NaN where no comparison of the class is left.
    threshold : float
        The one threshold, in the units of the scores.
    """

    discard: Float64Array
    fnmr: Float64Array
    fmr: Float64Array
    threshold: float


def _rate(errors: Float64Array, total: Float64Array) -> Float64Array:
    return np.asarray(np.divide(errors, total, out=np.full(total.shape, np.nan), where=total > 0))


def error_vs_discard(
    labels: Any,
    scores: Any,
    quality: Any,
    *,
    fmr: float = 0.001,
    higher_is_better: bool = True,
) -> ErrorVsDiscard:
    """Error rates as ever more comparisons of low quality are discarded, at a fixed threshold.

    The threshold is the one of `fnmr_at_fmr` on all comparisons. Then the comparisons are
    discarded from the lowest quality up, those of equal quality together.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances.
    quality : array-like, shape [N]
        One quality per comparison (for instance the lower of its two images'); higher is better.
    fmr : float, default 0.001
        False match rate that fixes the threshold at zero discard.
    higher_is_better : bool, default True
        False for distances; about the scores, not the quality.

    Returns
    -------
    ErrorVsDiscard
        discard, fnmr, fmr (lower is better) and threshold. A useful quality makes FNMR fall.

    Raises
    ------
    ValueError
        If there is one class only, a quality is NaN, lengths differ, or there are too few
        impostors for the false match rate.

    References
    ----------
    P. Grother and E. Tabassi, "Performance of biometric quality measures", IEEE TPAMI 29 (2007);
    ISO/IEC 29794-1, error versus discard characteristic.

    Examples
    --------
    >>> found = error_vs_discard([1, 1, 0, 0], [0.9, 0.2, 0.4, 0.1], [3, 1, 2, 2], fmr=0.5)
    >>> found.discard, found.fnmr
    (array([0.  , 0.25, 0.75]), array([0., 0., 0.]))
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    qualities = np.asarray(quality, dtype=np.float64)
    if qualities.shape != genuine.shape:
        msg = f"Got quality of shape {qualities.shape} for {genuine.size} comparisons."
        raise ValueError(msg)
    if np.isnan(qualities).any():
        msg = f"{int(np.isnan(qualities).sum())} of {qualities.size} qualities are NaN."
        raise ValueError(msg)
    threshold = fnmr_at_fmr(genuine, similarities, float(fmr)).threshold
    if np.isnan(threshold):
        msg = (
            f"A false match rate of {fmr!r} cannot be estimated from "
            f"{int(np.count_nonzero(~genuine))} impostor comparisons."
        )
        raise ValueError(msg)
    accepted = accepted_at(similarities, threshold)
    levels, level = np.unique(qualities, return_inverse=True)

    def left(chosen: NDArray[np.bool_]) -> Float64Array:
        """Count the chosen comparisons at each level of quality or above."""
        counts = np.bincount(level[chosen], minlength=levels.size)
        return np.asarray(np.cumsum(counts[::-1])[::-1], dtype=np.float64)

    kept = left(np.ones(genuine.shape, dtype=bool))
    return ErrorVsDiscard(
        discard=(genuine.size - kept) / genuine.size,
        fnmr=_rate(left(genuine & ~accepted), left(genuine)),
        fmr=_rate(left(~genuine & accepted), left(~genuine)),
        threshold=threshold if higher_is_better else -threshold,
    )
