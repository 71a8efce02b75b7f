"""How messages name a row of a table: by its number, and by its line in the file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.packs import is_pack
from facebench.data.pairs.lfw import has_first_line, looks_like_lfw
from facebench.data.pairs.text import lines_of
from facebench.data.tables import csv_rows, is_parquet
from facebench.errors import PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cells_as_written", "file_of", "is_lfw_list", "remember_file", "row_name", "row_numbers"]

_FILE = "_facebench_file"


def row_name(position: int, path: StrPath | None = None) -> str:
    """Name a row as people count: data rows from 1, and its line in the file.

    Parameters
    ----------
    position : int
        The row, from 0.
    path : str or Path, optional
        The file the table was read from, for the true line: blank lines and line breaks in cells
        count. Without it, the line of a plain table. Parquet has no lines.

    Returns
    -------
    str

    Examples
    --------
    >>> row_name(0)
    'row 1 (line 2)'
    """
    if path is not None and is_parquet(Path(path)):
        return f"row {position + 1}"
    line = None if path is None else _line(position, Path(path))
    return f"row {position + 1} (line {position + 2 if line is None else line})"


def _line(position: int, path: Path) -> int | None:
    try:
        if is_lfw_list(path):
            lines = lines_of(path)
            rows = lines[1:] if has_first_line(lines) else lines
            return rows[position].number
        return next(islice(csv_rows(path, ("img1", "img2")), position + 1, None)).line
    except (OSError, PairsError, IndexError, StopIteration):
        return None


def is_lfw_list(path: Path) -> bool:
    """Tell whether a file is one of LFW's text lists, by its first line that is not empty."""
    if is_pack(path) or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return looks_like_lfw(next((line for line in file if line.strip()), ""))


def cells_as_written(path: StrPath, column: str) -> Iterator[str]:
    """Read the cells of a column of a CSV file; none where there is no such file or column."""
    try:
        rows = csv_rows(Path(path), ("img1", "img2"))
        place = next(rows).cells.index(column)
        for row in rows:
            yield row.cells[place] if place < len(row.cells) else ""
    except (OSError, PairsError, ValueError, StopIteration):
        return


def row_numbers(pairs: pd.DataFrame) -> list[int]:
    """Give the numbers of rows in their file, from 0, also where some rows were left out."""
    index = pairs.index
    if index.dtype.kind == "i" and (index >= 0).all():
        return [int(number) for number in index]
    return list(range(len(pairs)))


def remember_file(pairs: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Let a table know the file it was read from.

    A plain attribute, which pandas does not pass on: it holds for these rows and no selection.
    """
    object.__setattr__(pairs, _FILE, path)
    return pairs


def file_of(pairs: pd.DataFrame) -> Path | None:
    """Tell which file a table was read from, if `remember_file` was told."""
    path: Path | None = vars(pairs).get(_FILE)
    return path
