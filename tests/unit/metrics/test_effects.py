"""Effects, permutations and weighted correlations against brute force and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, nct, pearsonr, spearmanr, ttest_1samp, ttest_ind

from facebench.metrics.conditions import (
    MEASURES,
    ConditionScores,
    condition_estimates,
    condition_replicates,
    condition_values,
)
from facebench.metrics.effects import Contrast, compared, item_index
from facebench.metrics.uncertainty.effect_intervals import Conditions, ZeroTest, effect_of
from facebench.metrics.uncertainty.effect_sizes import standardised
from facebench.metrics.uncertainty.permutations import (
    exchangeable_blocks,
    permutation_p,
    permuted_differences,
)
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.stratified_jackknife import Error, StratifiedJackknife
from facebench.metrics.verification import auc, best_accuracy, dprime, tar_at_far
from facebench.metrics.verification_report import Estimate

SIMPLE = Contrast("difference", (0,), (1,))


def left_out(values: np.ndarray, replicates: np.ndarray, is_signed: bool = True) -> Conditions:
    """Give conditions as measured without each of some people who are in both."""
    n = len(replicates)
    people, cell = np.tile(np.arange(n), 2), np.repeat([0, 1], n)
    return Conditions(values, replicates, [], StratifiedJackknife(people, people, cell), is_signed)


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
        jackknife = StratifiedJackknife(people, others, cells.cell)
        found = condition_replicates(cells, jackknife)
        weights = np.concatenate(list(jackknife.weights()), axis=1)
        expected = np.array([brute(cells, weights[:, r]) for r in range(20)])
        np.testing.assert_allclose(found, expected, atol=2e-5)
        assert set((~weights.astype(bool)).sum(axis=0)) == {6}

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
        effect = effect_of(left_out(values, rng.normal(values, 0.01, (20, 2))), SIMPLE)
        assert np.isnan(effect.ratio.value)
        assert np.isnan(effect.ratio.interval.low)
        assert effect.undefined == (
            "ratio: its denominator may be zero; index: a condition may be zero"
        )
        assert np.isnan(effect.relative.value)
        # What cannot be negative has an index all the same.
        effect = effect_of(left_out(values, rng.normal(values, 0.01, (20, 2)), False), SIMPLE)
        assert effect.relative.value == pytest.approx(0.95 / 1.05)
        values = np.array([1.0, -0.4])
        effect = effect_of(left_out(values, rng.normal(values, 0.001, (20, 2))), SIMPLE)
        assert np.isnan(effect.relative.value)
        assert effect.undefined == "index: the conditions have opposite signs"
        zeros = effect_of(left_out(np.zeros(2), np.zeros((20, 2))), SIMPLE)
        assert np.isnan([zeros.ratio.value, zeros.relative.value]).all()
        assert zeros.test.estimate.value == 0

    def test_fieller_by_hand(self) -> None:
        rng = np.random.default_rng(1)
        people = rng.normal([3.0, 2.0], 0.4, (12, 2))
        # Means without each person.
        replicates = (people.sum(axis=0) - people) / 11
        effect = effect_of(left_out(people.mean(axis=0), replicates), SIMPLE)
        for end in effect.ratio.interval:
            # At either end of the interval a - ratio b is just significantly off zero.
            assert ttest_1samp(people @ [1, -end], 0).pvalue == pytest.approx(0.05)
        assert effect.test.p_value == pytest.approx(ttest_1samp(people @ [1, -1], 0).pvalue)
        for end in effect.relative.interval:
            turned = people @ [1, -1] - end * people.sum(axis=1)
            assert ttest_1samp(turned, 0).pvalue == pytest.approx(0.05)

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


class TestSizes:
    @pytest.mark.parametrize(("statistic", "df"), [(0.3, 7), (2.5, 11), (-6.0, 19), (25.0, 9)])
    def test_noncentrality(self, statistic: float, df: float) -> None:
        test = ZeroTest(Estimate(1.0, Interval(0, 2)), 0.5, statistic, Error(1 / statistic, df))
        found = standardised(test, (statistic**-2,), [int(df) + 1]).size
        n = df + 1
        assert found.value == pytest.approx(statistic / n**0.5)
        for end, level in zip(found.interval, (0.975, 0.025), strict=True):
            assert nct.cdf(statistic, df, end * n**0.5) == pytest.approx(level, abs=1e-4)

    def test_without_spread(self) -> None:
        test = ZeroTest(Estimate(1.0, Interval(1, 1)), 0.1, np.nan, Error(0.0, 5))
        assert np.isnan(standardised(test, (0.0,), [6]).size.value)


class TestWhatTheJackknifeHides:
    @staticmethod
    def conditions(gap: float, same: bool = False, n: int = 12) -> Conditions:
        """Give people with a pair each, and couples, upright far apart, inverted near chance."""
        rng = np.random.default_rng(3)
        people = np.tile(np.arange(2 * n) % n, 2)
        labels = np.tile(np.arange(2 * n) < n, 2)
        others = np.where(labels, people, people ^ 1)
        cell = np.repeat([0, 1], 2 * n)
        distances = rng.normal(size=4 * n) - labels * np.where(cell == 0, gap, 1.0)
        if same:
            distances[2 * n :] = distances[: 2 * n]
        cells = ConditionScores("auc", cell, labels, distances)
        jackknife = StratifiedJackknife(people // 2, others // 2, cell)
        values, replicates = condition_values(cells)[0], condition_replicates(cells, jackknife)
        estimates = condition_estimates(cells, values, replicates, jackknife, (people, others))
        return Conditions(values, replicates, estimates, jackknife, False)

    def test_intervals_do_not_jump_at_a_perfect_area(self) -> None:
        widths, lows = [], []
        for gap in np.linspace(2, 7, 26):
            conditions = self.conditions(gap)
            effect = effect_of(conditions, SIMPLE)
            low, high = effect.test.estimate.interval
            assert low < effect.test.estimate.value < high
            assert effect.ratio.interval.low < effect.ratio.value < effect.ratio.interval.high
            assert (effect.test.p_value < 0.05) == (effect.ratio.interval.low > 1) == (low > 0)
            widths.append(high - low)
            lows.append(conditions.estimates[0].interval.low)
        assert conditions.values[0] == 1
        assert np.abs(np.diff(widths)).max() < 0.1
        assert np.abs(np.diff(lows)).max() < 0.15
        assert 0.7 < lows[-1] < 0.93

    def test_the_same_in_both_conditions_is_no_effect(self) -> None:
        effect = effect_of(self.conditions(2.5, same=True), SIMPLE)
        assert effect.test.estimate == (0, (0, 0))
        assert effect.test.p_value == 1

    def test_undefined_without_someone(self) -> None:
        conditions = self.conditions(2.5)
        conditions.replicates[0, 0] = np.nan
        effect = effect_of(conditions, SIMPLE)
        assert np.isnan(effect.test.p_value)
        assert "not defined without one of the people" in effect.undefined


@pytest.mark.parametrize("sizes", [(8, 8), (12, 5), (300, 250)])
def test_strata_are_welch(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    sides = [rng.normal(0.3, 2, sizes[0]), rng.normal(0, 1, sizes[1])]
    people = np.arange(sum(sizes))
    cells = ConditionScores(
        "mean distance",
        np.repeat([0, 1], sizes),
        np.ones(people.size, bool),
        np.concatenate(sides),
    )
    jackknife = StratifiedJackknife(people, people, cells.cell)
    values, replicates = condition_values(cells)[0], condition_replicates(cells, jackknife)
    estimates = condition_estimates(cells, values, replicates, jackknife, (people, people))
    found = effect_of(Conditions(values, replicates, estimates, jackknife, False), SIMPLE).test
    expected = ttest_ind(*sides, equal_var=False)
    assert found.statistic == pytest.approx(
        expected.statistic, rel=1e-6 if people.size < 50 else 0.1
    )
    assert found.error.df == pytest.approx(expected.df, rel=1e-6 if people.size < 50 else 0.5)
