"""Every format gives back the names and the bits that were written."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facebench.data.embedding_files import open_embeddings, opening
from facebench.errors import InputError
from support.embedding_files import SUFFIXES, write_file

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_names_and_bits_come_back(suffix: str, data: st.DataObject) -> None:
    n_images = data.draw(st.integers(2, 5))
    texts = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6)
    names = [
        f"{text}/{number}.jpg"
        for number, text in enumerate(
            data.draw(st.lists(texts, min_size=n_images, max_size=n_images))
        )
    ]
    layers = {
        layer: data.draw(arrays(np.float32, (n_images, width), elements=FLOATS))
        for layer, width in (("fc_a", 3), ("pool", 2))
    }
    with tempfile.TemporaryDirectory() as folder:
        path, options = write_file(Path(folder), suffix, names, layers)
        found = open_embeddings(path, **options)
        assert found.names == names
        if suffix == ".npy":
            assert found.layers == ["default"]
            layers = {"default": layers["fc_a"]}
        assert sorted(found.layers) == sorted(layers)
        for layer, rows in layers.items():
            read = found.read(layer)
            # -0.0 and 0.0 are one number to text.
            assert np.array_equal(read, rows)
            assert read.dtype == np.float32


def test_files_that_are_none(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    folder = tmp_path / "folder.npz"
    folder.mkdir()
    for path, said in (
        (tmp_path / "vectrs.npz", "does not exist"),
        (pipe, "is not a file"),
        (folder, "is not a file"),
    ):
        with pytest.raises(InputError, match=said):
            open_embeddings(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".npy"])
def test_a_file_that_is_something_else_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    for content in (b"", b"<html>Not found</html>", b"\x93NUMPY\x01\x00", bytes(range(256)) * 8):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            open_embeddings(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_cut_short(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    names = [f"{number}.jpg" for number in range(30)]
    path, options = write_file(tmp_path, suffix, names, {"fc_a": rng.random((30, 40), "f4")})
    whole = path.read_bytes()
    for size in (len(whole) // 3, len(whole) * 2 // 3, len(whole) - 3):
        path.write_bytes(whole[:size])
        if suffix in (".csv", ".tsv") and size == len(whole) - 3:
            # Text that ends within its last number is whole text.
            continue
        with pytest.raises(InputError, match="vectors"):
            open_embeddings(path, **options).read("default" if suffix == ".npy" else "fc_a")


def test_what_must_be_said(tmp_path: Path) -> None:
    path, _ = write_file(tmp_path, ".npy", ["a.jpg", "b.jpg"], {"fc": np.eye(2, dtype="f4")})
    with pytest.raises(InputError, match="Give 'names', a text file"):
        open_embeddings(path)
    (tmp_path / "names.txt").write_text("a.jpg\n", encoding="utf-8")
    with pytest.raises(InputError, match="no vector for each of the 1 images"):
        open_embeddings(path, tmp_path / "names.txt").read("default")
    table = tmp_path / "names.csv"
    table.write_text("n,filename\n1,a.jpg\n2,b.jpg\n", encoding="utf-8")
    assert open_embeddings(path, table).names == ["a.jpg", "b.jpg"]
    assert open_embeddings(path, table, names_key="n").names == ["1", "2"]
    np.save(tmp_path / "names.npy", np.array(["a.jpg", "b.jpg"]))
    assert open_embeddings(path, tmp_path / "names.npy").names == ["a.jpg", "b.jpg"]
    np.save(tmp_path / "names.npy", np.array([1, 2]))
    with pytest.raises(InputError, match="must hold image names, as text"):
        open_embeddings(path, tmp_path / "names.npy")
    whole, _ = write_file(tmp_path, ".npz", ["a.jpg"], {"fc": np.ones((1, 2), "f4")})
    with pytest.raises(InputError, match="leave it out"):
        open_embeddings(whole, tmp_path / "names.txt")
    with pytest.raises(InputError, match="'rows' or 'columns'"):
        open_embeddings(whole, images_in="cols")
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"must be one of \.csv"):
        open_embeddings(tmp_path / "x.pkl")


@pytest.mark.slow
def test_a_reader_that_crashes_or_hangs_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_process: Callable[..., None]
) -> None:
    path, _ = write_file(tmp_path, ".mat", ["a.jpg"], {"fc": np.ones((1, 2), "f4")})
    monkeypatch.setattr(opening, "try_elsewhere", one_process)
    assert open_embeddings(path).names == ["a.jpg"]
    crash = "import os; os.abort()"
    true_run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda call, **more: true_run([call[0], "-c", crash], **more)
    )
    with pytest.raises(InputError, match="its reader crashed"):
        open_embeddings(path)

    def hang(call: list[str], **more: object) -> None:
        raise subprocess.TimeoutExpired(call, 30)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(InputError, match="took over 30 s"):
        open_embeddings(path)
