"""One model on several devices: a process for each, with one store.

What the processes embed they put into the store, and the run then finds it there: numbers, checks
and what happens after a failure are those of one device. Only layers that are kept are shared out;
wide ones are compared where they are made, on the model's own device.
"""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import pickle
from collections.abc import Sequence

import numpy as np
import torch

from facebench.engine.model_run import run_model
from facebench.engine.request import EmbeddingRequest
from facebench.engine.settings import Settings
from facebench.models.base import BaseModel
from facebench.utils.cores import usable_cores

__all__ = ["embed_on_devices"]

_log = logging.getLogger(__name__)


def embed_on_devices(
    model: BaseModel, request: EmbeddingRequest, settings: Settings, devices: Sequence[str]
) -> None:
    """Embed a share of the images on each device, into the store.

    A process that fails says so in the log; what it leaves undone, the run itself does.

    Parameters
    ----------
    model : BaseModel
        The model; a copy of it goes to each device.
    request : EmbeddingRequest
        What tasks want.
    settings : Settings
        How to run; without a store nothing is done.
    devices : sequence of str
        Such as ['cuda:0', 'cuda:1'].
    """
    if len(devices) < 2 or settings.store is None:
        return
    try:
        packed = pickle.dumps(model)
    except Exception as error:
        _log.warning(
            "Model %r runs on %s alone: it cannot be sent to other processes (%s).",
            model.name,
            model.device,
            error,
        )
        return
    share = dataclasses.replace(
        settings,
        num_workers=_share(settings.num_workers, len(devices)),
        max_memory=settings.budget // len(devices),
    )
    # Started anew, not forked: a forked process cannot use CUDA.
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(
            target=_embed_share,
            args=(packed, device, _part(request, place, len(devices), settings.batch_size), share),
        )
        for place, device in enumerate(devices)
    ]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join()
    except BaseException:
        # Ctrl-C: what is embedded is in the store.
        for process in processes:
            process.terminate()
        raise
    failed = [
        device for device, process in zip(devices, processes, strict=True) if process.exitcode != 0
    ]
    if failed:
        _log.warning("Model %r: the processes on %s failed.", model.name, ", ".join(failed))


def _share(num_workers: int | None, n_devices: int) -> int:
    workers = usable_cores() if num_workers is None else num_workers
    return max(1, workers // n_devices) if workers else 0


def _part(request: EmbeddingRequest, place: int, n_parts: int, batch_size: int) -> EmbeddingRequest:
    """Give every n-th batch, so that batches are those of a run on one device."""
    numbers = np.arange(len(request.images))
    own = numbers[(numbers // batch_size) % n_parts == place]
    return EmbeddingRequest(
        [request.images[number] for number in own],
        [request.digests[number] for number in own],
        {request.images[number]: place for place, number in enumerate(own)},
    )


def _embed_share(packed: bytes, device: str, request: EmbeddingRequest, settings: Settings) -> None:
    model: BaseModel = pickle.loads(packed)
    model.to(torch.device(device))
    # What is wrong with an image the run itself will say, once.
    run_model(model, request, dataclasses.replace(settings, on_bad_image="skip"))
