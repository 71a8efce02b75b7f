"""HDF5: only what is in the file itself is read."""

from __future__ import annotations

import builtins
from pathlib import Path

import h5py
import numpy as np
import pytest

from facebench.data.embedding_files import open_embeddings
from facebench.errors import InputError

NAMES = ["a.jpg", "b.jpg"]


def write(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["images"] = NAMES
        for key, values in arrays.items():
            file[key] = values
    return path


def test_groups_and_loops(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", mean=np.ones(3))
    rows = np.arange(6, dtype="f4").reshape(2, 3)
    with h5py.File(path, "r+") as file:
        file["net/fc7"] = rows
        file["net/again"] = file["net"]
        file["soft"] = h5py.SoftLink("/net/fc7")
    found = open_embeddings(path)
    assert (found.layers, found.unused) == (["net/fc7"], ["mean"])
    assert np.array_equal(found.read("net/fc7"), rows)


def test_numbers_of_other_files_are_not_followed(tmp_path: Path) -> None:
    other = write(tmp_path / "other.h5", fc=np.ones((2, 3)))
    path = write(tmp_path / "x.h5")
    with h5py.File(path, "r+") as file:
        file["fc"] = h5py.ExternalLink(other.name, "/fc")
    with pytest.raises(InputError, match=r"'fc' is a link to another file, 'other\.h5'"):
        open_embeddings(path)
    path = write(tmp_path / "y.h5")
    with h5py.File(path, "r+") as file:
        layout = h5py.VirtualLayout((2, 3), "f8")
        layout[:] = h5py.VirtualSource(str(other), "fc", (2, 3))
        file.create_virtual_dataset("fc", layout)
    with pytest.raises(InputError, match="the numbers of 'fc' are in another file"):
        open_embeddings(path)
    path = write(tmp_path / "z.h5")
    raw = tmp_path / "raw"
    raw.write_bytes(np.ones((2, 3)).tobytes())
    with h5py.File(path, "r+") as file:
        file.create_dataset("fc", (2, 3), "f8", external=[(str(raw), 0, 48)])
    with pytest.raises(InputError, match="in another file"):
        open_embeddings(path)


def test_without_h5py_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.h5", fc=np.ones((2, 3)))
    true_import = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "h5py":
            raise ImportError(name)
        return true_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'facebench\[h5\]'"):
        open_embeddings(path)


def test_the_vector_of_each_image_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    vectors = {"ann/1.jpg": [1.0, 2.0], "bob/1.jpg": [3.0, 4.0], "c.png": [5.0, 6.0]}
    with h5py.File(path, "w") as file:
        for name, vector in vectors.items():
            file[name] = vector
    found = open_embeddings(path)
    assert (found.names, found.layers) == (list(vectors), ["default"])
    assert np.array_equal(found.read("default"), list(vectors.values()))
    with h5py.File(path, "r+") as file:
        file["d.png"] = [7.0]
    with pytest.raises(InputError, match=r"'d.png' is float64 of shape \[1\]; 'ann/1.jpg' has"):
        open_embeddings(path)
