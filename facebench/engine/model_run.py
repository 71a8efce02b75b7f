"""One model's pass over its images: every image decoded once, run once, lost never.

What is in the store is read from it, the rest goes through the network in one pass for all tasks
and layers. Layers that fit into memory are kept, and stored; what becomes of those that are too
wide is told in `wide`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.comparisons import Comparisons
from facebench.engine.decoding import ImageFile
from facebench.engine.fingerprint import running
from facebench.engine.forward import Forward, as_rows, check_finite
from facebench.engine.loading import Batch, Loader
from facebench.engine.memory import peak_memory
from facebench.engine.outputs import Embeddings
from facebench.engine.placement import Placement, place_layers, window_of
from facebench.engine.record import ModelRecord
from facebench.engine.request import Demand
from facebench.engine.schedule import NO_PAIRS, Step, in_chunks
from facebench.engine.settings import Settings
from facebench.engine.wide import WideLayers, plan_wide
from facebench.errors import ImageError
from facebench.models.base import BaseModel
from facebench.types import FloatArray, IntArray, OnBadImage
from facebench.utils.progress import Progress
from facebench.utils.suggestions import listed

__all__ = ["ModelRun", "OnFirstOutputs"]

_log = logging.getLogger(__name__)
_SHOWN = 5
# The first batch of a model with named layers: its outputs tell how much memory others will take.
_FIRST = 4
OnFirstOutputs = Callable[[Mapping[str, torch.Tensor]], None]


class ModelRun:
    """One model's pass over its images."""

    def __init__(
        self,
        model: BaseModel,
        demand: Demand,
        settings: Settings,
        on_first_outputs: OnFirstOutputs | None = None,
        record: ModelRecord | None = None,
        *,
        keep_all: bool = False,
    ) -> None:
        self._model = model
        self._demand = demand
        self._settings = settings
        self._on_first_outputs = on_first_outputs
        self._record = record or ModelRecord(model.name)
        self._keep_all = keep_all
        self._n_images = len(demand.images)
        self._comparisons = Comparisons(demand.pairs)
        self._bad: dict[int, str] = {}
        self._counted = np.zeros(self._n_images, dtype=bool)
        self._notes: dict[int, tuple[str, ...]] = {}
        # Layer → its rows, and of which images they are there.
        self._rows: dict[str, FloatArray] = {}
        self._have: dict[str, NDArray[np.bool_]] = {}
        self._placement: Placement | None = None
        self._wide: WideLayers | None = None
        self._widths: dict[str, int] = {}
        self._budget = settings.budget
        self._needs_tables = not keep_all and len(demand.row_images) > 0

    def execute(self) -> Embeddings:
        """Do all of it; see `run_model`."""
        settings, record = self._settings, self._record
        with record.timed("digest"):
            self._cache = ModelCache(
                self._model,
                settings.store,
                self._n_images,
                self._demand.digests,
                settings.precision,
            )
        n_batches = -(-self._n_images // settings.batch_size)
        self._forward = Forward(
            self._model, settings.precision, n_batches, layout=self._cache.layout()
        )
        with ExitStack() as stack:
            self._stack = stack
            stack.enter_context(running(self._model))
            self._loader = stack.enter_context(
                Loader(self._model, settings.num_workers, self._n_images)
            )
            self._progress = stack.enter_context(Progress(self._model.name, self._n_images))
            widths = self._cache.widths()
            if widths is not None:
                self._start(widths)
                self._prove_stored()
            elif self._n_images:
                self._learn()
            steps = self._steps()
            self._pass(steps)
            if self._wide is not None and not self._is_bound_to_stop():
                self._wide.finish(list(self._bad))
            self._note(n_batches)
            return self._result()

    # ---------------------------------------------------------------------------- the beginning

    def _learn(self) -> None:
        """Run a first batch of a model that is new here: it tells the layers and their widths."""
        size = self._first_batch()
        for first in range(0, self._n_images, size):
            images = list(range(first, min(first + size, self._n_images)))
            self._pass([Step(images, NO_PAIRS, [])])
            if self._placement is not None:
                return

    def _start(self, widths: Mapping[str, int]) -> None:
        """Choose what to do with each layer, and take what is in the store."""
        self._widths = dict(widths)
        with self._record.timed("store"):
            self._cache.keep_widths(widths)
        self._placement = place_layers(
            widths,
            n_images=self._n_images,
            budget=self._budget,
            batch_size=self._settings.batch_size,
            needs_tables=self._needs_tables,
            keep_all=self._keep_all,
        )
        with self._record.timed("store"):
            for layer in self._placement.kept:
                self._rows[layer] = np.empty((self._n_images, widths[layer]), dtype=np.float32)
                self._have[layer] = self._cache.read_into(layer, self._rows[layer])
            self._wide = self._start_wide(self._placement)
        self._take_waiting()
        complete = self._complete()
        self._record.n_hits = int(complete.sum())
        self._record.n_misses = int((~complete).sum())
        self._notes.update(self._cache.notes(np.flatnonzero(complete).tolist()))
        self._count(complete)

    def _start_wide(self, placement: Placement) -> WideLayers | None:
        work = plan_wide(
            placement,
            self._comparisons,
            self._cache,
            self._settings.store,
            self._demand.row_images,
            kept=self._kept(),
            seconds_per_image=self._forward.seconds_per_image or self._cache.pace(),
        )
        if work is None:
            return None
        wide = WideLayers(
            self._model, work, self._widths, self._comparisons, self._cache, self._record
        )
        return self._stack.enter_context(wide)

    def _complete(self) -> NDArray[np.bool_]:
        """Say of which images all is there that tasks ask for."""
        kept = self._kept()
        return kept if self._wide is None else kept & ~self._wide.lacking

    def _kept(self) -> NDArray[np.bool_]:
        """Say of which images all rows are there that are kept in memory."""
        kept = np.ones(self._n_images, dtype=bool)
        for have in self._have.values():
            kept &= have
        return kept

    def _take_waiting(self) -> None:
        """Take what the store has of rows that wait on disk."""
        if self._wide is None or self._placement is None:
            return
        images, size = self._wide.to_take, self._placement.batch_size
        for first in range(0, len(images), size):
            part = images[first : first + size]
            self._wide.take_stored(part, self._paths(part))

    def _prove_stored(self) -> None:
        if self._on_first_outputs is None or not self._n_images:
            return
        some = {
            layer: torch.from_numpy(rows[self._have[layer]][:2].copy())
            for layer, rows in self._rows.items()
            if self._have[layer].any()
        }
        if some:
            self._on_first_outputs(some)
            self._on_first_outputs = None

    # ---------------------------------------------------------------------------------- the pass

    def _steps(self) -> Sequence[Step]:
        """Plan the batches of what is missing."""
        if self._placement is None:
            return []
        lacking = ~self._complete()
        lacking[list(self._bad)] = False
        steps: list[Step] = []
        if self._wide is not None:
            steps = self._wide.steps
            for step in steps:
                lacking[step.images] = False
        return [*steps, *in_chunks(lacking, self._placement.batch_size, self._first_batch())]

    def _first_batch(self) -> int:
        """Say how many images the first batch has: few where it may take much memory."""
        size = self._settings.batch_size
        return min(size, _FIRST) if self._model.extract_layers and not self._keep_all else size

    def _pass(self, steps: Sequence[Step]) -> None:
        stored = [[] if self._wide is None else self._wide.stored(step.images) for step in steps]
        lacking = [
            [image for image in step.images if image not in known]
            for step, known in zip(steps, stored, strict=True)
        ]
        batches = self._batches([images for images in lacking if images])
        for step, known, images in zip(steps, stored, lacking, strict=True):
            if images:
                self._take_batch(images, next(batches))
            if self._is_bound_to_stop():
                # The rest is only decoded, to name all bad images.
                continue
            if self._wide is not None:
                damaged = self._wide.take_stored(known, self._paths(known))
                if damaged:
                    self._take_batch(damaged, next(self._batches([damaged])))
                self._wide.meet(step, list(self._bad))
            self._count(step.images)

    def _batches(self, chunks: Sequence[Sequence[int]]) -> Iterator[Batch]:
        return self._loader.batches([self._file(image) for image in images] for images in chunks)

    def _take_batch(self, images: Sequence[int], batch: Batch) -> None:
        """Run what could be read of a batch, unless the run is bound to stop."""
        self._record.add("decode", batch.seconds)
        numbers = self._sort_out(images, batch)
        if not self._is_bound_to_stop():
            self._run_batch(batch, numbers)

    def _count(self, images: NDArray[np.bool_] | list[int]) -> None:
        """Show images as done, each once, however often it runs."""
        before = int(self._counted.sum())
        self._counted[images] = True
        self._progress.advance(int(self._counted.sum()) - before)

    def _is_bound_to_stop(self) -> bool:
        return bool(self._bad) and self._settings.on_bad_image == "stop"

    def _paths(self, images: Sequence[int]) -> list[Path]:
        return [self._demand.images[image] for image in images]

    def _file(self, image: int) -> ImageFile:
        digests = self._demand.digests
        return ImageFile(self._demand.images[image], digests[image] if digests else None)

    def _sort_out(self, images: Sequence[int], batch: Batch) -> list[int]:
        """Note what the loader says of a batch; returns the images that could be read."""
        numbers = []
        for image in images:
            reason = batch.bad.get(self._demand.images[image])
            if reason is None:
                numbers.append(image)
            else:
                self._bad[image] = reason
        self._notes.update(zip(numbers, batch.notes, strict=True))
        return numbers

    def _run_batch(self, batch: Batch, numbers: list[int]) -> None:
        limit = None if self._keep_all else window_of(self._budget)
        before = self._forward.seconds
        for part, layers in self._forward.pieces(batch, limit):
            self._record.add("forward", self._forward.seconds - before)
            if self._placement is None:
                self._start({layer: tensor[0].numel() for layer, tensor in layers.items()})
            self._show_first(layers)
            self._keep(layers, numbers[part], batch.paths[part])
            if self._wide is not None:
                self._wide.take(layers, numbers[part], batch.paths[part])
            before = self._forward.seconds

    def _show_first(self, layers: Mapping[str, torch.Tensor]) -> None:
        if self._on_first_outputs is not None:
            self._on_first_outputs({layer: as_rows(tensor[:2]) for layer, tensor in layers.items()})
            self._on_first_outputs = None

    def _keep(
        self, layers: Mapping[str, torch.Tensor], numbers: list[int], paths: list[Path]
    ) -> None:
        """Put the layers that fit into memory into their tables, and into the store."""
        new = np.zeros(len(numbers), dtype=bool)
        kept: dict[str, FloatArray] = {}
        for layer, table in self._rows.items():
            rows = as_rows(layers[layer])
            check_finite(self._model, layer, rows, paths)
            kept[layer] = self._cache.as_kept(rows.numpy())
            new |= ~self._have[layer][numbers]
            table[numbers] = kept[layer]
            self._have[layer][numbers] = True
        if new.any():
            added = [image for image, is_new in zip(numbers, new.tolist(), strict=True) if is_new]
            notes = [self._notes[image] for image in added]
            with self._record.timed("store"):
                self._cache.write({layer: rows[new] for layer, rows in kept.items()}, added, notes)

    # ------------------------------------------------------------------------------------ the end

    def _note(self, n_batches: int) -> None:
        record, placement = self._record, self._placement
        record.n_images = self._n_images
        record.n_bad = len(self._bad)
        record.n_forwards = self._forward.n_forwards
        record.device = str(self._model.device)
        record.precision = self._settings.precision
        record.layout = str(self._model.memory_format).removeprefix("torch.")
        if placement is not None:
            is_spilled = self._wide is not None and self._wide.is_spilled
            wide = "spilled" if is_spilled else "streamed"
            record.layers = {
                layer: "kept" if layer in self._rows else wide for layer in self._widths
            }
        for name, value in self._cache.facts().items():
            setattr(record, name, value)
        if self._forward.layout is not None and n_batches:
            self._cache.keep_layout(self._forward.layout)
        self._cache.keep_pace(self._forward.seconds_per_image)
        record.peak_memory = peak_memory()

    def _result(self) -> Embeddings:
        bad_images = {
            # Files of one content are decoded once: each is told by its own name.
            path: self._bad[number].replace(str(self._demand.images[number]), str(path))
            for path, number in self._demand.number_of.items()
            if number in self._bad
        }
        if bad_images:
            _report_bad(bad_images, len(self._demand.number_of), self._settings.on_bad_image)
        rows = self._row_numbers()
        return Embeddings(
            layers=self._tables(),
            row_of={
                path: int(rows[number])
                for path, number in self._demand.number_of.items()
                if rows[number] >= 0
            },
            rows=rows,
            bad_images=bad_images,
            notes=self._counted_notes(),
            names=list(self._widths),
            streamed={} if self._wide is None else self._wide.distances(),
        )

    def _row_numbers(self) -> IntArray:
        """Give the row of every image, -1 for those that could not be read."""
        rows = np.arange(self._n_images)
        if self._keep_all:
            good = np.ones(self._n_images, dtype=bool)
            good[list(self._bad)] = False
            rows = np.cumsum(good) - 1
        rows[list(self._bad)] = -1
        return rows

    def _tables(self) -> dict[str, FloatArray]:
        tables = dict(self._rows)
        if self._wide is not None and self._needs_tables:
            tables |= self._wide.tables()
        if self._bad and self._keep_all:
            good = np.setdiff1d(np.arange(self._n_images), list(self._bad))
            tables = {layer: rows[good] for layer, rows in tables.items()}
        return {layer: tables[layer] for layer in self._widths if layer in tables}

    def _counted_notes(self) -> Counter[str]:
        notes = Counter(dict.fromkeys(self._model.expected_notes, 0))
        for number in self._demand.number_of.values():
            notes.update(self._notes.get(number, ()))
        total = len(self._demand.number_of)
        for note, count in sorted(notes.items()):
            level = logging.WARNING if count else logging.INFO
            _log.log(
                level, "Model %r: %s in %d of %d images.", self._model.name, note, count, total
            )
        return notes


def _report_bad(bad_images: dict[Path, str], total: int, on_bad_image: OnBadImage) -> None:
    reasons = " ".join(list(bad_images.values())[:_SHOWN])
    others = listed(str(path) for path in list(bad_images)[_SHOWN:])
    more = f" The others are {others}." if len(bad_images) > _SHOWN else ""
    summary = f"{len(bad_images)} of {total} images cannot be read. {reasons}{more}"
    if on_bad_image == "stop":
        msg = f"{summary} Replace them, or leave their pairs out with on_bad_image='skip'."
        raise ImageError(msg)
    _log.warning("%s They are skipped.", summary)
