"""Noise ceilings against plain loops and rsatoolbox."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from facebench.metrics import noise_ceiling as ceilings

seeds = st.integers(0, 10_000)


def rated(seed: int, n_pairs: int = 10, n_raters: int = 5) -> np.ndarray:
    """Draw ratings of few levels, so that there are ties, of raters who half agree."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=(n_pairs, 1))
    return np.clip((truth + generator.normal(size=(n_pairs, n_raters))) * 2, -4, 4).round()


@settings(max_examples=20)
@given(seeds)
def test_bounds_are_those_of_a_loop_over_raters(seed: int) -> None:
    ratings = rated(seed)
    found = ceilings.noise_ceiling(ratings)
    rest = [np.delete(ratings, i, axis=1).mean(axis=1) for i in range(5)]
    lower = [stats.spearmanr(ratings[:, i], rest[i]).statistic for i in range(5)]
    upper = [stats.spearmanr(ratings[:, i], ratings.mean(axis=1)).statistic for i in range(5)]
    assert_allclose(found.by_rater, lower, atol=1e-9)
    assert_allclose(found[:2], (np.mean(lower), np.mean(upper)), atol=1e-9)


@pytest.mark.slow
@settings(max_examples=20)
@given(seeds)
def test_bounds_are_those_of_rsatoolbox(seed: int) -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    ratings = rated(seed) + 5.0
    rdms = rsatoolbox.rdm.RDMs(ratings.T)
    for ours, theirs, pool in (
        ("spearman", "spearman", "rank"),
        ("rho-a", "rho-a", "rank"),
        ("pearson", "corr", "zscore"),
    ):
        expected = rsatoolbox.inference.boot_noise_ceiling(rdms, method=theirs)
        found = ceilings.noise_ceiling(ratings, ours, pool=pool)
        assert_allclose((found.lower, found.upper), expected, atol=1e-9)


@settings(max_examples=20)
@given(seeds)
def test_missing_ratings_are_left_out_pair_by_pair(seed: int) -> None:
    ratings = rated(seed)
    generator = np.random.default_rng(seed)
    ratings[generator.random(ratings.shape) < 0.15] = np.nan
    found = ceilings.noise_ceiling(ratings, "pearson")
    for i, r in enumerate(found.by_rater):
        total = np.nansum(np.delete(ratings, i, axis=1), axis=1)
        count = (~np.isnan(np.delete(ratings, i, axis=1))).sum(axis=1)
        kept = ~np.isnan(ratings[:, i]) & (count > 0)
        own, others = ratings[kept, i], total[kept] / count[kept]
        if kept.sum() > 1 and np.ptp(own) and np.ptp(others) > 1e-9:
            assert_allclose(r, stats.pearsonr(own, others).statistic, atol=1e-9)
        else:
            assert np.isnan(r)


def test_a_constant_rater_is_left_out_and_seen() -> None:
    ratings = rated(1)
    ratings[:, 2] = 3
    found = ceilings.noise_ceiling(ratings)
    assert np.isnan(found.by_rater).tolist() == [False, False, True, False, False]
    assert_allclose(found.lower, np.delete(found.by_rater, 2).mean())


def test_one_rater_has_no_ceiling() -> None:
    assert np.isnan(ceilings.noise_ceiling([[1], [2], [3]])[:2]).all()
    assert np.isnan(ceilings.split_half([[1], [2], [3]])).all()


@settings(max_examples=20)
@given(seeds, st.sampled_from(["spearman", "pearson", "tau-a"]))
def test_resampled_bounds_are_those_of_repeated_pairs_and_raters(seed: int, measure: str) -> None:
    ratings = rated(seed, n_raters=4)
    weights = np.random.default_rng(seed).integers(0, 3, (3, 10)).astype(float)
    times = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [3, 1, 0, 0]], dtype=float)
    found = ceilings.ceilings(ratings, measure, weights, times)
    for r in range(3):
        for i in range(4):
            others = [j for j in range(4) if j != i for _ in range(int(times[r, j]))]
            everybody = others + [i] * int(times[r, i])
            for bound, raters in zip(found, (others, everybody), strict=True):
                if not times[r, i] or not raters:
                    assert np.isnan(bound[r, i])
                    continue
                target = ratings[:, raters].mean(axis=1).round(9)
                expected = ceilings.correlate(ratings[:, i], target, measure, weights[r])
                assert_allclose(bound[r, i], expected, atol=1e-9)


def test_two_raters_have_one_split() -> None:
    ratings = rated(4, n_raters=2)
    r = stats.spearmanr(ratings[:, 0], ratings[:, 1]).statistic
    assert_allclose(ceilings.split_half(ratings), (r, 2 * r / (1 + r)))


def test_split_half_steps_up_to_the_reliability_of_all_raters() -> None:
    generator = np.random.default_rng(5)
    for n_raters in (8, 9):
        # Signal and noise of equal variance: the mean of K has the reliability K / (K + 1).
        truth = generator.normal(size=(4000, 1))
        ratings = truth + generator.normal(size=(4000, n_raters))
        found = ceilings.split_half(ratings, "pearson", n_splits=50)
        assert found.reliability == pytest.approx(n_raters / (n_raters + 1), abs=0.01)
        expected = stats.pearsonr(truth[:, 0], ratings.mean(axis=1)).statistic
        assert np.sqrt(found.reliability) == pytest.approx(expected, abs=0.01)


def test_the_truth_lies_between_the_bounds() -> None:
    generator = np.random.default_rng(6)
    truth = generator.normal(size=500)
    ratings = truth[:, None] + generator.normal(size=(500, 12))
    found = ceilings.noise_ceiling(ratings, "pearson")
    reached = np.mean([stats.pearsonr(truth, column).statistic for column in ratings.T])
    assert found.lower < reached < found.upper


def test_share_divides_once_and_needs_a_ceiling() -> None:
    assert ceilings.share_of_ceiling(0.2, 0.8) == 0.25
    assert_allclose(
        ceilings.share_of_ceiling([0.2, 0.2, 0.2], [0.4, 0.0, -1]), [0.5, np.nan, np.nan]
    )


def test_what_is_no_table_of_ratings_is_told() -> None:
    with pytest.raises(ValueError, match="column per rater"):
        ceilings.noise_ceiling([1, 2, 3])
    with pytest.raises(ValueError, match="'pool'"):
        ceilings.noise_ceiling([[1, 2], [2, 3]], pool="median")


def test_answers_of_many_raters_split_as_their_table_does() -> None:
    rng = np.random.default_rng(4)
    table = rng.integers(0, 2, (12, 7)).astype(float)
    table[rng.random(table.shape) < 0.2] = np.nan
    item, rater = np.nonzero(~np.isnan(table))
    shuffled = rng.permutation(item.size)
    found = ceilings.split_half_of_answers(
        item[shuffled], rater[shuffled], table[item, rater][shuffled], n_splits=20
    )
    assert found == pytest.approx(ceilings.split_half(table, n_splits=20))
