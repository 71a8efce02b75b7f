"""One door for every file of pairs: by what is in it, not by its name."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.data.pairs import read_pairs
from facebench.errors import MissingPairsFileError

LISTS = {
    "csv": "img1,img2\nann/ann_0001.jpg,ann/ann_0002.jpg\n",
    "tabs": "img1\timg2\nann/ann_0001.jpg\tann/ann_0002.jpg\n",
    "lfw": "ann\t1\t2\n",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("name", ["pairs.txt", "pairs.csv", "pairs"])
def test_the_kind_is_told_by_the_content(write: Callable[..., Path], text: str, name: str) -> None:
    pairs = read_pairs(write(text, name))
    assert pairs[["img1", "img2"]].values.tolist() == [["ann/ann_0001.jpg", "ann/ann_0002.jpg"]]


def test_lists_of_lfw_take_the_suffix_that_is_there(write: Callable[..., Path]) -> None:
    path = write("ann\t1\t2\n")
    for number in (1, 2):
        write("", f"images/ann/ann_000{number}.png")
    pairs = read_pairs(path, path.parent / "images")
    assert pairs.loc[0, "img2"] == "ann/ann_0002.png"


def test_a_pack_is_its_own_table(tmp_path: Path) -> None:
    path = tmp_path / "pack.bin"
    path.write_bytes(pickle.dumps(([b"a", b"b"], [True])))
    assert read_pairs(path).loc[0].tolist() == ["000001.jpg", "000002.jpg", 1]


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingPairsFileError, match=r"gone\.csv"):
        read_pairs(tmp_path / "gone.csv")
