"""Centring, whitening and score normalisation: transformations fitted on other images.

Centring and whitening of a model's embeddings, and score normalisation of a task's distances. The
other images go through the same model; they must not be those that are evaluated.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facebench.data.identity import people_of
from facebench.data.image_sets import ImageSet, image_set
from facebench.data.made_stimuli import MadeImages
from facebench.engine import EmbeddingRequest, Embeddings, ModelRecord, Settings, run_model
from facebench.engine.request import ImageIndex, digests_of
from facebench.errors import InputError, ModelError
from facebench.faces import NO_FACE
from facebench.metrics.whitening import Whitening, fit_whitening
from facebench.models.base import BaseModel
from facebench.models.recorded import RecordedModel
from facebench.run.alignment import made_by_task
from facebench.run.pair_distances import Normaliser
from facebench.run.task_images import TaskImages, image_names, paths_of
from facebench.store import EmbeddingStore
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask
from facebench.types import FloatArray
from facebench.utils.units import shown_bytes

__all__ = ["check_wrappers", "keeps_all_rows", "run_wrapped", "sets_beside"]

_log = logging.getLogger(__name__)
_SHOWN = 5
# The covariance of more numbers than this takes over half a gigabyte.
_WIDEST_WHITENED = 8192
AnyTask = BaseTask | EmbeddingTask


def check_wrappers(
    models: Sequence[BaseModel | RecordedModel],
    tasks: Sequence[AnyTask],
    images: Mapping[str, TaskImages],
    made: Mapping[str, MadeImages],
    store: EmbeddingStore | None,
) -> None:
    """Refuse sets of other images that overlap the evaluated ones, before anything is embedded.

    Parameters
    ----------
    models : sequence of BaseModel or RecordedModel
        The models.
    tasks : sequence of BaseTask or EmbeddingTask
        The tasks.
    images : mapping of str to ImagePaths or list of Path
        By task; where no model is a network, none.
    made : mapping of str to MadeImages
        By task, from `made_by_task`.
    store : EmbeddingStore or None
        Knows the digests of files it has seen.

    Raises
    ------
    InputError
        If an image, or a person of a cohort, is evaluated too, or an option does not suit a task.
    MissingImageError
        If a set is missing.
    """
    for task in tasks:
        recorded = [model.name for model in models if isinstance(model, RecordedModel)]
        if recorded and isinstance(task, BaseTask) and task.score_norm is not None:
            msg = (
                f"Score normalisation of task {task.name!r} needs the embeddings of its cohort, "
                f"which model {recorded[0]!r}, a file, does not give. Run that model on a task "
                "without it."
            )
            raise InputError(msg)
    tasks = [task for task in tasks if task.name in images]
    networks = [model for model in models if isinstance(model, BaseModel)]
    for model in networks:
        _check_ensemble(model, tasks, made)
        if model.fitting is None:
            continue
        others = image_set(model.fitting["images"], model.fitting["kind"])
        what = f"the images that model {model.name!r} is fitted on ({model.fitting['kind']!r})"
        for task in tasks:
            _refuse_images(what, others, task, paths_of(images[task.name]), store)
        _check_stimuli(model, what, others, made)
    for task in tasks:
        if isinstance(task, BaseTask) and task.score_norm is not None:
            cohort = image_set(task.score_norm["cohort"], "cohort")
            what = f"the cohort of task {task.name!r}"
            _refuse_images(what, cohort, task, paths_of(images[task.name]), store)
            _refuse_people(what, cohort, task)
            least = task.score_norm["top"] or 2
            if len(cohort.paths) < least:
                msg = (
                    f"Score normalisation of task {task.name!r} needs a cohort of {least} images "
                    f"or more. {cohort.source} has {len(cohort.paths)}."
                )
                raise InputError(msg)
            for model in networks:
                _check_stimuli(model, what, cohort, {task.name: made[task.name]})


def _check_ensemble(
    model: BaseModel, tasks: Sequence[AnyTask], made: Mapping[str, MadeImages]
) -> None:
    if getattr(model, "score_blocks", ()):
        unsuited = [task.name for task in tasks if isinstance(task, EmbeddingTask)]
        if unsuited:
            msg = (
                f"Ensemble {model.name!r} averages distances of pairs (combine: scores), which "
                f"task {unsuited[0]!r} does not compare. Use combine: concat."
            )
            raise InputError(msg)
    stimuli = [name for name, found in made.items() if found.are_all]
    for member in getattr(model, "members", ()):
        if stimuli and getattr(member, "aligns_by_default", False):
            msg = (
                f"Member {member.name!r} of ensemble {model.name!r} would align the images of task "
                f"{stimuli[0]!r}, which are made stimuli. Set its 'align' to true or false."
            )
            raise InputError(msg)


def _check_stimuli(
    model: BaseModel, what: str, others: ImageSet, made: Mapping[str, MadeImages]
) -> None:
    """Refuse sets that would be aligned otherwise than a task's images."""
    if not getattr(model, "aligns_by_default", False):
        return
    are_made = made_by_task({what: others.paths})[what].are_all
    differing = [name for name, found in made.items() if found.are_all != are_made]
    if differing:
        one, other = (
            ("made stimuli", "photographs") if are_made else ("photographs", "made stimuli")
        )
        msg = (
            f"Model {model.name!r} aligns photographs and takes made stimuli as they are. "
            f"{what[0].upper()}{what[1:]} are {one}, and those of task {differing[0]!r} {other}. "
            "Give a set of the same kind, or set the model's 'align' to true or false."
        )
        raise InputError(msg)


def _refuse_images(
    what: str, others: ImageSet, task: AnyTask, paths: list[Path], store: EmbeddingStore | None
) -> None:
    evaluated = dict(zip(digests_of(paths, store), paths, strict=True))
    shared = [
        (path, evaluated[digest])
        for digest, path in zip(digests_of(others.paths, store), others.paths, strict=True)
        if digest in evaluated
    ]
    if shared:
        own, theirs = shared[0]
        msg = (
            f"{len(shared)} of {len(others.paths)} images of {what} are evaluated in task "
            f"{task.name!r} too, by their content: {own} is {theirs}. Use other images, or results "
            "would be fitted to the images they are judged on."
        )
        raise InputError(msg)


def _refuse_people(what: str, cohort: ImageSet, task: BaseTask) -> None:
    people = {str(person) for person in people_of(image_names(task))}
    columns = getattr(task, "identity", None)
    if isinstance(columns, Sequence) and not isinstance(columns, str):
        people |= {str(person) for column in columns for person in task.measured_pairs[column]}
    people.discard("")
    if not cohort.people or not people:
        of = "the cohort" if not cohort.people else "the task"
        _log.warning(
            "Task %r: who is in the images of %s is not known (no NAME/file.jpg), so it cannot be "
            "checked that the cohort shows other people. Only the images were compared.",
            task.name,
            of,
        )
        return
    shared = sorted(cohort.people & people)
    if shared:
        listed = ", ".join(shared[:_SHOWN]) + (", …" if len(shared) > _SHOWN else "")
        msg = (
            f"{len(shared)} of {len(cohort.people)} people of {what} are evaluated too: {listed}. "
            "A cohort must show other people: leave these out."
        )
        raise InputError(msg)


def run_wrapped(
    model: BaseModel,
    tasks: Sequence[AnyTask],
    request: EmbeddingRequest,
    settings: Settings,
    on_first_outputs: Callable[[Mapping[str, torch.Tensor]], None] | None,
    record: ModelRecord,
) -> Embeddings:
    """Run a model, with what is to be done to its embeddings and distances; see `run_model`.

    Where other images are needed, or distances of ensembles are averaged, all layers are kept in
    memory.

    Parameters
    ----------
    model : BaseModel
        The model.
    tasks : sequence of BaseTask or EmbeddingTask
        Whose images are requested.
    request, settings, on_first_outputs, record
        See `run_model`.

    Returns
    -------
    Embeddings
        Centred or whitened, with `blocks` and `normalisers`.

    Raises
    ------
    ModelError
        If the layers do not fit into memory, or cannot be whitened.
    """
    record.wrappers = {} if model.views is None else {"views": dict(model.views)}
    if getattr(model, "members", ()):
        record.wrappers["members"] = [
            {"name": member.name, "class": type(member).__name__, "views": member.views}
            for member in model.members  # type: ignore[attr-defined]
        ]
    blocks = getattr(model, "score_blocks", ())
    normed = _normed(tasks)
    if not keeps_all_rows(model, tasks):
        return run_model(model, request, settings, on_first_outputs, record=record)
    maps = _maps(model, settings, request, record)
    cohorts = {
        str(cohort): _others(model, image_set(cohort, "cohort"), settings, request)
        for cohort in dict.fromkeys(asked["cohort"] for _, asked in normed)
    }
    embeddings = run_model(model, request, settings, on_first_outputs, keep_all=True, record=record)
    embeddings = replace(
        embeddings,
        layers={
            layer: maps[layer].apply(rows) if layer in maps else rows
            for layer, rows in embeddings.layers.items()
        },
        blocks=blocks,
    )
    for task, asked in normed:
        found = cohorts[str(asked["cohort"])]
        rows = {
            layer: maps[layer].apply(table) if layer in maps else table
            for layer, table in found.rows.items()
        }
        embeddings.normalisers[task.name] = Normaliser(task, rows, blocks)
        record.wrappers.setdefault("score_norm", {})[task.name] = {
            **asked,
            "cohort": str(found.source),
            **found.facts,
        }
    return embeddings


def _normed(tasks: Sequence[AnyTask]) -> list[tuple[BaseTask, Mapping[str, Any]]]:
    return [
        (task, task.score_norm)
        for task in tasks
        if isinstance(task, BaseTask) and task.score_norm is not None
    ]


def keeps_all_rows(model: BaseModel, tasks: Sequence[AnyTask]) -> bool:
    """Tell whether all layers of a model are kept in memory, as `run_wrapped` has it."""
    blocks = getattr(model, "score_blocks", ())
    return model.fitting is not None or bool(_normed(tasks)) or bool(blocks)


def sets_beside(
    model: BaseModel, tasks: Sequence[AnyTask], store: EmbeddingStore | None
) -> list[tuple[str, EmbeddingRequest]]:
    """Say which other images a model embeds for these tasks, and what for.

    Parameters
    ----------
    model : BaseModel
        The model.
    tasks : sequence of BaseTask or EmbeddingTask
        The tasks.
    store : EmbeddingStore or None
        Knows the digests of files it has seen.

    Returns
    -------
    list of (str, EmbeddingRequest)
        Of images that it is fitted on, and of cohorts; each set once.
    """
    sets = {}
    if model.fitting is not None:
        found = image_set(model.fitting["images"], model.fitting["kind"])
        sets[found.source] = f"fitted on {found.source}", found
    for task in tasks:
        if isinstance(task, BaseTask) and task.score_norm is not None:
            found = image_set(task.score_norm["cohort"], "cohort")
            sets.setdefault(found.source, (f"cohort {found.source}", found))
    return [(what, _request_of(found, store)) for what, found in sets.values()]


def _request_of(others: ImageSet, store: EmbeddingStore | None) -> EmbeddingRequest:
    index = ImageIndex(others.paths, store)
    rows = np.arange(len(index.images), dtype=np.intp)
    return EmbeddingRequest(index.images, index.digests, index.number_of, row_images=rows)


@dataclass(frozen=True)
class _Others:
    """Embeddings of other images.

    Attributes
    ----------
    source : Path
        Where they are from.
    rows : dict of str to array, shape [N, D]
        By layer; without images in which no face was found.
    facts : dict
        What the record says of them.
    """

    source: Path
    rows: dict[str, FloatArray]
    facts: dict[str, Any]


def _others(
    model: BaseModel, others: ImageSet, settings: Settings, request: EmbeddingRequest
) -> _Others:
    wanted = _request_of(others, settings.store)
    found = run_model(model, wanted, settings, keep_all=True)
    faceless = {image for image, notes in found.image_notes.items() if NO_FACE in notes}
    kept = [row for image, row in enumerate(found.rows) if row >= 0 and image not in faceless]
    if faceless:
        _log.warning(
            "Model %r: %d of %d images of %s show no face, and are left out of it.",
            model.name,
            len(faceless),
            len(wanted.images),
            others.source,
        )
    needed = sum(rows.shape[1] for rows in found.layers.values()) * 4 * len(request.images)
    if needed > settings.budget:
        msg = (
            f"The layers of model {model.name!r} take {shown_bytes(needed)} for "
            f"{len(request.images)} images, and must be kept in memory to be centred, whitened or "
            f"normalised; {shown_bytes(settings.budget)} may be used. Choose fewer layers, or "
            "raise max_memory."
        )
        raise ModelError(msg)
    digest = hashlib.sha256(b"".join(sorted(wanted.digests))).hexdigest()
    facts = {"n_images": len(kept), "n_without_face": len(faceless), "images_digest": digest}
    return _Others(
        others.source, {layer: rows[kept] for layer, rows in found.layers.items()}, facts
    )


def _maps(
    model: BaseModel, settings: Settings, request: EmbeddingRequest, record: ModelRecord
) -> dict[str, Whitening]:
    fitting = model.fitting
    if fitting is None:
        return {}
    others = _others(model, image_set(fitting["images"], fitting["kind"]), settings, request)
    whiten = fitting["kind"] == "whiten"
    maps = {}
    for layer, rows in others.rows.items():
        if whiten and rows.shape[1] > _WIDEST_WHITENED:
            msg = (
                f"Layer {layer!r} of model {model.name!r} has {rows.shape[1]:,} numbers; layers of "
                f"up to {_WIDEST_WHITENED:,} can be whitened. Choose others, or use 'centre'."
            )
            raise ModelError(msg)
        try:
            maps[layer] = fit_whitening(rows, whiten=whiten, shrinkage=fitting["shrinkage"])
        except ValueError as error:
            msg = f"Layer {layer!r} of model {model.name!r} cannot be fitted. {error}"
            raise ModelError(msg) from error
    record.wrappers[fitting["kind"]] = {
        "images": str(others.source),
        **others.facts,
        "layers": {layer: {"shrinkage": found.shrinkage} for layer, found in maps.items()},
    }
    return maps
