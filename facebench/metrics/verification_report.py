"""Everything verification reports of one set of scores, each number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.accuracy import best_accuracy, kfold_accuracy, kfold_decisions
from facebench.metrics.labels import read_comparisons
from facebench.metrics.operating_points import eer, tar_at_far
from facebench.metrics.roc_curve import roc
from facebench.metrics.uncertainty.influence import (
    auc_influence,
    eer_influence,
    linear_replicates,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    Proportion,
    effective_counts,
    has_few_errors,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.replicates import (
    fold_accuracy_replicates,
    threshold_intervals,
    verification_jackknife,
)
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.spread import Replicates
from facebench.metrics.verification import auc, dprime
from facebench.types import Float64Array

__all__ = ["UNKNOWN", "Estimate", "TarEstimate", "VerificationReport", "verify"]


class Estimate(NamedTuple):
    """A number and its interval, NaN where there is none."""

    value: float
    interval: Interval


UNKNOWN = Estimate(float("nan"), Interval(float("nan"), float("nan")))


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
    few_errors : list of str
        'AUC', 'EER', 'Accuracy', 'Oracle Accuracy', 'TAR@FAR=0.1' …: those whose intervals are
        conservative since there are few errors, see `has_few_errors`.
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
    few_errors: list[str]

    @property
    def measures(self) -> dict[str, Estimate]:
        """The measures by name, without thresholds."""
        return {
            "Accuracy": self.accuracy,
            "Oracle Accuracy": self.oracle_accuracy,
            "AUC": self.auc,
            "EER": self.eer,
            "d'": self.dprime,
            **{f"TAR@FAR={found.target:g}": found.tar for found in self.tar},
        }


def verify(
    labels: Any,
    scores: Any,
    folds: Any,
    groups: JackknifeGroups,
    *,
    far: Sequence[float] = (1e-1, 1e-2, 1e-3),
    confidence: float = 0.95,
    higher_is_better: bool = True,
) -> VerificationReport:
    """Measure verification in every usual way, with intervals from leaving out people in turn.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances; NaN (failure to process) is rejected.
    folds : array-like, shape [N], or None
        See `kfold_accuracy`. None leaves out what needs folds.
    groups : JackknifeGroups
        Of the people (or images) of the same comparisons.
    far : sequence of float
        Targets of the false accept rate.
    confidence : float, default 0.95
        Nominal coverage of the intervals: jackknife with t quantiles, and for shares no narrower
        than the number of comparisons allows, see `jackknife_proportion`.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    VerificationReport
        Accuracy, its standard error and threshold are NaN without folds.

    Raises
    ------
    ValueError
        As `kfold_accuracy` and `roc`.

    Examples
    --------
    >>> labels, scores, people = [1, 0] * 20, [4, 1, 3, 2] * 10, range(40)
    >>> groups = JackknifeGroups(people, people)
    >>> found = verify(labels, scores, [1, 2] * 20, groups, far=[0.1])
    Traceback (most recent call last):
    ValueError: The folds other than 1 hold one class only: no threshold follows.
    >>> found = verify(labels, scores, [1, 1, 2, 2] * 10, groups, far=[0.1])
    >>> found.accuracy.value, round(found.accuracy.interval.low, 3)
    (1.0, 0.912)
    """
    way = {"higher_is_better": higher_is_better}
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    curve = roc(labels, scores, **way)
    oracle = best_accuracy(labels, scores, **way)
    equal = eer(curve)
    counts = effective_counts(genuine, -similarities, groups.first, groups.second)
    names = ["best accuracy", "dprime", *(f"tar@{target:g}" for target in far)]
    made = verification_jackknife(labels, scores, groups, far=far, names=names, **way)
    for name, influence in (("auc", auc_influence), ("eer", eer_influence)):
        made[name] = linear_replicates(influence(labels, scores, **way), groups.shared)

    thresholds = threshold_intervals(labels, scores, groups, far=far, confidence=confidence, **way)
    few_errors: list[str] = []

    def share(
        name: str, kind: Proportion, value: float, own: Replicates, target: float | None = None
    ) -> Estimate:
        own = own._replace(value=value)
        if has_few_errors(kind, value, counts, target):
            few_errors.append(name)
        return Estimate(value, jackknife_proportion(kind, own, counts, confidence))

    def around(name: str, value: float) -> Estimate:
        low, high = thresholds[name]
        return Estimate(value, Interval(min(low, value), max(high, value)))

    best = around("best threshold", oracle.threshold)
    accuracy = threshold = UNKNOWN
    standard_error = float("nan")
    if folds is not None:
        crossed = kfold_accuracy(labels, scores, folds, **way)
        standard_error = crossed.standard_error
        right = kfold_decisions(labels, scores, folds, crossed.thresholds, **way)
        units = fold_accuracy_replicates(right, np.asarray(folds), groups)
        accuracy = share(
            "Accuracy", "accuracy", crossed.mean, Replicates(crossed.mean, units, df=groups.df)
        )
        finite = _finite(crossed.thresholds)
        either = Interval(min(best.interval.low, *finite), max(best.interval.high, *finite))
        with np.errstate(invalid="ignore"):  # accept-none in one fold and accept-all in another
            threshold = Estimate(float(crossed.thresholds.mean()), either)
    return VerificationReport(
        accuracy=accuracy,
        standard_error=standard_error,
        threshold=threshold,
        oracle_accuracy=share(
            "Oracle Accuracy", "accuracy", oracle.accuracy, made["best accuracy"]
        ),
        oracle_threshold=best,
        auc=share("AUC", "auc", auc(curve), made["auc"]),
        eer=share("EER", "eer", equal.rate, made["eer"]),
        eer_threshold=around("eer threshold", equal.threshold),
        dprime=Estimate(
            value := dprime(labels, scores, **way),
            made["dprime"]._replace(value=value).interval(confidence=confidence),
        ),
        tar=[
            TarEstimate(
                found.target,
                share(
                    f"TAR@FAR={found.target:g}",
                    "tar",
                    found.tar,
                    made[f"tar@{found.target:g}"],
                    found.target,
                ),
                found.far,
                # Too few impostors tell nothing.
                UNKNOWN
                if np.isnan(found.tar)
                else around(f"tar@{found.target:g} threshold", found.threshold),
                found.resolvable,
            )
            for found in tar_at_far(curve, far=list(far))
        ],
        n_impostor=curve.n_impostor,
        few_errors=few_errors,
    )


def _finite(values: Float64Array) -> Float64Array:
    """Replace infinite thresholds (accept none, accept all), which no quantile lies between."""
    return np.where(np.isinf(values), np.nan, values)
