"""Many models, many layers, many tasks, in one run."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import LAYER, MODEL, TASK
from facebench.data.bibliography import citations_of
from facebench.data.estimates import LayerEstimates
from facebench.data.made_stimuli import MadeImages
from facebench.data.pairs import missing_images
from facebench.engine import (
    EmbeddingRequest,
    Embeddings,
    ModelRecord,
    Settings,
    plan_recorded,
)
from facebench.engine.acceleration import engine_of
from facebench.engine.devices import embed_on_devices
from facebench.engine.forward import MemoryFormat, Precision
from facebench.engine.jpeg_decoding import Decoder, check_decoder
from facebench.engine.plan import known_notes, plan_model
from facebench.engine.plan_tables import ModelPlan, RunPlan, TaskPlan
from facebench.engine.record import library_versions
from facebench.engine.sharding import Shard, ShardPart, ShardWatch, embed_share
from facebench.errors import (
    FacebenchError,
    ImageError,
    InputError,
    MetricError,
    StoreError,
)
from facebench.faces import NO_FACE
from facebench.figures.output import checked_formats, figure_output
from facebench.figures.records.run_models import (
    note_measures,
    note_models,
    note_people,
    note_series,
)
from facebench.metrics.verification import auc
from facebench.models.acceleration import Accelerate, check_acceleration
from facebench.models.base import BaseModel
from facebench.models.recorded import RecordedModel
from facebench.models.untrained import misnomer
from facebench.results import exports
from facebench.results.growing_table import GrowingTable
from facebench.results.schema import FAILURES_FILE, empty_failures
from facebench.run.alignment import (
    TaskPass,
    alignment_warnings,
    hinted,
    hints_of,
    made_by_task,
    passes_of,
)
from facebench.run.arguments import add_members, at_least, export_folder, named, one_of
from facebench.run.estimates import Estimator
from facebench.run.face_failures import FaceFailures, count_failures, images_without_face
from facebench.run.failures import Failures, note_failure, raise_failures
from facebench.run.galleries import (
    check_sources,
    refuse_not_embedded,
    search_shares,
    source_of,
    with_distractors,
)
from facebench.run.measurement import AnyTask, TaskMeasurement, measure, measure_items
from facebench.run.requests import (
    look_up,
    request_by_name,
    request_of_files,
)
from facebench.run.task_images import TaskImages, image_names, images_of, names_of, paths_of
from facebench.run.wrapping import check_wrappers, keeps_all_rows, run_wrapped, sets_beside
from facebench.store import EmbeddingStore, open_store
from facebench.store.folder import NO_PACKS, NOT_KEPT
from facebench.store.rows import StoreDtype
from facebench.tasks.base import BaseTask, round_measures
from facebench.tasks.embedding import EmbeddingTask, LayerSource
from facebench.tasks.measures import declared_measures, measures_for
from facebench.tasks.shared.people import PEOPLE
from facebench.types import SHORT_PRECISIONS, IntArray, OnBadImage, OnNoFace, StrPath
from facebench.utils.files import one_writer, write_csv
from facebench.utils.progress import Progress, visible_log
from facebench.utils.units import as_bytes

if TYPE_CHECKING:
    from facebench.data.health import DataHealth
    from facebench.tasks.shared.distractors import SharedPart

__all__ = ["MultiModelTaskManager"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
AnyModel = BaseModel | RecordedModel


class MultiModelTaskManager:
    """Runs every model on every task and keeps and exports what comes out.

    Each image goes through a model once, for all tasks and layers together, and never again while
    the embedding store holds what came out. All input is checked before the first image is
    embedded. What is finished is on disk at once: after a failure or an interruption the same run
    resumes where it stopped.

    Parameters
    ----------
    models : BaseModel, EmbeddingsModel or ScoresModel, or list of them
        The models; names must differ. Where all are files of embeddings or scores, the images of
        the tasks need not be there.
    tasks : BaseTask or EmbeddingTask, or list of them
        The tasks; names must differ.
    batch_size : int, default 32
        Images per forward pass, at most.
    num_workers : int, optional
        Processes that decode images; None takes one per core, 0 none.
    on_bad_image : {'stop', 'skip'}, default 'stop'
        Whether an image that cannot be decoded ends the run, or its pairs are left out (their
        distance is empty) and counted.
    on_no_face : {'keep', 'skip', 'stop'}, optional
        What to do with images in which a model that aligns faces finds none. They are counted for
        every condition of every task. None keeps them, cut around their centre, but stops a task
        whose conditions differ in them: by more than 25 % of the pairs, or by more than 1 % and
        more than chance lets expect (Fisher's exact test of the images, P < .05). 'keep' never
        stops; 'skip' leaves their pairs out as those of unreadable images; 'stop' stops a task at
        any such image.
    cache_dir : str, Path or None, default 'default'
        Folder of the embedding store; 'default' is FACEBENCH_CACHE, else the user's cache folder.
        None keeps nothing.
    cache_dtype : {'float32', 'float16'}, default 'float32'
        What values are kept as. With float16 a first run uses rounded values too, so that the next
        one gives the same numbers.
    packs : str or Path, optional
        A folder of packs, which machines share: they are read beside the store. `facebench embed`
        with a shard writes them.
    max_memory : int or str, optional
        Memory to stay within, such as '4GiB'; None takes half of what is free. Layers that do not
        fit are compared while their outputs are in memory.
    decoder : {'pillow', 'torchvision', 'nvjpeg'}, default 'pillow'
        What decodes JPEGs that are upright and in sRGB; Pillow decodes all other images. The
        difference from Pillow is measured on the first images and recorded; embeddings are stored
        separately.
    memory_format : {'auto', 'contiguous', 'channels_last'}, default 'auto'
        Layout of networks and inputs in memory; 'auto' measures which is faster. What is asked for
        is compared with float32 in the usual layout, and stored separately.
    precision : {'float32', 'tf32', 'float16', 'bfloat16'}, default 'float32'
        Other than float32 runs networks under autocast.
    accelerate : {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'}, default 'none'
        What runs networks: their graph in another engine, which is compared with torch on the first
        batch and refused where a row differs by more than 1e-4 of its length. What a model says of
        itself (`BaseModel.set_acceleration`) comes first.
    devices : list of str, optional
        Several devices to share the images among, such as ['cuda:0', 'cuda:1'], with a process
        each; needs the store. None runs every model where it is.
    export_embeddings : {'npz', 'parquet'}, optional
        Write the embeddings of every network to ``Embeddings``, a file per network, in the form
        that `EmbeddingsModel` reads. Names are relative to the folder that holds the images of all
        tasks.
    export_pairs : {'auto', 'csv', 'parquet'}, default 'auto'
        What the distances of every pair are written as, in ``Computed Metrics``. 'auto' writes a
        table of more than 100,000 rows as parquet.
    figures : {'png', 'pdf', 'svg'} or list of them, default 'png'
        What figures are written as; see `PlotHelper`.

    Attributes
    ----------
    models, tasks : dict
        By name.
    tasks_performance_dfs : dict of str to DataFrame
        Each task's results behind Task Name, Model Name and Layer Name; layers in network order.
    unrounded_performance_dfs : dict of str to DataFrame
        The same before rounding to the documented 5 decimals.
    model_task_distances_dfs : dict of str to dict of str to DataFrame
        By model and task: every pair row in file order, once per layer, with all columns of the
        file, ``layer_name`` and ``model_computed_distance``; of an EmbeddingTask its items.
    estimates : dict of str to dict of str to dict of str to LayerEstimates
        By task, model and layer: every number with its interval and what it was made from, and
        what comparisons of models are made of.
    remarks : dict of str to dict of str to int
        By model, counts worth knowing: images without a face, pairs lost to bad images.
    failures_to_process : DataFrame
        Of models that align faces: in how many pairs and images no face was found, for every task,
        model and condition; also of tasks that were stopped because of that.
    records : dict of str to ModelRecord
        By model, where its embeddings came from and what they took.
    image_files : dict of str to ImagePaths or list of Path
        By task, the files of its images, once a network has run on them.

    Raises
    ------
    DuplicateNameError
        If two models or two tasks share a name.
    InputError
        If something given is not what it should be.
    StoreError
        If the store in cache_dir is of a newer version.
    """

    def __init__(
        self,
        models: AnyModel | Iterable[AnyModel],
        tasks: AnyTask | Iterable[AnyTask],
        batch_size: int = 32,
        *,
        num_workers: int | None = None,
        on_bad_image: OnBadImage = "stop",
        on_no_face: OnNoFace | None = None,
        cache_dir: StrPath | None = "default",
        cache_dtype: StoreDtype = "float32",
        packs: StrPath | None = None,
        max_memory: float | str | None = None,
        precision: Precision = "float32",
        accelerate: Accelerate = "none",
        decoder: Decoder = "pillow",
        memory_format: MemoryFormat = "auto",
        devices: Sequence[str] | None = None,
        export_embeddings: Literal["npz", "parquet"] | None = None,
        export_pairs: exports.PairsFormat = "auto",
        figures: str | Sequence[str] = ("png",),
    ) -> None:
        self.batch_size = at_least("batch_size", batch_size, 1)
        self.num_workers = (
            num_workers if num_workers is None else at_least("num_workers", num_workers, 0)
        )
        self.on_bad_image: OnBadImage = one_of("on_bad_image", on_bad_image, ("stop", "skip"))
        self.on_no_face: OnNoFace | None = one_of(
            "on_no_face", on_no_face, (None, "keep", "skip", "stop")
        )
        self.max_memory = None if max_memory is None else as_bytes(max_memory, "max_memory")
        self.accelerate: Accelerate = check_acceleration(accelerate)
        self.precision: Precision = one_of(
            "precision", SHORT_PRECISIONS.get(precision, precision), get_args(Precision)
        )
        self.decoder: Decoder = one_of("decoder", decoder, get_args(Decoder))
        check_decoder(self.decoder)
        self.memory_format: MemoryFormat = one_of(
            "memory_format", memory_format, get_args(MemoryFormat)
        )
        self.devices = [] if devices is None else [str(device) for device in devices]
        self.export_embeddings = one_of(
            "export_embeddings", export_embeddings, (None, "npz", "parquet")
        )
        self.export_pairs: exports.PairsFormat = one_of(
            "export_pairs", export_pairs, exports.PAIRS_FORMATS
        )
        self.figures = checked_formats(figures, "The 'figures' parameter of MultiModelTaskManager")
        self.cache_dir = cache_dir
        self.packs = packs
        self._store: EmbeddingStore | None = open_store(cache_dir, dtype=cache_dtype, packs=packs)
        self.models: dict[str, AnyModel] = {}
        self.tasks: dict[str, AnyTask] = {}
        self.model_task_distances_dfs: dict[str, dict[str, pd.DataFrame]] = {}
        self.remarks: dict[str, dict[str, int]] = {}
        self.records: dict[str, ModelRecord] = {}
        self._face_failures: dict[tuple[str, str], FaceFailures] = {}
        self._growing: dict[Path, GrowingTable] = {}
        self.image_files: dict[str, TaskImages] = {}
        self._measured_before: set[str] = set()
        # By file, model and task: what is not new is not written again.
        self._added: dict[tuple[Path, str, str], pd.DataFrame] = {}
        # By task and model, rounded and unrounded; joined where a table is asked for.
        self._rows: dict[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]] = {}
        self._estimates: dict[str, dict[str, dict[str, LayerEstimates]]] = {}
        self._joined: tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]] = ({}, {})
        self._to_join: dict[str, None] = {}
        self._people: dict[str, pd.DataFrame] = {}
        self._plot_seconds = 0.0
        self.add_models(models)
        self.add_tasks(tasks)
        for name, model in self.models.items():
            if isinstance(model, BaseModel):
                engine = engine_of(model, self.accelerate, self.precision)
                if engine == "none" != (model.acceleration or self.accelerate):
                    _log.warning(
                        "Model %r runs without 'accelerate': %s.", name, model.why_not_accelerated
                    )
                if contradiction := misnomer(model):
                    _log.warning("%s", contradiction)

    @override
    def __repr__(self) -> str:
        return f"MultiModelTaskManager(models={list(self.models)}, tasks={list(self.tasks)})"

    @property
    def tasks_performance_dfs(self) -> dict[str, pd.DataFrame]:
        """Each task's results, layers in network order."""
        return self._tables()[0]

    @property
    def unrounded_performance_dfs(self) -> dict[str, pd.DataFrame]:
        """Each task's results before rounding."""
        return self._tables()[1]

    @property
    def estimates(self) -> dict[str, dict[str, dict[str, LayerEstimates]]]:
        """Every number with its interval, by task, by model in the manager's order, by layer."""
        return {
            task: {name: known[name] for name in self.models if name in known}
            for task, known in self._estimates.items()
        }

    @property
    def needs_images(self) -> bool:
        """Whether any model is a network, which needs the images themselves."""
        return any(isinstance(model, BaseModel) for model in self.models.values())

    def add_models(self, models: AnyModel | Iterable[AnyModel]) -> None:
        """Add models.

        Parameters
        ----------
        models : BaseModel, EmbeddingsModel or ScoresModel, or list of them
            With names that no other model has.
        """
        add_members(models, BaseModel, self.models, RecordedModel)
        for name, model in self.models.items():
            self.model_task_distances_dfs.setdefault(name, {})
            citations_of(model)

    def add_tasks(self, tasks: AnyTask | Iterable[AnyTask]) -> None:
        """Add tasks.

        Parameters
        ----------
        tasks : BaseTask or EmbeddingTask, or list of them
            With names that no other task has.
        """
        add_members(tasks, BaseTask, self.tasks, EmbeddingTask)
        for task in self.tasks.values():
            # A wrong declaration is told before any network runs.
            declared_measures(task)
            citations_of(task)

    def run_task(
        self,
        model_name: str,
        task_name: str,
        export_path: StrPath | None = None,
        print_log: bool = False,
    ) -> None:
        """Run one task with one model and export its tables (no plots).

        Parameters
        ----------
        model_name, task_name : str
            Which.
        export_path : str or Path, optional
            Folder for the results; None is the current one.
        print_log : bool, default False
            Show the log on standard error.
        """
        self._run([model_name], [task_name], export_path, print_log, plots=False)

    def run_task_with_all_models(
        self,
        task_name: str,
        export_path: StrPath | None = None,
        print_log: bool = False,
        *,
        plots: bool = True,
    ) -> None:
        """Run one task with every model and export tables and plots.

        Parameters
        ----------
        task_name : str
            Which.
        export_path, print_log
            See `run_task`.
        plots : bool, default True
            Whether to draw.
        """
        self._run(list(self.models), [task_name], export_path, print_log, plots=plots)

    def run_all_tasks_with_model(
        self,
        model_name: str,
        export_path: StrPath | None = None,
        print_log: bool = False,
        *,
        plots: bool = True,
    ) -> None:
        """Run every task with one model and export tables and plots.

        Parameters
        ----------
        model_name : str
            Which.
        export_path, print_log
            See `run_task`.
        plots : bool, default True
            Whether to draw.
        """
        self._run([model_name], list(self.tasks), export_path, print_log, plots=plots)

    def run_all_tasks_all_models(
        self, export_path: StrPath | None = None, print_log: bool = False, *, plots: bool = True
    ) -> None:
        """Run every task with every model and export tables and plots.

        Parameters
        ----------
        export_path, print_log
            See `run_task`.
        plots : bool, default True
            Whether to draw.

        Raises
        ------
        FacebenchError
            If input is bad, before anything is embedded.
        Exception
            What failed, if one model or task did, after all others are finished and exported.
        RunFailedError
            Likewise, if several did.
        """
        self._run(list(self.models), list(self.tasks), export_path, print_log, plots=plots)

    def embed_shard(
        self,
        number: int,
        count: int,
        watch: ShardWatch | None = None,
    ) -> list[ShardPart]:
        """Embed a share of the images with every network, and publish the embeddings as packs.

        Nothing is measured. When all shards are done, a run finds all embeddings in the packs.

        Parameters
        ----------
        number, count : int
            Which share, from 0, of how many.
        watch : ShardWatch, optional
            Is told how far it is; what it raises ends the shard there.

        Returns
        -------
        list of ShardPart
            What was done of each model.

        Raises
        ------
        InputError
            If there is no such share, or no folder of packs.
        Exception
            What failed, if a model did, after all others are finished.
        """
        shard = Shard(number, count)
        if self._store is None or self._store.packs is None:
            raise InputError(NO_PACKS if self.packs is None else NOT_KEPT)
        networks = [model for model in self.models.values() if isinstance(model, BaseModel)]
        tasks = list(self.tasks.values())
        images = {task.name: images_of(task) for task in tasks} if networks else {}
        made = made_by_task(images)
        check_wrappers(networks, tasks, images, made, self._store)
        settings = self._settings()
        requests: dict[tuple[str, ...], EmbeddingRequest] = {}
        parts: list[ShardPart] = []
        failures: Failures = []
        for model in networks:
            try:
                for part, request in self._passes(model, tasks, images, made, requests):
                    with part.alignment(), hinted(model, part.tasks, images, request):
                        keep_all = keeps_all_rows(model, part.tasks)
                        parts.append(
                            embed_share(model, request, settings, shard, watch, keep_all=keep_all)
                        )
                        for _what, others in sets_beside(model, part.tasks, self._store):
                            parts.append(embed_share(model, others, settings, shard, keep_all=True))
            except (ImageError, StoreError):
                raise
            except Exception as error:
                note_failure(failures, model.name, error)
        raise_failures(failures)
        return parts

    def search_shard(
        self, number: int, count: int, watch: ShardWatch | None = None
    ) -> list[SharedPart]:
        """Search a share of the distractors of identification tasks, for all machines.

        What was found is published beside the packs. When all shards are done, a run merges it: its
        results are those of one machine, to the last bit.

        Parameters
        ----------
        number, count : int
            Which share, from 0, of how many.
        watch : ShardWatch, optional
            Is told how far it is: images are distractors. What it raises ends the shard; parts that
            are done are published.

        Returns
        -------
        list of SharedPart
            What was searched of each model, layer and task.

        Raises
        ------
        InputError
            If there is no such share, no folder of packs or no task with distractors, or if the
            images of a task were not embedded before.
        """
        shard = Shard(number, count)
        if self._store is None or self._store.packs is None:
            raise InputError(NO_PACKS)
        tasks = with_distractors(list(self.tasks.values()))
        models = list(self.models.values())
        if not tasks:
            msg = "No identification task has distractors: there is nothing to search in shards."
            raise InputError(msg)
        check_sources(models, tasks)
        networks = [model for model in models if isinstance(model, BaseModel)]
        by_name = request_by_name(tasks if len(networks) < len(models) else [])
        images = {task.name: images_of(task) for task in tasks} if networks else {}
        made, settings = made_by_task(images), self._settings()
        check_wrappers(networks, tasks, images, made, self._store)
        requests: dict[tuple[str, ...], EmbeddingRequest] = {}
        parts: list[SharedPart] = []

        def share(
            model: AnyModel,
            own: Sequence[AnyTask],
            files: Mapping[str, TaskImages],
            request: EmbeddingRequest,
            embeddings: Embeddings,
            record: ModelRecord,
        ) -> None:
            known = self._with_faces(model, embeddings, images_without_face(embeddings))
            numbers = {task.name: _sides(task, files[task.name], request)[0] for task in own}
            source = source_of(model, request, settings, watch)
            n_forwards = record.n_forwards
            parts.extend(
                search_shares(own, numbers, known, source, shard, model.name, n_forwards, watch)
            )

        for model in models:
            record = ModelRecord(model.name)
            if isinstance(model, RecordedModel):
                found = look_up(model, tasks, self.on_bad_image, record, by_name)
                share(model, tasks, by_name.images, by_name.request, found, record)
                continue
            for part, request in self._passes(model, tasks, images, made, requests):
                with part.alignment(), hinted(model, part.tasks, images, request):
                    refuse_not_embedded(model, request, settings)
                    found = run_wrapped(model, part.tasks, request, settings, None, record)
                    share(model, part.tasks, images, request, found, record)
        return parts

    def export_computed_metrics(self, export_path: StrPath) -> None:
        """Write the distances of every pair to ``Computed Metrics``, a file per layer and task.

        Parameters
        ----------
        export_path : str or Path
            Folder for the results.
        """
        folder = export_folder(export_path)
        for model, by_task in self.model_task_distances_dfs.items():
            for task, distances in by_task.items():
                exports.export_distances(folder, model, task, distances, self.export_pairs)

    def export_model_results_by_task(self, export_path: StrPath) -> None:
        """Write the results of each class of task, with its plots, to ``<TaskClass> Plots``.

        Parameters
        ----------
        export_path : str or Path
            Folder for the results.
        """
        folder = export_folder(export_path)
        failures: Failures = []
        for class_name, tasks in self._finished_classes(self.tasks.values()).items():
            write_csv(self._class_table(tasks), exports.class_table_path(folder, class_name))
        self._draw(folder, self.tasks.values(), failures)
        raise_failures(failures)

    def export_unified_summary(self, export_path: StrPath | None = None) -> None:
        """Write ``models_unified_results.csv``: a row per model and layer, a column per measure.

        Beside it goes ``provenance.json``: versions, settings, digests and timings.

        Parameters
        ----------
        export_path : str or Path, optional
            Folder for the results; None is the current one.
        """
        folder = export_folder(export_path)
        write_csv(self.unified_summary(), exports.summary_path(folder))
        exports.export_provenance(folder, self.provenance)

    def data_health(self) -> DataHealth:
        """Look at the tasks' data: duplicates, contradicting or doubtful labels, leaked identities.

        Labels are held against the distances of the network that tells a task's pairs apart best,
        if there are any yet. Images are opened once more, for their perceptual hashes.

        Returns
        -------
        DataHealth
        """
        best = {
            name: distances
            for name, task in self.tasks.items()
            if (distances := _best_distances(task, self.model_task_distances_dfs)) is not None
        }
        from facebench.data.health import health_report

        return health_report(self.tasks.values(), best, images_needed=self.needs_images)

    def export_data_health(self, export_path: StrPath | None = None) -> None:
        """Write ``data_health.csv``: a row per finding of `data_health`.

        Parameters
        ----------
        export_path : str or Path, optional
            Folder for the results; None is the current one.
        """
        exports.export_data_health(export_folder(export_path), self.data_health().to_frame())

    def unified_summary(self) -> pd.DataFrame:
        """Put all results so far in one table, a row per model and layer.

        Returns
        -------
        DataFrame
            Model Name, Layer Name, then a column per task and measure.
        """
        tables = self._with_people(self.tasks_performance_dfs)
        return exports.unified_summary(tables, self.remarks)

    @property
    def failures_to_process(self) -> pd.DataFrame:
        """The images in which no face was found, by task, model and condition."""
        tables = [failures.table for failures in self._face_failures.values()]
        return pd.concat([empty_failures(), *tables], ignore_index=True)

    def plan(
        self, model_names: Sequence[str] | None = None, task_names: Sequence[str] | None = None
    ) -> RunPlan:
        """Say what a run would do: what is stored, what is to embed, memory, disk and time.

        A model that is new here sends a few images through, to learn its layers and its pace.

        Parameters
        ----------
        model_names, task_names : sequence of str, optional
            Which; None is all.

        Returns
        -------
        RunPlan
            Prints as a table; models whose images are missing are planned without them. Images that
            a model is fitted on, and those of a cohort, have a row of their own.

        Raises
        ------
        FacebenchError
            If a network fails on the images, or a metric on the width of a layer.
        """
        models = [named(self.models, name, "model") for name in model_names or self.models]
        tasks = [named(self.tasks, name, "task") for name in task_names or self.tasks]
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
        settings = self._settings()
        there = [task for task in tasks if task.name in images]
        made = made_by_task(images)
        check_wrappers(models, there, images, made, self._store)
        check_sources(models, tasks)
        model_plans: list[ModelPlan] = []
        warnings: list[str] = []
        requests: dict[tuple[str, ...], EmbeddingRequest] = {}
        with Progress("Checking models", len(models), "models", logged=False) as progress:
            for model in models:
                progress.begin(f"Checking model {model.name}")
                if isinstance(model, RecordedModel):
                    look_up(model, tasks, self.on_bad_image, wanted=by_name)
                    plan = plan_recorded(model, len(by_name.names))
                    if model.has_vectors:
                        _prove_widths(tasks, [plan])
                    model_plans.append(plan)
                    progress.advance(1)
                    continue
                warnings += alignment_warnings(model, made)
                for part, request in self._passes(model, there, images, made, requests):
                    with part.alignment(), hinted(model, part.tasks, images, request):
                        plan = plan_model(model, request, settings)
                        _prove_widths(part.tasks, [plan])
                        model_plans.append(plan)
                        for what, others in sets_beside(model, part.tasks, self._store):
                            beside = plan_model(model, others, settings)
                            model_plans.append(replace(beside, model=f"{model.name}, {what}"))
                        warnings += self._known_failures(
                            model, part.tasks, images, request, settings
                        )
                progress.advance(1)
        return RunPlan(model_plans, task_plans, warnings)

    def _known_failures(
        self,
        model: BaseModel,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        request: EmbeddingRequest,
        settings: Settings,
    ) -> list[str]:
        """Say of tasks whose images were all embedded before whether they would be stopped."""
        if NO_FACE not in model.expected_notes:
            return []
        notes = known_notes(model, request, settings)
        failed = np.array([NO_FACE in notes.get(n, ()) for n in range(len(request.images))], bool)
        found = []
        for task in tasks:
            sides = _sides(task, images[task.name], request)
            if all(number in notes for side in sides for number in side.tolist()):
                failures = count_failures(task, model.name, sides, failed)
                try:
                    failures.refuse(model.on_no_face or self.on_no_face)
                    found += failures.differing
                except InputError as error:
                    found.append(f"This task will be stopped. {error}")
        return found

    @property
    def provenance(self) -> dict[str, Any]:
        """What the results so far came from, as JSON can hold it."""
        return {
            "versions": dict(library_versions()),
            "settings": {
                "batch_size": self.batch_size,
                "num_workers": self.num_workers,
                "on_bad_image": self.on_bad_image,
                "on_no_face": self.on_no_face,
                "cache_dtype": None if self._store is None else self._store.dtype,
                "cache_dir": None if self._store is None else str(self._store.folder),
                "packs": None if self.packs is None else str(self.packs),
                "max_memory": self.max_memory,
                "precision": self.precision,
                "accelerate": self.accelerate,
                "decoder": self.decoder,
                "memory_format": self.memory_format,
                "figures": list(self.figures),
                "devices": self.devices,
                "export_embeddings": self.export_embeddings,
                "export_pairs": self.export_pairs,
            },
            "seconds": {"plot": round(self._plot_seconds, 4)},
            "models": {name: record.as_dict() for name, record in self.records.items()},
        }

    @property
    def people_rows(self) -> dict[str, pd.DataFrame]:
        """What people did, by task: a row per group of participants, unrounded.

        Behind Task Name, Model Name ('People', or the group) and Layer Name (empty) are the columns
        of `BaseTask.people_rows`; only tasks that were run and have people.
        """
        return {name: self._people[name] for name in self.tasks if name in self._people}

    def _measure_people(self, tasks: Sequence[AnyTask]) -> None:
        """Measure the people of tasks, once, before any network runs.

        Raises
        ------
        InputError
            If a group of people is called as a model is.
        """
        for task in tasks:
            if task.people is None or task.name in self._people:
                continue
            rows = task.people_rows()
            if rows is None:
                continue
            keys = {TASK: task.name, MODEL: rows[PEOPLE].astype(str), LAYER: ""}
            twice = next((name for name in keys[MODEL] if name in self.models), None)
            if twice is not None:
                msg = (
                    f"A model is called {twice!r}, as the people of task {task.name!r} are in the "
                    "results. Give the model another name."
                )
                raise InputError(msg)
            more = rows.drop(columns=PEOPLE)
            self._people[task.name] = more.assign(**keys)[[*keys, *more.columns]]

    def _with_people(self, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Put people below the networks of each task."""
        return {
            name: (
                pd.concat([table, round_measures(self._people[name])], ignore_index=True)
                if name in self._people
                else table
            )
            for name, table in tables.items()
        }

    def _settings(self) -> Settings:
        return Settings(
            self.batch_size,
            self.num_workers,
            self.on_bad_image,
            self.max_memory,
            self.precision,
            self._store,
            accelerate=self.accelerate,
            decoder=self.decoder,
            memory_format=self.memory_format,
        )

    def _passes(
        self,
        model: BaseModel,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        made: Mapping[str, MadeImages],
        requests: dict[tuple[str, ...], EmbeddingRequest],
    ) -> Iterator[tuple[TaskPass, EmbeddingRequest]]:
        """Give a model's passes with what tasks want of each, made once for all models."""
        for part in passes_of(model, tasks, made):
            names = tuple(task.name for task in part.tasks)
            if names not in requests:
                requests[names] = request_of_files(
                    part.tasks, images, self._store, all_rows=self.export_embeddings is not None
                )
            yield part, requests[names]

    def _run(
        self,
        model_names: Sequence[str],
        task_names: Sequence[str],
        export_path: StrPath | None,
        print_log: bool,
        *,
        plots: bool = True,
    ) -> None:
        models = [named(self.models, name, "model") for name in model_names]
        tasks = [named(self.tasks, name, "task") for name in task_names]
        if not models or not tasks:
            msg = f"A run needs models and tasks. Got {len(models)} models and {len(tasks)} tasks."
            raise InputError(msg)
        networks = [model for model in models if isinstance(model, BaseModel)]
        # Files of results are looked into before any network runs; networks know no names.
        by_name = request_by_name(tasks if len(networks) < len(models) else [])
        recorded = {}
        for model in models:
            if isinstance(model, RecordedModel):
                record = ModelRecord(model.name)
                recorded[model.name] = (
                    record,
                    look_up(model, tasks, self.on_bad_image, record, by_name),
                )
        images = {task.name: images_of(task) for task in tasks} if networks else {}
        self.image_files |= images
        made = made_by_task(images)
        check_wrappers(models, tasks, images, made, self._store)
        check_sources(models, tasks)
        self._measure_people(tasks)
        folder = export_folder(export_path)
        failures: Failures = []
        estimator = Estimator()
        self._growing = {}
        self._measured_before = {name for known in self._estimates.values() for name in known}
        with visible_log(print_log), one_writer(folder):
            try:
                for model in networks:
                    for part in passes_of(model, tasks, made):
                        with part.alignment():
                            hints_of(model, part.tasks, images)
                requests: dict[tuple[str, ...], EmbeddingRequest] = {}
                for model in models:
                    if isinstance(model, RecordedModel):
                        self.records[model.name], embeddings = recorded[model.name]
                        _log.info("Model %r: read from %s.", model.name, model.file)
                        self._measure_tasks(
                            model, tasks, by_name.images, by_name.request, embeddings, folder,
                            failures, estimator,
                        )  # fmt: skip
                    else:
                        for warning in alignment_warnings(model, made):
                            _log.warning("%s", warning)
                        self.records[model.name] = ModelRecord(model.name)
                        for number, (part, request) in enumerate(
                            self._passes(model, tasks, images, made, requests)
                        ):
                            with part.alignment(), hinted(model, part.tasks, images, request):
                                self._run_pass(
                                    model, part.tasks, images, request, folder, failures,
                                    estimator, number,
                                )  # fmt: skip
                    self._add_to_summary(model.name, folder, failures)
            except (ImageError, StoreError) as error:
                # The other models would meet the same image, or the same full disk.
                note_failure(
                    failures, "images" if isinstance(error, ImageError) else "store", error
                )
            except KeyboardInterrupt as error:
                kept = "" if self._store is None else f", embeddings are in {self._store.folder}"
                error.add_note(
                    f"What is finished is in {folder}{kept}; the same run resumes from there."
                )
                raise
            finally:
                self._export_whole(folder, tasks, failures)
            if plots:
                started = time.perf_counter()
                self._draw(folder, tasks, failures)
                self._plot_seconds += time.perf_counter() - started
                exports.export_provenance(folder, self.provenance)
            _log.info("Results are in %s.", folder)
        raise_failures(failures)

    def _run_pass(
        self,
        model: BaseModel,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        request: EmbeddingRequest,
        folder: Path,
        failures: Failures,
        estimator: Estimator,
        number: int,
    ) -> None:
        """Embed the images of some tasks once, then measure task by task."""
        asked = f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}"
        _log.info("Model %r: %d images for %s.", model.name, len(request.images), asked)
        refused: dict[str, FacebenchError] = {}
        record = self.records[model.name]
        settings = self._settings()
        try:
            embed_on_devices(model, request, settings, self.devices)
            embeddings = run_wrapped(
                model,
                tasks,
                request,
                settings,
                lambda outputs: refused.update(_prove_tasks(model.name, tasks, outputs)),
                record,
            )
        except (ImageError, StoreError):
            raise
        except Exception as error:
            note_failure(failures, model.name, error)
            return
        if self.export_embeddings is not None:
            try:
                with record.timed("export"):
                    self._export_embeddings(model, tasks, images, embeddings, folder, number)
            except Exception as error:
                note_failure(failures, f"{model.name} / Embeddings", error)
        self._measure_tasks(
            model, tasks, images, request, embeddings, folder, failures, estimator, refused
        )

    def _export_embeddings(
        self,
        model: BaseModel,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        embeddings: Embeddings,
        folder: Path,
        number: int,
    ) -> None:
        """Write the embeddings of a pass, under names that `EmbeddingsModel` finds."""
        above = os.path.commonpath(
            [os.path.abspath(task.images_path) for task in self.tasks.values()]  # noqa: PTH100
        )
        rows: dict[str, int] = {}
        for task in tasks:
            named_files = zip(names_of(task), paths_of(images[task.name]), strict=True)
            for name, path in dict.fromkeys(named_files):
                if path in embeddings.row_of:
                    relative = name.path.relative_to(above).as_posix()
                    rows[relative] = embeddings.row_of[path]
        exports.export_embeddings(
            folder,
            model.name,
            str(self.export_embeddings),
            list(rows),
            embeddings.layers,
            list(rows.values()),
            # Of two passes, the second takes images that are aligned already as they are.
            as_they_are=number > 0,
        )

    def _measure_tasks(
        self,
        model: AnyModel,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        request: EmbeddingRequest,
        embeddings: Embeddings,
        folder: Path,
        failures: Failures,
        estimator: Estimator,
        refused: Mapping[str, FacebenchError] = MappingProxyType({}),
    ) -> None:
        """Measure task by task what a pass or a file gave."""
        record = self.records[model.name]
        without_face = images_without_face(embeddings)
        remarks = self.remarks.setdefault(model.name, {})
        remarks.update({f"Images: {note}": count for note, count in embeddings.notes.items()})
        remarks.update(record.remarks())
        source = source_of(model, request, self._settings())
        for task in tasks:
            if task.name in refused:
                note_failure(failures, f"{model.name} / {task.name}", refused[task.name])
                continue
            try:
                given = self._given(model, task, images, request, embeddings, without_face, folder)
                with record.timed("metric"):
                    measured = _measured(
                        task, model, images[task.name], request, given, estimator, source
                    )
                    self._keep(model.name, task.name, measured)
                lost = measured.n_lost
                what = "Pairs" if isinstance(task, BaseTask) else "Images"
                remarks.pop(f"{task.name}: {what} Lost", None)
                if lost:
                    remarks[f"{task.name}: {what} Lost"] = lost
                with record.timed("export"):
                    self._export_tables(model.name, task, measured, folder)
            except Exception as error:
                note_failure(failures, f"{model.name} / {task.name}", error)

    def _given(
        self,
        model: AnyModel,
        task: AnyTask,
        images: Mapping[str, TaskImages],
        request: EmbeddingRequest,
        embeddings: Embeddings,
        without_face: NDArray[np.bool_],
        folder: Path,
    ) -> Embeddings:
        """Count a task's failures to process; give the embeddings that it may use.

        Raises
        ------
        InputError
            If the task is to stop because of them.
        """
        key, remarks = (task.name, model.name), self.remarks[model.name]
        what = f"{task.name}: {'Pairs' if isinstance(task, BaseTask) else 'Images'} Without Face"
        remarks.pop(what, None)
        self._face_failures.pop(key, None)
        if NO_FACE not in model.expected_notes and not without_face.any():
            return embeddings
        sides = _sides(task, images[task.name], request)
        failures = self._face_failures[key] = count_failures(task, model.name, sides, without_face)
        remarks[what] = failures.n_failed
        path = folder / FAILURES_FILE
        self._add_rows(
            path, failures.table, lambda: self.failures_to_process, model.name, task.name
        )
        own = model.on_no_face if isinstance(model, BaseModel) else None
        failures.refuse(own or self.on_no_face)
        for sentence in failures.differing:
            _log.warning("%s", sentence)
        return self._with_faces(model, embeddings, without_face)

    def _with_faces(
        self, model: AnyModel, embeddings: Embeddings, without_face: NDArray[np.bool_]
    ) -> Embeddings:
        """Leave images out in which no face was found, where that is asked for."""
        own = model.on_no_face if isinstance(model, BaseModel) else None
        if (own or self.on_no_face) != "skip":
            return embeddings
        return replace(embeddings, rows=np.where(without_face, -1, embeddings.rows))

    def _keep(self, model_name: str, task_name: str, measured: TaskMeasurement) -> None:
        """Keep what a task found of a model, in place of what it found earlier."""
        self.model_task_distances_dfs[model_name][task_name] = measured.distances
        rows = (measured.performance, measured.unrounded)
        self._rows.setdefault(task_name, {})[model_name] = rows
        self._to_join[task_name] = None
        self._estimates.setdefault(task_name, {})[model_name] = measured.estimates

    def _tables(self) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
        """Join the results of models, in the manager's order: once, not for every new model."""
        for task_name in self._to_join:
            known = self._rows[task_name]
            rows = [known[name] for name in self.models if name in known]
            for tables, parts in zip(self._joined, zip(*rows, strict=True), strict=True):
                tables[task_name] = pd.concat(parts, ignore_index=True)
        self._to_join.clear()
        return self._joined

    def _network_layers(self) -> dict[str, list[str]]:
        return {name: model.get_layer_names() for name, model in self.models.items()}

    def _series(self) -> dict[str, dict[str, Any]]:
        """Say where checkpoints stand in their trainings, by model."""
        return {
            name: dict(model.series)
            for name, model in self.models.items()
            if model.series is not None
        }

    def _controls(self) -> dict[str, list[str]]:
        """Name the untrained copies among the models, by what they are called together."""
        controls: dict[str, list[str]] = {}
        for model in self.models.values():
            if model.control is not None:
                controls.setdefault(model.control, []).append(model.name)
        return controls

    def _add_rows(
        self,
        path: Path,
        rows: pd.DataFrame,
        whole: Callable[[], pd.DataFrame],
        model_name: str,
        task_name: str = "",
    ) -> None:
        """Append a model's rows to a table of this run, or write all if it had others earlier."""
        table = self._growing.setdefault(path, GrowingTable(path))
        before = self._added.get(key := (path, model_name, task_name))
        self._added[key] = rows
        if model_name in self._measured_before and before is not None and before.equals(rows):
            table.keep(whole)
        elif model_name in self._measured_before:
            table.write(whole())
        else:
            table.add(rows, whole)

    def _export_tables(
        self, model_name: str, task: AnyTask, measured: TaskMeasurement, folder: Path
    ) -> None:
        """Write what a task just measured, before anything else is done."""
        exports.export_distances(
            folder, model_name, task.name, measured.distances, self.export_pairs
        )
        for class_name, tasks in self._finished_classes([task]).items():
            path = exports.class_table_path(folder, class_name)
            self._add_rows(
                path,
                measured.performance,
                partial(self._class_table, tasks),
                model_name,
                task.name,
            )

    def _add_to_summary(self, model_name: str, folder: Path, failures: Failures) -> None:
        """Write a model's rows of the unified table, when all its tasks are done."""
        own = {task: rows[model_name][0] for task, rows in self._rows.items() if model_name in rows}
        if not own:
            return
        try:
            rows = exports.unified_summary(own, self.remarks)
            self._add_rows(exports.summary_path(folder), rows, self.unified_summary, model_name)
        except Exception as error:
            note_failure(failures, "tables", error)

    def _class_table(self, tasks: Iterable[AnyTask]) -> pd.DataFrame:
        tables = {task.name: self.tasks_performance_dfs[task.name] for task in tasks}
        return pd.concat(list(self._with_people(tables).values()), ignore_index=True)

    def _export_whole(self, folder: Path, tasks: Sequence[AnyTask], failures: Failures) -> None:
        """Write the tables of a run once more at its end, in the order of models and tasks."""
        if not self._growing:
            return
        try:
            self._note_models(tasks)
            for class_name, members in self._finished_classes(tasks).items():
                write_csv(self._class_table(members), exports.class_table_path(folder, class_name))
            self.export_unified_summary(folder)
        except Exception as error:
            note_failure(failures, "tables", error)

    def _note_models(self, tasks: Iterable[AnyTask]) -> None:
        """Note in the results of tasks what their plots should know of the models."""
        layers, controls = self._network_layers(), self._controls()
        for task in tasks:
            for tables in (self.tasks_performance_dfs, self.unrounded_performance_dfs):
                if task.name not in tables:
                    continue
                table = tables[task.name]
                measures = measures_for(task, [str(column) for column in table.columns])
                lower = [name for name, measure in measures.items() if measure.better == "lower"]
                note_models(table, layers, controls, lower)
                note_measures(
                    table, task.name, *exports.noted_measures(measures, task.facts().effect)
                )
                note_series(table, self._series())
                note_people(table, task.name, self._people.get(task.name), task.human_references)

    def _finished_classes(self, tasks: Iterable[AnyTask]) -> dict[str, list[AnyTask]]:
        """Give, for the classes of some tasks, all their tasks that have results."""
        kinds = {type(task) for task in tasks}
        groups = exports.group_by_class(list(self.tasks.values()))
        finished = {
            class_name: [task for task in members if task.name in self._rows]
            for class_name, members in groups.items()
            if type(members[0]) in kinds
        }
        return {class_name: members for class_name, members in finished.items() if members}

    def _draw(self, folder: Path, tasks: Iterable[AnyTask], failures: Failures) -> None:
        with figure_output(self.figures):
            for class_name, members in self._finished_classes(tasks).items():
                try:
                    exports.draw_class(
                        folder,
                        class_name,
                        members,
                        self.tasks_performance_dfs,
                        self.model_task_distances_dfs,
                    )
                    for task in members if self._series() else ():
                        table = self.tasks_performance_dfs[task.name]
                        exports.draw_training(folder, class_name, task, table)
                except Exception as error:
                    note_failure(failures, f"{class_name} Plots", error)
            try:
                exports.draw_models(folder, self.tasks_performance_dfs)
            except Exception as error:
                note_failure(failures, exports.MODELS_FOLDER, error)


def _best_distances(
    task: AnyTask, distances: Mapping[str, Mapping[str, pd.DataFrame]]
) -> pd.Series | None:
    """Find the distances of the model and layer that tell a task's pairs apart best."""
    label = getattr(task, "true_label", None)
    if label is None or not isinstance(task, BaseTask):
        return None
    best, found = -1.0, None
    for by_task in distances.values():
        if task.name not in by_task:
            continue
        for _, rows in by_task[task.name].groupby("layer_name", sort=False):
            column = rows["model_computed_distance"]
            area = auc(rows[label], column, higher_is_better=False)
            if area > best:
                best, found = area, column
    return found


def _measured(
    task: AnyTask,
    model: AnyModel,
    images: TaskImages,
    request: EmbeddingRequest,
    embeddings: Embeddings,
    estimator: Estimator,
    source: Callable[[str, IntArray], LayerSource],
) -> TaskMeasurement:
    first, *second = _sides(task, images, request)
    if isinstance(task, EmbeddingTask):
        return measure_items(task, model.name, first, embeddings, estimator, source)
    return measure(task, model.name, first, second[0], embeddings, estimator)


def _sides(task: AnyTask, images: TaskImages, request: EmbeddingRequest) -> tuple[IntArray, ...]:
    """Give the images of both sides of a task's pairs, or of its items, by number."""
    if isinstance(task, BaseTask):
        pairs = next(pairs for pairs in request.pairs if pairs.task == task.name)
        return pairs.first, pairs.second
    numbers = [request.number_of[path] for path in paths_of(images)]
    return (np.array(numbers, dtype=np.intp),)


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


def _prove_tasks(
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
