"""Embeddings from a file: what is wrong is told by name when the model is made, or looked up."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from facebench import EmbeddingsModel
from facebench.data.image_names import ImageName
from facebench.errors import InputError, MissingImageError
from support.embedding_files import SUFFIXES, write_file

NAMES = ["ann/1.jpg", "ann/2.jpg", "bob/1.jpg"]
ROWS = np.arange(6, dtype="f4").reshape(3, 2)


def model_of(folder: Path, names: list[str] = NAMES, rows: np.ndarray = ROWS, **more):
    np.savez(folder / "x.npz", images=names, fc=rows)
    return EmbeddingsModel("theirs", folder / "x.npz", **more)


def images(*names: str) -> list[ImageName]:
    return [ImageName.of("/data/faces", name) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format(tmp_path: Path, suffix: str) -> None:
    path, options = write_file(tmp_path, suffix, NAMES, {"fc_a": ROWS})
    model = EmbeddingsModel("theirs", path, **options)
    found = next(iter(model.vectors.values()))[model.find(images("bob/1.jpg", "ann/1.jpg"))]
    assert np.array_equal(found, ROWS[[2, 0]])


def test_missing_images_are_named(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    with pytest.raises(
        MissingImageError, match=r"1 of 2 images .* model 'theirs': 'ann/1\.png'"
    ) as e:
        model.find(images("ann/1.png", "ann/2.jpg"))
    assert "as 'ann/1.jpg'" in str(e.value)


def test_an_image_that_is_there_twice(tmp_path: Path) -> None:
    names = ["ann/1.jpg", "ann/2.jpg", "ann/1.jpg"]
    with pytest.raises(InputError, match=r"'ann/1.jpg' twice, as vectors 1 and 3 of 3"):
        model_of(tmp_path, names)
    same = ROWS[[0, 1, 0]]
    same[:, 1] = np.nan
    model = model_of(tmp_path, names, same)
    assert model.find(images("ann/1.jpg")).tolist() == [0]
    assert not model.is_whole.any()


def test_names_of_another_machine(tmp_path: Path) -> None:
    names = [f"C:\\faces\\{name}".replace("/", "\\") for name in NAMES]
    model = model_of(tmp_path, names, strip="C:\\faces\\")
    assert model.find(images("bob/1.jpg")).tolist() == [2]
    with pytest.raises(InputError, match=r"'C:/faces/ann/1.jpg' does not begin with 'D:/'"):
        model_of(tmp_path, names, strip="D:")


def test_what_is_not_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.savez(tmp_path / "x.npz", images=NAMES, fc=ROWS, age=np.ones(3), W=np.ones((5, 4)))
    with pytest.raises(InputError, match=r"Layer 'W' .* 5 x 4, has no vector for each"):
        EmbeddingsModel("m", tmp_path / "x.npz")
    with caplog.at_level(logging.WARNING):
        EmbeddingsModel("m", tmp_path / "x.npz", "fc")
        assert not caplog.text
    np.savez(tmp_path / "x.npz", images=NAMES, fc=ROWS, age=np.ones(3))
    with caplog.at_level(logging.WARNING):
        EmbeddingsModel("m", tmp_path / "x.npz")
    assert "age is not read" in caplog.text
