"""Tables are read as other programs mean them, or what is wrong is told with its place."""

from __future__ import annotations

import pytest

from facebench import CorrelationTask
from facebench.data.pairs import read_pairs
from facebench.data.tables import is_parquet, read_text_table
from facebench.errors import MissingImageError, PairsError


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "pairs.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


class TestColumnsWithoutAName:
    @pytest.mark.parametrize("commas", [",", ",,", ",,,,"])
    def test_empty_ones_are_ignored(self, write, commas):
        path = write(f"img1,img2,same{commas}\na,b,1{commas}\n")
        assert read_pairs(path).to_dict("list") == {"img1": ["a"], "img2": ["b"], "same": [1]}

    def test_rows_may_be_longer_by_nothing(self, write):
        assert list(read_pairs(write("img1,img2\na,b,,\nc,d\n"))["img2"]) == ["b", "d"]

    def test_rows_without_text_at_the_end_are_ignored(self, write):
        assert len(read_pairs(write("img1,img2,same\na,b,1\n,,\n,,\n"))) == 1

    @pytest.mark.parametrize("first", ["", '""'])
    def test_the_numbers_of_rows_that_pandas_and_r_write_are_ignored(self, write, first):
        pairs = read_pairs(write(f"{first},img1,img2\n3,a,b\n7,c,d\n"))
        assert list(pairs.columns) == ["img1", "img2"]

    def test_those_with_text_are_told_by_their_position(self, write):
        with pytest.raises(PairsError, match=r"Columns 3 and 5 .* no name.* first 'x' in row 2"):
            read_pairs(write("img1,img2,,same,\na,b,,1,\nc,d,x,0,y\n"))


class TestEuropeanSpreadsheets:
    @pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "sep=|"])
    def test_a_declared_separator_is_used(self, write, line):
        mark = line.strip('"')[-1]
        path = write(f"\ufeff{line}\r\nimg1{mark}img2{mark}x\r\na{mark}b{mark}0.5\r\n")
        assert read_pairs(path).to_dict("list") == {"img1": ["a"], "img2": ["b"], "x": [0.5]}

    def test_decimal_commas_are_decimal_points(self, write):
        path = write("img1;img2;x\na;b;0,25\nc;d;-1,5\ne;f;3\ng;h;\n")
        assert read_pairs(path)["x"].tolist()[:3] == [0.25, -1.5, 3.0]

    def test_a_column_used_as_numbers_becomes_numbers(self, write, tmp_path):
        path = write("img1;img2;distance\na;b;0,1\nc;d;0,10\ne;f;0,3\n")
        assert read_pairs(path)["distance"].tolist() == ["0,1", "0,10", "0,3"]
        task = CorrelationTask("c", path, tmp_path)
        assert task.pairs_df["distance"].tolist() == [0.1, 0.1, 0.3]

    @pytest.mark.parametrize("separator", [",", "\t"])
    def test_where_it_is_not_certain_the_cause_is_told(self, write, tmp_path, separator):
        cells = ['"1,234"', '"2,500"', '"7,125"']
        rows = "".join(f"a{separator}b{separator}{cell}\n" for cell in cells)
        path = write(f"img1{separator}img2{separator}distance\n{rows}")
        with pytest.raises(PairsError, match=r"'1,234' in row 1 \(line 2\).*decimal comma"):
            CorrelationTask("c", path, tmp_path)


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        (["1.1", "1.10"], True),
        (["1.9", "1.10"], True),
        (["1e3", "1000"], True),
        (["1e5", "2e5"], True),
        (["1000", "1000.0"], True),
        (["+1", "1"], True),
        (["-0", "0"], True),
        (["00", "0"], True),
        (["inf", "2"], True),
        (["1e999", "2"], True),
        (["123456789012345678901", "123456789012345678902"], True),
        (["12345678901234567", ""], True),
        (["0.50", "1.25"], False),
        (["1.0", "0.0"], False),
        ([".5", "1.25"], False),
        (["1e-05", "0.25"], False),
    ],
)
def test_codes_that_look_like_numbers_stay_text(write, cells, kept):
    pairs = read_pairs(write("img1,img2,x\n" + "".join(f"a,b,{cell}\n" for cell in cells)))
    if kept:
        assert pairs["x"].dropna().tolist() == [cell for cell in cells if cell]
    else:
        assert pairs["x"].tolist() == [float(cell) for cell in cells]


def test_a_cell_that_counts_as_empty_is_told_as_written(write, tmp_path):
    path = write("img1,img2,distance\na,b,1\nc,d,NA\n")
    with pytest.raises(PairsError, match=r"row 2 \(line 3\)\. 'NA' is read as an empty cell"):
        CorrelationTask("c", path, tmp_path)


class TestTrueLines:
    ROWS = [f"p{i}.png,q{i}.png,{'x' if i == 3 else i}" for i in range(6)]  # noqa: RUF012

    @pytest.mark.parametrize(
        "text",
        [
            "img1,img2,distance\n\n\n" + "".join(f"{row}\n\n" for row in ROWS),
            "img1,img2,distance,note\n" + "".join(f'{row},"alike\nhair"\n' for row in ROWS),
            'img1,img2,distance,"a\nnote"\r\n' + "".join(f"{row},\r\n" for row in ROWS),
            "sep=,\n\nimg1,img2,distance\n" + "".join(f"{row}\n" for row in ROWS),
        ],
        ids=["blank", "breaks", "header", "declared"],
    )
    def test_of_a_cell_and_of_a_missing_image(self, write, tmp_path, text):
        path = write(text)
        line = next(n for n, content in enumerate(text.splitlines(), 1) if ",x" in content)
        with pytest.raises(PairsError, match=rf"row 4 \(line {line}\)"):
            CorrelationTask("c", path, tmp_path)
        from facebench.data.pairs import find_images

        for i in range(6):
            if i != 3:
                (tmp_path / f"p{i}.png").touch()
            (tmp_path / f"q{i}.png").touch()
        with pytest.raises(MissingImageError, match=rf"'p3.png' in row 4 \(line {line}\)"):
            find_images(read_pairs(path), tmp_path, task="c")

    def test_of_a_list_without_a_first_line(self, write, tmp_path):
        from facebench.data.pairs import find_images

        pairs = read_pairs(write("ann\t1\t2\n\nbea\t1\t2\n", "pairs.txt"))
        with pytest.raises(MissingImageError, match=r"row 1 \(line 1\).*row 2 \(line 3\)"):
            find_images(pairs, tmp_path, task="c")


@pytest.mark.parametrize("sign", ["x", "9"])
def test_a_cell_longer_than_a_spreadsheet_has_is_refused(write, sign):
    with pytest.raises(PairsError, match="a cell of 40,000 characters") as caught:
        read_pairs(write(f"img1,img2,note\na,b,{sign * 40_000}\n"))
    assert len(str(caught.value)) < 500


def test_a_column_of_an_endless_name_is_refused(write):
    with pytest.raises(PairsError, match="a column name of 600 characters"):
        read_pairs(write(f"img1,img2,{'x' * 600}\na,b,1\n"))


def test_parquet_is_told_by_its_first_bytes_and_refused_where_text_is_wanted(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"PAR1" + bytes(50))
    assert is_parquet(path)
    with pytest.raises(PairsError, match=r"is not UTF-8 text, but a Parquet file\. Save it"):
        read_text_table(path)
    path.write_text("img1,img2\n")
    assert not is_parquet(path)
    assert not is_parquet(tmp_path)
