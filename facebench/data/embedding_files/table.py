"""What every file of embeddings comes to: names, and arrays that are checked as they are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import DEFAULT_LAYER
from facebench.errors import InputError
from facebench.types import FloatArray
from facebench.utils.suggestions import first_line, listed

__all__ = [
    "NAME_KEYS",
    "Content",
    "EmbeddingFile",
    "ImagesIn",
    "StoredArray",
    "decoded",
    "readable",
    "the_name_key",
    "vector_per_image",
]

ImagesIn = Literal["rows", "columns"]
# What image names are kept under, if nothing else is said; the first is what facebench writes.
NAME_KEYS = (
    *("images", "image", "names", "name", "image_names", "image_name", "filenames", "filename"),
    *("files", "file", "paths", "path", "img"),
)
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class StoredArray:
    """An array of a file, not read yet.

    Attributes
    ----------
    shape : tuple of int
        As it is stored.
    read : callable
        Reads it.
    """

    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class Content:
    """What a format's reader found.

    Attributes
    ----------
    names : list of str
        The image of every vector.
    arrays : mapping of str to StoredArray
        Numeric arrays of two or more dimensions, in the file's order.
    unused : sequence of str
        What else is there, as text for a message.
    rows_are_images : bool
        Whether the format itself says so; MATLAB and HDF5 leave it to whoever writes.
    vectors : mapping of str to StoredArray
        Of what is unused, numbers of one dimension: no embeddings, but perhaps RDMs.
    """

    names: list[str]
    arrays: Mapping[str, StoredArray]
    unused: Sequence[str] = ()
    rows_are_images: bool = True
    vectors: Mapping[str, StoredArray] = field(default_factory=dict)


class EmbeddingFile:
    """A file of embeddings whose layers are read one by one.

    Parameters
    ----------
    path : Path
        The file.
    content : Content
        What is in it.
    images_in : {'rows', 'columns'}, optional
        What the images are of each array. None: rows, where the array leaves no doubt.

    Attributes
    ----------
    path : Path
        The file.
    names : list of str
        The image of every row.
    layers : list of str
        In the file's order.
    unused : sequence of str
        What else is in the file.
    """

    def __init__(self, path: Path, content: Content, images_in: ImagesIn | None) -> None:
        self.path = path
        self.names = content.names
        self.layers = list(content.arrays)
        self.unused = content.unused
        self._content = content
        self._images_in = images_in
        empty = next((row for row, name in enumerate(self.names) if not name.strip()), None)
        if empty is not None:
            msg = f"{path} has no image name for vector {empty + 1} of {len(self.names)}."
            raise InputError(msg)
        if not self.names or not self.layers:
            what = "no image names" if self.layers else "no array of vectors"
            others = f" It has {listed(self.unused)}." if self.unused else ""
            msg = (
                f"{path} holds {what}. It must hold image names, and numbers [images, features] "
                f"for each layer.{others}"
            )
            raise InputError(msg)

    @override
    def __repr__(self) -> str:
        return f"EmbeddingFile({str(self.path)!r}, {len(self.names)} images, {self.layers})"

    def width(self, layer: str) -> int:
        """Say how many values the vectors of a layer have; raises as `read` does."""
        shape = self._content.arrays[layer].shape
        return shape[0] if self._in_columns(layer, shape) else math.prod(shape[1:])

    def read(self, layer: str) -> FloatArray:
        """Read a layer's vectors.

        Returns
        -------
        array, shape [N, D]
            float32, a row per name; NaN where the file has NaN.

        Raises
        ------
        InputError
            If it has not one vector of finite numbers (or NaN) per name.
        """
        stored = self._content.arrays[layer]
        in_columns = self._in_columns(layer, stored.shape)
        with readable(self.path, f"its layer {layer!r}"), np.errstate(over="ignore"):
            values = stored.read()
            values = values.T if in_columns else values.reshape(len(self.names), -1)
            rows: FloatArray = np.ascontiguousarray(values, dtype=np.float32)
        self._check(layer, rows)
        return rows

    def _in_columns(self, layer: str, shape: tuple[int, ...]) -> bool:
        n_names, is_matrix = len(self.names), len(shape) == 2
        rows, columns = shape[0] == n_names, is_matrix and shape[1] == n_names
        where = f"Layer {layer!r} of {self.path}, {' x '.join(map(str, shape))},"
        if not all(shape) or not (rows or columns):
            msg = (
                f"{where} has no vector for each of the {n_names} images that the file names. "
                "Write an array [images, features], or name the layers to be read."
            )
            raise InputError(msg)
        wanted = self._images_in
        if wanted is None and rows and columns and not self._content.rows_are_images:
            msg = (
                f"{where} may hold an image in each row or in each column. Say which: "
                "images_in='rows' or images_in='columns'."
            )
            raise InputError(msg)
        if not (columns if wanted == "columns" else rows):
            has = "rows" if wanted == "columns" else "columns"
            msg = (
                f"{where} has its {n_names} images in {has}. Say images_in='{has}', or transpose "
                "the array."
            )
            raise InputError(msg)
        return wanted == "columns"

    def _check(self, layer: str, rows: FloatArray) -> None:
        infinite = np.flatnonzero(np.isinf(rows).any(axis=1))
        if infinite.size:
            shown = ", ".join(repr(self.names[row]) for row in infinite[:5].tolist())
            msg = (
                f"Layer {layer!r} of {self.path} has infinite numbers, or some beyond "
                f"{_LARGEST:.2g}, for {infinite.size} of {len(rows)} images: {shown}"
                f"{', …' if infinite.size > 5 else ''}. Where there is no vector, write NaN."
            )
            raise InputError(msg)


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Say in a sentence that a file, or a part of it, cannot be read.

    A damaged file may raise anything in the libraries that read it.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        why = first_line(error).rstrip(".")
        msg = f"{path} cannot be read: {what} is damaged or of another kind ({why:.200})."
        raise InputError(msg) from error


def vector_per_image(
    path: Path,
    headers: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
    rows: Callable[[], NDArray[Any]],
) -> Content:
    """Give what a file holds that keeps the vector of each image under the image's name.

    Parameters
    ----------
    path : Path
        The file.
    headers : mapping of str to (shape, dtype)
        Of each vector, by image.
    rows : callable
        Reads all vectors, in the order of `headers`.
    """
    first, (shape, _) = next(iter(headers.items()))
    for name, (other, dtype) in headers.items():
        if dtype.kind not in "iuf" or len(other) != 1 or other != shape:
            msg = (
                f"{path} names images, so that each must have a vector of as many numbers. "
                f"{name!r} is {dtype} of shape {list(other)}; {first!r} has shape {list(shape)}."
            )
            raise InputError(msg)
    return Content(list(headers), {DEFAULT_LAYER: StoredArray((len(headers), *shape), rows)})


def the_name_key(path: Path, texts: Sequence[str], names_key: str | None) -> str:
    """Choose what the image names are kept under.

    Parameters
    ----------
    path : Path
        The file, for messages.
    texts : sequence of str
        The keys that hold text.
    names_key : str or None
        The one to take.

    Raises
    ------
    InputError
        If it is not there, or none or several may be meant.
    """
    there = f"It has {listed(texts)}" if texts else "It has no text at all"
    if names_key is not None:
        if names_key not in texts:
            msg = f"{path} has no image names under {names_key!r}. {there}."
            raise InputError(msg)
        return names_key
    known = [key for key in texts if key.casefold() in NAME_KEYS]
    found = known or list(texts)
    if len(found) != 1:
        msg = (
            f"{path} does not say what holds the image names. {there}: give names_key, or call it "
            f"{NAME_KEYS[0]!r}."
        )
        raise InputError(msg)
    return found[0]


def decoded(texts: NDArray[Any]) -> list[str]:
    """Turn an array of text, or of UTF-8 bytes, into names."""
    cells = texts.reshape(-1).tolist()
    return [cell.decode("utf-8") if isinstance(cell, bytes) else str(cell) for cell in cells]
