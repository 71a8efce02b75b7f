"""Familiarity and signal detection against loops and simulated observers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from facebench.metrics.recognition import familiarity, signal_detection


def test_familiarity_by_a_loop() -> None:
    rng = np.random.default_rng(0)
    table = rng.uniform(0.1, 2, (6, 5))
    table[0, 1], table[1, 2], table[2] = np.inf, np.nan, np.nan
    for memory in ("exemplar", "nearest", "prototype"):
        found = familiarity(table, memory, 3.0, 0.8)
        for row, value in zip(table, found, strict=True):
            own = row[np.isfinite(row)]
            if not own.size:
                assert np.isnan(value)
            elif memory == "exemplar":
                assert value == pytest.approx(sum(np.exp(-3 * d / 0.8) for d in own))
            else:
                assert value == -own.min()


def test_a_sensitive_exemplar_model_orders_items_as_the_nearest_one_does() -> None:
    table = np.random.default_rng(1).uniform(0.1, 2, (30, 8))
    ranks = [
        stats.rankdata(familiarity(table, memory, 200.0, 1.0)) for memory in ("exemplar", "nearest")
    ]
    assert stats.spearmanr(*ranks).statistic > 0.999


def test_observers_of_known_sensitivity_and_bias_are_recovered() -> None:
    rng = np.random.default_rng(2)
    dprime, bias, n = 1.3, 0.4, 20_000
    hits = (rng.normal(dprime / 2, 1, n) > bias).sum()
    alarms = (rng.normal(-dprime / 2, 1, n) > bias).sum()
    found = signal_detection(hits, n, alarms, n)
    assert found.dprime == pytest.approx(dprime, abs=0.04)
    assert found.criterion == pytest.approx(bias, abs=0.03)
    none = signal_detection(np.array([3.0]), np.array([0.0]), np.array([1.0]), np.array([4.0]))
    assert np.isnan(none.dprime[0])
