"""Lists in the format of LFW."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from facebench.data.pairs import read_lfw_pairs, read_pairs
from facebench.errors import FacebenchError, MissingPairsFileError, PairsError
from support.data import data_folder

LFW = data_folder() / "lfw_view1"


def lfw_rows(folds: int, per_class: int, gap: str = "\t") -> list[str]:
    rows = []
    for fold in range(folds):
        rows += [gap.join([f"P{fold}", str(i), str(i + 1)]) for i in range(per_class)]
        rows += [gap.join([f"P{fold}", "1", f"Q{fold}", str(i)]) for i in range(per_class)]
    return rows


class TestLfw:
    @pytest.mark.parametrize("gap", ["\t", " ", "   "])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_both_forms(self, write: Callable[..., Path], gap: str, end: str) -> None:
        rows = ["1", gap.join(["Abel_Pacheco", "1", "4"]), gap.join(["Bo", "12", "Cy", "10000"])]
        found = read_lfw_pairs(write(end.join(rows) + end))
        assert found.to_dict("list") == {
            "img1": ["Abel_Pacheco/Abel_Pacheco_0001.jpg", "Bo/Bo_0012.jpg"],
            "img2": ["Abel_Pacheco/Abel_Pacheco_0004.jpg", "Cy/Cy_10000.jpg"],
            "same": [1, 0],
            "fold": [1, 1],
        }

    def test_view_2_is_ten_folds(self, write: Callable[..., Path]) -> None:
        rows = lfw_rows(10, 300)
        found = read_lfw_pairs(write("10\t300\n" + "\n".join(rows)))
        assert len(found) == 6000
        assert found["fold"].tolist() == [1 + row // 600 for row in range(6000)]
        assert (found.groupby("fold")["same"].sum() == 300).all()
        headless = read_lfw_pairs(write("\n".join(rows)))
        pd.testing.assert_frame_equal(headless, found)

    def test_other_lists_without_a_header_are_one_fold(self, write: Callable[..., Path]) -> None:
        assert set(read_lfw_pairs(write("\n".join(lfw_rows(3, 4))))["fold"]) == {1}

    def test_names_with_spaces_between_tabs(self, write: Callable[..., Path]) -> None:
        found = read_lfw_pairs(write("Ann Lee\t1\tBo Ray\t2\n"))
        assert found["img1"][0] == "Ann Lee/Ann Lee_0001.jpg"

    def test_other_suffix(self, write: Callable[..., Path]) -> None:
        assert read_lfw_pairs(write("A 1 2"), suffix=".png")["img1"][0] == "A/A_0001.png"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1\nA 1 2\nA 1 B\n", r"Line 3 of .* 'NAME i j'"),
            ("A 1 2\nA x 2\n", "Line 2"),
            ("A 1 2\nA -1 2\n", "Line 2"),
            ("A 1 2\n\nA 1 B 2 C\n", "Line 3"),
            ("10\t300\nA 1 2\n", r"announces 10 x 300 .*6000 in all\. It has 1\."),
            ("2\nA 1 2\nA 1 B 2\n", "announces 1 x 2"),
            ("10 300\n", "no pairs"),
            ("", "empty"),
            ("\n \n", "empty"),
        ],
    )
    def test_what_is_wrong_is_told(
        self, write: Callable[..., Path], text: str, message: str
    ) -> None:
        with pytest.raises(PairsError, match=message):
            read_lfw_pairs(write(text))

    def test_no_file_and_no_text(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPairsFileError):
            read_lfw_pairs(tmp_path / "none.txt")
        (tmp_path / "latin.txt").write_bytes(b"Jos\xe9 1 2\n")
        with pytest.raises(PairsError, match="UTF-8"):
            read_lfw_pairs(tmp_path / "latin.txt")
        with pytest.raises(FacebenchError):
            read_lfw_pairs(None)

    def test_read_pairs_knows_the_format(self, write: Callable[..., Path]) -> None:
        path = write("1\nA 1 2\nA 1 B 2\n")
        pd.testing.assert_frame_equal(read_pairs(path), read_lfw_pairs(path))

    @pytest.mark.parametrize("text", ["a.jpg\tb.jpg\t1\n", "a.jpg b.jpg 1\n", "a,1,2\n"])
    def test_tables_without_a_header_stay_what_they_are(
        self, write: Callable[..., Path], text: str
    ) -> None:
        with pytest.raises(PairsError, match="img1 and img2"):
            read_pairs(write(text))

    @pytest.mark.data
    @pytest.mark.skipif(not LFW.is_dir(), reason=f"no LFW data at {LFW} (set FACEBENCH_DATA)")
    @pytest.mark.parametrize(
        ("text", "table"),
        [
            ("pairsDevTest.txt", "pairs_dev_test.csv"),
            ("pairsDevTrain.txt", "pairs_dev_train.csv"),
        ],
    )
    def test_the_real_lists(self, text: str, table: str) -> None:
        found = read_lfw_pairs(LFW / text)
        pd.testing.assert_frame_equal(found.drop(columns="fold"), pd.read_csv(LFW / table))
        assert set(found["fold"]) == {1}
