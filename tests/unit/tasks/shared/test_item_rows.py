"""A row of items: shares with their intervals, and their difference from people."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.tasks.shared.item_rows import ItemRow, rows_of_people
from facebench.types import Float64Array

N = 24
UNITS = np.arange(N).astype(str)
PEOPLE = np.array([0.7, 0.8, 0.75, 0.72, 0.81])


def row_of(correct: Float64Array) -> ItemRow:
    row = ItemRow(JackknifeGroups(UNITS, UNITS), np.ones(N, dtype=bool))
    row.share("Accuracy", correct, np.linspace(0.1, 1, N))
    row.against_people("Accuracy", "People", PEOPLE)
    return row


def test_the_difference_from_people_combines_both_standard_errors() -> None:
    correct = (np.arange(N) % 3 > 0).astype(np.float64)
    row = row_of(correct)
    difference = row.columns["Accuracy Difference from People"]
    assert difference == pytest.approx(correct.mean() - PEOPLE.mean())
    squares = [values.var(ddof=1) / values.size for values in (correct, PEOPLE)]
    error = np.sqrt(sum(squares))
    free = error**4 / (squares[0] ** 2 / (N - 1) + squares[1] ** 2 / (PEOPLE.size - 1))
    half = stats.t(free).ppf(0.975) * error
    low = row.columns["Accuracy Difference from People CI Low"]
    # The network's own interval, which the difference is at least as wide as.
    own = correct.mean() - row.columns["Accuracy CI Low"]
    assert half - 1e-9 <= difference - low <= half + own


def test_a_network_without_errors_is_not_known_exactly() -> None:
    row = row_of(np.ones(N))
    assert row.replicates["Accuracy"].spread.error == 0
    network = 1 - row.columns["Accuracy CI Low"]
    people = stats.t(PEOPLE.size - 1).ppf(0.975) * stats.sem(PEOPLE)
    low = row.columns["Accuracy Difference from People CI Low"]
    width = row.columns["Accuracy Difference from People"] - low
    assert network > 0.05
    assert width > network
    assert width < network + people


def test_groups_of_people_are_compared_by_welch() -> None:
    values = np.array([0.9, 0.7, 0.8, np.nan, 0.5, 0.6, 0.2])
    members = {"a": np.arange(7) < 4, "b": np.arange(7) >= 4}
    rows = rows_of_people({"all": {"Accuracy": values}}, members, "Accuracy", has_conditions=False)
    test = stats.ttest_ind(values[:3], values[4:], equal_var=False)
    interval = test.confidence_interval()
    ends = [rows[0][f"Accuracy Difference from b CI {end}"] for end in ("Low", "High")]
    assert ends == pytest.approx(list(interval))
    assert rows[1]["Accuracy P of Difference from a"] == pytest.approx(test.pvalue)
    assert "Accuracy Difference from a" not in rows[0]
