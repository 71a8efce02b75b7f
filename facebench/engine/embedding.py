"""Embeddings of images by a model: of a list of images, or for the tasks of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.engine.model_run import ModelRun, OnFirstOutputs
from facebench.engine.outputs import Embeddings
from facebench.engine.record import ModelRecord
from facebench.engine.request import Demand, digests_of
from facebench.engine.settings import Settings
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore
from facebench.types import OnBadImage

__all__ = ["embed", "run_model"]


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

    Returns
    -------
    Embeddings

    Raises
    ------
    ImageError
        With 'stop': after all images were tried, counting the bad ones and naming the first five.
    ModelError
        If the preprocessing or an output of the model cannot be used.
    """
    settings = Settings(batch_size, num_workers, on_bad_image, store=store)
    files = list(images)
    demand = Demand(
        files,
        digests=digests_of(files, store),
        number_of={path: number for number, path in enumerate(files)},
        row_images=np.arange(len(files)),
    )
    return ModelRun(model, demand, settings, on_first_outputs, keep_all=True).execute()


def run_model(
    model: BaseModel,
    demand: Demand,
    settings: Settings,
    on_first_outputs: OnFirstOutputs | None = None,
    record: ModelRecord | None = None,
) -> Embeddings:
    """Give all tasks what they want of a model, in one pass over their images.

    Parameters
    ----------
    model : BaseModel
        The model.
    demand : Demand
        What tasks want.
    settings : Settings
        How to run.
    on_first_outputs : callable, optional
        Called with some of the model's layers, [n, D], before the rest is made.
    record : ModelRecord, optional
        Where to note what it took.

    Returns
    -------
    Embeddings

    Raises
    ------
    ImageError
        If an image cannot be read and the run is to stop then.
    ModelError
        If the preprocessing or an output of the model cannot be used.
    StoreError
        If the store cannot be written to: what was written stays.
    """
    return ModelRun(model, demand, settings, on_first_outputs, record).execute()
