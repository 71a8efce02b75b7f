"""Reading and checking tables of image pairs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.pairs.rows import cells_as_written, row_name
from facebench.data.tables import as_path, read_text_table, separator_of
from facebench.errors import MissingPairsFileError, PairsError
from facebench.types import StrPath
from facebench.utils.files import why_missing
from facebench.utils.suggestions import did_you_mean, did_you_mean_file, first_line

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GAPS",
    "PAIR_COLUMNS",
    "RESULT_COLUMNS",
    "SHOWN",
    "as_path",
    "decimal_comma_hint",
    "named_as_ours",
    "parquet_table",
    "read_csv_pairs",
    "read_parquet_pairs",
    "require_column",
    "require_numbers",
    "shown",
    "with_points",
]

PAIR_COLUMNS = ("img1", "img2")
# What they are called in the tables of Balanced Faces in the Wild.
_PAIR_COLUMNS_OF_BFW = ("p1", "p2")
# What the run adds to every row; a pairs file must not use these names itself.
RESULT_COLUMNS = ("layer_name", "model_computed_distance")
SHOWN = 5
# Cells that mean "no value" where numbers or conditions are expected.
GAPS = ["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"]
_NUMBER = re.compile(
    r"-?(?P<whole>0|[1-9]\d*|(?=\.))(\.(?P<decimals>\d+))?([eE](?P<exponent>[+-]?\d+))?", re.ASCII
)
# Whole numbers of so many digits are exact as floating point too.
_EXACT_DIGITS = 15
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+")


def shown(items: Iterable[str], total: int) -> str:
    """List the first of some items, with a sign that there are more."""
    listed = "; ".join(items)
    return listed + ("; …" if total > SHOWN else "")


def read_csv_pairs(path: Path) -> pd.DataFrame:
    """Read a CSV table of image pairs; see `read_pairs`."""
    if not path.is_file():
        msg = (
            f"The pairs file {path} {why_missing(path)}. "
            f"Give the path of a CSV file with the columns img1 and img2.{did_you_mean_file(path)}"
        )
        raise MissingPairsFileError(msg)
    try:
        pairs, separator = read_text_table(path, PAIR_COLUMNS)
        pairs = named_as_ours(pairs)
    except OSError as error:
        msg = f"The pairs file {path} cannot be read: {error.strerror or error}."
        raise PairsError(msg) from error
    except PairsError as error:
        msg = f"The pairs file {error}"
        raise PairsError(msg) from error
    _check_columns(pairs, path)
    for column in pairs.columns:
        if column not in PAIR_COLUMNS:
            pairs[column] = _typed(pairs[column], separator)
    for column in PAIR_COLUMNS:
        _refuse_rows(pairs[column] == "", f"The {column!r} column of {path}", "an image name", path)
    return pairs


def parquet_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file as it is, index columns of pandas too.

    Raises
    ------
    PairsError
        If it is damaged.
    """
    import pyarrow.parquet as pq

    try:
        return named_as_ours(pq.read_table(path).to_pandas(ignore_metadata=True))
    except Exception as error:
        # A damaged file may raise anything.
        why = first_line(error).rstrip(".")
        msg = f"The table {path} cannot be read as Parquet: {why:.200}."
        raise PairsError(msg) from error


def read_parquet_pairs(path: Path) -> pd.DataFrame:
    """Read a Parquet table of image pairs as the same table in CSV is read; see `read_pairs`."""
    pairs = parquet_table(path)
    # pandas keeps an index that is not a range as a column of this name.
    pairs = pairs.loc[:, [not str(name).startswith("__index_level_") for name in pairs.columns]]
    _check_columns(pairs, path)
    return pairs.assign(**{str(name): _plain(pairs[name], path) for name in pairs.columns})


def _plain(cells: pd.Series, path: Path) -> pd.Series:
    """Give a column as a CSV file has it: numbers, booleans, or text with gaps."""
    import pandas as pd

    kept = cells.dropna()
    if cells.name not in PAIR_COLUMNS:
        if cells.dtype.kind in "iub":
            return cells
        if cells.dtype.kind == "f":
            return cells.astype(float)
        if all(isinstance(cell, Decimal) for cell in kept):
            return pd.to_numeric(cells.astype(object), errors="coerce").astype(float)
        if all(isinstance(cell, bool) for cell in kept):
            return cells.map(str, na_action="ignore").astype(object)
    wrong = next((n for n, cell in enumerate(cells) if not _is_text(cell)), None)
    if wrong is not None:
        msg = (
            f"The {cells.name!r} column of {path} must hold "
            f"{'image names as text' if cells.name in PAIR_COLUMNS else 'numbers or text'}. Got "
            f"{cells.iloc[wrong]!r:.200} ({type(cells.iloc[wrong]).__name__}) in "
            f"{row_name(wrong, path)}."
        )
        raise PairsError(msg)
    texts = pd.Series([c.strip() if isinstance(c, str) else "" for c in cells], name=cells.name)
    if cells.name in PAIR_COLUMNS:
        _refuse_rows(texts == "", f"The {cells.name!r} column of {path}", "an image name", path)
        return texts
    return _typed(texts, ",")


def _is_text(cell: object) -> bool:
    return isinstance(cell, str) or cell is None or (isinstance(cell, float) and math.isnan(cell))


def named_as_ours(pairs: pd.DataFrame) -> pd.DataFrame:
    """Call the images of a pair img1 and img2 where a table calls them p1 and p2, as BFW's does."""
    names = set(map(str, pairs.columns))
    if names.isdisjoint(PAIR_COLUMNS) and names.issuperset(_PAIR_COLUMNS_OF_BFW):
        return pairs.rename(columns=dict(zip(_PAIR_COLUMNS_OF_BFW, PAIR_COLUMNS, strict=True)))
    return pairs


def _typed(cells: pd.Series, separator: str) -> pd.Series:
    """Turn a column of text into numbers or booleans where nothing is lost by it."""
    import pandas as pd

    gaps = cells.isin(GAPS)
    texts = cells[~gaps].unique().tolist()
    truths = {text.lower() for text in texts}
    # 'true' beside 'True' are names.
    if texts and not gaps.any() and truths <= {"true", "false"} and len(truths) == len(texts):
        return cells.str.lower() == "true"
    if _are_numbers(texts):
        return pd.to_numeric(cells.mask(gaps), errors="coerce")
    if _have_decimal_commas(texts, separator):
        pointed = cells.str.replace(",", ".", regex=False)
        if _are_numbers([text.replace(",", ".") for text in texts]):
            return pd.to_numeric(pointed.mask(gaps), errors="coerce")
    return cells.mask(gaps)


def _are_numbers(texts: list[str]) -> bool:
    """Tell whether different texts are different numbers whose writing gives the texts back.

    '007', '1.10' beside '1.1', '1e5' beside '2e5' and 21 digits are names. A column may have a
    format of its own, such as two decimals throughout.
    """
    found = []
    for text in texts:
        parts = _NUMBER.fullmatch(text)
        if parts is None:
            return False
        found.append(parts)
    numbers = {float(text) for text in texts}
    # Programs that round write -0.0; -0 beside 0 is a code.
    zeros = {text.removeprefix("-") if "." in text else text for text in texts if float(text) == 0}
    n_different = sum(float(text) != 0 for text in texts) + len(zeros)
    if len(numbers) < n_different or any(map(math.isinf, numbers)):
        return False
    whole = [part["whole"] for part in found if part["decimals"] is None]
    if any(len(digits) > _EXACT_DIGITS for digits in whole):
        return False
    exponents = [part["exponent"] for part in found if part["exponent"] is not None]
    decimals = {part["decimals"] for part in found if part["decimals"] is not None}
    if exponents and not decimals and not any(power.startswith("-") for power in exponents):
        return False
    one_format = len({len(digits) for digits in decimals}) == 1 and not whole
    return one_format or all(len(d) == 1 or not d.endswith("0") for d in decimals)


def _have_decimal_commas(texts: list[str], separator: str) -> bool:
    """Tell whether a column of numbers has commas as decimal points, surely."""
    if separator == "," or not any("," in text for text in texts):
        return False
    if any("." in text and "," not in text for text in texts):
        # 1.234 beside 0,5 may be a thousand and more.
        return False
    # Between tabs, 1,234 may be a thousand and more.
    return separator != "\t" or not all(_THOUSANDS.fullmatch(t) for t in texts if "," in t)


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


def with_points(cells: pd.Series, path: StrPath) -> pd.Series:
    """Write decimal commas as points in a column that is wanted as numbers."""
    if not all(isinstance(cell, str) for cell in cells):
        return cells
    try:
        separator = separator_of(Path(path), PAIR_COLUMNS)
    except (OSError, PairsError):
        return cells
    surely = _have_decimal_commas(cells.unique().tolist(), separator)
    return cells.str.replace(",", ".", regex=False) if surely else cells


def decimal_comma_hint(cell: object) -> str:
    """Say what to do where a number is written with a decimal comma.

    Examples
    --------
    >>> decimal_comma_hint("0,5")
    ' It seems to have a decimal comma: save the table with decimal points.'
    """
    if not isinstance(cell, str) or not _DECIMAL_COMMA.fullmatch(cell):
        return ""
    return " It seems to have a decimal comma: save the table with decimal points."


def _refuse_rows(bad: pd.Series, column: str, expected: str, path: StrPath) -> None:
    positions = [position for position, is_bad in enumerate(bad) if is_bad]
    if positions:
        rows = shown((row_name(position, path) for position in positions[:SHOWN]), len(positions))
        msg = f"{column} must have {expected} in every row. {len(positions)} are empty: {rows}."
        raise PairsError(msg + _said_to_be_empty(bad, path))


def _said_to_be_empty(bad: pd.Series, path: StrPath) -> str:
    """Say that cells count as empty although something is written in them."""
    written = {
        cell
        for cell, is_bad in zip(cells_as_written(path, str(bad.name)), bad, strict=False)
        if is_bad and cell
    }
    if not written:
        return ""
    listed = ", ".join(map(repr, sorted(written)))
    return f" {listed} is read as an empty cell. If it is a name, write it another way ('N.A.')."


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
    _refuse_rows(series.isna(), f"The {column!r} column of {path}", "a value", path)
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
    numbers = pd.to_numeric(with_points(series, path), errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        first = int(bad[0])
        msg = (
            f"The {column!r} column of {path} must hold finite numbers. "
            f"{bad.size} cells do not; the first is {series.iloc[first]!r:.200} in "
            f"{row_name(first, path)}.{decimal_comma_hint(series.iloc[first])}"
        )
        raise PairsError(msg)
    return pd.Series(numbers, index=series.index, name=column)
