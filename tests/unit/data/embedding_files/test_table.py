"""Arrays that do not fit their names are told by name; nothing is turned round in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.data.embedding_files.table import (
    Content,
    EmbeddingFile,
    StoredArray,
    decoded,
    the_name_key,
)
from facebench.errors import InputError

NAMES = ["a.jpg", "b.jpg", "c.jpg"]


def file_of(array: np.ndarray, images_in=None, *, says: bool = False) -> EmbeddingFile:
    stored = {"fc": StoredArray(array.shape, lambda: array)}
    return EmbeddingFile(Path("x.mat"), Content(NAMES, stored, [], says), images_in)


def test_images_in_columns_are_not_taken_for_rows() -> None:
    tall, wide, square = np.arange(6.0).reshape(3, 2), np.arange(6.0).reshape(2, 3), np.eye(3)
    assert np.array_equal(file_of(tall).read("fc"), tall)
    with pytest.raises(InputError, match="has its 3 images in columns"):
        file_of(wide).read("fc")
    assert np.array_equal(file_of(wide, "columns").read("fc"), wide.T)
    with pytest.raises(InputError, match="has its 3 images in rows"):
        file_of(tall, "columns").read("fc")
    with pytest.raises(InputError, match="in each row or in each column"):
        file_of(square).read("fc")
    skewed = np.arange(9.0).reshape(3, 3)
    assert np.array_equal(file_of(skewed, "columns").read("fc"), skewed.T)
    assert np.array_equal(file_of(skewed, says=True).read("fc"), skewed)


def test_other_lengths_and_more_axes() -> None:
    with pytest.raises(InputError, match="4 x 5, has no vector for each of the 3 images"):
        file_of(np.ones((4, 5))).read("fc")
    with pytest.raises(InputError, match="no vector for each"):
        file_of(np.ones((3, 0))).read("fc")
    assert file_of(np.ones((3, 2, 2))).read("fc").shape == (3, 4)
    with pytest.raises(InputError, match="no vector for each"):
        file_of(np.ones((2, 3, 2)), "columns").read("fc")


def test_numbers_that_are_none() -> None:
    rows = np.ones((3, 2))
    rows[1, 0] = 1e39
    with pytest.raises(InputError, match=r"for 1 of 3 images: 'b\.jpg'"):
        file_of(rows).read("fc")
    rows[1, 0] = np.nan
    assert np.isnan(file_of(rows).read("fc")[1, 0])


def test_a_file_without_names_or_vectors() -> None:
    with pytest.raises(InputError, match=r"no array of vectors.* It has mean"):
        EmbeddingFile(Path("x.npz"), Content(NAMES, {}, ["mean"]), None)
    stored = {"fc": StoredArray((0, 2), lambda: np.ones((0, 2)))}
    with pytest.raises(InputError, match="no image names"):
        EmbeddingFile(Path("x.npz"), Content([], stored), None)
    with pytest.raises(InputError, match="no image name for vector 2 of 2"):
        EmbeddingFile(Path("x.npz"), Content(["a", " "], stored), None)


def test_which_key_holds_the_names() -> None:
    path = Path("x.npz")
    assert the_name_key(path, ["Names", "notes"], None) == "Names"
    assert the_name_key(path, ["faces"], None) == "faces"
    assert the_name_key(path, ["names", "faces"], "faces") == "faces"
    for texts, asked in ((["names", "files"], None), (["a", "b"], None), ([], None)):
        with pytest.raises(InputError, match="does not say what holds the image names"):
            the_name_key(path, texts, asked)
    with pytest.raises(InputError, match=r"no image names under 'facs'. It has faces"):
        the_name_key(path, ["faces"], "facs")
    assert decoded(np.array([["é".encode()], [b"b"]])) == ["é", "b"]
