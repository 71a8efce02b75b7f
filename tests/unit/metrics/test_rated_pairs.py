"""Rated pairs: estimates, intervals and p values against plain loops and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from facebench.metrics.correlation import MEASURES, correlate, partial_correlation
from facebench.metrics.noise_ceiling import noise_ceiling
from facebench.metrics.rated_pairs import RatedPairs
from facebench.metrics.rdm import rdm
from facebench.metrics.resampling import drawn_counts, percentile_interval
from facebench.metrics.rsa import mantel

FIRST, SECOND = np.triu_indices(8, 1)
GENERATOR = np.random.default_rng(0)
TRUTH = rdm(GENERATOR.normal(size=(8, 2)))
RATINGS = (TRUTH[:, None] + GENERATOR.normal(size=(28, 4)) / 3).round(1)
DISTANCES = TRUTH + GENERATOR.normal(size=28) / 2


def resampled(by: str, ratings: np.ndarray, measure: str, seed: int = 3) -> np.ndarray:
    """The share of the ceiling, resample by resample, with pairs and raters repeated."""
    generator, shares = np.random.default_rng(seed), []
    images = drawn_counts(8, 40, generator) if by != "rater" else np.ones((40, 8))
    raters = drawn_counts(4, 40, generator) if by != "image" else np.ones((40, 4))
    for drawn, times in zip(images, raters, strict=True):
        rows = np.repeat(np.arange(28), (drawn[FIRST] * drawn[SECOND]).astype(int))
        columns = np.repeat(np.arange(4), times.astype(int))
        single, lower = [], []
        for column in columns:
            others = ratings[:, columns[columns != column]]
            kept = rows[~np.isnan(ratings[rows, column])]
            single.append(correlate(DISTANCES[kept], ratings[kept, column], measure))
            if others.shape[1]:
                total, count = np.nansum(others, axis=1), (~np.isnan(others)).sum(axis=1)
                with np.errstate(invalid="ignore"):
                    mean = (total / count).round(9)
                kept = kept[~np.isnan(mean[kept])]
                lower.append(correlate(mean[kept], ratings[kept, column], measure))
        shares.append(np.nanmean(single) / np.nanmean(lower) if lower else np.nan)
    return np.array(shares)


@pytest.mark.parametrize("by", ["image", "rater", "both"])
@pytest.mark.parametrize("measure", ["pearson", "tau-a"])
def test_the_share_is_resampled_as_a_loop_does(by: str, measure: str) -> None:
    rated = RatedPairs(RATINGS, FIRST, SECOND, measure=measure, by=by, n_resamples=40, seed=3)
    found = rated.compare(DISTANCES)
    if measure == "pearson" or by == "rater":
        expected = percentile_interval(resampled(by, RATINGS, measure))
        assert_allclose((found.share.low, found.share.high), expected, atol=1e-9)
    else:
        # The loop compares copies of a pair with each other.
        assert found.share.low < found.share.value < found.share.high
    assert found.share.value == pytest.approx(
        np.mean([correlate(DISTANCES, column, measure) for column in RATINGS.T])
        / noise_ceiling(RATINGS, measure).lower
    )


def test_missing_ratings_are_pairwise_complete() -> None:
    ratings = RATINGS.copy()
    ratings[[0, 3, 3, 9], [0, 1, 2, 3]] = np.nan
    rated = RatedPairs(ratings, FIRST, SECOND, measure="pearson", n_resamples=40, seed=3)
    found = rated.compare(DISTANCES)
    mean = np.nanmean(ratings, axis=1).round(9)
    assert_allclose(found.correlations["spearman"].value, stats.spearmanr(DISTANCES, mean)[0])
    by_rater = [
        stats.pearsonr(DISTANCES[kept], ratings[kept, i])[0]
        for i, kept in enumerate(~np.isnan(ratings.T))
    ]
    assert found.with_raters.value == pytest.approx(np.mean(by_rater))
    assert_allclose(
        (found.share.low, found.share.high),
        percentile_interval(resampled("image", ratings, "pearson")),
        atol=1e-9,
    )


def test_estimates_and_the_permutation_test_are_those_of_the_functions() -> None:
    for measure in MEASURES:
        rated = RatedPairs(RATINGS, FIRST, SECOND, measure=measure, n_resamples=0)
        nuisance = GENERATOR.normal(size=28)
        found = rated.compare(DISTANCES, [nuisance])
        mean = RATINGS.mean(axis=1).round(9)
        for each in MEASURES:
            assert found.correlations[each].value == pytest.approx(correlate(DISTANCES, mean, each))
        assert found.p_value == mantel(DISTANCES, mean, measure).p_value
        kind = measure if measure in ("pearson", "spearman") else "spearman"
        expected = partial_correlation(DISTANCES, mean, [nuisance], kind)
        assert found.partial.value == pytest.approx(expected)
        assert np.isnan(found.correlations[measure].low)


def test_incomplete_tables_are_permuted_on_what_they_share() -> None:
    kept = np.arange(28) % 5 > 0
    rated = RatedPairs(RATINGS[kept], FIRST[kept], SECOND[kept], n_resamples=0)
    one, other = np.full((2, 28), np.nan)
    one[kept], other[kept] = DISTANCES[kept], RATINGS[kept].mean(axis=1).round(9)
    found = rated.compare(DISTANCES[kept])
    assert found.p_value == mantel(one, other).p_value
    reversed_ = rated.compare(-DISTANCES[kept])
    assert reversed_.p_reversed == pytest.approx(found.p_value)


def test_blocks_leave_no_trace_and_layers_do_not_disturb_each_other(monkeypatch) -> None:
    rated = RatedPairs(RATINGS, FIRST, SECOND, n_resamples=50)
    found = rated.compare(DISTANCES, [DISTANCES**2 - 3 * TRUTH])
    rated.compare(-DISTANCES)
    assert rated.compare(DISTANCES, [DISTANCES**2 - 3 * TRUTH]) == found
    monkeypatch.setattr("facebench.metrics.rated_pairs._KEPT", 0)
    forgetful = RatedPairs(RATINGS, FIRST, SECOND, n_resamples=50)
    forgetful.compare(-DISTANCES)
    assert forgetful.compare(DISTANCES, [DISTANCES**2 - 3 * TRUTH]) == found


def test_intervals_over_images_cover() -> None:
    generator = np.random.default_rng(4)
    first, second = np.triu_indices(20, 1)
    population = generator.normal(size=(4000, 3))
    noise = generator.normal(size=(4000, 1)) * 0.7

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = generator.choice(4000, n, replace=False)
        one = rdm(population[chosen])
        return one, rdm(population[chosen] + noise[chosen] * [1, -1, 1])

    truth = stats.pearsonr(*drawn(400)).statistic
    covered = 0
    for _ in range(60):
        one, other = drawn(20)
        rated = RatedPairs(other[:, None], first, second, n_resamples=200, n_permutations=0)
        low, high = rated.compare(one).correlations["pearson"][1:]
        covered += low <= truth <= high
    # 57 expected; fewer than 50 of a 95 % interval less than once in a thousand such tests.
    assert covered >= 50


def test_p_values_are_uniform_where_there_is_nothing() -> None:
    generator, p = np.random.default_rng(8), []
    for _ in range(150):
        one, other = rdm(generator.normal(size=(8, 2))), rdm(generator.normal(size=(8, 2)))
        rated = RatedPairs(other[:, None], FIRST, SECOND, n_resamples=0, n_permutations=99)
        p.append(rated.compare(one).p_value)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_constant_ratings_and_distances_are_not_defined() -> None:
    rated = RatedPairs(np.full((28, 2), 3.0), FIRST, SECOND, n_resamples=20)
    found = rated.compare(DISTANCES)
    assert np.isnan(found.correlations["spearman"]).all()
    assert np.isnan([*found.share, found.p_value]).all()
    assert np.isnan(rated.ceiling[:2]).all()
    flat = RatedPairs(RATINGS, FIRST, SECOND, n_resamples=20).compare(np.ones(28))
    assert np.isnan(flat.correlations["pearson"]).all()
    assert flat.correlations["tau-a"] == (0, 0, 0)


def test_two_images_have_no_interval() -> None:
    rated = RatedPairs([[1.0, 2.0]], "a", "b")
    found = rated.compare([3.0])
    assert not rated.resamples
    assert np.isnan(found.correlations["spearman"]).all()
    assert np.isnan(found.p_value)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ValueError, match="row of ratings"):
        RatedPairs([[1.0]], "ab", "cd")
    with pytest.raises(ValueError, match=r"'measure'.*'rho'"):
        RatedPairs([[1.0]], "a", "b", measure="rho")
    with pytest.raises(ValueError, match=r"'by'.*'person'"):
        RatedPairs([[1.0]], "a", "b", by="person")
    with pytest.raises(ValueError, match="one finite distance"):
        RatedPairs([[1.0]], "a", "b").compare([np.nan])
