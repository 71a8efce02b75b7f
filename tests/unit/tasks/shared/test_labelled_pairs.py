"""Distances find their pairs, or are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from facebench.errors import PairsError
from facebench.tasks.shared.labelled_pairs import distances_of_pairs

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
