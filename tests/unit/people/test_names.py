"""Images of trials get the names that the task has for them, or one clear error."""

import pandas as pd
import pytest

from facebench.errors import InputError
from facebench.people.names import ImageFinder, with_names_of
from facebench.people.trials import Trials

KNOWN = ["ann/1.jpg", "ann/2.jpg", "bob/1.jpg", "bob/é.jpg"]


def trials_of(*images):
    table = pd.DataFrame(
        {
            "participant": "p",
            "target": images[0],
            "alt1": images[1],
            "alt2": images[2],
            "response": [images[1]],
            "source file": "p1.csv",
            "source row": [7],
        }
    )
    return Trials(table, "choice")


@pytest.mark.parametrize(
    ("images", "expected", "noted"),
    [
        (("ann/1.jpg", "ann/2.jpg", "bob/1.jpg"), ("ann/1.jpg", "ann/2.jpg", "bob/1.jpg"), False),
        (("ann\\1.jpg", "./ann/2.jpg", "bob/e\u0301.jpg"), ("ann/1.jpg", "ann/2.jpg", "bob/é.jpg"),
         False),
        (("ann/1", "2", "bob/1"), ("ann/1.jpg", "ann/2.jpg", "bob/1.jpg"), True),
        (("stim/ann/1.jpg", "2.jpg", "x/y/bob/1.jpg"), ("ann/1.jpg", "ann/2.jpg", "bob/1.jpg"),
         True),
    ],
)  # fmt: skip
def test_names_are_found(images, expected, noted):
    found = with_names_of(trials_of(*images), KNOWN, "the pairs")

    row = found.table.iloc[0]
    assert (row["target"], row["alt1"], row["alt2"]) == expected
    assert row["response"] == expected[1]
    assert any("matched by their ends" in note for note in found.notes) == noted


def test_images_that_differ_in_their_suffixes_alone():
    finder = ImageFinder(["ann/1.jpg", "ann/1.png"])

    assert finder.find("stim/ann/1.jpg") == "ann/1.jpg"
    assert finder.find("stim/ann/1.png") == "ann/1.png"
    assert finder.candidates("ann/1") == ["ann/1.jpg", "ann/1.png"]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (
            "1.jpg",
            "'1.jpg' .*p1.csv, row 7.* may be any of several in the pairs: 'ann/1.jpg', 'bob/1",
        ),
        ("ann/1.png", "1 of 3 images .*'ann/1.png' .*row 7.*another suffix.*'ann/1.jpg'"),
        ("amm/1x.jpg", "Did you mean 'ann/1.jpg'"),
        ("x/ann/2.jpg", "'x/ann/2.jpg' and 'ann/2.jpg', both match 'ann/2.jpg'"),
    ],
)
def test_what_is_not_there_is_said(image, says):
    with pytest.raises(InputError, match=says):
        with_names_of(trials_of(image, "ann/2.jpg", "bob/é.jpg"), KNOWN, "the pairs")


def test_orders_are_renamed_too():
    trials = trials_of("ann\\1.jpg", "ann\\2.jpg", "bob\\1.jpg")
    table = trials.table.assign(response="bob\\1.jpg|ann\\2.jpg")
    found = with_names_of(Trials(table, "order"), KNOWN, "the pairs")
    assert found.table["response"][0] == "bob/1.jpg|ann/2.jpg"
