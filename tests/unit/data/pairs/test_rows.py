"""Rows are named by their true line in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.data.pairs import read_pairs
from facebench.data.pairs.rows import cells_as_written, file_of, is_lfw_list, row_name


def test_blank_lines_and_line_breaks_in_cells_count(write: Callable[..., Path]) -> None:
    path = write('sep=,\nimg1,img2,note\n\na,b,"two\nlines"\nc,d,x\n')
    assert row_name(0, path) == "row 1 (line 4)"
    assert row_name(1, path) == "row 2 (line 6)"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("10\t1\nann\t1\t2\n\nann\t1\tbob\t2\n", "row 2 (line 4)"),
        ("ann 1 2\nbob 1 2\n", "row 2 (line 2)"),
    ],
)
def test_in_lists_too(write: Callable[..., Path], text: str, named: str) -> None:
    path = write(text)
    assert is_lfw_list(path)
    assert row_name(1, path) == named


def test_without_its_file_a_row_has_the_line_of_a_plain_table(tmp_path: Path) -> None:
    assert row_name(3) == row_name(3, tmp_path / "gone.csv") == "row 4 (line 5)"


def test_cells_come_as_they_are_written(write: Callable[..., Path]) -> None:
    path = write("img1,img2,age\na,b,007\nc,d\n")
    assert list(cells_as_written(path, "age")) == ["007", ""]
    assert list(cells_as_written(path, "none")) == list(cells_as_written("gone.csv", "age")) == []


def test_a_table_knows_its_file_and_a_selection_does_not(write: Callable[..., Path]) -> None:
    path = write("img1,img2\na,b\nc,d\n")
    pairs = read_pairs(path)
    assert file_of(pairs) == path
    # Its rows are other rows.
    assert file_of(pairs[pairs["img1"] == "c"].reset_index(drop=True)) is None
