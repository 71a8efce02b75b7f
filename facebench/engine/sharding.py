"""A share of a run's images, embedded by one process of several and published as packs."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from facebench.engine.cache import ModelCache
from facebench.engine.comparisons import DistanceGroup, DistanceGroups
from facebench.engine.model_run import run_model
from facebench.engine.pass_plan import first_batch_size, placement_of
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest
from facebench.engine.schedule import pair_blocks
from facebench.engine.settings import Settings
from facebench.errors import InputError, ModelError
from facebench.models.base import BaseModel
from facebench.types import IntArray

__all__ = ["Shard", "ShardPart", "ShardWatch", "embed_share"]

_log = logging.getLogger(__name__)
# Images that run again in other shards, where pairs cannot be split without that.
_MANY_AGAIN = 1.5
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

    Raises
    ------
    ModelError
        If the model's embeddings cannot be kept, and so not be published.
    """
    started = time.monotonic()
    record = ModelRecord(model.name)
    own = shard.images(request.digests)
    cache = ModelCache.of(model, request, settings)
    if cache.fingerprint is not None and not cache.is_on:
        raise ModelError(str(cache.fingerprint.why))
    publisher = _Publisher(watch)
    settings = replace(settings, after_batch=publisher.after_batch)
    if cache.widths() is None:
        cache.check_publishing()
        # Which layers fit into memory shows only when their widths are known.
        few = own[: first_batch_size(model, settings, keep_all=keep_all)]
        for images in (few, own):
            if cache.widths() is None and len(images):
                first = request.part(images.tolist())
                run_model(model, first, settings, record=record, keep_all=keep_all)
    widths = cache.widths() or {}
    placement = placement_of(
        widths, request, budget=settings.budget, batch_size=settings.batch_size, keep_all=keep_all
    )
    part = request.part(own.tolist())
    if placement.wide:
        part = _compared_part(model, request, shard, own)
        _warn_of_wide(model, placement.wide, request, settings)
    cache = ModelCache.of(model, part, settings)
    groups = DistanceGroups(part.pairs).groups
    publisher.publishes(
        cache,
        {layer: widths[layer] for layer in placement.kept},
        dict.fromkeys(placement.wide, groups),
    )
    missing = np.zeros(len(part.images), dtype=bool)
    for layer in placement.kept:
        missing |= ~cache.has(layer)
    for layer in placement.wide:
        for group in groups:
            unknown = np.isnan(cache.distances(layer, group.metric.rowwise, group.pairs))
            missing[group.pairs[unknown].ravel()] = True
    if watch is not None:
        watch.begin(model.name, len(part.images), int(missing.sum()))
    try:
        if missing.any():
            cache.check_publishing()
            run_model(model, part, settings, record=record, keep_all=keep_all)
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


def _compared_part(
    model: BaseModel, request: EmbeddingRequest, shard: Shard, own: IntArray
) -> EmbeddingRequest:
    """Choose pairs of wide layers, with their images, and of the other images the shard's own."""
    known = [pairs for pairs in request.pairs if pairs.metric.rowwise is not None]
    n_images = len(request.images)
    # In the order of digests, wherever files are.
    rank = np.empty(n_images, dtype=np.intp)
    rank[sorted(range(n_images), key=request.digests.__getitem__)] = np.arange(n_images)
    sides = [np.sort(rank[np.stack([one.first, one.second], axis=1)], axis=1) for one in known]
    pairs, places = np.unique(
        np.concatenate([np.empty((0, 2), dtype=np.intp), *sides]), axis=0, return_inverse=True
    )
    blocks = pair_blocks(pairs, n_images, shard.count)
    n_forwards = sum(len(np.unique(pairs[blocks == block])) for block in range(shard.count))
    n_compared = len(np.unique(pairs))
    if n_forwards > _MANY_AGAIN * n_compared:
        _log.warning(
            "Model %r: the pairs of %d images are so many that %d shards send %.1f times as many "
            "images through the network. Use fewer shards, or machines with more memory, for its "
            "wide layers.",
            model.name,
            n_compared,
            shard.count,
            n_forwards / n_compared,
        )
    is_own = np.split(
        (blocks == shard.number)[places.ravel()], np.cumsum([len(side) for side in sides])[:-1]
    )
    chosen = [
        replace(one, first=one.first[here], second=one.second[here])
        for one, here in zip(known, is_own, strict=bool(known))
    ]
    compared = np.zeros(n_images, dtype=bool)
    for one in known:
        compared[one.first] = compared[one.second] = True
    wanted = np.zeros(n_images, dtype=bool)
    wanted[own] = ~compared[own]
    for one in chosen:
        wanted[one.first] = wanted[one.second] = True
    images = np.flatnonzero(wanted)
    return request.part(images[np.argsort(rank[images])].tolist(), chosen)


def _warn_of_wide(
    model: BaseModel, layers: Sequence[str], request: EmbeddingRequest, settings: Settings
) -> None:
    """Say what shards cannot do for wide layers, and what they must agree on."""
    if settings.max_memory is None:
        _log.warning(
            "Model %r: %d layers do not fit into memory and are compared by shards. Give "
            "max_memory, so that all shards decide this alike.",
            model.name,
            len(layers),
        )
    own = [pairs.task for pairs in request.pairs if pairs.metric.rowwise is None]
    if own or len(request.row_images):
        _log.warning(
            "Model %r: of %d layers that do not fit into memory, such as %r, shards publish only "
            "built-in distances of pairs. The run embeds again what else tasks need.",
            model.name,
            len(layers),
            layers[0],
        )


class _Publisher:
    """Publishes now and then what is new, and counts it."""

    def __init__(self, watch: ShardWatch | None) -> None:
        self.n_packs = self.n_rows = 0
        self._cache: ModelCache | None = None
        self._widths: dict[str, int] = {}
        self._wide: dict[str, list[DistanceGroup]] = {}
        self._watch = watch
        self._published = time.monotonic()

    def publishes(
        self, cache: ModelCache, widths: dict[str, int], wide: dict[str, list[DistanceGroup]]
    ) -> None:
        self._cache, self._widths, self._wide = cache, widths, wide

    def after_batch(self, n_images: int) -> None:
        if time.monotonic() - self._published > _PUBLISH_EVERY:
            self.publish()
        if self._watch is not None:
            self._watch.batch(n_images)

    def publish(self) -> None:
        if self._cache is None:
            return
        done = self._cache.publish(self._widths, self._wide)
        self.n_packs += done.packs
        self.n_rows += done.rows
        self._published = time.monotonic()
