"""Pair tables come back as they were written, and what is wrong with one is said with its place."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facebench.data.pairs import find_images, read_pairs, require_column, require_numbers, row_name
from facebench.errors import (
    FacebenchError,
    InputError,
    MissingImageError,
    MissingPairsFileError,
    PairsError,
)

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";"}
ODD_NAMES = ["007", "1.50", "1e5", "True", "NA", "nan", "None", "null", "N/A", "-", "#1", "a b.jpg"]
ODD_NAMES += ["größe.jpg", "顔/01.png", "a,b", "a;b", 'say "hi".png', "it's.png", "a\\b", "x\ty"]

names = st.sampled_from(ODD_NAMES) | st.text(
    st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12
).filter(lambda name: name == name.strip())

WritePairs = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> WritePairs:
    def write(content: str | bytes, name: str = "pairs.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def pairs_of(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["img1", "img2"], dtype=object)


class TestReading:
    @pytest.mark.slow
    @pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
    @settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
    @given(rows=st.lists(st.tuples(names, names, st.integers(-999, 999)), min_size=1, max_size=6))
    def test_any_table_comes_back_as_it_was_written(
        self, tmp_path: Path, separator: str, rows: list[tuple[str, str, int]]
    ) -> None:
        path = tmp_path / "pairs.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerow(["img1", "img2", "rating"])
            writer.writerows(rows)
        pairs = read_pairs(path)
        columns = [pairs[column].tolist() for column in ("img1", "img2", "rating")]
        assert list(zip(*columns, strict=True)) == rows
        assert pairs.index.tolist() == list(range(len(rows)))

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_a_name_stays_text_as_written(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "pairs.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["img1", "img2"], [name, "b.jpg"], ["c.jpg", name]])
        pairs = read_pairs(path)
        assert pairs["img1"].tolist() == [name, "c.jpg"]
        assert pairs["img2"].tolist() == ["b.jpg", name]

    @pytest.mark.parametrize("name", ["pairs.csv", "pairs.txt", "pairs.tsv", "pairs", "pairs.dat"])
    @pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
    def test_the_extension_says_nothing_about_the_separator(
        self, write: WritePairs, name: str, separator: str
    ) -> None:
        path = write(f"img1{separator}img2\na{separator}b\n", name)
        assert read_pairs(path).to_dict("list") == {"img1": ["a"], "img2": ["b"]}

    def test_further_columns_travel_with_their_rows(self, write: WritePairs) -> None:
        pairs = read_pairs(
            write("truth,img2,distance,img1,note\n1,b,0.25,a,x y\n0,d,-1e3,c,\n1,f,3,e,z\n")
        )
        assert pairs.columns.tolist() == ["truth", "img2", "distance", "img1", "note"]
        assert pairs["img1"].tolist() == ["a", "c", "e"]
        assert pairs["truth"].tolist() == [1, 0, 1]
        assert pairs["distance"].tolist() == [0.25, -1000.0, 3.0]
        assert pairs["note"].isna().tolist() == [False, True, False]

    def test_duplicate_rows_are_kept_in_order(self, write: WritePairs) -> None:
        pairs = read_pairs(write("img1,img2,truth\na,b,1\nc,d,0\na,b,1\na,a,1\n"))
        assert pairs["img1"].tolist() == ["a", "c", "a", "a"]
        assert pairs["truth"].tolist() == [1, 0, 1, 1]

    def test_a_column_of_another_separator_is_only_text(self, write: WritePairs) -> None:
        pairs = read_pairs(write("img1;img2;note\na;b;x,y,z\nc;d;,,,,\n"))
        assert pairs["note"].tolist() == ["x,y,z", ",,,,"]

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbfimg1,img2\na,b\nc,d\n",
            b"img1,img2\r\na,b\r\nc,d\r\n",
            b"\xef\xbb\xbfimg1;img2\r\na;b\r\nc;d\r\n",
            b"img1,img2\ra,b\rc,d\r",
            b"img1,img2\na,b\nc,d",
            b"\n\nimg1,img2\na,b\n\nc,d\n\n",
            b'"img1","img2"\n"a","b"\n"c","d"\n',
            b"img1, img2\na, b\nc, d\n",
        ],
        ids=["bom", "windows", "both", "old-mac", "no-end", "blank-lines", "quoted", "spaced"],
    )
    def test_the_habits_of_other_programs_do_not_matter(
        self, write: WritePairs, content: bytes
    ) -> None:
        assert read_pairs(write(content)).to_dict("list") == {
            "img1": ["a", "c"],
            "img2": ["b", "d"],
        }

    def test_a_space_after_a_column_name_changes_nothing(self, write: WritePairs) -> None:
        pairs = read_pairs(write("img1 ,img2 ,truth \n007,1.50,1\n"))
        assert pairs.to_dict("list") == {"img1": ["007"], "img2": ["1.50"], "truth": [1]}

    def test_the_path_may_be_text(self, write: WritePairs) -> None:
        assert len(read_pairs(str(write("img1,img2\na,b\n")))) == 1

    def test_reading_changes_nothing_on_disk(self, write: WritePairs) -> None:
        path = write("img1,img2\r\na,b\r\n")
        read_pairs(path)
        assert path.read_bytes() == b"img1,img2\r\na,b\r\n"
        assert list(path.parent.iterdir()) == [path]


class TestRefusedTables:
    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPairsFileError, match=r"nowhere\.csv does not exist") as caught:
            read_pairs(tmp_path / "nowhere.csv")
        assert isinstance(caught.value, FileNotFoundError)

    def test_a_folder_is_no_pairs_file(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPairsFileError):
            read_pairs(tmp_path)

    @pytest.mark.parametrize("content", ["", "\n", "\r\n\r\n", "   \n", "\ufeff"])
    def test_an_empty_file_is_called_empty(self, write: WritePairs, content: str) -> None:
        with pytest.raises(PairsError, match="is empty"):
            read_pairs(write(content))

    def test_a_header_alone_has_no_pairs(self, write: WritePairs) -> None:
        with pytest.raises(PairsError, match="no pairs"):
            read_pairs(write("img1,img2,truth\n"))

    @pytest.mark.parametrize("header", ["img1,truth", "image1,image2", "img1|img2", "IMG1,IMG2"])
    def test_missing_columns_are_told_with_those_there_are(
        self, write: WritePairs, header: str
    ) -> None:
        with pytest.raises(PairsError, match="must have the columns img1 and img2") as caught:
            read_pairs(write(f"{header}\n{header}\n"))
        assert header.replace(",", ", ") in str(caught.value)

    @pytest.mark.parametrize("column", ["layer_name", "model_computed_distance"])
    def test_a_column_that_results_use_is_refused(self, write: WritePairs, column: str) -> None:
        with pytest.raises(PairsError, match=column):
            read_pairs(write(f"img1,img2,{column}\na,b,1\n"))

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            ("img1,img2\na,b\nc,d,e\n", 3),
            ("img1,img2,truth\na,b,1\nc,d,1\nc,d,1,5\n", 4),
            ("img1,img2\na,b,1\nc,d\n", 2),
            ("img1,img2\na,b,1\nc,d,1\n", 2),
            ("img1;img2\na;b\nc;d\ne;f;g;h\n", 4),
        ],
    )
    def test_a_row_that_is_too_long_is_told_with_its_line(
        self, write: WritePairs, content: str, line: int
    ) -> None:
        with pytest.raises(PairsError, match=rf"line {line}\b"):
            read_pairs(write(content))

    def test_an_open_quote_is_told_with_its_place(self, write: WritePairs) -> None:
        with pytest.raises(PairsError, match=r"(row|line) \d"):
            read_pairs(write('img1,img2\na,"b\nc,d\n'))

    @pytest.mark.parametrize(
        ("content", "column", "row"),
        [
            ("img1,img2\na,b\n,d\n", "img1", "row 2 (line 3)"),
            ("img1,img2\na,\nc,d\n", "img2", "row 1 (line 2)"),
            ('img1,img2\na,b\nc,""\n', "img2", "row 2 (line 3)"),
            ("img1,img2\na,b\n   ,d\n", "img1", "row 2 (line 3)"),
            ("img1,img2,truth\na,b,1\nc\n", "img2", "row 2 (line 3)"),
            ("img1\timg2\ttruth\n\t\t1\n", "img1", "row 1 (line 2)"),
        ],
    )
    def test_an_empty_image_name_is_told_with_its_row(
        self, write: WritePairs, content: str, column: str, row: str
    ) -> None:
        with pytest.raises(PairsError, match=re.escape(row)) as caught:
            read_pairs(write(content))
        assert repr(column) in str(caught.value)

    def test_of_many_empty_names_five_rows_are_shown_and_all_counted(
        self, write: WritePairs
    ) -> None:
        with pytest.raises(PairsError, match="7 are empty") as caught:
            read_pairs(write("img1,img2\n" + ",b\n" * 7))
        assert str(caught.value).count("(line") == 5
        assert "…" in str(caught.value)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "content",
        [
            "img1,img2\nMüller,b\n".encode("latin-1"),
            "img1,img2\na,b\n".encode("utf-16"),
            "Größe,img1,img2\n1,a,b\n".encode("latin-1"),
            b"img1,img2\n" + b"a,b\n" * 100_000 + b"\xff,b\n",
            b"\x89PNG\r\n\x1a\n\x00\x00",
        ],
        ids=["latin-1", "utf-16", "latin-1-header", "late", "binary"],
    )
    def test_a_file_that_is_not_utf8_is_told_so(self, write: WritePairs, content: bytes) -> None:
        with pytest.raises(PairsError, match="UTF-8"):
            read_pairs(write(content))

    @settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
    @given(
        content=st.binary(max_size=60),
        header=st.sampled_from([b"img1,img2\n", b"img1;img2\n", b""]),
    )
    def test_any_bytes_are_read_or_refused_in_our_words(
        self, tmp_path: Path, content: bytes, header: bytes
    ) -> None:
        path = tmp_path / "pairs.csv"
        path.write_bytes(header + content)
        try:
            pairs = read_pairs(path)
        except PairsError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert len(pairs)
            for column in ("img1", "img2"):
                assert all(isinstance(name, str) and name for name in pairs[column])


class TestRequiredColumns:
    PLACE = {"parameter": "true_label", "owner": "AccuracyTask", "path": Path("data/pairs.csv")}  # noqa: RUF012

    def test_a_complete_column_is_returned(self) -> None:
        pairs = pairs_of(("a", "b"), ("c", "d")).assign(truth=[1, 0])
        assert require_column(pairs, "truth", **self.PLACE).tolist() == [1, 0]

    def test_a_missing_column_is_told_in_the_sentence_of_the_house(self) -> None:
        pairs = pairs_of(("a", "b")).assign(same=[1])
        sentence = (
            "The 'true_label' parameter of AccuracyTask must be a column of pairs.csv "
            "(it has: img1, img2, same). Got 'truth' instead."
        )
        with pytest.raises(PairsError, match=f"^{re.escape(sentence)}$"):
            require_column(pairs, "truth", **self.PLACE)

    @pytest.mark.parametrize("empty", [None, float("nan"), pd.NA, pd.NaT])
    def test_an_empty_cell_is_told_with_its_row(self, empty: object) -> None:
        pairs = pairs_of(("a", "b"), ("c", "d"), ("e", "f")).assign(
            truth=pd.Series(["x", empty, "y"], dtype=object)
        )
        with pytest.raises(PairsError, match=r"'truth'.*row 2 \(line 3\)"):
            require_column(pairs, "truth", **self.PLACE)

    def test_an_empty_cell_of_a_file_is_found(self, write: WritePairs) -> None:
        pairs = read_pairs(write("img1,img2,truth\na,b,1\nc,d\ne,f,\n"))
        with pytest.raises(PairsError, match=r"2 are empty: row 2 \(line 3\); row 3 \(line 4\)"):
            require_column(pairs, "truth", **self.PLACE)

    @pytest.mark.parametrize(
        "values", [[1, 2], [0.5, -1e300], ["1.5", " 2e3 "], [True, False], [np.float32(1), 2]]
    )
    def test_numbers_in_any_spelling_become_floats(self, values: list[object]) -> None:
        pairs = pairs_of(("a", "b"), ("c", "d")).assign(distance=pd.Series(values, dtype=object))
        numbers = require_numbers(pairs, "distance", **self.PLACE)
        assert numbers.dtype == np.float64
        assert numbers.tolist() == [float(value) for value in values]

    @pytest.mark.parametrize("value", ["far", "", "1,5", float("inf"), "-inf"])
    def test_what_is_no_finite_number_is_told_with_its_row(self, value: object) -> None:
        pairs = pairs_of(("a", "b"), ("c", "d")).assign(
            distance=pd.Series([1.0, value], dtype=object)
        )
        with pytest.raises(PairsError, match=r"'distance'.*finite numbers.*row 2 \(line 3\)") as e:
            require_numbers(pairs, "distance", **self.PLACE)
        assert repr(value) in str(e.value)

    def test_rows_are_counted_as_people_count(self) -> None:
        assert row_name(0) == "row 1 (line 2)"
        assert row_name(41) == "row 42 (line 43)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an images folder with a.jpg and sub/b.jpg, beside a secret it must not reach."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jpg").touch()
    (folder / "sub" / "b.jpg").touch()
    (tmp_path / "images-other").mkdir()
    (tmp_path / "images-other" / "secret.jpg").touch()
    (tmp_path / "secret.jpg").touch()
    return folder


class TestFindingImages:
    def test_every_row_gets_its_two_files(self, folder: Path) -> None:
        rows = [("a.jpg", "sub/b.jpg"), ("sub/b.jpg", "a.jpg"), ("a.jpg", "a.jpg")]
        found = find_images(pairs_of(*rows), folder, task="LFW")
        assert [path.name for path in found.img1] == ["a.jpg", "b.jpg", "a.jpg"]
        assert [path.name for path in found.img2] == ["b.jpg", "a.jpg", "a.jpg"]
        assert all(path.is_absolute() for path in found.img1 + found.img2)

    def test_spellings_of_one_file_are_one_path(self, folder: Path) -> None:
        (folder / "link.jpg").symlink_to(folder / "a.jpg")
        spellings = ["a.jpg", "./a.jpg", "sub/../a.jpg", "sub//../a.jpg", "link.jpg"]
        found = find_images(pairs_of(*((name, "a.jpg") for name in spellings)), folder, task="LFW")
        assert len(set(found.img1 + found.img2)) == 1

    @pytest.mark.parametrize("kind", [str, Path])
    def test_the_folder_may_be_text_relative_or_a_link(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: type
    ) -> None:
        (folder.parent / "linked").symlink_to(folder)
        monkeypatch.chdir(folder.parent)
        for spelling in ("images", "./images/", "linked", folder):
            found = find_images(pairs_of(("a.jpg", "sub/b.jpg")), kind(spelling), task="LFW")
            assert found.img1 == [folder.resolve() / "a.jpg"]

    @pytest.mark.parametrize(
        "name",
        ["../secret.jpg", "sub/../../secret.jpg", "../images-other/secret.jpg", "..", "../nothing"],
    )
    def test_a_name_may_not_climb_out(self, folder: Path, name: str) -> None:
        with pytest.raises(PairsError, match=r"row 2 \(line 3\) leads out") as caught:
            find_images(pairs_of(("a.jpg", "a.jpg"), ("a.jpg", name)), folder, task="LFW")
        assert repr(name) in str(caught.value)
        assert "'LFW'" in str(caught.value)

    @pytest.mark.parametrize("inside", [True, False])
    def test_a_name_may_not_be_absolute(self, folder: Path, inside: bool) -> None:
        name = str(folder / "a.jpg" if inside else folder.parent / "secret.jpg")
        with pytest.raises(PairsError, match="leads out"):
            find_images(pairs_of((name, "a.jpg")), folder, task="LFW")

    @pytest.mark.parametrize("relative", [True, False])
    def test_a_link_may_not_lead_out(self, folder: Path, relative: bool) -> None:
        (folder / "link.jpg").symlink_to(
            "../secret.jpg" if relative else folder.parent / "secret.jpg"
        )
        with pytest.raises(PairsError, match="leads out"):
            find_images(pairs_of(("link.jpg", "a.jpg")), folder, task="LFW")

    def test_a_linked_folder_may_not_lead_out(self, folder: Path) -> None:
        (folder / "other").symlink_to(folder.parent / "images-other")
        with pytest.raises(PairsError, match="leads out"):
            find_images(pairs_of(("other/secret.jpg", "a.jpg")), folder, task="LFW")

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingImageError, match=r"nowhere of task 'LFW' does not exist"):
            find_images(pairs_of(("a", "b")), tmp_path / "nowhere", task="LFW")

    def test_missing_images_are_all_counted_and_the_first_five_named(self, folder: Path) -> None:
        rows = [("a.jpg", "a.jpg")] + [("a.jpg", f"gone{i}.jpg") for i in range(7)] * 2
        with pytest.raises(MissingImageError, match="7 of 8 images of task 'LFW'") as caught:
            find_images(pairs_of(*rows), folder, task="LFW")
        message = str(caught.value)
        shown = re.findall(r"'(gone\d\.jpg)' in row (\d+) \(line (\d+)\)", message)
        assert shown == [(f"gone{i}.jpg", str(i + 2), str(i + 3)) for i in range(5)]
        assert "…" in message
        assert str(folder) in message
        assert isinstance(caught.value, FileNotFoundError)

    def test_the_first_missing_is_the_first_row_in_either_column(self, folder: Path) -> None:
        rows = [("a.jpg", "gone2.jpg"), ("gone1.jpg", "a.jpg")]
        with pytest.raises(MissingImageError) as caught:
            find_images(pairs_of(*rows), folder, task="LFW")
        message = str(caught.value)
        assert message.index("gone2.jpg") < message.index("gone1.jpg")
        assert "…" not in message

    @pytest.mark.parametrize("name", ["sub", ".", "a.jpg/x", "loop.jpg"])
    def test_what_is_no_file_is_missing(self, folder: Path, name: str) -> None:
        (folder / "loop.jpg").symlink_to("loop.jpg")
        with pytest.raises(MissingImageError, match="1 of 2"):
            find_images(pairs_of(("a.jpg", name)), folder, task="LFW")

    @pytest.mark.parametrize("name", ["x" * 300, "a\0b"], ids=["long", "nul"])
    def test_a_name_no_file_can_have_is_refused_in_our_words(self, folder: Path, name: str) -> None:
        with pytest.raises(FacebenchError):
            find_images(pairs_of(("a.jpg", name)), folder, task="LFW")

    @pytest.mark.skipif(os.name != "posix", reason="needs a case-sensitive file system")
    def test_case_matters_as_on_disk(self, folder: Path) -> None:
        if (folder / "A.JPG").exists():
            pytest.skip("this file system ignores case")
        with pytest.raises(MissingImageError):
            find_images(pairs_of(("A.JPG", "a.jpg")), folder, task="LFW")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["007", "7"], "text"),
        (["1", "0"], "int"),
        (["0.5", "-1e3"], "float"),
        (["0", "0.25"], "float"),
        (["True", "false"], "bool"),
        (["True", "true"], "text"),
        (["TRUE", "true", "false"], "text"),
        (["NA", "2"], "float"),
        (["a", "NA"], "text"),
    ],
)
def test_cells_become_numbers_only_where_nothing_is_lost(tmp_path, cells, kind):
    path = tmp_path / "pairs.csv"
    path.write_text("img1,img2,x\n" + "".join(f"a,b,{cell}\n" for cell in cells))
    column = read_pairs(path)["x"]
    kinds = {"i": "int", "f": "float", "b": "bool"}
    assert kinds.get(column.dtype.kind, "text") == kind
    if kind == "text":
        assert column.dropna().tolist() == [cell for cell in cells if cell != "NA"]


@pytest.mark.parametrize("cells", [["0,5", "1.234"], ["0,25", "2.5"]])
def test_commas_and_points_in_one_column_are_not_decided(tmp_path, cells):
    path = tmp_path / "pairs.csv"
    path.write_text("img1;img2;x\n" + "".join(f"a;b;{cell}\n" for cell in cells))
    assert read_pairs(path)["x"].tolist() == cells


@pytest.mark.parametrize("unseen", ["\ufeff\ufeff", "\u200b", "\u200e"])
def test_what_no_screen_shows_is_not_part_of_a_columns_name(tmp_path, unseen):
    path = tmp_path / "pairs.csv"
    path.write_text(f"{unseen}img1,img2,x{unseen}\na,b,1\n", encoding="utf-8")
    assert list(read_pairs(path).columns) == ["img1", "img2", "x"]


@pytest.mark.parametrize(
    "content",
    [
        "img1,img2\na,b\n".encode("utf-16-be"),
        b"img1,img2\na,b\0c\n",
        b"img1,img2\na,b\n" + bytes(9),
    ],
)
def test_bytes_that_are_no_text_are_refused(tmp_path, content):
    path = tmp_path / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(PairsError, match=r"is not UTF-8 text .*NUL bytes.*Save it as UTF-8 CSV"):
        read_pairs(path)


@pytest.mark.parametrize(
    ("begins", "what"),
    [
        (b"ARROW1", "a Feather file"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"PK\x03\x04", "a spreadsheet or ZIP archive"),
        (b"\x80\x05\x95", "a pickle"),
        ("\ufeffimg1,img2".encode("utf-16-le"), "text in UTF-16"),
    ],
)
def test_a_table_in_another_format_is_called_what_it_is(tmp_path, begins, what):
    path = tmp_path / "pairs.csv"
    path.write_bytes(begins + bytes(50))
    with pytest.raises(PairsError, match=f"is not UTF-8 text, but {what}. Save it as UTF-8 CSV"):
        read_pairs(path)


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("img1,img2,same,same\na,b,1,0\n")
    with pytest.raises(PairsError, match="more than one 'same'"):
        read_pairs(path)


@pytest.mark.parametrize("wrong", [None, 3, ["pairs.csv"]])
def test_what_is_no_path_is_refused(wrong):
    with pytest.raises(InputError, match="'pairs_file_path' parameter must be a path"):
        read_pairs(wrong)
