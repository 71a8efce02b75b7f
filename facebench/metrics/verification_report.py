"""Everything verification reports of one set of scores, each number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.accuracy import (
    accepted_at,
    best_accuracy,
    kfold_accuracy,
    kfold_decisions,
)
from facebench.metrics.labels import read_comparisons
from facebench.metrics.operating_points import eer, tar_at_far
from facebench.metrics.roc_curve import roc
from facebench.metrics.uncertainty.proportions import (
    Proportion,
    effective_counts,
    proportion_interval,
)
from facebench.metrics.uncertainty.replicates import (
    fold_accuracy_replicates,
    verification_replicates,
)
from facebench.metrics.uncertainty.resamples import Interval, Resamples, percentiles
from facebench.metrics.verification import auc, dprime
from facebench.types import Float64Array

__all__ = ["Estimate", "TarEstimate", "VerificationReport", "verify"]


class Estimate(NamedTuple):
    """A number and its interval, NaN where there is none."""

    value: float
    interval: Interval


class TarEstimate(NamedTuple):
    """The true accept rate at one target of the false accept rate; see `tar_at_far`."""

    target: float
    tar: Estimate
    far: float
    threshold: Estimate
    resolvable: bool


class VerificationReport(NamedTuple):
    """What one set of scores says.

    Attributes
    ----------
    accuracy : Estimate
        Mean of the folds, each judged at a threshold from the others.
    standard_error : float
        Of the folds' mean, as LFW asks.
    threshold : Estimate
        Mean of the folds' thresholds; the interval holds these, and that of the best threshold.
    oracle_accuracy, oracle_threshold : Estimate
        With the threshold best on these very comparisons.
    auc, eer, eer_threshold, dprime : Estimate
        See the functions of these names.
    tar : list of TarEstimate
        Per target.
    n_impostor : int
        Impostor comparisons behind the false accept rates.
    """

    accuracy: Estimate
    standard_error: float
    threshold: Estimate
    oracle_accuracy: Estimate
    oracle_threshold: Estimate
    auc: Estimate
    eer: Estimate
    eer_threshold: Estimate
    dprime: Estimate
    tar: list[TarEstimate]
    n_impostor: int


def verify(
    labels: Any,
    scores: Any,
    folds: Any,
    resamples: Resamples,
    *,
    far: Sequence[float] = (1e-1, 1e-2, 1e-3),
    confidence: float = 0.95,
    higher_is_better: bool = True,
) -> VerificationReport:
    """Measure verification in every usual way, with intervals from shared resamples.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances; NaN (failure to process) is rejected.
    folds : array-like, shape [N]
        See `kfold_accuracy`.
    resamples : Resamples
        Of the same comparisons.
    far : sequence of float
        Targets of the false accept rate.
    confidence : float, default 0.95
        Nominal coverage of the intervals: percentile, and for shares no narrower than the number
        of comparisons allows, see `proportion_interval`.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    VerificationReport

    Raises
    ------
    ValueError
        As `kfold_accuracy` and `roc`.

    Examples
    --------
    >>> labels, scores = [1, 0] * 20, [4, 1, 3, 2] * 10
    >>> found = verify(labels, scores, [1, 2] * 20, Resamples(labels, n_resamples=20), far=[0.1])
    Traceback (most recent call last):
    ValueError: The folds other than 1 hold one class only: no threshold follows.
    >>> folds = [1, 1, 2, 2] * 10
    >>> found = verify(labels, scores, folds, Resamples(labels, n_resamples=20), far=[0.1])
    >>> found.accuracy.value, round(found.accuracy.interval.low, 3)
    (1.0, 0.912)
    """
    way = {"higher_is_better": higher_is_better}
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    curve = roc(labels, scores, **way)
    crossed = kfold_accuracy(labels, scores, folds, **way)
    oracle = best_accuracy(labels, scores, **way)
    equal = eer(curve)
    drawn = verification_replicates(labels, scores, resamples, far=far, **way)
    counts = effective_counts(genuine, -similarities, resamples.first, resamples.second)
    sign = 1.0 if higher_is_better else -1.0
    fold_array = np.asarray(folds)
    right = kfold_decisions(labels, scores, folds, crossed.thresholds, **way)
    oracle_right = accepted_at(similarities, oracle.threshold * sign) == genuine

    def drawn_interval(name: str) -> Interval:
        return percentiles(_finite(drawn[name]), confidence, resamples.n_units)

    def share(name: Proportion, value: float, replicates: Float64Array) -> Estimate:
        return Estimate(value, proportion_interval(name, value, replicates, counts, confidence))

    with np.errstate(invalid="ignore"):  # accept-none in one fold and accept-all in another
        threshold = float(crossed.thresholds.mean())
    sensitivity = dprime(labels, scores, **way)
    area = auc(curve)
    best = drawn_interval("best threshold")
    finite = _finite(crossed.thresholds)
    return VerificationReport(
        accuracy=share(
            "accuracy", crossed.mean, fold_accuracy_replicates(right, fold_array, resamples)
        ),
        standard_error=crossed.standard_error,
        threshold=Estimate(threshold, Interval(min(best.low, *finite), max(best.high, *finite))),
        oracle_accuracy=share(
            "accuracy",
            oracle.accuracy,
            fold_accuracy_replicates(oracle_right, np.ones(genuine.size), resamples),
        ),
        oracle_threshold=Estimate(oracle.threshold, best),
        auc=share("auc", area, drawn["auc"]),
        eer=share("eer", equal.rate, drawn["eer"]),
        eer_threshold=Estimate(equal.threshold, drawn_interval("eer threshold")),
        dprime=Estimate(sensitivity, drawn_interval("dprime")),
        tar=[
            TarEstimate(
                found.target,
                share("tar", found.tar, drawn[f"tar@{found.target:g}"]),
                found.far,
                _resolved(
                    Estimate(found.threshold, drawn_interval(f"tar@{found.target:g} threshold")),
                    found.tar,
                ),
                found.resolvable,
            )
            for found in tar_at_far(curve, far=list(far))
        ],
        n_impostor=curve.n_impostor,
    )


def _finite(values: Float64Array) -> Float64Array:
    """Replace infinite thresholds (accept none, accept all), which no quantile lies between."""
    return np.where(np.isinf(values), np.nan, values)


def _resolved(estimate: Estimate, tar: float) -> Estimate:
    """Drop the interval of what too few impostors tell."""
    if np.isnan(tar):
        return Estimate(float("nan"), Interval(float("nan"), float("nan")))
    return estimate
