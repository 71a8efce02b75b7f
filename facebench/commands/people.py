"""``facebench people``: trials of experiments with people, before a run uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from facebench.commands.frame import CommandLines, command, talk

__all__ = ["people_app"]

people_app = typer.Typer(
    cls=CommandLines,
    help="Experiments with people: check or simulate trials.",
    no_args_is_help=True,
)


@people_app.command(epilog="Example: facebench people check trials.yaml --images pairs.csv")
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
    """Print what was understood of trials, and what is odd in them.

    Participants, conditions, exclusions.
    """
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


@people_app.command(epilog="Example: facebench people simulate pairs.csv -o trials.csv")
@command
def simulate(
    pairs: Annotated[
        Path,
        typer.Argument(metavar="PAIRS", help="A table of pairs: img1, img2, same, condition."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The trials to write.")
    ] = Path("trials.csv"),
    kind: Annotated[
        Literal["same-different", "rating"], typer.Option(help="What observers are asked.")
    ] = "same-different",
    participants: Annotated[int, typer.Option(min=1, help="How many observers.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write trials of simulated observers.

    To try an analysis before there are data.
    """
    from facebench.data.pairs import read_pairs
    from facebench.errors import InputError
    from facebench.people.simulation import simulated_trials
    from facebench.utils.files import write_csv

    if output.exists() and not force:
        msg = f"{output} already exists. Give another --output, or --force to overwrite it."
        raise InputError(msg)
    trials = simulated_trials(read_pairs(pairs), kind, n_participants=participants, seed=seed)
    write_csv(trials, output)
    talk().warn([f"{output} holds simulated observers: it says nothing about people."])
    talk().result(str(output))
    talk().data({"output": str(output), "participants": participants, "trials": len(trials)})


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({number})" for name, number in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _rows(table: Any) -> list[list[str]]:
    return [
        [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
        for row in table.itertuples(index=False)
    ]
