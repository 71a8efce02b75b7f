"""Verification: telling genuine pairs (same person) from impostor pairs.

Everywhere `labels` are 1 for genuine and 0 for impostor, and `scores` are similarities, or
distances with ``higher_is_better=False``. A comparison is accepted if similarity >= threshold
(distance <= threshold), and tied scores move together. Thresholds are midway between observed
scores; accept-none (+inf for similarities, -inf for distances) and accept-all are among them. A
NaN score is a failure to process: rejected at every threshold, ranked below every score, and
counted. What needs both classes raises ValueError where there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.accuracy import (
    BestAccuracy,
    KfoldAccuracy,
    accuracy_at,
    best_accuracy,
    kfold_accuracy,
    youden_threshold,
)
from facebench.metrics.calibration import cllr, min_cllr, min_dcf
from facebench.metrics.labels import LabelError, as_labels, read_comparisons
from facebench.metrics.operating_points import (
    Eer,
    FnmrAtFmr,
    TarAtFar,
    eer,
    fnmr_at_fmr,
    tar_at_far,
)
from facebench.metrics.quality import ErrorVsDiscard, error_vs_discard
from facebench.metrics.roc_curve import Roc, as_roc, roc
from facebench.metrics.streaming import StreamingRoc

__all__ = [
    "BestAccuracy",
    "Eer",
    "ErrorVsDiscard",
    "FnmrAtFmr",
    "KfoldAccuracy",
    "LabelError",
    "Roc",
    "StreamingRoc",
    "TarAtFar",
    "accuracy_at",
    "as_labels",
    "auc",
    "best_accuracy",
    "cllr",
    "dprime",
    "eer",
    "error_vs_discard",
    "fnmr_at_fmr",
    "kfold_accuracy",
    "min_cllr",
    "min_dcf",
    "roc",
    "tar_at_far",
    "youden_threshold",
]


def auc(labels: Any, scores: Any = None, *, higher_is_better: bool = True) -> float:
    """Area under the ROC: the chance that a genuine pair scores better than an impostor pair.

    AUC = P(g > i) + ½ P(g = i): ties count one half.

    Parameters
    ----------
    labels : array-like, shape [N], or Roc
        1 genuine, 0 impostor; or a `Roc`, and then no scores.
    scores : array-like, shape [N]
        Similarities or distances; NaN ranks below every score.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    float
        In [0, 1]; higher is better, 0.5 is chance.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a ROC curve", Radiology
    143 (1982) 29-36: the area is the Mann-Whitney statistic.

    Examples
    --------
    >>> round(auc([1] * 6 + [0] * 6, [.9, .8, .7, .7, .6, .5, .7, .7, .6, .4, .3, .2]), 4)
    0.7917
    """
    curve = as_roc(labels, scores, higher_is_better).with_failed_accepted()
    genuine = curve.true_matches
    # In whole comparisons, so that equal areas are equal numbers.
    doubled = np.dot(np.diff(curve.false_matches), genuine[1:] + genuine[:-1])
    return float(doubled / (2.0 * curve.n_genuine * curve.n_impostor))


def dprime(labels: Any, scores: Any, *, ddof: int = 1, higher_is_better: bool = True) -> float:
    """Sensitivity index: distance of the class means in units of their common spread.

    d' = (mean genuine - mean impostor) / sqrt((var genuine + var impostor) / 2) of similarities;
    for distances the sign is turned, so that a good system is positive either way.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances. Failed comparisons (NaN) have no place in a mean and are left
        out; `roc` counts them.
    ddof : int, default 1
        Variances are sums of squares over n - ddof.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    float
        Higher is better, 0 is chance. NaN where it is undefined: a class of ddof scores or fewer,
        an infinite score, or no spread and no difference. Infinite for a difference without
        spread.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    D. M. Green and J. A. Swets, "Signal detection theory and psychophysics" (1966); for unequal
    variances A. J. Simpson and M. J. Fitter, Psychological Bulletin 80 (1973) 481-488.

    Examples
    --------
    >>> round(dprime([1] * 6 + [0] * 6, [.9, .8, .7, .7, .6, .5, .7, .7, .6, .4, .3, .2]), 4)
    1.1957
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    if genuine.all() or not genuine.any():
        msg = "d' needs comparisons of both classes."
        raise ValueError(msg)
    mated, unmated = (
        similarities[chosen & ~np.isnan(similarities)].astype(np.float64)
        for chosen in (genuine, ~genuine)
    )
    if min(mated.size, unmated.size) <= ddof or np.isinf(similarities).any():
        return float("nan")
    difference = mated.mean() - unmated.mean()
    spread = np.sqrt((mated.var(ddof=ddof) + unmated.var(ddof=ddof)) / 2)
    # Equal scores may leave a spread of rounding errors, which would pass for a huge d'.
    if np.ptp(mated) == 0 and np.ptp(unmated) == 0:
        difference, spread = mated[0] - unmated[0], 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(difference, spread))
