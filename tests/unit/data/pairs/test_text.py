"""Lines of plain lists keep their numbers, and cells their spaces where tabs part them."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.data.pairs.text import Line, lines_of, whole_number
from facebench.errors import MissingPairsFileError, PairsError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def test_empty_lines_count_but_are_not_given(path: Path) -> None:
    path.write_bytes("\ufeffa b\r\n\r\n  \nJosé Maria\t1\n".encode())
    assert lines_of(path) == [Line(1, ["a", "b"]), Line(4, ["José Maria", "1"])]


def test_characters_that_end_no_line_in_an_editor_part_no_name(path: Path) -> None:
    path.write_text("a\x0bb,1\nc\u2028d,2\n", encoding="utf-8")
    assert lines_of(path, ",") == [Line(1, ["a\x0bb", "1"]), Line(2, ["c\u2028d", "2"])]


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "is empty"), (b" \n\n", "is empty"), (b"\xff\xfea", "not UTF-8")]
)
def test_what_is_no_list_is_told(path: Path, content: bytes, told: str) -> None:
    path.write_bytes(content)
    with pytest.raises(PairsError, match=rf"list\.txt.*{told}"):
        lines_of(path)


def test_no_file_is_told(path: Path) -> None:
    with pytest.raises(MissingPairsFileError, match=r"list\.txt cannot be read"):
        lines_of(path)


@pytest.mark.parametrize("cell", ["-1", "1.0", "", " 1", "²", "١", "1_000"])
def test_only_plain_digits_are_a_whole_number(cell: str) -> None:
    assert whole_number(cell) is None
    assert whole_number("0012") == 12
