"""The help is grouped, fits a terminal, and shows examples that the commands accept."""

from __future__ import annotations

import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from facebench.cli import _COMMANDS, app

COMMANDS = [entry for group in _COMMANDS.values() for entry in group]


def test_every_command_has_one_whole_line_in_the_help() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout
    listed = shown[shown.index("\nRun:") :]
    assert max(map(len, listed.splitlines())) <= 80
    assert "..." not in listed
    root = get_command(app)
    for name in root.commands:  # type: ignore[attr-defined]
        assert listed.count(f"\n  {name} ") == 1


@pytest.mark.slow
@pytest.mark.parametrize("example", [example for _, example in COMMANDS])
def test_a_command_shows_an_example_that_it_accepts(example: str) -> None:
    _, name, *arguments = shlex.split(example.partition(" > ")[0])
    own = get_command(app).commands[name]  # type: ignore[attr-defined]
    assert own.make_context(name, arguments).params
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).stdout
    assert shown.rstrip().endswith(f"Example: {example}")
