"""The rows as bytes: their types, and the checksum that binds each to its image and layer."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from facebench.errors import StoreError
from facebench.types import FloatArray

__all__ = ["StoreDtype", "checksums_of", "decoded", "encoded"]

StoreDtype = Literal["float32", "float16"]
_ON_DISK = {"float32": "<f4", "float16": "<f2"}


def encoded(rows: FloatArray, dtype: str, where: str) -> NDArray[np.uint8]:
    """Turn rows [N, D] into their bytes [N, D * itemsize].

    Raises
    ------
    StoreError
        If a finite value does not fit into float16.
    """
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(rows, dtype=_ON_DISK[dtype])
    if dtype == "float16" and not np.array_equal(np.isinf(stored), np.isinf(rows)):
        msg = (
            f"{where} has values beyond 65,504, the largest of float16 (found "
            f"{np.abs(rows).max():.6g}). Keep the store in float32."
        )
        raise StoreError(msg)
    return stored.view(np.uint8)


def decoded(data: NDArray[np.uint8], dtype: str) -> NDArray[np.float32]:
    """Turn the bytes of rows back into float32 rows."""
    return data.view(_ON_DISK[dtype]).astype(np.float32, copy=False)


def checksums_of(
    data: NDArray[np.uint8], images: NDArray[np.uint64], layer_key: str
) -> NDArray[np.uint64]:
    """Compute every row's checksum: XXH3 of its bytes, mixed with its image and its layer.

    So a row is not only whole where its checksum fits: it is the row that was asked for.
    """
    size, row_bytes = data.size, data.shape[1]
    rows = map(slice, range(0, size, row_bytes), range(row_bytes, size + 1, row_bytes))
    views = map(data.reshape(-1).data.__getitem__, rows)
    plain = np.array(list(map(xxhash.xxh3_64_intdigest, views)), dtype=np.uint64)
    layer = hashlib.blake2b(layer_key.encode(), digest_size=8).digest()
    mixed: NDArray[np.uint64] = plain ^ images[:, 0] ^ np.frombuffer(layer, dtype="<u8")[0]
    return mixed
