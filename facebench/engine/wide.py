"""Layers too wide to keep: what is known of them, and how the rest is found in a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.comparisons import Comparisons
from facebench.engine.placement import Placement, spill_or_stream, temporary_folder
from facebench.engine.record import ModelRecord
from facebench.engine.schedule import Schedule, Step, make_schedule
from facebench.engine.spill import Spills
from facebench.engine.streamed import Streamer
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["WideLayers", "WideWork", "plan_wide"]


@dataclass(frozen=True)
class WideWork:
    """What is to be done for the wide layers of a model.

    Attributes
    ----------
    layers : list of str
        Which they are.
    known : dict of str to list of array
        Layer → per group of comparisons, the distance of every pair; NaN where it is not known.
    missing : list of bool array
        Per group: the pairs whose distance is not known in every layer.
    lacking : bool array, shape [N]
        The images whose rows are needed.
    stored : bool array, shape [N]
        The images of which the store has the rows of all layers: an earlier run had memory for
        them.
    schedule : Schedule
        Batches that bring all missing pairs together, if layers are streamed.
    how : {'streamed', 'spilled'}
        Compared while they are in memory, or waiting on disk.
    folder : Path
        Where temporary files go.
    """

    layers: list[str]
    known: dict[str, list[Float64Array]]
    missing: list[NDArray[np.bool_]]
    lacking: NDArray[np.bool_]
    stored: NDArray[np.bool_]
    schedule: Schedule
    how: Literal["streamed", "spilled"]
    folder: Path

    @property
    def n_repeats(self) -> int:
        """How many images go through the network that were there before."""
        if self.how == "spilled":
            return 0
        n_forwards = _forwards(self.schedule, self.stored)
        return n_forwards - int((self.lacking & ~self.stored).sum())


def plan_wide(
    placement: Placement,
    comparisons: Comparisons,
    cache: ModelCache,
    store: EmbeddingStore | None,
    row_images: IntArray,
    *,
    kept: NDArray[np.bool_],
    seconds_per_image: float,
) -> WideWork | None:
    """Find what the store knows of the wide layers, and the best way to the rest.

    Parameters
    ----------
    placement : Placement
        Which layers are wide.
    comparisons : Comparisons
        What tasks compare.
    cache : ModelCache
        Where distances are.
    store : EmbeddingStore, optional
        Temporary files go beside it.
    row_images : int array
        The images of which tasks need the rows themselves.
    kept : bool array, shape [N]
        The images of which the rows of all other layers are there.
    seconds_per_image : float
        What a forward pass costs.

    Returns
    -------
    WideWork or None
        None where no layer is wide.

    Raises
    ------
    ModelError
        If tasks need rows, and there is no room for them on the disk.
    """
    if not placement.wide:
        return None
    n_images = len(kept)
    groups = comparisons.groups
    known = {
        layer: [cache.distances(layer, group.metric.rowwise, group.pairs) for group in groups]
        for layer in placement.wide
    }
    missing = [
        np.logical_or.reduce([np.isnan(values[index]) for values in known.values()])
        for index in range(len(groups))
    ]
    pairs = comparisons.needed(missing)
    schedule = make_schedule(pairs, n_images, placement.batch_size, placement.capacity)
    folder = temporary_folder(store)
    lacking = np.zeros(n_images, dtype=bool)
    lacking[pairs.ravel()] = True
    lacking[row_images] = True
    stored = np.zeros(n_images, dtype=bool)
    if cache.is_exact and lacking.any():
        # Rounded rows would not give the distances that are kept of wide layers.
        stored = np.logical_and.reduce([kept, *(cache.has(layer) for layer in placement.wide)])
    how = spill_or_stream(
        placement,
        int((~stored).sum()),
        _forwards(schedule, stored),
        seconds_per_image,
        folder,
        needs_tables=len(row_images) > 0,
    )
    return WideWork(placement.wide, known, missing, lacking, stored, schedule, how, folder)


def _forwards(schedule: Schedule, stored: NDArray[np.bool_]) -> int:
    """Count the images that go through the network, repeats included."""
    return sum(int((~stored[step.images]).sum()) for step in schedule.steps)


class WideLayers:
    """Does the work of the wide layers in a model's pass; use as a context manager.

    Parameters
    ----------
    model : BaseModel
        Whose layers they are.
    work : WideWork
        What is to be done.
    widths : mapping of str to int
        Layer → values per image.
    comparisons : Comparisons
        What tasks compare.
    cache : ModelCache
        Where distances are kept.
    record : ModelRecord
        Where time is noted.
    """

    def __init__(
        self,
        model: BaseModel,
        work: WideWork,
        widths: Mapping[str, int],
        comparisons: Comparisons,
        cache: ModelCache,
        record: ModelRecord,
    ) -> None:
        self._work = work
        self._groups = comparisons.groups
        self._cache = cache
        self._record = record
        self._on_disk = np.zeros(len(work.lacking), dtype=bool)
        self._stored = work.stored.copy()
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._spills: Spills | None = None
            if self.is_spilled:
                own = {layer: widths[layer] for layer in work.layers}
                self._spills = stack.enter_context(Spills(own, len(work.lacking), work.folder))
            files = {} if self._spills is None else self._spills.layers
            self._streamer = stack.enter_context(
                # Stored values are in the order of their axes.
                Streamer(model, self._groups, work.layers, files, reorder=not work.stored.any())
            )
            self._stack = stack.pop_all()
        self._streamer.distances.update(work.known)

    def __enter__(self) -> WideLayers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def is_spilled(self) -> bool:
        """Whether rows wait on disk, rather than for their partners in memory."""
        return self._work.how == "spilled"

    @property
    def steps(self) -> list[Step]:
        """The batches that bring pairs together; none where rows wait on disk."""
        return [] if self.is_spilled else self._work.schedule.steps

    @property
    def lacking(self) -> NDArray[np.bool_]:
        """The images that still have to go through the network."""
        return self._work.lacking & ~self._stored & ~self._on_disk

    @property
    def to_take(self) -> list[int]:
        """The images whose rows are to be taken from the store before all others."""
        if not self.is_spilled:
            return []
        return np.flatnonzero(self._work.lacking & self._stored).tolist()

    def stored(self, images: Sequence[int]) -> list[int]:
        """Give those of some images whose rows the store has."""
        return [image for image in images if self._stored[image]]

    def take_stored(self, images: Sequence[int], paths: Sequence[Path]) -> list[int]:
        """Take in rows that the store has.

        Parameters
        ----------
        images : sequence of int
            Which images: a batch.
        paths : sequence of Path
            Their files.

        Returns
        -------
        list of int
            Those whose rows turned out to be damaged: they have to go through the network.
        """
        found: dict[str, tuple[FloatArray, NDArray[np.bool_]]] = {}
        good = np.ones(len(images), dtype=bool)
        with self._record.timed("store"):
            for layer in self._work.layers:
                found[layer] = self._cache.rows(layer, images)
                good &= found[layer][1]
        places = np.flatnonzero(good).tolist()
        if places:
            rows = {
                layer: torch.from_numpy(part[good[has]]) for layer, (part, has) in found.items()
            }
            self.take(rows, [images[place] for place in places], [paths[place] for place in places])
        lost = [image for image, is_good in zip(images, good.tolist(), strict=True) if not is_good]
        self._stored[lost] = False
        return lost

    def take(
        self, layers: Mapping[str, torch.Tensor], numbers: list[int], paths: list[Path]
    ) -> None:
        """Take in the outputs of a batch."""
        with self._record.timed("distance"):
            wide = {layer: layers[layer] for layer in self._work.layers}
            self._streamer.take(wide, numbers, paths)
        self._on_disk[numbers] = self.is_spilled

    def meet(self, step: Step, bad: list[int]) -> None:
        """Compare what is now together in memory, and let go of what nobody waits for."""
        if self.is_spilled:
            return
        pairs = step.pairs[~np.isin(step.pairs, bad).any(axis=1)]
        with self._record.timed("distance"):
            places = self._streamer.meet(pairs)
            self._streamer.leave(step.keep)
        self._store(places)

    def finish(self, bad: list[int]) -> None:
        """Compare what waits on disk."""
        if not self.is_spilled:
            return
        places = [
            np.flatnonzero(missing & ~np.isin(group.pairs, bad).any(axis=1))
            for group, missing in zip(self._groups, self._work.missing, strict=True)
        ]
        with self._record.timed("distance"):
            self._streamer.finish_spilled(places)
        self._store(places)

    def _store(self, places: Sequence[IntArray]) -> None:
        """Put distances just computed into the store, by group and place in it."""
        with self._record.timed("store"):
            for index, group in enumerate(self._groups):
                distance = group.metric.rowwise
                if distance is not None and len(places[index]):
                    self._cache.write_distances(
                        {
                            (layer, distance): values[index][places[index]]
                            for layer, values in self._streamer.distances.items()
                        },
                        group.pairs[places[index]],
                    )

    def tables(self) -> dict[str, FloatArray]:
        """Give the rows of all images, by layer, where they wait on disk."""
        layers = {} if self._spills is None else self._spills.layers
        return {layer: rows.as_array() for layer, rows in layers.items()}

    def distances(self) -> dict[str, dict[str, Float64Array]]:
        """Give, by layer and task, the distance of each of the task's pairs."""
        return {
            layer: {
                task: values[index][rows]
                for index, group in enumerate(self._groups)
                for task, rows in group.rows.items()
            }
            for layer, values in self._streamer.distances.items()
        }
