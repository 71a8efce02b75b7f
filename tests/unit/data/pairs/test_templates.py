"""Lists of media and template pairs in the format of IJB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.data.pairs import read_template_media, read_template_pairs
from facebench.errors import PairsError


class TestTemplates:
    def test_media(self, write: Callable[..., Path]) -> None:
        found = read_template_media(write("1.jpg 10 7\n2.jpg\t10\t7\n3.jpg 11 8\n"))
        assert found.to_dict("list") == {
            "img": ["1.jpg", "2.jpg", "3.jpg"],
            "template": [10, 10, 11],
            "media": [7, 7, 8],
        }

    def test_pairs(self, write: Callable[..., Path]) -> None:
        found = read_template_pairs(write("10 11 0\n10 12 1\n"))
        assert found.to_dict("list") == {
            "template1": [10, 10],
            "template2": [11, 12],
            "same": [0, 1],
        }

    @pytest.mark.parametrize("line", ["1.jpg 10", "1.jpg a 7", "1.jpg 1 2 3", "1.jpg 1 -2"])
    def test_bad_media_are_told(self, write: Callable[..., Path], line: str) -> None:
        with pytest.raises(PairsError, match="Line 2"):
            read_template_media(write(f"1.jpg 10 7\n{line}\n"))

    @pytest.mark.parametrize("line", ["1 2 2", "1 2", "1 b 0"])
    def test_bad_pairs_are_told(self, write: Callable[..., Path], line: str) -> None:
        with pytest.raises(PairsError, match="Line 1"):
            read_template_pairs(write(line))
