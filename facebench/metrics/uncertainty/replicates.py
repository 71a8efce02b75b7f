"""The metrics of verification on many resamples at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.labels import read_comparisons
from facebench.metrics.roc_curve import parting_thresholds
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.resamples import Interval, Weightings
from facebench.metrics.uncertainty.spread import FEWEST_UNITS, Replicates, Spread
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = [
    "dprime_jackknife",
    "fold_accuracy_replicates",
    "threshold_intervals",
    "verification_jackknife",
    "verification_replicates",
    "youden_accuracy_jackknife",
]

# Rates are quotients of whole numbers: equal ones may differ by rounding.
_ROUNDING = 1 + 1e-9
# Thresholds worked on at a time.
_ROWS = 512
# Counts of replicates, in numbers, that fit into the cache.
_IN_CACHE = 1 << 13

_Counts: TypeAlias = tuple[NDArray[np.float32], IntArray]


def verification_replicates(
    labels: Any,
    scores: Any,
    resamples: Weightings,
    *,
    far: Sequence[float] = (),
    higher_is_better: bool = True,
    names: Collection[str] | None = None,
) -> dict[str, Float64Array]:
    """Measure AUC, EER, d', TAR at FAR and the best accuracy on every resample.

    Definitions are those of `auc`, `eer`, `dprime`, `tar_at_far` and `best_accuracy`, with each
    comparison counted as often as it occurs.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances; NaN is rejected and ranks below every score.
    resamples : JackknifeGroups or other Weightings
        Of the same comparisons.
    far : sequence of float
        Targets of TAR at FAR.
    higher_is_better : bool, default True
        False for distances.
    names : collection of str, optional
        Which are wanted, by the names below; all where none are named.

    Returns
    -------
    dict of str to array, shape [n_resamples]
        'auc', 'eer', 'dprime', 'best accuracy', 'youden accuracy' (at the threshold of
        `youden_threshold`), and per target 'tar@<target>'. NaN in resamples without one of the
        classes.

    Raises
    ------
    ValueError
        If lengths differ.

    References
    ----------
    R. M. Bolle et al., "Error analysis of pattern recognition systems: the subsets bootstrap",
    Computer Vision and Image Understanding 93 (2004).

    Examples
    --------
    >>> labels, scores, people = [1, 1, 0, 0] * 5, [4, 3, 2, 1] * 5, range(20)
    >>> found = verification_replicates(labels, scores, JackknifeGroups(people, people))
    >>> float(found["auc"].min())
    1.0
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    ranking = _Ranking(genuine, similarities)
    parts = [_measure(ranking, weights, far, names) for weights in ranking.weights(resamples)]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if names is None or "dprime" in names:
        found["dprime"] = _dprimes(genuine, similarities, resamples)
    return found


class _Ranking:
    """Comparisons from the most to the least alike, the failed ones last."""

    def __init__(self, genuine: NDArray[np.bool_], similarities: FloatArray) -> None:
        failed = np.isnan(similarities)
        # NaN comes last.
        self.order = np.argsort(-similarities, kind="stable")
        self.mated = np.flatnonzero(genuine[self.order])
        self.unmated = np.flatnonzero(~genuine[self.order])
        n_scored = int(np.count_nonzero(~failed))
        ranked = similarities[self.order[:n_scored]]
        last_of_equal = np.append(ranked[1:] != ranked[:-1], True)[:n_scored]
        self.ends = np.flatnonzero(last_of_equal)
        self._steps = [
            np.concatenate(([0], np.searchsorted(rows, self.ends, side="right")))
            for rows in (self.mated, self.unmated)
        ]
        self.thresholds = parting_thresholds(ranked[self.ends])
        # More right decisions are made only by accepting genuine comparisons: the best threshold
        # follows a genuine one that no other genuine one follows, or accepts none.
        count = np.diff(np.cumsum(genuine[self.order])[self.ends], prepend=0)
        best = (count > 0) & (np.append(count[1:], 0) < np.append(np.diff(self.ends), 1))
        self.peaks = np.concatenate(([0], np.flatnonzero(best) + 1))

    def weights(self, resamples: Weightings) -> Iterator[NDArray[np.float32]]:
        """Give weights of the comparisons as they are ranked, a row for each of some resamples."""
        if isinstance(resamples, JackknifeGroups):
            yield from resamples.part(self.order).weight_rows()
        else:
            for weights in resamples.weights():
                yield np.take(weights.T, self.order, axis=1)

    def counts(self, weights: NDArray[np.float32]) -> tuple[_Counts, _Counts]:
        """Count true and false matches at every threshold, [R, T], accept-none first, then all.

        `weights` are those of `weights`. Single precision counts exactly up to 16 million.
        """
        true, false = (_cumulated(weights, columns) for columns in (self.mated, self.unmated))
        return (true, self._steps[0]), (false, self._steps[1])


def _cumulated(weights: NDArray[np.float32], columns: IntArray) -> NDArray[np.float32]:
    """Sum the weights of some comparisons, up to each of them, from 0 on."""
    totals = np.zeros((len(weights), columns.size + 1), dtype=np.float32)
    np.cumsum(np.take(weights, columns, axis=1), axis=1, out=totals[:, 1:])
    return totals


def _measure(
    ranking: _Ranking,
    weights: NDArray[np.float32],
    far: Sequence[float],
    names: Collection[str] | None,
) -> dict[str, Float64Array]:
    true_matches, false_matches = ranking.counts(weights)
    matched, accepted = _Steps(*true_matches), _Steps(*false_matches)
    undefined = (matched.total == 0) | (accepted.total == 0)
    n_genuine, n_impostor = (
        np.where(undefined, np.nan, steps.total) for steps in (matched, accepted)
    )

    def best_accuracy() -> Float64Array:
        gain = matched.rows(ranking.peaks) - accepted.rows(ranking.peaks)
        return np.asarray((gain.max(axis=0) + n_impostor) / (n_genuine + n_impostor))

    def tar(target: float) -> Float64Array:
        limit = target * _ROUNDING * np.nan_to_num(n_impostor)
        last = accepted.first(np.greater, limit) - 1
        return np.asarray(matched.at(last) / n_genuine)

    made: dict[str, Callable[[], Float64Array]] = {
        "auc": lambda: _areas(matched, accepted, n_genuine, n_impostor),
        "best accuracy": best_accuracy,
        "youden accuracy": lambda: _youden_accuracies(matched, accepted, ranking.peaks),
        "eer": lambda: _equal_errors(matched, accepted, n_genuine, n_impostor),
        **{f"tar@{target:g}": partial(tar, target) for target in far},
    }
    return {
        name: np.where(undefined, np.nan, make())
        for name, make in made.items()
        if names is None or name in names
    }


def _youden_accuracies(matched: _Steps, accepted: _Steps, peaks: IntArray) -> Float64Array:
    """Give the accuracy at the threshold with the largest Youden index, of equal the strictest."""
    true, false = (steps.rows(peaks).astype(np.float64) for steps in (matched, accepted))
    # Whole numbers: equal indices are equal. Another peak never has a larger one.
    best = np.argmax(true * accepted.total - false * matched.total, axis=0)
    columns = np.arange(best.size)
    right = true[best, columns] + accepted.total - false[best, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(right / (matched.total + accepted.total))


class _Steps:
    """Matches of one class at every threshold, as sums that only its own comparisons change."""

    def __init__(self, totals: NDArray[np.float32], step: IntArray) -> None:
        self.totals = totals
        self.step = step
        self.total = totals[:, -1].astype(np.float64)
        self._resamples = np.arange(len(totals))

    def at(self, points: IntArray) -> Float64Array:
        """Give the counts at one threshold per resample."""
        return self.totals[self._resamples, self.step[points]].astype(np.float64)

    def rows(self, points: IntArray) -> NDArray[np.float32]:
        """Give the counts at some thresholds, for all resamples, [points, R]."""
        return np.ascontiguousarray(np.take(self.totals, self.step[points], axis=1).T)

    def first(self, compare: np.ufunc, level: Float64Array) -> IntArray:
        """Find, per resample, the first threshold whose count compares so with a level."""
        return _first(
            self.step.size, self._resamples.size, lambda points: compare(self.at(points), level)
        )


def _first(
    n_points: int, n_resamples: int, reached: Callable[[IntArray], NDArray[np.bool_]]
) -> IntArray:
    """Bisect in all resamples at once: the first point at which `reached`, which stays, holds."""
    low = np.zeros(n_resamples, dtype=np.intp)
    high = np.full(n_resamples, n_points, dtype=np.intp)
    while (low < high).any():
        middle = (low + high) // 2
        is_reached = reached(np.minimum(middle, n_points - 1)) | (middle >= n_points)
        high = np.where(is_reached, middle, high)
        low = np.where(is_reached, low, np.minimum(middle + 1, high))
    return low


def _areas(
    matched: _Steps, accepted: _Steps, n_genuine: Float64Array, n_impostor: Float64Array
) -> Float64Array:
    area = np.zeros(matched.total.size)
    moved = np.flatnonzero(np.diff(accepted.step)) + 1
    for start in range(0, moved.size, _ROWS):
        points = moved[start : start + _ROWS]
        gained = accepted.rows(points) - accepted.rows(points - 1)
        doubled = matched.rows(points)
        doubled += matched.rows(points - 1)
        area += np.einsum("tr,tr->r", gained, doubled)
    # The failed comparisons, accepted last of all and together.
    last = np.full(area.size, matched.step.size - 1)
    area += (accepted.total - accepted.at(last)) * (matched.at(last) + matched.total)
    return np.asarray(area / (2 * n_genuine * n_impostor))


def _equal_errors(
    matched: _Steps, accepted: _Steps, n_genuine: Float64Array, n_impostor: Float64Array
) -> Float64Array:
    """Return the midpoint equal error rates."""
    n_points = matched.step.size

    def is_crossed(points: IntArray) -> NDArray[np.bool_]:
        # Whole numbers in double precision: FMR >= FNMR.
        false = accepted.at(points) * matched.total
        return np.asarray(false >= (matched.total - matched.at(points)) * accepted.total)

    after = np.minimum(_first(n_points, matched.total.size, is_crossed), n_points - 1)
    before = np.maximum(after - 1, 0)
    rates, gaps = [], []
    for point in (before, after):
        fmr = accepted.at(point) / n_impostor
        fnmr = 1 - matched.at(point) / n_genuine
        rates.append((fmr + fnmr) / 2)
        # The sum only decides between equal gaps.
        gaps.append(np.abs(fmr - fnmr) + 1e-9 * (fmr + fnmr))
    return np.where(gaps[0] <= gaps[1], rates[0], rates[1])


def _dprimes(
    genuine: NDArray[np.bool_], similarities: FloatArray, resamples: Weightings
) -> Float64Array:
    usable = ~np.isnan(similarities)
    values = similarities[usable].astype(np.float64)
    # Undefined for infinite scores, as `dprime` is; and for equal ones.
    if not values.size or not np.isfinite(values).all() or np.ptp(values) == 0:
        return np.full(resamples.n_resamples, np.nan)
    spread = values.std()
    # Centred and scaled, so that squares keep their digits.
    centred = np.zeros(genuine.size)
    centred[usable] = (values - values.mean()) / spread
    columns = [
        of_class * centred**power
        for of_class in (genuine & usable, ~genuine & usable)
        for power in (0, 1, 2)
    ]
    sums = resamples.sums(np.stack(columns, axis=1).astype(np.float64)).T
    moments = []
    for count, total, squares in (sums[:3], sums[3:]):
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / count
            moments.append((mean, np.where(count > 1, (squares - total * mean) / (count - 1), 0)))
    (mated, mated_variance), (unmated, unmated_variance) = moments
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (mated - unmated) / np.sqrt((mated_variance + unmated_variance) / 2)
    return np.where(np.isfinite(found), found, np.nan)


def verification_jackknife(
    labels: Any,
    scores: Any,
    groups: JackknifeGroups,
    *,
    far: Sequence[float] = (),
    higher_is_better: bool = True,
    names: Collection[str] | None = None,
) -> dict[str, Replicates]:
    """Measure verification without each group of units, and of pairs of units, in turn.

    Parameters
    ----------
    labels, scores, far, higher_is_better, names
        See `verification_replicates`.
    groups : JackknifeGroups
        Of the same comparisons.

    Returns
    -------
    dict of str to Replicates
        By the names of `verification_replicates`. A TAR has no more degrees of freedom than 2 k +
        2 where k false matches place its threshold.

    Examples
    --------
    >>> labels, scores = [1, 1, 1, 0, 0, 0] * 2, range(12)
    >>> people = ["a", "b", "c", "a", "b", "c"] * 2, ["a", "b", "c", "b", "c", "a"] * 2
    >>> made = verification_jackknife(labels, scores, JackknifeGroups(*people))
    >>> float(made["auc"].value), made["auc"].units.size
    (0.25, 3)
    """
    given: dict[str, Any] = {"far": far, "higher_is_better": higher_is_better, "names": names}
    drawn = verification_replicates(labels, scores, groups.with_dyads(), **given)
    n_impostor = int(np.count_nonzero(np.asarray(labels) == 0))
    most = groups.n_resamples if groups.df is None else groups.df
    df = {f"tar@{target:g}": min(2 * target * n_impostor + 2, most) for target in far}
    end = 1 + groups.n_resamples
    return {
        name: Replicates(float(values[0]), values[1:end], values[end:], df.get(name, groups.df))
        for name, values in drawn.items()
    }


def threshold_intervals(
    labels: Any,
    scores: Any,
    groups: JackknifeGroups,
    *,
    far: Sequence[float] = (),
    confidence: float = 0.95,
    higher_is_better: bool = True,
) -> dict[str, Interval]:
    """Find the thresholds that may be the true ones, by testing each observed one.

    A threshold is where something is largest or crosses a level, and moves in steps: its values
    without each group of people say little of its error. What defines it is a mean of comparisons,
    which the jackknife tests at every threshold: that the accuracy is as large as at the best one,
    that FMR and FNMR are equal, or that the FMR is the target.

    Parameters
    ----------
    labels, scores, far, higher_is_better
        See `verification_replicates`.
    groups : JackknifeGroups
        Of the same comparisons.
    confidence : float, default 0.95
        Coverage.

    Returns
    -------
    dict of str to Interval
        'best threshold', 'eer threshold' and 'tar@<target> threshold', from the first to the last
        threshold that is not rejected. NaN with fewer than three groups.

    References
    ----------
    R. S. Woodruff, "Confidence intervals for medians and other position measures", Journal of the
    American Statistical Association 47 (1952) 635-646.

    Examples
    --------
    >>> labels, scores, people = [1, 1, 0, 0] * 5, [4, 3, 2, 1] * 5, range(20)
    >>> found = threshold_intervals(labels, scores, JackknifeGroups(people, people))
    >>> found["eer threshold"]
    Interval(low=1.5, high=3.5)
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    names = ["best threshold", "eer threshold", *(f"tar@{target:g} threshold" for target in far)]
    ranking = _Ranking(genuine, similarities)
    n_groups = groups.n_resamples
    # Beside accepting none and all.
    finite = np.isfinite(ranking.thresholds)
    if n_groups < FEWEST_UNITS or not finite.any() or genuine.all() or not genuine.any():
        return dict.fromkeys(names, Interval(float("nan"), float("nan")))
    whole = _Rates(ranking, np.ones((1, genuine.size), dtype=np.float32))
    best = int(np.argmax(whole.right[0]))

    def tested(rates: _Rates) -> tuple[Float64Array, ...]:
        return rates.right[:, [best]] - rates.right, rates.fmr - rates.fnmr, rates.fmr

    own = tested(whole)
    sums = np.zeros((2, 3, finite.size))
    for weights in ranking.weights(groups):
        for k, moved in enumerate(tested(_Rates(ranking, weights))):
            centred = np.ascontiguousarray((moved - own[k]).T)
            sums[0, k] += centred.sum(axis=1)
            sums[1, k] += (centred**2).sum(axis=1)
    variances = (n_groups - 1) / n_groups * (sums[1] - sums[0] ** 2 / n_groups)
    errors = np.sqrt(np.maximum(variances, 0.0))
    n_impostor = int((~genuine).sum())
    most = n_groups - 1.0 if groups.df is None else min(groups.df, n_groups - 1.0)
    step = Spread(1.0, most).quantile((1 + confidence) / 2)
    lost, apart, fmr = (values[0] for values in own)
    # Few errors, or none, say too little of how much rates vary: so much do independent ones.
    pooled = ((whole.fmr + whole.fnmr) / 2)[0]
    alike = np.sqrt(pooled * (1 - pooled) * (1 / genuine.sum() + 1 / n_impostor))
    found = {
        "best threshold": lost <= step * errors[0],
        "eer threshold": np.abs(apart) <= step * np.maximum(errors[1], alike),
    }
    for target, name in zip(far, names[2:], strict=True):
        place = int(np.argmin(np.abs(fmr - target)))
        error = max(errors[2, place], (target * (1 - target) / n_impostor) ** 0.5)
        df = min(most, 2 * target * n_impostor + 2)
        found[name] = (
            np.abs(fmr - target) <= Spread(error, df).quantile((1 + confidence) / 2) * error
        )
    # Rates cross between two thresholds: the one before the first that is kept, and that after the
    # last, are the ends. Few or equal distances leave wide gaps there.
    crossing = found["eer threshold"]
    found["eer threshold"] = (
        crossing | np.append(crossing[1:], False) | np.append(False, crossing[:-1])
    )
    result = {}
    for name, kept in found.items():
        places = ranking.thresholds[kept & finite]
        if not places.size:
            places = ranking.thresholds[finite]
        low, high = float(places.min()), float(places.max())
        result[name] = Interval(low, high) if higher_is_better else Interval(-high, -low)
    return result


class _Rates:
    """Shares of right decisions, false matches and false non-matches at every threshold, [R, T]."""

    def __init__(self, ranking: _Ranking, weights: NDArray[np.float32]) -> None:
        (true, of_true), (false, of_false) = ranking.counts(weights)
        n_true, n_false = true[:, -1:], false[:, -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            self.fmr = np.take(false / n_false, of_false, axis=1).astype(np.float64)
            self.fnmr = 1 - np.take(true / n_true, of_true, axis=1).astype(np.float64)
            right = np.take(true, of_true, axis=1) - np.take(false, of_false, axis=1)
            self.right = (right + n_false) / (n_true + n_false)


def dprime_jackknife(
    labels: Any, scores: Any, groups: JackknifeGroups, *, higher_is_better: bool = True
) -> Replicates:
    """Measure d' alone, as 'dprime' of `verification_jackknife`.

    Parameters
    ----------
    labels, scores, groups, higher_is_better
        See `verification_jackknife`.

    Returns
    -------
    Replicates
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    values = _dprimes(genuine, similarities, groups.with_dyads())
    end = 1 + groups.n_resamples
    return Replicates(float(values[0]), values[1:end], values[end:], groups.df)


def youden_accuracy_jackknife(labels: Any, scores: Any, groups: JackknifeGroups) -> Replicates:
    """Measure the accuracy at the threshold of `youden_threshold`, chosen anew in each replicate.

    As 'youden accuracy' of `verification_jackknife`, in a tenth of the time.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities.
    groups : JackknifeGroups
        Of the same comparisons.

    Returns
    -------
    Replicates

    Examples
    --------
    >>> people = ["a", "b", "c", "a", "b", "c"], ["a", "b", "c", "b", "c", "a"]
    >>> groups = JackknifeGroups(*people)
    >>> youden_accuracy_jackknife([1, 1, 1, 0, 0, 0], [6, 5, 2, 4, 3, 1], groups).value
    0.8333333333333334
    """
    genuine, similarities = read_comparisons(labels, scores, True)
    ranking = _Ranking(genuine, similarities)
    n_peaks = ranking.peaks.size + 1
    # The first peak at which a comparison is accepted, counted by where peaks end.
    begins = np.zeros(genuine.size + 1, dtype=np.intp)
    begins[ranking.ends[ranking.peaks[1:] - 1] + 1] = 1
    peak = np.empty(genuine.size, dtype=np.intp)
    peak[ranking.order] = 1 + np.cumsum(begins[:-1])
    whole = np.bincount(genuine * n_peaks + peak, minlength=2 * n_peaks)
    rows, group = groups.left_out
    cells = (2 * group + genuine[rows]) * n_peaks + peak[rows]
    n_groups = groups.n_resamples + groups.n_dyad_groups
    # Some replicates at a time, so that counts stay in the cache.
    step = max(1, _IN_CACHE // n_peaks)
    parts = [_chosen_accuracies(whole.reshape(1, 2, n_peaks))]
    for start in range(0, n_groups, step):
        stop = min(start + step, n_groups)
        low, high = np.searchsorted(group, (start, stop))
        own = cells[low:high] - start * whole.size
        removed = np.bincount(own, minlength=(stop - start) * whole.size)
        parts.append(
            _chosen_accuracies((whole - removed.reshape(-1, whole.size)).reshape(-1, 2, n_peaks))
        )
    values = np.concatenate(parts)
    end = 1 + groups.n_resamples
    return Replicates(float(values[0]), values[1:end], values[end:], groups.df)


def _chosen_accuracies(counts: IntArray) -> Float64Array:
    """Give the accuracy at the first largest Youden index of each replicate.

    `counts` [replicates, impostor or genuine, peaks] are of the comparisons that are accepted from
    each peak on; at the last one are those that never are.
    """
    false, true = np.moveaxis(np.cumsum(counts, axis=2), 1, 0)
    n_false, n_true = false[:, -1], true[:, -1]
    gain = true[:, :-1] * n_false[:, None] - false[:, :-1] * n_true[:, None]
    best = np.arange(len(counts)), np.argmax(gain, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (true[best] + n_false - false[best]) / (n_true + n_false)
    return np.asarray(np.where((n_true == 0) | (n_false == 0), np.nan, values))


def fold_accuracy_replicates(right: Any, folds: Any, resamples: Weightings) -> Float64Array:
    """Measure the mean accuracy of folds on every resample, its decisions being given.

    Decisions stay as they were made at the thresholds of the whole sample: near its maximum the
    accuracy hardly depends on the threshold, so choosing it anew would add time, not width.

    Parameters
    ----------
    right : array-like of bool, shape [N]
        Whether each comparison was decided rightly.
    folds : array-like, shape [N]
        The fold of each; all the same for accuracy as such.
    resamples : JackknifeGroups or other Weightings
        Of the same comparisons.

    Returns
    -------
    array, shape [n_resamples]
        Mean over the folds that the resample holds.

    Examples
    --------
    >>> groups = JackknifeGroups(range(4), range(4))
    >>> fold_accuracy_replicates([True] * 4, [1, 1, 2, 2], groups)
    array([1., 1., 1., 1.])
    """
    names, fold = np.unique(np.asarray(folds), return_inverse=True)
    members = (fold[:, None] == np.arange(names.size)).astype(np.float64)
    hits = members * np.asarray(right, dtype=np.float64)[:, None]
    sums = resamples.sums(np.concatenate((hits, members), axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = sums[:, : names.size] / sums[:, names.size :]
        counted = ~np.isnan(rates)
        # Nothing may be left: of two people, say.
        return np.asarray(np.where(counted, rates, 0).sum(axis=1) / counted.sum(axis=1))
