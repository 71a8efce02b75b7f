"""Intervals and tests against SciPy, plain loops and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binomtest, false_discovery_control

from facebench.metrics import stats

counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def some(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n)
    return labels, (generator.normal(size=n) + labels).round(1)


@pytest.mark.slow
@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_proportions_agree_with_scipy(count: tuple[int, int], confidence: float) -> None:
    test = binomtest(*count)
    for ours, method in ((stats.wilson, "wilson"), (stats.clopper_pearson, "exact")):
        expected = test.proportion_ci(confidence, method)
        assert_allclose(ours(*count, confidence), (expected.low, expected.high), atol=1e-9)


@pytest.mark.parametrize("count", [(-1, 3), (4, 3), (0, 0), (0.5, 3)])
def test_impossible_counts_are_told(count: tuple) -> None:
    with pytest.raises(ValueError, match="proportion"):
        stats.wilson(*count)


@given(p_values)
def test_adjusted_p_values(p: list[float]) -> None:
    assert_allclose(stats.benjamini_hochberg(p), false_discovery_control(p), atol=1e-12)
    ranked = sorted(p)
    expected = [
        min(
            1,
            max((len(p) - j) * ranked[j] for j in range(ranked.index(value) + ranked.count(value))),
        )
        for value in p
    ]
    assert_allclose(stats.holm(p), expected, atol=1e-12)


def test_p_values_outside_0_and_1_are_told() -> None:
    for wrong in ([1.1], [np.nan], [-0.1]):
        with pytest.raises(ValueError, match="p values"):
            stats.holm(wrong)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 0), (3, 9), (20, 4)])
def test_mcnemar_is_the_binomial_test_for_few(only_a: int, only_b: int) -> None:
    a, b = [1] * only_a + [0] * only_b + [1], [0] * only_a + [1] * only_b + [1]
    n = only_a + only_b
    expected = binomtest(only_a, n).pvalue if n else 1.0
    assert_allclose(stats.mcnemar(a, b).p_value, expected)


def test_mcnemar_of_many_is_near_the_binomial_test() -> None:
    a, b = [1] * 120 + [0] * 80, [0] * 120 + [1] * 80
    assert_allclose(stats.mcnemar(a, b).p_value, binomtest(120, 200).pvalue, rtol=0.05)


def test_delong_against_its_definition() -> None:
    labels, scores = some()
    genuine, impostor = scores[labels == 1], scores[labels == 0]
    wins = (genuine[:, None] > impostor) + 0.5 * (genuine[:, None] == impostor)
    variance = wins.mean(1).var(ddof=1) / len(genuine) + wins.mean(0).var(ddof=1) / len(impostor)
    assert_allclose(stats.delong(labels, scores), (wins.mean(), variance))
    assert_allclose(stats.delong(labels, -scores, higher_is_better=False), (wins.mean(), variance))


def test_delong_test_sees_a_difference_and_none() -> None:
    labels, scores = some(400)
    noise = np.random.default_rng(9).normal(size=400)
    assert stats.delong_test(labels, scores, noise).p_value < 1e-6
    assert stats.delong_test(labels, scores, scores * 2).p_value == 1.0
    assert np.isnan(stats.delong([1, 0], [1, 0]).variance)
