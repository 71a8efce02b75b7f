"""RDMs come in as labs write them: every form gives the same numbers, or one clear error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from facebench.data.pairs import read_pairs
from facebench.data.rdms import is_rdm_file, read_rdms
from facebench.errors import InputError
from facebench.metrics.rdm import square

NAMES = ["ann/1.png", "bob/1.png", "cy/1.png", "di/1.png"]
VECTOR = np.array([0.5, 0.25, 1.0, 0.75, 2.0, 1.5])
FULL = square(VECTOR)


def cells(names: list[str]) -> np.ndarray:
    found = np.empty((len(names), 1), dtype=object)
    found[:, 0] = names
    return found


def square_csv(path: Path, matrix: np.ndarray = FULL, names: list[str] = NAMES) -> Path:
    pd.DataFrame(matrix, index=names, columns=names).to_csv(path)
    return path


class TestForms:
    def test_square_text(self, tmp_path: Path) -> None:
        found = read_rdms(square_csv(tmp_path / "people.csv"))
        assert found.names == NAMES
        assert found.labels == ["people"]
        assert found.polarity == "distance"
        np.testing.assert_array_equal(found.vectors, [VECTOR])

    def test_rows_and_columns_in_different_orders(self, tmp_path: Path) -> None:
        table = pd.DataFrame(FULL, index=NAMES, columns=NAMES)
        table.iloc[[2, 0, 3, 1]].to_csv(tmp_path / "x.tsv", sep="\t")
        found = read_rdms(tmp_path / "x.tsv")
        assert found.names == [NAMES[row] for row in (2, 0, 3, 1)]
        assert square(found.vectors[0])[0, 1] == FULL[2, 0]

    def test_one_half_and_r_without_a_corner(self, tmp_path: Path) -> None:
        lower = pd.DataFrame(np.where(np.tri(4, k=-1, dtype=bool), FULL, np.nan), NAMES, NAMES)
        rows = lower.to_csv().splitlines()
        (tmp_path / "r.csv").write_text("\n".join([rows[0][1:], *rows[1:]]), encoding="utf-8")
        np.testing.assert_array_equal(read_rdms(tmp_path / "r.csv").vectors, [VECTOR])

    def test_a_row_per_pair(self, tmp_path: Path) -> None:
        first, second = np.triu_indices(4, 1)
        names = np.array(NAMES)
        table = pd.DataFrame(
            {
                "img1": names[second],
                "img2": names[first],
                "kind": "x",
                "fc6": VECTOR,
                "fc7": 2 * VECTOR,
            }
        )
        table.to_csv(tmp_path / "long.csv", index=False)
        assert not is_rdm_file(tmp_path / "long.csv")
        found = read_rdms(tmp_path / "long.csv")
        assert found.labels == ["fc6", "fc7"]
        place = {name: found.names.index(name) for name in NAMES}
        assert square(found.one("fc7"))[place[NAMES[0]], place[NAMES[3]]] == 2 * FULL[0, 3]

    @pytest.mark.parametrize(
        ("arrays", "labels"),
        [
            ({"d": FULL}, ["d"]),
            ({"d": VECTOR}, ["d"]),
            ({"d": np.stack([FULL, 2 * FULL])}, ["d_1", "d_2"]),
            ({"d": np.stack([VECTOR, 2 * VECTOR])}, ["d_1", "d_2"]),
            ({"a": FULL, "b": 2 * FULL, "note": np.zeros((2, 3))}, ["a", "b"]),
        ],
    )
    def test_npz(self, tmp_path: Path, arrays: dict[str, np.ndarray], labels: list[str]) -> None:
        np.savez(tmp_path / "x.npz", names=np.array(NAMES), **arrays)
        found = read_rdms(tmp_path / "x.npz")
        assert found.labels == labels
        np.testing.assert_array_equal(found.vectors[0], VECTOR)
        np.testing.assert_array_equal(found.vectors[-1], VECTOR * len(labels))

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "value",
        [FULL, VECTOR[None], VECTOR[:, None], np.stack([FULL, 2 * FULL], axis=-1)],
        ids=["square", "row", "column", "stack"],
    )
    def test_mat(self, tmp_path: Path, value: np.ndarray) -> None:
        scipy.io.savemat(tmp_path / "x.mat", {"names": cells(NAMES), "rdm": value})
        found = read_rdms(tmp_path / "x.mat")
        assert found.names == NAMES
        np.testing.assert_array_equal(found.vectors[0], VECTOR)

    def test_every_rdm_is_a_rater_of_a_pairs_table(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", names=np.array(NAMES), p1=FULL, p2=2 * FULL)
        table = read_pairs(tmp_path / "x.npz")
        assert list(table.columns) == ["img1", "img2", "rater_p1", "rater_p2"]
        assert table["rater_p2"].tolist() == (2 * VECTOR).tolist()

    def test_names_without_suffix_get_the_one_that_is_there(self, tmp_path: Path) -> None:
        for name in ("a.jpg", "b.png", "b.jpg", "c.JPG"):
            (tmp_path / name).touch()
        np.savez(tmp_path / "x.npz", names=np.array(list("abc")), d=np.arange(3) + 1.0)
        table = read_pairs(tmp_path / "x.npz", tmp_path)
        # Of two files of one stem neither is chosen.
        assert table["img1"].tolist() == ["a.jpg", "a.jpg", "b"]
        assert table["rating"].tolist() == [1, 2, 3]


class TestRefused:
    @pytest.mark.parametrize(
        ("matrix", "told"),
        [
            (FULL + np.triu(np.ones((4, 4)), 1), r"symmetric.*'ann/1.png', 'bob/1.png'.*reverse"),
            (np.triu(FULL), "One half holds zeros only: leave it empty"),
            (np.where(FULL == 2.0, np.inf, FULL), "infinite"),
            (np.full((4, 4), np.nan), "no number at all"),
        ],
    )
    def test_a_matrix(self, tmp_path: Path, matrix: np.ndarray, told: str) -> None:
        with pytest.raises(InputError, match=told):
            read_rdms(square_csv(tmp_path / "x.csv", matrix))

    def test_a_misspelt_name(self, tmp_path: Path) -> None:
        table = pd.DataFrame(FULL, index=[*NAMES[:3], "di/l.png"], columns=NAMES)
        table.to_csv(tmp_path / "x.csv")
        with pytest.raises(
            InputError, match=r"'di/l.png' names a row only. Did you mean 'di/1.png'"
        ):
            read_rdms(tmp_path / "x.csv")

    def test_a_word_among_numbers(self, tmp_path: Path) -> None:
        path = square_csv(tmp_path / "x.csv")
        path.write_text(path.read_text().replace("2.0", "far", 1))
        with pytest.raises(InputError, match=r"Line 3 has 'far' in column 'di/1.png'"):
            read_rdms(path)

    def test_a_name_twice(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", names=np.array([*NAMES[:3], NAMES[0]]), d=FULL)
        with pytest.raises(InputError, match=r"each image once. It has 'ann/1.png' twice"):
            read_rdms(tmp_path / "x.npz")

    def test_embeddings(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", names=np.array(NAMES), fc7=np.ones((4, 9)))
        with pytest.raises(InputError, match=r"no RDM of the 4 images.*'fc7' of 4 x 9.*embeddings"):
            read_rdms(tmp_path / "x.npz")

    def test_two_numbers_of_a_pair(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("img1,img2,d\na,b,1\nb,a,2\na,c,1\nb,c,1\n")
        with pytest.raises(InputError, match=r"two numbers 'd' for 'b', 'a': 1 and 2"):
            read_rdms(tmp_path / "x.csv")

    def test_json_without_an_arrangement(self, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_text('{"tasks": []}')
        with pytest.raises(InputError, match=r"holds no arrangement"):
            read_rdms(tmp_path / "x.json")

    def test_another_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "x.pkl").write_bytes(b"")
        with pytest.raises(InputError, match=r"must be one of .csv"):
            read_rdms(tmp_path / "x.pkl")


class TestRemarks:
    def test_a_diagonal_says_what_the_numbers_are(self, tmp_path: Path) -> None:
        assert read_rdms(square_csv(tmp_path / "a.csv", 3 - FULL)).polarity == "similarity"
        assert read_pairs(tmp_path / "a.csv").columns[-1] == "similarity"

    def test_a_diagonal_that_says_nothing_is_told(self, tmp_path: Path) -> None:
        found = read_rdms(square_csv(tmp_path / "a.csv", FULL + np.diag([0.1, 0.2, 0.1, 0.3])))
        assert found.polarity is None
        assert "not zero (0.1 to 0.3)" in found.notes[0]

    def test_missing_pairs_are_counted(self, tmp_path: Path) -> None:
        found = read_rdms(square_csv(tmp_path / "a.csv", np.where(FULL == 2.0, np.nan, FULL)))
        assert found.notes == ("1 of 6 pairs have no number.",)
        assert np.isnan(found.vectors).sum() == 1
