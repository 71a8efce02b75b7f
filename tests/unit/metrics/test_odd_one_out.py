"""Choices under a temperature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facebench.metrics import odd_one_out as metrics

GENERATOR = np.random.default_rng(2)


def test_the_fitted_temperature_is_the_most_likely() -> None:
    s = GENERATOR.normal(size=(3000, 3))
    p = np.exp(s / 0.5) / np.exp(s / 0.5).sum(axis=1, keepdims=True)
    odd = (GENERATOR.random((3000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    best = metrics.best_temperature(s, odd)
    assert best == pytest.approx(0.5, rel=0.1)
    at = [metrics.log_likelihood(s, odd, t).mean() for t in (best, best * 1.02, best / 1.02)]
    assert at[0] >= max(at)
    assert metrics.best_temperature(s * 100, odd) == pytest.approx(best * 100, rel=1e-3)


def test_no_temperature_helps_a_layer_that_is_wrong() -> None:
    s = np.array([[1.0, 0, 0]] * 4)
    assert metrics.best_temperature(s, [1, 2, 1, 2]) == np.inf
    assert_allclose(metrics.log_likelihood(s, [1, 2, 1, 2], np.inf), -np.log(3))
    assert metrics.best_temperature(np.ones((2, 3)), [0, 1]) == np.inf


def test_ties_share_and_a_missing_similarity_is_no_answer() -> None:
    s = np.array([[0.9, 0.1, 0.2], [0.9, 0.9, 0.1], [0.5, 0.5, 0.5], [0.9, np.nan, 0.1]])
    assert_allclose(metrics.agreement(s, [0, 1, 2, 0]), [1, 0.5, 1 / 3, np.nan])
    assert np.isnan(metrics.log_likelihood(s, [0, 1, 2, 0])[3])
    # Missing similarities do not move the temperature.
    assert metrics.best_temperature(s, [0, 1, 2, 1]) == metrics.best_temperature(s[:3], [0, 1, 2])


def test_the_ceiling_against_a_loop() -> None:
    triplet = GENERATOR.integers(0, 12, 60)
    odd = GENERATOR.integers(0, 3, 60)
    lower, upper = [], []
    for row, (own, chosen) in enumerate(zip(triplet, odd, strict=True)):
        others = [odd[i] for i in range(60) if triplet[i] == own and i != row]
        if not others:
            continue
        for found, choices in ((lower, others), (upper, [*others, chosen])):
            counts = [choices.count(image) for image in range(3)]
            most = [image for image in range(3) if counts[image] == max(counts)]
            found.append((chosen in most) / len(most))
    ceiling = metrics.choice_ceiling(triplet, odd)
    assert_allclose((ceiling.lower, ceiling.upper), (np.mean(lower), np.mean(upper)))
    assert np.isnan(metrics.choice_ceiling([0, 1, 2], [0, 0, 0]).upper)


@pytest.mark.parametrize("odd", [[0], [0, 3], [0, -1]])
def test_choices_that_are_none_of_three_are_told(odd: list[int]) -> None:
    with pytest.raises(ValueError, match="odd image"):
        metrics.agreement(np.zeros((2, 3)), odd)
