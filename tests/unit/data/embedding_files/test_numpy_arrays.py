"""NumPy's files: no pickle is ever loaded."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from facebench.data.embedding_files import open_embeddings
from facebench.data.embedding_files.numpy_arrays import read_npy
from facebench.errors import InputError


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def test_no_code_of_a_file_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = np.array(["a.jpg", "b.jpg"])
    bombs = np.array([Bomb(), Bomb()], dtype=object)
    np.savez("names.npz", images=bombs, fc=np.ones((2, 3)))
    np.savez("vectors.npz", images=names, fc=bombs)
    np.savez("more.npz", images=names, fc=np.ones((2, 3)), labels=bombs)
    np.save("array.npy", bombs)
    Path("list.txt").write_text("a.jpg\nb.jpg\n", encoding="utf-8")
    for file in ("names.npz", "vectors.npz", "more.npz"):
        with pytest.raises(InputError, match="Python objects under"):
            open_embeddings(file)
    with pytest.raises(InputError, match="must hold numbers"):
        open_embeddings("array.npy", "list.txt")
    with pytest.raises(InputError, match="must hold image names"):
        open_embeddings("array.npy", "array.npy")
    Path("plain.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="cannot be read"):
        open_embeddings("plain.npz")
    assert not Path("exploded").exists()


def test_an_array_that_is_said_to_be_larger_than_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    content = (tmp_path / "x.npy").read_bytes().replace(b"(2, 3)", b"(2, 9)")
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(InputError, match="not all there"):
        read_npy(tmp_path / "x.npy", ["a", "b"])


def test_what_is_no_layer_is_said(tmp_path: Path) -> None:
    names = np.array(["a.jpg", "b.jpg"])
    np.savez(tmp_path / "x.npz", filename=names, age=np.ones(2), fc=np.ones((2, 3), np.int8))
    found = open_embeddings(tmp_path / "x.npz")
    assert (found.layers, found.unused) == (["fc"], ["age"])
    assert found.read("fc").dtype == np.float32


def test_a_vector_under_the_name_of_each_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = {f"{who}/{n}.JPG": rng.normal(size=5) for who in ("ann", "bob") for n in range(3)}
    np.savez(tmp_path / "x.npz", **vectors)
    found = open_embeddings(tmp_path / "x.npz")
    assert (found.layers, found.names) == (["default"], list(vectors))
    np.testing.assert_array_equal(
        found.read("default"), np.stack(list(vectors.values())).astype(np.float32)
    )


@pytest.mark.parametrize("odd", [np.ones(4), np.ones((1, 5)), np.array(["a"] * 5)])
def test_images_whose_vectors_differ_in_shape(tmp_path: Path, odd: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", **{"a.jpg": np.ones(5), "b.jpg": odd})
    with pytest.raises(InputError, match=r"'b\.jpg' is .* of shape"):
        open_embeddings(tmp_path / "x.npz")


def test_vectors_under_other_names_are_explained(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", ann=np.ones(5), bob=np.ones(5))
    with pytest.raises(InputError, match=r"file name with its suffix"):
        open_embeddings(tmp_path / "x.npz")
