"""Tables of pairs with scores: delimited text or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facebench.data.pairs.rows import row_name
from facebench.data.pairs.table import (
    GAPS,
    PAIR_COLUMNS,
    decimal_comma_hint,
    parquet_table,
    read_csv_pairs,
    require_column,
    with_points,
)
from facebench.data.tables import is_parquet
from facebench.errors import InputError, PairsError
from facebench.types import Float64Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_scored_pairs", "score_column"]


def read_scored_pairs(path: Path) -> pd.DataFrame:
    """Read a table of pairs and scores.

    Parameters
    ----------
    path : Path
        Text as `read_pairs` takes it, or Parquet: with ``img1`` and ``img2``, or ``p1`` and ``p2``.

    Returns
    -------
    DataFrame
        With ``img1`` and ``img2`` as text.

    Raises
    ------
    PairsError
        If it is not such a table.
    """
    if path.suffix.lower() != ".parquet" and not is_parquet(path):
        return read_csv_pairs(path)
    table = parquet_table(path)
    for column in PAIR_COLUMNS:
        names = require_column(table, column, parameter=None, owner="A table of scores", path=path)
        if not all(isinstance(name, str) and name.strip() for name in names):
            msg = f"The {column!r} column of {path} must have an image name in every row."
            raise PairsError(msg)
    return table


def score_column(table: pd.DataFrame, column: str, path: Path) -> Float64Array:
    """Get a column of scores.

    Parameters
    ----------
    table : DataFrame
        From `read_scored_pairs`.
    column : str
        Which.
    path : Path
        The file, for messages.

    Returns
    -------
    array, shape [N]
        NaN where a cell is empty.

    Raises
    ------
    InputError
        If a cell is not a finite number, or all are empty.
    """
    import pandas as pd

    cells = table[column]
    empty = (cells.isna() | cells.isin(GAPS)).to_numpy(dtype=bool)
    written = with_points(cells.astype(object).mask(empty, "0"), path)
    numbers = pd.to_numeric(written, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        row = int(bad[0])
        msg = (
            f"The scores {column!r} of {path} must be finite numbers. {bad.size} cells are not; "
            f"the first is {cells.iloc[row]!r:.200} in {row_name(row, path)}."
            f"{decimal_comma_hint(cells.iloc[row])}{_percent_hint(cells.iloc[row])}"
        )
        raise InputError(msg)
    if empty.all():
        msg = f"The scores {column!r} of {path} are all empty."
        raise InputError(msg)
    return np.where(empty, np.nan, numbers)


def _percent_hint(cell: object) -> str:
    if not isinstance(cell, str) or not cell.rstrip().endswith("%"):
        return ""
    return " Write percentages as numbers; of similarities, 'maximum' is then 100."
