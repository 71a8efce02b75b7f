"""Files of ratings in their usual shapes, and what a larger number is taken for."""

import itertools

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facebench.data.identity import person_of
from facebench.errors import FacebenchError
from facebench.experiment.starters.ratings import read_ratings

IMAGES = [f"p{who}/{k}.png" for who in range(4) for k in range(2)]
PAIRS = list(itertools.combinations(IMAGES, 2))
# Larger for pairs of two people.
DISTANCES = np.array([1.0 + 3 * (a[:2] != b[:2]) + 0.1 * n for n, (a, b) in enumerate(PAIRS)])


@pytest.fixture
def faces(tmp_path):
    for name in IMAGES:
        (tmp_path / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "faces" / name)
    return tmp_path / "faces"


@pytest.fixture
def read(tmp_path, faces):
    def call(table, *, index=False, rating=None, person=person_of):
        table.to_csv(tmp_path / "r.csv", index=index)
        return read_ratings(tmp_path / "r.csv", faces, tmp_path, rating=rating, person=person)

    return call


def pairs(**columns):
    frame = pd.DataFrame(PAIRS, columns=["img1", "img2"])
    return frame.assign(**columns)


class TestShapes:
    def test_a_column_per_rater(self, read):
        found = read(pairs(rater_1=DISTANCES, rater_2=DISTANCES + 1))
        assert found.block.settings == {"pairs": '"r.csv"', "rating": "distance"}
        assert "28 pairs, 2 raters (columns rater_1 … rater_2)" in found.taken
        assert not found.doubts

    def test_a_row_per_rating(self, read):
        parts = [pairs(rater=f"r{k}", rating=DISTANCES + k) for k in range(3)]
        assert "28 pairs, 3 raters (a row per rating)" in read(pd.concat(parts)).taken

    def test_a_mean(self, read):
        assert (
            "one rating of a pair (columns similarity)" in read(pairs(similarity=DISTANCES)).taken
        )

    def test_a_matrix(self, read):
        matrix = pd.DataFrame(0.0, index=IMAGES, columns=IMAGES)
        for (a, b), value in zip(PAIRS, DISTANCES, strict=True):
            matrix.loc[a, b] = matrix.loc[b, a] = value
        found = read(matrix, index=True)
        assert "a matrix" in found.taken
        assert found.block.settings["rating"] == "distance"

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (pairs(s01=DISTANCES, s02=DISTANCES), r"numbers are s01, s02: call those of raters"),
            (pairs(participant="p", response=1), "give it as --people"),
            (pd.DataFrame({"a": [1], "b": [2]}), "Ratings are read as a row per pair"),
            (pd.concat([pairs(subject=k, rating=DISTANCES) for k in "ab"]),
             r"28 pairs in 56 rows.*'rater'.*other columns: subject"),
            (pairs(rater_1="x"), "must hold finite numbers"),
            (pairs(rating=DISTANCES).replace("p0/0.png", "p9/0.png"), "p9/0.png"),
        ],
    )  # fmt: skip
    def test_others_are_one_clear_error(self, read, table, message):
        with pytest.raises(FacebenchError, match=message):
            read(table)


class TestPolarity:
    def test_is_what_was_said(self, read):
        found = read(pairs(rater_1=DISTANCES), rating="similarity")
        assert found.block.settings["rating"] == "similarity"

    def test_is_in_the_name(self, read):
        # Against the pairs of one person: a column's own name is more than a guess.
        assert read(pairs(similarity=DISTANCES)).block.settings["rating"] == "similarity"
        assert "column 'distance' says" in read(pairs(distance=-DISTANCES)).taken

    def test_is_told_by_pairs_of_one_person(self, read):
        found = read(pairs(rater_1=-DISTANCES))
        assert found.block.settings["rating"] == "similarity"
        assert "pairs of one person have a mean rating of" in found.taken

    def test_is_told_by_the_mean_beside_raters(self, read):
        table = pairs(similarity=DISTANCES, rater_1=DISTANCES, rater_2=DISTANCES)
        found = read(table, person=lambda _name: "")
        assert found.block.settings["rating"] == "similarity"
        assert "column 'similarity' beside them" in found.taken

    def test_is_a_doubt_where_nothing_says_it(self, read):
        found = read(pairs(rater_1=DISTANCES), person=lambda _name: "")
        assert "less alike was taken" in found.doubts[0]
        assert not read(pairs(rater_1=DISTANCES), rating="distance", person=lambda _name: "").doubts
