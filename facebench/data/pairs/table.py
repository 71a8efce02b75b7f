"""Reading and checking tables of image pairs."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.errors import InputError, MissingPairsFileError, PairsError
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean, did_you_mean_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PAIR_COLUMNS",
    "RESULT_COLUMNS",
    "SHOWN",
    "as_path",
    "read_csv_pairs",
    "require_column",
    "require_numbers",
    "row_name",
    "shown",
]

PAIR_COLUMNS = ("img1", "img2")
# What the run adds to every row; a pairs file must not use these names itself.
RESULT_COLUMNS = ("layer_name", "model_computed_distance")
_SEPARATORS = (",", "\t", ";")
SHOWN = 5
# Cells that mean "no value" where numbers or conditions are expected.
_GAPS = ["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"]


def row_name(position: int) -> str:
    """Name a row as people count: data rows from 1, and its usual line in the file.

    Examples
    --------
    >>> row_name(0)
    'row 1 (line 2)'
    """
    return f"row {position + 1} (line {position + 2})"


def as_path(value: StrPath, parameter: str) -> Path:
    """Turn a parameter into a path, or say that it is none."""
    try:
        return Path(value)
    except TypeError:
        msg = f"The {parameter!r} parameter must be a path. Got a {type(value).__name__} instead."
        raise InputError(msg) from None


def shown(items: Iterable[str], total: int) -> str:
    """List the first of some items, with a sign that there are more."""
    listed = "; ".join(items)
    return listed + ("; …" if total > SHOWN else "")


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next((line for line in file if line.strip()), "")
    if not header:
        msg = f"The pairs file {path} is empty. It needs a header with img1 and img2, then pairs."
        raise PairsError(msg)
    # The separator that yields both columns; with none, the commonest one tells what was meant.
    for separator in _SEPARATORS:
        names = {name.strip().strip('"') for name in header.rstrip("\r\n").split(separator)}
        if names >= set(PAIR_COLUMNS):
            return separator
    return max(_SEPARATORS, key=header.count)


def read_csv_pairs(path: Path) -> pd.DataFrame:
    """Read a CSV table of image pairs; see `read_pairs`."""
    import pandas as pd

    if not path.is_file():
        msg = (
            f"The pairs file {path} does not exist (looked in {Path.cwd()}). "
            f"Give the path of a CSV file with the columns img1 and img2.{did_you_mean_file(path)}"
        )
        raise MissingPairsFileError(msg)
    try:
        separator = _separator(path)
        with warnings.catch_warnings():
            # Pandas only warns where rows have more cells than the header, and drops cells.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            pairs = pd.read_csv(
                path,
                sep=separator,
                encoding="utf-8-sig",
                skipinitialspace=True,
                # All cells as written: '007' and 'NA' are names. What is a number is seen below.
                dtype=str,
                keep_default_na=False,
                # The header is read as a row, so that two columns of one name are seen.
                header=None,
                # A longer row must not turn its first cell into an index.
                index_col=False,
            )
    except pd.errors.ParserWarning as error:
        msg = f"The pairs file {path} cannot be read as CSV: {_long_row(path, separator)}."
        raise PairsError(msg) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        msg = f"The pairs file {path} cannot be read as CSV: {str(error).strip()}."
        raise PairsError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"The pairs file {path} is not UTF-8 text ({error.reason}). Save it as UTF-8 CSV."
        raise PairsError(msg) from error
    pairs.columns = pd.Index([str(name).strip() for name in pairs.iloc[0]])
    # A row that ends early has no text in its last columns.
    pairs = pairs.iloc[1:].reset_index(drop=True).fillna("")
    _check_columns(pairs, path)
    for column in pairs.columns:
        cells = pairs[column].str.strip()
        pairs[column] = cells if column in PAIR_COLUMNS else _typed(cells)
    for column in PAIR_COLUMNS:
        _refuse_rows(pairs[column] == "", f"The {column!r} column of {path}", "an image name")
    return pairs


def _typed(cells: pd.Series) -> pd.Series:
    """Turn a column of text into numbers or booleans where nothing is lost by it."""
    import pandas as pd

    gaps = cells.isin(_GAPS)
    filled = cells[~gaps]
    if not gaps.any() and filled.str.lower().isin(["true", "false"]).all():
        return cells.str.lower() == "true"
    # '007' is a name: as a number it would be the same as '7'.
    if not filled.str.match(r"[+-]?0\d").any():
        numbers = pd.to_numeric(cells.mask(gaps), errors="coerce")
        if not numbers[~gaps].isna().any():
            return numbers
    return cells.mask(gaps)


def _long_row(path: Path, separator: str) -> str:
    """Name the first line with more cells than the header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
        rows = (row for row in reader if row)
        expected = len(next(rows))
        for row in rows:
            if len(row) > expected:
                return f"expected {expected} cells in line {reader.line_num}, got {len(row)}"
    return "some rows have more cells than the header"


def _check_columns(pairs: pd.DataFrame, path: Path) -> None:
    has = ", ".join(map(str, pairs.columns))
    for column in PAIR_COLUMNS:
        if column not in pairs.columns:
            msg = f"The pairs file {path} must have the columns img1 and img2. It has: {has}."
            raise PairsError(msg)
    for column in RESULT_COLUMNS:
        if column in pairs.columns:
            msg = (
                f"The pairs file {path} has a column {column!r}, a name the results use. "
                "Rename it (or give the original pairs file instead of exported results)."
            )
            raise PairsError(msg)
    if pairs.columns.has_duplicates:
        twice = sorted(set(pairs.columns[pairs.columns.duplicated()]))
        msg = (
            f"The pairs file {path} must name each column once. "
            f"It has more than one {', '.join(map(repr, twice))}."
        )
        raise PairsError(msg)
    if pairs.empty:
        msg = f"The pairs file {path} has a header ({has}) but no pairs."
        raise PairsError(msg)


def _refuse_rows(bad: pd.Series, column: str, expected: str) -> None:
    positions = [position for position, is_bad in enumerate(bad) if is_bad]
    if positions:
        rows = shown((row_name(position) for position in positions[:SHOWN]), len(positions))
        msg = f"{column} must have {expected} in every row. {len(positions)} are empty: {rows}."
        raise PairsError(msg)


def require_column(
    pairs: pd.DataFrame, column: str, *, parameter: str | None, owner: str, path: StrPath
) -> pd.Series:
    """Get a column that a task needs, complete.

    Parameters
    ----------
    pairs : DataFrame
        A pairs table.
    column : str
        The wanted column.
    parameter : str or None
        The task's parameter that named it, for the message; None where the name is fixed.
    owner : str
        The task's class, for the message.
    path : str or Path
        The pairs file, for the message.

    Returns
    -------
    Series
        The column.

    Raises
    ------
    PairsError
        If the column is missing or has empty cells (naming the rows).
    """
    if column not in pairs.columns:
        has = ", ".join(map(str, pairs.columns))
        if parameter is None:
            msg = f"{owner} needs a column {column!r} in {path} (it has: {has})."
        else:
            msg = (
                f"The {parameter!r} parameter of {owner} must be a column of {Path(path).name} "
                f"(it has: {has}). Got {column!r} instead."
                f"{did_you_mean(column, map(str, pairs.columns))}"
            )
        raise PairsError(msg)
    series = pairs[column]
    _refuse_rows(series.isna(), f"The {column!r} column of {path}", "a value")
    return series


def require_numbers(
    pairs: pd.DataFrame, column: str, *, parameter: str | None, owner: str, path: StrPath
) -> pd.Series:
    """Get a column that a task needs, complete and of finite numbers.

    Parameters are those of `require_column`.

    Returns
    -------
    Series of float

    Raises
    ------
    PairsError
        If the column is missing, has empty cells, or a cell is not a finite number.
    """
    import numpy as np
    import pandas as pd

    series = require_column(pairs, column, parameter=parameter, owner=owner, path=path)
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        first = int(bad[0])
        msg = (
            f"The {column!r} column of {path} must hold finite numbers. "
            f"{bad.size} cells do not; the first is {series.iloc[first]!r} in {row_name(first)}."
        )
        raise PairsError(msg)
    return pd.Series(numbers, index=series.index, name=column)
