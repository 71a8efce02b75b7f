"""Lines of the field's plain text lists, numbered as people count."""

from __future__ import annotations

import io
from typing import NamedTuple

from facebench.data.tables import as_path
from facebench.errors import MissingPairsFileError, PairsError
from facebench.types import StrPath

__all__ = ["Line", "lines_of", "whole_number"]

# No list counts further, and Python refuses to read numbers of thousands of digits.
_MOST_DIGITS = 18


class Line(NamedTuple):
    """A line that is not empty: its number in the file, from 1, and its cells."""

    number: int
    cells: list[str]


def lines_of(path: StrPath, separator: str | None = None) -> list[Line]:
    """Read the lines of a list that are not empty, cut into cells.

    Parameters
    ----------
    path : str or Path
        A UTF-8 text file.
    separator : str, optional
        What parts the cells. None: tabs where the line has one, else any spaces.

    Raises
    ------
    MissingPairsFileError
        If the file does not exist.
    PairsError
        If it is not UTF-8 text, or empty.
    """
    file_path = as_path(path, "path")
    try:
        text = file_path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"The list {file_path} is not UTF-8 text ({error.reason})."
        raise PairsError(msg) from error
    except OSError as error:
        msg = f"The list {file_path} cannot be read: {error.strerror or error}."
        raise MissingPairsFileError(msg) from error
    lines = []
    # Not splitlines, which also parts names at characters that end no line in an editor.
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            parting = separator or ("\t" if "\t" in line.strip() else None)
            lines.append(Line(number, [cell.strip() for cell in line.strip().split(parting)]))
    if not lines:
        msg = f"The list {file_path} is empty."
        raise PairsError(msg)
    return lines


def whole_number(cell: str) -> int | None:
    """Read a whole number from 0 in plain digits; None if it is none.

    Examples
    --------
    >>> whole_number("0012"), whole_number("-1"), whole_number("1.0")
    (12, None, None)
    """
    plain = cell.isascii() and cell.isdigit() and len(cell) <= _MOST_DIGITS
    return int(cell) if plain else None
