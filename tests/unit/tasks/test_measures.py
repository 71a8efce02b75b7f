"""What a task declares is what readers go by; what it does not declare is guessed."""

import math
from types import SimpleNamespace

import pytest

from facebench import Measure
from facebench.errors import InputError
from facebench.tasks.measures import declared_measures, headlines, measures_for

NAMES = ["Count", "Top-1 Accuracy", "Misses", "Zz"]


def declares(*measures):
    return SimpleNamespace(measures=measures)


def test_directions_and_headlines_are_those_declared():
    task = declares(
        Measure("Misses", better="lower", headline=True),
        Measure("Top-1 Accuracy", better="higher", headline=True),
        Measure("Count"),
    )
    found = measures_for(task, NAMES)
    assert headlines(task, NAMES) == ["Misses", "Top-1 Accuracy"]
    assert list(found) == ["Misses", "Top-1 Accuracy", "Count", "Zz"]
    ways = {name: measure.higher_is_better for name, measure in found.items()}
    assert ways == {"Misses": False, "Top-1 Accuracy": True, "Count": None, "Zz": None}


def test_nothing_is_guessed_of_a_task_that_declares():
    found = measures_for(declares(Measure("Zz", headline=True)), ["AUC", "EER", "Zz"])
    assert [measure.better for measure in found.values()] == [None, None, None]
    assert not found["AUC"].headline


def test_what_stands_for_a_task_whose_headline_is_missing():
    task = declares(Measure("gone", headline=True), Measure("Misses", better="lower"))
    assert headlines(task, NAMES) == ["Misses"]
    assert headlines(declares(Measure("gone", headline=True)), NAMES) == ["Zz"]
    assert headlines(task, []) == []


def test_an_old_style_task_is_guessed_by_names():
    found = measures_for(SimpleNamespace(), ["Accuracy", "Optimal Threshold", "AUC", "EER"])
    assert [name for name, measure in found.items() if measure.headline] == ["AUC", "Accuracy"]
    assert [found[name].better for name in ("AUC", "EER", "Optimal Threshold")] == [
        "higher",
        "lower",
        None,
    ]


def test_what_only_explains_another_number_is_not_shown():
    names = ["Accuracy", "Optimal Threshold", "p", "Mean RT", "Noise Ceiling"]
    found = measures_for(SimpleNamespace(), names)
    assert [name for name, one in found.items() if one.shown] == ["Accuracy", "Mean RT"]
    # What stands for a task is shown, as the only number of an old-style task.
    assert measures_for(SimpleNamespace(), ["Threshold"])["Threshold"].shown
    task = declares(Measure("Zz", headline=True), Measure("Count", shown=False))
    found = measures_for(task, [*NAMES, "Comparable Zz"])
    assert [name for name, one in found.items() if one.shown] == ["Zz", "Comparable Zz"]


def test_an_axis_says_the_label_or_else_the_name():
    assert Measure("EER", label="Equal error rate").axis_label == "Equal error rate"
    assert Measure("AUC").axis_label == "AUC"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": " "}, "must be a text"),
        ({"name": "AUC", "better": "larger"}, "must be 'higher', 'lower' or None"),
        ({"name": "AUC", "bounds": (1, 0)}, "its smallest and its largest"),
    ],
)
def test_a_measure_that_cannot_be(arguments, message):
    with pytest.raises(InputError, match=message):
        Measure(**arguments)


def test_declarations_that_are_no_measures():
    with pytest.raises(InputError, match=r"must be a sequence of facebench\.Measure"):
        declared_measures(declares("AUC"))
    with pytest.raises(InputError, match="'AUC' twice"):
        declared_measures(declares(Measure("AUC"), Measure("AUC", better="higher")))


def test_a_measure_comes_back_from_a_manifest():
    known = {"name": "Ratio", "better": "lower", "bounds": [1, "inf"], "chance": 1, "later": "x"}
    assert Measure.from_dict(known) == Measure(
        "Ratio", better="lower", chance=1.0, bounds=(1.0, math.inf)
    )
