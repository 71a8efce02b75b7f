"""Embeddings of a list of images by a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.engine.model_pass import OnFirstOutputs
from facebench.engine.model_run import run_model
from facebench.engine.outputs import Embeddings
from facebench.engine.request import EmbeddingRequest, digests_of
from facebench.engine.settings import Settings
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore
from facebench.types import OnBadImage

__all__ = ["embed"]


def embed(
    model: BaseModel,
    images: Sequence[Path],
    *,
    batch_size: int = 32,
    num_workers: int | None = None,
    on_bad_image: OnBadImage = "stop",
    on_first_outputs: OnFirstOutputs | None = None,
    store: EmbeddingStore | None = None,
) -> Embeddings:
    """Send every image through a model once and keep all its layers in memory.

    Parameters
    ----------
    model : BaseModel
        The model.
    images : sequence of Path
        Different image files.
    batch_size : int, default 32
        Images per forward pass.
    num_workers : int, optional
        Processes that decode and preprocess; 0 does it in this one. None takes one per core
        where there are enough images.
    on_bad_image : {'stop', 'skip'}, default 'stop'
        Whether an image that cannot be read ends the run or is left out and reported.
    on_first_outputs : callable, optional
        Called with the layers of the first batch, to refuse early what cannot work with them.
    store : EmbeddingStore, optional
        Where to look for embeddings and keep them.

    Raises
    ------
    ImageError
        With 'stop': after all images were tried, counting the bad ones and naming the first five.
    ModelError
        If the preprocessing or an output of the model cannot be used.
    """
    settings = Settings(batch_size, num_workers, on_bad_image, store=store)
    files = list(images)
    request = EmbeddingRequest(
        files,
        digests=digests_of(files, store),
        number_of={path: number for number, path in enumerate(files)},
        row_images=np.arange(len(files)),
    )
    return run_model(model, request, settings, on_first_outputs, keep_all=True)
