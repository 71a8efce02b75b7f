"""The wide tables that tasks return: which columns are measures, and what tells rows apart."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from facebench.columns import (
    CI_HIGH,
    CI_LOW,
    CI_METHOD,
    CONDITION,
    IDENTITY,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    N_PAIRS,
)

__all__ = ["COUNTS", "conditions_of", "measures_of"]

COUNTS = (N_PAIRS, N_IMAGES, N_IDENTITIES, N_FAILED)


def measures_of(performance: pd.DataFrame) -> list[str]:
    """List the measures in a task's results: numbers that name, count or bound nothing else.

    Parameters
    ----------
    performance : DataFrame
        A task's results.

    Returns
    -------
    list of str
        Names of columns.
    """
    columns = [str(column) for column in performance.columns]
    bounds = {f"{column}{end}" for column in columns for end in (CI_LOW, CI_HIGH)}
    return [
        column
        for column in columns
        if column not in {*IDENTITY, CONDITION, CI_METHOD, *COUNTS, *bounds}
        and is_numeric_dtype(performance[column])
        and not is_bool_dtype(performance[column])
    ]


def conditions_of(rows: pd.DataFrame) -> list[str | None]:
    """Name the rows of one layer, each differently.

    Parameters
    ----------
    rows : DataFrame
        A task's results of one layer.

    Returns
    -------
    list of str or None
        The conditions; numbers in brackets where there are several rows and no conditions; None
        for a single row.
    """
    if CONDITION in rows:
        names = [str(value) for value in rows[CONDITION]]
    elif len(rows) > 1:
        # Several rows of one layer are told apart by number, as in the unified table.
        names = [f"[{number}]" for number in range(1, len(rows) + 1)]
    else:
        return [None]
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[index] = f"{name} [{seen[name]}]"
    return [*names]
