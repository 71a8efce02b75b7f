"""Distances find their pairs, or are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from facebench.errors import PairsError
from facebench.metrics.folds import make_folds
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.tasks.shared.labelled_pairs import (
    SamplingUnits,
    count_columns,
    distances_of_pairs,
    genuine_labels,
    jackknife_groups_of,
    stratified_folds,
)

UNIQUE = pd.DataFrame({"img1": list("aabc"), "img2": list("bccd")})
REPEATED = pd.DataFrame({"img1": list("aabc"), "img2": list("bbcd")})


def measured(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.assign(model_computed_distance=np.arange(len(pairs), dtype=np.float64))


def of(pairs: pd.DataFrame, given: pd.DataFrame) -> np.ndarray:
    return distances_of_pairs(pairs, given, task="mine")


@pytest.mark.parametrize("pairs", [UNIQUE, REPEATED])
def test_all_rows_in_order(pairs: pd.DataFrame) -> None:
    given = measured(pairs)
    given.loc[1, "model_computed_distance"] = np.nan
    assert_array_equal(of(pairs, given), [0, np.nan, 2, 3])
    assert_array_equal(of(pairs, given.set_axis([9, 8, 7, 6])), [0, np.nan, 2, 3])


@pytest.mark.parametrize("pairs", [UNIQUE, REPEATED])
def test_missing_rows_are_told_by_their_index(pairs: pd.DataFrame) -> None:
    assert_array_equal(of(pairs, measured(pairs).drop(index=0)), [np.nan, 1, 2, 3])
    assert_array_equal(of(pairs, measured(pairs).drop(index=[1, 3])), [0, np.nan, 2, np.nan])


def test_missing_rows_are_told_by_their_images() -> None:
    given = measured(UNIQUE).drop(index=[0, 2]).reset_index(drop=True)
    assert_array_equal(of(UNIQUE, given), [np.nan, 1, np.nan, 3])


def test_missing_rows_of_pairs_that_are_there_twice_are_refused() -> None:
    given = measured(REPEATED).drop(index=0).reset_index(drop=True)
    with pytest.raises(PairsError, match=r"'mine' was given 3 of its 4 pairs.*with NaN"):
        of(REPEATED, given)


@pytest.mark.parametrize(
    "given",
    [
        measured(UNIQUE).iloc[::-1],
        measured(UNIQUE).iloc[::-1].reset_index(drop=True),
        measured(UNIQUE.assign(img2="z")),
        pd.concat([measured(UNIQUE), measured(UNIQUE)]),
    ],
)
def test_other_rows_are_refused(given: pd.DataFrame) -> None:
    with pytest.raises(PairsError, match="distances of other pairs than its own"):
        of(UNIQUE, given)


def labels(column: list[object], name: str = "same") -> list[int]:
    pairs = pd.DataFrame({name: column})
    where = {"task": "mine", "owner": "AccuracyTask", "path": "pairs.csv"}
    return genuine_labels(pairs, name, **where).tolist()


@pytest.mark.parametrize(
    "words",
    ["Yes No", "true FALSE", "same different", "match non-match", "Genuine impostor", "1 0"],
)
def test_labels_are_read_in_any_spelling(words: str) -> None:
    assert labels([*words.split(), words.split()[0]]) == [1, 0, 1]


def test_an_unknown_or_mixed_label_is_told_with_its_row() -> None:
    with pytest.raises(PairsError, match=r"must hold 0/1, .* Got 'perhaps' in row 2 \(line 3\)"):
        labels(["yes", "perhaps", "no"])
    with pytest.raises(PairsError, match=r"must hold yes/no, as those before are. Got 'same' in"):
        labels(["yes", "no", "same"])


def test_the_direction_that_was_taken_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="facebench")
    labels(["same", "different"])
    labels([1, 0])
    assert caplog.messages == []
    labels(["No", "Yes"])
    labels(["mismatch", "match"], "different")
    assert "'Yes' is taken for pairs of one person and 'No' for pairs of two" in caplog.messages[0]
    assert "'match' is taken for pairs of one person" in caplog.messages[1]
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("name", ["different", "is_diff", "impostor", "Non-Match", "mismatch"])
@pytest.mark.parametrize("column", [[1, 0], ["yes", "no"], [True, False]])
def test_a_column_whose_name_says_the_opposite_is_warned_of(
    caplog: pytest.LogCaptureFixture, name: str, column: list[object]
) -> None:
    labels(column, name)
    [told] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "though its name says the opposite" in told


@pytest.mark.parametrize("name", ["same", "truth", "difficulty", "indifferent"])
def test_other_names_are_not(caplog: pytest.LogCaptureFixture, name: str) -> None:
    labels([1, 0], name)
    assert caplog.messages == []


def test_numbers_stand_for_names_wherever_they_are_sorted() -> None:
    rng = np.random.default_rng(0)
    # Other alphabets are sorted by code point, in text as in numbers.
    people = np.array(["b", "a", "é", "Z", "中", "𝔸", "ab", "a b", "~", "_"])
    sides = [people[rng.integers(0, people.size, 60)] for _ in range(2)]
    pairs = pd.DataFrame(
        {
            f"img{side}": [f"{who}/{rng.integers(3)}.jpg" for who in sides[side - 1]]
            for side in (1, 2)
        }
    )
    labels = (rng.random(60) < 0.5).astype(np.int8)
    units = SamplingUnits("identity", *sides)
    names, numbers = np.unique(np.concatenate(sides), return_inverse=True)
    assert units.names.tolist() == names.tolist()
    assert_array_equal(np.concatenate(units.numbers), numbers)
    groups, digest = jackknife_groups_of(pairs, units)
    by_name = JackknifeGroups(*sides)
    assert_array_equal(groups.kept, by_name.kept)
    assert digest == by_name.digest(pairs["img1"], pairs["img2"])
    first, second = (pairs[side].to_numpy(dtype=np.str_) for side in ("img1", "img2"))
    swapped = first > second
    order = np.lexsort((np.where(swapped, first, second), np.where(swapped, second, first)))
    wanted = make_folds(labels[order], 3, sides[0][order], sides[1][order])
    found = stratified_folds(pairs, labels, units, 3)
    assert_array_equal(found.of_pair[order], wanted.of_pair)
    counted = count_columns(pairs, units, rng.random(60))
    assert counted["Identities"] == names.size
    assert counted["Images"] == np.unique(np.concatenate((first, second))).size
