"""Delimited text files as tables of text, in which every row knows its line."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facebench.errors import InputError, PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TextTable",
    "as_number",
    "as_path",
    "csv_rows",
    "is_parquet",
    "read_text_table",
    "separator_of",
]

_log = logging.getLogger(__name__)
_SEPARATORS = (",", "\t", ";")
_UTF_8 = "utf-8-sig"
# Excel writes the separator in a line of its own above the header.
_DECLARED = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)
_PARQUET = b"PAR1"
_OTHER_FILES = {
    _PARQUET: "a Parquet file",
    b"ARROW1": "a Feather file",
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a spreadsheet or ZIP archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
# What a spreadsheet's cell may hold, and more than a name needs.
_LONGEST_CELL, _LONGEST_NAME = 32_767, 500
# Rows whose cells are sorted into columns in one go.
_ROWS_AT_ONCE = 4096
# Follows the last line of a file: within an open quote it becomes part of the last cell.
_END = "\0end of the table\0"


# What some programs write before or within the first name, and no screen shows.
_UNSEEN = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060"))


class TextTable(NamedTuple):
    """A table as it is written.

    Attributes
    ----------
    rows : DataFrame
        A column per name; every cell is text without surrounding spaces, '' where a row is short.
    separator : str
        What separates cells.
    """

    rows: pd.DataFrame
    separator: str


class _Row(NamedTuple):
    """The line that a row begins in, from 1, and its cells."""

    line: int
    cells: list[str]


def as_path(value: StrPath, parameter: str) -> Path:
    """Turn a parameter into a path, or say that it is none."""
    try:
        return Path(value)
    except TypeError:
        msg = f"The {parameter!r} parameter must be a path. Got a {type(value).__name__} instead."
        raise InputError(msg) from None


def as_number(text: str) -> float:
    """Read a number as tables have it; '1_000' is a name, although Python reads 1000.

    Raises
    ------
    ValueError
        If it is not a number.

    Examples
    --------
    >>> as_number("1e3")
    1000.0
    >>> as_number("1_000")
    Traceback (most recent call last):
    ...
    ValueError: not a number: '1_000'
    """
    if "_" in text:
        msg = f"not a number: {text!r}"
        raise ValueError(msg)
    return float(text)


def is_parquet(path: Path) -> bool:
    """Tell whether a file is there and begins as Parquet does, whatever its name."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def csv_rows(
    path: Path,
    wanted: Collection[str] = (),
    *,
    separator: str | None = None,
    lines_before_header: int = 0,
    encoding: str = _UTF_8,
) -> Iterator[_Row]:
    """Read the rows of a delimited text file, the header first; lines without text are not rows.

    Parameters
    ----------
    path : Path
        A UTF-8 text file.
    wanted : collection of str
        Names of columns: the separator that yields them all is taken, else the commonest one.
    separator : str, optional
        What separates cells, where that is known; then nothing is looked for.
    lines_before_header : int, default 0
        With `separator`, how many lines come before the header.
    encoding : str
        How the file is encoded.

    Yields
    ------
    row : (line, cells)
        The line in which the row begins, and its cells without surrounding spaces.

    Raises
    ------
    PairsError
        If the file is not UTF-8 text, or a cell cannot be read.
    OSError
        If it cannot be opened.
    """
    if separator is not None:
        return _rows(path, _Layout(separator, lines_before_header), encoding)
    return _rows(path, _layout(path, wanted, encoding), encoding)


def separator_of(path: Path, wanted: Collection[str] = ()) -> str:
    """Tell what separates the cells of a delimited text file; see `csv_rows`."""
    return _layout(path, wanted).separator


class _Layout(NamedTuple):
    separator: str
    lines_before_header: int


def _layout(path: Path, wanted: Collection[str], encoding: str = _UTF_8) -> _Layout:
    declared = None
    with path.open(encoding=encoding, newline="") as file:
        try:
            for number, line in enumerate(file):
                if "\0" in line:
                    raise _not_text(path, "it holds NUL bytes")
                if not line.strip():
                    continue
                says = None if declared else _DECLARED.fullmatch(line.rstrip("\r\n"))
                if says is None:
                    return _Layout(declared or _separator(line, wanted), number)
                declared = says[1]
        except UnicodeDecodeError as error:
            raise _not_text(path, error.reason) from error
    return _Layout(",", 0)


def _separator(header: str, wanted: Collection[str]) -> str:
    for separator in _SEPARATORS:
        written = header.translate(_UNSEEN).rstrip("\r\n").split(separator)
        names = {name.strip().strip('"') for name in written}
        if wanted and names.issuperset(wanted):
            return separator
    return max(_SEPARATORS, key=header.count)


def _rows(path: Path, layout: _Layout, encoding: str = _UTF_8) -> Iterator[_Row]:
    with path.open(encoding=encoding, newline="") as file:
        before = layout.lines_before_header
        try:
            for _ in range(before):
                next(file)
            lines = chain(file, [_END])
            reader = csv.reader(lines, delimiter=layout.separator, skipinitialspace=True)
            line = before + 1
            for cells in reader:
                if cells == [_END]:
                    return
                if cells and cells[-1].endswith(_END):
                    msg = f"{path} cannot be read as CSV: a quote of line {line} is never closed."
                    raise PairsError(msg)
                stripped = list(map(str.strip, cells))
                if "\0" in "".join(stripped):
                    raise _not_text(path, f"NUL bytes in line {line}")
                if len(stripped) > 1 or any(stripped):
                    yield _Row(line, stripped)
                line = before + reader.line_num + 1
        except UnicodeDecodeError as error:
            raise _not_text(path, error.reason) from error
        except csv.Error as error:
            msg = f"{path} cannot be read as CSV: {error} in line {line}."
            raise PairsError(msg) from error


def _not_text(path: Path, reason: str) -> PairsError:
    with path.open("rb") as file:
        head = file.read(8)
    what = next((what for start, what in _OTHER_FILES.items() if head.startswith(start)), None)
    if what is not None:
        return PairsError(f"{path} is not UTF-8 text, but {what}. Save it as UTF-8 CSV.")
    return PairsError(f"{path} is not UTF-8 text ({reason}). Save it as UTF-8 CSV.")


def read_text_table(path: Path, wanted: Collection[str] = ()) -> TextTable:
    """Read a table whose first row names its columns.

    Columns without a name are left out where they are empty (spreadsheets and experiment software
    leave them) or number the rows. So are rows without any text at the end.

    Parameters
    ----------
    path : Path
        A UTF-8 text file, separated by commas, tabs or semicolons, or as its first line declares
        (``sep=;``).
    wanted : collection of str
        See `csv_rows`.

    Raises
    ------
    PairsError
        If it is empty or no table: a row that is too long or a column without a name is told with
        its place.
    OSError
        If it cannot be opened.
    """
    import pandas as pd

    layout = _layout(path, wanted)
    rows = _rows(path, layout)
    header = next(rows, None)
    if header is None or not any(header.cells):
        msg = f"{path} is empty. It needs a header that names its columns."
        raise PairsError(msg)
    _refuse_long(path, header.cells, _LONGEST_NAME, "column name")
    names = [name.translate(_UNSEEN).strip() for name in header.cells]
    width = len(names)
    # Names repeat in a table: each is kept once.
    known: dict[str, str] = {}
    columns: list[list[str]] = [[] for _ in names]
    whole = _whole_rows(path, rows, width)
    while block := list(islice(whole, _ROWS_AT_ONCE)):
        for column, cells in zip(columns, zip(*block, strict=True), strict=True):
            column.extend(map(known.setdefault, cells, cells))
    n_rows = len(columns[0])
    while n_rows and not any(column[n_rows - 1] for column in columns):
        n_rows -= 1
    _refuse_long(path, known, _LONGEST_CELL, "cell")
    for column in columns:
        del column[n_rows:]
    kept = [place for place in range(width) if names[place] or not _is_spare(place, columns[place])]
    nameless = [place for place in kept if not names[place]]
    if nameless:
        msg = _nameless(path, nameless, columns)
        raise PairsError(msg)
    table = pd.DataFrame({place: pd.Series(columns[place], dtype=str) for place in kept})
    table.columns = pd.Index([names[place] for place in kept])
    return TextTable(table, layout.separator)


def _whole_rows(path: Path, rows: Iterator[_Row], width: int) -> Iterator[list[str]]:
    """Give every row as many cells as the header has."""
    for line, cells in rows:
        if len(cells) == width:
            yield cells
            continue
        if len(cells) > width and any(cells[width:]):
            msg = (
                f"{path} cannot be read as CSV: expected {width} cells in line {line}, got "
                f"{len(cells)}."
            )
            raise PairsError(msg)
        yield cells[:width] + [""] * (width - len(cells))


def _refuse_long(path: Path, cells: Iterable[str], most: int, what: str) -> None:
    """Refuse texts that come of a quote too few."""
    longest = max(cells, key=len, default="")
    if len(longest) > most:
        msg = (
            f"{path} has a {what} of {len(longest):,} characters, more than {most:,}. It begins "
            f"{longest[:40]!r}. Is a quote missing there?"
        )
        raise PairsError(msg)


def _is_spare(place: int, cells: list[str]) -> bool:
    """Tell whether a column without a name is empty, or numbers the rows as pandas and R do."""
    if not any(cells):
        return True
    return place == 0 and len(set(cells)) == len(cells) and all(map(str.isdecimal, cells))


def _nameless(path: Path, places: list[int], columns: list[list[str]]) -> str:
    several = len(places) > 1
    listed = " and ".join(
        part for part in (", ".join(str(p + 1) for p in places[:-1]), str(places[-1] + 1)) if part
    )
    cells = columns[places[0]]
    row = next(row for row, cell in enumerate(cells) if cell)
    return (
        f"{'Columns' if several else 'Column'} {listed} of {path} {'have' if several else 'has'} "
        f"no name but {'cells' if several else 'a cell'} with text, first {cells[row]!r:.200} in "
        f"row {row + 1}. Name {'them' if several else 'it'} in the header, or delete "
        f"{'them' if several else 'it'}."
    )
