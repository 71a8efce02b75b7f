"""What a model's pass would take, before it is made."""

from __future__ import annotations

from collections.abc import Mapping

from facebench.engine.cache import ModelCache
from facebench.engine.decoding import ImageFile
from facebench.engine.fingerprint import running
from facebench.engine.forward import Forward
from facebench.engine.jpeg_decoding import decoded_by
from facebench.engine.loading import Loader
from facebench.engine.memory import FLOAT
from facebench.engine.pass_plan import plan_pass
from facebench.engine.plan_tables import LayerPlan, ModelPlan
from facebench.engine.request import EmbeddingRequest
from facebench.engine.settings import Settings
from facebench.models.base import BaseModel
from facebench.utils.cores import usable_cores

__all__ = ["known_notes", "plan_model"]

_PROBED = 4


def plan_model(model: BaseModel, request: EmbeddingRequest, settings: Settings) -> ModelPlan:
    """Plan one model's pass, with one forward pass of a few images if it is new here.

    Parameters
    ----------
    model : BaseModel
        The model.
    request : EmbeddingRequest
        What tasks want.
    settings : Settings
        How the run is set up.

    Raises
    ------
    ModelError
        If the network fails on the images, or its tables fit nowhere.
    """
    n_images = len(request.images)
    cache = ModelCache.of(model, request, settings)
    widths = cache.widths()
    per_image: tuple[float, float] | None = None
    if widths is None:
        widths, per_image = _probe(model, request, settings)
        cache.keep_widths(widths)
        cache.keep_pace(per_image[1])
    plan = plan_pass(
        model,
        widths,
        request,
        settings,
        cache,
        budget=settings.budget,
        keep=cache.sound,
        has=cache.sound,
        seconds_per_image=cache.pace() if per_image is None else per_image[1],
    )
    # What no store remembers, the run learns anew from a first batch.
    tried = range(min(plan.first_batch, n_images)) if cache.widths() is None else range(0)
    n_forwards = plan.n_forwards(tried)
    n_missing = int((~plan.complete).sum())
    if n_forwards and per_image is None:
        _, per_image = _probe(model, request, settings)
    placement, wide = plan.placement, plan.wide
    wide_each = sum(widths[layer] for layer in placement.wide) * FLOAT
    each = sum(widths.values()) * FLOAT
    waiting = 0 if wide.is_spilled else wide.schedule.most_kept
    return ModelPlan(
        model=model.name,
        n_images=n_images,
        n_stored=n_images - n_missing,
        n_to_embed=n_missing,
        n_forwards=n_forwards,
        layers=[
            LayerPlan(layer, width, plan.how(layer), plan.n_known(layer))
            for layer, width in widths.items()
        ],
        memory_bytes=placement.kept_bytes
        + (placement.batch_size * each + waiting * wide_each if n_forwards else 0),
        disk_bytes=(n_missing * (each - wide_each) if cache.is_on else 0)
        + (placement.wide_bytes if wide.is_spilled and n_forwards else 0),
        seconds=None if per_image is None else _seconds(per_image, n_forwards, settings),
        note="" if settings.store is None or cache.is_on else _why(cache),
    )


def known_notes(
    model: BaseModel, request: EmbeddingRequest, settings: Settings
) -> dict[int, tuple[str, ...]]:
    """Give the remarks on images that the store has, by image number."""
    cache = ModelCache.of(model, request, settings)
    return cache.notes(range(len(request.images)))


def _why(cache: ModelCache) -> str:
    return "" if cache.fingerprint is None else str(cache.fingerprint.why)


def _seconds(per_image: tuple[float, float], n_forwards: int, settings: Settings) -> float:
    decode, forward = per_image
    workers = usable_cores() if settings.num_workers is None else max(1, settings.num_workers)
    return n_forwards * (forward + decode / workers)


def _probe(
    model: BaseModel, request: EmbeddingRequest, settings: Settings
) -> tuple[dict[str, int], tuple[float, float]]:
    """Run a few images: layers and widths, and seconds to decode and to run one."""
    files = [ImageFile(path) for path in request.images]
    with (
        running(model),
        decoded_by(settings.decoder),
        Loader(model, settings.num_workers, len(files), settings.decoder) as loader,
    ):
        chunks = (files[first : first + _PROBED] for first in range(0, len(files), _PROBED))
        for batch in loader.batches(chunks):
            if batch.tensor is None:
                continue
            n_read = len(batch.paths)
            forward = Forward(
                model,
                settings.precision,
                layout=settings.layout,
                engine=settings.engine_of(model),
                batch_size=n_read,
            )
            widths: Mapping[str, int] = {}
            for _images, layers in forward.pieces(batch):
                widths = {layer: tensor[0].numel() for layer, tensor in layers.items()}
            return dict(widths), (batch.seconds / n_read, forward.seconds / n_read)
    return {}, (0.0, 0.0)
