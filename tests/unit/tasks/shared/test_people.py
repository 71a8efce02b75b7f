"""Rows of people and differences from people."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from facebench.errors import InputError
from facebench.metrics.uncertainty.spread import Spread
from facebench.people import Trials
from facebench.tasks.shared.people import (
    compared_with_people,
    groups_of_people,
    mean_of_participants,
    spread_of_participants,
    sum_of_spreads,
)


def some_trials(groups=("control", "prosopagnosic")):
    table = pd.DataFrame(
        {
            "participant": ["a", "b"],
            "img1": ["x.jpg", "x.jpg"],
            "img2": ["y.jpg", "y.jpg"],
            "response": [1, 0],
        }
    )
    return Trials(table.assign(group=groups) if groups else table, "same-different")


def test_the_mean_over_participants_has_students_interval():
    values = np.random.default_rng(0).normal(size=12)
    row = mean_of_participants("AUC", np.append(values, np.nan))
    expected = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (row["AUC CI Low"], row["AUC CI High"]) == pytest.approx(expected)


def test_a_difference_from_people_is_welchs_where_both_are_means():
    rng = np.random.default_rng(1)
    people, network = rng.normal(1, 1, 20), rng.normal(1.5, 3, 8)
    spread = sum_of_spreads(spread_of_participants(people), spread_of_participants(network))
    row = compared_with_people("AUC", "People", network.mean(), people, spread)
    welch = stats.ttest_ind(network, people, equal_var=False)
    interval = welch.confidence_interval()
    name = "AUC Difference from People"
    assert (row[f"{name} CI Low"], row[f"{name} CI High"]) == pytest.approx(tuple(interval))
    assert row["AUC P of Difference from People"] == pytest.approx(welch.pvalue)
    wide = compared_with_people("", "People", 0.0, people, spread, margin=5)
    assert wide["Equivalence P to People"] < 0.05
    # The smallest margin is where the test of equivalence gives .05.
    margin = wide["Equivalence Margin to People"]
    at = compared_with_people("", "People", 0.0, people, spread, margin=margin)
    assert at["Equivalence P to People"] == pytest.approx(0.05)


def test_a_layer_is_placed_among_single_participants():
    people = np.linspace(0.1, 0.4, 40)
    spread = Spread(0.1, 10)
    for network, interval, all_of_them in ((0.26, 1, 1), (0.39, 0, 1), (0.5, 0, 0)):
        row = compared_with_people("AUC", "People", network, people, spread)
        assert row["AUC Within Interval of People"] == interval
        assert row["AUC Within Range of People"] == all_of_them
    row = compared_with_people("AUC", "People", np.nan, people, spread)
    assert all(np.isnan(value) for value in row.values())


def test_groups_get_rows_of_their_own():
    trials = some_trials()
    assert list(groups_of_people(trials, None, owner="T")) == ["control", "prosopagnosic"]
    assert list(groups_of_people(trials, False, owner="T")) == ["People"]
    assert list(groups_of_people(some_trials(None), None, owner="T")) == ["People"]
    [only] = groups_of_people(trials, ["prosopagnosic"], owner="T").values()
    assert only.participants == ["b"]
    with pytest.raises(InputError, match="Did you mean"):
        groups_of_people(trials, ["prosopagnosics"], owner="T")
    with pytest.raises(InputError, match="needs a column 'group'"):
        groups_of_people(some_trials(None), True, owner="T")
