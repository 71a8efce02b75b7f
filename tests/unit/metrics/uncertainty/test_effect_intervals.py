"""Intervals of effects where resamples hide errors."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics.conditions import (
    ConditionEstimate,
    ConditionScores,
    condition_estimates,
    condition_replicates,
    condition_values,
)
from facebench.metrics.effects import weights_of
from facebench.metrics.uncertainty.effect_intervals import effect_of, weighted_difference
from facebench.metrics.uncertainty.resamples import Interval, Resamples
from facebench.metrics.verification_report import verify
from support.conditions import SIMPLE


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
