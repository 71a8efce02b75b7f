"""Reading and checking tables of image pairs, and finding their images."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.errors import InputError, MissingImageError, MissingPairsFileError, PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PAIR_COLUMNS",
    "RESULT_COLUMNS",
    "ImagePaths",
    "as_path",
    "find_image_list",
    "find_images",
    "missing_images",
    "read_pairs",
    "require_column",
    "require_numbers",
    "row_name",
]

PAIR_COLUMNS = ("img1", "img2")
# What the run adds to every row; a pairs file must not use these names itself.
RESULT_COLUMNS = ("layer_name", "model_computed_distance")
_SEPARATORS = (",", "\t", ";")
_SHOWN = 5
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


def _shown(items: Iterable[str], total: int) -> str:
    listed = "; ".join(items)
    return listed + ("; …" if total > _SHOWN else "")


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


def read_pairs(pairs_file_path: StrPath) -> pd.DataFrame:
    """Read a table of image pairs.

    Parameters
    ----------
    pairs_file_path : str or Path
        A CSV file with any extension, separated by commas, tabs or semicolons, UTF-8, whose header
        names at least ``img1`` and ``img2``. Further columns travel with their rows.

    Returns
    -------
    DataFrame
        The rows in file order, numbered from 0. ``img1`` and ``img2`` are text as written
        ('007' stays '007').

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If it is empty, not a table (naming the line), lacks a column, uses a name that results
        need, or has an empty ``img1`` or ``img2`` (naming the rows).
    """
    import pandas as pd

    path = as_path(pairs_file_path, "pairs_file_path")
    if not path.is_file():
        msg = (
            f"The pairs file {path} does not exist (looked in {Path.cwd()}). "
            "Give the path of a CSV file with the columns img1 and img2."
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
        rows = _shown((row_name(position) for position in positions[:_SHOWN]), len(positions))
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


@dataclass(frozen=True)
class ImagePaths:
    """The files behind the pairs of one task.

    Attributes
    ----------
    img1, img2 : list of Path
        Real paths, one per pair row. Two spellings of one file are one path, so that it is
        embedded once.
    """

    img1: list[Path]
    img2: list[Path]


def find_images(pairs: pd.DataFrame, images_path: StrPath, *, task: str) -> ImagePaths:
    """Find every image that a pairs table names.

    Parameters
    ----------
    pairs : DataFrame
        A pairs table.
    images_path : str or Path
        The folder its names are relative to.
    task : str
        The task's name, for messages.

    Returns
    -------
    ImagePaths

    Raises
    ------
    MissingImageError
        If the folder or any image is missing: all are counted, the first five named.
    PairsError
        If a name leads out of the folder ('../', an absolute path, a link).
    """
    n_pairs = len(pairs)
    # Both columns one after the other, so that a name's first row is found in one go.
    names = [name for column in PAIR_COLUMNS for name in pairs[column]]
    found, missing = _find(names, [*range(n_pairs), *range(n_pairs)], images_path, task)
    _refuse_missing(missing, len(found), images_path, task)
    return ImagePaths(
        img1=[found[name] for name in names[:n_pairs]],
        img2=[found[name] for name in names[n_pairs:]],
    )


def find_image_list(names: Sequence[str], images_path: StrPath, *, task: str) -> list[Path]:
    """Find the images of a list, such as those of a gallery.

    Parameters
    ----------
    names : sequence of str
        Names relative to `images_path`.
    images_path, task
        See `find_images`.

    Returns
    -------
    list of Path
        Real paths, one per name.

    Raises
    ------
    MissingImageError, PairsError
        See `find_images`.
    """
    found, missing = _find(names, range(len(names)), images_path, task)
    _refuse_missing(missing, len(found), images_path, task)
    return [found[name] for name in names]


def missing_images(names: Sequence[str], images_path: StrPath, *, task: str) -> list[str]:
    """List the names whose images are not there, each once.

    Parameters are those of `find_image_list`.

    Returns
    -------
    list of str

    Raises
    ------
    MissingImageError
        If the folder itself is missing.
    PairsError
        If a name leads out of the folder.
    """
    _, missing = _find(names, range(len(names)), images_path, task)
    return list(missing)


def _find(
    names: Sequence[str], rows: Sequence[int], images_path: StrPath, task: str
) -> tuple[dict[str, Path], dict[str, int]]:
    """Resolve every different name once: those found, and those missing with their rows."""
    folder = as_path(images_path, "images_path")
    if not folder.is_dir():
        msg = (
            f"The images folder {folder} of task {task!r} does not exist (looked in {Path.cwd()}). "
            "Give the folder that the names of its images are relative to."
        )
        raise MissingImageError(msg)
    # Strings, not Paths: a table may name 100,000 images.
    root = os.path.realpath(folder)
    inside = os.path.join(root, "")  # noqa: PTH118
    first_row: dict[str, int] = {}
    for name, row in zip(names, rows, strict=True):
        first_row[name] = min(row, first_row.get(name, row))
    found: dict[str, Path] = {}
    missing: dict[str, int] = {}
    for name, position in first_row.items():
        try:
            path = os.path.realpath(inside + name)
            exists = os.path.isfile(path)  # noqa: PTH113
        except (OSError, ValueError):
            # A name that no file can have: too long, or with a NUL.
            missing[name] = position
            continue
        if os.path.isabs(name) or not (path + os.sep).startswith(inside):  # noqa: PTH117
            msg = (
                f"Image names of task {task!r} must stay inside {folder}. "
                f"{name!r} in {row_name(position)} leads out of it."
            )
            raise PairsError(msg)
        if exists:
            found[name] = Path(path)
        else:
            missing[name] = position
    return found, missing


def _refuse_missing(missing: dict[str, int], n_found: int, images_path: StrPath, task: str) -> None:
    if not missing:
        return
    in_order = sorted(missing.items(), key=lambda item: item[1])
    named = (f"{name!r} in {row_name(row)}" for name, row in in_order[:_SHOWN])
    msg = (
        f"{len(missing)} of {n_found + len(missing)} images of task {task!r} are missing in "
        f"{Path(images_path)}: {_shown(named, len(missing))}. Names are relative to images_path."
    )
    raise MissingImageError(msg)
