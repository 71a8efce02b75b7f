"""One door for every file of pairs: by what is in it, not by its name."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facebench.data.pairs import read_pairs
from facebench.errors import MissingPairsFileError, PairsError

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


NAMES = {"img1": ["a.jpg", " b.jpg"], "img2": ["c.jpg", "007"]}


@pytest.mark.parametrize(
    "columns",
    [
        {"same": [1, 0], "distance": [0.25, None], "group": ["x", "NA"], "code": ["007", "08"]},
        {"same": [True, False], "number": ["1.5", "2"]},
        {"same": pd.Categorical(["yes", "no"]), "score": [Decimal("1.50"), None]},
        {"same": [True, None], "score": pd.array([1, None], "Int64")},
    ],
)
@pytest.mark.parametrize("name", ["pairs.parquet", "pairs.csv"])
def test_parquet_is_read_as_the_same_table_in_csv(tmp_path: Path, columns: Any, name: str) -> None:
    table = pd.DataFrame({**NAMES, **columns})
    table.to_csv(tmp_path / "text.csv", index=False)
    table.to_parquet(tmp_path / name)
    found, expected = read_pairs(tmp_path / name), read_pairs(tmp_path / "text.csv")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found["img2"].tolist() == ["c.jpg", "007"]


def test_an_index_of_pandas_is_no_column_unless_it_has_a_name(tmp_path: Path) -> None:
    table = pd.DataFrame(NAMES)
    table.set_index(pd.Index([5, 9])).to_parquet(tmp_path / "a.parquet")
    table.set_index("img1").to_parquet(tmp_path / "b.parquet")
    assert list(read_pairs(tmp_path / "a.parquet")) == ["img1", "img2"]
    assert read_pairs(tmp_path / "b.parquet")["img1"].tolist() == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (
            {"img1": [1, 2]},
            "'img1' column of .* image names as text. Got .* in row 1[.]$",
        ),
        ({"img1": ["a", None]}, "an image name in every row. 1 are empty: row 2[.]"),
        ({"x": [[1], [2]]}, "'x' column of .* must hold numbers or text. Got"),
        ({"x": pd.to_datetime(["2020-01-01", None])}, "numbers or text. Got Timestamp"),
        ({"layer_name": ["a", "b"]}, "a name the results use"),
    ],
)
def test_parquet_that_is_no_table_of_pairs_is_told(tmp_path: Path, columns: Any, what: str) -> None:
    pd.DataFrame({**NAMES, **columns}).to_parquet(tmp_path / "pairs.parquet")
    with pytest.raises(PairsError, match=what):
        read_pairs(tmp_path / "pairs.parquet")


def test_damaged_parquet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    pd.DataFrame(NAMES).to_parquet(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(PairsError, match="cannot be read as Parquet"):
        read_pairs(path)
