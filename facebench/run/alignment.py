"""Which images a model aligns: photographs, but by default not stimuli that are aligned already."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from facebench.data.made_stimuli import MadeFolder, MadeImages, MadeStimuli, made_images
from facebench.data.pairs import ImagePaths
from facebench.engine.request import EmbeddingRequest
from facebench.errors import InputError
from facebench.faces.aligner import Hint
from facebench.faces.templates import TEMPLATES
from facebench.models.aligning import AligningModel
from facebench.models.base import BaseModel
from facebench.run.measurement import AnyTask
from facebench.run.task_images import TaskImages, different_paths
from facebench.tasks.base import BaseTask

__all__ = [
    "TaskPass",
    "alignment_of",
    "alignment_warnings",
    "hinted",
    "hints_of",
    "made_by_task",
    "passes_of",
]


@dataclass(frozen=True)
class TaskPass:
    """Tasks whose images a model takes in one pass, all aligned or none.

    Attributes
    ----------
    tasks : list of BaseTask or EmbeddingTask
        The tasks.
    alignment : callable
        Gives a block in which the model aligns their images, or takes them as they are.
    """

    tasks: list[AnyTask]
    alignment: Callable[[], AbstractContextManager[None]]


def made_by_task(images: Mapping[str, TaskImages]) -> dict[str, MadeImages]:
    """Find out which tasks' images `make_conditions` made, from the manifests beside them.

    Parameters
    ----------
    images : mapping of str to ImagePaths or list of Path
        By task.
    """
    stimuli = MadeStimuli()
    return {task: made_images(different_paths(files), stimuli) for task, files in images.items()}


def alignment_of(model: BaseModel, images: MadeImages) -> AbstractContextManager[None]:
    """Give a block in which a model treats images as its `align` says, or by default as they need.

    Parameters
    ----------
    model : BaseModel
        The model.
    images : MadeImages
        What is known of the images.

    Returns
    -------
    context manager
    """
    if model.aligns_by_default and images.are_all:
        return model.without_alignment()
    return nullcontext()


def passes_of(
    model: BaseModel, tasks: Sequence[AnyTask], made: Mapping[str, MadeImages]
) -> list[TaskPass]:
    """Split tasks into those whose images a model aligns, and those it takes as they are.

    Parameters
    ----------
    model : BaseModel
        The model.
    tasks : sequence of BaseTask or EmbeddingTask
        The tasks.
    made : mapping of str to MadeImages
        From `made_by_task`.

    Returns
    -------
    list of TaskPass
        One or two.
    """
    if not model.aligns_by_default:
        return [TaskPass(list(tasks), nullcontext)]
    parts = [
        TaskPass([task for task in tasks if made[task.name].are_all == as_made], alignment)
        for as_made, alignment in ((False, nullcontext), (True, model.without_alignment))
    ]
    return [part for part in parts if part.tasks]


def hints_of(
    model: BaseModel, tasks: Sequence[AnyTask], images: Mapping[str, TaskImages]
) -> dict[Path, Hint]:
    """Read where the face is that is meant, from the column that a model names.

    Parameters
    ----------
    model : BaseModel
        The model.
    tasks : sequence of BaseTask or EmbeddingTask
        The tasks.
    images : mapping of str to ImagePaths or list of Path
        By task.

    Returns
    -------
    dict of Path to tuple of float
        Of the images with a hint.

    Raises
    ------
    InputError
        If a task has no such columns, a cell cannot be read, or an image has two hints.
    """
    found: dict[Path, Hint] = {}
    if model.hint_column is None or model.active_aligner is None:
        return found
    for task in tasks:
        files = images[task.name]
        table = task.measured_pairs if isinstance(task, BaseTask) else None
        columns = [f"{model.hint_column}{side}" for side in (1, 2)]
        if table is None or not isinstance(files, ImagePaths) or not {*columns} <= {*table.columns}:
            has = ", ".join(map(str, table.columns)) if table is not None else "no pairs table"
            msg = (
                f"The 'which_face' of model {model.name!r} needs the columns {columns[0]} and "
                f"{columns[1]} in the pairs of task {task.name!r}, which has: {has}."
            )
            raise InputError(msg)
        for column, paths in zip(columns, (files.img1, files.img2), strict=True):
            for row, (path, cell) in enumerate(zip(paths, table[column], strict=True), start=1):
                hint = _hint(cell, f"Row {row} of column {column!r}, task {task.name!r}")
                if hint is not None and found.setdefault(path, hint) != hint:
                    raise _two_hints(path, found[path], hint)
    return found


def _hint(cell: object, where: str) -> Hint | None:
    text = "" if pd.isna(cell) else str(cell).strip()
    if not text:
        return None
    with suppress(ValueError):
        numbers = tuple(map(float, re.split(r"[\s,;]+", text.strip("()[]"))))
        is_box = len(numbers) == 4 and numbers[0] < numbers[2] and numbers[1] < numbers[3]
        if all(map(math.isfinite, numbers)) and (len(numbers) == 2 or is_box):
            return numbers  # type: ignore[return-value]
    msg = (
        f"{where}: a face is pointed at by x and y, or by left, top, right and bottom, in pixels, "
        f"such as '120 80'. Got {text!r}."
    )
    raise InputError(msg)


def _two_hints(path: Path, one: Hint, other: Hint) -> InputError:
    return InputError(
        f"The image {path} is pointed at in two places, {one} and {other}. An image is embedded "
        "once: use two copies that differ, each cut to its face."
    )


@contextmanager
def hinted(
    model: BaseModel,
    tasks: Sequence[AnyTask],
    images: Mapping[str, TaskImages],
    request: EmbeddingRequest,
) -> Iterator[None]:
    """Tell a model in a block which faces are meant; see `hints_of`."""
    aligner = model.active_aligner
    if aligner is None or model.hint_column is None:
        yield
        return
    by_number: dict[int, Hint] = {}
    for path, hint in hints_of(model, tasks, images).items():
        known = by_number.setdefault(request.number_of[path], hint)
        if known != hint:
            raise _two_hints(path, known, hint)
    own = {request.digests[number].hex(): hint for number, hint in by_number.items()}
    digest = hashlib.blake2b(json.dumps(own, sort_keys=True).encode(), digest_size=20)
    aligner.hints_digest = digest.hexdigest()
    aligner.hints = {
        str(path): by_number[number]
        for path, number in request.number_of.items()
        if number in by_number
    }
    try:
        yield
    finally:
        aligner.hints, aligner.hints_digest = None, ""


def alignment_warnings(
    model: BaseModel, made: Mapping[str, MadeImages], what: str = "task"
) -> list[str]:
    """Say which tasks' made stimuli do not suit how a model aligns faces, or was trained.

    Parameters
    ----------
    model : BaseModel
        The model.
    made : mapping of str to MadeImages
        From `made_by_task`.
    what : str, default 'task'
        What the names are of.
    """
    found: dict[str, list[str]] = {}
    for task, images in made.items():
        for reason in _reasons(model, images):
            found.setdefault(reason, []).append(task)
    return [
        f"Model {model.name!r}, {what}{'s' if len(tasks) > 1 else ''} "
        f"{', '.join(map(repr, tasks))}: {reason}"
        for reason, tasks in found.items()
    ]


def _reasons(model: BaseModel, images: MadeImages) -> list[str]:
    if not images.n_made:
        return []
    aligns = model.face_alignment is not None
    if not images.are_all and aligns:
        return [
            f"{images.n_made} of {images.n_images} images are made stimuli, which are prepared "
            "already, and the others are not; the model aligns them all. Compare stimuli with "
            "stimuli, or set align=False."
        ]
    if aligns and not model.aligns_by_default:
        return [
            "align=True finds and aligns faces in made stimuli, which are prepared already, and "
            "finds fewer in manipulated ones. Leave 'align' out to take stimuli as they are."
        ]
    expected = _expected(model)
    return [reason for folder in images.folders if (reason := _mismatch(folder, *expected))]


def _expected(model: BaseModel) -> tuple[str, tuple[int, float] | None]:
    """Say what faces a network was trained on; also their size and padding, if dlib's."""
    aligner = model.face_aligner
    template = TEMPLATES.get(str(model.template)) or (aligner.template if aligner else None)
    if isinstance(model, AligningModel):
        size, padding = model.chip
    elif template is None:
        return "", None
    elif template.kind == "dlib":
        size, padding = template.size, template.margin
    else:
        return f"The network takes faces cut out as {template.name}", None
    told = f"The network was trained on aligned faces of {size} pixels with a padding of"
    return f"{told} {padding:g}", (size, padding)


def _mismatch(folder: MadeFolder, expected: str, chip: tuple[int, float] | None) -> str:
    if not expected:
        return ""
    told, advice = f"the stimuli in {folder.path} are whole photographs, not aligned", "align=True"
    if folder.alignment is not None:
        own = folder.alignment.get("size"), folder.alignment.get("padding")
        if own == chip:
            return ""
        told = (
            f"the stimuli in {folder.path} are aligned faces of {own[0]} pixels with a padding of "
            f"{own[1]}"
        )
        advice = "the same, where that is possible"
    return f"{told}. {expected}{f': make the stimuli with {advice}' if chip else ''}."
