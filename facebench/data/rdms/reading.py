"""One door for every kind of file of RDMs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.data.embedding_files.hdf5 import read_hdf5
from facebench.data.embedding_files.matlab import read_mat
from facebench.data.embedding_files.numpy_arrays import read_npz
from facebench.data.embedding_files.opening import CRASHING, the_file, try_elsewhere
from facebench.data.embedding_files.table import Content, readable
from facebench.data.pairs.scores import read_scored_pairs, score_column
from facebench.data.pairs.table import GAPS, PAIR_COLUMNS, decimal_comma_hint
from facebench.data.rdms.meadows import is_meadows, meadows_parts, parts_of_tree
from facebench.data.rdms.rsatoolbox import is_rsatoolbox, rsatoolbox_parts
from facebench.data.rdms.table import NamedRdms, Part, gathered, of_square
from facebench.data.tables import as_number, csv_rows
from facebench.errors import InputError, PairsError
from facebench.metrics.rdm import rdm_from_pairs
from facebench.types import Float64Array, StrPath
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["is_rdm_file", "read_rdms"]

_TEXT = (".csv", ".tsv", ".txt")
_BINARY = (".h5", ".hdf5", ".json", ".mat", ".npz")
_LONG = (*_TEXT, ".parquet")
# Rows of a table that are looked at to tell a matrix from another table.
_LOOKED_AT = 20


def is_rdm_file(path: Path) -> bool:
    """Tell whether a file holds RDMs in another form than a row per pair.

    Parameters
    ----------
    path : Path
        The file, which need not exist.

    Returns
    -------
    bool
        True for .npz, .h5, .hdf5, .mat and .json, and for text whose header names the images that
        its rows begin with.
    """
    suffix = path.suffix.lower()
    if suffix in _BINARY:
        return True
    if suffix not in _TEXT or not path.is_file():
        return False
    try:
        rows = [row.cells for row in islice(csv_rows(path, PAIR_COLUMNS), _LOOKED_AT)]
    except (OSError, PairsError):
        return False
    if len(rows) < 3 or set(PAIR_COLUMNS) <= set(rows[0]):
        return False
    header = set(rows[0])
    return 2 * sum(row[0] in header for row in rows[1:]) > len(rows) - 1


def read_rdms(file: StrPath, *, names_key: str | None = None) -> NamedRdms:
    r"""Read a file of RDMs.

    Parameters
    ----------
    file : str or Path
        A .csv or .tsv file, a square with the names in its first row and column or a row per pair
        (``img1``, ``img2`` and a column for each RDM; .parquet likewise); an .npz file of names
        and arrays [n, n], [n (n - 1) / 2] or several of them; the .h5 of rsatoolbox, or another of
        such arrays; a .mat file likewise, with a cell array of names; a .mat or .json export of
        Meadows.
    names_key : str, optional
        Under which key, variable or descriptor the names are, if not 'images', 'names' and the
        like.

    Raises
    ------
    InputError
        If it cannot be read, a matrix is not symmetric, or names do not fit; in a sentence.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "rdm.csv"
    >>> _ = file.write_text(",a,b,c\na,0,1,2\nb,1,0,3\nc,2,3,0\n")
    >>> read_rdms(file).vectors
    array([[1., 2., 3.]])
    """
    path = the_file(file, "file")
    suffix = path.suffix.lower()
    if suffix not in (*_BINARY, *_LONG):
        known = ", ".join(sorted((*_BINARY, *_LONG)))
        msg = f"A file of RDMs must be one of {known}. Got {path} instead."
        raise InputError(msg)
    if suffix == ".json":
        return gathered(path, _json_parts(path))
    if suffix in _LONG:
        return gathered(path, _square_text(path) if is_rdm_file(path) else _long_parts(path))
    with readable(path, f"the {suffix} file"):
        if suffix in CRASHING:
            try_elsewhere(path, array_parts, names_key)
        return gathered(path, array_parts(path, names_key))


def array_parts(path: Path, names_key: str | None) -> list[Part]:
    """Read a file of arrays: NumPy's, HDF5 or MATLAB's."""
    suffix = path.suffix.lower()
    if suffix in (".h5", ".hdf5") and is_rsatoolbox(path):
        return rsatoolbox_parts(path, names_key)
    if suffix == ".mat" and is_meadows(path):
        return meadows_parts(path)
    reader = {".npz": read_npz, ".mat": read_mat}.get(suffix, read_hdf5)
    content = reader(path, names_key)
    parts: list[Part] = []
    unfit: list[str] = []
    for key, values in _arrays(content):
        found = parts_of_array(values, content.names, key, path, last=suffix == ".mat")
        parts += found
        if not found:
            unfit.append(f"{key!r} of {' x '.join(map(str, values.shape))}")
    if not parts:
        n_images = len(content.names)
        what = f"It has {listed(unfit)}" if unfit else "It has no array of numbers"
        msg = (
            f"{path} holds no RDM of the {n_images} images that it names: a matrix {n_images} x "
            f"{n_images}, or the {n_images * (n_images - 1) // 2} numbers above its diagonal. "
            f"{what}. If these are embeddings, give the file as embeddings."
        )
        raise InputError(msg)
    return parts


def _arrays(content: Content) -> Iterator[tuple[str, NDArray[Any]]]:
    for key, stored in content.arrays.items():
        yield key, stored.read()
    for key, stored in content.vectors.items():
        if stored.shape[0] > 1:
            yield key, stored.read()


def parts_of_array(
    values: NDArray[Any], names: Sequence[str], label: str, path: Path, *, last: bool
) -> list[Part]:
    """Find the RDMs in an array, by its shape; none if it holds none.

    Parameters
    ----------
    values : array
        [n, n] or [P], several in the first or the last dimension.
    names : sequence of str
        The n images.
    label, path
        What it is and where.
    last : bool
        Whether several matrices [n, n, n] are along the last dimension, as MATLAB has it.
    """
    n_images = len(names)
    n_pairs = n_images * (n_images - 1) // 2
    table = np.asarray(values, dtype=np.float64)
    if table.ndim == 2 and table.shape == (n_images, n_images):
        return [of_square(table, names, label, path)]
    if table.ndim == 3 and (n_images, n_images) in (table.shape[1:], table.shape[:2]):
        along_last = table.shape[:2] == (n_images, n_images) and (
            last or table.shape[1:] != (n_images, n_images)
        )
        stack = np.moveaxis(table, -1, 0) if along_last else table
        return [
            of_square(each, names, _numbered(label, number, len(stack)), path)
            for number, each in enumerate(stack)
        ]
    if table.ndim == 1:
        table = table[None]
    if table.ndim == 2 and n_pairs in table.shape:
        rows = table if table.shape[1] == n_pairs else table.T
        return [
            Part(_numbered(label, number, len(rows)), list(names), row)
            for number, row in enumerate(rows)
        ]
    return []


def _numbered(label: str, number: int, count: int) -> str:
    return label if count == 1 else f"{label}_{number + 1}"


def _json_parts(path: Path) -> list[Part]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read as JSON ({error!s:.200})."
        raise InputError(msg) from error
    return parts_of_tree(tree, path)


def _square_text(path: Path) -> list[Part]:
    """Read a square of text; rows and columns may be in different orders."""
    rows = list(csv_rows(path))
    # R writes no cell above the names of its rows.
    first = 0 if all(len(row.cells) == len(rows[0].cells) + 1 for row in rows[1:]) else 1
    columns = rows[0].cells[first:]
    while columns and not columns[-1]:
        columns.pop()
    names = [row.cells[0] for row in rows[1:]]
    for one, others, what in ((names, columns, "row"), (columns, names, "column")):
        strange = [name for name in one if name not in others]
        if strange:
            msg = (
                f"{path} must name the same images in its first row and its first column. "
                f"{strange[0]!r} names a {what} only.{did_you_mean(strange[0], others)}"
            )
            raise InputError(msg)
    if len(names) != len(columns):
        msg = f"{path} must be square. It has {len(names)} rows and {len(columns)} columns."
        raise InputError(msg)
    matrix = np.full((len(names), len(names)), np.nan)
    place = {name: number for number, name in enumerate(names)}
    for number, row in enumerate(rows[1:]):
        # An upper half may be written without the cells that follow.
        for name, cell in zip(columns, row.cells[1:], strict=False):
            matrix[number, place[name]] = _number(cell, row.line, name, path)
    return [of_square(matrix, names, path.stem, path)]


def _number(cell: str, line: int, column: str, path: Path) -> float:
    try:
        return float("nan") if cell in GAPS else as_number(cell)
    except ValueError:
        msg = (
            f"{path} must hold numbers. Line {line} has {cell!r:.200} in column {column!r}."
            f"{decimal_comma_hint(cell)}"
        )
        raise InputError(msg) from None


def _long_parts(path: Path) -> list[Part]:
    """Read a row per pair; a pair may be listed in either order, and an image with itself."""
    table = read_scored_pairs(path)
    one, other = (table[side].tolist() for side in PAIR_COLUMNS)
    names = list(dict.fromkeys([*one, *other]))
    place = {name: number for number, name in enumerate(names)}
    first, second = (np.array([place[name] for name in side]) for side in (one, other))
    parts = []
    for column in map(str, table.columns):
        if column in PAIR_COLUMNS:
            continue
        try:
            values = score_column(table, column, path)
        except InputError:
            # Labels and conditions are not distances.
            continue
        _refuse_contradiction(first, second, values, names, column, path)
        vector = rdm_from_pairs(first, second, values, len(names))
        matrix = np.full((len(names), len(names)), np.nan)
        matrix[np.triu_indices(len(names), 1)] = vector
        same = first == second
        matrix[first[same], first[same]] = values[same]
        parts.append(of_square(matrix, names, column, path))
    if not parts:
        msg = f"{path} holds no column of numbers beside {' and '.join(PAIR_COLUMNS)}."
        raise InputError(msg)
    return parts


def _refuse_contradiction(
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    values: Float64Array,
    names: Sequence[str],
    column: str,
    path: Path,
) -> None:
    met: dict[tuple[int, int], float] = {}
    for one, other, value in zip(first.tolist(), second.tolist(), values.tolist(), strict=True):
        known = met.setdefault((min(one, other), max(one, other)), value)
        if known != value and not (np.isnan(known) or np.isnan(value)):
            msg = (
                f"{path} has two numbers {column!r} for {names[one]!r}, {names[other]!r}: "
                f"{known:g} and {value:g}. Keep one, or their mean."
            )
            raise InputError(msg)
