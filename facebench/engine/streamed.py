"""Distances of layers too wide to keep, computed while their outputs are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from facebench.engine.block_distances import flat_rows, gram_distances, pair_distances, row_norms
from facebench.engine.comparisons import DistanceGroup
from facebench.engine.forward import check_finite
from facebench.engine.spill import SpilledRows
from facebench.models.base import BaseModel
from facebench.types import IntArray
from facebench.utils.cores import usable_cores

__all__ = ["Streamer"]


class Streamer:
    """Keeps the rows that wait for partners, and fills in distances; use as a context manager.

    Parameters
    ----------
    model : BaseModel
        Whose layers they are.
    groups : sequence of DistanceGroup
        What to compare.
    layers : sequence of str
        The wide layers.
    spilled : mapping of str to SpilledRows
        Files of the layers among them whose rows wait on disk, all together.
    reorder : bool, default True
        Whether the values of a row may be taken as they lie in memory.

    Attributes
    ----------
    distances : dict of str to list of array
        Layer → per group, the distance of every pair; NaN until it is known.
    """

    def __init__(
        self,
        model: BaseModel,
        groups: Sequence[DistanceGroup],
        layers: Sequence[str],
        spilled: Mapping[str, SpilledRows],
        *,
        reorder: bool = True,
    ) -> None:
        self._model = model
        self._groups = groups
        self._spilled = spilled
        # A user's metric may rely on the order of the values.
        self._colours_last = (
            reorder
            and model.memory_format == torch.channels_last
            and all(group.metric.rowwise is not None for group in groups)
        )
        self._paths: dict[int, Path] = {}
        self._waiting: dict[str, dict[int, torch.Tensor]] = {layer: {} for layer in layers}
        # Images whose rows still lie in the memory of the network.
        self._borrowed: set[int] = set()
        self._norms: dict[str, dict[int, float]] = {layer: {} for layer in layers}
        self.distances = {
            layer: [np.full(len(group.pairs), np.nan) for group in groups] for layer in layers
        }
        self._places = [_places(group.pairs) for group in groups]
        self._needs_norms = any(
            group.metric.rowwise is not None and group.metric.rowwise.kind == "cosine"
            for group in groups
        )
        # Many short operations: two threads of one core each, rather than one thread of two.
        self._pool = ThreadPoolExecutor(
            usable_cores(), initializer=torch.set_num_threads, initargs=(1,)
        )
        self._threads = torch.get_num_threads()

    def __enter__(self) -> Streamer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown()
        torch.set_num_threads(self._threads)

    def take(
        self,
        layers: Mapping[str, torch.Tensor],
        images: Sequence[int],
        paths: Sequence[Path],
    ) -> None:
        """Take in the outputs of a batch: the memory is the network's, until `own` or `leave`.

        Parameters
        ----------
        layers : mapping of str to Tensor, shape [n, …]
            Outputs of the wide layers.
        images : sequence of int
            Which images they are.
        paths : sequence of Path
            Their files, for messages.
        """
        self._paths.update(zip(images, paths, strict=True))
        self._borrowed.update(images)
        jobs = [
            self._pool.submit(self._take_layer, layer, layers[layer], images, paths)
            for layer in self._waiting
        ]
        for job in jobs:
            job.result()

    def _take_layer(
        self, layer: str, output: torch.Tensor, images: Sequence[int], paths: Sequence[Path]
    ) -> None:
        rows = flat_rows(output, self._colours_last)
        if self._needs_norms:
            norms = row_norms(rows)
            if not np.isfinite(norms).all():
                check_finite(self._model, layer, rows, paths)
            self._norms[layer].update(zip(images, norms.tolist(), strict=True))
        spilled = self._spilled.get(layer)
        if spilled is not None and not self._needs_norms:
            # One bad row would spoil every pair: rows on disk are compared around their mean.
            check_finite(self._model, layer, rows, paths)
        for row, image in zip(rows, images, strict=True):
            if spilled is not None:
                spilled.write(image, row)
            else:
                self._waiting[layer][image] = row

    def meet(self, pairs: IntArray) -> list[IntArray]:
        """Compare pairs of images that are both here.

        Parameters
        ----------
        pairs : int array, shape [P, 2]
            Smaller number first, as in the schedule.

        Returns
        -------
        list of int array
            By group: which of its pairs are now compared.
        """
        wanted = [self._in_group(index, pairs) for index in range(len(self._groups))]
        jobs = [
            self._pool.submit(self._compare, layer, index, pairs_of_group, places)
            for layer in self._waiting
            if layer not in self._spilled
            for index, (pairs_of_group, places) in enumerate(wanted)
            if places
        ]
        for job in jobs:
            job.result()
        return [np.array(places, dtype=np.intp) for _, places in wanted]

    def _in_group(self, index: int, pairs: IntArray) -> tuple[list[tuple[int, int]], list[int]]:
        """Find which pairs a group compares, in which order, and where they stand in it."""
        places = self._places[index]
        found = [
            (pair, places[pair])
            for first, second in pairs.tolist()
            for pair in dict.fromkeys(((first, second), (second, first)))
            if pair in places
        ]
        return [pair for pair, _ in found], [place for _, place in found]

    def _compare(
        self, layer: str, index: int, pairs: list[tuple[int, int]], places: list[int]
    ) -> None:
        metric = self._groups[index].metric
        rows = self._waiting[layer]
        if metric.rowwise is not None:
            values = pair_distances(metric.rowwise, rows, self._norms[layer], pairs)
        else:
            values = np.array([metric(rows[i][None].cpu(), rows[j][None].cpu()) for i, j in pairs])
        if not np.isfinite(values).all():
            for image in {image for pair in pairs for image in pair}:
                check_finite(self._model, layer, rows[image][None], [self._paths[image]])
        self.distances[layer][index][places] = values

    def leave(self, keep: Iterable[int]) -> None:
        """Let go of everything but the images that wait, whose rows are copied.

        Parameters
        ----------
        keep : iterable of int
            The images that wait for partners.
        """
        kept = set(keep)
        for layer, waiting in self._waiting.items():
            self._waiting[layer] = {image: row for image, row in waiting.items() if image in kept}
        self.own()

    def own(self) -> None:
        """Copy the rows that lie in the network's memory, which its next pass may use again."""
        for waiting in self._waiting.values():
            waiting.update(
                {image: row.clone() for image, row in waiting.items() if image in self._borrowed}
            )
        self._borrowed.clear()

    def finish_spilled(self, places: Sequence[IntArray]) -> None:
        """Compare what waits on disk.

        Parameters
        ----------
        places : sequence of int array
            By group: which of its pairs to compare.
        """
        jobs = [
            self._pool.submit(self._compare_spilled, layer, index, wanted)
            for index, wanted in enumerate(places)
            if len(wanted)
            for layer in self._spilled
        ]
        for job in jobs:
            job.result()

    def _compare_spilled(self, layer: str, index: int, places: IntArray) -> None:
        group = self._groups[index]
        pairs = group.pairs[places]
        spilled = self._spilled[layer]
        distance = group.metric.rowwise
        if distance is not None and distance.has_gram:
            involved, numbers = np.unique(pairs, return_inverse=True)
            images = involved.tolist()
            norms = np.array([self._norms[layer].get(image, 1.0) for image in images])
            first, second = numbers.reshape(-1, 2).T
            values = gram_distances(
                distance,
                lambda start, stop: spilled.block(images, start, stop),
                spilled.width,
                norms,
                first,
                second,
            )
        else:
            values = group.metric.between(spilled.as_array(), pairs[:, 0], pairs[:, 1])
        self.distances[layer][index][places] = values


def _places(pairs: IntArray) -> dict[tuple[int, int], int]:
    return {(first, second): place for place, (first, second) in enumerate(pairs.tolist())}
