"""Every distance and every answer has a row in the long table."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.errors import InputError, UnknownNameError
from facebench.people import read_trials
from facebench.results.long_table import (
    LONG_COLUMNS,
    long_table,
    people_of_run,
    read_long_table,
    write_long_table,
)
from facebench.results.reader import load_run
from facebench.tasks.facts import TaskFacts


@pytest.fixture
def trials(saved, tmp_path):
    run = load_run(saved)
    frame = run.task_distances("plain", "conditions")
    shown = frame.head(6)
    rows = [
        {
            "participant": f"p{p}",
            "img1": row.img2,
            "img2": row.img1,
            "response": p % 2,
            "rt": 0.5,
            "group": ["scarf", "hat & coat"][p % 2],
        }
        for p in range(3)
        for row in shown.itertuples()
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "trials.csv", index=False)
    return run, tmp_path / "trials.csv"


def test_networks_and_people_share_items(trials):
    run, file = trials

    table = long_table(run, {"conditions": read_trials(file)}, ["conditions"], ["plain", "shallow"])

    assert tuple(table.columns) == LONG_COLUMNS
    networks, people = (table[table["source"] == name] for name in ("networks", "people"))
    assert set(networks["participant"]) == {
        "plain default", "shallow conv1", "shallow conv2", "shallow conv3"
    }  # fmt: skip
    frame = run.task_distances("plain", "conditions")
    own = networks[networks["model"] == "plain"]
    np.testing.assert_allclose(own["value"], frame["model_computed_distance"])
    assert list(own["condition"]) == list(frame["kind"])
    assert set(people["measure"]) == {"response", "rt"}
    assert set(people["item"]) <= set(networks["item"])
    first = people[people["measure"] == "response"].iloc[:6]
    assert list(first["condition"]) == list(frame["kind"][:6])


def test_tasks_that_declare_no_columns_have_conditions_and_labels_too():
    frame = pd.DataFrame(
        {"layer_name": "fc", "target": ["a", "b"], "alt1": ["c", "d"], "alt2": ["e", "f"],
         "race": ["own", "other"], "correct": [1.0, 0.0], "distance_1": [0.2, 0.4]}
    )  # fmt: skip
    run = SimpleNamespace(
        tasks={"ore": TaskFacts("MatchingTask")},
        models=["net"],
        results=pd.DataFrame({"task": "ore", "condition": ["all trials", "own", "other"]}),
        task_distances=lambda *_: frame,
    )
    table = long_table(run)
    assert set(table["measure"]) == {"correct", "distance_1"}
    assert list(table["condition"][:2]) == ["own", "other"]
    assert list(table["item"][:2]) == ["a | c | e", "b | d | f"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_it_is_read_as_it_was_written(trials, tmp_path, suffix):
    run, file = trials
    table = long_table(run, {"conditions": read_trials(file)}, ["conditions"], ["plain"])
    write_long_table(table, tmp_path / f"long{suffix}")
    again = read_long_table(tmp_path / f"long{suffix}")
    np.testing.assert_allclose(again["value"], table["value"])
    assert list(again["participant"]) == list(table["participant"])


def test_the_command_writes_it(trials, tmp_path):
    run, file = trials
    arguments = ["export", str(run.path), "--long", str(tmp_path / "long.csv"),
                 "--people", str(file), "--task", "conditions"]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "3 participants, 36 values." in done.output
    assert (tmp_path / "long.csv").is_file()


def test_what_is_not_there_is_said(trials, tmp_path):
    run, file = trials
    with pytest.raises(UnknownNameError, match=r"no task 'conditins'.*Did you mean 'conditions'"):
        long_table(run, tasks=["conditins"])
    with pytest.raises(InputError, match=r"written as .csv, .tsv or .parquet"):
        write_long_table(pd.DataFrame(), tmp_path / "long.xlsx")
    assert people_of_run(run) == {}
    file.write_text("participant,img1,img2,response\np,x.png,y.png,1\n")
    with pytest.raises(
        InputError, match="2 of 2 images of the trials are not in task 'conditions'"
    ):
        long_table(run, {"conditions": read_trials(file)}, ["conditions"])
