"""identify: a share of a large gallery, searched for all machines."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from facebench.commands.frame import failures_end_with_1, talk
from facebench.commands.run import File, Overrides, PackFolder, with_packs

__all__ = ["identify"]


def identify(
    file: File,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="The share to search, from 0/N. [default: the task of a SLURM array, RANK of "
            "WORLD_SIZE, or everything]",
        ),
    ] = None,
    packs: PackFolder = None,
    overrides: Overrides = None,
) -> None:
    """Search a share of the distractors of identification tasks.

    For every model, layer and task, the share is searched and the result published in the folder of
    packs, where `facebench run` merges all shares: its numbers are those of one machine. Embed the
    images of the tasks first (`facebench embed`). A share that was searched is not searched again.
    """
    from facebench.experiment.building import build_experiment
    from facebench.experiment.config import load_config
    from facebench.experiment.shards import shard_of

    own = shard_of(shard, os.environ)
    config = load_config(file, with_packs(overrides, packs))
    talk().say(f"Shard {own.number} of {own.count} (counted from 0).")
    manager = build_experiment(config).manager()
    with failures_end_with_1():
        parts = manager.search_shard(own.number, own.count)
    talk().table(
        ["model", "layer", "task", "first", "distractors", "without embedding", "searched"],
        [
            (part.model, part.layer, part.task, part.first, part.stop - part.first, part.n_failed,
             "now" if part.is_new else "before")
            for part in parts
        ],
    )  # fmt: skip
    talk().data(
        {"shard": own.number, "count": own.count, "parts": [part._asdict() for part in parts]}
    )
