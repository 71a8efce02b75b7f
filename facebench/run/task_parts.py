"""A task's results, of all its pairs or of a part of them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.tasks.base import BaseTask, RoundedTask, round_measures
from facebench.tasks.shared.pairs_table import PairsTable

__all__ = ["on_pairs", "results_of"]


def on_pairs(task: BaseTask, kept: NDArray[np.bool_]) -> BaseTask:
    """Give the task, or a copy that knows only the kept pairs, for tasks that read pairs_df."""
    if kept.all() and kept.size == len(task.pairs_df):
        return task
    reduced = copy.copy(task)
    reduced.pairs_df = PairsTable(task.measured_pairs[kept].reset_index(drop=True))
    return reduced


def results_of(task: BaseTask, frame: pd.DataFrame) -> tuple[Any, Any]:
    """Compute a task's results once, as reported and unrounded."""
    own = type(task).compute_task_performance
    if isinstance(task, RoundedTask) and own is RoundedTask.compute_task_performance:
        exact = task.compute_unrounded_performance(frame)
        return round_measures(exact, task.whole_measures), exact
    reported = task.compute_task_performance(frame)
    return reported, reported
