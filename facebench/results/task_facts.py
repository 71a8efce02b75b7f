"""What a run folder remembers of a task, so that its report needs no task object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from facebench.columns import CI_METHOD, CONDITION, KEY_COLUMNS
from facebench.tasks.facts import TaskFacts

__all__ = ["TaskFacts", "facts_of"]

_TEXTS_KEPT = 4


def facts_of(task: Any, performance: pd.DataFrame | None) -> TaskFacts:
    """Collect the facts of a task.

    Parameters
    ----------
    task : BaseTask or EmbeddingTask
        The task, which describes itself.
    performance : DataFrame or None
        Its results.
    """
    facts: TaskFacts = task.facts()
    return facts if performance is None else replace(facts, remarks=_remarks(performance))


def _remarks(performance: pd.DataFrame) -> dict[str, str]:
    remarks = {}
    for column in performance.columns:
        if column in {*KEY_COLUMNS, CONDITION, CI_METHOD} or is_numeric_dtype(performance[column]):
            continue
        texts = [text for text in performance[column].dropna().astype(str).unique() if text]
        if 0 < len(texts) <= _TEXTS_KEPT:
            remarks[str(column)] = ", ".join(texts)
    return remarks
