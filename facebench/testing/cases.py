"""What checks are made on: a model or a task, and images and pairs to try it with."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from facebench.errors import ContractError
from facebench.experiment.arguments import parameters_of
from facebench.models.base import BaseModel
from facebench.models.layers import first_tensor
from facebench.models.recorded import RecordedModel
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask
from facebench.testing.world import arguments_of_world, generated_image, write_world

__all__ = ["ModelCase", "RecordedModelError", "TaskCase", "refuse_recorded"]

_MOST_LAYERS = 5


class RecordedModelError(ContractError):
    """What is to be checked is a file's results, not a network."""


def refuse_recorded(kind: type) -> None:
    """Refuse classes of recorded models: there is no network to check."""
    if issubclass(kind, RecordedModel):
        msg = (
            f"check_model checks networks. A {kind.__name__} reads results from a file, which it "
            "checks itself when it is made; `facebench validate` checks it against the tasks of an "
            "experiment."
        )
        raise RecordedModelError(msg)


class ModelCase:
    """A model to check.

    Parameters
    ----------
    model : type or callable
        See `facebench.testing.check_model`.
    layers : list of str, optional
        Layers to look at, in network order.
    side : int, optional
        Side of square random input; None preprocesses generated images.
    """

    def __init__(
        self,
        model: type[BaseModel] | Callable[..., BaseModel],
        layers: list[str] | None = None,
        side: int | None = None,
    ) -> None:
        self._model = model
        self._side = side
        self._layers = layers
        self._batch: torch.Tensor | None = None

    def make(self, layers: Any = None) -> BaseModel:
        """Make a new model that reads these layers."""
        make: Callable[..., BaseModel] = self._model
        if inspect.isclass(self._model):
            return make(name="contract", extract_layers=layers)
        made = make(layers)
        refuse_recorded(type(made))
        return made

    def batch(self) -> torch.Tensor:
        """Give two different inputs."""
        if self._batch is None:
            if self._side is not None:
                generator = torch.Generator().manual_seed(5)
                self._batch = torch.randn((2, 3, self._side, self._side), generator=generator)
            else:
                model = self.make()
                inputs = [model.preprocess(generated_image(seed)) for seed in (0, 1)]
                self._batch = torch.stack(inputs)
        return self._batch.clone()

    @property
    def layers(self) -> list[str]:
        """Some layers that a forward pass reaches, each once, and that return a batch."""
        if self._layers is None:
            model, reached = self.make(), dict[str, int]()
            for name, module in model.model.named_modules():
                if name:
                    module.register_forward_hook(_counter(name, reached))
            model.get_output(self.batch())
            # A module that runs twice has two outputs: its last one is the layer's.
            once = [name for name in model.get_layer_names() if reached.get(name) == 1]
            places = np.linspace(0, len(once) - 1, min(_MOST_LAYERS, len(once))).round()
            self._layers = [once[int(place)] for place in places]
        return self._layers


def _counter(name: str, reached: dict[str, int]) -> Any:
    def count(_module: Any, _inputs: Any, output: Any) -> None:
        tensor = first_tensor(output)
        if tensor is not None and tensor.ndim and tensor.shape[0] == 2:
            reached[name] = reached.get(name, 0) + 1

    return count


class TaskCase:
    """A task to check; use as a context manager, which keeps its files as long as they are needed.

    Parameters
    ----------
    task : type or callable
        See `facebench.testing.check_task`.
    """

    def __init__(
        self, task: type[BaseTask | EmbeddingTask] | Callable[[], BaseTask | EmbeddingTask]
    ) -> None:
        self._task = task
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> TaskCase:
        self._folder = tempfile.TemporaryDirectory(prefix="facebench-contract-")
        write_world(self.folder)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """A folder for files."""
        if self._folder is None:
            msg = "A TaskCase is used as a context manager: `with TaskCase(task) as case`."
            raise RuntimeError(msg)
        return Path(self._folder.name)

    @property
    def pair_task(self) -> type[BaseTask] | None:
        """The class, if a class of pair tasks was given."""
        task = self._task
        return task if inspect.isclass(task) and issubclass(task, BaseTask) else None

    @property
    def embedding_task(self) -> type[EmbeddingTask] | None:
        """The class, if a class of tasks that need embeddings was given."""
        task = self._task
        return task if inspect.isclass(task) and issubclass(task, EmbeddingTask) else None

    def make(self) -> BaseTask | EmbeddingTask:
        """Make a new task."""
        if self.pair_task is not None:
            return self.pair_task("contract", self.folder / "pairs.csv", self.folder / "images")
        if self.embedding_task is not None:
            return self.embedding_task(**self.arguments())
        return self._task()  # type: ignore[call-arg]

    def arguments(self) -> dict[str, Any]:
        """Give what a class of tasks that need embeddings is made with.

        Raises
        ------
        ContractError
            If it cannot be made of what is generated.
        """
        parameters = parameters_of(self._task) if inspect.isclass(self._task) else {}
        known = arguments_of_world(self.folder, parameters)
        missing = [
            name
            for name, parameter in parameters.items()
            if parameter.default is parameter.empty and name not in known
        ]
        if missing:
            msg = (
                f"nothing is generated for its {', '.join(map(repr, missing))}: check a function "
                "without arguments that makes the task instead of the class"
            )
            raise ContractError(msg)
        return known

    def measured_frame(self, task: BaseTask, seed: int) -> pd.DataFrame:
        """Give what a layer's measurement hands to a pair task."""
        distances = np.random.default_rng(seed).uniform(0.1, 2, len(task.pairs_df))
        frame = pd.DataFrame(task.pairs_df).copy()
        return frame.assign(layer_name="default", model_computed_distance=distances)
