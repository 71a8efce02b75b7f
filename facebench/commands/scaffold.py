"""new: a file to begin a plug-in with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebench.commands.frame import talk

__all__ = ["new"]


def new(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="model|task",
            help="What to begin.",
            autocompletion=lambda: ["model", "task"],
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as my-net.")],
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write it.")
    ] = Path(),
) -> None:
    """Write a model or task that runs, with a test of its contract."""
    from facebench.experiment.starters.plugin import write_plugin

    plugin, test = write_plugin(kind, name, folder)
    talk().result(f"{plugin}\n{test}")
    talk().data({"plugin": str(plugin), "test": str(test)})
    talk().say(f"In an experiment: `{kind}: {plugin}`. Test it with `pytest {test}`.")
