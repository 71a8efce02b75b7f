"""Concordance pair by pair, and without some pairs, against sign matrices and merge sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kendalltau

from facebench.metrics import weighted_ranks
from facebench.metrics.concordance import concordance_by_pair, left_out_concordance

seeds = st.integers(0, 10_000)


@settings(max_examples=40)
@given(seeds, st.integers(0, 40), st.sampled_from([1, 3, 1000]))
def test_it_is_the_sum_of_signs(seed: int, size: int, n_levels: int) -> None:
    x, y = np.random.default_rng(seed).integers(0, n_levels, (2, size)) / 7
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    assert_array_equal(concordance_by_pair(x, y), signs.sum(axis=1))
    out = np.random.default_rng(seed).random((3, size)) < 0.4
    difference, total = left_out_concordance(x, y, out)
    for row, gone in enumerate(out):
        left = signs[np.ix_(~gone, ~gone)]
        assert difference[row] == left.sum() / 2
        assert total[row] == len(left) * (len(left) - 1) / 2


@pytest.mark.parametrize("n_levels", [20, 10**6])
def test_many_elements_in_several_blocks(n_levels: int) -> None:
    x, y = np.random.default_rng(1).integers(0, n_levels, (2, 700)).astype(float)
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    assert_array_equal(concordance_by_pair(x, y), signs.sum(axis=1))


def test_without_ties_it_is_scipys_tau() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 300))
    total = 300 * 299
    assert concordance_by_pair(x, y).sum() / total == pytest.approx(kendalltau(x, y).statistic)


@settings(max_examples=20)
@given(seeds)
def test_both_ways_of_weighting_agree(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = generator.integers(0, 9, (2, 50)).astype(float)
    weights = (generator.random((4, 50)) > 0.1).astype(float)
    left_out = weighted_ranks.concordance(x, y, weights)
    # One weight of 2 makes all of them go through the merge sort.
    merged = weighted_ranks.concordance(x, y, np.vstack([weights, np.full(50, 2.0)]))
    for one, other in zip(left_out, merged, strict=True):
        assert_allclose(one, other[:4])
