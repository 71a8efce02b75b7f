"""From a checked configuration to models, tasks and the manager that runs them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from facebench.engine.plan_tables import RunPlan
from facebench.errors import ConfigError, FacebenchError
from facebench.experiment.arguments import (
    ArgumentProblem,
    alignment_parameters,
    arguments_for,
)
from facebench.experiment.config import Config
from facebench.experiment.locations import Located
from facebench.experiment.plugins import find_class, find_function, import_plugin
from facebench.experiment.registry import METRICS, MODELS, TASKS
from facebench.experiment.wrappers import (
    MODEL_OPTIONS,
    TASK_OPTIONS,
    apply_options,
    options_of,
)
from facebench.models.acceleration import check_acceleration
from facebench.models.base import BaseModel
from facebench.models.ensemble import EnsembleModel
from facebench.models.recorded import RecordedModel
from facebench.models.untrained import untrained_copy
from facebench.run import task_images
from facebench.run.manager import MultiModelTaskManager
from facebench.run.measurement import AnyModel
from facebench.run.requests import look_up
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask
from facebench.utils.progress import Progress
from facebench.utils.suggestions import did_you_mean, listed

__all__ = [
    "Experiment",
    "build_experiment",
    "build_model",
    "image_files",
    "make_model",
    "seed_everything",
]

T = TypeVar("T")
M = TypeVar("M")
_MODEL_BASES = (BaseModel, RecordedModel)
Keys = tuple[str, ...]
_MAKING = {"tasks": "Reading task", "models": "Loading model"}


@dataclass(frozen=True)
class Experiment:
    """What a configuration asks for, made and checked.

    Attributes
    ----------
    config : Config
        The configuration.
    models : list of BaseModel or RecordedModel
        In the file's order.
    tasks : list of BaseTask or EmbeddingTask
        In the file's order.
    """

    config: Config
    models: list[AnyModel]
    tasks: list[BaseTask | EmbeddingTask]

    def manager(self) -> MultiModelTaskManager:
        """Make the manager that runs it."""
        settings = self.config.settings
        return MultiModelTaskManager(
            self.models,
            self.tasks,
            settings.batch_size,
            num_workers=settings.num_workers,
            on_bad_image=settings.on_bad_image,
            on_no_face=settings.on_no_face,
            cache_dir=settings.cache_dir,
            packs=settings.packs,
            max_memory=settings.max_memory,
            precision=settings.precision,
            accelerate=settings.accelerate,
            decoder=settings.decoder,
            memory_format=settings.memory_format,
            export_embeddings=settings.export_embeddings,
            export_pairs=settings.export_pairs,
            figures=settings.figures,
        )

    def plan(self) -> RunPlan:
        """Say what a run would do; see `MultiModelTaskManager.plan`.

        Raises
        ------
        ConfigError
            If a network fails on the images, with the place of its model.
        """
        manager = self.manager()
        try:
            return manager.plan()
        except FacebenchError as error:
            told = str(error)
            names = (model.name for model in self.models if f"Model {model.name!r}" in told)
            keys = ("models", *names)[:2]
            raise ConfigError(self.config.problem(keys, told)) from error


def build_experiment(config: Config) -> Experiment:
    """Make every model and task of a configuration.

    Raises
    ------
    ConfigError
        With a sentence for every model and task that cannot be made, and its place.
    """
    settings = config.settings
    problems: list[str] = []
    try:
        check_acceleration(settings.accelerate)
    except FacebenchError as error:
        problems.append(config.problem(("accelerate",), str(error)))
    for index, plugin in enumerate(settings.plugins):
        item = config.source.value["plugins"].value[index]
        try:
            import_plugin(plugin, item.place.folder)
        except FacebenchError as error:
            problems.append(config.problem(("plugins", index), str(error)))
    if problems:
        raise ConfigError(*problems)
    seed_everything(settings.seed)
    # Tasks first: their files are checked in a moment, while a model may take long to make.
    needs_images = _needs_images(config)
    tasks = _made(config, "tasks", problems, partial(_make_task, needs_images=needs_images))
    with Progress("Finding images", len(tasks), "tasks", logged=False) as progress:
        for task in tasks if needs_images else []:
            progress.begin(f"Finding images of task {task.name}")
            try:
                task_images.images_of(task)
            except FacebenchError as error:
                problems.append(config.problem(_keys_of_images(config, task), str(error)))
            progress.advance(1)
    make_models = _check_models if problems else _ModelMaker(config).make
    models = [model for group in _made(config, "models", problems, make_models) for model in group]
    for model in models if not problems else []:
        if isinstance(model, RecordedModel):
            try:
                look_up(model, tasks, config.settings.on_bad_image)
            except FacebenchError as error:
                problems.append(config.problem(("models", model.name), str(error)))
    if problems:
        raise ConfigError(*problems)
    return Experiment(config, models, tasks)


def build_model(config: Config, name: str = "") -> AnyModel:
    """Make one model of a configuration, without layers: its output is read.

    Parameters
    ----------
    config : Config
        The configuration.
    name : str
        Which of its models; '' if there is but one.

    Returns
    -------
    BaseModel or RecordedModel

    Raises
    ------
    ConfigError
        If there is no such model, or it cannot be made.
    """
    models = config.source.value["models"].value
    if not name and len(models) == 1:
        name = next(iter(models))
    if name not in models:
        path = config.source.value["models"].place.source
        sentence = f"Say which model: {path}:NAME. There are: {listed(models)}."
        raise ConfigError(config.problem(("models",), sentence + did_you_mean(name, models)))
    try:
        cls, arguments, keys, options = _ModelMaker(config).arguments(name, models[name])

        def make() -> AnyModel:
            model = make_model(cls, name, None, arguments)
            apply_options(model, options, MODEL_OPTIONS)
            return model

        return _call(make, keys)
    except _Misplaced as error:
        raise ConfigError(config.problem(("models", name, *error.keys), str(error))) from error


def image_files(experiment: Experiment) -> list[Path]:
    """Find every image of every task.

    Returns
    -------
    list of Path
        Each once; none where no model is a network, which needs them.

    Raises
    ------
    MissingImageError
        If some do not exist.
    """
    if not any(isinstance(model, BaseModel) for model in experiment.models):
        return []
    found = [task_images.images_of(task) for task in experiment.tasks]
    return list(dict.fromkeys(path for images in found for path in task_images.paths_of(images)))


def _needs_images(config: Config) -> bool:
    """Tell whether any model is a network, or may be one: what is wrong is told as it is made."""
    for entry in config.source.value["models"].value.values():
        named = entry.value["model"]
        try:
            cls = find_class(str(named.value), MODELS, _MODEL_BASES, named.place.folder)
        except FacebenchError:
            return True
        if not issubclass(cls, RecordedModel):
            return True
    return False


def _keys_of_images(config: Config, task: BaseTask | EmbeddingTask) -> Keys:
    """Find where the images of a task are named: their folder if that is missing, else pairs."""
    own = ("tasks", task.name)
    if Path(task.images_path).exists():
        return (*own, "pairs")
    named = config.located(*own, "images")
    return ("images",) if named is None or not isinstance(named.value, str) else (*own, "images")


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - a user's own code may draw from it
    torch.manual_seed(seed)


def make_model(
    cls: type[Any], name: str, layers: list[str] | None, arguments: Mapping[str, Any]
) -> AnyModel:
    """Make a model with layers given by name or pattern.

    Parameters
    ----------
    cls : type
        Its class.
    name : str
        Its name.
    layers : list of str or None
        Names and patterns, see `BaseModel`; None reads the output.
    arguments : mapping
        Further arguments.

    Returns
    -------
    BaseModel or RecordedModel
    """
    own, alignment = _own_and_alignment(cls, arguments)
    if layers is not None:
        own["extract_layers"] = layers
    model: AnyModel = cls(name=name, **own)
    return _aligned(model, alignment)


def _own_and_alignment(
    cls: type[AnyModel], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split arguments into those of a model's class and those of `set_alignment`."""
    of_alignment = alignment_parameters(cls).keys()
    own = {name: value for name, value in arguments.items() if name not in of_alignment}
    return own, {name: arguments[name] for name in arguments if name in of_alignment}


def _aligned(model: M, alignment: Mapping[str, Any]) -> M:
    if alignment and isinstance(model, BaseModel):
        model.set_alignment(**alignment)
    return model


def _made(
    config: Config, section: str, problems: list[str], make: Callable[[Config, str, Located], T]
) -> list[T]:
    made = []
    entries = config.source.value[section].value
    with Progress(f"Making {section}", len(entries), section, logged=False) as progress:
        for name, entry in entries.items():
            progress.begin(f"{_MAKING[section]} {name}")
            try:
                made.append(make(config, name, entry))
            except _Misplaced as error:
                problems.append(config.problem((section, name, *error.keys), str(error)))
            progress.advance(1)
    return made


class _Misplaced(Exception):  # noqa: N818
    """What is wrong below an entry."""

    def __init__(self, keys: Keys, sentence: str) -> None:
        super().__init__(sentence)
        self.keys = keys


def _make_task(
    config: Config, name: str, entry: Located, *, needs_images: bool
) -> BaseTask | EmbeddingTask:
    settings = config.settings
    defaults: dict[str, Any] = {"name": name}
    if settings.images is not None:
        defaults["images_path"] = str(settings.images)
    elif not needs_images:
        # Names are relative to some folder, wherever it is.
        defaults["images_path"] = str(config.path.resolve().parent)
    if settings.distance is not None:
        place = config.source.value["distance"].place
        try:
            metric = find_function(settings.distance, METRICS, place.folder)
        except FacebenchError as error:
            raise ConfigError(config.problem(("distance",), str(error))) from error
        defaults["distance_metric"] = metric
    if "seed" in settings.model_fields_set:
        defaults["seed"] = settings.seed
    cls, arguments, keys, options = _class_and_arguments(entry, "task", {"task"}, defaults)
    task: BaseTask | EmbeddingTask = _call(
        lambda: apply_options(cls(**arguments), options, TASK_OPTIONS), keys
    )
    return task


def _check_models(config: Config, name: str, entry: Located) -> list[AnyModel]:
    """Check all but the making."""
    _model_arguments(config, name, entry)
    return []


def _model_arguments(
    config: Config, name: str, entry: Located
) -> tuple[Any, dict[str, Any], dict[str, str], dict[str, Any]]:
    settings = config.settings
    defaults: dict[str, Any] = {"name": name}
    if settings.device != "auto":
        defaults["device"] = settings.device
    if "seed" in settings.model_fields_set:
        defaults["seed"] = settings.seed
    own = {"model", "layers", "seeds", "series"}
    cls, arguments, keys, options = _class_and_arguments(entry, "model", own, defaults)
    del arguments["name"]
    if settings.models[name].layers is not None:
        keys["extract_layers"] = "layers"
    if settings.models[name].seeds is not None and issubclass(cls, RecordedModel):
        sentence = f"'seeds' makes untrained networks. A {cls.__name__} has no network."
        raise _Misplaced(("seeds",), sentence)
    if settings.models[name].seeds is not None:
        arguments.pop("seed", None)
        if arguments.pop("pretrained", False):
            sentence = "'seeds' makes untrained copies. Leave out 'pretrained', or set it to false."
            raise _Misplaced(("pretrained",), sentence)
    return cls, arguments, keys, options


class _ModelMaker:
    """Makes the models of a configuration, each entry once: ensembles are made of others."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._made: dict[str, list[AnyModel]] = {}

    def make(self, config: Config, name: str, entry: Located) -> list[AnyModel]:
        """Make the models of an entry, several where it has seeds."""
        if name not in self._made:
            cls, arguments, keys, options = self.arguments(name, entry)
            self._made[name] = [
                _call(lambda make=make: apply_options(make(), options, MODEL_OPTIONS), keys)  # type: ignore[misc]
                for make in _factories(config, name, cls, arguments)
            ]
            point = config.settings.models[name].series
            if point is not None:
                for model in self._made[name]:
                    model.series = point.model_dump()
        return self._made[name]

    def arguments(
        self, name: str, entry: Located
    ) -> tuple[Any, dict[str, Any], dict[str, str], dict[str, Any]]:
        """Read an entry's class and arguments, see `_model_arguments`, with members made."""
        cls, arguments, keys, options = _model_arguments(self._config, name, entry)
        if cls is EnsembleModel:
            arguments["members"] = self._members(arguments.get("members"))
        return cls, arguments, keys, options

    def _members(self, names: Any) -> list[AnyModel]:
        entries = self._config.source.value["models"].value
        if not isinstance(names, list) or not all(name in entries for name in names):
            sentence = (
                "'members' must be a list of models of this file "
                f"({', '.join(entries)}). Got {names!r:.200}."
            )
            raise _Misplaced(("members",), sentence)
        found: list[AnyModel] = []
        for name in names:
            if "members" in entries[name].value:
                sentence = f"Member {name!r} is an ensemble itself. Name its members instead."
                raise _Misplaced(("members",), sentence)
            try:
                found += self.make(self._config, name, entries[name])
            except _Misplaced as error:
                sentence = f"Member {name!r} cannot be made. {error}"
                raise _Misplaced(("members",), sentence) from error
        return found


def _factories(
    config: Config, name: str, cls: Any, arguments: dict[str, Any]
) -> list[Callable[[], AnyModel]]:
    layers, seeds = config.settings.models[name].layers, config.settings.models[name].seeds
    if seeds is None:
        return [partial(make_model, cls, name, layers, arguments)]
    if layers is not None:
        arguments["extract_layers"] = layers
    own, alignment = _own_and_alignment(cls, arguments)
    factory = partial(cls, **own)
    return [
        partial(_aligned_copy, factory, alignment, seed, name=f"{name}-seed{seed}", control=name)
        for seed in seeds
    ]


def _aligned_copy(
    factory: Callable[..., BaseModel], alignment: Mapping[str, Any], seed: int, **names: str
) -> BaseModel:
    return _aligned(untrained_copy(factory, seed, **names), alignment)


def _class_and_arguments(
    entry: Located, kind: str, own: set[str], defaults: Mapping[str, Any]
) -> tuple[Any, dict[str, Any], dict[str, str], dict[str, Any]]:
    bases = _MODEL_BASES if kind == "model" else (BaseTask, EmbeddingTask)
    named = entry.value[kind]
    registry = MODELS if kind == "model" else TASKS
    try:
        cls = find_class(str(named.value), registry, bases, named.place.folder)
    except FacebenchError as error:
        raise _Misplaced((kind,), str(error)) from error
    given = {key: item for key, item in entry.value.items() if key not in own}
    known = MODEL_OPTIONS if kind == "model" else TASK_OPTIONS
    options: dict[str, Any] = _call(
        lambda: options_of(cls, given, known), {key: key for key in known if key in given}
    )
    given = {key: item for key, item in given.items() if key not in options}
    try:
        arguments, keys = arguments_for(cls, given, defaults)
    except ArgumentProblem as error:
        raise _Misplaced((error.key,), str(error)) from error
    return cls, arguments, {**keys, **{key: key for key in options}}, options


def _call(make: Callable[[], T], keys: Mapping[str, str]) -> T:
    try:
        return make()
    except Exception as error:
        # What is said of a parameter belongs to the line it was written in.
        text = str(error) or type(error).__name__
        key = next((key for name, key in keys.items() if f"'{name}'" in text), None)
        if key is None and "layer" in text and "extract_layers" in keys:
            key = keys["extract_layers"]
        is_clear = isinstance(error, FacebenchError | OSError)
        sentence = text if is_clear else f"{type(error).__name__}: {text}"
        raise _Misplaced(() if key is None else (key,), sentence) from error
