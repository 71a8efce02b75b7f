"""One rule for names: as files are found, and never one row for two images."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from facebench.data.image_names import ImageName, NameIndex, alike_name
from facebench.errors import InputError

FILE = Path("x.npz")


def find(names: list[str], name: str, folder: str = "/data/lfw") -> int | None:
    return NameIndex(names, FILE).find(ImageName.of(folder, name))


def test_slashes_accents_and_folders_above() -> None:
    decomposed = unicodedata.normalize("NFD", "bö/1.jpg")
    for there in ("bö/1.jpg", decomposed, r"bö\1.jpg", "./bö//1.jpg", "lfw/bö/1.jpg"):
        assert find(["a.jpg", there], "bö/1.jpg") == 1
        assert find(["a.jpg", there], decomposed) == 1
    assert find(["a.jpg", "/data/lfw/bö/1.jpg"], "bö/1.jpg") == 1
    assert alike_name("a/1.jpg") == "a/1.jpg"


def test_a_shorter_end_another_suffix_or_case_is_another_image() -> None:
    for there in ("1.jpg", "ann/1.png", "Ann/1.jpg", "ann/1", "rfw/ann/1.jpg", "cann/1.jpg"):
        assert find([there, "bob/2.jpg"], "ann/1.jpg") is None


def test_where_no_name_has_a_suffix_images_are_found_without() -> None:
    assert find(["bob/2", "ann/1"], "ann/1.jpg") == 1
    assert find(["lfw/ann/1"], "ann/1.JPG") == 0
    assert find(["ann/1.5"], "ann/1.5.png") == 0
    assert find(["Ann/1"], "ann/1.jpg") is None
    assert find(["bob/2.jpg", "ann/1.jpg"], "ann/1") == 1
    with pytest.raises(InputError, match=r"any of several images of x.npz: 'ann/1.jpg' and"):
        find(["ann/1.jpg", "ann/1.png"], "ann/1")
    index = NameIndex(["ann/1"], FILE)
    assert index.find(ImageName.of("/data/lfw", "ann/1.jpg")) == 0
    assert index.find(ImageName.of("/data/lfw", "ann/1")) == 0
    with pytest.raises(InputError, match=r"'ann/1' in x.npz is the name of two images"):
        index.find(ImageName.of("/data/lfw", "ann/1.png"))


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("ann/1.png", "with another suffix or case, as 'ann/1.png'"),
        ("lfw/ANN/1.JPG", "as 'lfw/ANN/1.JPG'"),
        ("C:\\faces\\ann\\1.jpg", r"set strip='C:\\\\faces\\\\'"),
        ("1.jpg", "'1.jpg' is there, without its folder"),
        ("bob/2.jpg", "Its names are like 'bob/2.jpg'"),
    ],
)
def test_what_resembles_a_missing_name(there: str, said: str) -> None:
    assert said.replace(r"\\\\", "\\\\") in NameIndex([there], FILE).hint(
        ImageName.of("/data/lfw", "ann/1.jpg")
    )


def test_where_no_name_is_there_the_file_is_asked_about() -> None:
    image = ImageName.of("/data/lfw", "ann/1.jpg")
    told = NameIndex(["bob/2.jpg"], FILE).hint(image, all_missing=True)
    assert told == " None was found (it holds 'bob/2.jpg' …): is this the right file?"
    assert "right file" not in NameIndex(["ann/1.png"], FILE).hint(image, all_missing=True)


def test_a_name_that_may_be_several() -> None:
    with pytest.raises(InputError, match=r"any of several images of x.npz: 'ann/1.jpg' and 'lfw/"):
        find(["ann/1.jpg", "lfw/ann/1.jpg"], "ann/1.jpg")
    with pytest.raises(InputError, match="any of several"):
        find(["bö/1.jpg".replace("/", "\\"), unicodedata.normalize("NFD", "bö/1.jpg")], "bö/1.jpg")
    # As written goes before what is alike, as it does among files.
    assert find([r"ann\1.jpg", "ann/1.jpg"], "ann/1.jpg") == 1


def test_one_row_is_never_that_of_two_images(tmp_path: Path) -> None:
    index = NameIndex(["1.jpg"], FILE)
    assert index.find(ImageName.of(tmp_path / "upright", "1.jpg")) == 0
    with pytest.raises(InputError, match=r"is the name of two images: .*upright.*inverted"):
        index.find(ImageName.of(tmp_path / "inverted", "1.jpg"))
    (tmp_path / "upright").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "upright")
    index = NameIndex(["1.jpg"], FILE)
    assert index.find(ImageName.of(tmp_path / "upright", "1.jpg")) == 0
    assert index.find(ImageName.of(tmp_path / "link", "1.jpg")) == 0
    both = NameIndex(["upright/1.jpg", "inverted/1.jpg"], FILE)
    assert both.find(ImageName.of(tmp_path / "inverted", "1.jpg")) == 1
