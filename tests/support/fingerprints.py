"""A small network, and what its fingerprint is with a preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from facebench.engine.fingerprint import model_fingerprint
from facebench.models.base import BaseModel


class Net(BaseModel):
    def __init__(self, name: str = "net", gain: float = 1.0, **options: Any) -> None:
        self.gain = gain
        super().__init__(name, **options)

    def _build_model(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU())

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor) * self.gain


def key(model: BaseModel, *arguments: Any, **options: Any) -> str:
    return model_fingerprint(model).layer_key(*(arguments or ("default",)), **options)


def made(source: str, **names: Any) -> Callable[..., Any]:
    """Compile a function `f` as a module of its own would."""
    space: dict[str, Any] = {"__name__": "a_users_module", **names}
    exec(source, space)
    return space["f"]


def with_function(function: Any) -> str | None:
    return model_fingerprint(Net(preprocess_function=function)).preprocessing
