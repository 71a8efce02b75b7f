"""Rated pairs: estimates, intervals and p values against plain loops and simulations."""

from __future__ import annotations

import os

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from facebench.metrics.correlation import MEASURES, correlate, partial_correlation
from facebench.metrics.noise_ceiling import noise_ceiling
from facebench.metrics.ratings.pairs import RatedPairs
from facebench.metrics.rdm import rdm
from facebench.metrics.rsa import mantel
from facebench.metrics.uncertainty.rating_resamples import kept_counts

FIRST, SECOND = np.triu_indices(8, 1)
GENERATOR = np.random.default_rng(0)
TRUTH = rdm(GENERATOR.normal(size=(8, 2)))
RATINGS = (TRUTH[:, None] + GENERATOR.normal(size=(28, 4)) / 3).round(1)
DISTANCES = TRUTH + GENERATOR.normal(size=28) / 2


def shares(ratings: np.ndarray, measure: str, rows: np.ndarray, columns: np.ndarray) -> float:
    """The share of the ceiling by a plain loop over raters."""
    single, lower = [], []
    for column in columns:
        others = ratings[:, columns[columns != column]]
        kept = rows[~np.isnan(ratings[rows, column])]
        single.append(correlate(DISTANCES[kept], ratings[kept, column], measure))
        total, count = np.nansum(others, axis=1), (~np.isnan(others)).sum(axis=1)
        with np.errstate(invalid="ignore"):
            mean = (total / count).round(9)
        kept = kept[~np.isnan(mean[kept])]
        lower.append(correlate(mean[kept], ratings[kept, column], measure))
    return np.mean(single) / np.mean(lower)


def interval_of_share(ratings: np.ndarray, measure: str, by: str) -> tuple[float, float]:
    """Student's interval from leaving out images, raters or both, by loops and by hand."""
    rows, columns = np.arange(28), np.arange(4)
    versions = {
        "image": [
            shares(ratings, measure, rows[(image != FIRST) & (image != SECOND)], columns)
            for image in range(8)
        ],
        "rater": [shares(ratings, measure, rows, columns[columns != i]) for i in range(4)],
    }
    named = list(versions) if by == "both" else [by]
    spread = {name: (len(versions[name]) - 1) * np.var(versions[name]) for name in named}
    if "image" in spread and measure != "pearson":
        # Pairs are left out with either of their images: a part of what they add is taken off.
        kept = kept_counts(28, 20, np.random.default_rng([0, 4])).astype(bool)
        pairs = 0.85 * np.array([shares(ratings, measure, rows[some], columns) for some in kept])
        surplus = min(19 * np.var(pairs), spread["image"] / 2)
        spread["image"] -= 2 * surplus**2 / spread["image"]
    total = sum(spread.values())
    freedom = total**2 / sum(spread[name] ** 2 / (len(versions[name]) - 1) for name in named)
    if "image" in spread and measure != "pearson":
        total *= 8 / 7
    step = stats.t.ppf(0.975, freedom) * np.sqrt(total)
    value = shares(ratings, measure, rows, columns)
    return value - step, value + step


@pytest.mark.slow
@pytest.mark.parametrize("by", ["image", "rater", "both"])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_interval_of_the_share_is_that_of_a_loop(by: str, measure: str) -> None:
    rated = RatedPairs(
        RATINGS, FIRST, SECOND, measure=measure, pool="mean", by=by, n_permutations=0
    )
    found = rated.compare(DISTANCES)
    expected = interval_of_share(RATINGS, measure, by)
    assert_allclose((found.share.low, found.share.high), expected, atol=1e-9)
    assert found.share.value == pytest.approx(
        np.mean([correlate(DISTANCES, column, measure) for column in RATINGS.T])
        / noise_ceiling(RATINGS, measure).lower
    )


@pytest.mark.slow
@pytest.mark.parametrize("by", ["image", "rater", "both", "pair"])
def test_the_bootstrap_agrees_with_the_jackknife(by: str) -> None:
    generator = np.random.default_rng(5)
    first, second = np.triu_indices(30, 1)
    points = generator.normal(size=(30, 2))
    truth = rdm(points)
    ratings = truth[:, None] + generator.normal(size=(435, 12)) * 0.8
    distances = rdm(points + generator.normal(size=(30, 2)))
    widths = []
    for interval in ("jackknife", "bootstrap"):
        rated = RatedPairs(
            ratings, first, second, by=by, interval=interval, n_resamples=400, n_permutations=0
        )
        found = rated.compare(distances)
        estimates = [*found.correlations.values(), found.with_raters]
        ceilings = rated.ceiling_intervals()
        assert all(each.low < each.value < each.high for each in (*estimates, *ceilings))
        widths.append([np.arctanh(each.high) - np.arctanh(each.low) for each in estimates])
    # Not of ceilings: fewer different raters have lower ones. Copies of images repeat what is
    # peculiar to pairs.
    assert_allclose(widths[1], widths[0], rtol=0.45)


def test_of_many_images_groups_are_left_out() -> None:
    generator = np.random.default_rng(6)
    first, second = np.triu_indices(40, 1)
    points = generator.normal(size=(40, 2))
    one, other = rdm(points), rdm(points + generator.normal(size=(40, 2)) / 2)
    widths = []
    for most in (40, 20):
        rated = RatedPairs(one[:, None], first, second, n_resamples=most, n_permutations=0)
        found = rated.compare(other).correlations["spearman"]
        assert rated.units.n_units("image") == most
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.4)


def test_missing_ratings_are_pairwise_complete() -> None:
    ratings = RATINGS.copy()
    ratings[[0, 3, 3, 9], [0, 1, 2, 3]] = np.nan
    rated = RatedPairs(ratings, FIRST, SECOND, measure="pearson", pool="mean")
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
        interval_of_share(ratings, "pearson", "image"),
        atol=1e-9,
    )


@pytest.mark.slow
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


def test_incomplete_tables_are_tested_in_either_direction() -> None:
    kept = np.arange(28) % 5 > 0
    rated = RatedPairs(RATINGS[kept], FIRST[kept], SECOND[kept], n_resamples=0)
    found = rated.compare(DISTANCES[kept])
    assert found.p_method == "modified t test of pairs that share images"
    # Rows that repeat a pair, an image with itself and unrated pairs change nothing.
    rows = [*np.flatnonzero(kept), np.flatnonzero(kept)[0], 0, 0]
    ratings = RATINGS[rows]
    ratings[-1] = np.nan
    second = SECOND[rows]
    second[-2] = FIRST[rows][-2]
    again = RatedPairs(ratings, FIRST[rows], second, n_resamples=0)
    assert again.compare(DISTANCES[rows]).p_value == pytest.approx(found.p_value)
    reversed_ = rated.compare(-DISTANCES[kept])
    assert reversed_.p_reversed == pytest.approx(found.p_value)


def test_unrated_pairs_and_raters_are_left_out() -> None:
    ratings = np.column_stack((RATINGS, np.full(28, np.nan)))
    first, second = np.append(FIRST, 90), np.append(SECOND, 91)
    rated = RatedPairs(np.vstack((ratings, np.full(5, np.nan))), first, second)
    plain = RatedPairs(RATINGS, FIRST, SECOND)
    found = rated.compare(np.append(DISTANCES, np.nan))
    assert str(found) == str(plain.compare(DISTANCES))
    assert (rated.n_images, rated.units.n_raters) == (8, 4)
    assert np.isnan(rated.mean[-1])
    assert rated.ceiling_intervals() == plain.ceiling_intervals()


def test_blocks_leave_no_trace_and_layers_do_not_disturb_each_other(monkeypatch) -> None:
    rated = RatedPairs(RATINGS, FIRST, SECOND, n_resamples=50)
    found = rated.compare(DISTANCES, [DISTANCES**2 - 3 * TRUTH])
    rated.compare(-DISTANCES)
    assert rated.compare(DISTANCES, [DISTANCES**2 - 3 * TRUTH]) == found
    monkeypatch.setattr("facebench.metrics.ratings.pairs._KEPT", 0)
    monkeypatch.setattr("facebench.metrics.ratings.draws._BLOCK", 60)
    forgetful = RatedPairs(RATINGS, FIRST, SECOND, n_resamples=50)
    forgetful.compare(-DISTANCES)
    assert forgetful.compare(DISTANCES, [DISTANCES**2 - 3 * TRUTH]) == found


class World:
    """Images in three dimensions, raters who weigh these each their own way, and pair noise."""

    def __init__(self, n_images: int, n_raters: int, noise: float, seed: int) -> None:
        self.n_images, self.n_raters, self.noise = n_images, n_raters, noise
        self.generator = np.random.default_rng(seed)

    def images(self, n: int = 0) -> np.ndarray:
        return self.generator.normal(size=(2, n or self.n_images, 3))

    def raters(self) -> np.ndarray:
        return np.exp(0.5 * self.generator.normal(size=(self.n_raters, 3)))

    def measure(self, images: np.ndarray, raters: np.ndarray, by: str, most: int = 200) -> dict:
        points, own = images
        n_images = len(points)
        first, second = np.triu_indices(n_images, 1)
        ratings = np.stack([rdm(points * rater) for rater in raters], axis=1)
        ratings += self.noise * self.generator.normal(size=ratings.shape)
        rated = RatedPairs(
            ratings, first, second, by=by, n_resamples=most, n_permutations=0
        )  # fmt: skip
        found = rated.compare(rdm(points + 0.7 * own))
        lower, upper = rated.ceiling_intervals()
        return {
            "spearman": found.correlations["spearman"], "tau-a": found.correlations["tau-a"],
            "raters": found.with_raters, "lower": lower, "upper": upper, "share": found.share,
        }  # fmt: skip

    def truth(self, by: str, images: np.ndarray, raters: np.ndarray, n: int) -> dict:
        """What intervals are for: these images or many, these raters or many draws of them."""
        values = [
            self.measure(
                images if by == "rater" else self.images(60),
                raters if by == "image" else self.raters(),
                by,
                most=0,
            )
            for _ in range(n)
        ]
        mean = {name: np.mean([each[name].value for each in values]) for name in values[0]}
        return mean | {"share": mean["raters"] / mean["lower"]}


def coverage(world: World, by: str, rounds: int, truths: int) -> dict[str, list[bool]]:
    covered: dict[str, list[bool]] = {}
    for round_ in range(rounds):
        if round_ % 20 == 0:
            images, raters = world.images(), world.raters()
            truth = world.truth(by, images, raters, truths)
        found = world.measure(
            images if by == "rater" else world.images(),
            raters if by == "image" else world.raters(),
            by,
        )
        for name, each in found.items():
            covered.setdefault(name, []).append(each.low <= truth[name] <= each.high)
    return covered


@pytest.mark.slow
@pytest.mark.parametrize("by", ["image", "rater", "both"])
def test_intervals_cover(by: str) -> None:
    covered = coverage(World(12, 5, 0.5, seed=17), by, 40, 5)
    # Of a nominal 95 %, fewer than 32 in 40 come less than once in two thousand times.
    assert {name: sum(each) for name, each in covered.items() if sum(each) < 32} == {}


@pytest.mark.skipif(
    "FACEBENCH_NIGHTLY" not in os.environ, reason="takes minutes (set FACEBENCH_NIGHTLY)"
)
@pytest.mark.parametrize("by", ["image", "rater", "both"])
@pytest.mark.parametrize("n_images", [12, 24])
@pytest.mark.parametrize(("n_raters", "noise"), [(5, 0.3), (5, 1.0), (16, 0.5)])
def test_intervals_cover_in_many_worlds(
    by: str, n_images: int, n_raters: int, noise: float
) -> None:
    world = World(n_images, n_raters, noise, seed=n_images + n_raters)
    covered = coverage(world, by, 200, 8 if by == "image" else 40)
    # Measured with 120 rounds: 0.89 to 1, most of them 0.94 to 0.98.
    shares = {name: np.mean(each) for name, each in covered.items()}
    assert {name: share for name, share in shares.items() if share < 0.87} == {}


@pytest.mark.slow
def test_p_values_are_uniform_where_there_is_nothing() -> None:
    generator, p = np.random.default_rng(8), []
    for _ in range(150):
        one, other = rdm(generator.normal(size=(8, 2))), rdm(generator.normal(size=(8, 2)))
        rated = RatedPairs(other[:, None], FIRST, SECOND, n_resamples=0, n_permutations=99)
        p.append(rated.compare(one).p_value)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_pairs_without_common_images_change_places_themselves() -> None:
    generator, p = np.random.default_rng(9), []
    for _ in range(100):
        rated = RatedPairs(
            generator.normal(size=(20, 1)), range(0, 40, 2), range(1, 40, 2),
            n_resamples=0, n_permutations=99,
        )  # fmt: skip
        p.append(rated.compare(generator.normal(size=20)).p_value)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert rated.compare(rated.mean).p_value == 0.01


def test_one_shared_image_among_thirty_pairs_is_nothing_special() -> None:
    generator = np.random.default_rng(0)
    first, second = np.arange(0, 60, 2), np.arange(1, 60, 2)
    ratings = generator.normal(size=30)
    distances = ratings + 2 * generator.normal(size=30)
    alone = RatedPairs(ratings[:, None], first, second, n_resamples=0).compare(distances)
    second[0] = first[1]
    shared = RatedPairs(ratings[:, None], first, second, n_resamples=0).compare(distances)
    assert alone.p_method == "permutation of pairs (999)"
    assert shared.p_value == pytest.approx(alone.p_value, abs=0.01)
    plain = stats.spearmanr(distances, ratings, alternative="greater").pvalue
    assert shared.p_value == pytest.approx(plain, rel=0.3)


@pytest.mark.parametrize("scale", [1, 3, 100])
def test_no_prediction_exceeds_the_upper_ceiling_whatever_the_scales(scale: float) -> None:
    generator = np.random.default_rng(0)
    first, second = np.triu_indices(20, 1)
    truth = generator.normal(size=190)
    ratings = truth[:, None] + generator.normal(size=(190, 8))
    ratings[:, 0] *= scale
    ranks = stats.rankdata(ratings, axis=0).mean(axis=1)
    standard = stats.zscore(ratings, axis=0).mean(axis=1)
    for measure, best in (("spearman", ranks), ("rho-a", ranks), ("pearson", standard)):
        rated = RatedPairs(ratings, first, second, measure=measure, n_resamples=0, n_permutations=0)
        assert rated.compare(best).upper_share.value == pytest.approx(1)
        for other in (truth, best + generator.normal(size=190) / 5):
            assert rated.compare(other).upper_share.value < 1


@pytest.mark.slow
def test_raters_of_different_pairs_on_scales_of_their_own_are_told() -> None:
    generator = np.random.default_rng(1)
    first, second = np.triu_indices(18, 1)
    truth = rdm(generator.normal(size=(18, 4)))
    given = generator.random((153, 40)) < 0.15
    offset, scale = generator.normal(4, 1.5, 40), np.exp(generator.normal(0, 0.5, 40))
    noise = generator.normal(0, 0.4, (153, 40))
    own = offset + scale * (truth[:, None] - truth.mean() + noise)
    for table, differ in ((own, True), (truth[:, None] + noise, False)):
        ratings = np.where(given, table, np.nan)
        assert RatedPairs(ratings, first, second, n_resamples=0).scales_differ == differ
        assert not RatedPairs(ratings, first, second, pool="rank", n_resamples=0).scales_differ
        assert not RatedPairs(table, first, second, n_resamples=0).scales_differ
    found = {
        pool: RatedPairs(
            np.where(given, own, np.nan), first, second, pool=pool, n_resamples=0
        ).compare(truth)
        for pool in ("mean", "zscore", "rank")
    }
    spearman = {pool: each.correlations["spearman"].value for pool, each in found.items()}
    assert min(spearman["zscore"], spearman["rank"]) > 0.95 > spearman["mean"]


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
