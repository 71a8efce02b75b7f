"""init: an experiment to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebench.commands.frame import talk

__all__ = ["init"]


def init(
    faces: Annotated[Path, typer.Argument(metavar="FACES", help="A folder of images, NAME/*.jpg.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The experiment to write.")
    ] = Path("experiment.yaml"),
    most: Annotated[
        int, typer.Option("--pairs", min=1, help="Pairs of one person, at most.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pairs that are drawn.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace files of that name.")] = False,
) -> None:
    """Write a commented experiment and pairs for a folder of faces."""
    from facebench.experiment.starters.folder import write_starter
    from facebench.metrics.uncertainty.power import typical_half_width

    starter = write_starter(faces, output, most_genuine=most, seed=seed, replace=force)
    talk().say(f"{starter.n_genuine} genuine and {starter.n_impostor} impostor pairs.")
    width = typical_half_width(starter.n_people)
    talk().say(
        f"With {starter.n_people} people an AUC of .85 is known to about ±{width:.2f}; after a "
        "run, `facebench power` says how many it takes."
    )
    talk().result(f"{starter.experiment}\n{starter.pairs}")
    talk().data({"experiment": str(starter.experiment), "pairs": str(starter.pairs)})
    talk().say(f"Next: facebench run {starter.experiment}")
