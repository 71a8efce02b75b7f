"""init: an experiment to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facebench.commands.frame import talk

if TYPE_CHECKING:
    from facebench.experiment.starters.folder import Starter

__all__ = ["init"]


def _effects(incomplete: str) -> list[str]:
    from facebench.experiment.starters.effects import EFFECTS, GROUP_EFFECTS
    from facebench.stimuli.catalogue import CONDITIONS

    before, comma, last = incomplete.rpartition(",")
    known = (*EFFECTS, *GROUP_EFFECTS, *CONDITIONS)
    return [f"{before}{comma}{name}" for name in known if name.startswith(last)]


def _experiments(incomplete: str) -> list[str]:
    from facebench.experiment.starters.ready_made import READY_MADE

    return [name for name in READY_MADE if name.startswith(incomplete)]


def init(
    faces: Annotated[
        Path | None, typer.Argument(metavar="FACES", help="A folder of images, NAME/*.jpg.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The experiment to write. [default: experiment.yaml]",
        ),
    ] = None,
    effects: Annotated[
        list[str] | None,
        typer.Option(
            "--effects",
            metavar="NAMES",
            help="inversion, thatcher, composite … (see --list), with commas between.",
            autocompletion=_effects,
        ),
    ] = None,
    stimuli: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where stimuli of effects are made. [default: stimuli]"),
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ratings of similarity: per rater, mean, or a matrix."),
    ] = None,
    rating: Annotated[
        Literal["distance", "similarity"] | None,
        typer.Option(
            help="What a larger rating means: less alike (distance), or more (similarity). "
            "[default: as the file says]"
        ),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Trials of people, or the YAML file that describes them."
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table of person and group, for other-race and familiarity."
        ),
    ] = None,
    own: Annotated[
        str | None, typer.Option(metavar="GROUP", help="The group compared with the others.")
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Who is in an image of a flat folder: 'name' (ann_1.jpg is ann), or a regular "
            "expression whose group is the person. [default: its folder]",
        ),
    ] = None,
    most: Annotated[
        int, typer.Option("--pairs", min=1, help="Pairs of one person, at most.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace files of that name.")] = False,
    experiment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Copy a ready-made experiment instead: lfw, layers … (see --list).",
            autocompletion=_experiments,
        ),
    ] = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="List effects and ready-made experiments, and stop.")
    ] = False,
) -> None:
    """Write a commented experiment for a folder of faces.

    With pairs, stimuli and people. Says what it took columns, codes and folders for, and what is
    left to fill in.
    """
    from facebench.errors import InputError
    from facebench.experiment.starters.folder import StarterRequest, write_starter
    from facebench.experiment.starters.ready_made import write_ready_made

    if list_all:
        _list()
        return
    if experiment is not None:
        asked = (effects, stimuli, ratings, rating, people, groups, own, identity)
        if any(option is not None for option in asked):
            msg = "--experiment copies a file as it is. Leave out --effects, --ratings and so on."
            raise InputError(msg)
        path = write_ready_made(experiment, output, images=faces, replace=force)
        talk().result(str(path))
        talk().data({"experiment": str(path)})
        talk().say(f"Its first lines say which files it needs. Next: facebench validate {path}")
        return
    if faces is None:
        msg = "Which faces? Give a folder of NAME/*.jpg: facebench init FACES."
        raise InputError(msg)
    names = [name.strip() for text in effects or () for name in text.split(",") if name.strip()]
    request = StarterRequest(
        names, ratings, rating, people, groups, own, identity, stimuli, most, seed
    )
    _tell(write_starter(faces, output or Path("experiment.yaml"), request, replace=force))


def _tell(starter: Starter) -> None:
    from facebench.metrics.uncertainty.power import typical_half_width

    for sentence in starter.taken:
        talk().say(sentence)
    if starter.pairs is not None:
        talk().say(f"{starter.n_genuine} genuine and {starter.n_impostor} impostor pairs.")
        width = typical_half_width(starter.n_people)
        talk().say(
            f"With {starter.n_people} people an AUC of .85 is known to about ±{width:.2f}; after a "
            "run, `facebench power` says how many it takes."
        )
    talk().warn([*starter.doubts, *starter.to_fill_in])
    talk().result("\n".join(map(str, starter.files)))
    talk().data(
        {
            "experiment": str(starter.experiment),
            "pairs": None if starter.pairs is None else str(starter.pairs),
            "files": starter.files,
            "taken": starter.taken,
            "to_check": starter.doubts,
            "to_fill_in": starter.to_fill_in,
        }
    )
    before = "fill in what is open, then " if starter.to_fill_in else ""
    talk().say(f"Next: {before}facebench run {starter.experiment}")


def _list() -> None:
    from facebench.experiment.starters.effects import EFFECTS, GROUP_EFFECTS
    from facebench.experiment.starters.ready_made import READY_MADE
    from facebench.stimuli.catalogue import CONDITIONS

    rows = [(name, ", ".join(made)) for name, made in EFFECTS.items()]
    rows += [
        (name, f"groups of people: --groups ({', '.join(g)})") for name, g in GROUP_EFFECTS.items()
    ]
    rows.append(("any condition", "compared with upright faces; see `facebench stimuli --list`"))
    talk().table(["effect (--effects)", "is shown with"], rows)
    talk().table(["experiment (--experiment)", "asks"], list(READY_MADE.items()))
    talk().data(
        {
            "effects": {**EFFECTS, **GROUP_EFFECTS},
            "conditions": list(CONDITIONS),
            "experiments": READY_MADE,
        }
    )
