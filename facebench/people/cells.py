"""What is read of a file of trials: named columns of text, whatever the file's cells were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from facebench.people.trials import ROW

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FileOfTrials", "cell_text", "file_of_columns", "flattened", "is_number"]


class FileOfTrials(NamedTuple):
    """What a file holds, every cell as text.

    Attributes
    ----------
    path : Path
        The file.
    table : DataFrame
        Its columns by name, '' for empty cells, and `ROW`: the line or row, counted from 1.
    repeated : frozenset of str
        Names that several columns have, of which the first is kept.
    notes : tuple of str
        What was assumed on reading.
    names : tuple of str
        Names of images that numbers refer to, where the file holds such a list.
    """

    path: Path
    table: pd.DataFrame
    repeated: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def cell_text(value: Any) -> str:
    """Write any value of a file as the text that a CSV file would have.

    Examples
    --------
    >>> cell_text(3.0), cell_text(None), cell_text(True), cell_text([1, "a"])
    ('3', '', 'true', '[1, "a"]')
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def file_of_columns(path: Path, columns: Mapping[str, Iterable[Any]]) -> FileOfTrials:
    """Write the cells of columns as text; their rows are counted from 1."""
    import pandas as pd

    texts = {name: [cell_text(cell) for cell in cells] for name, cells in columns.items()}
    table = pd.DataFrame(texts, dtype=str)
    table[ROW] = range(1, len(table) + 1)
    return FileOfTrials(path, table)


def flattened(record: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Write the objects (or structs) within one as columns 'outer.inner'."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            found |= flattened(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def is_number(text: str) -> bool:
    """Tell whether Python reads a text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
