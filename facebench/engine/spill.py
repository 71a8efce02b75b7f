"""Rows that do not fit into memory, in temporary files."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from facebench.engine.memory import FLOAT
from facebench.types import FloatArray

__all__ = ["SpilledRows", "Spills"]


class SpilledRows:
    """The rows of one layer in a file, written and read without mapping it, by any thread.

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
        # All rows are mapped in the end, also where the last images cannot be read.
        self._file.truncate(n_rows * width * FLOAT)
        # Two groups of pairs read the same layer at once, and a file has one position.
        self._lock = threading.Lock()

    def write(self, row: int, values: torch.Tensor) -> None:
        """Write one row [D]."""
        data = values.contiguous().cpu().numpy().data.cast("B")
        with self._lock:
            self._file.seek(row * self.width * FLOAT)
            while data:
                data = data[self._file.write(data) :]

    def block(self, rows: list[int], start: int, stop: int) -> torch.Tensor:
        """Read some values of some rows, [R, stop - start]."""
        values = np.empty((len(rows), stop - start), dtype=np.float32)
        for place, row in enumerate(rows):
            self._read((row * self.width + start) * FLOAT, values[place].data.cast("B"))
        return torch.from_numpy(values)

    def _read(self, begin: int, target: memoryview) -> None:
        with self._lock:
            self._file.seek(begin)
            while target:
                length = self._file.readinto(target)
                if not length:
                    msg = f"The temporary file {self._path} ends too early; was it truncated?"
                    raise OSError(msg)
                target = target[length:]

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

    def __exit__(self, *_error: object) -> None:
        for rows in self.layers.values():
            rows.close()
        self._home.cleanup()
