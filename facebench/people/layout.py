"""The layout of files of trials: columns, parts of cells, columns that become rows, joins."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.errors import InputError
from facebench.people.cells import FileOfTrials, cell_text
from facebench.people.codes import plain_code
from facebench.people.description import ColumnSource
from facebench.people.trials import FILE, ROW
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "column_names",
    "column_of",
    "joined_table",
    "long_from_wide",
    "own_columns",
    "part_of_cell",
    "searched",
]


def column_names(table: pd.DataFrame) -> str:
    """List the columns of a file in a sentence."""
    return listed(map(repr, own_columns(table)))


def own_columns(table: pd.DataFrame) -> list[str]:
    """Name the columns of a file, without those that say where a row is from."""
    return [name for name in map(str, table.columns) if name not in (FILE, ROW)]


def column_of(
    table: pd.DataFrame, name: str, file: FileOfTrials, meaning: str = ""
) -> pd.Series[Any]:
    """Find a column of a file by its name."""
    if name in file.repeated:
        msg = f"{file.path} has several columns {name!r}. Name each differently."
        raise InputError(msg)
    if name in table:
        return table[name]
    there = own_columns(table)
    if file.path.suffix.lower() == ".mat":
        # A field may be named with the struct that it is in, or without.
        alike = [
            column for column in there if name.endswith(f".{column}") or column.endswith(f".{name}")
        ]
        if len(alike) == 1:
            return table[alike[0]]
    what = f" for {meaning!r}" if meaning and meaning != name else ""
    msg = (
        f"{file.path} has no column {name!r}{what}.{did_you_mean(name, there)} It has: "
        f"{column_names(table)}."
    )
    raise InputError(msg)


def _compiled(pattern: str, key: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        msg = f"The pattern {pattern!r} of `{key}` is not a regular expression: {error}."
        raise InputError(msg) from error


def searched(pattern: str, text: str, key: str) -> str | None:
    """Give what a pattern's group finds in a text; None where it finds nothing."""
    found = _compiled(pattern, key).search(text)
    if found is None:
        return None
    return (found[1] if found.re.groups else found[0]) or ""


def part_of_cell(cell: str, source: ColumnSource) -> str:
    """Take a part out of a cell; '' where it does not have it."""
    text = cell
    if source.part is not None and text:
        content: Any = _content(text)
        for key in source.part.split("."):
            if isinstance(content, list) and key.isdecimal() and int(key) < len(content):
                content = content[int(key)]
            else:
                content = content.get(key) if isinstance(content, dict) else None
        text = cell_text(content)
    if source.pattern is not None:
        text = searched(source.pattern, text, "pattern") or ""
    return text


def _content(text: str) -> Any:
    """Read JSON, or Python's way of writing lists (PsychoPy)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def long_from_wide(table: pd.DataFrame, pattern: str, path: Path) -> pd.DataFrame:
    """Turn columns that each hold a trial into rows."""
    import pandas as pd

    compiled = _compiled(pattern, "wide.columns")
    matches = {name: m for name in map(str, table.columns) if (m := compiled.fullmatch(name))}
    if not matches:
        msg = (
            f"{path} has no column that matches {pattern!r} (`wide.columns`). It has: "
            f"{column_names(table)}."
        )
        raise InputError(msg)
    kept = table.drop(columns=list(matches))
    parts: dict[tuple[str, ...], dict[str, str]] = {}
    groups = [name for name in compiled.groupindex if name != "measure"]
    for name, match in matches.items():
        said = match.groupdict(default="")
        key = tuple(said[group] for group in groups) if groups else (name,)
        parts.setdefault(key, {})[said.get("measure", "value")] = name
    named = groups or ["column"]
    long = []
    for key, columns in parts.items():
        rows = kept.copy()
        for name, text in zip(named, key, strict=True):
            rows[name] = text
        for measure, name in columns.items():
            rows[measure] = table[name]
        long.append(rows)
    stacked = pd.concat(long).fillna("")
    # The rows of one row of the file stay together.
    return stacked.sort_values(ROW, kind="stable").reset_index(drop=True)


def joined_table(
    table: pd.DataFrame, other: FileOfTrials, on: Sequence[str], path: Path
) -> pd.DataFrame:
    """Add the columns of a second table."""
    for name in on:
        for columns, file in ((table, path), (other.table, other.path)):
            if name not in columns:
                msg = f"{file} has no column {name!r} to join on. It has: {column_names(columns)}."
                raise InputError(msg)
    right = other.table.drop(columns=ROW)
    keys = list(on)
    right[keys] = right[keys].map(plain_code)
    repeated = right.duplicated(keys)
    if repeated.any():
        key = ", ".join(right.loc[repeated, keys].iloc[0])
        msg = f"{other.path} has several rows for {', '.join(on)} = {key!r}. Keep one of them."
        raise InputError(msg)
    both = [name for name in right.columns if name in table and name not in on]
    if both:
        msg = f"{path} and {other.path} both have a column {both[0]!r}. Rename one of them."
        raise InputError(msg)
    left = table.assign(**{f"\0{name}": table[name].map(plain_code) for name in on})
    right = right.rename(columns={name: f"\0{name}" for name in on})
    merged = left.merge(right, how="left", on=[f"\0{name}" for name in on], indicator="\0found")
    unmatched = merged["\0found"] == "left_only"
    # Rows without a key are instructions or breaks.
    lost = unmatched & (merged[keys] != "").any(axis=1)
    merged[right.columns] = merged[right.columns].astype(object).where(~unmatched, "")
    if lost.any():
        first = merged[lost].iloc[0]
        key = ", ".join(str(first[name]) for name in on)
        msg = (
            f"{path}, row {first[ROW]}: {other.path.name} has no row for {', '.join(on)} = {key!r} "
            f"({int(lost.sum())} such rows)."
        )
        raise InputError(msg)
    return merged.drop(columns=["\0found", *(f"\0{name}" for name in on)])
