"""Cells of any file become the text that a CSV file would have."""

from pathlib import Path

import numpy as np
import pytest

from facebench.people.cells import cell_text, file_of_columns, flattened, is_number


@pytest.mark.parametrize(
    ("value", "text"),
    [(" a ", "a"), (2.0, "2"), (2.5, "2.5"), (None, ""), (float("nan"), ""), (False, "false"),
     ({"x": 1}, '{"x": 1}'), (np.int64(7), "7")],
)  # fmt: skip
def test_a_value_is_written_as_in_csv(value, text):
    assert cell_text(value) == text


def test_rows_of_columns_are_counted_from_1():
    table = file_of_columns(Path("a.mat"), {"rt": [0.5, None], "img1": ["a", "b"]}).table
    assert table.to_numpy().tolist() == [["0.5", "a", 1], ["", "b", 2]]


def test_objects_within_objects_are_columns():
    assert flattened({"a": 1, "b": {"c": 2, "d": {"e": 3}}}) == {"a": 1, "b.c": 2, "b.d.e": 3}


def test_numbers_are_what_python_reads():
    assert [is_number(text) for text in ("1", "-2.5e3", "f", "")] == [True, True, False, False]
