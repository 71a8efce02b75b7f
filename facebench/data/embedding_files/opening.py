"""One door for every kind of file of embeddings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from facebench.data.embedding_files.columns import read_names, read_parquet, read_text
from facebench.data.embedding_files.hdf5 import read_hdf5
from facebench.data.embedding_files.matlab import read_mat
from facebench.data.embedding_files.numpy_arrays import read_npy, read_npz, text_array
from facebench.data.embedding_files.table import EmbeddingFile, ImagesIn, readable
from facebench.data.tables import as_path
from facebench.errors import InputError
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean_file

__all__ = ["CRASHING", "open_embeddings", "the_file", "try_elsewhere"]

# Formats whose readers in C trust what they read, and how long to wait for their names.
CRASHING = (".h5", ".hdf5", ".mat")
_SECONDS, _SECONDS_PER_BYTE = 30, 1e-6
_READERS = {
    ".csv": read_text,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".mat": read_mat,
    ".npz": read_npz,
    ".parquet": read_parquet,
    ".tsv": read_text,
}


def open_embeddings(
    file: StrPath,
    names: StrPath | None = None,
    *,
    names_key: str | None = None,
    images_in: ImagesIn | None = None,
) -> EmbeddingFile:
    """Open a file of embeddings.

    Parameters
    ----------
    file : str or Path
        An .npz, .npy, .parquet, .csv, .tsv, .h5, .hdf5 or .mat file. But for .npy, which holds one
        array, it has the images' names under 'images', 'image', 'names', 'filename' or the like,
        and an array [images, features] of numbers for each layer.
    names : str or Path, optional
        For .npy: the images' names, in a text file with one on each line, in a column of a .csv or
        .tsv table, or as .npy of text.
    names_key : str, optional
        The key, variable or column of the names, if it is called otherwise.
    images_in : {'rows', 'columns'}, optional
        What the images are of each array. None: rows. It must be said of a square array of HDF5 or
        MATLAB.

    Raises
    ------
    InputError
        If it cannot be read, in a sentence. Pickles and links to other files are not followed.
    """
    path = the_file(file, "file")
    suffix = path.suffix.lower()
    if images_in not in (None, "rows", "columns"):
        msg = f"The 'images_in' parameter must be 'rows' or 'columns'. Got {images_in!r} instead."
        raise InputError(msg)
    if (suffix == ".npy") != (names is not None):
        msg = (
            f"{path} holds one array and no names. Give 'names', a text file with the name of an "
            "image on each line."
            if names is None
            else f"{path} holds the images' names itself. 'names' goes with .npy files: leave it "
            "out, or say under which key the names are (names_key)."
        )
        raise InputError(msg)
    if suffix not in (*_READERS, ".npy"):
        known = ", ".join(sorted([*_READERS, ".npy"]))
        msg = f"The 'file' parameter must be one of {known}. Got {path} instead."
        raise InputError(msg)
    with readable(path, f"the {suffix} file"):
        if suffix in CRASHING:
            try_elsewhere(path, _READERS[suffix], names_key)
        if names is None:
            content = _READERS[suffix](path, names_key)
        else:
            content = read_npy(path, _listed_names(the_file(names, "names"), names_key))
    return EmbeddingFile(path, content, images_in)


def try_elsewhere(path: Path, reader: Callable[..., object], names_key: str | None) -> None:
    """Read a file in another process first: damage can crash or hang the libraries behind it.

    Parameters
    ----------
    path : Path
        The file.
    reader : callable
        A function of a module, of the file and `names_key`.
    names_key : str or None
        Where the names are.

    Raises
    ------
    InputError
        If the reader crashes or takes too long; what it raises is for the caller to meet.
    """
    code = (
        "import sys; from pathlib import Path; "
        f"from {reader.__module__} import {reader.__name__} as read; "
        "read(Path(sys.argv[1]), sys.argv[2] or None)"
    )
    seconds = _SECONDS + path.stat().st_size * _SECONDS_PER_BYTE
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), names_key or ""],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        msg = f"{path} cannot be read: it is damaged (reading its names took over {seconds:.0f} s)."
        raise InputError(msg) from None
    # What it raised, if anything, is said here in full.
    if done.returncode < 0:
        msg = f"{path} cannot be read: it is damaged (its reader crashed)."
        raise InputError(msg)


def the_file(path: StrPath, parameter: str) -> Path:
    """Take a path to a regular file, or say that it is none."""
    file = as_path(path, parameter)
    if not file.exists():
        msg = (
            f"The {parameter!r} {file} does not exist (looked in {Path.cwd()})."
            f"{did_you_mean_file(file)}"
        )
        raise InputError(msg)
    if not file.is_file():
        # A pipe would be waited for without end.
        msg = f"The {parameter!r} {file} is not a file."
        raise InputError(msg)
    return file


def _listed_names(path: Path, names_key: str | None) -> list[str]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return text_array(path)
    if suffix in (".csv", ".tsv"):
        return read_names(path, names_key)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} must be text in UTF-8, with the name of an image on each line ({error})."
        raise InputError(msg) from error
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]
