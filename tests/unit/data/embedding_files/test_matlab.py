"""MATLAB's variables, as SciPy writes them and as version 7.3 keeps them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from facebench.data.embedding_files import open_embeddings
from facebench.errors import InputError
from support.embedding_files import write_mat_7_3

NAMES = ["ann/1.jpg", "bö/22.jpg", "c.jpg"]
ROWS = np.arange(6, dtype="f4").reshape(3, 2)


def test_names_as_char_matrix_or_row_of_cells(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"files": np.array(NAMES), "fc": ROWS, "age": np.ones((3, 1))})
    found = open_embeddings(path)
    assert found.names == NAMES
    assert np.array_equal(found.read("fc"), ROWS)
    cells = np.empty((1, 3), dtype=object)
    cells[0] = NAMES
    scipy.io.savemat(path, {"files": cells, "fc": ROWS})
    assert open_embeddings(path).names == NAMES


def test_what_matlab_keeps_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    cells = np.empty((3, 1), dtype=object)
    cells[:, 0] = ["a", np.ones((2, 2)), "c"]
    scipy.io.savemat(path, {"files": cells, "fc": ROWS})
    with pytest.raises(InputError, match="Cell 2 has none"):
        open_embeddings(path)
    scipy.io.savemat(path, {"files": np.array(NAMES), "fc": ROWS * 1j})
    with pytest.raises(InputError, match="complex numbers under 'fc'"):
        open_embeddings(path).read("fc")
    write_mat_7_3(path, NAMES, {"fc": ROWS})
    with h5py.File(path, "r+") as file:
        file["more"] = np.zeros((1, 6), "u4")
        file["more"].attrs["MATLAB_class"] = np.bytes_("string")
    with pytest.raises(InputError, match=r"more = cellstr\(more\)"):
        open_embeddings(path)


def test_version_7_3_is_turned_back(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    write_mat_7_3(path, NAMES, {"fc": ROWS, "turned": ROWS.T})
    found = open_embeddings(path)
    assert found.names == NAMES
    assert np.array_equal(found.read("fc"), ROWS)
    with pytest.raises(InputError, match="images in columns"):
        found.read("turned")
    with h5py.File(path, "r+") as file:
        del file["names"]
        codes = np.array(
            [list(name.ljust(9).encode("utf-16-le"))[::2] for name in ("a", "b", "cc")]
        )
        file["names"] = codes.astype("u2").T
        file["names"].attrs["MATLAB_class"] = np.bytes_("char")
    assert open_embeddings(path).names == ["a", "b", "cc"]


def test_a_struct_is_told_how_to_be_taken_apart(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"data": {"names": np.array(NAMES), "fc": ROWS}})
    with pytest.raises(InputError, match=r"a struct, 'data'.*'-struct', 'data'"):
        open_embeddings(tmp_path / "x.mat")
