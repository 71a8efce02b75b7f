"""Every rule against a plain restatement of the published algorithm, and where rules differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from facebench.metrics.verification import best_accuracy
from facebench.parity import (
    RULES,
    deepface,
    facenet,
    facenet_centred,
    faces_benchmark,
    facexzoo,
    flip_concat,
    flip_sum,
    insightface,
    lfw,
    parity_table,
    squared_distances,
)

# --- restatements, pair by pair ---------------------------------------------------------------


def grid_by_loops(labels: Any, distances_of: Any, folds: int, far: float) -> tuple[Any, ...]:
    """calculate_roc and calculate_val of facenet: every threshold tried, every pair counted."""
    accuracies, thresholds, tars, fars = [], [], [], []
    for train, test in KFold(folds).split(labels):
        distance = distances_of(train)
        best, chosen = -1.0, 0.0
        for threshold in np.arange(0, 4, 0.01):
            right = sum((distance[i] < threshold) == labels[i] for i in train)
            if right > best:
                best, chosen = right, threshold
        accuracies.append(np.mean([(distance[i] < chosen) == labels[i] for i in test]))
        thresholds.append(chosen)
        others = [distance[i] for i in train if not labels[i]]
        at, before = 0.0, (0.0, 0.0)
        for threshold in np.arange(0, 4, 0.001):
            rate = sum(value < threshold for value in others) / len(others)
            if rate >= far:
                at = before[0] + (far - before[1]) / (rate - before[1]) * (threshold - before[0])
                break
            before = (threshold, rate)
        same = [distance[i] < at for i in test if labels[i]]
        different = [distance[i] < at for i in test if not labels[i]]
        tars.append(np.mean(same) if same else np.nan)
        fars.append(np.mean(different) if different else np.nan)
    return np.array(accuracies), np.array(thresholds), np.mean(tars), np.mean(fars)


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


@pytest.mark.parametrize(("seed", "decimals"), [(0, 1), (1, 2), (2, 9)])
def test_facenet(seed: int, decimals: int) -> None:
    labels, distances = cases(seed, decimals=decimals)
    found = facenet(labels, distances, folds=5, far=0.07)
    accuracies, thresholds, tar, far = grid_by_loops(labels, lambda _: distances, 5, 0.07)
    assert found.fold_accuracies == pytest.approx(accuracies)
    assert found.thresholds == pytest.approx(thresholds)
    assert found.accuracy == pytest.approx(accuracies.mean())
    assert found.spread == pytest.approx(accuracies.std(ddof=0))
    assert (found.tar, found.far) == pytest.approx((tar, far))


def vectors(seed: int) -> tuple[Any, ...]:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(30) % 2)
    left = random.normal(1, 1, (30, 4))
    right = np.where(labels[:, None], left + random.normal(0, 0.7, (30, 4)), left[::-1])
    return labels, left, right, left + random.normal(0, 0.3, (30, 4)), right + 0.1


def test_facenet_centred() -> None:
    labels, left, right, *_ = vectors(3)

    def angles(train: Any) -> Any:
        mean = np.mean([*left[train], *right[train]], axis=0)
        cosines = [
            (one - mean) @ (two - mean) / np.linalg.norm(one - mean) / np.linalg.norm(two - mean)
            for one, two in zip(left, right, strict=True)
        ]
        return np.array([math.acos(cosine) / math.pi for cosine in cosines])

    found = facenet_centred(labels, left, right, folds=4, far=0.2)
    accuracies, thresholds, tar, far = grid_by_loops(labels, angles, 4, 0.2)
    assert found.fold_accuracies == pytest.approx(accuracies)
    assert found.thresholds == pytest.approx(thresholds)
    assert (found.tar, found.far) == pytest.approx((tar, far))


def test_insightface() -> None:
    labels, left, right, left_mirrored, right_mirrored = vectors(4)

    def embedded(upright: Any, mirrored: Any) -> Any:
        return [(u + m) / math.dist(u + m, 0 * u) for u, m in zip(upright, mirrored, strict=True)]

    one, two = embedded(left, left_mirrored), embedded(right, right_mirrored)
    distance = np.array([math.dist(a, b) ** 2 for a, b in zip(one, two, strict=True)])
    found = insightface(labels, left, right, left_mirrored, right_mirrored, folds=6, far=0.2)
    accuracies, _, tar, far = grid_by_loops(labels, lambda _: distance, 6, 0.2)
    assert found.fold_accuracies == pytest.approx(accuracies)
    assert (found.tar, found.far) == pytest.approx((tar, far), nan_ok=True)
    alone = insightface(labels, left, right, folds=6)
    doubled = insightface(labels, left, right, left, right, folds=6)
    assert alone.fold_accuracies == pytest.approx(doubled.fold_accuracies)


@pytest.mark.parametrize(("seed", "decimals"), [(5, 1), (6, 9)])
def test_facexzoo(seed: int, decimals: int) -> None:
    labels, distances = cases(seed, decimals=decimals)
    found = facexzoo(labels, 1 - distances / 4, folds=4)
    expected = facexzoo_by_loops(labels, 1 - distances / 4, 4)
    assert found.fold_accuracies == pytest.approx(expected)
    assert found.spread == pytest.approx(expected.std(ddof=1) / 2)


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


# --- where the rules differ -------------------------------------------------------------------


def test_a_score_on_the_threshold_is_accepted_rejected_or_wrong() -> None:
    labels = [1, 0] * 3
    # The training folds' best threshold is met exactly by both pairs of the last fold.
    on_midpoint = lfw(labels, [1.0, 3.0, 1.0, 3.0, 2.0, 2.0], 3)
    assert on_midpoint.thresholds[2] == 2.0
    assert on_midpoint.fold_accuracies[2] == 0.5  # both accepted
    on_grid = facenet(labels, [1.0, 3.0, 1.0, 3.0, 1.01, 1.01], folds=3)
    assert on_grid.thresholds[2] == pytest.approx(1.01)
    assert on_grid.fold_accuracies[2] == 0.5  # both rejected
    on_step = facexzoo(labels, [1.0, 0.0, 1.0, 0.0, 0.001, 0.001], folds=3)
    assert on_step.thresholds[2] == np.float32(0.001)
    assert on_step.fold_accuracies[2] == 0.0  # both wrong


def test_the_grid_cannot_part_what_lies_within_one_step() -> None:
    labels, distances = [1, 0] * 10, np.array([0.5011, 0.5088] * 10)
    assert lfw(labels, distances, 5).accuracy == 1.0
    assert facenet(labels, distances, folds=5).accuracy == 0.5


def test_the_grid_ends_at_four() -> None:
    labels, distances = [1, 0] * 10, np.array([5.0, 9.0] * 10)
    assert lfw(labels, distances, 5).accuracy == 1.0
    assert facenet(labels, distances, folds=5).accuracy == 0.5


def test_a_sorted_file_makes_folds_of_one_class() -> None:
    random = np.random.default_rng(8)
    distances = random.normal(np.repeat([1.0, 1.5], 100), 0.2)
    labels = np.repeat([1, 0], 100)
    order = random.permutation(200)
    mixed = facenet(labels[order], distances[order])
    as_it_lies = facenet(labels, distances)
    # Folds of one class: no rate of the other, and accuracies that spread with the classes.
    assert math.isnan(as_it_lies.tar)
    assert math.isnan(as_it_lies.far)
    assert abs(mixed.accuracy - as_it_lies.accuracy) < 0.05
    with pytest.raises(ValueError, match="hold one class only"):
        lfw(labels, distances, 2)


def test_deepface_looks_between_the_means_only() -> None:
    # One genuine pair far off moves the mean beyond the gap where the best threshold lies.
    labels, distances = [1, 1, 1, 0, 0, 0], [0.1, 0.1, 2.5, 1.0, 1.1, 1.2]
    oracle = best_accuracy(labels, distances, higher_is_better=False).accuracy
    assert oracle == pytest.approx(5 / 6)
    assert deepface(labels, distances).accuracy == oracle
    worse = deepface([1, 1, 0, 0], [0.1, 3.0, 1.0, 1.2])
    assert math.isnan(worse.accuracy)


def test_population_deviation_is_root_k_minus_one_standard_errors() -> None:
    labels, distances = cases(9, 200)
    printed, official = facenet(labels, distances), lfw(labels, distances)
    error = printed.fold_accuracies.std(ddof=1) / math.sqrt(10)
    assert printed.spread == pytest.approx(3 * error)
    assert official.spread < printed.spread


# --- embeddings -------------------------------------------------------------------------------


def test_flip_sum_and_concat() -> None:
    one, two = [[3.0, 0.0]], [[0.0, 4.0]]
    assert flip_sum(one, two) == pytest.approx(np.array([[0.6, 0.8]]))
    assert flip_concat(one, two) == pytest.approx(np.array([[0.6, 0.0, 0.0, 0.8]]))
    assert squared_distances(one, two) == pytest.approx([25.0])


def test_the_table_tells_the_difference_in_pairs() -> None:
    labels, left, right, left_mirrored, right_mirrored = vectors(10)
    table = parity_table(labels, left, right, (left_mirrored, right_mirrored), folds=3)
    assert list(table["Rule"]) == list(RULES)
    rows = table.set_index("Rule")
    assert rows.loc["lfw", "Pairs Difference"] == 0
    distances = np.linalg.norm(left - right, axis=1)
    assert rows.loc["lfw", "Accuracy"] == lfw(labels, distances, 3).accuracy
    assert rows.loc["deepface", "Accuracy"] == deepface(labels, distances).accuracy
    expected = (rows["Accuracy"] - rows.loc["lfw", "Accuracy"]) * 30
    assert rows["Pairs Difference"].to_numpy() == pytest.approx(expected)
    assert np.allclose(rows["Pairs Difference"], rows["Pairs Difference"].round())
    column = parity_table(labels, left, right, folds=np.arange(30) // 10, rules=["lfw"])
    assert column["Accuracy"][0] == rows.loc["lfw", "Accuracy"]


def test_the_table_of_distances_is_that_of_unit_vectors() -> None:
    labels, left, right, *_ = vectors(11)
    left, right = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (left, right))
    distances = np.linalg.norm(left - right, axis=1)
    alone = parity_table(labels, distances=distances, folds=5)
    assert list(alone["Rule"]) == [
        "lfw", "facenet", "facexzoo", "faces_benchmark", "deepface", "oracle",
    ]  # fmt: skip
    whole = parity_table(labels, left, right, folds=5, rules=list(alone["Rule"]))
    assert alone["Accuracy"].to_numpy() == pytest.approx(whole["Accuracy"].to_numpy())


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: facenet([1, 1], [0.1, 0.2], folds=2), "both classes"),
        (lambda: facenet([1, 0], [0.1, np.nan], folds=2), "1 of 2 scores are NaN"),
        (lambda: facenet([1, 0], [0.1, 0.2]), "from 2 to the number of pairs, 2. Got 10"),
        (lambda: facexzoo([1, 1, 0, 0], [1, 2, 3, 4], folds=2), "hold one class only"),
        (lambda: insightface([1, 0], [[1.0]] * 2, [[1.0]] * 2, [[1.0]] * 2), "Got one side"),
        (lambda: flip_sum([[1.0]], [[1.0, 2.0]]), r"Got shapes \(1, 1\) and \(1, 2\)"),
        (lambda: flip_sum([1.0], [1.0]), r"must have the shape \[N, D\]"),
        (lambda: parity_table([1, 0], [[1.0]] * 2, [[1.0]] * 2, rules=["x"]), "Got 'x'"),
        (lambda: parity_table([1, 0]), "embeddings of both sides of each pair, or the distances"),
        (
            lambda: parity_table([1, 0] * 2, distances=[1, 2] * 2, folds=2, rules=["insightface"]),
            "'insightface' needs the embeddings",
        ),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
