"""The table of Balanced Faces in the Wild."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.data.pairs import read_bfw_pairs
from facebench.errors import MissingPairsFileError, PairsError

Write = Callable[..., Path]
HEADER = ",fold,p1,p2,label,id1,id2,att1,att2,vgg16,a1\n"
ROW = (
    "{},1,asian_females/n1/1.jpg,asian_females/n1/2.jpg,{},0,0,asian_females,asian_females,.8,AF\n"
)


class TestBfw:
    def test_columns_get_our_names(self, write: Write) -> None:
        found = read_bfw_pairs(write(HEADER + ROW.format(0, 1) + ROW.format(1, 0)))
        assert list(found) == [
            *("img1", "img2", "same", "fold", "identity1", "identity2", "group1", "group2")
        ]
        assert found["same"].tolist() == [1, 0]
        assert found["fold"].tolist() == [1, 1]
        assert found["identity1"].tolist() == ["0", "0"]
        assert found["group2"][0] == "asian_females"

    def test_what_is_wrong_is_told(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(MissingPairsFileError):
            read_bfw_pairs(tmp_path / "none.csv")
        with pytest.raises(PairsError, match="It lacks p2"):
            read_bfw_pairs(write(HEADER.replace("p2", "p3") + ROW.format(0, 1)))
        with pytest.raises(PairsError, match=r"'label' column .* 0 or 1\. Row 2 has '2'"):
            read_bfw_pairs(write(HEADER + ROW.format(0, 1) + ROW.format(1, 2)))
        with pytest.raises(PairsError, match=r"'fold' column .* Row 1 has ''"):
            read_bfw_pairs(write(HEADER + ROW.format(0, 1).replace("0,1,", "0,,", 1)))
        with pytest.raises(PairsError, match=r"Row 1 .* empty cell"):
            read_bfw_pairs(write(HEADER + ROW.format(0, 1).replace("asian_females/n1/1.jpg", "")))
