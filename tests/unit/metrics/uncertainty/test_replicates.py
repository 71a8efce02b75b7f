"""Metrics on shared resamples: equal to the plain functions on the repeated comparisons."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from facebench.metrics import verification as v
from facebench.metrics.accuracy import accepted_at
from facebench.metrics.folds import fold_faults, make_folds
from facebench.metrics.stats import bootstrap
from facebench.metrics.uncertainty.proportions import auc_score_interval
from facebench.metrics.uncertainty.replicates import (
    fold_accuracy_replicates,
    verification_replicates,
)
from facebench.metrics.uncertainty.resamples import Resamples, percentiles
from facebench.metrics.verification_report import verify

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


@given(comparisons(), st.booleans())
def test_agree_with_the_plain_functions(drawn, higher_is_better) -> None:
    labels, scores = drawn
    way = {"higher_is_better": higher_is_better}
    resamples = Resamples(labels, n_resamples=6, seed=len(labels))
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
                threshold = found[f"tar@{target:g} threshold"][place]
                turned = 1 if higher_is_better else -1
                accepted = accepted_at(own * turned, threshold * turned)
                assert_allclose(accepted[some == 1].mean(), expected.tar)
        best = found["best threshold"][place]
        assert v.accuracy_at(some, own, best, **way) == v.best_accuracy(some, own, **way).accuracy
        expected = v.dprime(some, own, **way)
        if np.isfinite(expected) and np.isfinite(scores[~np.isnan(scores)]).all():
            assert_allclose(found["dprime"][place], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("by", ["pair", "image", "identity"])
def test_resamples_are_those_of_the_bootstrap(by: str) -> None:
    generator = np.random.default_rng(2)
    members = generator.integers(0, 40, (200, 2))
    members[:100, 1] = members[:100, 0]
    labels = (members[:, 0] == members[:, 1]).astype(int)
    scores = generator.normal(size=200).round(1) + labels
    resamples = Resamples(labels, by, *members.T, n_resamples=300, seed=4)
    found = verification_replicates(labels, scores, resamples, far=[0.1])
    for metric, name in (("auc", "auc"), ("tar@0.1", "tar@0.1")):
        expected = bootstrap(labels, scores, metric, by=by, members1=members[:, 0],
                             members2=members[:, 1], n_resamples=300, seed=4)  # fmt: skip
        assert_allclose(percentiles(found[name]), expected, atol=1e-6)


def test_weights_are_the_same_at_every_call_kept_or_not(monkeypatch) -> None:
    labels = [1, 0] * 50
    kept = Resamples(labels, n_resamples=30)
    first, second = (np.concatenate(list(kept.weights()), axis=1) for _ in range(2))
    monkeypatch.setattr("facebench.metrics.uncertainty.resamples._KEPT", 0)
    monkeypatch.setattr("facebench.metrics.uncertainty.resamples._TOGETHER", 250)
    parted = np.concatenate(list(Resamples(labels, n_resamples=30).weights()), axis=1)
    assert_array_equal(first, second)
    assert_array_equal(first, parted)
    assert first.shape == (100, 30)
    assert (first.sum(axis=0) == 100).all()


def test_narrow_and_wide_rows_add_up_alike(monkeypatch) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 80)
    scores = generator.normal(size=80) + labels
    resamples = Resamples(labels, n_resamples=10)
    found = verification_replicates(labels, scores, resamples, far=FAR)
    monkeypatch.setattr("facebench.metrics.uncertainty.replicates._WIDE", 1)
    for name, values in verification_replicates(labels, scores, resamples, far=FAR).items():
        assert_array_equal(values, found[name])


def test_fold_accuracy_is_the_mean_of_folds() -> None:
    right = np.array([1, 1, 0, 1, 0, 0, 1, 1], dtype=bool)
    folds = np.array([1, 1, 1, 1, 1, 2, 2, 2])
    resamples = Resamples([1, 0] * 4, n_resamples=25)
    found = fold_accuracy_replicates(right, folds, resamples)
    for value, weights in zip(
        found, np.concatenate(list(resamples.weights()), axis=1).T, strict=True
    ):
        means = [np.average(right[folds == f], weights=weights[folds == f])
                 for f in (1, 2) if weights[folds == f].sum()]  # fmt: skip
        assert_allclose(value, np.mean(means), atol=1e-6)


def test_a_perfect_system_has_an_interval_of_some_width() -> None:
    labels = np.repeat([1, 0], 30)
    report = verify(labels, labels, [1, 2, 3] * 20, Resamples(labels, n_resamples=50), far=[0.1])
    # All 30 and 30 comparisons are independent: Newcombe's and Wilson's intervals.
    assert report.auc.value == report.tar[0].tar.value == report.accuracy.value == 1
    assert report.auc.interval == pytest.approx(auc_score_interval(1.0, 30, 30))
    z2 = norm.ppf(0.975) ** 2
    assert report.tar[0].tar.interval == pytest.approx((30 / (30 + z2), 1))
    assert report.eer.interval == pytest.approx((0, z2 / (60 + z2)))
    assert report.accuracy.interval == pytest.approx((60 / (60 + z2), 1))


def test_values_are_those_of_the_plain_functions() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([1, 0], 100)
    scores = generator.normal(size=200) + 2 * labels
    folds = np.arange(200) % 10
    report = verify(labels, scores, folds, Resamples(labels, n_resamples=200), far=[0.1, 0.001])
    crossed = v.kfold_accuracy(labels, scores, folds)
    assert report.accuracy.value == crossed.mean
    assert report.standard_error == crossed.standard_error
    assert report.threshold.value == crossed.thresholds.mean()
    assert report.oracle_accuracy.value == v.best_accuracy(labels, scores).accuracy
    assert report.auc.value == v.auc(labels, scores)
    assert report.eer.value == v.eer(labels, scores).rate
    assert report.dprime.value == v.dprime(labels, scores)
    assert report.tar[0].tar.value == v.tar_at_far(labels, scores, 0.1).tar
    assert not report.tar[1].resolvable
    assert np.isnan([report.tar[1].tar.value, *report.tar[1].tar.interval]).all()
    for estimate in report[:1] + report[2:9]:
        if not isinstance(estimate, float):
            assert estimate.interval.low <= estimate.value <= estimate.interval.high


class TestFolds:
    @given(st.integers(0, 1000), st.integers(2, 10))
    def test_made_folds_are_fair(self, seed: int, n_folds: int) -> None:
        generator = np.random.default_rng(seed)
        people = generator.integers(0, generator.integers(5, 400), (120, 2))
        people[:60, 1] = people[:60, 0]
        labels = people[:, 0] == people[:, 1]
        made = make_folds(labels, n_folds, *people.T, seed=seed)
        assert set(made.of_pair) == set(range(1, n_folds + 1))
        faults = fold_faults(labels, made.of_pair, *people.T)
        assert faults.one_class == []
        if made.is_disjoint:
            assert faults.shared_members == 0
        else:
            counts = np.array([np.bincount(made.of_pair[labels == c]) for c in (0, 1)])[:, 1:]
            assert (np.ptp(counts, axis=1) <= 1).all()

    def test_disjoint_where_possible(self) -> None:
        people = np.repeat(np.arange(100), 2).reshape(100, 2)
        pairs = np.concatenate((people, np.stack((np.arange(0, 100, 2), np.arange(1, 100, 2)), 1)))
        made = make_folds([1] * 100 + [0] * 50, 10, *pairs.T)
        assert made.is_disjoint
        assert (np.bincount(made.of_pair)[1:] == 15).all()

    def test_not_where_everyone_meets_everyone(self) -> None:
        first, second = np.triu_indices(12, k=1)
        people = np.concatenate(
            (np.stack((first, second), 1), np.repeat(np.arange(12), 2).reshape(-1, 2))
        )
        assert not make_folds(people[:, 0] == people[:, 1], 5, *people.T).is_disjoint

    @pytest.mark.parametrize("n_folds", [0, 1, 4])
    def test_too_many_or_too_few(self, n_folds: int) -> None:
        with pytest.raises(ValueError, match="folds need"):
            make_folds([1, 1, 1, 0, 0, 0], n_folds)


def coverage(n_worlds: int, n_resamples: int, n_people: int, by: str) -> float:
    """Share of worlds whose interval of AUC covers the truth, people being similar or not.

    Scores have a part of each person and a part of each image: d = 2 between the classes.
    """
    generator = np.random.default_rng(11)
    hits = 0
    person_spread, noise = 0.7, np.sqrt(1 - 0.49)
    # Genuine: 2 + p_i + e, impostor: (p_i + p_j) / sqrt(2) + e, each of variance 1.
    from scipy.stats import norm

    truth = norm.cdf(2 / np.sqrt(2))
    for world in range(n_worlds):
        people = generator.normal(size=n_people) * person_spread
        same = np.repeat(np.arange(n_people), 3)
        one = generator.integers(0, n_people, 3 * n_people)
        other = (one + generator.integers(1, n_people, one.size)) % n_people
        first, second = np.concatenate((same, one)), np.concatenate((same, other))
        labels = first == second
        own = np.where(labels, people[first], (people[first] + people[second]) / np.sqrt(2))
        scores = 2 * labels + own + generator.normal(size=first.size) * noise
        resamples = Resamples(labels, by, first, second, n_resamples=n_resamples, seed=world)
        low, high = percentiles(verification_replicates(labels, scores, resamples)["auc"])
        hits += low <= truth <= high
    return hits / n_worlds


def test_people_cover_what_pairs_do_not() -> None:
    by_pair = coverage(120, 200, 60, "pair")
    by_person = coverage(120, 200, 60, "identity")
    assert by_person > 0.88
    assert by_pair < by_person


@pytest.mark.skipif(
    "FACEBENCH_NIGHTLY" not in os.environ, reason="takes minutes (set FACEBENCH_NIGHTLY)"
)
def test_coverage_of_identity_intervals() -> None:
    assert 0.92 <= coverage(1500, 500, 100, "identity") <= 0.985


def test_resamples_within_groups_draw_as_many_of_each() -> None:
    people = np.array([0, 1, 2, 3, 0, 2])
    others = np.array([0, 1, 2, 3, 1, 3])
    groups = np.array([0, 0, 1, 1, 0, 1])
    drawn = Resamples(people == others, "identity", people, others, n_resamples=200)
    weights = np.concatenate(list(drawn.within(groups).weights()), axis=1)
    np.testing.assert_array_equal(weights[:2].sum(axis=0), 2)
    np.testing.assert_array_equal(weights[2:4].sum(axis=0), 2)
    np.testing.assert_array_equal(weights[4], weights[0] * weights[1])
    assert set(weights[0]) == {0, 1, 2}
    # A person in two groups belongs to none.
    assert drawn.within(np.array([0, 1, 1, 1, 0, 1])) is drawn
