"""embed: the embeddings of a folder, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebench.commands.completion import model_names
from facebench.commands.frame import talk
from facebench.commands.listing import ModelArguments
from facebench.errors import InputError

__all__ = ["embed"]


def embed(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Images, at any depth.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="A name from `facebench models`, or a .py file.",
            autocompletion=model_names,
        ),
    ] = "dlib-resnet",
    layers: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="A layer or pattern; repeatable. [default: the output]"),
    ] = None,
    arguments: ModelArguments = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .npz or .parquet file.")
    ] = Path("embeddings.npz"),
    batch_size: Annotated[int, typer.Option(min=1, help="Images per forward pass.")] = 32,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave images out that cannot be read.")
    ] = False,
) -> None:
    """Write the embeddings of all images of a folder.

    A .npz file holds 'images' (names relative to FOLDER) and an array [images, features] for each
    layer; a .parquet file a row per image with a column for each layer. `model: embeddings` reads
    both.
    """
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
