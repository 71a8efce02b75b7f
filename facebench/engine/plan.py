"""What a model's pass would take, before it is made."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.comparisons import Comparisons
from facebench.engine.decoding import ImageFile
from facebench.engine.fingerprint import running
from facebench.engine.forward import Forward
from facebench.engine.loading import Loader, usable_cores
from facebench.engine.memory import FLOAT
from facebench.engine.placement import place_layers
from facebench.engine.plan_tables import LayerPlan, ModelPlan
from facebench.engine.request import Demand
from facebench.engine.settings import Settings
from facebench.engine.wide import WideWork, plan_wide
from facebench.models.base import BaseModel

__all__ = ["plan_model"]

_PROBED = 4


def plan_model(model: BaseModel, demand: Demand, settings: Settings) -> ModelPlan:
    """Plan one model's pass, with one forward pass of a few images if it is new here.

    Parameters
    ----------
    model : BaseModel
        The model.
    demand : Demand
        What tasks want.
    settings : Settings
        How the run is set up.

    Returns
    -------
    ModelPlan

    Raises
    ------
    ModelError
        If the network fails on the images, or its tables fit nowhere.
    """
    n_images = len(demand.images)
    cache = ModelCache(model, settings.store, n_images, demand.digests, settings.precision)
    widths = cache.widths()
    per_image: tuple[float, float] | None = None
    if widths is None:
        widths, per_image = _probe(model, demand, settings)
        cache.keep_widths(widths)
        cache.keep_pace(per_image[1])
    placement = place_layers(
        widths,
        n_images,
        settings.budget,
        settings.batch_size,
        needs_tables=len(demand.row_images) > 0,
    )
    stored = {layer: cache.has(layer) for layer in placement.kept}
    lacking = np.zeros(n_images, dtype=bool)
    for has in stored.values():
        lacking |= ~has
    work = plan_wide(
        placement,
        Comparisons(demand.pairs),
        cache,
        settings.store,
        demand.row_images,
        kept=~lacking,
        seconds_per_image=cache.pace() if per_image is None else per_image[1],
    )
    n_twice, waiting = 0, 0
    if work is not None:
        lacking |= work.lacking & ~work.stored
        n_twice = work.n_repeats
        if work.how == "streamed":
            waiting = work.schedule.most_kept
    n_lacking = int(lacking.sum())
    n_forwards = n_lacking + n_twice
    if n_forwards and per_image is None:
        _, per_image = _probe(model, demand, settings)
    wide_each = sum(widths[layer] for layer in placement.wide) * FLOAT
    each = sum(widths.values()) * FLOAT
    is_spilled = work is not None and work.how == "spilled"
    return ModelPlan(
        model=model.name,
        n_images=n_images,
        n_stored=n_images - n_lacking,
        n_to_embed=n_lacking,
        n_forwards=n_forwards,
        layers=[_layer_plan(layer, width, stored, work) for layer, width in widths.items()],
        memory_bytes=placement.kept_bytes
        + (placement.batch_size * each + waiting * wide_each if n_forwards else 0),
        disk_bytes=(n_lacking * (each - wide_each) if cache.is_on else 0)
        + (placement.wide_bytes if is_spilled and n_forwards else 0),
        seconds=None if per_image is None else _seconds(per_image, n_forwards, settings),
        note="" if settings.store is None or cache.is_on else _why(cache),
    )


def _layer_plan(
    layer: str, width: int, stored: Mapping[str, NDArray[np.bool_]], work: WideWork | None
) -> LayerPlan:
    if work is None or layer in stored:
        return LayerPlan(layer, width, "kept", int(stored[layer].sum()))
    n_known = sum(int((~np.isnan(values)).sum()) for values in work.known[layer])
    return LayerPlan(layer, width, work.how, n_known)


def _why(cache: ModelCache) -> str:
    return "" if cache.fingerprint is None else str(cache.fingerprint.why)


def _seconds(per_image: tuple[float, float], n_forwards: int, settings: Settings) -> float:
    decode, forward = per_image
    workers = usable_cores() if settings.num_workers is None else max(1, settings.num_workers)
    return n_forwards * (forward + decode / workers)


def _probe(
    model: BaseModel, demand: Demand, settings: Settings
) -> tuple[dict[str, int], tuple[float, float]]:
    """Run a few images: layers and widths, and seconds to decode and to run one."""
    files = [ImageFile(path) for path in demand.images]
    with running(model), Loader(model, settings.num_workers, len(files)) as loader:
        chunks = (files[first : first + _PROBED] for first in range(0, len(files), _PROBED))
        for batch in loader.batches(chunks):
            if batch.tensor is None:
                continue
            forward = Forward(model, settings.precision)
            widths: Mapping[str, int] = {}
            started = time.perf_counter()
            for _images, layers in forward.pieces(batch):
                widths = {layer: tensor[0].numel() for layer, tensor in layers.items()}
            spent = time.perf_counter() - started
            n_read = len(batch.paths)
            return dict(widths), (batch.seconds / n_read, spent / n_read)
    return {}, (0.0, 0.0)
