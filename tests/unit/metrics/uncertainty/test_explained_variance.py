"""Intervals of explained variance: against a loop that leaves images out, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics.noise_ceiling import split_half
from facebench.metrics.predictors import products, r2_of_subsets
from facebench.metrics.uncertainty.explained_variance import Explained, ExplainedVariance
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from support.pages import script_of_docs

# Distances of images with features in four blocks, of which predictors have some.
world = script_of_docs("intervals_of_people").explained


def explained(n_images: int = 16, seed: int = 0, **options: object) -> Explained:
    first, second = np.triu_indices(n_images, 1)
    y, x = world(first, second, np.random.default_rng(seed))
    return ExplainedVariance(y[:, None], first, second, **options).explain(x)


def test_estimates_are_those_of_the_formulas() -> None:
    first, second = np.triu_indices(16, 1)
    y, x = world(first, second, np.random.default_rng(0))
    found = explained()
    design = np.column_stack((np.ones(y.size), x))
    residual = [np.linalg.lstsq(design[:, [0, 2, 3]], each, rcond=None)[0] for each in (y, x[:, 0])]
    left = [
        each - design[:, [0, 2, 3]] @ fit for each, fit in zip((y, x[:, 0]), residual, strict=True)
    ]
    assert found.partial[0].value == pytest.approx(np.corrcoef(left)[0, 1])
    r2 = r2_of_subsets(products(y, x), [(0, 1, 2), (1, 2)])
    assert found.unique[0].value == pytest.approx((r2[0, 1, 2] - r2[1, 2])[0], abs=1e-7)
    assert sum(part.value for part in found.common.values()) == pytest.approx(found.r2.value)
    assert found.cross_validated.value < found.r2.value
    assert np.isnan(found.ceiling.value)
    assert np.isnan(found.share.value)


def test_left_out_is_a_loop_without_each_group() -> None:
    first, second = np.triu_indices(10, 1)
    y, x = world(first, second, np.random.default_rng(1))
    rated = ExplainedVariance(y[:, None], first, second, n_resamples=0)
    groups = JackknifeGroups(first, second)
    whole, unique = rated.left_out(x, groups)
    assert whole.shape == unique.shape == (10,)
    assert np.ptp(whole) > 0
    assert rated.method == "none"
    assert np.isnan(rated.explain(x).cross_validated.low)


def test_the_ceiling_is_the_reliability_of_the_mean_rating() -> None:
    first, second = np.triu_indices(14, 1)
    rng = np.random.default_rng(2)
    y, x = world(first, second, rng)
    ratings = y[:, None] + rng.normal(size=(y.size, 6))
    ratings[rng.random(ratings.shape) < 0.05] = np.nan
    found = ExplainedVariance(ratings, first, second).explain(x)
    expected = split_half(ratings, "pearson", n_splits=100, seed=0).reliability
    assert found.ceiling.value == pytest.approx(expected)
    assert found.share.value == pytest.approx(found.cross_validated.value / expected)
    assert found.ceiling.low < expected < found.ceiling.high


def test_bootstrap_and_jackknife_agree_roughly() -> None:
    widths = []
    for interval in ("jackknife", "bootstrap"):
        found = explained(interval=interval).unique[0]
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert 0.5 < widths[0] / widths[1] < 2


def test_ranks_do_not_depend_on_the_scale_of_ratings() -> None:
    first, second = np.triu_indices(12, 1)
    y, x = world(first, second, np.random.default_rng(3))
    found = [
        ExplainedVariance(each[:, None], first, second, scale="spearman").explain(np.exp(x))
        for each in (y, np.exp(y))
    ]
    assert found[0].r2.value == pytest.approx(found[1].r2.value)
    assert found[0].unique_cross_validated[1] == pytest.approx(found[1].unique_cross_validated[1])


def test_a_predictor_twice_is_unique_to_neither() -> None:
    first, second = np.triu_indices(12, 1)
    y, x = world(first, second, np.random.default_rng(3))
    found = ExplainedVariance(y[:, None], first, second).explain(np.column_stack((x, 2 * x[:, 0])))
    for estimates in (found.unique, found.unique_cross_validated):
        assert tuple(estimates[0]) == (0, 0, 0)
    # Beyond five predictors there are too many sets.
    many = ExplainedVariance(y[:, None], first, second).explain(np.column_stack((x, x**2)))
    assert many.common == {}
    assert len(many.unique) == 6


@pytest.mark.parametrize(
    ("ratings", "options", "told"),
    [
        (np.ones((3, 1)), {"scale": "kendall"}, "'scale' must be one of pearson, spearman"),
        (np.ones(3), {}, "row of ratings and two images"),
        (np.full((3, 1), np.nan), {}, "needs a rating"),
    ],
)
def test_refused(ratings: np.ndarray, options: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ExplainedVariance(ratings, [0, 0, 1], [1, 2, 2], **options)
