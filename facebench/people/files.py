"""Files of trials as tables of text, whichever program wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.data.embedding_files.table import readable
from facebench.data.tables import csv_rows
from facebench.errors import InputError
from facebench.people.cells import FileOfTrials, cell_text, file_of_columns, flattened
from facebench.people.trials import ROW
from facebench.utils.suggestions import did_you_mean_file, first_line

if TYPE_CHECKING:
    from facebench.people.description import TrialsDescription

__all__ = ["SUFFIXES", "find_files", "read_file"]

_TEXT = (".csv", ".tsv", ".txt", ".dat", ".data", ".tab")
_EXCEL = (".xlsx", ".xlsm")
SUFFIXES = (*_TEXT, *_EXCEL, ".parquet", ".json", ".jsonl", ".mat")
_SEPARATORS = {"space": " ", "tab": "\t", "comma": ",", "semicolon": ";"}
# How far down the header is looked for.
_HEADER_WITHIN = 60
_WINDOWS = "cp1252"


def find_files(named: Sequence[str], folder: Path) -> list[Path]:
    """Find the files that a description names: files, folders and globs, in order of their names.

    Parameters
    ----------
    named : sequence of str
        Paths, relative to `folder`.
    folder : Path
        The folder of the description.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If one of them leads to no file of a known format.
    """
    found: list[Path] = []
    for name in named:
        path = folder / Path(name).expanduser()
        if path.is_file():
            files = [path]
        elif path.is_dir():
            files = sorted(p for p in path.iterdir() if _is_table(p))
        else:
            anchor = Path(path.anchor)
            files = sorted(p for p in anchor.glob(str(path.relative_to(anchor))) if p.is_file())
        if not files:
            what = (
                f"holds no file of trials ({', '.join(SUFFIXES)})"
                if path.is_dir()
                else "does not exist"
            )
            msg = f"{path} {what}. `trials` names files, folders or globs.{did_you_mean_file(path)}"
            raise InputError(msg)
        found += files
    return list(dict.fromkeys(found))


def _is_table(path: Path) -> bool:
    return (
        path.is_file()
        and path.suffix.lower() in SUFFIXES
        # Excel's locks and files that systems hide.
        and not path.name.startswith((".", "~$"))
    )


def read_file(path: Path, description: TrialsDescription, wanted: Iterable[str]) -> FileOfTrials:
    """Read one file as text.

    Parameters
    ----------
    path : Path
        The file; its suffix says the format.
    description : TrialsDescription
        How it is laid out.
    wanted : iterable of str
        Names of columns that it should have: the header is the first row that has them all.

    Returns
    -------
    FileOfTrials

    Raises
    ------
    InputError
        If it cannot be read.
    """
    suffix = path.suffix.lower()
    names = [name for name in wanted if not name.isdecimal()]
    if suffix not in SUFFIXES:
        msg = f"{path} is not in a format that trials can be read from: {', '.join(SUFFIXES)}."
        raise InputError(msg)
    with readable(path, f"the {suffix} file"):
        if suffix == ".parquet":
            return _of_parquet(path)
        if suffix in (".json", ".jsonl"):
            return _of_json(path)
        if suffix == ".mat":
            from facebench.people.matlab import read_matlab

            return read_matlab(path, description)
        rows = _excel_rows if suffix in _EXCEL else _text_rows
        return _of_rows(path, *rows(path, description, names), description.header)


_Rows = Sequence[tuple[int, list[str]]]


def _text_rows(
    path: Path, description: TrialsDescription, wanted: list[str]
) -> tuple[_Rows, tuple[str, ...]]:
    separator = _SEPARATORS.get(description.separator or "", description.separator)
    encoding = _encoding(path)
    notes: tuple[str, ...] = ()
    if encoding == _WINDOWS:
        notes = (f"{path.name} is not UTF-8; it was read as Windows-1252.",)
    lines = path.read_text(encoding=encoding).splitlines()
    skipped = description.skip_lines
    if skipped >= len(lines) > 0:
        msg = f"{path} has {len(lines)} lines, but `skip_lines` is {skipped}."
        raise InputError(msg)
    if separator == " ":
        rows = [(n, line.split()) for n, line in enumerate(lines, 1) if line.strip()]
        return [row for row in rows if row[0] > skipped], notes
    if description.header and not skipped and wanted:
        header = _header_line(lines, wanted, separator)
        if header is not None and header[0] > 0:
            skipped, separator = header
            notes = (*notes, f"{path.name}: the header was found in line {skipped + 1}.")
    if skipped and separator is None:
        separator = _commonest(lines[skipped])
    rows_read = (
        csv_rows(path, wanted, encoding=encoding)
        if separator is None
        else csv_rows(path, separator=separator, lines_before_header=skipped, encoding=encoding)
    )
    return [(row.line, row.cells) for row in rows_read], notes


def _encoding(path: Path) -> str:
    """Tell how a text is encoded: UTF-16 has a mark (E-Prime), what is not UTF-8 is Excel's."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Bytes that text never has.
        if b"\0" in content:
            msg = f"{path} is not a text file ({error.reason})."
            raise InputError(msg) from error
        return _WINDOWS
    return "utf-8-sig"


def _commonest(line: str) -> str:
    return max((",", "\t", ";"), key=line.count)


def _header_line(
    lines: Sequence[str], wanted: Sequence[str], separator: str | None
) -> tuple[int, str] | None:
    """Find the first line that names all wanted columns, and what separates its cells."""
    for number, line in enumerate(lines[:_HEADER_WITHIN]):
        for sign in (",", "\t", ";") if separator is None else (separator,):
            if {cell.strip().strip('"') for cell in line.split(sign)}.issuperset(wanted):
                return number, sign
    return None


def _excel_rows(
    path: Path, description: TrialsDescription, wanted: list[str]
) -> tuple[_Rows, tuple[str, ...]]:
    try:
        import openpyxl
    except ImportError as error:
        msg = f"{path} is an Excel file. Reading it needs openpyxl: pip install 'facebench[excel]'."
        raise InputError(msg) from error
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        if description.sheet is not None and description.sheet not in book.sheetnames:
            listed = ", ".join(map(repr, book.sheetnames))
            msg = f"{path} has no sheet {description.sheet!r}. Its sheets are {listed}."
            raise InputError(msg)
        sheet = book[description.sheet or book.sheetnames[0]]
        rows = [
            (number, [cell_text(cell) for cell in cells])
            for number, cells in enumerate(sheet.iter_rows(values_only=True), 1)
        ]
    finally:
        book.close()
    rows = [row for row in rows if any(row[1])]
    skipped = description.skip_lines
    notes: tuple[str, ...] = ()
    if description.header and not skipped and wanted:
        skipped = next(
            (n for n, (_, cells) in enumerate(rows[:_HEADER_WITHIN]) if set(wanted) <= {*cells}), 0
        )
        if skipped:
            notes = (f"{path.name}: the header was found in row {rows[skipped][0]}.",)
    return rows[skipped:], notes


def _of_rows(path: Path, rows: _Rows, notes: tuple[str, ...], has_header: bool) -> FileOfTrials:
    import pandas as pd

    if not rows:
        return FileOfTrials(path, pd.DataFrame({ROW: []}), notes=notes)
    if has_header:
        names, body = rows[0][1], rows[1:]
        body, skipped = _without_qualtrics(body)
        if skipped:
            notes = (*notes, f"{path.name}: {skipped} rows of Qualtrics' header were skipped.")
    else:
        names, body = [str(n + 1) for n in range(max(len(cells) for _, cells in rows))], rows
    width = len(names)
    for line, cells in body:
        if any(cells[width:]):
            msg = (
                f"{path} cannot be read: line {line} has {len(cells)} cells, but the header names "
                f"{width} columns."
            )
            raise InputError(msg)
    columns: dict[str, list[str]] = {}
    repeated = set()
    for place, name in enumerate(names):
        if name in columns:
            repeated.add(name)
        elif name:
            columns[name] = [cells[place] if place < len(cells) else "" for _, cells in body]
    table = pd.DataFrame(columns, dtype=str)
    table[ROW] = [line for line, _ in body]
    return FileOfTrials(path, table, frozenset(repeated), notes)


def _without_qualtrics(body: _Rows) -> tuple[_Rows, int]:
    """Leave out the texts and import ids that Qualtrics writes below the names."""
    for count, (_, cells) in enumerate(body[:2], 1):
        if cells and all(cell.startswith('{"ImportId"') for cell in cells if cell) and any(cells):
            return body[count:], count
    return body, 0


def _of_parquet(path: Path) -> FileOfTrials:
    import pandas as pd

    table = pd.read_parquet(path)
    cells = table.astype(object).where(table.notna(), None)
    return file_of_columns(path, {str(name): cells[name].tolist() for name in cells.columns})


def _of_json(path: Path) -> FileOfTrials:
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            content = json.loads(text)
        except json.JSONDecodeError:
            # A document in every line, as JATOS writes the results of several participants.
            content = [json.loads(line) for line in text.splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8."
        raise InputError(msg) from error
    except (json.JSONDecodeError, RecursionError) as error:
        msg = f"{path} is not JSON: {first_line(error)}."
        raise InputError(msg) from error
    records = list(_records(content))
    if not records:
        msg = f"{path} holds no trials: a list of JSON objects, one for each trial, is expected."
        raise InputError(msg)
    names = dict.fromkeys(name for record in records for name in record)
    return file_of_columns(path, {name: [record.get(name) for record in records] for name in names})


def _records(content: Any) -> Iterable[dict[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _records(item)
    elif isinstance(content, dict):
        listed = [key for key in ("trials", "data", "results") if _holds_records(content.get(key))]
        if listed:
            outer = {k: v for k, v in flattened(content).items() if not isinstance(v, list)}
            yield from ({**outer, **record} for record in _records(content[listed[0]]))
        else:
            yield flattened(content)


def _holds_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict | list)
