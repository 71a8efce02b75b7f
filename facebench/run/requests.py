"""What tasks want of models: of networks by file, of recorded results by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facebench.data.image_names import ImageName
from facebench.data.pairs import ImagePaths
from facebench.engine import (
    EmbeddingRequest,
    Embeddings,
    ImageIndex,
    ModelRecord,
    PairsOfTask,
    PairsToFind,
    read_recorded,
)
from facebench.errors import InputError
from facebench.models.recorded import RecordedModel
from facebench.run.measurement import AnyTask
from facebench.run.task_images import (
    TaskImages,
    different_names,
    different_paths,
    images_by_name,
    paths_of,
)
from facebench.store import EmbeddingStore
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask
from facebench.types import OnBadImage
from facebench.utils.suggestions import listed

__all__ = ["NamedRequest", "look_up", "request_by_name", "request_of_files"]


@dataclass(frozen=True)
class NamedRequest:
    """What tasks want of a model that knows images by name.

    Attributes
    ----------
    images : dict of str to ImagePaths or list of Path
        By task, where its images would be.
    names : list of ImageName
        The different images, by number.
    request : EmbeddingRequest
        What tasks want.
    pairs : list of PairsToFind
        What tasks want of a model that knows distances only.
    """

    images: dict[str, TaskImages]
    names: list[ImageName]
    request: EmbeddingRequest
    pairs: list[PairsToFind]


def request_by_name(tasks: Sequence[AnyTask]) -> NamedRequest:
    """Put together what tasks want, with every different name of an image numbered once."""
    images = {task.name: images_by_name(task) for task in tasks}
    names = {name.path: name for task in tasks for name in different_names(task).values()}
    index = ImageIndex(list(names), None, read=False)
    request = _request(tasks, images, index)
    pairs = [PairsToFind(each.task, each.first, each.second) for each in request.pairs]
    for task in tasks:
        compared = task.image_pairs() if isinstance(task, EmbeddingTask) else None
        if compared is not None:
            numbers = index.numbers(paths_of(images[task.name]))
            pairs.append(PairsToFind(task.name, *(numbers[places] for places in compared)))
    return NamedRequest(images, list(names.values()), request, pairs)


def request_of_files(
    tasks: Sequence[AnyTask],
    images: Mapping[str, TaskImages],
    store: EmbeddingStore | None,
    *,
    all_rows: bool = False,
) -> EmbeddingRequest:
    """Put together what tasks want, with every different image numbered once.

    Parameters
    ----------
    tasks : sequence of BaseTask or EmbeddingTask
        The tasks.
    images : mapping of str to ImagePaths or list of Path
        By task, its files.
    store : EmbeddingStore or None
        Knows the digests of files it has seen.
    all_rows : bool, default False
        Ask for the embeddings of all images, also where tasks need distances only.
    """
    files = dict.fromkeys(path for task in tasks for path in different_paths(images[task.name]))
    return _request(tasks, images, ImageIndex(list(files), store), all_rows=all_rows)


def _request(
    tasks: Sequence[AnyTask],
    images: Mapping[str, TaskImages],
    index: ImageIndex,
    *,
    all_rows: bool = False,
) -> EmbeddingRequest:
    pairs, rows = [], [np.arange(len(index.images) if all_rows else 0)]
    for task in tasks:
        own = images[task.name]
        if isinstance(task, BaseTask) and isinstance(own, ImagePaths):
            numbers = index.numbers(own.different)
            first, second = (numbers[places] for places in own.numbers)
            pairs.append(PairsOfTask(task.name, task.distance_metric, first, second))
        else:
            rows.append(index.numbers(paths_of(own)))
    return EmbeddingRequest(
        index.images, index.digests, index.number_of, pairs, np.unique(np.concatenate(rows))
    )


def look_up(
    model: RecordedModel,
    tasks: Sequence[AnyTask],
    on_bad_image: OnBadImage,
    record: ModelRecord | None = None,
    wanted: NamedRequest | None = None,
) -> Embeddings:
    """Find what a model has of all that tasks want of it.

    Parameters
    ----------
    model : RecordedModel
        The model.
    tasks : sequence of BaseTask or EmbeddingTask
        The tasks.
    on_bad_image, record
        See `read_recorded`.
    wanted : NamedRequest, optional
        What the tasks want, where that is known.

    Raises
    ------
    InputError
        If a task needs embeddings and the model has scores only, or the file lacks something.
    """
    _refuse_unsuitable(model, tasks)
    wanted = wanted or request_by_name(tasks)
    return read_recorded(model, wanted.request, wanted.names, wanted.pairs, on_bad_image, record)


def _refuse_unsuitable(model: RecordedModel, tasks: Sequence[AnyTask]) -> None:
    """Refuse tasks that need embeddings of a model that has scores only."""
    if model.has_vectors:
        return
    unsuitable = [
        task.name
        for task in tasks
        if isinstance(task, EmbeddingTask) and task.image_pairs() is None
    ]
    if unsuitable:
        several = len(unsuitable) > 1
        msg = (
            f"{'Tasks' if several else 'Task'} {listed(map(repr, unsuitable))} "
            f"{'need' if several else 'needs'} embeddings. Model {model.name!r} has only scores of "
            f"pairs ({model.file}). Run {'them' if several else 'it'} in an experiment without "
            f"this model, or leave {'them' if several else 'it'} out here."
        )
        raise InputError(msg)
