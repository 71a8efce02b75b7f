"""Lists of two lines a pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.data.pairs import read_calfw_pairs
from facebench.errors import PairsError

Write = Callable[..., Path]


class TestCalfw:
    def test_folds_are_numbered(self, write: Write) -> None:
        lines = [f"A_B_0001.jpg {fold}\nA_B_0002.jpg {fold}" for fold in (2, 1)]
        lines += ["A_B_0001.jpg\t0\nC_0001.jpg\t0"] * 2
        found = read_calfw_pairs(write("\n".join(lines)))
        assert found["same"].tolist() == [1, 1, 0, 0]
        assert found["fold"].tolist() == [2, 1, 1, 6]
        assert found.loc[2, ["img1", "img2"]].tolist() == ["A_B_0001.jpg", "C_0001.jpg"]

    def test_without_numbers_pairs_are_dealt_out_in_order(self, write: Write) -> None:
        pairs = ["a_1.jpg 1\na_2.jpg 1"] * 20 + ["a_1.jpg 0\nb_2.jpg 0"] * 20
        found = read_calfw_pairs(write("\n".join(pairs)))
        assert found["fold"].tolist() == [fold for fold in range(1, 11) for _ in range(2)] * 2

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a.jpg 1\nb.jpg 1\nc.jpg 1\n", r"line 3\) has no partner"),
            ("a.jpg 1\nb.jpg 0\n", r"Lines 1 and 2 .* Got 1 and 0"),
            ("a.jpg\nb.jpg\n", r"Line 1 of .*'image number'"),
            ("a.jpg -1\nb.jpg -1\n", r"Line 1"),
            ("img1,img2,same\n", r"Line 1"),
        ],
    )
    def test_what_is_wrong_is_told(self, text: str, said: str, write: Write) -> None:
        with pytest.raises(PairsError, match=said):
            read_calfw_pairs(write(text))
