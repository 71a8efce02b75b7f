"""Many embeddings in several files, as one long list of rows that is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import xxhash

from facebench.data.embedding_files.opening import open_embeddings, the_file
from facebench.data.embedding_files.table import EmbeddingFile, readable
from facebench.errors import InputError
from facebench.types import FloatArray
from facebench.utils.suggestions import listed

__all__ = ["RowFiles", "RowSource"]

# Bytes of an array that are read at once.
_AT_ONCE = 64 << 20


class RowSource(Protocol):
    """Rows that are read block by block.

    Attributes
    ----------
    n_rows, width : int
        How many there are, of how many values.
    """

    n_rows: int
    width: int

    def blocks(self, first: int, stop: int) -> Iterator[FloatArray]:
        """Give rows `first` to before `stop`, in blocks of float32; NaN where there is none."""

    def name(self, row: int) -> str:
        """Say what a row is, for a person."""

    def images_digest(self) -> str:
        """Identify the images, in any order; empty where they are not named."""


class RowFiles:
    """The rows of a layer in several files of embeddings, one file after the other.

    Of a .npy file, which holds one array, as many rows are read at once as are used; other files
    are in memory one at a time.

    Parameters
    ----------
    files : sequence of Path
        In this order: .npy, or what `open_embeddings` reads.
    layer : str
        The layer in files that name layers.

    Attributes
    ----------
    n_rows, width : int
        How many rows all files have, of how many values.

    Raises
    ------
    InputError
        If a file is damaged or cut short, is there twice, or has another layer or width.
    """

    def __init__(self, files: Sequence[Path], layer: str) -> None:
        self._layer = layer
        self._parts = [_Array(path) if path.suffix == ".npy" else _Named(path, layer)
                       for path in files]  # fmt: skip
        seen: dict[Path, Path] = {}
        for path in files:
            first = seen.setdefault(path.resolve(), path)
            if first is not path:
                msg = f"{path} and {first} are the same file: its rows would count twice."
                raise InputError(msg)
        self.width = self._parts[0].width
        for part in self._parts:
            if part.width != self.width:
                msg = (
                    f"All files must have vectors of the same width. {part.path} has "
                    f"{part.width} values, {self._parts[0].path} has {self.width}."
                )
                raise InputError(msg)
        self._ends = np.cumsum([0, *(part.n_rows for part in self._parts)])
        self.n_rows = int(self._ends[-1])

    def blocks(self, first: int, stop: int) -> Iterator[FloatArray]:
        """Give rows `first` to before `stop`, in blocks of float32.

        Yields
        ------
        array, shape [N, D]

        Raises
        ------
        InputError
            If a row has infinite numbers, or a file changes meanwhile.
        """
        for part, start, end in zip(self._parts, self._ends[:-1], self._ends[1:], strict=True):
            begin, until = max(first, int(start)), min(stop, int(end))
            if begin < until:
                yield from part.blocks(begin - int(start), until - int(start))

    def name(self, row: int) -> str:
        """Give the name of a row in its file, or the file and the row's number there, from 0."""
        number = int(np.searchsorted(self._ends, row, side="right")) - 1
        return self._parts[number].name(row - int(self._ends[number]))

    def images_digest(self) -> str:
        """Identify the images by their names, in any order; empty if some file names none."""
        total = 0
        for part in self._parts:
            if not isinstance(part, _Named):
                return ""
            total += part.sum_of_names()
        return f"{total % 2**64:016x}"


class _Array:
    """A .npy file."""

    def __init__(self, path: Path) -> None:
        self.path = the_file(path, "distractors")
        self.n_rows, self.width = self._open().shape

    def _open(self) -> FloatArray:
        with readable(self.path, "the .npy file"):
            rows: FloatArray = np.load(self.path, mmap_mode="r", allow_pickle=False)
        if rows.ndim != 2 or rows.dtype.kind != "f" or not rows.size:
            msg = (
                f"{self.path} must hold an array [images, features] of floating-point numbers. It "
                f"holds {rows.dtype} of shape {list(rows.shape)}."
            )
            raise InputError(msg)
        return rows

    def blocks(self, first: int, stop: int) -> Iterator[FloatArray]:
        step = max(1, _AT_ONCE // (8 * self.width))
        for start in range(first, stop, step):
            # Mapped anew each time: pages that were read would stay in memory.
            mapped = self._open()
            if mapped.shape != (self.n_rows, self.width):
                msg = f"{self.path} has changed while it was read."
                raise InputError(msg)
            with np.errstate(over="ignore"):
                rows = np.array(
                    mapped[start : min(start + step, stop)], dtype=np.float32, order="C"
                )
            del mapped
            infinite = np.flatnonzero(np.isinf(rows).any(axis=1))
            if infinite.size:
                msg = (
                    f"Row {start + int(infinite[0])} (counted from 0) of {self.path} has infinite "
                    "numbers, or some beyond float32. Where there is no vector, write NaN."
                )
                raise InputError(msg)
            yield rows

    def name(self, row: int) -> str:
        return f"{self.path.name}:{row}"


class _Named:
    """A file of embeddings with names and layers."""

    def __init__(self, path: Path, layer: str) -> None:
        self.path = path
        found = open_embeddings(path)
        if layer not in found.layers:
            msg = f"{path} has no layer {layer!r}. It has {listed(found.layers)}."
            raise InputError(msg)
        self._layer, self._names = layer, found.names
        self.n_rows, self.width = len(found.names), found.width(layer)

    def blocks(self, first: int, stop: int) -> Iterator[FloatArray]:
        found: EmbeddingFile = open_embeddings(self.path)
        if found.names != self._names:
            msg = f"{self.path} has changed while it was read."
            raise InputError(msg)
        yield found.read(self._layer)[first:stop]

    def name(self, row: int) -> str:
        return self._names[row]

    def sum_of_names(self) -> int:
        return sum(xxhash.xxh3_64_intdigest(name.encode()) for name in self._names)
