"""Every rule leaves out what it says, and says how much that is."""

import numpy as np
import pandas as pd
import pytest

from facebench.errors import ConfigError, InputError
from facebench.people import people_of

NAMES = ("good", "guesses", "sleeps", "inattentive")


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(2)
    rows = []
    for name in NAMES:
        for trial in range(40):
            is_catch = trial % 10 == 0
            right = 1 if not is_catch or name != "inattentive" else 0
            if name == "guesses" and not is_catch:
                right = trial % 2
            response = "" if name == "sleeps" and trial % 2 else str(right)
            rows.append((name, "a", f"b{trial}", response, "1", generator.uniform(0.4, 0.9),
                         "catch" if is_catch else "trial"))  # fmt: skip
    columns = ["participant", "img1", "img2", "response", "correct_response", "rt", "type"]
    table = pd.DataFrame(rows, columns=columns)
    table.loc[[1, 2], "rt"] = [0.05, 9.0]
    table.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def read(folder, **rules):
    description = {"trials": "t.csv", "kind": "same-different", "rt_unit": "s", "exclude": rules}
    return people_of({**description, "columns": {"correct_response": "correct_response"}}, folder)


@pytest.mark.parametrize(
    ("rules", "left", "n", "note"),
    [
        ({}, NAMES, 160,
         "Responses were taken as 1 = same and 0 different. Set `response` if not."),
        ({"rt": [0.2, 5]}, NAMES, 158, "RT below 0.2 s or above 5 s: 2 of 160 trials left out."),
        ({"rt": [0.2, None]}, NAMES, 159, "RT below 0.2 s: 1 of 160 trials left out."),
        ({"rt_sd": 3}, NAMES, 159, "RT more than 3 SD from the participant's mean: 1 of 160"),
        ({"missing": 0.2}, ("good", "guesses", "inattentive"), 120,
         "Missing responses above 0.2: 1 of 4 participants left out (sleeps)."),
        ({"accuracy": 0.7}, ("good", "sleeps", "inattentive"), 120,
         "Accuracy below 0.7: 1 of 4 participants left out (guesses)."),
        ({"catch": {"rows": {"type": "catch"}, "accuracy": 0.75}}, ("good", "guesses", "sleeps"),
         108, "Accuracy in catch trials below 0.75: 1 of 4 participants left out (inattentive)."),
        ({"trials": 30}, ("good", "guesses", "inattentive"), 120,
         "Fewer than 30 answered trials: 1 of 4 participants left out (sleeps)."),
        ({"participants": "good"}, NAMES[1:], 120,
         "Named under `exclude.participants`: 1 of 4 participants left out (good)."),
    ],
)  # fmt: skip
def test_a_rule_and_its_count(folder, rules, left, n, note):
    trials = read(folder, **rules)
    assert trials.participants == list(left)
    assert len(trials.table) == n
    assert any(line.startswith(note) for line in trials.notes), trials.notes


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"accuracy": 1.5}, "exclude.accuracy"),
        ({"participants": "god"}, "'god', who has no trials. Did you mean 'good'"),
        ({"rt": [20, 30]}, "No trials are left"),
        ({"catch": {"rows": {"typ": "catch"}, "accuracy": 1}}, "'typ'.*Did you mean 'type'"),
        ({"catch": {"rows": {"type": "lure"}, "accuracy": 1}}, "No trial is a catch trial"),
        ({"accurcy": 0.5}, "unknown key 'exclude.accurcy'. Did you mean 'accuracy'"),
    ],
)
def test_rules_that_cannot_hold_are_errors(folder, rules, says):
    with pytest.raises((ConfigError, InputError), match=says):
        read(folder, **rules)
