"""What must not change a metric: another scale, another order, swapped images, copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench.metrics import distances
from facebench.metrics.bands import roc_band
from facebench.metrics.bootstrap import bootstrap
from facebench.metrics.groups import group_errors
from facebench.metrics.verification import (
    auc,
    best_accuracy,
    dprime,
    eer,
    error_vs_discard,
    kfold_accuracy,
    min_cllr,
    min_dcf,
    roc,
    tar_at_far,
)

FEWER = settings(max_examples=30)

# Few different scores for many pairs, three of each class in two folds at least.
rows = st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(-3, 3)), min_size=0, max_size=20)
cases = rows.map(
    lambda more: (
        np.array([1, 0, 1, 0, 1, 0] + [label for label, _ in more]),
        np.array([1, -1, 0, 0, 2, -2] + [score for _, score in more]) / 4,
    )
)


def folds(labels: Any) -> Any:
    return np.arange(len(labels)) // 2 % 3


# Each metric without its thresholds, which follow the units of the scores.
METRICS: dict[str, Callable[[Any, Any], Any]] = {
    "roc": lambda y, s: (roc(y, s).fmr, roc(y, s).fnmr),
    "auc": auc,
    "eer": lambda y, s: (eer(y, s).rate, eer(y, s).low, eer(y, s).high),
    "eer of the hull": lambda y, s: eer(y, s, method="hull").rate,
    "TAR at FAR": lambda y, s: [(r.tar, r.far) for r in tar_at_far(y, s, [0.5, 0.25])],
    "best accuracy": lambda y, s: best_accuracy(y, s).accuracy,
    "minDCF": lambda y, s: min_dcf(y, s, p_target=0.5, c_miss=1, c_fa=1),
    "minCllr": min_cllr,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
@FEWER
@given(case=cases)
def test_a_monotone_transform(name: str, case: Any) -> None:
    labels, scores = case
    expected = METRICS[name](labels, scores)
    for warped in (np.exp(3 * scores) - 7, scores**3 * 1e-3, np.arctan(scores) + 5):
        np.testing.assert_array_equal(METRICS[name](labels, warped), expected)


@FEWER
@given(cases)
def test_a_monotone_transform_changes_no_decision_of_a_fold(case: Any) -> None:
    labels, scores = case
    one = kfold_accuracy(labels, scores, folds(labels)).fold_accuracies
    # A midpoint is no midpoint after a curved transform, so only a straight one is exact.
    other = kfold_accuracy(labels, scores * 8 - 3, folds(labels)).fold_accuracies
    np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
@FEWER
@given(case=cases, seed=st.integers(0, 999))
def test_the_order_of_rows(name: str, case: Any, seed: int) -> None:
    labels, scores = case
    order = np.random.default_rng(seed).permutation(len(labels))
    np.testing.assert_array_equal(
        METRICS[name](labels[order], scores[order]), METRICS[name](labels, scores)
    )


@FEWER
@given(cases, st.integers(0, 999))
def test_the_order_of_rows_with_folds_groups_and_qualities(case: Any, seed: int) -> None:
    labels, scores = case
    order = np.random.default_rng(seed).permutation(len(labels))
    fold = folds(labels)
    one = kfold_accuracy(labels, scores, fold)
    other = kfold_accuracy(labels[order], scores[order], fold[order])
    np.testing.assert_array_equal(one.fold_accuracies, other.fold_accuracies)
    np.testing.assert_array_equal(one.thresholds, other.thresholds)
    quality = np.arange(len(labels)) % 5
    np.testing.assert_array_equal(
        error_vs_discard(labels, scores, quality, fmr=0.5).fnmr,
        error_vs_discard(labels[order], scores[order], quality[order], fmr=0.5).fnmr,
    )
    group = np.array(["a", "b"])[np.arange(len(labels)) % 2]
    kept = group_errors(labels, scores, group, group, 0.0)
    moved = group_errors(labels[order], scores[order], group[order], group[order], 0.0)
    # d' sums the scores themselves, whose last bit hangs on the order.
    assert kept.dprime == pytest.approx(moved.dprime, rel=1e-12, nan_ok=True)
    shares = kept._replace(dprime={}), moved._replace(dprime={})
    np.testing.assert_equal(shares[0]._asdict(), shares[1]._asdict())


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
@FEWER
@given(case=cases, times=st.integers(2, 4))
def test_duplicated_data(name: str, case: Any, times: int) -> None:
    labels, scores = case
    np.testing.assert_allclose(
        METRICS[name](np.tile(labels, times), np.tile(scores, times)),
        METRICS[name](labels, scores),
        atol=1e-12,
    )


@FEWER
@given(cases, st.integers(2, 4))
def test_duplicated_data_with_folds_and_spread(case: Any, times: int) -> None:
    labels, scores = case
    twice = np.tile(labels, times), np.tile(scores, times)
    one = kfold_accuracy(labels, scores, folds(labels))
    other = kfold_accuracy(*twice, np.tile(folds(labels), times))
    np.testing.assert_array_equal(one.thresholds, other.thresholds)
    np.testing.assert_allclose(one.fold_accuracies, other.fold_accuracies)
    assert dprime(*twice, ddof=0) == pytest.approx(dprime(labels, scores, ddof=0), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_swapping_the_images_of_a_pair(seed: int) -> None:
    random = np.random.default_rng(seed)
    left, right = random.normal(size=(2, 40, 16))
    swapped = random.random(40) < 0.5
    one = np.where(swapped[:, None], right, left)
    other = np.where(swapped[:, None], left, right)
    for distance in (distances.cosine, distances.minkowski):
        np.testing.assert_array_equal(distance(left, right), distance(one, other))
    labels, scores = np.arange(40) % 2, random.normal(size=40)
    people = random.integers(0, 8, 40)
    partners = np.where(labels == 1, people, (people + 1) % 8)
    first = np.where(swapped, partners, people)
    second = np.where(swapped, people, partners)
    for measure in (
        lambda a, b: bootstrap(labels, scores, by="identity", members1=a, members2=b),
        lambda a, b: roc_band(labels, scores, [0.1], by="identity", members1=a, members2=b),
        lambda a, b: tuple(group_errors(labels, scores, a > 3, b > 3, 0.0)._asdict().items()),
    ):
        np.testing.assert_equal(measure(people, partners), measure(first, second))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_cosine_and_euclidean_agree_on_unit_vectors_to_the_last_pair(seed: int, dtype: Any) -> None:
    random = np.random.default_rng(seed)
    labels = np.arange(6000) % 2
    left = random.normal(size=(6000, 64))
    right = np.where(labels[:, None] == 1, left, random.normal(size=left.shape))
    right = right + random.normal(0, 1.4, size=left.shape)
    # Normalised in float64: a length of 1 in float32 is 1 to 6e-8 only, which would move pairs.
    left, right = (
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        for vectors in (left.astype(dtype).astype(float), right.astype(dtype).astype(float))
    )
    cosine, euclidean = distances.cosine(left, right), distances.minkowski(left, right)
    np.testing.assert_array_equal(np.argsort(cosine), np.argsort(euclidean))
    np.testing.assert_allclose(euclidean**2 / 2, cosine, atol=1e-12)
    for metric in METRICS.values():
        np.testing.assert_array_equal(metric(labels, -cosine), metric(labels, -euclidean))
    one, other = (
        kfold_accuracy(labels, scores, np.arange(6000) // 600, higher_is_better=False)
        for scores in (cosine, euclidean**2)
    )
    np.testing.assert_array_equal(one.fold_accuracies, other.fold_accuracies)
