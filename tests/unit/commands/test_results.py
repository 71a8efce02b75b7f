"""What a terminal is told of a run: two lines per task, and tables that fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.commands.results import _short_verdict
from facebench.results.verdicts import ModelVerdict, Verdict
from support.small_run import save_small_run


def model(name: str, words: str = "shows an effect", condition: str = "") -> ModelVerdict:
    text = f"{name} fc: .350 [.110, .510], P = .013, {words}"
    return ModelVerdict(name, "fc", "AUC", 0.35, 0.11, 0.51, 0.013, text, condition, "above")


def shown(verdict: Verdict, width: int = 80) -> str:
    lines = _short_verdict(verdict, width)
    assert len(lines) <= 2
    assert max(map(len, lines)) <= width
    return " ".join(" ".join(lines).split())


def test_a_sentence_that_fits_is_told_as_it_is() -> None:
    assert shown(Verdict("task", "All is well.", [model("dlib")])) == "All is well."


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("n_models", [1, 2, 3, 40])
def test_what_is_left_out_is_counted(width: int, n_models: int) -> None:
    models = [model(f"net{i}") for i in range(n_models)]
    told = shown(Verdict("task", "Much longer. " * 40, models), width)
    n_told = sum(f"net{i} " in told for i in range(n_models))
    assert n_told >= 1
    assert n_told == n_models or f"{n_models - n_told} more" in told or told.endswith("…")


def test_what_models_share_is_said_once() -> None:
    models = [model(name, "does not show an inversion effect") for name in ("dlib", "other")]
    told = shown(Verdict("task", "Much longer. " * 40, models), 68)
    assert told == (
        "dlib fc: .350 [.110, .510], P = .013; other fc: .350 [.110, .510], P = .013; each does "
        "not show an inversion effect."
    )


def test_of_a_task_of_conditions_the_first_clauses_are_told() -> None:
    sentence = "AUC in 2 conditions: dlib fc: a .5, b .7; " + "; ".join(["more and more"] * 30)
    told = shown(Verdict("task", sentence, [model("dlib", condition="a")], label="AUC"))
    assert told.startswith("AUC in 2 conditions: dlib fc: a .5, b .7; more and more;")
    assert told.endswith("more: see the report.")


@pytest.mark.slow
def test_results_shows_verdicts_and_a_table_per_task(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    run = str(save_small_run(tmp_path / "faces", tmp_path / "runs"))
    done = CliRunner().invoke(app, ["results", run])
    assert done.exit_code == 0, done.output
    told = CliRunner().invoke(app, ["results", run, "--all", "--json"])
    rows = json.loads(told.stdout)["results"]
    for task in {row["task"] for row in rows}:
        assert f"{task}: " in done.stdout
    assert "95 % interval" in done.stdout
