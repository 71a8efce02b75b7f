"""embed: the embeddings of a folder, as a file; or a share of an experiment's, as packs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.completion import model_names
from facebench.commands.frame import SOME_FAILED, failures_end_with_1, talk
from facebench.commands.run import PackFolder, with_packs
from facebench.errors import FacebenchError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from facebench.engine.sharding import ShardWatch
    from facebench.run.shard_status import StatusFile

__all__ = ["TO_BE_REQUEUED", "embed", "watched"]

TO_BE_REQUEUED = 75
_YAML = (".yaml", ".yml")


def embed(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER|FILE", help="Images, or an experiment (x.yaml).")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A name from `facebench models`, or a .py file.",
            autocompletion=model_names,
            show_default="dlib-resnet",
        ),
    ] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="A layer or pattern; repeatable. [default: the output]"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An argument of the model, or a setting of the experiment; repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A .npz or .parquet file.",
            show_default="embeddings.npz",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per forward pass.", show_default="32")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave images out that cannot be read.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Of an experiment: the share to embed, from 0/N. [default: the task of a SLURM "
            "array, RANK of WORLD_SIZE, or everything]",
        ),
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Of an experiment: a process on each, as cuda:0,cuda:1, or 'all' GPUs.",
        ),
    ] = None,
    packs: PackFolder = None,
) -> None:
    """Write embeddings of a folder, or embed a share of an experiment.

    A .npz file holds 'images' (names relative to FOLDER) and an array [images, features] for each
    layer; a .parquet file a row per image with a column for each layer. `model: embeddings` reads
    both.

    Of an experiment, the images are shared out by their digests, not by their order; a share is
    embedded for every model and published in the folder of packs, where `facebench run` finds it.
    Exit status 75 if a signal (SIGTERM, SIGUSR1) has ended it after a batch: what is done is
    published, and the same command continues.
    """
    if source.suffix in _YAML and not source.is_dir():
        if (model, layers, output, batch_size, skip_bad) != (*(None,) * 4, False):
            msg = (
                f"{source} is an experiment, which names its models and settings itself. Change "
                "them by --set; --model, --layer, --output, --batch-size and --skip-bad are for a "
                "folder of images."
            )
            raise InputError(msg)
        if devices is not None:
            _embed_on_devices(source, shard, devices, with_packs(settings, packs))
        else:
            _embed_shard(source, shard, with_packs(settings, packs))
        return
    if shard is not None or packs is not None or devices is not None:
        msg = f"--shard, --devices and --packs are for an experiment, such as x.yaml. Got {source}."
        raise InputError(msg)
    _embed_folder(
        source,
        model or "dlib-resnet",
        layers,
        settings,
        output or Path("embeddings.npz"),
        batch_size or 32,
        skip_bad=skip_bad,
    )


def _embed_shard(file: Path, named: str | None, overrides: list[str]) -> None:
    from facebench.experiment.shards import stoppable

    # From the beginning: large networks take minutes to be built.
    with stoppable() as check:
        _embed_stoppable_shard(file, named, overrides, check)


def _embed_stoppable_shard(
    file: Path, named: str | None, overrides: list[str], check: Callable[[], None]
) -> None:
    from facebench.experiment.building import build_experiment
    from facebench.experiment.config import load_config
    from facebench.experiment.shards import device_of_rank, node_folder, shard_of, share_told
    from facebench.run.shard_status import StatusFile
    from facebench.store.folder import NO_PACKS

    shard = shard_of(named, os.environ)
    here = node_folder(os.environ)
    given = {override.partition("=")[0] for override in overrides}
    own = [] if here is None or "cache" in given else [f"cache={here}"]
    config = load_config(file, [*own, *overrides])
    device = device_of_rank(os.environ)
    if device is not None and config.settings.device in ("auto", "cuda"):
        config = load_config(file, [*own, *overrides, f"device={device}"])
    talk().say(share_told(named, os.environ, shard))
    manager = build_experiment(config).manager()
    packs = config.settings.packs
    if packs is None:
        raise InputError(NO_PACKS)
    status = StatusFile(packs, config.settings.name, shard, os.environ)
    with watched(status, check) as watch:
        parts = manager.embed_shard(shard.number, shard.count, watch)
    talk().table(
        ["model", "images", "forwards", "packs", "new rows", "seconds"],
        [
            (part.model, part.n_images, part.n_forwards, part.n_packs, part.n_rows,
             f"{part.seconds:.1f}")
            for part in parts
        ],
    )  # fmt: skip
    talk().data({"shard": shard.number, "count": shard.count, "models": list(map(asdict, parts))})


def _embed_on_devices(file: Path, named: str | None, devices: str, overrides: list[str]) -> None:
    from facebench.experiment.config import load_config
    from facebench.experiment.device_processes import (
        devices_named,
        embed_on_devices,
        share_of_machine,
        worst_status,
    )
    from facebench.experiment.shards import shard_of
    from facebench.store.folder import NO_PACKS

    names = devices_named(devices)
    settings = load_config(file, overrides).settings
    if settings.packs is None:
        raise InputError(NO_PACKS)
    shares = share_of_machine(settings, len(names))
    own = [*overrides, *(f"{key}={value}" for key, value in shares.items())]
    found = embed_on_devices(file, shard_of(named, os.environ), names, own)
    rows = list(zip(found, names, found.values(), strict=True))
    talk().table(["shard", "device", "exit status"], rows)
    talk().data(
        {"shards": [dict(zip(("shard", "device", "status"), row, strict=True)) for row in rows]}
    )
    if status := worst_status(found, TO_BE_REQUEUED):
        raise typer.Exit(status)


@contextmanager
def watched(
    status: StatusFile, check: Callable[[], None], unit: str = "batch"
) -> Iterator[ShardWatch]:
    """Note how a shard goes and ends; a signal ends it after a batch, with exit status 75.

    Parameters
    ----------
    status : StatusFile
        Where to note it.
    check : callable
        What `stoppable` gives.
    unit : str, default 'batch'
        What a signal lets the shard finish.

    Yields
    ------
    ShardWatch
    """
    from facebench.experiment.shards import ShardStopped

    with failures_end_with_1():
        try:
            check()
            yield _Watch(status, check)
        except ShardStopped as error:
            status.end("stopped", error)
            talk().say(
                f"Ended by {error}, after a whole {unit}. What is done is kept; the same command "
                "continues."
            )
            raise typer.Exit(TO_BE_REQUEUED) from error
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
            status.end("failed", told)
            if isinstance(error, Exception) and not isinstance(error, FacebenchError | OSError):
                # Of a model's own code: said as in a run.
                talk().complain(told)
                raise typer.Exit(SOME_FAILED) from error
            raise
    status.end("done")


class _Watch:
    """Notes how far a shard is, and ends it on a signal."""

    def __init__(self, status: StatusFile, check: Callable[[], None]) -> None:
        self._status = status
        self._check = check

    def begin(self, model: str, n_images: int, n_missing: int) -> None:
        self._status.begin(model, n_images, n_missing)
        self._check()

    def batch(self, n_images: int) -> None:
        self._status.batch(n_images)
        self._check()


def _embed_folder(
    folder: Path,
    model: str,
    layers: list[str] | None,
    arguments: list[str] | None,
    output: Path,
    batch_size: int,
    *,
    skip_bad: bool,
) -> None:
    from facebench.commands.models import made_model
    from facebench.data.images import list_images
    from facebench.faces import NO_FACE
    from facebench.models.base import BaseModel
    from facebench.run.embeddings_file import embed_folder
    from facebench.utils.files import check_replaceable

    if output.suffix not in (".npz", ".parquet"):
        msg = f"The output must be a .npz or a .parquet file. Got {output}."
        raise InputError(msg)
    check_replaceable(output)
    listed = list_images(folder)
    images = listed.images
    if listed.passed_over:
        talk().say(str(listed))
    network = made_model(model, layers, arguments or [])
    if not isinstance(network, BaseModel):
        msg = f"The model {model!r} reads a file and has no network that could embed images."
        raise InputError(msg)
    found = embed_folder(network, folder, images, output, batch_size=batch_size, skip_bad=skip_bad)
    for path, reason in found.bad_images.items():
        talk().say(f"Left out: {path}: {reason}")
    without_face = [str(images[n]) for n, notes in found.image_notes.items() if NO_FACE in notes]
    for name in without_face:
        talk().say(f"No face found, cut around its centre: {name}")
    shapes = {layer: list(table.shape) for layer, table in found.layers.items()}
    talk().table(
        ["layer", "images", "features"], [(name, *shape) for name, shape in shapes.items()]
    )
    talk().result(str(output))
    talk().data(
        {
            "output": str(output),
            "layers": shapes,
            "bad_images": len(found.bad_images),
            "no_face": without_face,
        }
    )
