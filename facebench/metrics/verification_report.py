"""Everything verification reports of one set of scores, each number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.accuracy import (
    BestAccuracy,
    accepted_at,
    best_accuracy,
    kfold_accuracy,
    kfold_decisions,
)
from facebench.metrics.labels import read_comparisons
from facebench.metrics.operating_points import eer, tar_at_far
from facebench.metrics.roc_curve import roc
from facebench.metrics.uncertainty.influence import auc_influence, linear_replicates
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    EffectiveCounts,
    Proportion,
    effective_counts,
    jackknife_proportion,
    proportion_interval,
)
from facebench.metrics.uncertainty.replicates import (
    fold_accuracy_replicates,
    verification_jackknife,
    verification_replicates,
)
from facebench.metrics.uncertainty.resamples import Interval, Resamples, percentiles
from facebench.metrics.uncertainty.spread import Replicates
from facebench.metrics.verification import auc, dprime
from facebench.types import Float64Array, FloatArray

__all__ = ["Estimate", "TarEstimate", "VerificationReport", "verify"]

_ROUNDING = 1e-9


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
    resamples: Resamples | JackknifeGroups,
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
    resamples : Resamples or JackknifeGroups
        Of the same comparisons; jackknife groups of people hold their coverage down to eight of
        them, see docs/intervals.md.
    far : sequence of float
        Targets of the false accept rate.
    confidence : float, default 0.95
        Nominal coverage of the intervals: percentile or jackknife with t quantiles, and for shares
        no narrower than the number of comparisons allows, see `proportion_interval`.
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
    counts = effective_counts(genuine, -similarities, resamples.first, resamples.second)
    made: _Jackknife | _Bootstrap
    given = (far, confidence, counts, higher_is_better)
    if isinstance(resamples, JackknifeGroups):
        made = _Jackknife(labels, scores, resamples, *given)
    else:
        made = _Bootstrap(labels, scores, resamples, *given)
    fold_array = np.asarray(folds)
    right = kfold_decisions(labels, scores, folds, crossed.thresholds, **way)
    with np.errstate(invalid="ignore"):  # accept-none in one fold and accept-all in another
        threshold = float(crossed.thresholds.mean())
    best = made.plain("best threshold", oracle.threshold).interval
    finite = _finite(crossed.thresholds)
    around = Interval(min(best.low, *finite), max(best.high, *finite))
    return VerificationReport(
        accuracy=made.share(
            "accuracy", crossed.mean, fold_accuracy_replicates(right, fold_array, resamples)
        ),
        standard_error=crossed.standard_error,
        threshold=Estimate(threshold, around),
        oracle_accuracy=made.oracle(oracle, similarities, genuine),
        # Where it is the same whoever is left out, those of the folds tell how far it may move.
        oracle_threshold=Estimate(oracle.threshold, around if best.low == best.high else best),
        auc=made.share("auc", auc(curve)),
        eer=made.share("eer", equal.rate),
        eer_threshold=made.plain("eer threshold", equal.threshold),
        dprime=made.plain("dprime", dprime(labels, scores, **way)),
        tar=[
            TarEstimate(
                found.target,
                made.share("tar", found.tar, name=f"tar@{found.target:g}"),
                found.far,
                _resolved(
                    made.plain(f"tar@{found.target:g} threshold", found.threshold), found.tar
                ),
                found.resolvable,
            )
            for found in tar_at_far(curve, far=list(far))
        ],
        n_impostor=curve.n_impostor,
    )


class _Bootstrap:
    """Intervals from resamples."""

    def __init__(
        self,
        labels: Any,
        scores: Any,
        resamples: Resamples,
        far: Sequence[float],
        confidence: float,
        counts: EffectiveCounts,
        higher_is_better: bool,
    ) -> None:
        self._drawn = verification_replicates(
            labels, scores, resamples, far=far, higher_is_better=higher_is_better
        )
        self._resamples, self._confidence, self._counts = resamples, confidence, counts
        self._sign = 1.0 if higher_is_better else -1.0

    def share(
        self,
        share: Proportion,
        value: float,
        replicates: Float64Array | None = None,
        *,
        name: str = "",
    ) -> Estimate:
        drawn = self._drawn[name or share] if replicates is None else replicates
        return Estimate(
            value, proportion_interval(share, value, drawn, self._counts, self._confidence)
        )

    def plain(self, name: str, value: float) -> Estimate:
        drawn = _finite(self._drawn[name])
        return Estimate(value, percentiles(drawn, self._confidence, self._resamples.n_units))

    def oracle(
        self, found: BestAccuracy, similarities: FloatArray, genuine: NDArray[np.bool_]
    ) -> Estimate:
        right = accepted_at(similarities, found.threshold * self._sign) == genuine
        everything = np.ones(genuine.size)
        return self.share(
            "accuracy",
            found.accuracy,
            fold_accuracy_replicates(right, everything, self._resamples),
        )


class _Jackknife:
    """Intervals from leaving out units, thresholds chosen anew without each group of them."""

    def __init__(
        self,
        labels: Any,
        scores: Any,
        groups: JackknifeGroups,
        far: Sequence[float],
        confidence: float,
        counts: EffectiveCounts,
        higher_is_better: bool,
    ) -> None:
        way = {"higher_is_better": higher_is_better}
        self._made = verification_jackknife(labels, scores, groups, far=far, **way)
        influence = auc_influence(labels, scores, **way)
        self._made["auc"] = linear_replicates(influence, groups.shared)
        self._confidence, self._counts = confidence, counts

    def share(
        self,
        share: Proportion,
        value: float,
        replicates: Float64Array | None = None,
        *,
        name: str = "",
    ) -> Estimate:
        made = (
            self._made[name or share]._replace(value=value)
            if replicates is None
            else Replicates(value, replicates)
        )
        return Estimate(value, jackknife_proportion(share, made, self._counts, self._confidence))

    def plain(self, name: str, value: float) -> Estimate:
        made = self._made[name]._replace(value=value)
        if name.endswith("threshold") and made.spread.error < _ROUNDING:
            # The same whoever is left out.
            return Estimate(value, Interval(value, value))
        return Estimate(value, made.interval(confidence=self._confidence))

    def oracle(self, found: BestAccuracy, *_: Any) -> Estimate:
        return self.share("accuracy", found.accuracy, name="best accuracy")


def _finite(values: Float64Array) -> Float64Array:
    """Replace infinite thresholds (accept none, accept all), which no quantile lies between."""
    return np.where(np.isinf(values), np.nan, values)


def _resolved(estimate: Estimate, tar: float) -> Estimate:
    """Drop the interval of what too few impostors tell."""
    if np.isnan(tar):
        return Estimate(float("nan"), Interval(float("nan"), float("nan")))
    return estimate
