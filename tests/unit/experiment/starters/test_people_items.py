"""Tasks for trials of choices, orders and memory."""

import pandas as pd
import pytest

from facebench.data.identity import person_of
from facebench.errors import InputError
from facebench.experiment.starters.people_items import ask_of_items
from facebench.people.names import ImageFinder

FACES = [f"p{who}/{k}.jpg" for who in range(4) for k in range(2)]


def ask(table, kind, person=person_of):
    return ask_of_items(
        pd.DataFrame(table), kind, "t.yaml",
        photographs=ImageFinder(FACES), person=person, faces="faces", file_of="x_{}.csv".format,
    )  # fmt: skip


def test_three_people_are_a_triplet():
    table = {"target": ["p0/0", "p1/0"], "alt1": ["p0/0", "p1/0"], "alt2": ["p1/0", "p0/0"]}
    table["alt3"] = ["p2/0", "p2/0"]
    found = ask(table, "choice")
    assert found.task.task == "odd-one-out"
    assert found.tables["triplets"].to_numpy().tolist() == [["p0/0.jpg", "p1/0.jpg", "p2/0.jpg"]]
    assert "matching" in found.doubts[0]


def test_answers_follow_from_correct_where_people_are_unknown():
    table = {"target": ["p0/0"], "alt1": ["p1/0"], "alt2": ["p2/0"], "correct": ["1"]}
    found = ask(table, "choice", person=lambda _name: "")
    assert found.task.task == "matching"
    assert found.tables == {}
    assert "follows from `correct`" in found.doubts[0]


def test_orders_are_ranked():
    found = ask({"target": ["p0/0"], "alt1": ["p1/0"], "alt2": ["p2/0"]}, "order")
    assert found.task.task == "ranking"


@pytest.mark.parametrize(
    "known",
    [
        {"old": ["studied", "new", "studied"]},
        {"response": [1.0, 1.0, 0.0], "correct": [1, 0, 0]},
        {"correct_response": ["old", "new", "old"]},
    ],
)
def test_old_items_are_those_that_trials_call_so(known):
    found = ask({"image": ["p0/0", "p1/0", "p2/0"], **known}, "old-new")
    assert found.tables["test"]["old"].tolist() == ["old", "new", "old"]
    assert found.tables["study"]["image"].tolist() == ["p0/0.jpg", "p2/0.jpg"]
    assert found.task.settings["study"] == '"x_study.csv"'
    assert "same image" in found.doubts[0]


def test_what_is_unknown_of_memory_is_told():
    assert "nothing says which images are old" in ask({"image": ["p0/0"]}, "old-new").doubts[0]
    both = ask({"image": ["p0/0", "p0/0", "p1/0"], "old": ["1", "0", "0"]}, "old-new")
    assert both.task is None
    assert "old in some trials and new in others, such as 'p0/0.jpg'" in both.doubts[0]


def test_unknown_images_are_named():
    with pytest.raises(InputError, match="'p9/0' of the trials"):
        ask({"image": ["p9/0"], "old": ["1"]}, "old-new")
