"""Many models, many layers, many tasks, in one run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd
from typing_extensions import override

from facebench.data.bibliography import citations_of
from facebench.data.estimates import LayerEstimates
from facebench.engine import EmbeddingRequest, ModelRecord, Settings
from facebench.engine.acceleration import engine_of
from facebench.engine.devices import embed_on_devices
from facebench.engine.forward import MemoryFormat, Precision
from facebench.engine.jpeg_decoding import Decoder, check_decoder
from facebench.engine.plan_tables import RunPlan
from facebench.engine.record import library_versions
from facebench.engine.sharding import Shard, ShardPart, ShardWatch
from facebench.errors import FacebenchError, ImageError, InputError, StoreError
from facebench.figures.output import checked_formats
from facebench.models.acceleration import Accelerate, check_acceleration
from facebench.models.base import BaseModel
from facebench.models.recorded import RecordedModel
from facebench.models.untrained import misnomer
from facebench.results import exports
from facebench.run.alignment import alignment_warnings, hinted
from facebench.run.arguments import add_members, at_least, export_folder, named, one_of
from facebench.run.failures import Failures, note_failure, raise_failures
from facebench.run.galleries import check_sources
from facebench.run.measurement import AnyModel, AnyTask
from facebench.run.model_tasks import ModelTasks, prove_tasks
from facebench.run.passes import ModelPasses
from facebench.run.planning import plan_run
from facebench.run.requests import look_up, request_by_name
from facebench.run.run_export import RunExport, WrittenRows
from facebench.run.run_tables import RunTables
from facebench.run.shards import embed_shard, search_shard
from facebench.run.task_images import TaskImages, images_of
from facebench.run.wrapping import check_wrappers, run_wrapped
from facebench.store import EmbeddingStore, open_store
from facebench.store.folder import NO_PACKS, NOT_KEPT
from facebench.store.rows import StoreDtype
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import declared_measures
from facebench.types import SHORT_PRECISIONS, OnBadImage, OnNoFace, StrPath
from facebench.utils.files import one_writer
from facebench.utils.progress import visible_log
from facebench.utils.units import as_bytes

if TYPE_CHECKING:
    from facebench.data.health import DataHealth
    from facebench.tasks.shared.distractors import SharedPart

__all__ = ["MultiModelTaskManager"]

_log = logging.getLogger(__name__)


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
        self._found = RunTables(self.models, self.tasks)
        self.model_task_distances_dfs = self._found.distances
        self.remarks = self._found.remarks
        self.records: dict[str, ModelRecord] = {}
        self._written: WrittenRows = {}
        self.image_files: dict[str, TaskImages] = {}
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
        return self._found.tables()[0]

    @property
    def unrounded_performance_dfs(self) -> dict[str, pd.DataFrame]:
        """Each task's results before rounding."""
        return self._found.tables()[1]

    @property
    def estimates(self) -> dict[str, dict[str, dict[str, LayerEstimates]]]:
        """Every number with its interval, by task, by model in the manager's order, by layer."""
        return self._found.estimates

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
        return embed_shard(
            list(self.models.values()), list(self.tasks.values()), self._settings(), shard, watch,
            all_rows=self._keeps_rows,
        )  # fmt: skip

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
        return search_shard(
            list(self.models.values()), list(self.tasks.values()), self._settings(),
            self.on_no_face, shard, watch, all_rows=self._keeps_rows,
        )  # fmt: skip

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
        export = self._export_to(folder)
        export.write_class_tables(self.tasks.values())
        export.draw(self.tasks.values(), failures)
        raise_failures(failures)

    def export_unified_summary(self, export_path: StrPath | None = None) -> None:
        """Write ``models_unified_results.csv``: a row per model and layer, a column per measure.

        Beside it goes ``provenance.json``: versions, settings, digests and timings.

        Parameters
        ----------
        export_path : str or Path, optional
            Folder for the results; None is the current one.
        """
        self._export_to(export_folder(export_path)).write_summary(self.provenance)

    def data_health(self) -> DataHealth:
        """Look at the tasks' data: duplicates, contradicting or doubtful labels, leaked identities.

        Labels are held against the distances of the network that tells a task's pairs apart best,
        if there are any yet. Images are opened once more, for their perceptual hashes.

        Returns
        -------
        DataHealth
        """
        from facebench.data.health import health_report

        best = self._found.best_distances()
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
        return self._found.unified_summary()

    @property
    def failures_to_process(self) -> pd.DataFrame:
        """The images in which no face was found, by task, model and condition."""
        return self._found.failures_to_process

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
        return plan_run(models, tasks, self._settings(), self.on_no_face, all_rows=self._keeps_rows)

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
        people = self._found.people
        return {name: people[name] for name in self.tasks if name in people}

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

    @property
    def _keeps_rows(self) -> bool:
        """Whether the rows of all layers are wanted, also of those that no task keeps."""
        return self.export_embeddings is not None

    def _export_to(self, folder: Path) -> RunExport:
        return RunExport(
            folder,
            self._found,
            self.tasks,
            self._written,
            pairs=self.export_pairs,
            figures=self.figures,
        )

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
        passes = ModelPasses(tasks, images, self._store, all_rows=self._keeps_rows)
        check_wrappers(models, tasks, images, passes.made, self._store)
        check_sources(models, tasks)
        self._found.measure_people(tasks)
        folder = export_folder(export_path)
        failures: Failures = []
        settings = self._settings()
        export = self._export_to(folder)
        measured = ModelTasks(self._found, export, settings, self.on_no_face, failures)
        with visible_log(print_log), one_writer(folder):
            try:
                for network in networks:
                    passes.check_hints(network)
                for model in models:
                    if isinstance(model, RecordedModel):
                        record, embeddings = recorded[model.name]
                        self.records[model.name] = record
                        _log.info("Model %r: read from %s.", model.name, model.file)
                        measured.measure(
                            model, record, tasks, by_name.images, by_name.request, embeddings
                        )
                    else:
                        for warning in alignment_warnings(model, passes.made):
                            _log.warning("%s", warning)
                        self.records[model.name] = ModelRecord(model.name)
                        for number, (part, request) in enumerate(passes.of(model)):
                            with part.alignment(), hinted(model, part.tasks, images, request):
                                self._run_pass(
                                    model, part.tasks, images, request, settings, export,
                                    failures, measured, number,
                                )  # fmt: skip
                    export.add_to_summary(model.name, failures)
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
                export.write_whole(tasks, failures, lambda: self.provenance)
            if plots:
                started = time.perf_counter()
                export.draw(tasks, failures)
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
        settings: Settings,
        export: RunExport,
        failures: Failures,
        measured: ModelTasks,
        number: int,
    ) -> None:
        """Embed the images of some tasks once, then measure task by task."""
        asked = f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}"
        _log.info("Model %r: %d images for %s.", model.name, len(request.images), asked)
        refused: dict[str, FacebenchError] = {}
        record = self.records[model.name]
        try:
            embed_on_devices(model, request, settings, self.devices)
            embeddings = run_wrapped(
                model,
                tasks,
                request,
                settings,
                lambda outputs: refused.update(prove_tasks(model.name, tasks, outputs)),
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
                    export.write_embeddings(
                        model, tasks, images, embeddings, number, self.export_embeddings
                    )
            except Exception as error:
                note_failure(failures, f"{model.name} / Embeddings", error)
        measured.measure(model, record, tasks, images, request, embeddings, refused)
