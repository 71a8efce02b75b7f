"""left_out.parquet: the measures of every layer without parts of its pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facebench.metrics.uncertainty.jackknife import JackknifeReplicates
from facebench.types import Float64Array
from facebench.utils.files import atomic_path

__all__ = ["read_replicates", "write_replicates"]

_Layer = tuple[str, str, str]
_NUMBERS = ("values", "dyads", "df", "sides")
_NONE = np.empty(0)
_NAMES = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        *((name, _NAMES) for name in ("task", "model", "layer", "condition", "metric")),
        ("by", _NAMES),
        ("digest", _NAMES),
        ("values", pa.list_(pa.float64())),
        ("dyads", pa.list_(pa.float64())),
        ("df", pa.float64()),
        ("sides", pa.int8()),
    ]
)


def write_replicates(path: Path, found: Mapping[_Layer, JackknifeReplicates]) -> None:
    """Write the file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    found : mapping of (str, str, str) to JackknifeReplicates
        By task, model and layer.
    """
    rows = [
        (
            *layer,
            *key,
            made.by,
            made.digest,
            values,
            made.dyads.get(key, _NONE),
            made.df.get(key),
            made.sides,
        )
        for layer, made in found.items()
        for key, values in made.values.items()
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(_SCHEMA)
    arrays = [
        pa.array(column, pa.string()).dictionary_encode().cast(_NAMES)
        if kind == _NAMES
        else pa.array(column, kind)
        for column, kind in zip(columns, _SCHEMA.types, strict=True)
    ]
    with atomic_path(path) as temporary:
        table = pa.Table.from_arrays(arrays, schema=_SCHEMA)
        pq.write_table(table, temporary, compression="zstd")


def read_replicates(path: Path) -> dict[_Layer, JackknifeReplicates]:
    """Read the file back.

    Parameters
    ----------
    path : Path
        The file; none there is (runs of earlier versions) reads as empty.

    Returns
    -------
    dict of (str, str, str) to JackknifeReplicates
        By task, model and layer.
    """
    if not path.exists():
        return {}
    table = pq.read_table(path)
    texts = [table[name].to_pylist() for name in _SCHEMA.names if name not in _NUMBERS]
    # Older runs do not have the last three.
    parts = [
        _lists(table[name]) if name in table.column_names else [_NONE] * len(table)
        for name in ("values", "dyads")
    ]
    df = table["df"].to_pylist() if "df" in table.column_names else [None] * len(table)
    sides = table["sides"].to_pylist() if "sides" in table.column_names else [2] * len(table)
    found: dict[_Layer, JackknifeReplicates] = {}
    for task, model, layer, condition, metric, by, digest, values, dyads, degrees, n_sides in zip(
        *texts, *parts, df, sides, strict=True
    ):
        made = found.setdefault(
            (task, model, layer), JackknifeReplicates(by, digest, {}, sides=n_sides)
        )
        made.values[condition, metric] = values
        if dyads.size:
            made.dyads[condition, metric] = dyads
        if degrees is not None:
            made.df[condition, metric] = degrees
    return found


def _lists(column: pa.ChunkedArray) -> list[Float64Array]:
    lists = column.combine_chunks()
    numbers = lists.flatten().to_numpy(zero_copy_only=False)
    ends = np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False))
    return np.split(numbers, ends[:-1]) if len(ends) else []
