"""A share of a run's images, embedded by one process of several and published as packs."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from facebench.engine.cache import ModelCache
from facebench.engine.comparisons import DistanceGroup
from facebench.engine.model_run import run_model
from facebench.engine.pass_plan import first_batch_size
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest
from facebench.engine.settings import Settings
from facebench.errors import InputError, ModelError
from facebench.models.base import BaseModel
from facebench.types import IntArray

__all__ = ["Shard", "ShardPart", "ShardWatch", "embed_share"]

# What a machine that dies takes with it is at most the work of so many seconds.
_PUBLISH_EVERY = 300.0


@dataclass(frozen=True)
class Shard:
    """One of several shares of a run's images.

    Attributes
    ----------
    number : int
        Which, from 0.
    count : int
        Of how many.

    Raises
    ------
    InputError
        If there is no such share.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        """Refuse shares that there are not."""
        if not 0 <= self.number < self.count:
            last = f"{max(self.count, 1) - 1}/{max(self.count, 1)}"
            msg = (
                f"Shards count from 0: the last one of {max(self.count, 1)} is {last}. "
                f"Got {self.number}/{self.count}."
            )
            raise InputError(msg)

    def images(self, digests: list[bytes]) -> IntArray:
        """Choose images: every n-th in the order of their digests, wherever their files are."""
        order = np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.intp)
        return order[self.number :: self.count]


@dataclass(frozen=True)
class ShardPart:
    """What a shard did of one model.

    Attributes
    ----------
    model : str
        Its name.
    n_images : int
        Images of the share.
    n_forwards : int
        Those that went through the network; what the store or packs had did not.
    n_packs, n_rows : int
        What was published.
    seconds : float
        What it took.
    """

    model: str
    n_images: int
    n_forwards: int
    n_packs: int
    n_rows: int
    seconds: float


class ShardWatch(Protocol):
    """Is told how far a shard is; what it raises ends the shard there."""

    def begin(self, model: str, n_images: int, n_missing: int) -> None:
        """Be told that the images of a model begin, and how many of them are missing."""

    def batch(self, n_images: int) -> None:
        """Be told that a batch of so many images went through the network and is kept."""


def embed_share(
    model: BaseModel,
    request: EmbeddingRequest,
    settings: Settings,
    shard: Shard,
    watch: ShardWatch | None = None,
    *,
    keep_all: bool = False,
) -> ShardPart:
    """Embed a share of the images that tasks want of a model, and publish what is new.

    Parameters
    ----------
    model : BaseModel
        The model.
    request : EmbeddingRequest
        What tasks want, of all images.
    settings : Settings
        How to run; with a store that reads packs.
    shard : Shard
        Which share.
    watch : ShardWatch, optional
        Is told how far it is.
    keep_all : bool, default False
        See `run_model`.

    Returns
    -------
    ShardPart

    Raises
    ------
    ModelError
        If the model's embeddings cannot be kept, and so not be published.
    """
    started = time.monotonic()
    record = ModelRecord(model.name)
    images = shard.images(request.digests)
    part = request.part(images.tolist())
    cache = ModelCache(model, settings.store, len(images), part.digests, settings.precision)
    if cache.fingerprint is not None and not cache.is_on:
        raise ModelError(str(cache.fingerprint.why))
    publisher = _Publisher(cache, watch)
    own = replace(settings, after_batch=publisher.after_batch)
    widths = cache.widths()
    missing = np.ones(len(images), dtype=bool)
    if widths is not None:
        missing = ~np.logical_and.reduce([cache.has(layer) for layer in widths])
    if watch is not None:
        watch.begin(model.name, len(images), int(missing.sum()))
    try:
        if widths is None and len(images):
            # Which layers fit into memory shows only when their widths are known.
            few = images[: first_batch_size(model, settings, keep_all=keep_all)]
            for known in (few, images):
                if cache.widths() is None:
                    first = request.part(known.tolist())
                    run_model(model, first, own, record=record, keep_all=keep_all)
            widths = cache.widths()
        publisher.widths = widths or {}
        if missing.any():
            run_model(model, part, own, record=record, keep_all=keep_all)
    finally:
        publisher.publish()
    return ShardPart(
        model.name,
        len(part.images),
        record.n_forwards,
        publisher.n_packs,
        publisher.n_rows,
        time.monotonic() - started,
    )


class _Publisher:
    """Publishes now and then what is new, and counts it."""

    def __init__(self, cache: ModelCache, watch: ShardWatch | None) -> None:
        self.widths: dict[str, int] = {}
        self.wide: dict[str, list[DistanceGroup]] = {}
        self.n_packs = self.n_rows = 0
        self._cache = cache
        self._watch = watch
        self._published = time.monotonic()

    def after_batch(self, n_images: int) -> None:
        if time.monotonic() - self._published > _PUBLISH_EVERY:
            self.publish()
        if self._watch is not None:
            self._watch.batch(n_images)

    def publish(self) -> None:
        done = self._cache.publish(self.widths, self.wide)
        self.n_packs += done.packs
        self.n_rows += done.rows
        self._published = time.monotonic()
