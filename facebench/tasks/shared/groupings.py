"""What the images of a task's pairs belong to, so that failures to process are counted for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import CONDITION
from facebench.data.pairs import PAIR_COLUMNS
from facebench.metrics.labels import LabelError, as_labels

if TYPE_CHECKING:
    from facebench.tasks.base import BaseTask

__all__ = ["condition_names", "pair_groupings"]


def pair_groupings(task: BaseTask) -> dict[str, list[NDArray[Any]]]:
    """Group the images of pairs by side, and by the pair's class, condition and group.

    Columns are those that the task names, else 'same', 'condition' and 'group'. A task with further
    conditions adds them in its own `groupings`.

    Returns
    -------
    dict of str to list of two arrays, shape [N]
        By grouping, the condition of img1 and of img2 in every row; '' is none.
    """
    pairs = task.pairs_df
    found: dict[str, list[NDArray[Any]]] = {
        "side": [np.full(len(pairs), side, dtype=object) for side in PAIR_COLUMNS]
    }
    named = {
        "class": task.true_label or "same",
        "condition": task.condition_column or CONDITION.lower(),
        "group": task.group_column or "group",
    }
    for grouping, column in named.items():
        if column in pairs:
            values = pairs[column]
            texts = _class_names(values) if grouping == "class" else condition_names(values)
            found[grouping] = [texts, texts]
    return found


def condition_names(values: pd.Series) -> NDArray[Any]:
    """Write a column of conditions as texts, '' where it is empty."""
    texts = values.astype(object).where(values.notna(), "").astype(str)
    return np.asarray(texts, dtype=object)


def _class_names(values: pd.Series) -> NDArray[Any]:
    try:
        return np.where(as_labels(values) == 1, "same", "different").astype(object)
    except LabelError:
        return condition_names(values)
