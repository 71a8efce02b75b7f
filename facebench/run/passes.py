"""The passes of networks over the images of tasks, and what tasks want of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from facebench.engine import EmbeddingRequest
from facebench.models.base import BaseModel
from facebench.run.alignment import TaskPass, hints_of, made_by_task, passes_of
from facebench.run.measurement import AnyTask
from facebench.run.requests import request_of_files
from facebench.run.task_images import TaskImages, paths_of
from facebench.store import EmbeddingStore
from facebench.tasks.base import BaseTask
from facebench.types import IntArray

__all__ = ["ModelPasses", "sides_of"]


class ModelPasses:
    """Give every network its passes; what tasks want of one is worked out once for all networks.

    Parameters
    ----------
    tasks : sequence of BaseTask or EmbeddingTask
        The tasks.
    images : mapping of str to TaskImages
        By task.
    store : EmbeddingStore or None
        Numbers images by their content.
    all_rows : bool
        Whether the rows of all layers are wanted.
    """

    def __init__(
        self,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        store: EmbeddingStore | None,
        *,
        all_rows: bool,
    ) -> None:
        self.images = images
        self.made = made_by_task(images)
        self._tasks, self._store, self._all_rows = tasks, store, all_rows
        self._requests: dict[tuple[str, ...], EmbeddingRequest] = {}

    def of(self, model: BaseModel) -> Iterator[tuple[TaskPass, EmbeddingRequest]]:
        """Give a network's passes with what tasks want of each."""
        for part in passes_of(model, self._tasks, self.made):
            names = tuple(task.name for task in part.tasks)
            if names not in self._requests:
                self._requests[names] = request_of_files(
                    part.tasks, self.images, self._store, all_rows=self._all_rows
                )
            yield part, self._requests[names]

    def check_hints(self, model: BaseModel) -> None:
        """Raise InputError if tables lack where the faces are that a network takes."""
        for part in passes_of(model, self._tasks, self.made):
            with part.alignment():
                hints_of(model, part.tasks, self.images)


def sides_of(task: AnyTask, images: TaskImages, request: EmbeddingRequest) -> tuple[IntArray, ...]:
    """Give the images of both sides of a task's pairs, or of its items, by number."""
    if isinstance(task, BaseTask):
        pairs = next(pairs for pairs in request.pairs if pairs.task == task.name)
        return pairs.first, pairs.second
    numbers = [request.number_of[path] for path in paths_of(images)]
    return (np.array(numbers, dtype=np.intp),)
