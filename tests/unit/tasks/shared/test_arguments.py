"""Checks of the arguments of tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facebench.errors import InputError
from facebench.tasks.shared.arguments import at_least, checked_criterion, refuse_unknown


@pytest.mark.parametrize("value", [1, True, 2.5, "3", None])
def test_a_number_that_is_not_whole_or_large_enough_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"'folds' parameter of T must be 2 or more\. Got"):
        at_least("folds", value, 2, "T")


def test_whole_numbers_of_numpy_are_taken() -> None:
    assert at_least("folds", np.int64(2), 2, "T") == 2


def test_the_first_argument_that_is_none_of_the_words_is_named() -> None:
    refuse_unknown("T", ("kind", "auto", ("auto", "number")), ("pool", None, (None, "mean")))
    with pytest.raises(InputError) as error:
        refuse_unknown("T", ("kind", "auto", ("auto",)), ("pool", "median", (None, "mean")))
    assert str(error.value) == (
        "The 'pool' parameter of T must be one of None, 'mean'. Got 'median' instead."
    )


def test_a_criterion_is_a_number_or_a_word() -> None:
    words = ("best", "people")
    assert checked_criterion("best", words, "a distance", "T") == "best"
    given = checked_criterion(1, words, "a distance", "T")
    assert (given, type(given)) == (1.0, float)


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), "worst", None])
def test_another_criterion_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as error:
        checked_criterion(value, ("best", "people"), "a distance", "T")
    assert str(error.value) == (
        f"The 'criterion' of T must be a distance, 'best' or 'people'. Got {value!r} instead."
    )
