"""Permutation tests by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, ttest_1samp

from facebench.metrics.conditions import ConditionScores, condition_replicates, condition_values
from facebench.metrics.effects import compared
from facebench.metrics.uncertainty.effect_intervals import effect_of
from facebench.metrics.uncertainty.permutations import (
    exchange_of,
    permutation_p,
    permuted_differences,
    t_test,
)
from facebench.metrics.uncertainty.resamples import Resamples
from facebench.metrics.verification import auc
from support.conditions import SIMPLE


class TestPermutation:
    def test_all_moves_by_hand(self) -> None:
        # Eight people, one item each: 2 ** 8 ways to swap.
        rng = np.random.default_rng(4)
        distances = rng.normal(size=16) + np.repeat([0.8, 0.0], 8)
        cells = ConditionScores("mean distance", np.repeat([0, 1], 8), np.ones(16, bool), distances)
        people = np.tile(np.arange(8), 2)
        exchange = exchange_of(cells.cell, np.ones(16, bool), people, people, True, "people")
        assert exchange.how == "conditions swapped within people"
        gaps = distances[:8] - distances[8:]
        signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
        exact = np.mean(np.abs(gaps @ signs) >= abs(gaps.sum()) - 1e-9)
        found = permutation_p(
            float(gaps.mean()), permuted_differences(cells, SIMPLE, exchange, n_permutations=4000)
        )
        assert found == pytest.approx(exact, abs=0.02)

    @pytest.mark.parametrize("kind", ["people", "couples", "shuffled"])
    def test_p_is_uniform_without_an_effect(self, kind: str) -> None:
        found = []
        for seed in range(120):
            rng = np.random.default_rng([7, seed])
            n = 20
            distances = np.tile(rng.normal(size=n), 2) * (kind != "shuffled")
            distances = distances + rng.normal(size=2 * n)
            labels = np.tile(np.arange(n) % 2 == 0, 2)
            measure = "auc" if kind == "shuffled" else "mean distance"
            cells = ConditionScores(measure, np.repeat([0, 1], n), labels, distances)
            items = np.tile(np.arange(n), 2)
            people = np.arange(2 * n) if kind == "shuffled" else items
            exchange = exchange_of(
                cells.cell,
                np.ones(2 * n, bool),
                people,
                # Every other item is of two people, who are in the next one, too.
                items // 2 * 2 if kind == "couples" else people,
                kind != "shuffled",
                "people",
            )
            groups = "groups of people" if kind == "couples" else "people"
            how = "shuffled among" if kind == "shuffled" else "swapped within"
            assert exchange.how == f"conditions {how} {groups}"
            difference = float(compared(condition_values(cells)[0], SIMPLE)[0])
            found.append(
                permutation_p(
                    difference,
                    permuted_differences(cells, SIMPLE, exchange, n_permutations=99, seed=seed),
                )
            )
        assert kstest(found, "uniform").pvalue > 0.01

    def test_shuffled_people_keep_their_pairs(self) -> None:
        # Three like pairs of each person: shuffling pairs would take them for independent.
        found = []
        for seed in range(100):
            rng = np.random.default_rng([11, seed])
            people = np.repeat(np.arange(20), 3)
            distances = rng.normal(size=20)[people] + 0.1 * rng.normal(size=60)
            cells = ConditionScores(
                "mean distance", (people >= 10) * 1, np.ones(60, bool), distances
            )
            exchange = exchange_of(cells.cell, np.ones(60, bool), people, people, False, "people")
            difference = float(compared(condition_values(cells)[0], SIMPLE)[0])
            found.append(
                permutation_p(
                    difference,
                    permuted_differences(cells, SIMPLE, exchange, n_permutations=99, seed=seed),
                )
            )
        assert kstest(found, "uniform").pvalue > 0.01
        assert np.mean(np.array(found) < 0.05) < 0.15

    def test_intervals_of_paired_differences_cover(self) -> None:
        covered = narrower = 0
        for seed in range(150):
            rng = np.random.default_rng([3, seed])
            n = 40
            shared = np.tile(rng.normal(size=n), 2)
            distances = shared + 0.3 * rng.normal(size=2 * n) + np.repeat([0.2, 0.0], n)
            people = np.tile(np.arange(n), 2)
            cells = ConditionScores(
                "mean distance", np.repeat([0, 1], n), np.ones(2 * n, bool), distances
            )
            drawn = Resamples(cells.labels, "identity", people, people, n_resamples=200, seed=seed)
            effect = effect_of(
                condition_values(cells)[0], condition_replicates(cells, drawn), SIMPLE
            )
            low, high = effect.difference.interval
            covered += low <= 0.2 <= high
            # Unpaired, the standard error would be 1.04 * sqrt(2 / 40).
            narrower += high - low < 1.96 * 1.04 * np.sqrt(2 / n)
        assert 0.88 <= covered / 150 <= 0.99
        assert narrower == 150


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
    exchange = exchange_of(cell, np.ones(2 * n, bool), first, second, True, "people")
    assert exchange.how == "conditions swapped within groups of people"

    def difference(swapped: np.ndarray) -> float:
        own = np.where(swapped[couple], 1 - cell, cell)
        one, other = (
            auc(labels[own == k], distances[own == k], higher_is_better=False) for k in (0, 1)
        )
        return one - other

    every = [[bool(number >> bit & 1) for bit in range(8)] for number in range(2**8)]
    found = np.array([difference(np.array(swapped)) for swapped in every])
    exact = np.mean(np.abs(found) >= abs(found[0]) - 1e-9)
    permuted = permuted_differences(cells, SIMPLE, exchange, n_permutations=4000)
    assert set(permuted.round(9)) == set(found.round(9))
    assert permutation_p(found[0], permuted) == pytest.approx(exact, abs=0.03)


def test_nothing_is_exchanged_where_pairs_link_all_people() -> None:
    cell, items = np.repeat([0, 1], 8), np.tile(np.arange(8), 2)
    ring = np.tile((np.arange(8) + 1) % 8, 2)
    exchange = exchange_of(cell, np.ones(16, bool), items, ring, True, "people")
    assert (exchange.kind, exchange.how) == ("none", "t test over resamples of people")


def test_t_test() -> None:
    sample = np.random.default_rng(0).normal(0.4, 1, 12)
    expected = ttest_1samp(sample, 0).pvalue
    error = sample.std(ddof=1) / 12**0.5
    assert t_test(sample.mean(), error, 12) == pytest.approx(expected)
    assert t_test(0.0, 0.0, 12) == 1
    assert t_test(0.5, 0.0, 12) == 2**-11
    assert np.isnan(t_test(0.5, np.nan, 12))
