"""Names of columns."""

from __future__ import annotations

import pandas as pd

from facebench import columns
from facebench.data.estimates import estimates_in


def test_no_two_columns_share_a_name() -> None:
    names = [
        *columns.KEY_COLUMNS, columns.CONDITION, *columns.interval_columns("AUC"),
        columns.CI_METHOD, columns.N_PAIRS, columns.N_IMAGES, columns.N_IDENTITIES,
        columns.N_FAILED, columns.UNDEFINED,
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert columns.interval_columns("AUC") == ("AUC", "AUC CI Low", "AUC CI High")


def test_cells_of_an_interval_are_read_back() -> None:
    rows = pd.DataFrame([columns.interval_cells("AUC", 0.9, 0.8, 0.95)])
    [estimate] = estimates_in(rows)
    found = estimate.measure, estimate.value, estimate.low, estimate.high
    assert found == ("AUC", 0.9, 0.8, 0.95)
