"""Names of models, tasks and metrics; the documented path of `facebench.experiment.registry`."""

from facebench.experiment.registry import (
    CORRELATIONS,
    METRICS,
    MODELS,
    TASKS,
    Entry,
    Registry,
    register_metric,
    register_model,
    register_task,
)

__all__ = [
    "CORRELATIONS",
    "METRICS",
    "MODELS",
    "TASKS",
    "Entry",
    "Registry",
    "register_metric",
    "register_model",
    "register_task",
]
