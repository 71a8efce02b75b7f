"""What checks are made on: a model or a task, and images and pairs to try it with."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from facebench.models.base import BaseModel
from facebench.models.layers import first_tensor
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask

__all__ = ["ModelCase", "TaskCase", "generated_image"]

_MOST_LAYERS = 5
_PEOPLE, _PHOTOGRAPHS = 6, 3


def generated_image(seed: int, size: tuple[int, int] = (90, 60)) -> Image.Image:
    """Draw a picture of smooth random colours; different seeds give different ones."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


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
        return make(layers)

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
        self._write_world()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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

    def make(self) -> BaseTask | EmbeddingTask:
        """Make a new task."""
        if self.pair_task is not None:
            return self.pair_task("contract", self.folder / "pairs.csv", self.folder / "images")
        return self._task()  # type: ignore[call-arg]

    def measured_frame(self, task: BaseTask, seed: int) -> pd.DataFrame:
        """Give what a layer's measurement hands to a pair task."""
        distances = np.random.default_rng(seed).uniform(0.1, 2, len(task.pairs_df))
        frame = pd.DataFrame(task.pairs_df).copy()
        return frame.assign(layer_name="default", model_computed_distance=distances)

    def _write_world(self) -> None:
        rng = np.random.default_rng(0)
        names = []
        for person in range(_PEOPLE):
            for photograph in range(_PHOTOGRAPHS):
                name = f"person{person}/{photograph}.png"
                path = self.folder / "images" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                generated_image(10 * person + photograph, (32, 32)).save(path)
                names.append(name)
        same = [
            (a, b) for a in range(len(names)) for b in range(a)
            if a // _PHOTOGRAPHS == b // _PHOTOGRAPHS
        ]  # fmt: skip
        other = [
            (a, b) for a in range(len(names)) for b in range(a)
            if a // _PHOTOGRAPHS != b // _PHOTOGRAPHS
        ]  # fmt: skip
        drawn = [other[i] for i in rng.choice(len(other), len(same), replace=False)]
        pairs = [pair for both in zip(same, drawn, strict=True) for pair in both]
        truth = [int(a // _PHOTOGRAPHS == b // _PHOTOGRAPHS) for a, b in pairs]
        table = pd.DataFrame(
            {
                "img1": [names[a] for a, _ in pairs],
                "img2": [names[b] for _, b in pairs],
                "truth": truth,
                "same": truth,
                "distance": rng.uniform(0, 1, len(pairs)).round(3),
                # Both classes in every condition and group.
                "condition": [["near", "far"][i // 2 % 2] for i in range(len(pairs))],
                # What a person is stays the same in every image.
                "group1": ["ab"[a // _PHOTOGRAPHS % 2] for a, _ in pairs],
                "group2": ["ab"[b // _PHOTOGRAPHS % 2] for _, b in pairs],
                "group": [["upright", "inverted"][i // 4 % 2] for i in range(len(pairs))],
            }
        )
        table.to_csv(self.folder / "pairs.csv", index=False)
