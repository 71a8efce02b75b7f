"""Documented import path of the tasks."""

from facebench import (
    AccuracyTask,
    ConditionedAverageDistances,
    CorrelationTask,
    RelativeDifferenceTask,
    batch_cosine_distance,
)
from facesBenchmarkUtils.firstTool import accept_old_keywords, star_names

accept_old_keywords(
    AccuracyTask, ConditionedAverageDistances, CorrelationTask, RelativeDifferenceTask
)
__getattr__, _star_names = star_names(__name__)

__all__ = [
    "AccuracyTask",
    "ConditionedAverageDistances",
    "CorrelationTask",
    "RelativeDifferenceTask",
    "batch_cosine_distance",
    *_star_names,
]
