"""demo: two networks on all four kinds of task, on faces of our own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.columns import DEFAULT_LAYER, LAYER, MODEL
from facebench.commands.frame import failures_end_with_1, talk
from facebench.utils.units import shown_seconds

if TYPE_CHECKING:
    import pandas as pd

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
        int, typer.Option(min=2, help="How many photographs of each, at most.")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is drawn at random.")] = 0,
) -> None:
    """Compare two networks on faces that facebench renders itself.

    All four kinds of task of the first description, with tables and pictures.
    """
    started = time.monotonic()
    # The renderer's and aligner's processes start before torch is loaded: they stay small.
    from facebench.demo import prepare_photographs, prepare_rendered_faces

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
            f"Photographs left out, since no face was found: {len(stimuli.left_out)} "
            f"({', '.join(stimuli.left_out[:_SHOWN])}{more})"
        )
    with failures_end_with_1():
        from facebench.demo.experiment import run_demo

        manager = run_demo(stimuli, folder)
    summary = manager.unified_summary()
    _print_summary(summary, stimuli.label)
    talk().data({"folder": str(folder.resolve()), "results": summary.to_dict("records")})
    if data is None:
        talk().result("The faces are rendered: these numbers say nothing about real faces.")
    talk().result(f"Tables and plots are in {folder.resolve()}.")
    talk().say(f"Done in {shown_seconds(time.monotonic() - started)}.")


def _print_summary(summary: pd.DataFrame, label: str) -> None:
    """Print the unified table turned round: a row per measure, a column per model and layer."""
    if talk().as_json:
        return
    from rich.table import Table

    table = Table(title=f"{label}: all results")
    table.add_column("task: measure")
    layers = summary.set_index([MODEL, LAYER])
    for model, layer in layers.index:
        table.add_column(
            str(model) if layer == DEFAULT_LAYER else f"{model}\n{layer}", justify="right"
        )
    for measure in layers.columns:
        values = layers[measure]
        if values.notna().any():
            shown = [f"{value:.4g}" if abs(value) >= 100 else f"{value:.4f}" for value in values]
            table.add_row(measure.removeprefix(f"{label}, "), *shown)
    talk().out().print(table)
