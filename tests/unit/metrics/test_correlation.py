"""Correlations against SciPy, rsatoolbox, repeated pairs, and ties broken one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from facebench.metrics import correlation
from facebench.metrics.weighted_ranks import concordance, weighted_ranks

# Whole numbers from a few: most examples have ties.
rows = st.integers(3, 15).flatmap(
    lambda n: st.tuples(
        *(st.lists(st.integers(0, 6), min_size=n, max_size=n).map(np.array) for _ in range(3))
    )
)


def repeated(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.repeat(values, weights)


def varied(*sides: np.ndarray) -> bool:
    return all(np.ptp(side) > 0 for side in sides)


@pytest.mark.slow
@given(rows)
def test_pearson_and_spearman_are_scipys_of_repeated_pairs(sides) -> None:
    x, y, weights = sides
    for ours, theirs in (
        (correlation.pearson, stats.pearsonr),
        (correlation.spearman, stats.spearmanr),
    ):
        for w in (np.ones_like(weights), weights):
            drawn = repeated(x, w), repeated(y, w)
            expected = theirs(*drawn).statistic if len(drawn[0]) > 1 and varied(*drawn) else np.nan
            assert_allclose(ours(x, y, w), expected, atol=1e-9)


@pytest.mark.slow
@given(rows)
def test_rank_measures_are_those_of_rsatoolbox(sides) -> None:
    compare = pytest.importorskip("rsatoolbox.rdm.compare")
    x, y, _ = (side.astype(float) for side in sides)
    assert_allclose(correlation.rho_a(x, y), compare.compare_rho_a(x, y)[0, 0], atol=1e-9)
    assert_allclose(
        correlation.kendall_tau_a(x, y), compare.compare_kendall_tau_a(x, y)[0, 0], atol=1e-9
    )


@given(rows)
def test_tau_a_by_brute_force(sides) -> None:
    x, y, weights = sides
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    pairs = np.triu(np.outer(weights, weights), 1)
    expected = (signs * pairs).sum() / pairs.sum() if pairs.sum() else np.nan
    assert_allclose(correlation.kendall_tau_a(x, y, weights), expected, atol=1e-12)


@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [1, 2, 3, 1]])
def test_rho_a_is_the_mean_over_all_ways_to_break_ties(weights: list[int]) -> None:
    x, y = np.array([1, 1, 2, 2]), np.array([2, 1, 1, 1])
    orders = [np.array(order) / 100 for order in itertools.permutations(range(4))]
    found = [
        correlation.spearman(x + one, y + other, weights) for one in orders for other in orders
    ]
    assert_allclose(correlation.rho_a(x, y, weights), np.mean(found), atol=1e-12)


@pytest.mark.slow
@given(rows)
def test_many_weightings_at_once_are_one_by_one(sides) -> None:
    x, y, weights = sides
    stacked = np.array([weights, weights[::-1], np.ones_like(weights)])
    for measure in (*correlation.MEASURES, "cosine"):
        together = correlation.correlate(x, y, measure, stacked)
        assert_allclose(correlation.correlate(x, [y] * 3, measure, stacked), together, atol=1e-12)
        apart = [correlation.correlate(x, y, measure, w) for w in stacked]
        assert_allclose(together, apart, atol=1e-12)


@given(rows)
def test_ranks_of_rows_of_their_own_are_ranks_of_common_ones(sides) -> None:
    x, _, weights = (side.astype(float) for side in sides)
    stacked = np.array([weights, weights[::-1]])
    own = weighted_ranks(np.array([x, x]), stacked)
    assert_allclose(own, weighted_ranks(x, stacked))
    assert_allclose(weighted_ranks(x, np.ones((1, len(x))))[0], stats.rankdata(x))


def test_long_rows_are_cut_into_pieces_without_a_trace() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 4000)).round(1)
    weights = generator.integers(0, 3, (150, 4000)).astype(float)
    difference, total = concordance(x, y, weights)
    for row in (0, 149):
        expected = correlation.kendall_tau_a(x, y, weights[row])
        assert_allclose(difference[row] / total[row], expected)
    unweighted = stats.kendalltau(x, y)
    ties = [(np.unique(side, return_counts=True)[1] ** 2).sum() - 4000 for side in (x, y)]
    everything = 4000 * 3999
    scale = np.sqrt((everything - ties[0]) * (everything - ties[1])) / everything
    assert_allclose(correlation.kendall_tau_a(x, y), unweighted.statistic * scale)


def test_missing_numbers_are_left_out_pair_by_pair() -> None:
    x, y = np.array([1, 2, np.nan, 4, 5.0]), np.array([2, np.nan, 9, 1, 7.0])
    for measure in correlation.MEASURES:
        expected = correlation.correlate(x[[0, 3, 4]], y[[0, 3, 4]], measure)
        assert_allclose(correlation.correlate(x, y, measure), expected)


def test_a_constant_side() -> None:
    flat = [0.1 + 0.2, 0.3, 0.3]
    assert np.isnan(correlation.pearson(flat, [1, 2, 3]))
    assert np.isnan(correlation.spearman([3, 3, 3], [1, 2, 3]))
    assert correlation.kendall_tau_a([3, 3, 3], [1, 2, 3]) == 0
    assert correlation.rho_a([3, 3, 3], [1, 2, 3]) == 0
    for measure in correlation.MEASURES:
        assert np.isnan(correlation.correlate([1], [2], measure))
        assert np.isnan(correlation.correlate([], [], measure))


@pytest.mark.slow
@given(rows, st.sampled_from(["pearson", "spearman"]))
def test_partial_correlations_are_those_of_residuals(sides, measure: str) -> None:
    x, y, covariate = sides
    other = np.arange(len(x)) % 3
    ranked = [stats.rankdata(v) if measure == "spearman" else v for v in (x, y, covariate, other)]
    design = np.column_stack([np.ones(len(x)), *ranked[2:]])
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in ranked[:2]]
    found = correlation.partial_correlation(x, y, [covariate, other, covariate], measure)
    if min(np.ptp(side) for side in left) > 1e-6:
        assert_allclose(found, stats.pearsonr(*left).statistic, atol=1e-6)
    else:
        assert np.isnan(found)


def test_weighted_partial_correlation_is_that_of_repeated_pairs() -> None:
    generator = np.random.default_rng(2)
    x, y, covariate = generator.normal(size=(3, 30))
    weights = generator.integers(0, 3, (4, 30))
    for measure in ("pearson", "spearman"):
        found = correlation.partial_correlation(x, y, [covariate], measure, weights)
        expected = [
            correlation.partial_correlation(
                repeated(x, w), repeated(y, w), [repeated(covariate, w)], measure
            )
            for w in weights
        ]
        assert_allclose(found, expected)


def test_a_missing_nuisance_takes_out_its_pair() -> None:
    generator = np.random.default_rng(3)
    x, y, covariate = generator.normal(size=(3, 12))
    covariate[4] = np.nan
    kept = np.arange(12) != 4
    expected = correlation.partial_correlation(x[kept], y[kept], [covariate[kept]])
    assert_allclose(correlation.partial_correlation(x, y, [covariate]), expected)


def test_what_cannot_be_correlated_is_told() -> None:
    with pytest.raises(ValueError, match="one length"):
        correlation.pearson([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="infinite"):
        correlation.pearson([1, np.inf], [1, 2])
    with pytest.raises(ValueError, match="Weights"):
        correlation.pearson([1, 2], [1, 2], [1, -1])
    with pytest.raises(ValueError, match=r"'measure'.*'tau'"):
        correlation.correlate([1, 2], [1, 2], "tau")
    with pytest.raises(ValueError, match="partial"):
        correlation.partial_correlation([1, 2], [1, 2], [[1, 2]], "tau-a")
