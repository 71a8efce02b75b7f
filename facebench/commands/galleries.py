"""identify: a share of a large gallery, searched for all machines."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from facebench.commands.embeddings import watched
from facebench.commands.frame import talk
from facebench.commands.run import File, Overrides, PackFolder, with_packs
from facebench.errors import InputError

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
    Exit status 75 if a signal (SIGTERM, SIGUSR1) has ended it after a block of rows: the same
    command continues with the layer that it was at.
    """
    from facebench.experiment.building import build_experiment
    from facebench.experiment.config import load_config
    from facebench.experiment.shards import shard_of, share_told, stoppable
    from facebench.run.shard_status import StatusFile
    from facebench.store.folder import NO_PACKS

    own = shard_of(shard, os.environ)
    config = load_config(file, with_packs(overrides, packs))
    talk().say(share_told(shard, os.environ, own))
    manager = build_experiment(config).manager()
    if config.settings.packs is None:
        raise InputError(NO_PACKS)
    status = StatusFile(
        config.settings.packs, config.settings.name, own, os.environ, "search-shards"
    )
    with stoppable() as check, watched(status, check, "block of rows") as watch:
        parts = manager.search_shard(own.number, own.count, watch)
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
