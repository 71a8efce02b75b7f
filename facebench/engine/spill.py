"""Rows that do not fit into memory, in temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from facebench.engine.memory import FLOAT
from facebench.types import FloatArray

__all__ = ["SpilledRows", "Spills"]


class SpilledRows:
    """The rows of one layer in a file, written and read without mapping it.

    Parameters
    ----------
    path : Path
        The file.
    n_rows, width : int
        Its shape.
    """

    def __init__(self, path: Path, n_rows: int, width: int) -> None:
        self.width = width
        self.n_rows = n_rows
        self._path = path
        # Not a memory map: pages of a map would count as this process's memory.
        self._file = path.open("w+b", buffering=0)

    def write(self, row: int, values: torch.Tensor) -> None:
        """Write one row [D]."""
        data = values.contiguous().cpu().numpy().data.cast("B")
        self._file.seek(row * self.width * FLOAT)
        while data:
            data = data[self._file.write(data) :]

    def block(self, rows: list[int], start: int, stop: int) -> torch.Tensor:
        """Read some values of some rows, [R, stop - start]."""
        values = np.empty((len(rows), stop - start), dtype=np.float32)
        for place, row in enumerate(rows):
            self._file.seek((row * self.width + start) * FLOAT)
            self._file.readinto(values[place])
        return torch.from_numpy(values)

    def as_array(self) -> FloatArray:
        """Map all rows, [N, D], into the address space; they are read where they are used."""
        return np.memmap(self._path, np.float32, "r", shape=(self.n_rows, self.width))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Spills:
    """Temporary files for the rows of some layers; use as a context manager.

    Parameters
    ----------
    widths : mapping of str to int
        Layer → values of a row.
    n_rows : int
        Rows of each layer.
    folder : Path, optional
        Where to make the temporary folder; None is the system's own place.
    """

    def __init__(self, widths: Mapping[str, int], n_rows: int, folder: Path | None = None) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="facebench-", dir=folder)
        self.layers = {
            layer: SpilledRows(Path(self._home.name) / f"{number}.f32", n_rows, width)
            for number, (layer, width) in enumerate(widths.items())
        }

    def __enter__(self) -> Spills:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for rows in self.layers.values():
            rows.close()
        self._home.cleanup()
