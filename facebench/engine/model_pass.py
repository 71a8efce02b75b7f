"""The pass of a model's images, once its layers are known: every image decoded and run once.

What is stored is read, the rest goes through the network in one pass for all tasks and layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.decoding import ImageFile
from facebench.engine.forward import Forward, as_rows
from facebench.engine.image_log import ImageLog
from facebench.engine.kept_layers import KeptLayers
from facebench.engine.loading import Batch, Loader
from facebench.engine.pass_plan import plan_pass
from facebench.engine.placement import window_of
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest
from facebench.engine.schedule import NO_PAIRS, Step
from facebench.engine.settings import Settings
from facebench.engine.transfer import Returns
from facebench.engine.wide import WideLayers
from facebench.errors import FacebenchError
from facebench.models.base import BaseModel
from facebench.types import FloatArray

__all__ = ["FirstOutputs", "ModelPass", "OnFirstOutputs", "PassTools"]

OnFirstOutputs = Callable[[Mapping[str, torch.Tensor]], None]


class FirstOutputs:
    """Shows some of a model's layers to a callback before the rest is computed, once.

    Parameters
    ----------
    show : callable, optional
        Takes layer → rows.
    """

    def __init__(self, show: OnFirstOutputs | None) -> None:
        self._show = show

    def show(self, make: Callable[[], Mapping[str, torch.Tensor]]) -> None:
        """Show what `make` gives, if it gives any and nothing was shown yet."""
        if self._show is not None and (layers := make()):
            self._show(layers)
            self._show = None


@dataclass(frozen=True)
class PassTools:
    """What every phase of a model's run works with.

    Attributes
    ----------
    model, request, settings
        What runs on what, and how.
    keep_all : bool
        Whether every layer is kept in memory, over the budget if need be.
    budget : int
        Bytes to stay within.
    record : ModelRecord
        Where to note what it took.
    cache : ModelCache
        What the store has of the model.
    forward : Forward
        Runs batches.
    loader : Loader
        Reads images.
    images : ImageLog
        What is known about them.
    first_outputs : FirstOutputs
        Whom to show the first outputs.
    """

    model: BaseModel
    request: EmbeddingRequest
    settings: Settings
    keep_all: bool
    budget: int
    record: ModelRecord
    cache: ModelCache
    forward: Forward
    loader: Loader
    images: ImageLog
    first_outputs: FirstOutputs = field(repr=False)

    def paths(self, images: Sequence[int]) -> list[Path]:
        """Give a file of each image."""
        return [self.request.images[image] for image in images]

    def note_batch(self, images: Sequence[int]) -> None:
        """Say that a batch is in the store."""
        if self.settings.after_batch is not None:
            self.settings.after_batch(len(images))

    def batches(self, chunks: Sequence[Sequence[int]]) -> Iterator[tuple[Batch, list[int]]]:
        """Load images chunk by chunk; yields each batch and the images that could be read."""
        files = (
            [ImageFile(self.request.images[image], self.request.digests[image]) for image in chunk]
            for chunk in chunks
        )
        for chunk, batch in zip(chunks, self.loader.batches(files), strict=True):
            self.record.add("decode", batch.seconds)
            yield batch, self.images.sort_out(chunk, batch)

    def outputs(
        self, batch: Batch, numbers: list[int]
    ) -> Iterator[tuple[list[int], list[Path], dict[str, torch.Tensor]]]:
        """Run a batch, unless the run is bound to stop; yields images, files and layers."""
        if self.images.is_bound_to_stop:
            return
        limit = None if self.keep_all else window_of(self.budget)
        before = self.forward.seconds
        for part, layers in self.forward.pieces(batch, limit):
            self.record.add("forward", self.forward.seconds - before)
            yield numbers[part], batch.paths[part], layers
            before = self.forward.seconds


class ModelPass:
    """Takes stored rows, runs what is missing; use as a context manager.

    Parameters
    ----------
    tools : PassTools
        What to work with.
    widths : mapping of str to int
        The model's layers, in network order → values per image.

    Attributes
    ----------
    plan : PassPlan
        What is to be done.
    """

    def __init__(self, tools: PassTools, widths: Mapping[str, int]) -> None:
        self._tools = tools
        self._kept = KeptLayers(
            tools.model,
            len(tools.request.images),
            tools.cache,
            tools.record,
            # Who is told of a batch may read it.
            at_once=tools.settings.after_batch is not None,
        )
        with tools.record.timed("store"):
            tools.cache.keep_widths(widths)
            self.plan = plan_pass(
                tools.model,
                widths,
                tools.request,
                tools.settings,
                tools.cache,
                budget=tools.budget,
                keep=lambda layer: self._kept.read(layer, widths[layer]),
                has=tools.cache.has,
                seconds_per_image=tools.forward.seconds_per_image or tools.cache.pace(),
                keep_all=tools.keep_all,
            )
            self._wide = WideLayers(
                tools.model,
                self.plan.wide,
                widths,
                tools.cache,
                tools.record,
                needs_tables=len(tools.request.row_images) > 0,
            )

    def __enter__(self) -> ModelPass:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # An error that ends the run is not covered by another one.
            with suppress(*(() if kind is None else (FacebenchError,))):
                self._kept.store()
        finally:
            self._wide.__exit__(kind, error, traceback)

    def take_stored(self) -> None:
        """Take what the store has of rows that wait on disk, and count what is there."""
        tools, size = self._tools, self.plan.placement.batch_size
        images = self._wide.to_take
        for first in range(0, len(images), size):
            part = images[first : first + size]
            self._wide.take_stored(part, tools.paths(part))
        complete = self._complete()
        tools.record.n_hits += int(complete.sum())
        tools.record.n_misses += int((~complete).sum())
        tools.images.notes.update(tools.cache.notes(np.flatnonzero(complete).tolist()))
        tools.images.count(complete)

    def _complete(self) -> NDArray[np.bool_]:
        """Say of which images all is there that tasks ask for."""
        return self._kept.complete & ~self._wide.pending

    def show_stored(self) -> None:
        """Show some stored rows to the callback for first outputs."""
        self._tools.first_outputs.show(self._kept.some_rows)

    def take(
        self, numbers: list[int], paths: list[Path], layers: Mapping[str, torch.Tensor]
    ) -> None:
        """Take in what the network returned for some images."""
        self._tools.first_outputs.show(
            lambda: {layer: as_rows(tensor[:2]) for layer, tensor in layers.items()}
        )
        self._kept.take(layers, numbers, paths, self._tools.images.notes)
        self._wide.take(layers, numbers, paths)

    def let_go(self) -> None:
        """Let go of a batch whose pairs come together later."""
        self._wide.meet(Step([], NO_PAIRS, []), [])

    def run(self) -> None:
        """Run what is missing, and compare what is too wide to keep."""
        tools = self._tools
        done = self._complete()
        done[list(tools.images.bad)] = True
        steps = self.plan.steps(done)
        stored = [self._wide.stored(step.images) for step in steps]
        missing = [
            [image for image in step.images if image not in known]
            for step, known in zip(steps, stored, strict=True)
        ]
        batches = tools.batches([images for images in missing if images])
        # What is compared while it is in memory is waited for.
        card = None if self.plan.wide.layers else tools.loader.card
        tools.forward.card = card
        returns = Returns(card, tools.model.name)
        try:
            for step, known, images in zip(steps, stored, missing, strict=True):
                if images:
                    self._take_batch(*next(batches), returns)
                if tools.images.is_bound_to_stop:
                    # The rest is only decoded, to name all bad images.
                    continue
                if damaged := self._wide.take_stored(known, tools.paths(known)):
                    self._take_batch(*next(tools.batches([damaged])), returns)
                self._wide.meet(step, list(tools.images.bad))
                returns.then(partial(self._note_step, step.images, images))
            returns.finish()
            self._kept.store()
        except BaseException:
            returns.rescue()
            raise
        if not tools.images.is_bound_to_stop:
            self._wide.finish(list(tools.images.bad))

    def _note_step(self, done: Sequence[int], images: Sequence[int]) -> None:
        self._tools.images.count(list(done))
        self._tools.note_batch(images)

    def _take_batch(self, batch: Batch, numbers: list[int], returns: Returns) -> None:
        # Each pass of the network may use the memory of the one before.
        self._wide.own()
        n_left = len(numbers)
        for images, paths, layers in self._tools.outputs(batch, numbers):
            returns.add(layers, partial(self._take_returned, images, paths))
            n_left -= len(images)
            if n_left:
                self._wide.own()

    def _take_returned(
        self, images: list[int], paths: list[Path], layers: Mapping[str, torch.Tensor]
    ) -> None:
        forward = self._tools.forward
        before = forward.seconds
        forward.settle()
        self._tools.record.add("forward", forward.seconds - before)
        self.take(images, paths, layers)

    def tables(self) -> dict[str, FloatArray]:
        """Give the rows of all images, by layer in network order; wide ones only if needed."""
        tables = dict(self._kept.tables)
        if len(self._tools.request.row_images):
            tables |= self._wide.tables()
        return {layer: tables[layer] for layer in self.plan.widths if layer in tables}

    def distances(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Give, by wide layer and task, the distance of each of the task's pairs."""
        return self._wide.distances()
