"""Effects, permutations and weighted correlations against brute force and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, pearsonr, spearmanr, ttest_1samp

from facebench.metrics.conditions import (
    MEASURES,
    ConditionEstimate,
    ConditionScores,
    condition_estimates,
    condition_replicates,
    condition_values,
)
from facebench.metrics.effects import Contrast, compared, item_index, weights_of
from facebench.metrics.uncertainty.effect_intervals import effect_of, weighted_difference
from facebench.metrics.uncertainty.permutations import (
    exchange_of,
    permutation_p,
    permuted_differences,
    t_test,
)
from facebench.metrics.uncertainty.resamples import Interval, Resamples
from facebench.metrics.verification import auc, best_accuracy, dprime, tar_at_far
from facebench.metrics.verification_report import verify

SIMPLE = Contrast("difference", (0,), (1,))


def paired_cells(measure: str, n: int = 40, effect: float = 0.0, seed: int = 0) -> ConditionScores:
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(n) % 2 == 0, 2)
    cell = np.repeat([0, 1], n)
    shared = np.tile(rng.normal(size=n), 2)
    distances = 5 + shared + 0.5 * rng.normal(size=2 * n) - labels * (1 + effect * (cell == 0))
    ratings = np.tile(rng.normal(size=n), 2) + distances
    return ConditionScores(
        measure,
        cell,
        labels,
        distances,
        ratings if measure in ("pearson", "spearman") else None,
        4.5,
        0.2,
    )


def brute(cells: ConditionScores, weights: np.ndarray | None = None) -> list[float]:
    """Repeat each comparison as often as it is drawn, and use the plain functions."""
    found = []
    for k in range(2):
        times = (weights if weights is not None else np.ones(cells.cell.size)) * (cells.cell == k)
        found.append(plain(cells, np.repeat(np.arange(cells.cell.size), times.astype(int))))
    return found


def plain(cells: ConditionScores, rows: np.ndarray) -> float:
    labels, distances = cells.labels[rows], cells.distances[rows]
    if cells.measure in ("auc", "dprime"):
        function = auc if cells.measure == "auc" else dprime
        return function(labels, distances, higher_is_better=False)
    if cells.measure == "tar":
        return tar_at_far(labels, distances, far=cells.far, higher_is_better=False).tar
    if cells.measure == "accuracy":
        return float(np.mean((distances <= cells.threshold) == labels))
    if cells.measure == "mean distance":
        return float(distances.mean())
    function = pearsonr if cells.measure == "pearson" else spearmanr
    return float(function(distances, cells.ratings[rows]).statistic)


class TestCells:
    @pytest.mark.parametrize("measure", MEASURES)
    def test_values_and_replicates_agree_with_plain_functions(self, measure: str) -> None:
        cells = paired_cells(measure, effect=1.0)
        values, reasons = condition_values(cells)
        assert not reasons
        np.testing.assert_allclose(values, brute(cells), atol=1e-6)
        people = np.tile(np.arange(40) // 2, 2)
        others = np.where(cells.labels, people, (people + 7) % 20)
        resamples = Resamples(cells.labels, "identity", people, others, n_resamples=12)
        found = condition_replicates(cells, resamples)
        weights = np.concatenate(list(resamples.weights()), axis=1)
        expected = np.array([brute(cells, weights[:, r]) for r in range(12)])
        np.testing.assert_allclose(found, expected, atol=2e-5)

    def test_failed_comparisons(self) -> None:
        cells = paired_cells("mean distance")
        cells.distances[[0, 3]] = np.nan
        values, _ = condition_values(cells)
        assert values[0] == pytest.approx(np.nanmean(cells.distances[:40]))
        wrong = condition_values(paired_cells("accuracy")._replace(distances=cells.distances))[0][0]
        accepted = np.nan_to_num(cells.distances[:40], nan=np.inf) <= 4.5
        assert wrong == pytest.approx(np.mean(accepted == cells.labels[:40]))

    def test_reasons(self) -> None:
        cells = paired_cells("spearman")
        cells.ratings[:40] = 3.0
        cells.distances[40:] = 1.0
        values, reasons = condition_values(cells)
        assert np.isnan(values).all()
        assert reasons == {0: "its ratings are constant", 1: "its distances are constant"}


class TestEffect:
    @given(st.lists(st.floats(0.01, 100), min_size=4, max_size=4))
    def test_quotients(self, values) -> None:
        a, b, c, d = values
        found = compared(np.array(values), Contrast("interaction", (0, 1), (2, 3)))
        assert found[0] == pytest.approx((a - b) - (c - d))
        assert found[1] == pytest.approx((a / b) / (c / d))
        assert found[2] == pytest.approx((a - b) / (a + b) - (c - d) / (c + d))
        main = compared(np.array(values), Contrast("difference", (0, 1), (2, 3)))
        one, other = (a + b) / 2, (c + d) / 2
        assert main[0] == pytest.approx(one - other)
        assert main[2] == pytest.approx((one - other) / (one + other))

    def test_denominators_that_may_be_zero(self) -> None:
        rng = np.random.default_rng(0)
        values = np.array([1.0, 0.05])
        effect = effect_of(values, rng.normal(values, 0.1, (400, 2)), SIMPLE)
        assert np.isnan(effect.ratio.value)
        assert np.isnan(effect.ratio.interval.low)
        assert effect.undefined == (
            "ratio: its denominator may be zero; index: a condition may be zero"
        )
        assert np.isnan(effect.relative.value)
        # What cannot be negative has an index all the same.
        effect = effect_of(values, np.abs(rng.normal(values, 0.1, (400, 2))), SIMPLE)
        assert effect.relative.value == pytest.approx(0.95 / 1.05)
        values = np.array([1.0, -0.4])
        effect = effect_of(values, rng.normal(values, 0.01, (400, 2)), SIMPLE)
        assert np.isnan(effect.relative.value)
        assert effect.undefined == "index: the conditions have opposite signs"
        zeros = effect_of(np.zeros(2), np.zeros((400, 2)), SIMPLE)
        assert np.isnan([zeros.ratio.value, zeros.relative.value]).all()
        assert zeros.difference.value == 0

    def test_index_of_means_and_mean_of_indices(self) -> None:
        first, second = [3.0, 1.0, 0.0, 1.0], [1.0, 9.0, 0.0, -1.0]
        np.testing.assert_array_equal(item_index(first, second), [0.5, -0.8, np.nan, np.nan])


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


def test_one_threshold_for_all_conditions() -> None:
    cells = paired_cells("accuracy", effect=1.0)
    best = best_accuracy(cells.labels, cells.distances, higher_is_better=False)
    values, _ = condition_values(cells._replace(threshold=best.threshold))
    assert values.mean() == pytest.approx(best.accuracy)


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


class TestWhatResamplesHide:
    @staticmethod
    def cells(gap: float, n: int = 12) -> tuple[ConditionScores, Resamples]:
        """Give people with a pair each, and couples, upright far apart, inverted near chance."""
        rng = np.random.default_rng(3)
        people = np.tile(np.arange(2 * n) % n, 2)
        labels = np.tile(np.arange(2 * n) < n, 2)
        others = np.where(labels, people, people ^ 1)
        cell = np.repeat([0, 1], 2 * n)
        distances = rng.normal(size=4 * n) - labels * np.where(cell == 0, gap, 1.0)
        cells = ConditionScores("auc", cell, labels, distances)
        return cells, Resamples(labels, "identity", people, others, n_resamples=400)

    def test_intervals_do_not_jump_at_a_perfect_area(self) -> None:
        widths, lows = [], []
        for gap in np.linspace(2, 7, 26):
            cells, resamples = self.cells(gap)
            values, replicates = condition_values(cells)[0], condition_replicates(cells, resamples)
            conditions = condition_estimates(cells, values, replicates, resamples)
            effect = effect_of(values, replicates, SIMPLE, conditions, 12)
            low, high = effect.difference.interval
            assert low < effect.difference.value < high
            assert effect.ratio.interval.low < effect.ratio.value < effect.ratio.interval.high
            widths.append(high - low)
            lows.append(conditions[0].interval.low)
        assert values[0] == 1
        assert np.abs(np.diff(widths)).max() < 0.06
        assert np.abs(np.diff(lows)).max() < 0.06
        assert 0.75 < lows[-1] < 0.93

    def test_one_number_has_one_interval(self) -> None:
        cells, resamples = self.cells(9.0)
        values, replicates = condition_values(cells)[0], condition_replicates(cells, resamples)
        conditions = condition_estimates(cells, values, replicates, resamples)
        effect = effect_of(values, replicates, SIMPLE, conditions, 12)
        weighted, error = weighted_difference(
            values, replicates, weights_of(SIMPLE, 2), conditions, 12
        )
        assert weighted.value == pytest.approx(effect.difference.value)
        assert weighted.interval == pytest.approx(effect.difference.interval)
        assert error == pytest.approx(effect.error)
        report = verify(
            cells.labels[:24],
            cells.distances[:24],
            np.arange(24) % 3,
            resamples.part(cells.cell == 0),
            higher_is_better=False,
        )
        assert report.auc.interval == pytest.approx(conditions[0].interval)

    def test_the_same_in_both_conditions_is_no_effect(self) -> None:
        cells, resamples = self.cells(2.5)
        half = cells.distances.size // 2
        cells.distances[half:] = cells.distances[:half]
        values, replicates = condition_values(cells)[0], condition_replicates(cells, resamples)
        conditions = condition_estimates(cells, values, replicates, resamples)
        effect = effect_of(values, replicates, SIMPLE, conditions, 12)
        assert effect.difference == (0, (0, 0))
        assert effect.error == 0

    def test_undefined_resamples(self) -> None:
        values = np.array([1.0, 1.0])
        replicates = np.ones((100, 2))
        replicates[:10, 0] = np.nan
        conditions = [ConditionEstimate(1.0, Interval(0.8, 1.0), Interval(np.nan, np.nan))] * 2
        effect = effect_of(values, replicates, SIMPLE, conditions, 8)
        assert effect.difference.interval == pytest.approx((-0.2, 0.2))
        assert not effect.undefined
        replicates[:, 1] = np.linspace(0.6, 0.9, 100)
        effect = effect_of(np.array([1.0, 0.75]), replicates, SIMPLE, conditions, 8)
        assert np.isnan(effect.difference.interval.low)
        assert "interval: undefined in more than one resample in twenty" in effect.undefined
