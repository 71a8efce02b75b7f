"""Documented import path of the base classes, the manager and the plots."""

from facebench import (
    BaseModel,
    BaseTask,
    MultiModelTaskManager,
    PlotHelper,
    batch_cosine_distance,
)
from facesBenchmarkUtils.firstTool import accept_old_keywords, star_names

accept_old_keywords(BaseModel, BaseTask)
__getattr__, _star_names = star_names(__name__)

__all__ = [
    "BaseModel",
    "BaseTask",
    "MultiModelTaskManager",
    "PlotHelper",
    "batch_cosine_distance",
    *_star_names,
]
