"""The layers too wide to keep, in a pass: their distances, and the rows that wait for partners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.pass_plan import WidePlan
from facebench.engine.record import ModelRecord
from facebench.engine.schedule import Step
from facebench.engine.spill import Spills
from facebench.engine.streamed import Streamer
from facebench.models.base import BaseModel
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["WideLayers"]


class WideLayers:
    """Does the work of the wide layers in a model's pass; use as a context manager.

    Parameters
    ----------
    model : BaseModel
        Whose layers they are.
    plan : WidePlan
        What is to be done: nothing, where it has no layers.
    widths : mapping of str to int
        Layer → values per image.
    cache : ModelCache
        Where distances are kept.
    record : ModelRecord
        Where time is noted.
    needs_tables : bool
        Whether tasks need the rows themselves.
    """

    def __init__(
        self,
        model: BaseModel,
        plan: WidePlan,
        widths: Mapping[str, int],
        cache: ModelCache,
        record: ModelRecord,
        *,
        needs_tables: bool,
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._record = record
        self._on_disk = np.zeros(len(plan.needed), dtype=bool)
        self._stored = plan.stored.copy()
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._spills: Spills | None = None
            if plan.is_spilled:
                own = {layer: widths[layer] for layer in plan.layers}
                self._spills = stack.enter_context(Spills(own, len(plan.needed), plan.folder))
            files = {} if self._spills is None else self._spills.layers
            # Stored values are in the order of their axes, and so are those that tasks get.
            reorder = not (needs_tables or plan.stored.any())
            self._streamer = stack.enter_context(
                Streamer(model, plan.groups, plan.layers, files, reorder=reorder)
            )
            self._stack = stack.pop_all()
        self._streamer.distances.update(plan.known)

    def __enter__(self) -> WideLayers:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def pending(self) -> NDArray[np.bool_]:
        """The images that still have to go through the network."""
        return self._plan.needed & ~self._stored & ~self._on_disk

    @property
    def to_take(self) -> list[int]:
        """The images whose rows are to be taken from the store before all others."""
        if not self._plan.is_spilled:
            return []
        return np.flatnonzero(self._plan.needed & self._stored).tolist()

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
        if not len(images):
            return []
        found: dict[str, tuple[FloatArray, NDArray[np.bool_]]] = {}
        good = np.ones(len(images), dtype=bool)
        with self._record.timed("store"):
            for layer in self._plan.layers:
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
        if not self._plan.layers:
            return
        with self._record.timed("distance"):
            wide = {layer: layers[layer] for layer in self._plan.layers}
            self._streamer.take(wide, numbers, paths)
        self._on_disk[numbers] = self._plan.is_spilled

    def own(self) -> None:
        """Copy what lies in the network's memory, before it runs again."""
        with self._record.timed("distance"):
            self._streamer.own()

    def meet(self, step: Step, bad: list[int]) -> None:
        """Compare what is now together in memory, and drop rows that no pair still needs."""
        if self._plan.is_spilled or not self._plan.layers:
            return
        pairs = step.pairs[~np.isin(step.pairs, bad).any(axis=1)]
        with self._record.timed("distance"):
            places = self._streamer.meet(pairs)
            self._streamer.leave(step.keep)
        self._store(places)

    def finish(self, bad: list[int]) -> None:
        """Compare what waits on disk."""
        if not self._plan.is_spilled:
            return
        places = [
            np.flatnonzero(missing & ~np.isin(group.pairs, bad).any(axis=1))
            for group, missing in zip(self._plan.groups, self._plan.missing, strict=True)
        ]
        with self._record.timed("distance"):
            self._streamer.finish_spilled(places)
        self._store(places)

    def _store(self, places: Sequence[IntArray]) -> None:
        """Put distances just computed into the store, by group and place in it."""
        with self._record.timed("store"):
            for index, group in enumerate(self._plan.groups):
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
                for index, group in enumerate(self._plan.groups)
                for task, rows in group.rows.items()
            }
            for layer, values in self._streamer.distances.items()
        }
