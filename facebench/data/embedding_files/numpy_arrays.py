"""NumPy's .npz and .npy, never as pickles."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facebench.columns import DEFAULT_LAYER
from facebench.data.embedding_files.table import (
    Content,
    StoredArray,
    decoded,
    the_name_key,
    vector_per_image,
)
from facebench.data.embedding_files.writing import true_layer
from facebench.data.image_names import is_image_name
from facebench.errors import InputError
from facebench.utils.suggestions import listed

__all__ = ["read_npy", "read_npz", "text_array"]

_SUFFIX = ".npy"


def read_npz(path: Path, names_key: str | None) -> Content:
    """Read the keys of a .npz file; its arrays are read when they are asked for."""
    headers = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(_SUFFIX):
                with archive.open(info) as file:
                    key = info.filename.removesuffix(_SUFFIX)
                    headers[key] = _header(file, info.file_size, path)
    objects = [key for key, (_, dtype) in headers.items() if dtype.hasobject]
    if objects:
        msg = (
            f"{path} holds Python objects under {objects[0]!r}, which are not read, since reading "
            "them runs code. Save names as text, np.array(names, dtype=str), and vectors as one "
            "array of numbers."
        )
        raise InputError(msg)
    if headers and names_key is None and all(is_image_name(key) for key in headers):
        return _vector_per_image(path, headers)
    texts = [key for key, (shape, dtype) in headers.items() if dtype.kind in "US" and shape]
    if not texts and len(headers) > 1 and all(len(shape) == 1 for shape, _ in headers.values()):
        msg = (
            f"{path} has vectors under {listed(headers)} and no text. If each is that of an image, "
            'call it by the image\'s file name with its suffix, "ann/1.jpg".'
        )
        raise InputError(msg)
    key = the_name_key(path, texts, names_key)
    arrays, vectors, unused = {}, {}, []
    for name, (shape, dtype) in headers.items():
        stored = StoredArray(shape, partial(_member, path, name))
        if dtype.kind in "iuf" and len(shape) > 1:
            arrays[true_layer(name, ".npz")] = stored
        elif name != key:
            unused.append(name)
            if dtype.kind in "iuf" and len(shape) == 1:
                vectors[name] = stored
    return Content(decoded(_member(path, key)), arrays, unused, vectors=vectors)


def _vector_per_image(
    path: Path, headers: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
) -> Content:
    """Read a file that keeps the vector of each image under the image's name."""

    def rows() -> NDArray[Any]:
        with np.load(path, allow_pickle=False) as archive:
            return np.stack([archive[name] for name in headers])

    return vector_per_image(path, headers, rows)


def read_npy(path: Path, names: list[str]) -> Content:
    """Read a .npy file, the vectors of images that another file names."""
    with path.open("rb") as file:
        shape, dtype = _header(file, path.stat().st_size, path)
    if dtype.kind not in "iuf" or len(shape) < 2:
        msg = (
            f"{path} must hold numbers [images, features]. It holds {dtype} of shape {list(shape)}."
        )
        raise InputError(msg)
    return Content(
        names, {DEFAULT_LAYER: StoredArray(shape, lambda: np.load(path, allow_pickle=False))}
    )


def text_array(path: Path) -> list[str]:
    """Read the names of a .npy file of text."""
    with path.open("rb") as file:
        _, dtype = _header(file, path.stat().st_size, path)
    if dtype.kind not in "US":
        msg = f"{path} must hold image names, as text. It holds {dtype}."
        raise InputError(msg)
    return decoded(np.load(path, allow_pickle=False))


def _member(path: Path, key: str) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as archive:
        values: NDArray[Any] = archive[key]
        return values


def _header(file: BinaryIO | Any, size: int, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read what an array is, and refuse one whose numbers are not all there."""
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    if not dtype.hasobject and file.tell() + math.prod(shape) * dtype.itemsize != size:
        msg = f"{path} is cut short: an array of shape {list(shape)} is not all there."
        raise InputError(msg)
    return shape, dtype
