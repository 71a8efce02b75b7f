"""Confidence bands of the ROC: an interval of the true match rate at each false match rate."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.bootstrap import _check_numbers, _defined
from facebench.metrics.labels import read_comparisons
from facebench.metrics.uncertainty.resamples import By, draws_of, units_of
from facebench.types import Float64Array

__all__ = ["RocBand", "roc_band"]


class RocBand(NamedTuple):
    """Pointwise intervals of a ROC.

    Attributes
    ----------
    fmr : array, shape [T]
        False match rates, as asked for.
    low, high : array, shape [T]
        Interval of the true match rate at each; 1 minus them is the interval of FNMR.
    """

    fmr: Float64Array
    low: Float64Array
    high: Float64Array


def roc_band(
    labels: Any,
    scores: Any,
    fmr: Any,
    *,
    by: By = "pair",
    members1: Any = None,
    members2: Any = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: Any = 0,
    higher_is_better: bool = True,
) -> RocBand:
    """Bootstrap a ROC vertically: the spread of TMR at fixed false match rates.

    Each resample has a ROC of its own, whose TMR is the largest with FMR not above the rate asked
    for, as in `tar_at_far`. The band is pointwise: each interval covers alone, not all together.

    Parameters
    ----------
    labels, scores, higher_is_better
        As in `roc`.
    fmr : array-like, shape [T]
        False match rates, in [0, 1].
    by, members1, members2, n_resamples, confidence, seed
        As in `bootstrap`.

    Returns
    -------
    RocBand
        fmr, low, high.

    Raises
    ------
    ValueError
        If there is one class only, a rate is outside [0, 1], or as `bootstrap`.

    References
    ----------
    S. A. Macskassy, F. Provost and S. Rosset, "ROC confidence bands: an empirical evaluation",
    ICML (2005), vertical averaging; the resampling is that of `bootstrap`.

    Examples
    --------
    >>> band = roc_band([1, 1, 1, 0, 0, 0] * 5, [3, 4, 5, 1, 2, 3] * 5, [0.1, 1.0])
    >>> bool(band.low[0] < 2 / 3 <= band.high[0]), float(band.low[1])
    (True, 1.0)
    """
    _check_numbers(n_resamples, confidence)
    rates = np.atleast_1d(np.asarray(fmr, dtype=np.float64))
    if not ((rates >= 0) & (rates <= 1)).all():
        msg = f"False match rates must be within 0 and 1. Got {fmr!r} instead."
        raise ValueError(msg)
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    if genuine.all() or not genuine.any():
        msg = "A band of the ROC needs comparisons of both classes."
        raise ValueError(msg)
    units = units_of(genuine, by, members1, members2)
    # A failed comparison (NaN) counts in its class, and is accepted at no threshold.
    order = np.lexsort((-similarities, np.isnan(similarities)))
    ranked = similarities[order][: np.count_nonzero(~np.isnan(similarities))]
    last_of_tie = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), ranked.size - 1)
    mated = genuine[order]
    values = []
    for draws in draws_of(units, n_resamples, seed):
        for weights in units.weights(draws)[:, order]:
            true_matches = np.cumsum(np.where(mated, weights, 0.0))
            false_matches = np.cumsum(np.where(mated, 0.0, weights))
            # A little more than the product, which may round below the whole number it stands for.
            allowed = np.floor(rates * false_matches[-1] + 1e-9)
            fitting = np.searchsorted(false_matches[last_of_tie], allowed, side="right")
            found = np.append(0.0, true_matches[last_of_tie])[fitting]
            defined = true_matches[-1] > 0 and false_matches[-1] > 0
            values.append(found / true_matches[-1] if defined else np.full(rates.size, np.nan))
    table = np.array(values)
    _defined(table[:, 0])
    low, high = np.nanquantile(table, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return RocBand(rates, low, high)
