"""What a run would do, asked before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from facebench.data.pairs import missing_images
from facebench.engine import EmbeddingRequest, Settings, plan_recorded
from facebench.engine.plan import known_notes, plan_model
from facebench.engine.plan_tables import ModelPlan, RunPlan, TaskPlan
from facebench.errors import InputError, MetricError
from facebench.faces import NO_FACE
from facebench.models.base import BaseModel
from facebench.models.recorded import RecordedModel
from facebench.run.alignment import alignment_warnings, hinted
from facebench.run.face_failures import count_failures
from facebench.run.galleries import check_sources
from facebench.run.measurement import AnyModel, AnyTask
from facebench.run.passes import ModelPasses, sides_of
from facebench.run.requests import look_up, request_by_name
from facebench.run.task_images import TaskImages, image_names, images_of
from facebench.run.wrapping import check_wrappers, sets_beside
from facebench.tasks.base import BaseTask
from facebench.types import OnNoFace
from facebench.utils.progress import Progress

__all__ = ["plan_run"]


def plan_run(
    models: Sequence[AnyModel],
    tasks: Sequence[AnyTask],
    settings: Settings,
    on_no_face: OnNoFace | None,
    *,
    all_rows: bool,
) -> RunPlan:
    """Say what a run would do: what is stored, what is to embed, memory, disk and time.

    Parameters
    ----------
    models, tasks : sequence
        Of the run.
    settings : Settings
        How it would run.
    on_no_face : {'keep', 'skip', 'stop'} or None
        See `MultiModelTaskManager`.
    all_rows : bool
        Whether the rows of all layers are wanted.

    Raises
    ------
    FacebenchError
        If a network fails on the images, or a metric on the width of a layer.
    """
    networks = [model for model in models if isinstance(model, BaseModel)]
    # Networks do not know images by name.
    by_name = request_by_name(tasks if len(networks) < len(models) else [])
    task_plans, images = [], {}
    for task in tasks:
        names = image_names(task)
        missing = missing_images(names, task.images_path, task=task.name) if networks else []
        task_plans.append(
            TaskPlan(
                task.name,
                n_pairs=len(task.measured_pairs) if isinstance(task, BaseTask) else 0,
                n_images=len(set(names)),
                missing=missing,
            )
        )
        if networks and not missing:
            images[task.name] = images_of(task)
    there = [task for task in tasks if task.name in images]
    passes = ModelPasses(there, images, settings.store, all_rows=all_rows)
    check_wrappers(models, there, images, passes.made, settings.store)
    check_sources(models, tasks)
    model_plans: list[ModelPlan] = []
    warnings: list[str] = []
    with Progress("Checking models", len(models), "models", logged=False) as progress:
        for model in models:
            progress.begin(f"Checking model {model.name}")
            if isinstance(model, RecordedModel):
                look_up(model, tasks, settings.on_bad_image, wanted=by_name)
                plan = plan_recorded(model, len(by_name.names))
                if model.has_vectors:
                    _prove_widths(tasks, [plan])
                model_plans.append(plan)
                progress.advance(1)
                continue
            warnings += alignment_warnings(model, passes.made)
            for part, request in passes.of(model):
                with part.alignment(), hinted(model, part.tasks, images, request):
                    plan = plan_model(model, request, settings)
                    _prove_widths(part.tasks, [plan])
                    model_plans.append(plan)
                    for what, others in sets_beside(model, part.tasks, settings.store):
                        beside = plan_model(model, others, settings)
                        model_plans.append(replace(beside, model=f"{model.name}, {what}"))
                    warnings += _known_failures(
                        model, part.tasks, images, request, settings, on_no_face
                    )
            progress.advance(1)
    return RunPlan(model_plans, task_plans, warnings)


def _known_failures(
    model: BaseModel,
    tasks: Sequence[AnyTask],
    images: Mapping[str, TaskImages],
    request: EmbeddingRequest,
    settings: Settings,
    on_no_face: OnNoFace | None,
) -> list[str]:
    """Say of tasks whose images were all embedded before whether they would be stopped."""
    if NO_FACE not in model.expected_notes:
        return []
    notes = known_notes(model, request, settings)
    failed = np.array([NO_FACE in notes.get(n, ()) for n in range(len(request.images))], bool)
    found = []
    for task in tasks:
        sides = sides_of(task, images[task.name], request)
        if all(number in notes for side in sides for number in side.tolist()):
            failures = count_failures(task, model.name, sides, failed)
            try:
                failures.refuse(model.on_no_face or on_no_face)
                found += failures.differing
            except InputError as error:
                found.append(f"This task will be stopped. {error}")
    return found


def _prove_widths(tasks: Sequence[AnyTask], plans: Sequence[ModelPlan]) -> None:
    """Call users' metrics on vectors as wide as every layer, before any image is embedded."""
    for task in tasks:
        if not isinstance(task, BaseTask):
            continue
        known: dict[int, str] = {}
        for plan in plans:
            for layer in plan.layers:
                known.setdefault(layer.width, f"layer {layer.layer!r} of model {plan.model!r}")
        for width, where in known.items():
            try:
                task.distance_metric.prove_width(width)
            except MetricError as error:
                msg = f"Task {task.name!r} cannot measure {where}, {width} numbers wide. {error}"
                raise MetricError(msg) from error
