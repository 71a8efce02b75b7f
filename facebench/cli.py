"""The command line: names of commands and where they live. Each loads what it needs when called."""

from __future__ import annotations

from typing import Annotated

import typer

from facebench import __version__
from facebench.commands import (
    demo,
    doctor,
    embeddings,
    images,
    listing,
    prompt,
    results,
    run,
    scaffold,
    similarity,
    start,
)
from facebench.commands.cache import cache_app
from facebench.commands.data import data_app
from facebench.commands.frame import command

__all__ = ["app", "main"]

app = typer.Typer(
    name="facebench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


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

    Begin with `facebench demo`, or `facebench init FACES` and `facebench run experiment.yaml`.

    Exit status: 0 fine, 1 some model or task failed, 2 wrong input, 130 interrupted.
    """


for _command in (
    demo.demo,
    start.init,
    run.run,
    run.validate,
    run.schema,
    results.report,
    results.compare,
    results.power,
    results.leaderboard,
    listing.models,
    listing.layers,
    listing.tasks,
    listing.metrics,
    embeddings.embed,
    similarity.rdm,
    similarity.predictors,
    images.pairs,
    images.stimuli,
    images.align,
    scaffold.new,
    prompt.prompt,
    doctor.doctor,
):
    app.command()(command(_command))
app.add_typer(cache_app, name="cache")
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
