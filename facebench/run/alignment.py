"""Which images a model aligns: photographs, but by default not stimuli that are aligned already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from facebench.data.made_stimuli import MadeFolder, MadeImages, MadeStimuli, made_images
from facebench.faces.templates import TEMPLATES
from facebench.models.aligning import AligningModel
from facebench.models.base import BaseModel
from facebench.run.measurement import AnyTask
from facebench.run.task_images import TaskImages, paths_of

__all__ = ["TaskPass", "alignment_of", "alignment_warnings", "made_by_task", "passes_of"]


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

    Returns
    -------
    dict of str to MadeImages
    """
    stimuli = MadeStimuli()
    return {task: made_images(paths_of(files), stimuli) for task, files in images.items()}


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

    Returns
    -------
    list of str
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
