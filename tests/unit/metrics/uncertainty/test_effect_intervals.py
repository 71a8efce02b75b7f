"""Intervals of effects where leaving people out hides their spread."""

from __future__ import annotations

import numpy as np

from facebench.metrics.conditions import (
    ConditionScores,
    condition_estimates,
    condition_replicates,
    condition_values,
)
from facebench.metrics.uncertainty.effect_intervals import ConditionValues, effect_of
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from support.conditions import SIMPLE


def left_out(values: np.ndarray, replicates: np.ndarray, is_signed: bool = True) -> ConditionValues:
    """Give conditions as measured without each of some people who are in both."""
    n = len(replicates)
    people, cell = np.tile(np.arange(n), 2), np.repeat([0, 1], n)
    return ConditionValues(
        values, replicates, [], StratifiedJackknife(people, people, cell), is_signed
    )


class TestWhatTheJackknifeHides:
    @staticmethod
    def conditions(gap: float, same: bool = False, n: int = 12) -> ConditionValues:
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
        return ConditionValues(values, replicates, estimates, jackknife, False)

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
