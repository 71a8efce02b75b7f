"""One task on what one model returned: distances of its pairs, and what it makes of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import DISTANCE_METRIC, KEY_COLUMNS, LAYER, UNDEFINED
from facebench.data.estimates import LayerEstimates
from facebench.engine import Embeddings
from facebench.errors import InputError
from facebench.models.base import BaseModel
from facebench.models.recorded import RecordedModel
from facebench.results.task_facts import facts_of
from facebench.run.estimates import Estimator
from facebench.run.pair_distances import pair_distances
from facebench.run.remarks import report_reversed, with_remarks
from facebench.run.task_parts import on_pairs, results_of
from facebench.tasks.base import BaseTask, round_measures
from facebench.tasks.embedding import EmbeddingTask, LayerSource
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["AnyModel", "AnyTask", "TaskMeasurement", "measure", "measure_items", "rows_of_task"]

_log = logging.getLogger(__name__)
_SHOWN = 5
AnyModel = BaseModel | RecordedModel
AnyTask = BaseTask | EmbeddingTask


@dataclass(frozen=True)
class TaskMeasurement:
    """What a task found in all layers of a model.

    Attributes
    ----------
    distances : DataFrame
        Every pair row in file order, once per layer, with ``layer_name`` and
        ``model_computed_distance`` (NaN where an image could not be read); of an EmbeddingTask
        its items.
    performance, unrounded : DataFrame
        The task's results behind Task Name, Model Name and Layer Name, as reported and unrounded.
    n_lost : int
        Pairs left out because of an image that could not be read; of an EmbeddingTask, images.
    estimates : dict of str to LayerEstimates
        By layer, every number with its interval.
    """

    distances: pd.DataFrame
    performance: pd.DataFrame
    unrounded: pd.DataFrame
    n_lost: int
    estimates: dict[str, LayerEstimates]


def measure(
    task: BaseTask,
    model_name: str,
    first: IntArray,
    second: IntArray,
    embeddings: Embeddings,
    estimator: Estimator | None = None,
) -> TaskMeasurement:
    """Measure a task of pairs.

    Parameters
    ----------
    task : BaseTask
        The task.
    model_name : str
        Whose embeddings they are.
    first, second : int array, shape [N]
        The images of the task's pair rows, by number.
    embeddings : Embeddings
        Of all these images that could be read.
    estimator : Estimator, optional
        What finds intervals, the same one for all models of a run; None makes one.

    Raises
    ------
    InputError
        If no pair is left, or the task returns no DataFrame.
    MetricError
        If the task's distance metric fails.
    """
    rows1, rows2 = embeddings.rows[first], embeddings.rows[second]
    kept = (rows1 >= 0) & (rows2 >= 0)
    n_lost = int((~kept).sum())
    _report_lost(task, n_lost, len(kept))
    pairs = task.measured_pairs
    # A task is given all pairs, or those that have a distance.
    measured = on_pairs(task, np.ones_like(kept) if task.handles_failed_pairs else kept)
    frames: list[pd.DataFrame] = []
    performances: list[pd.DataFrame] = []
    unrounded: list[pd.DataFrame] = []
    without: dict[str, int] = {}
    for layer in embeddings.names:
        distances = np.full(len(kept), np.nan)
        distances[kept] = _distances(task, layer, rows1[kept], rows2[kept], kept, embeddings)
        frame = pairs.copy()
        frame["layer_name"] = layer
        frame["model_computed_distance"] = distances
        frames.append(frame)
        used = kept & ~np.isnan(distances)
        without[layer] = int((kept & ~used).sum())
        if not used.any():
            # A layer of zeros only: what the others report, as NaN.
            continue
        # A frame of its own: tasks may add columns to theirs.
        given = np.ones_like(kept) if task.handles_failed_pairs else used
        on_given = measured if without[layer] == 0 else on_pairs(task, given)
        reported, exact = (
            _with_true_distance(results, embeddings)
            for results in results_of(
                on_given, (frame if given.all() else frame[given]).reset_index(drop=True)
            )
        )
        reported, exact = _with_people(task, frame, reported, exact)
        performances.append(_with_identity(reported, task, model_name, layer))
        unrounded.append(_with_identity(exact, task, model_name, layer))
    _report_without(task, model_name, without, int(kept.sum()), embeddings)
    performances = _with_empty_layers(performances, embeddings.names)
    unrounded = _with_empty_layers(unrounded, embeddings.names)
    _report_undefined(task, model_name, unrounded)
    return _with_estimates(
        task,
        model_name,
        pd.concat(frames, ignore_index=True),
        pd.concat(performances, ignore_index=True),
        pd.concat(unrounded, ignore_index=True),
        n_lost,
        estimator,
        given=bool(embeddings.given),
    )


def _with_estimates(
    task: AnyTask,
    model_name: str,
    distances: pd.DataFrame,
    performance: pd.DataFrame,
    unrounded: pd.DataFrame,
    n_lost: int,
    estimator: Estimator | None,
    *,
    given: bool = False,
) -> TaskMeasurement:
    facts = facts_of(task, unrounded)
    estimates = with_remarks(
        task,
        facts,
        (estimator or Estimator()).estimates_of(task, distances, unrounded),
        distances,
        unrounded,
        given=given,
    )
    report_reversed(task.name, model_name, estimates, unrounded)
    return TaskMeasurement(distances, performance, unrounded, n_lost, estimates)


def _with_true_distance(results: Any, embeddings: Embeddings) -> Any:
    """Say what given distances are, where a task names the metric that it would have computed."""
    if not embeddings.given or not isinstance(results, pd.DataFrame):
        return results
    # 'Distance' of RsaTask is a name; of other tasks it may be a number.
    named = [
        column
        for column in (DISTANCE_METRIC, "Distance")
        if column in results and not pd.api.types.is_numeric_dtype(results[column])
    ]
    return results.assign(**dict.fromkeys(named, embeddings.given))


def _report_without(
    task: BaseTask, model_name: str, without: dict[str, int], n_pairs: int, embeddings: Embeddings
) -> None:
    """Warn of pairs without a distance: no score was given, or an embedding is all zeros."""
    found = {layer: count for layer, count in without.items() if count}
    if not found:
        return
    layers = [f"{count} of {n_pairs} in {layer!r}" for layer, count in found.items()]
    _log.warning(
        "Task %r, model %r: %s: %s. They are counted as failed, and %s.",
        task.name,
        model_name,
        "pairs have no score"
        if embeddings.given
        else "pairs have no cosine distance (NaN), since an embedding of theirs is all zeros",
        ", ".join(layers[:_SHOWN]) + (", …" if len(layers) > _SHOWN else ""),
        "accepted at no threshold" if task.handles_failed_pairs else "left out",
    )
    if len(found) == len(without) and min(found.values()) == n_pairs:
        why = (
            "has no score of any"
            if embeddings.given
            else ("gives embeddings of zeros only, which have no cosine distance")
        )
        msg = f"No pair of task {task.name!r} is left: model {model_name!r} {why}."
        raise InputError(msg)


def _distances(
    task: BaseTask,
    layer: str,
    rows1: IntArray,
    rows2: IntArray,
    kept: NDArray[np.bool_],
    embeddings: Embeddings,
) -> Float64Array:
    streamed = embeddings.streamed.get(layer)
    if streamed is None:
        return pair_distances(task, embeddings, layer, rows1, rows2)
    distances = streamed[task.name][kept]
    if not embeddings.given:
        task.distance_metric.check_finite(distances)
    return distances


def measure_items(
    task: EmbeddingTask,
    model_name: str,
    images: IntArray,
    embeddings: Embeddings,
    estimator: Estimator | None = None,
    source_of: Callable[[str, IntArray], LayerSource] | None = None,
) -> TaskMeasurement:
    """Measure a task on the embeddings of its images.

    Parameters
    ----------
    task : EmbeddingTask
        The task.
    model_name : str
        Whose embeddings they are.
    images : int array, shape [N]
        The task's images, by number.
    embeddings : Embeddings
        Of all these images that could be read.
    estimator : Estimator, optional
        What finds intervals, the same one for all models of a run; None makes one.
    source_of : callable, optional
        Says of a layer, and of the numbers of images, where the embeddings are from.

    Raises
    ------
    InputError
        If no image is left, or the task returns no DataFrame.
    """
    kept = embeddings.rows[images] >= 0
    frames: list[pd.DataFrame] = []
    performances: list[pd.DataFrame] = []
    unrounded: list[pd.DataFrame] = []
    for layer in embeddings.names:
        if embeddings.given:
            items = task.items_of_distances(embeddings.streamed[layer][task.name])
            frame = _as_frame(items, "items_of_distances", task)
        else:
            own = rows_of_task(task, layer, images, embeddings)
            source = (
                LayerSource(model_name, layer) if source_of is None else source_of(layer, images)
            )
            items = task.compute_items_of(own, source)
            frame = _as_frame(items, "compute_items", task)
        frame = frame.assign(layer_name=layer)
        frames.append(frame)
        found = _with_true_distance(task.compute_task_performance(frame.copy()), embeddings)
        performance, exact = _with_people(task, frame, found, found)
        performances.append(_with_identity(performance, task, model_name, layer))
        unrounded.append(_with_identity(exact, task, model_name, layer))
    results, exact = (pd.concat(rows, ignore_index=True) for rows in (performances, unrounded))
    distances = pd.concat(frames, ignore_index=True)
    n_lost = int((~kept).sum())
    return _with_estimates(
        task,
        model_name,
        distances,
        results,
        exact,
        n_lost,
        estimator,
        given=bool(embeddings.given),
    )


def rows_of_task(
    task: EmbeddingTask, layer: str, images: IntArray, embeddings: Embeddings
) -> FloatArray:
    """Give what a layer says of the images of a task, a row each; NaN where one cannot be read.

    Raises
    ------
    InputError
        If none can be read.
    """
    rows = embeddings.rows[images]
    kept = rows >= 0
    if not kept.any():
        msg = f"No image of task {task.name!r} is left: none can be read and shows a face."
        raise InputError(msg)
    own: FloatArray = np.array(embeddings.layers[layer][np.where(kept, rows, 0)])
    own[~kept] = np.nan
    return own


def _with_people(task: AnyTask, frame: pd.DataFrame, reported: Any, exact: Any) -> tuple[Any, Any]:
    """Add to a layer's first row how far it is from people, where the task knows some."""
    columns = task.against_people(frame.copy()) if task.people is not None else {}
    if not columns:
        return reported, exact
    row = pd.DataFrame([columns])
    return tuple(
        pd.concat([table.reset_index(drop=True), more], axis=1)
        for table, more in ((reported, round_measures(row)), (exact, row))
    )


def _report_lost(task: BaseTask, n_lost: int, n_pairs: int) -> None:
    if n_lost == n_pairs:
        msg = (
            f"No pair of task {task.name!r} is left: all have an image that cannot be read or "
            "shows no face."
        )
        raise InputError(msg)
    if n_lost:
        _log.warning(
            "Task %r: %d of %d pairs are left out, since an image of theirs cannot be read or "
            "shows no face.",
            task.name,
            n_lost,
            n_pairs,
        )


def _with_empty_layers(results: list[pd.DataFrame], layers: Sequence[str]) -> list[pd.DataFrame]:
    """Add layers without any distance, in their place: what others report, as NaN."""
    by_layer = {str(rows[LAYER].iloc[0]): rows for rows in results if len(rows)}
    if len(results) == len(layers):
        return results
    like = results[0]
    numbers = like.select_dtypes("number").columns
    empty = like.assign(**dict.fromkeys(numbers, np.nan))
    return [by_layer.get(layer, empty.assign(**{LAYER: layer})) for layer in layers]


def _report_undefined(task: BaseTask, model_name: str, results: list[pd.DataFrame]) -> None:
    """Warn once of what is NaN in some layers, with the reasons that the task gives."""
    reasons = Counter(
        reason
        for rows in results
        if UNDEFINED in rows
        for reason in dict.fromkeys(rows[UNDEFINED].dropna().astype(str))
        if reason
    )
    if reasons:
        _log.warning(
            "Task %r, model %r: not defined (NaN): %s.",
            task.name,
            model_name,
            "; ".join(
                f"{reason} (in {count} of {len(results)} layers)"
                for reason, count in reasons.most_common()
            ),
        )


def _as_frame(result: Any, method: str, task: AnyTask) -> pd.DataFrame:
    if not isinstance(result, pd.DataFrame):
        msg = (
            f"{method} of {type(task).__name__} must return a DataFrame. "
            f"Got {type(result).__name__} instead."
        )
        raise InputError(msg)
    return result


def _with_identity(performance: Any, task: AnyTask, model: str, layer: str) -> pd.DataFrame:
    table = _as_frame(performance, "compute_task_performance", task)
    measures = table.drop(columns=list(KEY_COLUMNS), errors="ignore")
    identity = dict(zip(KEY_COLUMNS, (task.name, model, layer), strict=True))
    return measures.assign(**identity)[[*identity, *measures.columns]]
