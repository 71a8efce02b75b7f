"""Hints name what is near, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.utils.suggestions import closest, did_you_mean, did_you_mean_file, listed


@pytest.mark.parametrize(
    ("name", "found"),
    [("Acuracy", "accuracy"), ("CORRELATION", "correlation"), ("zzz", None), ("masked", None)],
)
def test_the_nearest_name_is_found_as_it_is_written(name: str, found: str | None) -> None:
    assert closest(name, ["accuracy", "correlation", "negated"]) == found
    assert closest("accuracy", ["Accuracy"]) == "Accuracy"


def test_nothing_near_is_no_hint() -> None:
    assert did_you_mean("zzz", ["accuracy"]) == did_you_mean("accuracy", []) == ""


def test_a_file_is_looked_for_among_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").touch()
    assert did_you_mean_file(tmp_path / "pair.csv") == " Did you mean 'pairs.csv'?"
    assert did_you_mean_file(tmp_path / "pairs.csv" / "x") == ""


def test_long_lists_are_cut_and_say_so() -> None:
    assert listed([]) == "none"
    assert listed(map(str, range(40))).endswith(", 39")
    assert listed(map(str, range(41))).endswith(", 39, …")
