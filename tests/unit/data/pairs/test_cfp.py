"""Protocols in the format of CFP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.data.pairs import read_cfp_pairs
from facebench.errors import MissingPairsFileError, PairsError


class TestCfp:
    @pytest.fixture
    def protocol(self, write: Callable[..., Path]) -> Path:
        for letter, kind in (("F", "frontal"), ("P", "profile")):
            lines = [f"{n} ../Data/Images/00{n}/{kind}/01.jpg" for n in (1, 2)]
            images = write("\n".join(lines), f"Protocol/Pair_list_{letter}.txt")
        for fold in ("01", "02"):
            write("1,1\n", f"Protocol/Split/FP/{fold}/same.txt")
            write("1,2\n2,1\n", f"Protocol/Split/FP/{fold}/diff.txt")
            write("1,2\n", f"Protocol/Split/FF/{fold}/same.txt")
            write("2,1\n", f"Protocol/Split/FF/{fold}/diff.txt")
        return images.parent

    def test_frontal_against_profile(self, protocol: Path) -> None:
        found = read_cfp_pairs(protocol)
        assert found["same"].tolist() == [1, 0, 0] * 2
        assert found["fold"].tolist() == [1, 1, 1, 2, 2, 2]
        assert found["img1"].tolist()[:2] == ["Data/Images/001/frontal/01.jpg"] * 2
        assert found["img2"][1] == "Data/Images/002/profile/01.jpg"

    def test_frontal_against_frontal(self, protocol: Path) -> None:
        assert read_cfp_pairs(protocol, "FF")["img2"][0] == "Data/Images/002/frontal/01.jpg"

    def test_what_is_wrong_is_told(self, protocol: Path, write: Callable[..., Path]) -> None:
        write("1,9\n", "Protocol/Split/FP/02/diff.txt")
        with pytest.raises(PairsError, match=r"Line 1 of .*02.diff\.txt"):
            read_cfp_pairs(protocol)
        with pytest.raises(PairsError, match="'kind'"):
            read_cfp_pairs(protocol, "PP")
        with pytest.raises(MissingPairsFileError):
            read_cfp_pairs(protocol / "none")
        write("one path.jpg\n", "Protocol/Pair_list_P.txt")
        with pytest.raises(PairsError, match="'number path'"):
            read_cfp_pairs(protocol)
