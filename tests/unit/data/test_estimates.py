"""Estimates read from the wide tables that tasks return."""

import numpy as np
import pandas as pd

from facebench.data.estimates import MeasureEstimate, estimates_in


def test_a_measure_travels_with_its_interval_and_counts():
    rows = pd.DataFrame(
        {
            "Condition": ["up", "down"],
            "AUC": [0.9, np.nan],
            "AUC CI Low": [0.8, np.nan],
            "AUC CI High": [0.95, np.nan],
            "Threshold": [0.5, 0.6],
            "CI Method": ["made up", "made up"],
            "Pairs": [10, 12],
            "Distance Metric": ["cosine", "cosine"],
            "Remark": ["", ""],
        }
    )
    found = estimates_in(rows)
    assert [(one.condition, one.measure) for one in found] == [
        ("up", "AUC"),
        ("up", "Threshold"),
        ("down", "AUC"),
        ("down", "Threshold"),
    ]
    assert found[0] == MeasureEstimate(
        "AUC", "up", 0.9, 0.8, 0.95, "made up", n_pairs=10, distance="cosine"
    )
    assert found[1] == MeasureEstimate("Threshold", "up", 0.5, n_pairs=10, distance="cosine")
    # An undefined interval is there, but nothing made it.
    assert np.isnan(found[2].low)
    assert found[2].method is None
    assert estimates_in(rows, ["Threshold"]) == found[1::2]


def test_rows_without_conditions_are_numbered():
    assert [one.condition for one in estimates_in(pd.DataFrame({"A": [1, 2]}))] == ["[1]", "[2]"]
    assert [one.condition for one in estimates_in(pd.DataFrame({"A": [1]}))] == [None]
