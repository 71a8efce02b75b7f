"""demo: an experiment on faces that facebench renders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebench.commands.frame import talk
from facebench.commands.run import run

__all__ = ["demo"]

_SHOWN = 5


def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="A folder of real images, NAME/*.jpg, instead of rendered faces.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder for stimuli and results.")
    ] = Path("demo_results"),
    people: Annotated[
        int | None,
        typer.Option(min=3, help="How many people. [default: 30 rendered, at most 60 real]"),
    ] = None,
    photographs: Annotated[
        int, typer.Option(min=2, help="Maximum number of photographs of each.")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Compare two networks on faces that facebench renders itself.

    Writes stimuli, tables of pairs and an experiment, and runs it: verification, the inversion and
    Thatcher effects, similarity to (simulated) raters, and the tasks of the first description.
    """
    # The renderer's and aligner's processes start before torch is loaded: they stay small.
    from facebench.demo import prepare_photographs, prepare_rendered_faces, write_experiment

    # What is not asked for stays as the sources have it.
    asked: dict[str, int] = {"n_photographs": photographs, "seed": seed}
    if people is not None:
        asked["n_people"] = people
    if data is None:
        folder = output / "rendered"
        stimuli = prepare_rendered_faces(folder / "stimuli", **asked)
    else:
        from facebench.utils.files import safe_name

        folder = output / safe_name(data.resolve().name)
        stimuli = prepare_photographs(data, folder / "stimuli", **asked)
    if stimuli.left_out:
        more = " …" if len(stimuli.left_out) > _SHOWN else ""
        talk().say(
            f"Photographs left out because no face was found: {len(stimuli.left_out)} "
            f"({', '.join(stimuli.left_out[:_SHOWN])}{more})"
        )
    if data is None:
        talk().result("The faces are rendered: these numbers say nothing about real faces.")
    run(write_experiment(stimuli))
