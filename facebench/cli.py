"""The command line: names of commands and where they live. Each loads what it needs when called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from typing_extensions import override

from facebench import __version__
from facebench.commands import (
    boards,
    cluster,
    demo,
    doctor,
    embeddings,
    figures,
    galleries,
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
from facebench.commands.frame import CommandLines, command
from facebench.commands.people import people_app

__all__ = ["app", "main"]

# Group → (command, an example).
_COMMANDS: dict[str, list[tuple[Callable[..., None], str]]] = {
    "Run": [
        (demo.demo, "facebench demo"),
        (start.init, "facebench init faces"),
        (run.run, "facebench run experiment.yaml"),
        (run.validate, "facebench validate experiment.yaml"),
        (embeddings.embed, "facebench embed faces --model dlib-resnet -o vectors.npz"),
        (similarity.rdm, "facebench rdm faces --model dlib-resnet -o rdm.csv"),
        (galleries.identify, "facebench identify experiment.yaml --shard 0/16"),
        (cluster.slurm, "facebench slurm experiment.yaml --shards 16 --gpus 1 --time 2:00:00"),
        (cluster.status, "facebench status experiment.yaml"),
    ],
    "Look at results": [
        (results.results, "facebench results runs/study"),
        (results.report, "facebench report runs/study"),
        (figures.figures, "facebench figures runs/study --format pdf"),
        (boards.compare, "facebench compare runs/first runs/second"),
        (boards.leaderboard, "facebench leaderboard runs"),
        (results.methods, "facebench methods runs/study --output methods.tex"),
        (results.power, "facebench power runs/pilot"),
        (results.export, "facebench export runs/study --long long.csv"),
        (results.anova, "facebench anova long.csv --within condition"),
        (similarity.predictors, "facebench predictors runs/study -p dlib,clip,pixels"),
    ],
    "Find out": [
        (listing.tasks, "facebench tasks verification"),
        (listing.models, "facebench models vgg16"),
        (listing.layers, "facebench layers vgg16 'features.*'"),
        (listing.metrics, "facebench metrics"),
        (run.schema, "facebench schema > facebench.schema.json"),
        (doctor.doctor, "facebench doctor dlib-resnet --faces faces"),
    ],
    "Data": [
        (images.pairs, "facebench pairs faces --genuine 300 -o pairs.csv"),
        (images.stimuli, "facebench stimuli faces -c inverted -c thatcherised -o stimuli"),
        (images.align, "facebench align faces -o chips --template arcface112"),
    ],
    "Extend": [
        (scaffold.new, "facebench new task my-task"),
        (prompt.prompt, "facebench prompt task 'median distance per condition'"),
    ],
}
_SUBCOMMANDS = {
    "Run": [("cache", cache_app)],
    "Data": [("data", data_app), ("people", people_app)],
}


class _Grouped(CommandLines):
    """Lists commands under the headings above."""

    @override
    def headings(self) -> dict[str, list[str]]:
        return {
            group: [
                *(function.__name__ for function, _ in _COMMANDS[group]),
                *(name for name, _ in _SUBCOMMANDS.get(group, [])),
            ]
            for group in _COMMANDS
        }


app = typer.Typer(
    name="facebench",
    cls=_Grouped,
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
    `facebench COMMAND --help` has an example of each command.

    Exit status: 0 fine, 1 some model or task failed, 2 wrong input, 130 interrupted.
    """


for _commands in _COMMANDS.values():
    for _function, _example in _commands:
        app.command(epilog=f"Example: {_example}")(command(_function))
for _apps in _SUBCOMMANDS.values():
    for _name, _app in _apps:
        app.add_typer(_app, name=_name)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
