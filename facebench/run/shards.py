"""A machine's share of a run: of the images that networks embed, or of the distractors searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from facebench.engine import EmbeddingRequest, Embeddings, ModelRecord, Settings
from facebench.engine.sharding import Shard, ShardPart, ShardWatch, embed_share
from facebench.errors import ImageError, InputError, StoreError
from facebench.models.base import BaseModel
from facebench.models.recorded import RecordedModel
from facebench.run.alignment import hinted
from facebench.run.face_failures import images_without_face
from facebench.run.failures import Failures, note_failure, raise_failures
from facebench.run.galleries import (
    check_sources,
    refuse_not_embedded,
    search_shares,
    source_of,
    with_distractors,
)
from facebench.run.measurement import AnyModel, AnyTask
from facebench.run.model_tasks import with_faces
from facebench.run.passes import ModelPasses, sides_of
from facebench.run.requests import look_up, request_by_name
from facebench.run.task_images import TaskImages, images_of
from facebench.run.wrapping import check_wrappers, keeps_all_rows, run_wrapped, sets_beside
from facebench.types import OnNoFace

if TYPE_CHECKING:
    from facebench.tasks.shared.distractors import SharedPart

__all__ = ["embed_shard", "search_shard"]


def embed_shard(
    models: Sequence[AnyModel],
    tasks: Sequence[AnyTask],
    settings: Settings,
    shard: Shard,
    watch: ShardWatch | None,
    *,
    all_rows: bool,
) -> list[ShardPart]:
    """Embed a share of the images with every network; see `MultiModelTaskManager.embed_shard`."""
    networks = [model for model in models if isinstance(model, BaseModel)]
    images = {task.name: images_of(task) for task in tasks} if networks else {}
    passes = ModelPasses(tasks, images, settings.store, all_rows=all_rows)
    check_wrappers(networks, tasks, images, passes.made, settings.store)
    parts: list[ShardPart] = []
    failures: Failures = []
    for model in networks:
        try:
            for part, request in passes.of(model):
                with part.alignment(), hinted(model, part.tasks, images, request):
                    keep_all = keeps_all_rows(model, part.tasks)
                    parts.append(
                        embed_share(model, request, settings, shard, watch, keep_all=keep_all)
                    )
                    for _what, others in sets_beside(model, part.tasks, settings.store):
                        parts.append(embed_share(model, others, settings, shard, keep_all=True))
        except (ImageError, StoreError):
            raise
        except Exception as error:
            note_failure(failures, model.name, error)
    raise_failures(failures)
    return parts


def search_shard(
    models: Sequence[AnyModel],
    tasks: Sequence[AnyTask],
    settings: Settings,
    on_no_face: OnNoFace | None,
    shard: Shard,
    watch: ShardWatch | None,
    *,
    all_rows: bool,
) -> list[SharedPart]:
    """Search a share of the distractors; see `MultiModelTaskManager.search_shard`."""
    tasks = with_distractors(tasks)
    if not tasks:
        msg = "No identification task has distractors: there is nothing to search in shards."
        raise InputError(msg)
    check_sources(models, tasks)
    networks = [model for model in models if isinstance(model, BaseModel)]
    by_name = request_by_name(tasks if len(networks) < len(models) else [])
    images = {task.name: images_of(task) for task in tasks} if networks else {}
    passes = ModelPasses(tasks, images, settings.store, all_rows=all_rows)
    check_wrappers(networks, tasks, images, passes.made, settings.store)
    parts: list[SharedPart] = []

    def share(
        model: AnyModel,
        own: Sequence[AnyTask],
        files: Mapping[str, TaskImages],
        request: EmbeddingRequest,
        embeddings: Embeddings,
        record: ModelRecord,
    ) -> None:
        known = with_faces(model, embeddings, images_without_face(embeddings), on_no_face)
        numbers = {task.name: sides_of(task, files[task.name], request)[0] for task in own}
        source = source_of(model, request, settings, watch)
        n_forwards = record.n_forwards
        parts.extend(
            search_shares(own, numbers, known, source, shard, model.name, n_forwards, watch)
        )

    for model in models:
        record = ModelRecord(model.name)
        if isinstance(model, RecordedModel):
            found = look_up(model, tasks, settings.on_bad_image, record, by_name)
            share(model, tasks, by_name.images, by_name.request, found, record)
            continue
        for part, request in passes.of(model):
            with part.alignment(), hinted(model, part.tasks, images, request):
                refuse_not_embedded(model, request, settings)
                found = run_wrapped(model, part.tasks, request, settings, None, record)
                share(model, part.tasks, images, request, found, record)
    return parts
