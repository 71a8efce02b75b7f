"""Distances of pairs as parquet: distances.parquet of a run, and tables of one layer.

distances.parquet holds every pair and layer of a run, one block after the other per model, task and
layer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facebench.types import IntArray
from facebench.utils.files import atomic_path

__all__ = ["read_block", "read_blocks", "write_distances", "write_pairs"]

_KEYS = ("model", "layer", "layer_index", "task", "row")
# What tells no more than the order of rows and layers.
_NUMBERS = ("layer_index", "row")
_LAYER_NAME, _COMPUTED = "layer_name", "model_computed_distance"
# A column of a pairs file may have any name, those of ours too.
_OWN = "file: "
# Rows that are written, and read, at once; a block of less is a group of rows of its own.
_MOST_ROWS = 1 << 20


def write_distances(path: Path, distances: Mapping[str, Mapping[str, pd.DataFrame]]) -> None:
    """Write the distances of a run, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    distances : mapping
        ``distances[model][task]``: every pair (or item) once per layer.
    """
    blocks = [
        (model, task, frame)
        for model, by_task in distances.items()
        for task, frame in by_task.items()
    ]
    schema = _schema([frame for _, _, frame in blocks])
    layers: dict[str, dict[str, int]] = {}
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            # A dictionary of numbers that hardly repeat is larger than they are.
            use_dictionary=[name for name in schema.names if name != _COMPUTED],
        ) as writer,
    ):
        for model, task, frame in blocks:
            order = layers.setdefault(model, {})
            for layer in pd.unique(frame[_LAYER_NAME].astype(str)):
                order.setdefault(layer, len(order))
            # A reader finds the block of a model and task without reading the others.
            for part in _parts(frame):
                writer.write_table(_table(model, task, part, order, schema), len(part))


def _parts(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Give all rows at once, or layer by layer where they are many."""
    if len(frame) > _MOST_ROWS:
        for _, rows in frame.groupby(_LAYER_NAME, sort=False):
            yield rows
    elif len(frame):
        yield frame


def write_pairs(path: Path, rows: pd.DataFrame) -> None:
    """Write the pairs (or items) of one layer as parquet, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    rows : DataFrame
        Its columns are those of the file. Texts stay texts; a column of several kinds is written as
        text, as CSV would.
    """
    arrays = {}
    for column in rows.columns:
        array = _array(rows[column], _kind(rows[column]))
        is_coded = pa.types.is_dictionary(array.type)
        arrays[str(column)] = array.dictionary_decode() if is_coded else array
    with atomic_path(path) as temporary:
        pq.write_table(
            pa.table(arrays),
            temporary,
            compression="zstd",
            use_dictionary=[name for name in arrays if name != _COMPUTED],
            row_group_size=_MOST_ROWS,
        )


def read_block(
    path: Path, model: str, task: str, layers: Collection[str] | None = None
) -> pd.DataFrame:
    """Read the distances of one model and task, columns named as in the pairs file.

    Parameters
    ----------
    path : Path
        The file.
    model, task : str
        Which.
    layers : collection of str, optional
        Which layers; None reads all.

    Returns
    -------
    DataFrame
        As the manager keeps it: every pair once per layer, with ``layer_name``; empty columns of
        other tasks left out.
    """
    return read_blocks(path, task, {model: layers})[model]


def read_blocks(
    path: Path, task: str, layers: Mapping[str, Collection[str] | None]
) -> dict[str, pd.DataFrame]:
    """Read the distances of several models of a task, the file opened once.

    Parameters
    ----------
    path : Path
        The file.
    task : str
        Which.
    layers : mapping of str to collection of str or None
        By model, which layers; None reads all.

    Returns
    -------
    dict of str to DataFrame
        By model, see `read_block`.
    """
    found = {}
    with pq.ParquetFile(path) as file:
        # Model by model: several at once may be more than memory holds.
        columns = [name for name in file.schema_arrow.names if name not in _NUMBERS]
        for model, wanted in layers.items():
            own = file.read_row_groups(_groups(file, task, {model: wanted}), columns=columns)
            # Files of others may have blocks that are cut in another way.
            asked: list[tuple[str, Collection[str]]] = [("task", [task]), ("model", [model])]
            asked += [] if wanted is None else [("layer", wanted)]
            masks = [mask for name, names in asked if (mask := _only(own, name, names)) is not None]
            found[model] = _frame(own.filter(reduce(pc.and_, masks)) if masks else own)
    return found


def _only(table: pa.Table, column: str, names: Collection[str]) -> pa.ChunkedArray | None:
    """Tell which rows hold one of some names; None for all. Names are looked at, rows are not."""
    wanted = pa.array(list(names), pa.string())
    chunks = table[column].chunks
    if not pa.types.is_dictionary(table[column].type):
        return pa.chunked_array([pc.is_in(chunk, wanted) for chunk in chunks], pa.bool_())
    asked = [pc.is_in(chunk.dictionary, wanted) for chunk in chunks]
    if all(pc.all(one).as_py() for one in asked) and not table[column].null_count:
        return None
    kept = [one.take(chunk.indices) for one, chunk in zip(asked, chunks, strict=True)]
    return pa.chunked_array(kept, pa.bool_())


def _frame(table: pa.Table) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for column in table.column_names:
        if column != "layer" and column in _KEYS:
            continue
        if column != "layer" and table[column].null_count == len(table):
            continue
        name = _LAYER_NAME if column == "layer" else column.removeprefix(_OWN)
        values = table[column].to_pandas()
        texts = isinstance(values.dtype, pd.CategoricalDtype)
        columns[name] = values.astype(object) if texts else values
    return pd.DataFrame(columns)


def _groups(
    file: pq.ParquetFile, task: str, layers: Mapping[str, Collection[str] | None]
) -> list[int]:
    """Choose blocks by statistics: a filter of pyarrow's would read columns of names whole."""
    wanted: dict[str, Collection[str]] = {"task": [task], "model": layers}
    if None not in layers.values():
        wanted["layer"] = {name for names in layers.values() for name in names or ()}
    places = {name: file.schema_arrow.names.index(name) for name in wanted}

    def may_hold(group: int) -> bool:
        metadata = file.metadata.row_group(group)
        for name, values in wanted.items():
            bounds = metadata.column(places[name]).statistics
            if bounds is None or not bounds.has_min_max:
                continue
            low, high = bounds.min, bounds.max
            if not any(low <= value <= high for value in values):
                return False
        return True

    return [group for group in range(file.num_row_groups) if may_hold(group)]


def _column_name(column: str) -> str:
    return f"{_OWN}{column}" if column in _KEYS or column.startswith(_OWN) else column


def _schema(frames: list[pd.DataFrame]) -> pa.Schema:
    names = pa.dictionary(pa.int32(), pa.string())
    kinds: dict[str, pa.DataType] = {
        "model": names,
        "layer": names,
        "layer_index": pa.int32(),
        "task": names,
        "row": pa.int32(),
    }
    for frame in frames:
        for column in frame.columns:
            if column == _LAYER_NAME:
                continue
            kind = _kind(frame[column])
            known = kinds.setdefault(_column_name(str(column)), kind)
            if known != kind:
                kinds[_column_name(str(column))] = _common(known, kind)
    return pa.schema(list(kinds.items()))


def _kind(column: pd.Series) -> pa.DataType:
    if pd.api.types.is_bool_dtype(column):
        return pa.bool_()
    if pd.api.types.is_integer_dtype(column):
        return pa.int64()
    if pd.api.types.is_float_dtype(column):
        return pa.float64()
    return pa.dictionary(pa.int32(), pa.string())


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Find a type for a column that two tasks have as different ones."""
    numbers = {pa.int64(), pa.float64()}
    if one in numbers and other in numbers:
        return pa.float64()
    return pa.dictionary(pa.int32(), pa.string())


def _table(
    model: str, task: str, frame: pd.DataFrame, order: Mapping[str, int], schema: pa.Schema
) -> pa.Table:
    layers, names = pd.factorize(frame[_LAYER_NAME].astype(str))
    numbers = np.array([order[name] for name in names], dtype=np.int32)
    only = np.zeros(len(frame), dtype=np.intp)
    own: dict[str, Any] = {
        "model": _coded(only, [model]),
        "layer": _coded(layers, names),
        "layer_index": pa.array(numbers[layers]),
        "task": _coded(only, [task]),
        # The row of the pairs file: the same in every layer.
        "row": pa.array(_counted_within(layers)),
    }
    given = {_column_name(str(column)): frame[column] for column in frame.columns}
    arrays = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name in own:
            arrays.append(own[name])
        elif name in given:
            arrays.append(_array(given[name], kind))
        else:
            arrays.append(pa.nulls(len(frame), kind))
    return pa.Table.from_arrays(arrays, schema=schema)


def _counted_within(codes: IntArray) -> NDArray[np.int32]:
    """Count the rows of each code from 0, in their order."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    counted = np.empty(codes.size, dtype=np.int32)
    counted[order] = np.arange(codes.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return counted


def _array(column: pd.Series, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_dictionary(kind):
        return pa.array(column, kind, from_pandas=True)
    if not isinstance(column.dtype, pd.StringDtype):
        # Of values of several kinds, 1 and True are equal but not written alike.
        column = column.astype("string")
    return _coded(*pd.factorize(column))


def _coded(codes: IntArray, names: Any) -> pa.DictionaryArray:
    """Write texts as numbers of names, -1 for none."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string(), from_pandas=True))
