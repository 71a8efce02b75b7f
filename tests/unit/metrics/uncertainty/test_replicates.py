"""Metrics on shared resamples: equal to the plain functions on the repeated comparisons."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from facebench.metrics import verification as v
from facebench.metrics.accuracy import accepted_at
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
