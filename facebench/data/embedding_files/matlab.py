"""MATLAB's .mat files: version 5 by SciPy, version 7.3 as the HDF5 that it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.data.embedding_files.hdf5 import read_hdf5
from facebench.data.embedding_files.table import Content, StoredArray, the_name_key
from facebench.errors import InputError
from facebench.utils.matlab import refuse_crashing_matlab

__all__ = ["is_version_7_3", "matlab_names", "read_mat"]

_NUMBERS = frozenset(
    {
        *("double", "single", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64"),
    }
)
_HEADER_7_3 = b"MATLAB 7.3 MAT-file"


def read_mat(path: Path, names_key: str | None) -> Content:
    """Read the variables of a .mat file; arrays are read when they are asked for."""
    if is_version_7_3(path):
        return read_hdf5(path, names_key)
    import scipy.io

    refuse_crashing_matlab(path)
    variables = scipy.io.whosmat(path)
    kinds = {name: kind for name, _, kind in variables}
    if "opaque" in kinds.values() or "unknown" in kinds.values():
        msg = (
            f"{path} holds a MATLAB object, such as strings or a table, which only MATLAB can "
            "read. Save names as a cell array, names = cellstr(names), and vectors as a matrix."
        )
        raise InputError(msg)
    texts = [name for name, kind in kinds.items() if kind in ("cell", "char")]
    structs = [name for name, kind in kinds.items() if kind == "struct"]
    if not texts and structs:
        msg = (
            f"{path} holds a struct, {structs[0]!r}, and no names beside it. Save what is in it as "
            f"variables of their own: save('vectors.mat', '-struct', '{structs[0]}')."
        )
        raise InputError(msg)
    key = the_name_key(path, texts, names_key)
    arrays, unused = {}, []
    for name, shape, kind in variables:
        if kind in _NUMBERS and min(shape, default=0) > 0 and max(shape) > 1:
            arrays[name] = StoredArray(tuple(shape), partial(_variable, path, name))
        elif name != key:
            unused.append(name)
    return Content(
        matlab_names(path, key, _variable(path, key)), arrays, unused, rows_are_images=False
    )


def is_version_7_3(path: Path) -> bool:
    """Tell whether a .mat file is the HDF5 that MATLAB writes with -v7.3."""
    with path.open("rb") as file:
        return file.read(len(_HEADER_7_3)) == _HEADER_7_3


def _variable(path: Path, name: str) -> NDArray[Any]:
    import scipy.io

    values: NDArray[Any] = scipy.io.loadmat(path, variable_names=[name])[name]
    if np.iscomplexobj(values):
        msg = f"{path} holds complex numbers under {name!r}. Vectors must be real."
        raise InputError(msg)
    return values


def matlab_names(path: Path, key: str, cells: NDArray[Any]) -> list[str]:
    """Turn a cell array or char matrix into names.

    Parameters
    ----------
    path, key
        The file and the variable, for messages.
    cells : array
        As SciPy reads it.
    """
    if cells.dtype != object:
        return [str(text).rstrip(" ") for text in cells.reshape(-1)]
    names = []
    for number, cell in enumerate(cells.reshape(-1, order="F")):
        text = np.asarray(cell)
        if text.dtype.kind != "U" or text.size > 1:
            msg = f"{path} must hold a name in every cell of {key!r}. Cell {number + 1} has none."
            raise InputError(msg)
        names.append(str(text.reshape(-1)[0]) if text.size else "")
    return names
