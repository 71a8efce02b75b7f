"""Rules on scores against plain restatements of the published algorithms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from facebench.metrics.verification import best_accuracy
from facebench.parity import deepface, faces_benchmark, facexzoo, lfw


def facexzoo_by_loops(labels: Any, similarities: Any, folds: int) -> Any:
    scores = np.asarray(similarities, dtype=np.float32)
    accuracies = []
    for train, test in KFold(folds).split(labels):
        low, high = np.max(-scores[train]) * np.float32(-1), np.max(scores[train])
        best, chosen = -2.0, 0.0
        for step in range(1, 1001):
            threshold = float(low) + float((high - low) / np.float32(1000)) * step
            tpr = np.mean([float(scores[i]) > threshold for i in train if labels[i]])
            fpr = np.mean([float(scores[i]) > threshold for i in train if not labels[i]])
            if tpr - fpr > best:
                best, chosen = tpr - fpr, threshold
        right = [
            float(scores[i]) > chosen if labels[i] else float(scores[i]) < chosen for i in test
        ]
        accuracies.append(np.mean(right))
    return np.array(accuracies)


def deepface_by_loops(labels: Any, distances: Any) -> float:
    positive = np.mean([d for y, d in zip(labels, distances, strict=True) if y])
    negative = np.mean([d for y, d in zip(labels, distances, strict=True) if not y])
    found = [
        np.mean([(d < threshold) == bool(y) for y, d in zip(labels, distances, strict=True)])
        for threshold in distances
        if positive <= threshold <= negative
    ]
    return max(found, default=math.nan)


def cases(seed: int, count: int = 47, decimals: int = 2) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 2)
    return labels, random.normal(1.6 - labels, 0.5).clip(0, 3.9).round(decimals)


@pytest.mark.parametrize(("seed", "decimals"), [(5, 1), (6, 9)])
def test_facexzoo(seed: int, decimals: int) -> None:
    labels, distances = cases(seed, decimals=decimals)
    found = facexzoo(labels, 1 - distances / 4, folds=4)
    expected = facexzoo_by_loops(labels, 1 - distances / 4, 4)
    assert found.fold_accuracies == pytest.approx(expected)
    assert found.spread == pytest.approx(expected.std(ddof=1) / 2)


@pytest.mark.slow
def test_facexzoo_breaks_ties_as_its_own_arithmetic_does() -> None:
    random = np.random.default_rng(0)
    for _ in range(40):
        labels = np.tile([1] * 5 + [0] * 5, 10)
        scores = (random.normal(size=100) * 0.15 + labels * 0.3).astype(np.float32)
        expected = []
        for train, test in KFold(10).split(labels):
            positive = scores[train][labels[train] == 1]
            negative = scores[train][labels[train] == 0]
            low, high = scores[train].min(), scores[train].max()
            steps = low + (high - low) / 1000 * np.array(range(1, 1001))
            tpr = np.array([np.sum(positive > x) / positive.size for x in steps])
            fpr = np.array([np.sum(negative > x) / negative.size for x in steps])
            chosen = steps[np.argmax(tpr - fpr)]
            same = labels[test] == 1
            right = np.where(same, scores[test] > chosen, scores[test] < chosen)
            expected.append(right.mean())
        assert facexzoo(labels, scores).accuracy == pytest.approx(np.mean(expected))


@pytest.mark.slow
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=30))
def test_faces_benchmark(pairs: list[tuple[bool, int]]) -> None:
    from sklearn.metrics import accuracy_score, roc_curve

    labels, distances = [y for y, _ in pairs], np.array([d for _, d in pairs]) / 8
    assume(any(labels) and not all(labels))
    fpr, tpr, thresholds = roc_curve(labels, 1 - distances)
    threshold = thresholds[np.argmax(tpr - fpr)]
    found = faces_benchmark(labels, distances)
    assert found.thresholds == pytest.approx([threshold])
    assert found.accuracy == pytest.approx(accuracy_score(labels, 1 - distances > threshold))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=14))
def test_deepface(pairs: list[tuple[bool, int]]) -> None:
    labels, distances = zip(*pairs, strict=True)
    if len(set(labels)) < 2:
        return
    found = deepface(labels, distances)
    assert found.accuracy == pytest.approx(deepface_by_loops(labels, distances), nan_ok=True)
    oracle = best_accuracy(labels, distances, higher_is_better=False)
    assert not found.accuracy > oracle.accuracy


def test_lfw_takes_folds_of_a_column_or_as_the_rows_lie() -> None:
    labels, distances = cases(7, 40)
    column = np.repeat(list("dcba"), 10)
    as_they_lie = lfw(labels, distances, 4).fold_accuracies
    assert (as_they_lie == lfw(labels, distances, column).fold_accuracies[::-1]).all()
    mixed = np.tile(list("abcd"), 10)
    found = lfw(labels, distances, mixed)
    assert found.spread == pytest.approx(found.fold_accuracies.std(ddof=1) / 2)


def test_deepface_looks_between_the_means_only() -> None:
    # One genuine pair far off moves the mean beyond the gap where the best threshold lies.
    labels, distances = [1, 1, 1, 0, 0, 0], [0.1, 0.1, 2.5, 1.0, 1.1, 1.2]
    oracle = best_accuracy(labels, distances, higher_is_better=False).accuracy
    assert oracle == pytest.approx(5 / 6)
    assert deepface(labels, distances).accuracy == oracle
    worse = deepface([1, 1, 0, 0], [0.1, 3.0, 1.0, 1.2])
    assert math.isnan(worse.accuracy)
