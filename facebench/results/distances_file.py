"""distances.parquet: every pair and layer of a run, one block per model and task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from facebench.files import atomic_path

__all__ = ["read_block", "write_distances"]

_KEYS = ("model", "layer", "layer_index", "task", "row")
_LAYER_NAME = "layer_name"
# A column of a pairs file may have any name, those of ours too.
_OWN = "file: "


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
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for model, task, frame in blocks:
            order = layers.setdefault(model, {})
            for layer in pd.unique(frame[_LAYER_NAME].astype(str)):
                order.setdefault(layer, len(order))
            if len(frame):
                # One block per model and task: a reader finds it without reading the others.
                writer.write_table(_table(model, task, frame, order, schema), len(frame))


def read_block(path: Path, model: str, task: str) -> pd.DataFrame:
    """Read the distances of one model and task, columns named as in the pairs file.

    Parameters
    ----------
    path : Path
        The file.
    model, task : str
        Which.

    Returns
    -------
    DataFrame
        As the manager keeps it: every pair once per layer, with ``layer_name``; empty columns of
        other tasks left out.
    """
    with pq.ParquetFile(path) as file:
        groups = [
            group for group in range(file.num_row_groups) if _may_hold(file, group, model, task)
        ]
        frame = file.read_row_groups(groups).to_pandas()
    # Files of others may have blocks that are cut in another way.
    frame = frame[(frame["model"] == model) & (frame["task"] == task)].reset_index(drop=True)
    columns: dict[str, pd.Series] = {}
    for column in frame.columns:
        if column == "layer":
            columns[_LAYER_NAME] = frame[column].astype(object)
        elif column not in _KEYS and frame[column].notna().any():
            texts = isinstance(frame[column].dtype, pd.CategoricalDtype)
            values = frame[column].astype(object) if texts else frame[column]
            columns[column.removeprefix(_OWN)] = values
    return pd.DataFrame(columns)


def _may_hold(file: pq.ParquetFile, group: int, model: str, task: str) -> bool:
    """Tell by a block's statistics; a filter of pyarrow's would read columns of names whole."""
    metadata = file.metadata.row_group(group)
    for index in range(metadata.num_columns):
        column = metadata.column(index)
        wanted = {"model": model, "task": task}.get(column.path_in_schema)
        bounds = column.statistics
        if wanted is None or bounds is None or not bounds.has_min_max:
            continue
        if not bounds.min <= wanted <= bounds.max:
            return False
    return True


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
    layers = frame[_LAYER_NAME].astype(str)
    own: dict[str, Any] = {
        "model": np.repeat(model, len(frame)),
        "layer": layers.to_numpy(),
        "layer_index": layers.map(dict(order)).to_numpy(dtype=np.int32),
        "task": np.repeat(task, len(frame)),
        # The row of the pairs file: the same in every layer.
        "row": layers.groupby(layers, sort=False).cumcount().to_numpy(dtype=np.int32),
    }
    given = {_column_name(str(column)): frame[column] for column in frame.columns}
    arrays = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name in own:
            arrays.append(_array(pd.Series(own[name]), kind))
        elif name in given:
            arrays.append(_array(given[name], kind))
        else:
            arrays.append(pa.nulls(len(frame), kind))
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(column: pd.Series, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        texts = column.astype("string")
        return pa.array(texts, pa.string()).dictionary_encode().cast(kind)
    return pa.array(column, kind, from_pandas=True)
