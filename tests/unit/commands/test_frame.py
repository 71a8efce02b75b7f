"""The modes of a command hold while it runs, and no longer."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from facebench.commands.frame import Talk, command, talk
from facebench.errors import InputError


def app_of(function) -> typer.Typer:
    app = typer.Typer()
    app.command()(command(function))
    return app


def test_modes_hold_while_the_command_runs() -> None:
    seen = []

    def inner() -> None:
        seen.append(talk())

    def outer() -> None:
        seen.append(talk())
        CliRunner().invoke(app_of(inner), ["--verbose"])
        seen.append(talk())

    CliRunner().invoke(app_of(outer), ["--quiet"])
    quiet, verbose = Talk(quiet=True), Talk(verbose=True)
    assert seen == [quiet, verbose, quiet]
    assert talk() == Talk()


@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_an_error_is_a_sentence_and_a_status_in_the_mode_asked_for(mode: list[str]) -> None:
    def wrong() -> None:
        msg = "No such thing."
        raise InputError(msg)

    done = CliRunner().invoke(app_of(wrong), mode)
    assert done.exit_code == 2
    assert "No such thing." in done.stderr
    if mode:
        assert json.loads(done.stdout) == {"error": "InputError", "problems": ["No such thing."]}
    else:
        assert done.stdout == ""
    assert talk() == Talk()
