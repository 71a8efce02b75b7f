"""Tables with a row per image: Parquet and delimited text.

A layer is a column of lists (Parquet), or as many columns as it has features, which are numbered
from 0 or 1: ``fc7_0, fc7_1, …`` or ``v1, v2, …``; columns that are called 0, 1, … are the layer
'default'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facebench.columns import DEFAULT_LAYER
from facebench.data.embedding_files.table import (
    NAME_KEYS,
    Content,
    StoredArray,
    the_name_key,
)
from facebench.data.embedding_files.writing import true_layer
from facebench.data.folder import IMAGE_SUFFIXES
from facebench.data.pairs.table import GAPS, decimal_comma_hint
from facebench.data.tables import as_number, csv_rows
from facebench.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["name_column", "read_names", "read_parquet", "read_text"]

_NUMBERED = re.compile(r"(?P<layer>.*?)[._\-\[ ]?(?P<number>\d+)\]?", re.DOTALL)
# So many numbered columns are a vector with a gap, rather than columns of something else.
_MANY = 8


def read_parquet(path: Path, names_key: str | None) -> Content:
    """Read the columns of a Parquet file; vectors are read when they are asked for."""
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    kinds = {name: schema.field(name).type for name in dict.fromkeys(schema.names)}
    twice = [name for name in kinds if schema.names.count(name) > 1]
    _refuse_twice(path, twice)
    texts = [name for name, kind in kinds.items() if _is_text(kind)]
    key = the_name_key(path, texts, names_key)
    names = _table(path, [key])[key].to_pylist()
    names = ["" if name is None else name for name in names]
    lists = [name for name, kind in kinds.items() if _is_vector(kind)]
    wide = _numbered(path, [name for name, kind in kinds.items() if _is_number(kind)])
    shapes = {name: kinds[name].list_size for name in lists if hasattr(kinds[name], "list_size")}
    arrays = {}
    for name in kinds:
        if name in lists:
            # Of lists that may differ in length, the first tells.
            width = shapes.get(name) or _first_length(path, name)
            read = partial(_read_lists, path, name, names, width)
            arrays[true_layer(name, ".parquet")] = StoredArray((len(names), width), read)
        for layer, columns in wide.items():
            if columns[0] == name:
                arrays[layer] = StoredArray(
                    (len(names), len(columns)), partial(_read_columns, path, columns)
                )
    used = {key, *lists, *(column for columns in wide.values() for column in columns)}
    return Content(names, arrays, [name for name in kinds if name not in used])


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_vector(kind: Any) -> bool:
    import pyarrow as pa

    is_list = (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
    return is_list and _is_number(kind.value_type)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _first_length(path: Path, column: str) -> int:
    lengths = _lengths(_column(path, column))
    return int(next((length for length in lengths if length), 0))


def _table(path: Path, columns: list[str]) -> pa.Table:
    import pyarrow.parquet as pq

    # What `write_embeddings` writes has checksums.
    return pq.read_table(path, columns=columns, page_checksum_verification=True)


def _column(path: Path, column: str) -> pa.Array:
    import pyarrow as pa

    return pa.concat_arrays(_table(path, [column])[column].chunks)


def _lengths(column: pa.Array) -> NDArray[np.int64]:
    """Give the length of every list, 0 of a missing one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_fixed_size_list(column.type):
        lengths = np.full(len(column), column.type.list_size)
        lengths[np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)] = 0
        return lengths
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)


def _read_lists(path: Path, name: str, names: list[str], width: int) -> NDArray[Any]:
    column = _column(path, name)
    lengths = _lengths(column)
    other = np.flatnonzero((lengths != width) & (lengths > 0))
    if other.size:
        msg = (
            f"The vectors of {name!r} in {path} must be of one width. That of "
            f"{names[other[0]]!r} has {lengths[other[0]]} numbers, others have {width}."
        )
        raise InputError(msg)
    # Leaves out the missing lists, but not missing numbers.
    values = column.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    if len(values) == len(lengths):
        return np.asarray(values)
    rows = np.full((len(lengths), width), np.nan)
    rows[lengths > 0] = values
    return rows


def _read_columns(path: Path, columns: list[str]) -> NDArray[Any]:

    table = _table(path, columns)
    return np.stack([table[name].to_numpy() for name in columns], axis=1)


def read_text(path: Path, names_key: str | None) -> Content:
    """Read a table of text, separated by commas, tabs or semicolons."""
    names, rows = _header_and_rows(path)
    wide = _numbered(path, names)
    numbered = {name for columns in wide.values() for name in columns}
    others = [name for name in names if name not in numbered]
    key = name_column(path, others, names_key)
    places = [names.index(name) for columns in wide.values() for name in columns]
    images, vectors = _cells(path, rows, names, names.index(key), places)
    arrays, first = {}, 0
    for layer, columns in wide.items():
        part = vectors[:, first : first + len(columns)]
        arrays[layer] = StoredArray(part.shape, partial(np.asarray, part))
        first += len(columns)
    return Content(images, arrays, [name for name in others if name not in (key, "")])


def read_names(path: Path, names_key: str | None) -> list[str]:
    """Read the names alone of a table of text."""
    names, rows = _header_and_rows(path)
    key = name_column(path, names, names_key)
    return _cells(path, rows, names, names.index(key), [])[0]


def _header_and_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    rows = csv_rows(path)
    header = next(rows, None)
    if header is None:
        msg = f"{path} is empty. It needs a header that names its columns."
        raise InputError(msg)
    names = header.cells
    _refuse_no_header(path, names)
    _refuse_twice(path, [name for name in dict.fromkeys(names) if names.count(name) > 1])
    return names, rows


def name_column(path: Path, names: Sequence[str], names_key: str | None) -> str:
    """Choose the column of a table of text that holds the image names, see `the_name_key`."""
    known = [name for name in names if name.casefold() in NAME_KEYS]
    return the_name_key(path, known if known and names_key is None else names, names_key)


def _cells(
    path: Path, rows: Iterable[tuple[int, list[str]]], names: list[str], at: int, places: list[int]
) -> tuple[list[str], NDArray[np.float64]]:
    """Read every row's name and numbers."""
    images: list[str] = []
    vectors: list[NDArray[np.float64]] = []
    for line, cells in rows:
        if len(cells) != len(names):
            msg = (
                f"{path} cannot be read: expected {len(names)} cells in line {line}, got "
                f"{len(cells)}."
            )
            raise InputError(msg)
        images.append(cells[at])
        numbers = [cells[place] for place in places]
        # NumPy reads 1_0 as 10.
        is_plain = "_" not in "".join(numbers)
        try:
            row = numbers if is_plain else list(map(as_number, numbers))
            vectors.append(np.array(row, dtype=np.float64))
        except ValueError:
            vectors.append(np.array([_number(path, line, cells, names, p) for p in places]))
    width = len(places)
    return images, np.array(vectors, dtype=np.float64).reshape(len(images), width)


def _number(path: Path, line: int, cells: list[str], names: list[str], place: int) -> float:
    cell = cells[place]
    try:
        return float("nan") if cell in GAPS else as_number(cell)
    except ValueError:
        msg = (
            f"{path} must hold numbers in column {names[place]!r}. Line {line} has "
            f"{cell!r:.200}.{decimal_comma_hint(cell)}"
        )
        raise InputError(msg) from None


def _refuse_no_header(path: Path, names: Sequence[str]) -> None:
    """Refuse a first row that is an image and its vector: it would be taken for names."""
    other = next((name for name in names if _is_value(name)), None)
    if other is not None:
        msg = (
            f"{path} needs a header that names its columns. {other!r} in its first line is not a "
            "column name."
        )
        raise InputError(msg)


def _is_value(name: str) -> bool:
    if Path(name).suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        float(name)
    except ValueError:
        return False
    # Columns may be called 0, 1 … or 4_0, 4_1 ….
    return not name.replace("_", "").isdecimal()


def _refuse_twice(path: Path, names: Sequence[str]) -> None:
    if names:
        msg = f"{path} must name each column once. It has more than one {names[0]!r}."
        raise InputError(msg)


def _numbered(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Find the columns that make up vectors: numbered from 0 or 1 without a gap.

    Examples
    --------
    >>> _numbered(Path("x.csv"), ["image", "v2", "v1", "fc_0", "fc_1", "age", "att2"])
    {'v': ['v1', 'v2'], 'fc': ['fc_0', 'fc_1']}
    """
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if found is not None:
            groups.setdefault(found["layer"] or DEFAULT_LAYER, {})[int(found["number"])] = name
    complete = {}
    for layer, columns in groups.items():
        first, last = min(columns), max(columns)
        gap = next((n for n in range(min(first, 1), last) if n not in columns), None)
        if gap is None and len(columns) > 1:
            complete[layer] = [columns[number] for number in sorted(columns)]
        elif len(columns) >= _MANY and 2 * len(columns) > last:
            msg = (
                f"{path} lacks a column of the vectors {layer!r}: {columns[last]!r} is there and "
                f"number {gap} is not. They are numbered from 0 or 1 without gaps."
            )
            raise InputError(msg)
    return complete
