"""A network that remembers its batches, and what it gives image by image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor

from facebench.models.base import BaseModel


class Small(BaseModel):
    """A small convolutional network that remembers the batches it was given."""

    def __init__(
        self,
        name: str = "small",
        extract_layers: list[str] | None = None,
        preprocess_function: Callable[[Image.Image], Any] | None = to_tensor,
    ) -> None:
        self.batches: list[int] = []
        super().__init__(name, None, extract_layers, preprocess_function, device="cpu")

    def _build_model(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(
                nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                nn.Linear(16, 5),
            )  # fmt: skip

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        self.batches.append(len(input_tensor))
        return self.model(input_tensor)


def one_by_one(paths: list[Path], layers: list[str] | None = None) -> dict[str, np.ndarray]:
    model = Small(extract_layers=layers)
    outputs = [model.get_output(model.preprocess_image(path)) for path in paths]
    return {layer: torch.cat([o[layer] for o in outputs]).numpy() for layer in outputs[0]}


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def raising(error: Exception) -> Callable[[torch.Tensor], Any]:
    def wrong(_tensor: torch.Tensor) -> Any:
        raise error

    return wrong
