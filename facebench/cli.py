"""The command line: parse, call, print. Results go to standard output, talk to standard error."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from facebench import __version__
from facebench.columns import DEFAULT_LAYER, LAYER, MODEL
from facebench.commands.cache import cache_app
from facebench.errors import FacebenchError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["app", "main"]

app = typer.Typer(
    name="facebench",
    help="Benchmark face recognition networks: many models, layers and tasks in one run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(cache_app, name="cache")
_SOME_FAILED, _WRONG_INPUT, _INTERRUPTED = 1, 2, 130
_SHOWN = 5
_HUGE = 10_000


@contextmanager
def _exits_with(code: int, talk: Console) -> Iterator[None]:
    """Turn facebench's errors into one sentence and a documented exit code."""
    try:
        yield
    except (FacebenchError, OSError) as error:
        talk.print(Text.assemble(("Error: ", "red"), str(error)), soft_wrap=True)
        raise typer.Exit(code) from error
    except KeyboardInterrupt as error:
        talk.print("Interrupted. What is finished is kept.")
        raise typer.Exit(_INTERRUPTED) from error


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facebench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Benchmark face recognition networks: many models, layers and tasks in one run.

    Exit status: 0 fine, 1 some model or task failed, 2 wrong input, 130 interrupted.
    """


@app.command()
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
    """Compare two networks on all four kinds of task, on faces that facebench renders itself."""
    started = time.monotonic()
    talk = Console(stderr=True)
    _log_to(talk)
    with _exits_with(_WRONG_INPUT, talk):
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
            from facebench.files import safe_name

            folder = output / safe_name(data.resolve().name)
            stimuli = prepare_photographs(data, folder / "stimuli", **asked)
        if stimuli.left_out:
            more = " …" if len(stimuli.left_out) > _SHOWN else ""
            talk.print(
                f"Photographs left out, since no face was found: {len(stimuli.left_out)} "
                f"({', '.join(stimuli.left_out[:_SHOWN])}{more})",
                highlight=False,
                markup=False,
            )
    with _exits_with(_SOME_FAILED, talk):
        from facebench.demo.experiment import run_demo

        manager = run_demo(stimuli, folder)
    _print_summary(manager.unified_summary(), stimuli.label)
    if data is None:
        typer.echo("The faces are rendered: these numbers say nothing about real faces.")
    typer.echo(f"Tables and plots are in {folder.resolve()}.")
    talk.print(f"Done in {time.monotonic() - started:.0f} s.", highlight=False)


def _log_to(talk: Console) -> None:
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if talk.is_terminal:
        # Writes above a progress bar, not through it.
        handler = RichHandler(console=talk, show_time=False, show_path=False, show_level=False)
    logger = logging.getLogger("facebench")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


def _print_summary(summary: pd.DataFrame, label: str) -> None:
    """Print the unified table turned round: a row per measure, a column per model and layer."""
    out = Console(width=None if sys.stdout.isatty() else _HUGE)
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
    out.print(table)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
