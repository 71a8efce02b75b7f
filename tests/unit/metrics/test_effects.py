"""Effects: quotients by Fieller, indices, and one threshold for all conditions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from facebench.metrics.conditions import (
    condition_values,
)
from facebench.metrics.effects import Contrast, compared, item_index
from facebench.metrics.uncertainty.effect_intervals import ConditionValues, effect_of
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.metrics.verification import best_accuracy
from support.conditions import SIMPLE, paired_cells


def left_out(values: np.ndarray, replicates: np.ndarray, is_signed: bool = True) -> ConditionValues:
    """Give conditions as measured without each of some people who are in both."""
    n = len(replicates)
    people, cell = np.tile(np.arange(n), 2), np.repeat([0, 1], n)
    return ConditionValues(
        values, replicates, [], StratifiedJackknife(people, people, cell), is_signed
    )


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


def test_one_threshold_for_all_conditions() -> None:
    cells = paired_cells("accuracy", effect=1.0)
    best = best_accuracy(cells.labels, cells.distances, higher_is_better=False)
    values, _ = condition_values(cells._replace(threshold=best.threshold))
    assert values.mean() == pytest.approx(best.accuracy)
