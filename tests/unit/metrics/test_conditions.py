"""Measures of conditions, and of their resamples, against plain functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from facebench.metrics.conditions import (
    MEASURES,
    ConditionScores,
    condition_replicates,
    condition_values,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.verification import auc, dprime, tar_at_far
from support.conditions import paired_cells


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
        groups = JackknifeGroups(people, others)
        found = condition_replicates(cells, groups)
        expected = np.array([brute(cells, kept.astype(float)) for kept in groups.kept.T])
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
