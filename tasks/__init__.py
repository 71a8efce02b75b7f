"""Documented import path of the tasks."""

from facebench import (
    AccuracyTask,
    ConditionedAverageDistances,
    CorrelationTask,
    RelativeDifferenceTask,
    batch_cosine_distance,
)

__all__ = [
    "AccuracyTask",
    "ConditionedAverageDistances",
    "CorrelationTask",
    "RelativeDifferenceTask",
    "batch_cosine_distance",
]
