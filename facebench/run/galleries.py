"""Galleries that machines search together: where layers are from, and a machine's share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from facebench.columns import DEFAULT_LAYER
from facebench.engine import EmbeddingRequest, Embeddings, Settings
from facebench.engine.cache import ModelCache
from facebench.engine.sharding import Shard, ShardWatch
from facebench.errors import InputError
from facebench.models.base import BaseModel
from facebench.models.recorded import RecordedModel
from facebench.run.measurement import AnyTask, rows_of_task
from facebench.tasks.embedding import EmbeddingTask, LayerSource
from facebench.types import IntArray

if TYPE_CHECKING:
    from facebench.tasks.shared.distractors import SharedPart

__all__ = ["check_sources", "refuse_not_embedded", "search_shares", "source_of", "with_distractors"]

_FOLDER = "searches"


def with_distractors(tasks: Sequence[AnyTask]) -> list[AnyTask]:
    """Give the tasks that machines can search together."""
    from facebench.tasks.identification import IdentificationTask

    return [task for task in tasks if isinstance(task, IdentificationTask) and task.has_distractors]


def check_sources(models: Sequence[BaseModel | RecordedModel], tasks: Sequence[AnyTask]) -> None:
    """Tell tasks of embeddings which layers will be measured, before any network runs."""
    sources = [
        LayerSource(model.name, layer, adjusted=_is_adjusted(model))
        for model in models
        if isinstance(model, BaseModel) or model.has_vectors
        for layer in model.extract_layers or [DEFAULT_LAYER]
    ]
    for task in tasks:
        if isinstance(task, EmbeddingTask):
            task.check_sources(sources)


def _is_adjusted(model: BaseModel | RecordedModel) -> bool:
    return isinstance(model, BaseModel) and model.fitting is not None


def source_of(
    model: BaseModel | RecordedModel,
    request: EmbeddingRequest,
    settings: Settings,
    watch: ShardWatch | None = None,
) -> Callable[[str, IntArray], LayerSource]:
    """Give a function that says of a layer, and of images by number, where they are from.

    Parameters
    ----------
    model : BaseModel or RecordedModel
        The model.
    request : EmbeddingRequest
        What tasks want of it.
    settings : Settings
        How it runs.
    watch : ShardWatch, optional
        Is told of every block of a share that was searched.
    """
    store = settings.store
    packs = None if store is None or store.packs is None else store.packs.folder / _FOLDER

    @cache
    def kept() -> ModelCache | None:
        if store is None or not isinstance(model, BaseModel):
            return None
        return ModelCache(model, store, len(request.images), request.digests, settings.precision)

    def source(layer: str, images: IntArray) -> LayerSource:
        return LayerSource(
            model.name,
            layer,
            key=lambda: "" if (known := kept()) is None else known.layer_key(layer),
            dtype="float32" if store is None else store.dtype,
            images=[request.digests[number] for number in images] if request.digests else [],
            searches=packs,
            adjusted=_is_adjusted(model),
            after_block=None if watch is None else watch.batch,
        )

    return source


def refuse_not_embedded(model: BaseModel, request: EmbeddingRequest, settings: Settings) -> None:
    """Refuse a model if neither store nor packs have embeddings of any of its images.

    Machines that embed them each on its own would not search for the same, to the last bit. Single
    images may be missing since they cannot be read.

    Raises
    ------
    InputError
        If no image was embedded before.
    """
    n_images = len(request.images)
    known = ModelCache(model, settings.store, n_images, request.digests, settings.precision)
    layers = model.extract_layers or [DEFAULT_LAYER]
    if known.widths() is None or not all(known.has(layer).any() for layer in layers):
        raise InputError(_not_embedded(model.name, n_images))


def _not_embedded(model: str, n_images: int) -> str:
    return (
        f"Model {model!r}: {n_images} images of probes and enrolled people are not embedded yet. "
        "Embed them first, so that all shards search for the same: facebench embed."
    )


def search_shares(
    tasks: Sequence[AnyTask],
    images: Mapping[str, IntArray],
    embeddings: Embeddings,
    source: Callable[[str, IntArray], LayerSource],
    shard: Shard,
    model: str,
    n_forwards: int = 0,
    watch: ShardWatch | None = None,
) -> list[SharedPart]:
    """Search a shard's share of the distractors of all tasks and layers of a model.

    Parameters
    ----------
    tasks : sequence of IdentificationTask
        The tasks.
    images : mapping of str to int array
        By task, its images by number.
    embeddings : Embeddings
        Of all these images.
    source : callable
        See `source_of`.
    shard : Shard
        Which share.
    model : str
        Whose embeddings they are.
    n_forwards : int, default 0
        Images that had to be sent through the network.
    watch : ShardWatch, optional
        Is told of every layer of a task that begins.

    Raises
    ------
    InputError
        If images were not embedded before.
    """
    if n_forwards:
        raise InputError(_not_embedded(model, n_forwards))
    from facebench.tasks.identification import IdentificationTask

    parts: list[SharedPart] = []
    for task in tasks:
        if not isinstance(task, IdentificationTask):
            continue
        for layer in embeddings.names:
            if watch is not None:
                watch.begin(model, 0, 0)
            parts += task.search_share(
                rows_of_task(task, layer, images[task.name], embeddings),
                source(layer, images[task.name]),
                shard.number,
                shard.count,
            )
    return parts
