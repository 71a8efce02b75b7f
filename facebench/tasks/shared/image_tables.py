"""Tables that name one image per row: galleries, probes, templates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facebench.data.pairs import as_path, decimal_comma_hint, require_column, row_name
from facebench.data.tables import read_text_table
from facebench.errors import MissingPairsFileError, PairsError
from facebench.types import Float64Array, StrPath
from facebench.utils.suggestions import did_you_mean_file

__all__ = ["ImageTable", "read_image_table"]


class ImageTable:
    """A table and where it came from, for messages.

    Attributes
    ----------
    rows : DataFrame
        All columns as text, cells stripped.
    source : str
        The file.
    """

    def __init__(self, rows: pd.DataFrame, source: str, owner: str) -> None:
        self.rows = rows
        self.source = source
        self._owner = owner

    def texts(self, parameter: str | None, column: str) -> pd.Series:
        """Get a column that must be there and complete; raises PairsError else."""
        return require_column(
            self.rows, column, parameter=parameter, owner=self._owner, path=self.source
        )

    def sparse_texts(self, parameter: str | None, column: str) -> pd.Series:
        """Get a column that must be there; empty cells, and 'nan', are NaN."""
        if column in self.rows:
            found = self.rows[column]
            return found.mask(found.astype(str).str.lower() == "nan")
        # What is missing is told as of complete columns.
        return self.texts(parameter, column)

    def sparse_numbers(self, parameter: str | None, column: str) -> Float64Array:
        """Get a column of numbers, NaN where a cell is empty; raises PairsError else."""
        texts = self.sparse_texts(parameter, column)
        numbers = np.asarray(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(numbers) & texts.notna().to_numpy())
        if bad.size:
            text = texts.iloc[bad[0]]
            msg = (
                f"The {column!r} column of {self.source} must hold numbers, or nothing. Got "
                f"{text!r:.200} in {row_name(int(bad[0]), self.source)}.{decimal_comma_hint(text)}"
            )
            raise PairsError(msg)
        return numbers

    def numbers(self, parameter: str | None, column: str) -> pd.Series:
        """Get a column of numbers of 0 or more; raises PairsError else."""
        texts = self.texts(parameter, column)
        numbers = pd.to_numeric(texts, errors="coerce")
        bad = ~(numbers.between(0, float("inf"), inclusive="left"))
        if bad.any():
            row = int(bad.to_numpy().argmax())
            msg = (
                f"The {column!r} column of {self.source} must hold numbers of 0 or more. "
                f"Got {texts.iloc[row]!r:.200} in {row_name(row, self.source)}."
                f"{decimal_comma_hint(texts.iloc[row])}"
            )
            raise PairsError(msg)
        return numbers


def read_image_table(
    table: StrPath | pd.DataFrame, *, parameter: str, owner: str, columns: Sequence[str]
) -> ImageTable:
    """Read a CSV file, or take a table that is read already.

    Parameters
    ----------
    table : str, Path or DataFrame
        CSV with a header (comma, tab or semicolon, UTF-8), or a table.
    parameter, owner : str
        The task's parameter and class, for messages.
    columns : sequence of str
        What it needs, for messages.

    Returns
    -------
    ImageTable
        Every cell as text ('007' stays '007'); empty ones are NaN.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If it cannot be read, names a column twice, or has no rows.
    """
    if isinstance(table, pd.DataFrame):
        return _checked(table.map(_as_text), f"the {parameter!r} table", owner, columns)
    path = as_path(table, parameter)
    needs = " and ".join(columns)
    if not path.is_file():
        msg = (
            f"The {parameter!r} table {path} of {owner} does not exist (looked in {Path.cwd()}). "
            f"Give a CSV file with the columns {needs}, or a DataFrame.{did_you_mean_file(path)}"
        )
        raise MissingPairsFileError(msg)
    try:
        rows = read_text_table(path, columns).rows
    except (OSError, PairsError) as error:
        msg = f"The {parameter!r} table of {owner}: {error}"
        raise PairsError(msg) from error
    rows = rows.map(_as_text)
    return _checked(rows, str(path), owner, columns)


def _as_text(cell: Any) -> Any:
    text = "" if pd.isna(cell) else str(cell).strip()
    return text or float("nan")


def _checked(rows: pd.DataFrame, source: str, owner: str, columns: Sequence[str]) -> ImageTable:
    if rows.columns.has_duplicates:
        twice = sorted(set(rows.columns[rows.columns.duplicated()]))
        msg = f"{source} must name each column once. It has more than one {twice[0]!r}."
        raise PairsError(msg)
    if rows.empty:
        msg = f"{owner} needs rows in {source}, with the columns {' and '.join(columns)}. Got none."
        raise PairsError(msg)
    return ImageTable(rows.reset_index(drop=True), source, owner)
