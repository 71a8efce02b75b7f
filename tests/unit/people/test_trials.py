"""Trials of every kind have the columns that say what was shown."""

from __future__ import annotations

import pandas as pd
import pytest

from facebench.errors import InputError
from facebench.people.trials import Trials, condition_columns

SHOWN = {
    "same-different": {"img1": "a", "img2": "b", "response": 1},
    "rating": {"img1": "a", "img2": "b", "response": 3.5},
    "choice": {"target": "a", "alt2": "c", "alt1": "b", "response": "b"},
    "order": {"target": "a", "alt1": "b", "alt2": "c", "response": "c|b"},
    "old-new": {"image": "a", "response": 0},
}


@pytest.mark.parametrize("kind", SHOWN)
def test_every_kind_names_what_was_shown(kind: str) -> None:
    row = {"participant": "p1", "group": "controls", "view": "upright", **SHOWN[kind]}
    trials = Trials(pd.DataFrame([row, {**row, "participant": "p2", "group": "patients"}]), kind)  # type: ignore[arg-type]
    assert set(trials.shown) == set(SHOWN[kind]) - {"response"}
    assert trials.participants == ["p1", "p2"]
    assert trials.groups == ["controls", "patients"]
    assert trials.of_group("patients").participants == ["p2"]
    assert condition_columns(trials) == ["view"]


def test_alternatives_are_in_order_of_their_numbers() -> None:
    row = {"participant": "p", "target": "a", "response": "b"} | {
        f"alt{k}": "x" for k in (10, 9, 2)
    }
    assert Trials(pd.DataFrame([row]), "choice").alternatives == ["alt2", "alt9", "alt10"]


@pytest.mark.parametrize(
    ("kind", "dropped", "told"),
    [
        ("rating", ["img2"], "img2"),
        ("choice", ["alt1", "alt2"], "alt1"),
        ("old-new", ["response"], "response"),
    ],
)
def test_a_missing_column_is_named(kind: str, dropped: list[str], told: str) -> None:
    table = pd.DataFrame([{"participant": "p", **SHOWN[kind]}]).drop(columns=dropped)
    with pytest.raises(InputError, match=rf"Missing: {told}\."):
        Trials(table, kind, source="answers.csv")  # type: ignore[arg-type]


def test_no_trials_and_an_unknown_kind_are_errors() -> None:
    table = pd.DataFrame([{"participant": "p", **SHOWN["rating"]}])
    with pytest.raises(InputError, match=r"no trials in answers\.csv"):
        Trials(table[:0], "rating", source="answers.csv")
    with pytest.raises(InputError, match="must be one of"):
        Trials(table, "guessing")  # type: ignore[arg-type]
