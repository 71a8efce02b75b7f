"""The modified t test against dense matrices, Mantel's test, and simulated worlds."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import stats

from facebench.metrics.ratings.modified_t import SharedImages, modified_t
from facebench.metrics.ratings.pairs import RatedPairs
from facebench.metrics.rdm import rdm
from facebench.metrics.rsa import mantel

NIGHTLY = pytest.mark.skipif(
    "FACEBENCH_NIGHTLY" not in os.environ, reason="takes minutes (set FACEBENCH_NIGHTLY)"
)


def some_pairs(n_images: int, share: float, generator) -> tuple[np.ndarray, ...]:
    first, second = np.triu_indices(n_images, 1)
    kept = generator.random(first.size) < share
    return first[kept], second[kept], kept


def test_the_variance_is_that_of_dense_matrices() -> None:
    generator = np.random.default_rng(0)
    first, second, _ = some_pairs(9, 0.5, generator)
    left, right = generator.normal(size=(2, first.size))
    left += generator.normal(size=9)[first] * 2
    right += generator.normal(size=9)[first] * 2
    shared = SharedImages.of(first, second)
    ends = np.eye(9)[first] + np.eye(9)[second]
    common = ends @ ends.T
    centre = np.eye(first.size) - 1 / first.size
    covariances = []
    for values in (left, right):
        a, b = shared.components(values)
        covariances.append(centre @ (a * np.eye(first.size) + b * common))
    expected = np.trace(covariances[0] @ covariances[1]) / np.prod(
        [np.trace(each) for each in covariances]
    )
    assert shared.variance(left, right) == pytest.approx(
        max(expected, 1 / (first.size - 1)), rel=1e-9
    )


def test_pairs_without_common_images_have_the_plain_t_test() -> None:
    left, right = np.random.default_rng(1).normal(size=(2, 25))
    shared = SharedImages.of(np.arange(0, 50, 2), np.arange(1, 50, 2))
    for ranked, plain in ((False, stats.pearsonr), (True, stats.spearmanr)):
        found = modified_t(left, right, shared, ranked=ranked)
        for p, side in zip(found, ("greater", "less"), strict=True):
            assert p == pytest.approx(plain(left, right, alternative=side).pvalue)


def test_of_complete_tables_it_is_close_to_mantels_test() -> None:
    generator = np.random.default_rng(2)
    first, second = np.triu_indices(20, 1)
    shared = SharedImages.of(first, second)
    for _ in range(8):
        points = generator.normal(size=(20, 3))
        one, other = rdm(points), rdm(points * 0.4 + generator.normal(size=(20, 3)))
        exact = mantel(one, other, "spearman").p_value
        assert modified_t(one, other, shared, ranked=True)[0] == pytest.approx(
            exact, rel=0.5, abs=0.02
        )


def test_few_pairs_and_constant_sides_are_not_defined() -> None:
    shared = SharedImages.of(np.array([0, 0, 1, 2]), np.array([1, 2, 2, 3]))
    rising = np.arange(4.0)
    assert np.isnan(modified_t(rising, rising, shared, ranked=True)).all()
    shared = SharedImages.of(np.zeros(8, dtype=int), np.arange(1, 9))
    assert np.isnan(modified_t(np.ones(8), np.arange(8.0), shared, ranked=True)).all()
    # As good as it gets is one order in 8!.
    larger, smaller = modified_t(np.arange(8.0), np.arange(8.0), shared, ranked=True)
    assert larger >= 1 / 40320
    assert smaller > 0.9


def of_worlds(kind: str, n_images: int, share: float, effect: float, rounds: int) -> float:
    """How often P is up to .05, over images in some dimensions or with effects of their own."""
    generator = np.random.default_rng(n_images)
    rejected = []
    for _ in range(rounds):
        first, second, kept = some_pairs(n_images, share, generator)
        sides = []
        points = generator.normal(size=(n_images, 3))
        for _ in range(2):
            own = effect * points + generator.normal(size=(n_images, 3))
            if kind == "space":
                values = rdm(own)[kept]
            else:
                values = own[first, 0] + own[second, 0] + generator.normal(size=first.size)
            sides.append(values)
        found = modified_t(*sides, SharedImages.of(first, second), ranked=True)
        rejected.append(found[0] <= 0.05)
    return float(np.mean(rejected))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["space", "image effects"])
def test_it_holds_its_level_and_has_power(kind: str) -> None:
    assert 0.02 <= of_worlds(kind, 24, 0.3, 0.0, 400) <= 0.085
    assert of_worlds(kind, 24, 0.3, 2.0, 60) > 0.7


@NIGHTLY
@pytest.mark.parametrize("kind", ["space", "image effects"])
@pytest.mark.parametrize(
    ("n_images", "share"), [(8, 0.6), (12, 0.4), (24, 0.1), (24, 0.3), (60, 0.05), (92, 0.4)]
)
def test_it_holds_its_level_in_many_designs(kind: str, n_images: int, share: float) -> None:
    assert 0.025 <= of_worlds(kind, n_images, share, 0.0, 3000) <= 0.065


@NIGHTLY
def test_power_of_incomplete_tables_is_near_that_of_complete_ones() -> None:
    generator = np.random.default_rng(0)
    p: dict[float, list[float]] = {0.3: [], 1.0: []}
    for _ in range(400):
        points = generator.normal(size=(24, 3))
        one, other = rdm(points), rdm(0.5 * points + generator.normal(size=(24, 3)))
        for share, found in p.items():
            first, second, kept = some_pairs(24, share, generator)
            rated = RatedPairs(one[kept, None], first, second, n_permutations=199, n_resamples=0)
            found.append(rated.compare(other[kept]).p_value)
    power = {share: np.mean(np.array(found) <= 0.05) for share, found in p.items()}
    assert power[1.0] == pytest.approx(0.53, abs=0.07)
    assert power[0.3] == pytest.approx(0.37, abs=0.07)
