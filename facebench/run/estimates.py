"""The intervals of a task's measures, made once, right after it measured a model.

Where a task tells how much each pair moves a measure (`BaseTask.influences`), the interval follows
from that. A task may also have a method `left_out`, which measures without each part of the pairs.
Any other task is called again on parts of its pairs, within limits.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import LAYER
from facebench.data.estimates import (
    COUNTS,
    LayerEstimates,
    MeasureEstimate,
    conditions_of,
    estimates_of,
    measures_of,
)
from facebench.data.identity import people_of
from facebench.errors import FacebenchError
from facebench.metrics.uncertainty.jackknife import (
    JackknifeGroups,
    JackknifeReplicates,
)
from facebench.metrics.uncertainty.spread import FEWEST_UNITS
from facebench.results.influences import replicates_interval
from facebench.results.pair_rows import PairRows, layers_of
from facebench.results.task_facts import facts_of
from facebench.run.task_parts import on_pairs, results_of
from facebench.tasks.base import BaseTask
from facebench.tasks.measures import measures_for
from facebench.types import Float64Array

__all__ = ["Estimator"]

# A measure of someone's own may be slow: so many calls per layer, and so long for a task.
_CALLS = 20
_PATIENCE = 60.0
# Where items name images.
_IMAGE_COLUMNS = ("img1", "img2", "img3", "image")


class Estimator:
    """Finds the intervals of measures, for all models of a run.

    It remembers how long each task has taken, and which parts of its pairs were left out.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._parts: dict[str, _Parts] = {}

    def estimates_of(
        self, task: Any, distances: pd.DataFrame, unrounded: pd.DataFrame
    ) -> dict[str, LayerEstimates]:
        """Find the intervals of what a task reports of one model.

        Parameters
        ----------
        task : BaseTask or EmbeddingTask
            The task.
        distances : DataFrame
            Its pairs (or items), once per layer.
        unrounded : DataFrame
            Its results, unrounded, with Layer Name.

        Returns
        -------
        dict of str to LayerEstimates
            By layer. Headline measures that came without an interval are given one, or their
            method says why there is none.
        """
        facts = facts_of(task, unrounded)
        pairs = layers_of(distances, facts)
        metrics = measures_of(unrounded)
        known = measures_for(task, metrics)
        headline = {name: one.bounds for name, one in known.items() if one.headline}
        # Once for all layers: a conversion takes as long for one row as for hundreds.
        records = unrounded.to_dict("records")
        return {
            str(layer): self._of_layer(
                task,
                unrounded.iloc[places],
                [records[place] for place in places],
                metrics,
                headline,
                pairs[str(layer)],
            )
            for layer, places in unrounded.groupby(LAYER, sort=False).indices.items()
        }

    def _of_layer(
        self,
        task: Any,
        rows: pd.DataFrame,
        records: list[dict[Any, Any]],
        metrics: list[str],
        headline: Mapping[str, tuple[float, float] | None],
        pairs: PairRows,
    ) -> LayerEstimates:
        # A task that knows how to leave out parts does so for all measures.
        replicates = self._replicates(task, rows, headline, pairs) if _leaves_out(task) else None
        estimates = []
        conditions = conditions_of(rows)
        parts = {condition: pairs.of_condition(condition) for condition in conditions}
        counts = {condition: own.counts() for condition, own in parts.items()}
        for given in estimates_of(records, conditions, metrics):
            own = parts[given.condition]
            counted: dict[str, Any] = {
                name: count
                for name, count in counts[given.condition].items()
                # What a task counts and does not know is not known.
                if COUNTS[name] not in rows
            }
            estimate = replace(given, **counted)
            if given.low is None and given.measure in headline and np.isfinite(given.value):
                made = replicates_interval(given.measure, given.value, own)
                if made is None:
                    if replicates is None:
                        replicates = self._replicates(task, rows, headline, pairs)
                    made = _jackknife(given, replicates, headline[given.measure])
                estimate = replace(estimate, **made)
            estimates.append(estimate)
        return LayerEstimates(
            tuple(estimates), replicates if isinstance(replicates, JackknifeReplicates) else None
        )

    def _replicates(
        self, task: Any, rows: pd.DataFrame, headline: Collection[str], pairs: PairRows
    ) -> JackknifeReplicates | str:
        """Give the measures of a layer without parts of its pairs, or say why there are none."""
        spent = self._seconds.get(task.name, 0.0)
        started = time.monotonic()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                # A missing part is not an error of the whole.
                warnings.simplefilter("ignore")
                frame = _as_measured(task, pairs)
                if _leaves_out(task):
                    made: JackknifeReplicates = task.left_out(frame)
                    return made
                parts = self._parts.get(task.name)
                if parts is None or not parts.are_of(task, pairs):
                    parts = self._parts[task.name] = _Parts(task, pairs)
                return _own_left_out(rows, headline, frame, parts, _PATIENCE - spent)
        except FacebenchError as error:
            return f"the task refuses parts of the pairs ({error})"
        except Exception as error:
            # Code of others may fail in any way; the measure itself is there all the same.
            return f"the task fails on parts of the pairs ({type(error).__name__}: {error})"
        finally:
            if not _leaves_out(task):
                self._seconds[task.name] = spent + time.monotonic() - started


def _leaves_out(task: Any) -> bool:
    return hasattr(task, "left_out")


def _jackknife(
    estimate: MeasureEstimate,
    found: JackknifeReplicates | str,
    bounds: tuple[float, float] | None,
) -> dict[str, Any]:
    """Make an interval from the measure without parts of the pairs, or say why there is none."""
    if isinstance(found, str):
        return {"method": f"none: {found}"}
    made = found.of(estimate.condition, estimate.measure, estimate.value)
    if made is None:
        return {"method": "none: the task provides no method"}
    low, high = made.interval_within(bounds)
    if np.isnan(low):
        return {"method": f"none: {_why(made.units)}"}
    how = f"jackknife by {found.by}, {made.units.size} groups"
    return {"low": low, "high": high, "method": how}


def _why(values: Float64Array) -> str:
    if values.size < FEWEST_UNITS:
        return f"{values.size} people or images are too few"
    if not np.isfinite(values).all():
        return "it is undefined without some of the pairs"
    return "it is the same whichever pairs are left out"


class _Parts:
    """A task's pairs (or items) without each group of people, or images, or items."""

    def __init__(self, task: Any, pairs: PairRows) -> None:
        self.by, sides, names = _sampling_units_of(pairs.only(_measured(task, pairs)))
        groups = JackknifeGroups(*sides, n_groups=_CALLS)
        self.kept = groups.kept.T
        self.digest = groups.digest(*names)
        self._pairs = pairs
        self._tasks: dict[int, Any] = {}
        self._task = task

    def are_of(self, task: Any, pairs: PairRows) -> bool:
        """Tell whether another layer has the same pairs, with the same ones left out."""
        known = self._pairs
        return known.same_pairs(pairs) and np.array_equal(
            _measured(task, known), _measured(task, pairs)
        )

    def task_of(self, group: int) -> Any:
        """Give the task, knowing only the pairs that are left without a group."""
        if not isinstance(self._task, BaseTask):
            return self._task
        if group not in self._tasks:
            whole = _measured(self._task, self._pairs).copy()
            whole[whole] = self.kept[group]
            self._tasks[group] = on_pairs(self._task, whole)
        return self._tasks[group]


def _measured(task: Any, pairs: PairRows) -> NDArray[np.bool_]:
    """Say which rows the task was given: all, or the pairs without those that failed."""
    drops_failed = isinstance(task, BaseTask) and not task.handles_failed_pairs
    return pairs.usable if drops_failed else np.ones(len(pairs.frame), dtype=bool)


def _as_measured(task: Any, pairs: PairRows) -> pd.DataFrame:
    return pairs.only(_measured(task, pairs)).frame.reset_index(drop=True)


def _own_left_out(
    rows: pd.DataFrame, wanted: Collection[str], frame: pd.DataFrame, parts: _Parts, seconds: float
) -> JackknifeReplicates | str:
    """Let a task measure what is left without each group."""
    keys = [(condition, metric) for condition in conditions_of(rows) for metric in wanted]
    values = {key: np.full(len(parts.kept), np.nan) for key in keys}
    started = time.monotonic()
    for group, kept in enumerate(parts.kept):
        if (time.monotonic() - started) * len(parts.kept) > seconds * max(group, 1):
            return f"measuring parts of the pairs takes more than {_PATIENCE:.0f} s in all layers"
        rest = frame[kept].reset_index(drop=True)
        if rest.empty:
            continue
        part = parts.task_of(group)
        if isinstance(part, BaseTask):
            table = results_of(part, rest)[1]
        else:
            table = part.compute_task_performance(rest)
        for row, condition in zip(table.to_dict("records"), conditions_of(table), strict=True):
            for metric in wanted:
                if (condition, metric) in values and metric in row:
                    values[condition, metric][group] = float(row[metric])
    return JackknifeReplicates(parts.by, parts.digest, values)


def _sampling_units_of(pairs: PairRows) -> tuple[str, list[Any], list[Any]]:
    """Tell what is left out: people or else images where items name them, else items."""
    frame = pairs.frame
    if pairs.has_pairs:
        by, first, second = pairs.sampling_units
        return by, [first, second], [frame["img1"], frame["img2"]]
    columns = [column for column in _IMAGE_COLUMNS if column in frame]
    named = [frame[column].astype(str) for column in columns]
    if "identity" in frame:
        return "identity", [frame["identity"].astype(str)], [frame["identity"], *named]
    if not named:
        rows = np.arange(len(frame))
        return "item", [rows], [rows]
    people = [people_of(side) for side in named]
    if any((side == "").any() for side in people):
        return "image", named, named
    return "identity", people, named
