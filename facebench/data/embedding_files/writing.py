"""Writing embeddings as .npz or .parquet, in the form that `open_embeddings` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facebench.types import FloatArray
from facebench.utils.files import atomic_path

__all__ = ["true_layer", "write_embeddings"]

# 'images' or 'image' names the rows, and savez calls its own first parameter 'file'.
_TAKEN = {".npz": re.compile(r"(layer_)*(images|file)"), ".parquet": re.compile(r"(layer_)*image")}


def write_embeddings(
    path: Path, names: Sequence[str], layers: Mapping[str, FloatArray], rows: Sequence[int]
) -> None:
    """Write a .npz or .parquet file.

    Parameters
    ----------
    path : Path
        The file; its suffix says which.
    names : sequence of str, length N
        The images.
    layers : mapping of str to array, shape [M, D]
        float32, in the order in which they are to be listed.
    rows : sequence of int, length N
        Which row of the layers is the vector of each image.
    """
    chosen = np.asarray(rows, dtype=np.intp)

    def of_images(table: FloatArray) -> FloatArray:
        # Tables wait on disk where they are too large for memory: no copy without need.
        is_all = len(chosen) == len(table) and bool((chosen == np.arange(len(table))).all())
        return table if is_all else table[chosen]

    with atomic_path(path) as temporary:
        if path.suffix == ".npz":
            arrays = {_key(layer, path.suffix): of_images(table) for layer, table in layers.items()}
            np.savez(temporary, **{"images": np.array(names, dtype=str), **arrays})  # type: ignore[arg-type]
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {"image": pa.array(list(names), pa.string())}
        for layer, table in layers.items():
            flat = pa.array(np.ascontiguousarray(of_images(table)).reshape(-1))
            columns[_key(layer, path.suffix)] = pa.FixedSizeListArray.from_arrays(
                flat, table.shape[1]
            )
        pq.write_table(pa.table(columns), temporary, write_page_checksum=True)


def _key(layer: str, suffix: str) -> str:
    return f"layer_{layer}" if _TAKEN[suffix].fullmatch(layer) else layer


def true_layer(key: str, suffix: str) -> str:
    """Give the layer that `write_embeddings` has kept under a key."""
    plain = key.removeprefix("layer_")
    return plain if plain != key and _TAKEN[suffix].fullmatch(plain) else key
