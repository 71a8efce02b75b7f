"""Intervals and tests against SciPy, plain loops and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binomtest, false_discovery_control

from facebench.metrics import stats
from facebench.metrics.verification import auc, tar_at_far

counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def some(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n)
    return labels, (generator.normal(size=n) + labels).round(1)


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


@pytest.mark.parametrize("metric", ["auc", "tar@0.2"])
@pytest.mark.parametrize("by", ["pair", "image", "identity"])
@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_named_metrics_agree_with_functions_on_repeated_pairs(metric, by, method) -> None:
    generator = np.random.default_rng(4)
    people = generator.integers(0, 20, (150, 2))
    people[:70, 1] = people[:70, 0]
    labels = people[:, 0] == people[:, 1]
    scores = (generator.normal(size=150) + labels).round(1)
    scores[3] = np.nan

    def function(drawn_labels, drawn_scores) -> float:
        if metric == "auc":
            return auc(drawn_labels, drawn_scores, higher_is_better=False)
        return tar_at_far(drawn_labels, drawn_scores, far=0.2, higher_is_better=False).tar

    options = {
        "by": by, "members1": people[:, 0], "members2": people[:, 1], "n_resamples": 60,
        "method": method, "seed": 5, "higher_is_better": False,
    }  # fmt: skip
    found = stats.bootstrap(labels, -scores, metric, **options)
    assert_allclose(found, stats.bootstrap(labels, -scores, function, **options))


def test_the_identity_bootstrap_covers() -> None:
    # People differ in how well they match: pairs that share one are dependent.
    generator = np.random.default_rng(11)
    first, second = (part.ravel() for part in np.meshgrid(range(25), range(25)))
    kept = first <= second
    first, second = first[kept].repeat(2), second[kept].repeat(2)
    labels = first == second

    def draw() -> np.ndarray:
        traits = generator.normal(size=25)
        return traits[first] + traits[second] + 2 * labels + generator.normal(size=labels.size)

    truth = np.mean([auc(labels, draw()) for _ in range(400)])
    covered = 0
    for seed in range(60):
        scores = draw()
        low, high = stats.bootstrap(
            labels,
            scores,
            by="identity",
            members1=first,
            members2=second,
            n_resamples=200,
            seed=seed,
        )
        covered += low <= truth <= high
    # 57 expected of an exact interval; fewer than 52 of it once in a hundred such tests.
    assert covered >= 52


def test_what_cannot_be_resampled_is_told() -> None:
    with pytest.raises(ValueError, match="members1"):
        stats.bootstrap([1, 0], [1, 0], by="identity")
    with pytest.raises(ValueError, match="position 1"):
        stats.bootstrap([1, 0], [1, 0], by="identity", members1=["a", "b"], members2=["a", "b"])
    with pytest.raises(ValueError, match="'metric'"):
        stats.bootstrap([1, 0], [1, 0], "tar@")
    with pytest.raises(ValueError, match="undefined"):
        stats.bootstrap([1, 0], [1, 0])


def test_paired_bootstrap_sees_a_difference_and_none() -> None:
    labels, scores = some(200)
    noise = np.random.default_rng(9).normal(size=200)
    found = stats.paired_bootstrap(labels, scores, noise, n_resamples=300)
    assert 0 < found.low < found.difference < found.high
    assert found.p_value < 0.02
    assert stats.paired_bootstrap(labels, scores, scores, n_resamples=20).p_value == 1.0
