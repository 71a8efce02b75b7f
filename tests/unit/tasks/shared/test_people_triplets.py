"""Participants who chose the odd one out, beside layers."""

import numpy as np
import pandas as pd
import pytest

from facebench import OddOneOutTask
from facebench.errors import InputError
from support.people_worlds import trials_of

TRIPLETS = pd.DataFrame(
    [["a.png", "b.png", "c.png"], ["a.png", "b.png", "d.png"], ["b.png", "c.png", "d.png"]],
    columns=["img1", "img2", "img3"],
)
# By participant, the odd one of each triplet.
CHOICES = ["ccd", "ccd", "cab", "cbd"]


def table_of(choices):
    rows = [
        (f"s{who}", *sorted(row, reverse=who % 2 == 1), f"{odd}.png")
        for who, odds in enumerate(choices)
        for row, odd in zip(TRIPLETS.to_numpy().tolist(), odds, strict=True)
    ]
    return pd.DataFrame(rows, columns=["participant", "target", "alt1", "alt2", "response"])


@pytest.fixture
def made(tmp_path):
    TRIPLETS.to_csv(tmp_path / "triplets.csv", index=False)

    def make(table, **options):
        people = trials_of(table, "choice")
        return OddOneOutTask("odd", tmp_path / "triplets.csv", tmp_path, people=people, **options)

    return make


def embeddings_with_odd_d(task):
    rows = {"c.png": [1, 0, 0.2], "d.png": [0, 1, 0]}
    return np.array([rows.get(name, [1, 0, 0]) for name in task.images], dtype=np.float32)


def test_people_and_layers_are_held_against_most_others(made):
    # The second triplet (a, b, d) has no c: two of its choices are none of its images.
    task = made(table_of(CHOICES))
    assert "2 of 12 trials in trials.csv are left out" in task.people_notes[0]
    [row] = task.people_rows().to_dict("records")
    # Triplet 1: all chose c. 2: s2 chose a, s3 b. 3: d, d, b, d.
    own = [(1 + 1) / 2, (1 + 1) / 2, (1 + 0 + 0) / 3, (1 + 0 + 1) / 3]
    assert row["Comparable Agreement"] == pytest.approx(np.mean(own))
    assert (row["Participants"], row["Trials"]) == (4, 10)
    items = task.compute_items(embeddings_with_odd_d(task))
    layer = task.against_people(items)
    # The layer: c, d and d.
    of_layer = [(1 + 1) / 2, (1 + 1) / 2, (1 + 0 + 1) / 3, (1 + 0 + 1) / 3]
    assert layer["Comparable Agreement"] == pytest.approx(np.mean(of_layer))
    difference = layer["Agreement Difference from People"]
    assert difference == pytest.approx(np.mean(of_layer) - np.mean(own))
    assert task.compute_task_performance(items)["Choices"].tolist() == [10]


def test_bad_choices_are_refused(made):
    with pytest.raises(InputError, match="None of the 12 trials"):
        made(table_of(CHOICES).assign(target="other.png"))
    with pytest.raises(InputError, match="three participants or more who judged"):
        made(table_of(CHOICES[:2]))
