"""Which networks of a run are compared, on which pairs, with which labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from facebench.errors import InputError, UnknownNameError

__all__ = ["COMPUTED", "chosen_task", "frames_of"]

COMPUTED = "model_computed_distance"
_LABELS = ("same", "truth")


def chosen_task(
    results: Any, task: str | None, label_column: str | None
) -> tuple[Mapping[str, Mapping[str, pd.DataFrame]], str, str]:
    """Find the task to compare by.

    Parameters
    ----------
    results : MultiModelTaskManager, or mapping
        A manager after its run, or its ``model_task_distances_dfs``.
    task, label_column : str or None
        See `compare_models`.

    Returns
    -------
    mapping, str, str
        The distances by model and task, the task, and its column of labels.

    Raises
    ------
    InputError
        If `results` is something else, or the task compares conditions.
    UnknownNameError
        If there is no such task.
    """
    by_model = getattr(results, "model_task_distances_dfs", results)
    if not isinstance(by_model, Mapping):
        msg = (
            "The 'results' parameter of compare_models must be a manager or its "
            f"model_task_distances_dfs. Got a {type(results).__name__} instead."
        )
        raise InputError(msg)
    tasks = getattr(results, "tasks", {})

    def labels_of(name: str, frame: pd.DataFrame) -> str | None:
        columns = [label_column, getattr(tasks.get(name), "true_label", None), *_LABELS]
        wanted = columns[:1] if label_column is not None else columns
        return next((column for column in wanted if column in frame.columns), None)

    def has_conditions(name: str | None) -> bool:
        return callable(getattr(tasks.get(name), "compare_models", None))

    if has_conditions(task):
        msg = (
            f"compare_models pools all pairs of a task, but {task!r} compares conditions among "
            f"them: use manager.tasks[{task!r}].compare_models, with the distances of two networks."
        )
        raise InputError(msg)
    usable: dict[str, str] = {}
    for by_task in by_model.values():
        for name, frame in by_task.items():
            column = labels_of(name, frame) if COMPUTED in frame.columns else None
            if column is not None and not has_conditions(name):
                usable[name] = column
    if task is None and len(usable) == 1:
        [task] = usable
    if task not in usable:
        msg = (
            f"compare_models needs the 'task' to compare by: one of {', '.join(usable) or 'none'} "
            f"(tasks with results and labels). Got {task!r}."
        )
        raise UnknownNameError(msg)
    return by_model, task, usable[task]


def frames_of(
    by_model: Mapping[str, Mapping[str, pd.DataFrame]],
    task: str,
    layers: Mapping[str, str] | None,
) -> dict[tuple[str, str], pd.DataFrame]:
    """Give the pairs of every network, by model and layer.

    Parameters
    ----------
    by_model : mapping
        Distances by model and task.
    task : str
        The task.
    layers : mapping of str to str or None
        By model, the one layer to take.

    Raises
    ------
    UnknownNameError
        If there is no such layer.
    """
    frames = {}
    for model, by_task in by_model.items():
        if task not in by_task:
            continue
        for layer, frame in by_task[task].groupby("layer_name", sort=False):
            if layers is None or layers.get(model, layer) == layer:
                frames[model, str(layer)] = frame.reset_index(drop=True)
        if layers is not None and (model, layers.get(model)) not in frames and model in layers:
            msg = f"Model {model!r} has no results for the layer {layers[model]!r} in {task!r}."
            raise UnknownNameError(msg)
    return frames
