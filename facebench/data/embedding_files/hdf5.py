"""HDF5, as h5py writes it and as MATLAB does (.mat of version 7.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.data.embedding_files.table import (
    Content,
    StoredArray,
    decoded,
    the_name_key,
    vector_per_image,
)
from facebench.data.image_names import is_image_name
from facebench.errors import InputError

__all__ = ["open_hdf5", "read_hdf5", "text_of_codes"]

_CLASS = "MATLAB_class"


def read_hdf5(path: Path, names_key: str | None) -> Content:
    """Read the keys of an HDF5 file; its arrays are read when they are asked for.

    Arrays within groups are layers 'group/array'. Those that MATLAB wrote are turned back to how
    MATLAB shows them. A file may also keep the vector of each image under the image's name.
    """
    with open_hdf5(path) as file:
        found = dict(_datasets(path, file, "", set()))
        if found and names_key is None and all(map(is_image_name, found)):
            return _vector_per_image(path, found)
        texts = [key for key, dataset in found.items() if _is_text(dataset)]
        _refuse_strings(path, found)
        key = the_name_key(path, texts, names_key)
        names = _names(file, found[key])
        arrays, vectors, unused = {}, {}, []
        for name, dataset in found.items():
            is_numbers = dataset.dtype.kind in "iuf" and not _is_text(dataset)
            is_matlab = _CLASS in dataset.attrs
            shape = dataset.shape[::-1] if is_matlab else dataset.shape
            stored = StoredArray(shape, partial(_values, path, name, is_matlab))
            if is_numbers and dataset.ndim > 1:
                arrays[name] = stored
            elif name != key:
                unused.append(name)
                # An empty variable of MATLAB is kept as the shape it has.
                if is_numbers and dataset.ndim == 1 and not is_matlab:
                    vectors[name] = stored
        return Content(names, arrays, unused, rows_are_images=False, vectors=vectors)


def _vector_per_image(path: Path, found: Mapping[str, Any]) -> Content:
    headers = {name: (dataset.shape, dataset.dtype) for name, dataset in found.items()}

    def rows() -> NDArray[Any]:
        with open_hdf5(path) as file:
            return np.stack([file[name][()] for name in headers])

    return vector_per_image(path, headers, rows)


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file for reading, as h5py does, or say what that needs."""
    try:
        import h5py
    except ImportError as error:
        msg = (
            f"{path} is an HDF5 file (MATLAB writes such .mat files with -v7.3). Reading it needs "
            "h5py: pip install 'facebench[h5]'."
        )
        raise InputError(msg) from error
    return h5py.File(path, "r")


def _datasets(path: Path, group: Any, before: str, met: set[Any]) -> Iterator[tuple[str, Any]]:
    """Go through the arrays of a file itself: links to other files are refused."""
    import h5py

    for key in group:
        link, name = group.get(key, getlink=True), f"{before}{key}"
        if isinstance(link, h5py.ExternalLink):
            msg = (
                f"{path} cannot be used: {name!r} is a link to another file, {link.filename!r}. "
                "Copy the array itself into the file."
            )
            raise InputError(msg)
        if key.startswith("#") or isinstance(link, h5py.SoftLink):
            # What MATLAB keeps to itself; what is under another name too.
            continue
        item = group[key]
        if isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                msg = f"{path} cannot be used: the numbers of {name!r} are in another file."
                raise InputError(msg)
            yield name, item
        elif isinstance(item, h5py.Group) and item.id not in met:
            met.add(item.id)
            yield from _datasets(path, item, f"{name}/", met)


def _is_text(dataset: Any) -> bool:
    import h5py

    kind = dataset.attrs.get(_CLASS)
    if kind is not None:
        return kind in (b"cell", b"char")
    return dataset.ndim > 0 and (
        h5py.check_string_dtype(dataset.dtype) is not None or dataset.dtype.kind == "S"
    )


def _refuse_strings(path: Path, found: dict[str, Any]) -> None:
    strings = [name for name, item in found.items() if item.attrs.get(_CLASS) == b"string"]
    if strings:
        msg = (
            f"{path} holds MATLAB strings under {strings[0]!r}, which only MATLAB can read. Save "
            f"them as a cell array: {strings[0]} = cellstr({strings[0]})."
        )
        raise InputError(msg)


def _names(file: Any, dataset: Any) -> list[str]:
    kind = dataset.attrs.get(_CLASS)
    if kind == b"cell":
        return [_matlab_text(file[reference]) for reference in dataset[()].T.reshape(-1)]
    if kind == b"char":
        rows = np.asarray(dataset[()], dtype=np.uint16).T
        return [text_of_codes(row).rstrip(" ") for row in rows]
    return decoded(np.asarray(dataset[()]))


def _matlab_text(dataset: Any) -> str:
    # An empty text is kept as the shape it has.
    return "" if "MATLAB_empty" in dataset.attrs else text_of_codes(np.asarray(dataset[()]).T)


def text_of_codes(codes: NDArray[Any]) -> str:
    """Turn the UTF-16 codes that MATLAB keeps texts as into text."""
    return codes.astype("<u2").tobytes().decode("utf-16-le")


def _values(path: Path, name: str, is_matlab: bool) -> NDArray[Any]:
    import h5py

    with h5py.File(path, "r") as file:
        values = np.asarray(file[name][()])
    return values.T if is_matlab else values
