"""Costs of decisions and of likelihood ratios: minDCF, Cllr and minCllr."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.labels import read_comparisons
from facebench.metrics.operating_points import hull_vertices
from facebench.metrics.roc_curve import as_roc
from facebench.types import Float64Array, FloatArray

__all__ = ["cllr", "min_cllr", "min_dcf"]


def min_dcf(
    labels: Any,
    scores: Any = None,
    *,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    higher_is_better: bool = True,
) -> float:
    """Minimum of the normalised detection cost over all thresholds.

    DCF(t) = c_miss FNMR(t) p_target + c_fa FMR(t) (1 - p_target), divided by the cost of the best
    decision without looking, min(c_miss p_target, c_fa (1 - p_target)).

    Parameters
    ----------
    labels : array-like, shape [N], or Roc
        1 genuine, 0 impostor; or a `Roc`, and then no scores.
    scores : array-like, shape [N]
        Similarities or distances.
    p_target : float, default 0.01
        Prior probability of a genuine comparison, within (0, 1).
    c_miss, c_fa : float, default 1
        Costs of a false non-match and a false match, above 0.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    float
        In [0, 1]; lower is better, 1 is no better than a trivial decision (above 1 only where
        failed comparisons forbid accepting all).

    Raises
    ------
    ValueError
        If there is one class only, or a prior or cost is out of range.

    References
    ----------
    NIST 2016 Speaker Recognition Evaluation Plan, section 3.1 (normalised detection cost);
    A. Martin et al., "The DET curve in assessment of detection task performance" (1997).

    Examples
    --------
    >>> min_dcf([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1], p_target=0.5)
    0.5
    """
    if not (0 < p_target < 1 and 0 < c_miss < np.inf and 0 < c_fa < np.inf):
        msg = (
            "min_dcf needs 0 < p_target < 1 and finite costs above 0. "
            f"Got p_target={p_target!r}, c_miss={c_miss!r}, c_fa={c_fa!r}."
        )
        raise ValueError(msg)
    curve = as_roc(labels, scores, higher_is_better)
    miss, false_alarm = c_miss * p_target, c_fa * (1 - p_target)
    return float(np.min(miss * curve.fnmr + false_alarm * curve.fmr) / min(miss, false_alarm))


def _bits(log_odds_against: FloatArray) -> Float64Array:
    """log2(1 + exp(x)), without overflow."""
    return np.asarray(np.logaddexp(0.0, log_odds_against) / np.log(2.0))


def cllr(labels: Any, scores: Any, *, higher_is_better: bool = True) -> float:
    """Cost of log likelihood ratios: how well scores serve as probabilities, at any prior.

    Cllr = ½ [mean over genuine of log2(1 + e^-s) + mean over impostors of log2(1 + e^s)].

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Natural-log likelihood ratios, log p(score | genuine) / p(score | impostor). NaN counts as
        -inf: certain rejection.
    higher_is_better : bool, default True
        False for ratios the other way round.

    Returns
    -------
    float
        In bits, 0 or more; lower is better, 1 is what s = 0 for all gives; infinite if a certain
        score is wrong.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    N. Brümmer and J. du Preez, "Application-independent evaluation of speaker detection",
    Computer Speech and Language 20 (2006) 230-275.

    Examples
    --------
    >>> cllr([1, 0], [0.0, 0.0])
    1.0
    """
    genuine, ratios = read_comparisons(labels, scores, higher_is_better)
    if genuine.all() or not genuine.any():
        msg = "Cllr needs comparisons of both classes."
        raise ValueError(msg)
    ratios = np.where(np.isnan(ratios), -np.inf, ratios).astype(np.float64)
    return float((_bits(-ratios[genuine]).mean() + _bits(ratios[~genuine]).mean()) / 2)


def min_cllr(labels: Any, scores: Any = None, *, higher_is_better: bool = True) -> float:
    """Cllr after the best monotone calibration: what of Cllr is discrimination alone.

    The pool-adjacent-violators algorithm gives each score the best increasing posterior; its log
    odds less those of the classes are the likelihood ratios that `cllr` is taken of.

    Parameters
    ----------
    labels : array-like, shape [N], or Roc
        1 genuine, 0 impostor; or a `Roc`, and then no scores.
    scores : array-like, shape [N]
        Similarities or distances, of any scale.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    float
        In bits, in [0, 1]; lower is better. Never above `cllr` of the same scores. Failed
        comparisons (NaN) rank below all.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    N. Brümmer and J. du Preez, "Application-independent evaluation of speaker detection",
    Computer Speech and Language 20 (2006) 230-275.

    Examples
    --------
    >>> min_cllr([1, 1, 0, 0], [9.0, 8.0, 2.0, 1.0]), min_cllr([1, 0], [5.0, 5.0])
    (0.0, 1.0)
    """
    curve = as_roc(labels, scores, higher_is_better).with_failed_accepted()
    vertices = hull_vertices(curve)
    genuine = np.diff(1.0 - curve.fnmr[vertices])
    impostor = np.diff(curve.fmr[vertices])
    # A block of one class only is certain and right: it costs nothing.
    mixed = (genuine > 0) & (impostor > 0)
    genuine, impostor = genuine[mixed], impostor[mixed]
    ratio = np.log(genuine) - np.log(impostor)
    return float((genuine @ _bits(-ratio) + impostor @ _bits(ratio)) / 2)
