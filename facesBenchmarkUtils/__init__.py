"""Documented import path of the base classes, the manager and the plots."""

from facebench import (
    BaseModel,
    BaseTask,
    MultiModelTaskManager,
    PlotHelper,
    batch_cosine_distance,
)

__all__ = [
    "BaseModel",
    "BaseTask",
    "MultiModelTaskManager",
    "PlotHelper",
    "batch_cosine_distance",
]
