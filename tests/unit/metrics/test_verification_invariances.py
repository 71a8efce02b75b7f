"""What must not change a verification metric does not change it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from facebench.metrics import verification as v
from facebench.metrics.distances import cosine, minkowski

comparisons = st.lists(
    st.tuples(st.booleans(), st.integers(-8, 8).map(lambda number: number / 8)),
    min_size=4,
    max_size=60,
).filter(lambda rows: len({label for label, _ in rows}) == 2)


def measured(labels: np.ndarray, scores: np.ndarray) -> list[float]:
    return [
        v.auc(labels, scores),
        v.eer(labels, scores).rate,
        v.eer(labels, scores, method="hull").rate,
        v.best_accuracy(labels, scores).accuracy,
        v.min_dcf(labels, scores),
        v.min_cllr(labels, scores),
        *(found.tar for found in v.tar_at_far(labels, scores, [0.5, 0.25])),
    ]


@pytest.mark.slow
@given(comparisons, st.randoms(use_true_random=False))
def test_ranks_alone_count(rows, random) -> None:
    labels, scores = map(np.array, zip(*rows, strict=True))
    expected = measured(labels, scores)
    assert_allclose(measured(labels, np.exp(3 * scores) - 7), expected, atol=1e-12)
    assert_allclose(measured(labels, scores.astype(np.float32)), expected, atol=1e-12)
    order = list(range(len(rows)))
    random.shuffle(order)
    assert_allclose(measured(labels[order], scores[order]), expected, atol=1e-12)


@pytest.mark.slow
@given(comparisons, st.integers(2, 3))
def test_data_given_several_times_over_says_the_same(rows, times: int) -> None:
    labels, scores = map(np.array, zip(*rows, strict=True))
    n_impostors = int(np.count_nonzero(~labels))
    expected, found = (
        measured(labels, scores),
        measured(np.tile(labels, times), np.tile(scores, times)),
    )
    # More comparisons resolve lower rates.
    resolved = len(expected) - 2 + (0.5 * n_impostors >= 1) + (0.25 * n_impostors >= 1)
    assert_allclose(found[:resolved], expected[:resolved], atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_cosine_and_euclidean_agree_on_unit_vectors_to_the_last_pair(seed: int) -> None:
    generator = np.random.default_rng(seed)
    people = generator.normal(size=(200, 64))
    left, right = people[generator.integers(0, 200, (2, 3000))]
    left = left + generator.normal(size=left.shape)
    right = right + generator.normal(size=right.shape)
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    labels = generator.random(3000) < 0.5
    right[labels] = left[labels] + 0.1 * generator.normal(size=(labels.sum(), 64))
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    by_angle, by_length = cosine(left, right), minkowski(left, right)
    for target in (0.1, 0.01):
        accepted = []
        for distances in (by_angle, by_length):
            found = v.tar_at_far(labels, distances, target, higher_is_better=False)
            accepted.append(distances <= found.threshold)
        assert (accepted[0] == accepted[1]).all()
    assert v.auc(labels, by_angle, higher_is_better=False) == v.auc(
        labels, by_length, higher_is_better=False
    )
