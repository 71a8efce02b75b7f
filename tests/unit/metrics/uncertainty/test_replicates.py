"""Metrics on shared resamples: equal to the plain functions on the repeated comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import stdtrit
from scipy.stats import norm

from facebench.metrics import verification as v
from facebench.metrics.uncertainty import jackknife, replicates
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import auc_score_interval
from facebench.metrics.uncertainty.replicates import (
    dprime_jackknife,
    fold_accuracy_replicates,
    threshold_intervals,
    verification_jackknife,
    verification_replicates,
    youden_accuracy_jackknife,
)
from facebench.metrics.verification_report import verify
from support.drawn import Drawn

FAR = (0.5, 0.2, 0.05)


@st.composite
def comparisons(draw):
    size = draw(st.integers(4, 40))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
    labels[:2] = 1, 0
    values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, np.inf, -np.inf, np.nan])
    scores = np.array(draw(st.lists(values, min_size=size, max_size=size)))
    return labels, scores


def repeated(labels, scores, resamples):
    for weights in np.concatenate(list(resamples.weights()), axis=1).T:
        counts = weights.astype(int)
        yield np.repeat(labels, counts), np.repeat(scores, counts)


@pytest.mark.slow
@given(comparisons(), st.booleans())
def test_agree_with_the_plain_functions(drawn, higher_is_better) -> None:
    labels, scores = drawn
    way = {"higher_is_better": higher_is_better}
    resamples = Drawn(labels, n_resamples=6, seed=len(labels))
    found = verification_replicates(labels, scores, resamples, far=FAR, **way)
    for place, (some, own) in enumerate(repeated(labels, scores, resamples)):
        if some.min(initial=1) == some.max(initial=0):
            assert np.isnan([values[place] for values in found.values()]).all()
            continue
        assert_allclose(found["auc"][place], v.auc(some, own, **way), atol=1e-6)
        assert_allclose(found["eer"][place], v.eer(some, own, **way).rate, atol=1e-12)
        for target, expected in zip(FAR, v.tar_at_far(some, own, FAR, **way), strict=True):
            if expected.resolvable:
                assert_allclose(found[f"tar@{target:g}"][place], expected.tar, atol=1e-12)
        best = v.best_accuracy(some, own, **way).accuracy
        assert_allclose(found["best accuracy"][place], best, atol=1e-12)
        expected = v.dprime(some, own, **way)
        if np.isfinite(expected) and np.isfinite(scores[~np.isnan(scores)]).all():
            assert_allclose(found["dprime"][place], expected, rtol=1e-3, atol=1e-4)


class Given:
    """Weights of groups, as those of any resamples."""

    def __init__(self, groups):
        self.n_resamples, self.sums = groups.n_resamples, groups.sums
        self._weights = np.concatenate(list(groups.weights()), axis=1)

    def weights(self):
        yield self._weights


@pytest.mark.parametrize("together", [1, 400, 1 << 23], ids=["one", "some", "all"])
def test_groups_give_what_their_weights_give_however_many_come_together(
    monkeypatch, together
) -> None:
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, 12, (2, 150))
    labels, scores = (first == second).astype(int), rng.integers(0, 30, 150).astype(float)
    scores[[3, 50]] = np.nan
    groups = JackknifeGroups(first, second).with_dyads()
    expected = verification_replicates(labels, scores, Given(groups), far=FAR)
    monkeypatch.setattr(jackknife, "_TOGETHER", together)
    found = verification_replicates(labels, scores, groups, far=FAR)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])
    wanted = ["dprime", "best accuracy", "tar@0.2"]
    some = verification_replicates(labels, scores, groups, far=FAR, names=wanted)
    assert sorted(some) == sorted(wanted)
    for name, values in some.items():
        np.testing.assert_array_equal(values, expected[name])


def test_fold_accuracy_is_the_mean_of_folds() -> None:
    right = np.array([1, 1, 0, 1, 0, 0, 1, 1], dtype=bool)
    folds = np.array([1, 1, 1, 1, 1, 2, 2, 2])
    resamples = Drawn([1, 0] * 4, n_resamples=25)
    found = fold_accuracy_replicates(right, folds, resamples)
    for value, weights in zip(
        found, np.concatenate(list(resamples.weights()), axis=1).T, strict=True
    ):
        means = [np.average(right[folds == f], weights=weights[folds == f])
                 for f in (1, 2) if weights[folds == f].sum()]  # fmt: skip
        assert_allclose(value, np.mean(means), atol=1e-6)


def test_a_perfect_system_has_an_interval_of_some_width() -> None:
    labels = np.repeat([1, 0], 30)
    alone = JackknifeGroups(range(60), range(60))
    report = verify(labels, labels, [1, 2, 3] * 20, alone, far=[0.1])
    # All 30 and 30 comparisons are independent: Newcombe's and Wilson's intervals.
    assert report.auc.value == report.tar[0].tar.value == report.accuracy.value == 1
    assert report.auc.interval == pytest.approx(auc_score_interval(1.0, 30, 30))
    z2 = norm.ppf(0.975) ** 2
    assert report.tar[0].tar.interval == pytest.approx((30 / (30 + z2), 1))
    assert report.eer.interval == pytest.approx((0, z2 / (60 + z2)))
    assert report.accuracy.interval == pytest.approx((60 / (60 + z2), 1))


def test_dprime_alone_is_that_of_all_measures() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 12, (2, 150))
    labels, scores = (first == second).astype(int), rng.normal(size=150)
    groups = JackknifeGroups(first, second)
    alone = dprime_jackknife(labels, scores, groups)
    expected = verification_jackknife(labels, scores, groups)["dprime"]
    assert alone.value == pytest.approx(v.dprime(labels, scores))
    assert_allclose(alone.units, expected.units)
    assert_allclose(alone.dyads, expected.dyads)


@pytest.mark.slow
@given(comparisons(), st.integers(2, 9), st.sampled_from([1, 40, 1 << 13]))
def test_accuracy_alone_is_that_of_all_measures_however_many_fit_the_cache(
    drawn, n_people, fitting
) -> None:
    labels, scores = drawn
    people = np.random.default_rng(len(labels)).integers(0, n_people, (2, len(labels)))
    groups = JackknifeGroups(*people)
    expected = verification_jackknife(labels, scores, groups)["youden accuracy"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replicates, "_IN_CACHE", fitting)
        found = youden_accuracy_jackknife(labels, scores, groups)
    for alone, beside in zip(found[:3], expected[:3], strict=True):
        assert_allclose(alone, beside)


def test_a_threshold_is_in_its_interval_where_leaving_people_out_does_not_reject_it() -> None:
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(10), 6)
    labels = np.tile([1, 1, 1, 0, 0, 0], 10)
    scores = labels + rng.normal(size=60) + 0.5 * rng.normal(size=10)[people]
    places = np.sort(scores)
    middles = (places[1:] + places[:-1]) / 2

    def gaps(kept):
        own, genuine = scores[kept], labels[kept] == 1
        above = own[:, None] >= middles
        return above[~genuine].mean(axis=0) - (1 - above[genuine].mean(axis=0))

    every = scores[:, None] >= middles
    fmr, fnmr = every[labels == 0].mean(axis=0), 1 - every[labels == 1].mean(axis=0)
    pooled = (fmr + fnmr) / 2
    independent = np.sqrt(pooled * (1 - pooled) * (1 / 30 + 1 / 30))
    whole = gaps(people >= 0)
    left = np.stack([gaps(people != p) for p in range(10)])
    errors = np.sqrt(9 / 10 * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    places = np.flatnonzero(np.abs(whole) <= stdtrit(9, 0.975) * np.maximum(errors, independent))
    # Rates cross between two thresholds, so that the next ones are the ends.
    kept = middles[places.min() - 1 : places.max() + 2]
    found = threshold_intervals(labels, scores, JackknifeGroups(people, people))
    assert found["eer threshold"] == pytest.approx((kept.min(), kept.max()))
    turned = threshold_intervals(
        labels, -scores, JackknifeGroups(people, people), higher_is_better=False
    )
    assert turned["eer threshold"] == pytest.approx((-kept.max(), -kept.min()))
