"""A model's tasks, measured one by one from what a pass over its images, or a file, gave."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.engine import EmbeddingRequest, Embeddings, ModelRecord, Settings
from facebench.errors import FacebenchError, InputError, MetricError
from facebench.faces import NO_FACE
from facebench.models.base import BaseModel
from facebench.results.schema import FAILURES_FILE
from facebench.run.estimates import Estimator
from facebench.run.face_failures import count_failures, images_without_face
from facebench.run.failures import Failures, note_failure
from facebench.run.galleries import source_of
from facebench.run.measurement import AnyModel, AnyTask, TaskMeasurement, measure, measure_items
from facebench.run.passes import sides_of
from facebench.run.run_export import RunExport
from facebench.run.run_tables import RunTables
from facebench.run.task_images import TaskImages
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask, LayerSource
from facebench.types import IntArray, OnNoFace

__all__ = ["ModelTasks", "prove_tasks", "with_faces"]

_log = logging.getLogger(__name__)


class ModelTasks:
    """Measure a model's tasks; what fails is noted, and the others go on.

    Parameters
    ----------
    found : RunTables
        Where results are kept.
    export : RunExport
        Writes them at once.
    settings : Settings
        How the run embeds.
    on_no_face : {'keep', 'skip', 'stop'} or None
        See `MultiModelTaskManager`.
    failures : Failures
        Where failures are noted.
    """

    def __init__(
        self,
        found: RunTables,
        export: RunExport,
        settings: Settings,
        on_no_face: OnNoFace | None,
        failures: Failures,
    ) -> None:
        self._found, self._export, self._settings = found, export, settings
        self._on_no_face, self._failures = on_no_face, failures
        self._estimator = Estimator()

    def measure(
        self,
        model: AnyModel,
        record: ModelRecord,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        request: EmbeddingRequest,
        embeddings: Embeddings,
        refused: Mapping[str, FacebenchError] = MappingProxyType({}),
    ) -> None:
        """Measure task by task what a pass or a file gave."""
        without_face = images_without_face(embeddings)
        remarks = self._found.remarks.setdefault(model.name, {})
        remarks.update({f"Images: {note}": count for note, count in embeddings.notes.items()})
        remarks.update(record.remarks())
        source = source_of(model, request, self._settings)
        for task in tasks:
            if task.name in refused:
                note_failure(self._failures, f"{model.name} / {task.name}", refused[task.name])
                continue
            try:
                given = self._given(model, task, images, request, embeddings, without_face)
                with record.timed("metric"):
                    measured = _measured(
                        task, model, images[task.name], request, given, self._estimator, source
                    )
                    self._found.keep(model.name, task.name, measured)
                lost = measured.n_lost
                what = "Pairs" if isinstance(task, BaseTask) else "Images"
                remarks.pop(f"{task.name}: {what} Lost", None)
                if lost:
                    remarks[f"{task.name}: {what} Lost"] = lost
                with record.timed("export"):
                    self._export.add_measured(model.name, task, measured)
            except Exception as error:
                note_failure(self._failures, f"{model.name} / {task.name}", error)

    def _given(
        self,
        model: AnyModel,
        task: AnyTask,
        images: Mapping[str, TaskImages],
        request: EmbeddingRequest,
        embeddings: Embeddings,
        without_face: NDArray[np.bool_],
    ) -> Embeddings:
        """Count a task's failures to process; give the embeddings that it may use.

        Raises
        ------
        InputError
            If the task is to stop because of them.
        """
        key, remarks = (task.name, model.name), self._found.remarks[model.name]
        what = f"{task.name}: {'Pairs' if isinstance(task, BaseTask) else 'Images'} Without Face"
        remarks.pop(what, None)
        self._found.face_failures.pop(key, None)
        if NO_FACE not in model.expected_notes and not without_face.any():
            return embeddings
        sides = sides_of(task, images[task.name], request)
        failures = self._found.face_failures[key] = count_failures(
            task, model.name, sides, without_face
        )
        remarks[what] = failures.n_failed
        path = self._export.folder / FAILURES_FILE
        self._export.add_rows(
            path, failures.table, lambda: self._found.failures_to_process, model.name, task.name
        )
        own = model.on_no_face if isinstance(model, BaseModel) else None
        failures.refuse(own or self._on_no_face)
        for sentence in failures.differing:
            _log.warning("%s", sentence)
        return with_faces(model, embeddings, without_face, self._on_no_face)


def with_faces(
    model: AnyModel,
    embeddings: Embeddings,
    without_face: NDArray[np.bool_],
    on_no_face: OnNoFace | None,
) -> Embeddings:
    """Leave images out in which no face was found, where that is asked for."""
    own = model.on_no_face if isinstance(model, BaseModel) else None
    if (own or on_no_face) != "skip":
        return embeddings
    return replace(embeddings, rows=np.where(without_face, -1, embeddings.rows))


def _measured(
    task: AnyTask,
    model: AnyModel,
    images: TaskImages,
    request: EmbeddingRequest,
    embeddings: Embeddings,
    estimator: Estimator,
    source: Callable[[str, IntArray], LayerSource],
) -> TaskMeasurement:
    first, *second = sides_of(task, images, request)
    if isinstance(task, EmbeddingTask):
        return measure_items(task, model.name, first, embeddings, estimator, source)
    return measure(task, model.name, first, second[0], embeddings, estimator)


def prove_tasks(
    model: str, tasks: Sequence[AnyTask], outputs: Mapping[str, Any]
) -> dict[str, FacebenchError]:
    """Call users' metrics on the first embeddings, before the rest is embedded.

    Gives the errors of tasks that cannot take them; raises if no other task is left.
    """
    refused: dict[str, FacebenchError] = {}
    for task in tasks:
        try:
            for name, layer in outputs.items():
                if isinstance(task, EmbeddingTask):
                    task.check_width(LayerSource(model, name), int(layer.shape[1]))
                else:
                    task.distance_metric.prove(layer)
        except (MetricError, InputError) as error:
            refused[task.name] = error
    if len(refused) == len(tasks):
        raise next(iter(refused.values()))
    return refused
