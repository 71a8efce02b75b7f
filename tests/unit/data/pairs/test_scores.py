"""Tables of scores: every cell is a number, an empty cell, or an error with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench.data.pairs.scores import read_scored_pairs, score_column
from facebench.errors import InputError, PairsError

BFW = "fold,p1,p2,label,id1,id2,att1,att2,vgg16\n1,a/1.jpg,a/2.jpg,1,0,0,asian_f,asian_f,{}\n"


def test_a_table_of_bfw(tmp_path: Path) -> None:
    path = tmp_path / "bfw.csv"
    path.write_text(BFW.format("0.25"), encoding="utf-8")
    table = read_scored_pairs(path)
    assert table[["img1", "img2"]].to_numpy().tolist() == [["a/1.jpg", "a/2.jpg"]]
    assert score_column(table, "vgg16", path).tolist() == [0.25]
    table = table.rename(columns={"img1": "p1", "img2": "p2"})
    table.to_parquet(tmp_path / "bfw.parquet")
    again = read_scored_pairs(tmp_path / "bfw.parquet")
    assert again["img2"].tolist() == ["a/2.jpg"]
    assert score_column(again, "vgg16", tmp_path / "bfw.parquet").tolist() == [0.25]


def test_text_that_is_numbers_and_gaps(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    # '1.10' beside '1.1' would be names in a column of pairs.
    rows = ["1.10", "1.1", "", "NaN", "-2e-3"]
    path.write_text("img1;img2;s\n" + "".join(f"a;b;{cell}\n" for cell in rows), encoding="utf-8")
    found = score_column(read_scored_pairs(path), "s", path)
    assert np.array_equal(found, [1.1, 1.1, np.nan, np.nan, -0.002], equal_nan=True)
    path.write_text("img1;img2;s\na;b;0,50\na;c;0,5\n", encoding="utf-8")
    assert score_column(read_scored_pairs(path), "s", path).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("cell", "said"),
    [("high", r"'high' in row 1 \(line 2\)"), ("inf", "must be finite"), ("", "all empty")],
)
def test_what_is_no_score(tmp_path: Path, cell: str, said: str) -> None:
    path = tmp_path / "bfw.csv"
    path.write_text(BFW.format(cell), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        score_column(read_scored_pairs(path), "vgg16", path)


def test_parquet_that_is_no_such_table(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(PairsError, match="cannot be read as Parquet"):
        read_scored_pairs(path)
    for images in ([1, 2], ["a", None], ["a", " "]):
        pd.DataFrame({"img1": images, "img2": ["b", "c"]}).to_parquet(path)
        with pytest.raises(PairsError, match="img1"):
            read_scored_pairs(path)
