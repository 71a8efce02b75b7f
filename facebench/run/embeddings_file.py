"""The embeddings of a folder of images, in one file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from facebench.data.embedding_files import write_embeddings
from facebench.engine import Embeddings, embed
from facebench.errors import InputError
from facebench.models.base import BaseModel
from facebench.run.alignment import alignment_of, alignment_warnings, made_by_task
from facebench.store import open_store

__all__ = ["embed_folder"]

_log = logging.getLogger(__name__)


def embed_folder(
    model: BaseModel,
    folder: Path,
    images: Sequence[Path],
    output: Path,
    *,
    batch_size: int = 32,
    skip_bad: bool = False,
) -> Embeddings:
    """Embed images and write a .npz or .parquet file.

    Parameters
    ----------
    model : BaseModel
        The model, with its layers.
    folder : Path
        What names in the file are relative to.
    images : sequence of Path
        The images.
    output : Path
        The file.
    batch_size : int, default 32
        Images per forward pass.
    skip_bad : bool, default False
        Leave images out that cannot be read, instead of raising ImageError.

    Notes
    -----
    Made stimuli are taken as they are by models that align faces by default, as in a run.
    """
    if model.fitting is not None:
        msg = (
            f"Model {model.name!r} is centred or whitened, which a run does and this file would "
            "not hold. Leave it out."
        )
        raise InputError(msg)
    made = made_by_task({folder.name: list(images)})
    for warning in alignment_warnings(model, made, "folder"):
        _log.warning("%s", warning)
    with alignment_of(model, made[folder.name]):
        found = embed(
            model,
            images,
            batch_size=batch_size,
            on_bad_image="skip" if skip_bad else "stop",
            store=open_store(),
        )
    rows = sorted(found.row_of, key=lambda path: found.row_of[path])
    names = [path.relative_to(folder).as_posix() for path in rows]
    write_embeddings(output, names, found.layers, range(len(names)))
    return found
