"""A table that grows: appended to where it can be, written whole where it must."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.errors import InputError
from facebench.results.growing_table import GrowingTable

CELLS = st.one_of(st.floats(allow_nan=False), st.text('a,\n"é ', max_size=4).map(lambda t: t + "x"))
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), CELLS, min_size=1), min_size=1, max_size=8)


@pytest.mark.slow
@given(ROWS)
def test_what_stands_in_the_file_is_the_whole_table(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("grown") / "table.csv"
    table, written = GrowingTable(path), []
    for row in rows:
        written.append(row)
        table.add(pd.DataFrame([row]), lambda: pd.DataFrame(written))
    found = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert len(found) == len(rows)
    for row, record in zip(rows, found.to_dict("records"), strict=True):
        expected = dict.fromkeys(record, "") | {
            key: value if isinstance(value, str) else repr(value) for key, value in row.items()
        }
        assert record == expected


def never():
    pytest.fail("the table was written whole")


def test_known_columns_are_appended(tmp_path):
    path = tmp_path / "table.csv"
    table = GrowingTable(path)
    first = pd.DataFrame({"a": [1], "b": ["x"]})
    table.add(first, lambda: first)
    table.add(pd.DataFrame({"b": ["y"], "a": [2]}), never)
    assert path.read_text() == "a,b\n1,x\n2,y\n"


def test_a_file_that_another_changed_is_written_whole(tmp_path):
    path = tmp_path / "table.csv"
    table, both = GrowingTable(path), pd.DataFrame({"a": [1, 2]})
    table.add(both[:1], lambda: both[:1])
    for damage in (path.unlink, lambda: path.write_text("other")):
        damage()
        table.add(both[1:], lambda: both)
        assert path.read_text() == "a\n1\n2\n"


def test_a_link_is_not_followed(tmp_path):
    path, elsewhere = tmp_path / "table.csv", tmp_path / "elsewhere.csv"
    table, row = GrowingTable(path), pd.DataFrame({"a": [1]})
    table.add(row, lambda: row)
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(InputError, match="a link"):
        table.add(row, lambda: row)
    assert elsewhere.read_text() == "a\n1\n"
