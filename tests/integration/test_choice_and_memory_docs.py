"""The examples of docs/choice_and_memory.md run, and what it says of them holds."""

from __future__ import annotations

import re

import pandas as pd
import pytest
import yaml

from facebench import load_run
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest
from facebench.experiment.execution import run_experiment
from support.pages import examples

pytestmark = pytest.mark.integration
PAGE = "choice_and_memory.md"


def test_the_page(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    making, asking = examples(PAGE, "python")
    exec(making, {})
    # All examples in one run.
    experiments = [yaml.safe_load(text) for text in examples(PAGE, "yaml")]
    tasks = {name: task for each in experiments for name, task in each["tasks"].items()}
    whole = {"models": experiments[0]["models"], "tasks": tasks, "plots": False}
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    config = load_config(path)
    outcome = run_experiment(build_experiment(config), experiment_digest(config), None)
    assert outcome.status == "finished", outcome.failures
    results = pd.read_parquet(outcome.path / "results.parquet")
    assert set(results["task"]) == set(tasks)
    of = results.set_index(["task", "model", "condition", "metric"])["value"].sort_index()
    own = of["other-race", "People", "own group", "Advantage"]
    assert 0.03 < own < 0.17
    assert of["other-race", "White", "White", "Advantage"] > 0
    assert of["other-race", "Black", "White", "Advantage"] < 0
    for task, measure in (
        ("gfmt", "Accuracy"),
        ("memory", "d'"),
        ("similarity-orders", "Kendall Tau-b"),
    ):
        rows = results[(results["task"] == task) & (results["metric"] == measure)]
        assert (rows["model"] == "People").any(), task
        assert rows["value"].notna().all()
    layers = results[(results["task"] == "other-race") & (results["metric"] == "Advantage")]
    by_layer = layers[layers["condition"] == "Black"].set_index("layer")["value"]
    assert by_layer["biased"] < by_layer["fair"]
    exec(asking, {})
    assert "own group" in capsys.readouterr().out
    assert load_run(outcome.path).tasks


def test_the_tables_rows_are_written_by_the_example(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(examples(PAGE, "python")[0], {})
    header = re.split(r"\s", examples(PAGE, "csv")[0])[0]
    assert (tmp_path / "trials.csv").read_text().splitlines()[0] == header
