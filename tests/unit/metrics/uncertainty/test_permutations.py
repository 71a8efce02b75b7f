"""Permutations of conditions: against all of them, and uniform P without an effect."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from facebench.metrics.conditions import (
    ConditionScores,
    condition_values,
)
from facebench.metrics.effects import compared
from facebench.metrics.uncertainty.permutations import (
    exchangeable_blocks,
    permutation_p,
    permuted_differences,
)
from facebench.metrics.verification import auc
from support.conditions import SIMPLE


class TestPermutation:
    def test_all_moves_by_hand(self) -> None:
        # Eight people, one item each: 2 ** 8 ways to swap.
        rng = np.random.default_rng(4)
        distances = rng.normal(size=16) + np.repeat([0.8, 0.0], 8)
        cells = ConditionScores("mean distance", np.repeat([0, 1], 8), np.ones(16, bool), distances)
        people = np.tile(np.arange(8), 2)
        blocks = exchangeable_blocks(people, people, np.ones(16, bool))
        gaps = distances[:8] - distances[8:]
        signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
        exact = np.mean(np.abs(gaps @ signs) >= abs(gaps.sum()) - 1e-9)
        found = permutation_p(
            float(gaps.mean()), permuted_differences(cells, SIMPLE, blocks, n_permutations=4000)
        )
        assert found == pytest.approx(exact, abs=0.02)

    @pytest.mark.parametrize("kind", ["people", "couples"])
    def test_p_is_uniform_without_an_effect(self, kind: str) -> None:
        found = []
        for seed in range(120):
            rng = np.random.default_rng([7, seed])
            n = 20
            distances = np.tile(rng.normal(size=n), 2) + rng.normal(size=2 * n)
            cells = ConditionScores(
                "mean distance", np.repeat([0, 1], n), np.ones(2 * n, bool), distances
            )
            items = np.tile(np.arange(n), 2)
            # Every other item is of two people, who are in the next one, too.
            others = items // 2 * 2 if kind == "couples" else items
            blocks = exchangeable_blocks(items, others, np.ones(2 * n, bool))
            assert np.unique(blocks).size == (10 if kind == "couples" else 20)
            difference = float(compared(condition_values(cells)[0], SIMPLE)[0])
            found.append(
                permutation_p(
                    difference,
                    permuted_differences(cells, SIMPLE, blocks, n_permutations=99, seed=seed),
                )
            )
        assert kstest(found, "uniform").pvalue > 0.01


def test_every_swap_of_couples_by_hand() -> None:
    # Pairs of one person and of two, within eight couples.
    rng = np.random.default_rng(9)
    n = 24
    labels = np.tile(np.arange(n) % 3 < 2, 2)
    distances = rng.normal(size=2 * n) - labels * np.repeat([1.5, 0.0], n)
    cell = np.repeat([0, 1], n)
    cells = ConditionScores("auc", cell, labels, distances)
    couple = np.tile(np.arange(n) // 3, 2)
    role = np.tile(np.arange(n) % 3, 2)
    first, second = 2 * couple + (role == 1), 2 * couple + (role > 0)
    blocks = exchangeable_blocks(first, second, np.ones(2 * n, bool))

    def difference(swapped: np.ndarray) -> float:
        own = np.where(swapped[couple], 1 - cell, cell)
        one, other = (
            auc(labels[own == k], distances[own == k], higher_is_better=False) for k in (0, 1)
        )
        return one - other

    every = [[bool(number >> bit & 1) for bit in range(8)] for number in range(2**8)]
    found = np.array([difference(np.array(swapped)) for swapped in every])
    exact = np.mean(np.abs(found) >= abs(found[0]) - 1e-9)
    permuted = permuted_differences(cells, SIMPLE, blocks, n_permutations=4000)
    assert set(permuted.round(9)) == set(found.round(9))
    assert permutation_p(found[0], permuted) == pytest.approx(exact, abs=0.03)


def test_nothing_is_exchanged_where_pairs_link_all_people() -> None:
    items = np.tile(np.arange(8), 2)
    ring = np.tile((np.arange(8) + 1) % 8, 2)
    assert exchangeable_blocks(items, ring, np.ones(16, bool)) is None
