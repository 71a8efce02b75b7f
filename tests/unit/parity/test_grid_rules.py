"""Every rule against a plain restatement of the published algorithm, and where rules differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold

from facebench.parity import facenet, facenet_centred, facexzoo, insightface, lfw

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


def cases(seed: int, count: int = 47, decimals: int = 2) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 2)
    return labels, random.normal(1.6 - labels, 0.5).clip(0, 3.9).round(decimals)


@pytest.mark.slow
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


def test_population_deviation_is_root_k_minus_one_standard_errors() -> None:
    labels, distances = cases(9, 200)
    printed, official = facenet(labels, distances), lfw(labels, distances)
    error = printed.fold_accuracies.std(ddof=1) / math.sqrt(10)
    assert printed.spread == pytest.approx(3 * error)
    assert official.spread < printed.spread
