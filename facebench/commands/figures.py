"""figures: what a saved run found, drawn again without measuring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebench.commands.completion import kinds_of_figures
from facebench.commands.frame import talk
from facebench.commands.results import OnlyModels, OnlyTasks, RunPath

__all__ = ["figures"]


def figures(
    run: RunPath,
    formats: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMATS", help="As pdf, or png,pdf,svg.")
    ] = "png",
    task: OnlyTasks = None,
    model: OnlyModels = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help="Only this kind, as profile or roc; may be repeated.",
            autocompletion=kinds_of_figures,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="[default: Figures, in the run]"),
    ] = None,
) -> None:
    """Draw the figures of a saved run, as PNG, PDF or SVG.

    Nothing is measured. Kinds: bars, intervals, profile, effect, series, roc, det, scores, hardest,
    groups, scatter, cmc, rdm, mds, likeness, training of a task; map and families of all tasks.
    """
    from facebench.results.reader import load_run
    from facebench.results.saved_figures import FIGURES_FOLDER, draw_run

    loaded = load_run(run)
    folder = loaded.path / FIGURES_FOLDER if output is None else output
    written = draw_run(
        loaded, folder, formats.split(","), tasks=task, kinds=kind, models=model
    )  # fmt: skip
    talk().say(f"{len(written)} files.")
    talk().result(str(folder))
    talk().data({"folder": str(folder), "figures": [str(path) for path in written]})
