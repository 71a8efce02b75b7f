"""``facebench people``: trials of experiments with people, before a run uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facebench.commands.frame import command, talk

__all__ = ["people_app"]

people_app = typer.Typer(help="Experiments with people: check trials.", no_args_is_help=True)


@people_app.command(epilog="Example: facebench people check trials.yaml --against pairs.csv")
@command
def check(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The YAML file that describes the trials, or a table."),
    ],
    images: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Images or a pairs table that trials must fit."),
    ] = None,
    over: Annotated[
        str, typer.Option(help="Intervals over 'participants', 'items' or 'both'.")
    ] = "participants",
) -> None:
    """Print what was understood of trials: participants, conditions, exclusions, what is odd."""
    from facebench.people.checking import check_trials
    from facebench.people.intervals import as_over

    found = check_trials(file, images, over=as_over(over))
    counts = {key: value for key, value in found.health.facts.items() if value not in (None, {})}
    talk().result(f"{file}\n")
    width = max(len(key) for key in counts) + 2
    talk().result("\n".join(f"{key + ':':<{width}}{_said(value)}" for key, value in counts.items()))
    conditions = found.health.conditions
    if len(conditions):
        talk().table(list(conditions.columns), _rows(conditions))
    if len(found.means):
        talk().table(list(found.means.columns), _rows(found.means))
    for title, sentences in (("Read", found.notes), ("Left out", found.exclusions)):
        if sentences:
            talk().result("\n".join([f"\n{title}:", *(f"- {text}" for text in sentences)]))
    talk().warn(found.findings)
    talk().data(
        {
            **found.health.facts,
            "conditions": conditions.to_dict("records"),
            "means": found.means.to_dict("records"),
            "notes": found.notes,
            "exclusions": found.exclusions,
            "findings": found.findings,
        }
    )


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({number})" for name, number in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _rows(table: Any) -> list[list[str]]:
    return [
        [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
        for row in table.itertuples(index=False)
    ]
