"""MATLAB's structs and matrices as rows of trials.

The variable that holds the responses decides what the others are:

- a struct array with a trial in each element: a row per element;
- a struct (or plain variables) of vectors of n trials: n rows;
- a struct array with a participant in each element, or cell arrays of a vector per participant:
  the rows of all of them, and `element`, the participant's number;
- a matrix of trials × columns, of which NAME_k has the responses: a row per trial;
- a matrix of participants × trials: a row per cell, with `element` and `trial`. Vectors of as many
  numbers as there are participants or trials, and matrices of the same size, go with it.

Single values are repeated. Matrices of n × k, such as the numbers of k images in each trial, are
the columns NAME_1 … NAME_k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facebench.data.embedding_files.hdf5 import open_hdf5, text_of_codes
from facebench.data.embedding_files.matlab import is_version_7_3
from facebench.errors import InputError
from facebench.people.cells import FileOfTrials, cell_text, file_of_columns, flattened
from facebench.utils.matlab import refuse_crashing_matlab
from facebench.utils.suggestions import listed

if TYPE_CHECKING:
    from facebench.people.description import TrialsDescription

__all__ = ["read_matlab"]

_Columns = dict[str, list[Any]]
_DECIDING = ("response", "ranks", "correct")


def read_matlab(path: Path, description: TrialsDescription) -> FileOfTrials:
    """Read the trials of a .mat file.

    Parameters
    ----------
    path : Path
        The file.
    description : TrialsDescription
        Its `columns` say which variable holds the responses.

    Returns
    -------
    FileOfTrials

    Raises
    ------
    InputError
        If it cannot be read, or no variable of it holds the responses.
    """
    variables = _variables(path)
    root: Any = variables
    if description.variable is not None:
        for key in description.variable.split("."):
            if not isinstance(root, dict) or key not in root:
                there = listed(root if isinstance(root, dict) else [])
                msg = f"{path} has no variable {description.variable!r}. It holds: {there}."
                raise InputError(msg)
            root = root[key]
    deciding = _deciding(description)
    reader = _Reader(path, deciding, description.participants == "rows")
    columns = reader.rows(root, "")
    if columns is None:
        there = listed(flattened(root) if isinstance(root, dict) else reader.seen)
        msg = (
            f"{path} has no variable {' or '.join(map(repr, deciding))} with the responses. It "
            f"holds: {there}. Name it in `columns`, as 'struct.field' within a struct."
        )
        raise InputError(msg)
    file = file_of_columns(path, {name: map(_plain, cells) for name, cells in columns.items()})
    return file._replace(names=_names(path, variables, description.images.names))


def _deciding(description: TrialsDescription) -> list[str]:
    """Name the variable that holds the responses."""
    for meaning in _DECIDING:
        sources = description.columns.get(meaning)
        if sources:
            return [source.column for source in sources if source.column is not None][:1]
    return ["response"]


def _variables(path: Path) -> dict[str, Any]:
    if is_version_7_3(path):
        with open_hdf5(path) as file:
            return {key: _of_hdf5(path, file, item) for key, item in _own(file)}
    import scipy.io

    refuse_crashing_matlab(path)
    kinds = {kind for _, _, kind in scipy.io.whosmat(path)}
    if kinds & {"opaque", "unknown"}:
        raise InputError(_objects(path))
    read = scipy.io.loadmat(path, simplify_cells=True)
    found = {name: value for name, value in read.items() if not name.startswith("__")}
    if any(_has_object(value) for value in found.values()):
        raise InputError(_objects(path))
    return found


def _objects(path: Path) -> str:
    return (
        f"{path} holds a MATLAB object, such as strings, a table or categories, which only MATLAB "
        "can read. Save a struct: s = table2struct(t), and texts by cellstr(names)."
    )


def _has_object(value: Any) -> bool:
    import scipy.io

    if isinstance(value, dict):
        return any(map(_has_object, value.values()))
    if isinstance(value, list):
        return any(map(_has_object, value))
    return isinstance(value, scipy.io.matlab.MatlabOpaque | scipy.io.matlab.MatlabFunction)


def _own(group: Any) -> list[tuple[str, Any]]:
    return [(key, group[key]) for key in group if not key.startswith("#")]


def _of_hdf5(path: Path, file: Any, item: Any) -> Any:
    """Turn what MATLAB wrote as HDF5 into what SciPy makes of the older format."""
    kind = item.attrs.get("MATLAB_class", b"")
    if kind in (b"string", b"table", b"categorical", b"datetime"):
        raise InputError(_objects(path))
    if hasattr(item, "keys"):
        fields = _own(item)
        # A struct array is a group whose every field is an array of references.
        if fields and all(_is_references(field) for _, field in fields):
            by_field = {
                key: [_of_hdf5(path, file, file[ref]) for ref in field[()].T.reshape(-1, order="F")]
                for key, field in fields
            }
            count = len(next(iter(by_field.values())))
            return [{key: cells[n] for key, cells in by_field.items()} for n in range(count)]
        return {key: _of_hdf5(path, file, field) for key, field in fields}
    if "MATLAB_empty" in item.attrs:
        return "" if kind == b"char" else np.empty(0)
    values = np.asarray(item[()]).T
    if kind == b"cell" or values.dtype == object:
        cells = [_of_hdf5(path, file, file[ref]) for ref in values.reshape(-1, order="F")]
        if min(values.shape, default=1) <= 1:
            return cells
        boxed = np.empty(len(cells), dtype=object)
        boxed[:] = cells
        return boxed.reshape(values.shape, order="F")
    if kind == b"char":
        rows = np.atleast_2d(values.astype(np.uint16))
        texts = [text_of_codes(row).rstrip(" ") for row in rows]
        return texts[0] if len(texts) == 1 else texts
    squeezed = np.squeeze(values)
    return squeezed[()] if squeezed.ndim == 0 else squeezed


def _is_references(item: Any) -> bool:
    return (
        hasattr(item, "dtype")
        and item.dtype == object
        and item.attrs.get("MATLAB_class") != b"cell"
    )


def _is_structs(value: Any) -> bool:
    return (
        isinstance(value, list | np.ndarray)
        and len(value) > 0
        and all(isinstance(item, dict) for item in value)
    )


def _shape(value: Any) -> tuple[int, ...]:
    """Tell the size of a variable as MATLAB would, without dimensions of one."""
    if isinstance(value, np.ndarray):
        return tuple(value.shape)
    return (len(value),) if isinstance(value, list) else ()


def _plain(value: Any) -> Any:
    """Turn a NumPy number into Python's; an empty array has no value."""
    if isinstance(value, np.ndarray):
        return None if value.size == 0 else value.tolist()
    return value.item() if isinstance(value, np.generic) else value


class _Reader:
    def __init__(self, path: Path, deciding: Sequence[str], rows_are_people: bool) -> None:
        self._path = path
        self._deciding = deciding
        self._rows_are_people = rows_are_people
        self.seen: list[str] = []

    def rows(self, value: Any, before: str) -> _Columns | None:
        """Give the rows of a struct or struct array; None if it has no responses."""
        if _is_structs(value):
            return self._of_elements(value, before)
        if not isinstance(value, dict):
            return None
        flat = self._with_columns(flattened(value), before)
        self.seen = list(flat)
        found = self._response_in(flat, before)
        if found is not None:
            return self._around(flat, found)
        for key, item in flat.items():
            if not _is_structs(item):
                continue
            columns = self._of_elements(item, f"{before}{key}.")
            if columns is not None:
                n = _length(columns)
                outer = {k: [v] * n for k, v in flat.items() if _shape(v) == ()}
                return {**outer, **columns}
        return None

    def _with_columns(self, flat: dict[str, Any], before: str) -> dict[str, Any]:
        """Take the columns of a matrix that holds the responses as vectors, 'data_6' of data."""
        for name in self._deciding:
            base, _, number = _without_structs(name, before).rpartition("_")
            matrix: Any = flat.get(base)
            size = _shape(matrix)
            if len(size) == 2 and number.isdecimal() and 0 < int(number) <= size[1]:
                columns = {f"{base}_{k + 1}": matrix[:, k] for k in range(size[1])}
                return {**{key: item for key, item in flat.items() if key != base}, **columns}
        return flat

    def _response_in(self, flat: Mapping[str, Any], before: str) -> str | None:
        for name in self._deciding:
            short = _without_structs(name, before)
            if short in flat and not _is_structs(flat[short]):
                return short
            inner = [key for key in flat if key.endswith(f".{short}")]
            if len(inner) == 1:
                return inner[0]
        return None

    def _of_elements(self, items: Sequence[Any], before: str) -> _Columns | None:
        parts = [self.rows(item, before) for item in items]
        if any(part is None for part in parts):
            return None
        found = [part for part in parts if part is not None]
        names = list(dict.fromkeys(name for part in found for name in part))
        lengths = [_length(part) for part in found]
        columns: _Columns = {name: [] for name in names}
        for part, n in zip(found, lengths, strict=True):
            for name in names:
                columns[name] += part.get(name, [None] * n)
        if max(lengths, default=0) > 1 and "element" not in columns:
            columns["element"] = [k + 1 for k, n in enumerate(lengths) for _ in range(n)]
        # Names as the description may write them, with the struct before.
        return columns

    def _around(self, flat: dict[str, Any], found: str) -> _Columns:
        """Make the rows that one variable of responses decides."""
        responses = flat[found]
        shape = _shape(responses)
        if len(shape) == 1 and any(_shape(cell) != () and len(cell) for cell in responses):
            return self._of_cells(flat, found, shape[0])
        if len(shape) == 2:
            return self._of_matrix(flat, found)
        if len(shape) > 2:
            msg = f"{self._path} holds responses of {len(shape)} dimensions in {found!r}."
            raise InputError(msg)
        if not shape:
            return {key: cells for key, value in flat.items() for key, cells in _single(key, value)}
        n = shape[0]
        columns: _Columns = {}
        for key, value in flat.items():
            size = _shape(value)
            if size == ():
                columns[key] = [value] * n
            elif size == (n,):
                columns[key] = list(value)
            elif len(size) == 2 and n in size:
                matrix = value if size[0] == n else value.T
                columns |= {f"{key}_{k + 1}": list(matrix[:, k]) for k in range(matrix.shape[1])}
        return columns

    def _of_cells(self, flat: Mapping[str, Any], found: str, n_people: int) -> _Columns:
        """Take cell arrays of a vector per participant as a struct array of participants."""
        people = [
            {
                key: value[p] if _shape(value) == (n_people,) else value
                for key, value in flat.items()
            }
            for p in range(n_people)
        ]
        columns = self._of_elements(people, found.removesuffix(found.rpartition(".")[2]))
        if columns is None:
            msg = f"{self._path} holds no responses in {found!r}."
            raise InputError(msg)
        return columns

    def _of_matrix(self, flat: Mapping[str, Any], found: str) -> _Columns:
        size = _shape(flat[found])
        n_people, n_trials = size if self._rows_are_people else size[::-1]

        def turned(value: NDArray[Any]) -> NDArray[Any]:
            """Give people × trials."""
            return value if self._rows_are_people else value.swapaxes(0, 1)

        columns: _Columns = {
            "element": np.repeat(np.arange(1, n_people + 1), n_trials).tolist(),
            "trial": np.tile(np.arange(1, n_trials + 1), n_people).tolist(),
        }
        for key, value in flat.items():
            shape = _shape(value)
            if shape == ():
                columns[key] = [value] * (n_people * n_trials)
            elif shape == size:
                columns[key] = list(turned(value).reshape(-1))
            elif len(shape) == 3 and shape[:2] == size:
                parts = turned(value)
                columns |= {f"{key}_{k + 1}": list(parts[:, :, k].ravel()) for k in range(shape[2])}
            elif shape == (n_trials,) and n_trials != n_people:
                columns[key] = list(value) * n_people
            elif shape == (n_people,) and n_trials != n_people:
                columns[key] = [cell for cell in value for _ in range(n_trials)]
            elif shape == (n_trials,):
                # As many participants as trials: one vector may be either.
                columns |= {
                    f"{key} of trials": list(value) * n_people,
                    f"{key} of participants": [cell for cell in value for _ in range(n_trials)],
                }
            elif len(shape) == 2 and n_trials in shape:
                matrix = value if shape[0] == n_trials else value.T
                columns |= {
                    f"{key}_{k + 1}": list(matrix[:, k]) * n_people for k in range(matrix.shape[1])
                }
        return columns


def _without_structs(name: str, before: str) -> str:
    """Leave out the structs that a field is in: 'S.trials.key' and 'trials.key' are key."""
    structs = before.split(".")
    for place in range(len(structs) - 1):
        whole = ".".join(structs[place:])
        if name.startswith(whole):
            return name.removeprefix(whole)
    return name


def _single(key: str, value: Any) -> list[tuple[str, list[Any]]]:
    """Give the columns of a variable in a struct of one trial."""
    if len(_shape(value)) == 1 and len(value) > 0:
        return [(f"{key}_{k + 1}", [cell]) for k, cell in enumerate(value)]
    return [(key, [value])]


def _length(columns: _Columns) -> int:
    return len(next(iter(columns.values()), []))


def _names(path: Path, variables: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Give the list of images' names, where the description names a variable for it."""
    if not key:
        return ()
    flat = flattened(variables)
    value = flat.get(key)
    within = [name for name in flat if name.endswith(f".{key}")]
    if value is None and len(within) == 1:
        # As other fields, it is named with or without its struct.
        value = flat[within[0]]
    outer, _, field = key.rpartition(".")
    if value is None and _is_structs(variables.get(outer, ())):
        # A struct array of stimuli, a name in each: stimuli.name.
        value = [item.get(field) for item in variables[outer]]
    if value is None:
        return ()
    if _is_structs(value) or len(_shape(value)) != 1:
        msg = f"{path} must hold a list of names (a cell array of texts) under {key!r}."
        raise InputError(msg)
    return tuple(cell_text(_plain(cell)) for cell in value)
