"""Names of columns."""

from __future__ import annotations

from facebench import columns


def test_no_two_columns_share_a_name() -> None:
    names = [
        *columns.KEY_COLUMNS, columns.CONDITION, *columns.interval_columns("AUC"),
        columns.CI_METHOD, columns.N_PAIRS, columns.N_IMAGES, columns.N_IDENTITIES,
        columns.N_FAILED, columns.UNDEFINED,
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert columns.interval_columns("AUC") == ("AUC", "AUC CI Low", "AUC CI High")
