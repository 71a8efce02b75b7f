"""prompt: what to ask an assistant."""

from __future__ import annotations

from typing import Annotated

import typer

from facebench.commands.frame import talk

__all__ = ["prompt"]


def prompt(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="model|task|plot",
            help="What to write.",
            autocompletion=lambda: ["model", "task", "plot"],
        ),
    ],
    wish: Annotated[
        str | None, typer.Argument(metavar="WISH", help='In words: "a task that …".')
    ] = None,
) -> None:
    """Print a prompt for an assistant that writes a model or task.

    It holds the base class as it is now, an example, and your wish.
    """
    from facebench.experiment.starters import prompts

    text = prompts.prompt(kind, wish)
    talk().result(text.rstrip())
    talk().data({"prompt": text})
