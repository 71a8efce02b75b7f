"""Distances of the pairs of a task: by its metric, averaged over an ensemble, or normalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facebench.engine import Embeddings
from facebench.errors import MetricError
from facebench.metrics.score_normalisation import CohortStatistics, cohort_statistics, normalise
from facebench.tasks.base import BaseTask
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["Normaliser", "pair_distances"]

# Nearest cohort images of adaptive normalisation, where no number is given.
_TOP = 300


def pair_distances(
    task: BaseTask, embeddings: Embeddings, layer: str, rows1: IntArray, rows2: IntArray
) -> Float64Array:
    """Distances of pairs of rows: as a task's metric has them, averaged and normalised if asked.

    Parameters
    ----------
    task : BaseTask
        The task.
    embeddings : Embeddings
        With the layer in memory.
    layer : str
        The layer.
    rows1, rows2 : int array, shape [N]
        The rows of each pair.

    Returns
    -------
    array, shape [N]
    """
    distances = _between(task, embeddings.layers[layer], rows1, rows2, embeddings.blocks)
    normaliser = embeddings.normalisers.get(task.name)
    if normaliser is None:
        return distances
    return normaliser(layer, distances, embeddings.layers[layer], rows1, rows2)


def _between(
    task: BaseTask,
    table: FloatArray,
    rows1: IntArray,
    rows2: IntArray,
    blocks: Sequence[slice],
) -> Float64Array:
    if not blocks:
        return task.distance_metric.between(table, rows1, rows2)
    parts = [
        task.distance_metric.between(np.ascontiguousarray(table[:, block]), rows1, rows2)
        for block in blocks
    ]
    return np.asarray(np.mean(parts, axis=0))


class Normaliser:
    """Normalises the distances of a task by those to its cohort.

    Parameters
    ----------
    task : BaseTask
        With its `score_norm`.
    cohort : mapping of str to array, shape [M, D]
        Layer → embeddings of the cohort.
    blocks : sequence of slice
        See `Embeddings`.
    """

    def __init__(
        self, task: BaseTask, cohort: Mapping[str, FloatArray], blocks: Sequence[slice]
    ) -> None:
        self._task = task
        self._cohort = cohort
        self._blocks = blocks

    def __call__(
        self,
        layer: str,
        distances: Float64Array,
        table: FloatArray,
        rows1: IntArray,
        rows2: IntArray,
    ) -> Float64Array:
        """Normalise the distances of a layer's pairs of rows of a table."""
        asked = self._task.score_norm
        if asked is None:
            return distances
        images = np.unique(np.concatenate((rows1, rows2)))
        try:
            mean, std = self._statistics(layer, table[images], asked)
            of = [np.searchsorted(images, rows) for rows in (rows1, rows2)]
            first, second = (CohortStatistics(mean[place], std[place]) for place in of)
            return normalise(distances, first, second, asked["kind"])
        except ValueError as error:
            msg = (
                f"The distances of task {self._task.name!r} in layer {layer!r} cannot be "
                f"normalised by its cohort. {error}"
            )
            raise MetricError(msg) from error

    def _statistics(
        self, layer: str, rows: FloatArray, asked: Mapping[str, Any]
    ) -> CohortStatistics:
        cohort = self._cohort[layer]
        if self._task.distance_metric.is_cosine:
            # Rows of zeros have no cosine distance.
            cohort = cohort[(cohort != 0).any(axis=1)]
        n_cohort = len(cohort)
        mean, std = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        defined = (
            (rows != 0).any(axis=1)
            if self._task.distance_metric.is_cosine
            else np.ones(len(rows), bool)
        )
        # A few images at a time: each is compared with the whole cohort.
        step = max(1, 1_000_000 // max(1, n_cohort))
        for part in np.array_split(np.flatnonzero(defined), -(-int(defined.sum()) // step) or 1):
            if not len(part):
                continue
            table = np.concatenate((rows[part], cohort))
            one = np.repeat(np.arange(len(part)), n_cohort)
            other = np.tile(np.arange(len(part), len(table)), len(part))
            found = _between(self._task, table, one, other, self._blocks)
            top = (asked["top"] or min(_TOP, n_cohort)) if asked["kind"] == "as" else None
            mean[part], std[part] = cohort_statistics(found.reshape(len(part), n_cohort), top)
        return CohortStatistics(mean, std)
