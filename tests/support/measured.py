"""Intervals for stand-ins of a manager, as a run makes them."""

from types import SimpleNamespace

from facebench.columns import MODEL
from facebench.run.estimates import Estimator


def with_estimates(manager: SimpleNamespace) -> SimpleNamespace:
    """Find the intervals of all results that a stand-in of a manager has; returns it."""
    estimator = Estimator()
    manager.estimates = {
        name: {
            model: estimator.estimates_of(
                manager.tasks[name], manager.model_task_distances_dfs[model][name], rows
            )
            for model, rows in table.groupby(MODEL, sort=False)
        }
        for name, table in manager.unrounded_performance_dfs.items()
    }
    return manager
