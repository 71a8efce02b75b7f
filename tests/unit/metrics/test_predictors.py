"""Variance partitioning against plain least squares; prediction against a loop over pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench.metrics.predictors import (
    commonality,
    cross_validated_r2,
    image_blocks,
    products,
    r2_of_subsets,
    subsets_of,
)

FIRST, SECOND = np.triu_indices(9, 1)


def made(seed: int, n_predictors: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(FIRST.size, n_predictors)) * [1e-3, 1.0, 1e4, 5.0][:n_predictors]
    x[:, 0] += 1e-3 * x[:, -1] / x[:, -1].std()
    return x @ rng.normal(size=n_predictors) / 100 + rng.normal(size=FIRST.size), x


def plain_r2(y: np.ndarray, x: np.ndarray) -> float:
    design = np.column_stack((np.ones(len(y)), x))
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - (left**2).sum() / ((y - y.mean()) ** 2).sum())


@pytest.mark.parametrize("seed", range(3))
def test_r2_of_all_subsets_is_that_of_least_squares(seed: int) -> None:
    y, x = made(seed, 4)
    found = r2_of_subsets(products(y, x), subsets_of(4))
    assert len(found) == 16
    for subset, value in found.items():
        assert value[0] == pytest.approx(plain_r2(y, x[:, list(subset)]), abs=1e-9)


def test_weights_are_repetitions() -> None:
    y, x = made(5)
    counts = np.random.default_rng(0).integers(0, 4, (2, y.size))
    found = r2_of_subsets(products(y, x, counts), [(0, 2)])[0, 2]
    for row, value in zip(counts, found, strict=True):
        again = np.repeat(np.arange(y.size), row)
        assert value == pytest.approx(plain_r2(y[again], x[again][:, [0, 2]]))


@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_parts_add_up_to_the_whole(seed: int, n_predictors: int) -> None:
    y, x = made(seed, n_predictors)
    r2 = r2_of_subsets(products(y, x), subsets_of(n_predictors))
    parts = commonality(r2)
    whole = tuple(range(n_predictors))
    assert sum(parts.values())[0] == pytest.approx(r2[whole][0], abs=1e-9)
    for number in whole:
        # What a predictor explains alone is its part of all sets that it is in.
        own = sum(value for subset, value in parts.items() if number in subset)
        assert own[0] == pytest.approx(r2[(number,)][0], abs=1e-9)
        rest = tuple(other for other in whole if other != number)
        assert parts[(number,)][0] == pytest.approx((r2[whole] - r2[rest])[0], abs=1e-9)
        assert parts[(number,)][0] > -1e-9


def test_repeated_and_constant_predictors() -> None:
    y, x = made(1)
    doubled = np.column_stack((x, x[:, 1] * -7 + 2, np.full(y.size, 3.0)))
    r2 = r2_of_subsets(products(y, doubled), [(0, 1, 2), (0, 1, 2, 3, 4), (4,)])
    assert r2[0, 1, 2, 3, 4][0] == pytest.approx(r2[0, 1, 2][0])
    assert r2[(4,)][0] == 0
    assert np.isnan(r2_of_subsets(products(np.ones(y.size), x), [(0,)])[(0,)][0])
    with pytest.raises(ValueError, match=r"all 4 sets"):
        commonality({(): 0.0, (0, 1): 0.5})
    with pytest.raises(ValueError, match=r"finite"):
        products(np.full(y.size, np.nan), x)


@pytest.mark.parametrize("n_folds", [3, 4, None])
def test_no_image_is_on_both_sides(n_folds: int | None) -> None:
    blocks = image_blocks(FIRST, SECOND, n_folds, seed=3)
    for block in range(len(blocks.shared)):
        train, tested = blocks.training(block), blocks.of_pair == block
        assert tested.any()
        assert not {*FIRST[train], *SECOND[train]} & {*FIRST[tested], *SECOND[tested]}


@pytest.mark.parametrize("n_folds", [6, None])
def test_prediction_is_that_of_a_loop(n_folds: int | None) -> None:
    y, x = made(2)
    blocks = image_blocks(FIRST, SECOND, n_folds)
    subsets = [(), (1,), (0, 2), (0, 1, 2)]
    weights = np.ones((2, y.size))
    # Without the pairs of an image, as the jackknife has it.
    weights[1, (FIRST == 2) | (SECOND == 2)] = 0
    found = cross_validated_r2(y, x, blocks, subsets, weights)
    for row, kept in enumerate(weights > 0):
        for subset in subsets:
            errors = without = 0.0
            for block in range(len(blocks.shared)):
                train = blocks.training(block) & kept
                tested = (blocks.of_pair == block) & kept
                design = np.column_stack((np.ones(y.size), x[:, list(subset)]))
                fit = np.linalg.lstsq(design[train], y[train], rcond=None)[0]
                errors += ((y - design @ fit)[tested] ** 2).sum()
                without += ((y[tested] - y[kept].mean()) ** 2).sum()
            assert found[subset][row] == pytest.approx(1 - errors / without, abs=1e-6)


def test_too_few_images_to_predict() -> None:
    y, x = made(0)
    few = (FIRST < 3) & (SECOND < 3)
    blocks = image_blocks(FIRST[few], SECOND[few])
    assert np.isnan(cross_validated_r2(y[few], x[few], blocks, [(0,)])[(0,)][0])
