"""Measures of every layer without a part of its pairs: what errors of differences are made of.

A task may have a method `left_out`, as all of ours that need it do. Of others the measure is made
anew by the task itself, on what is left.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.identity import people_of
from facebench.errors import FacebenchError
from facebench.metrics.uncertainty.jackknife import LeaveOut, LeftOut
from facebench.results.pair_rows import PairRows
from facebench.results.task_facts import TaskFacts
from facebench.results.wide_tables import conditions_of, measures_of
from facebench.run.measurement import on_pairs, results_of
from facebench.tasks.base import BaseTask
from facebench.tasks.measures import headline

__all__ = ["LayerResults", "LeftOuts"]

# A measure of someone's own may be slow: so many calls per layer, and so long for a task.
_CALLS = 20
_PATIENCE = 60.0
# Where items name images.
_IMAGE_COLUMNS = ("img1", "img2", "img3", "image")

Found = LeftOut | str


@dataclass(frozen=True)
class LayerResults:
    """What a task says of one layer of a model, and what it says it of.

    Attributes
    ----------
    task, model, layer : str
        Which.
    rows : DataFrame
        The task's results.
    pairs : PairRows or None
        The pairs (or items).
    facts : TaskFacts
        Of the task.
    """

    task: str
    model: str
    layer: str
    rows: pd.DataFrame
    pairs: PairRows | None
    facts: TaskFacts


class LeftOuts:
    """The measures of a run without parts of the pairs, made when asked for.

    Parameters
    ----------
    tasks : mapping of str to task
        The tasks themselves; of those that are not here nothing is known.

    Attributes
    ----------
    found : dict of (str, str, str) to LeftOut
        By task, model and layer.
    """

    def __init__(self, tasks: Mapping[str, Any]) -> None:
        self._tasks = tasks
        self._seconds: dict[str, float] = {}
        self._parts: dict[str, _Parts] = {}
        self.found: dict[tuple[str, str, str], LeftOut] = {}

    def collect(self, layer: LayerResults) -> None:
        """Have a task that knows how to leave out parts do so."""
        if hasattr(self._tasks.get(layer.task), "left_out"):
            self.of(layer)

    def of(self, layer: LayerResults) -> Found:
        """Give the measures of a layer without parts of its pairs, or say why there are none."""
        key = (layer.task, layer.model, layer.layer)
        if key not in self.found:
            made = self._made(layer)
            if isinstance(made, str):
                return made
            self.found[key] = made
        return self.found[key]

    def _made(self, layer: LayerResults) -> Found:
        task = self._tasks.get(layer.task)
        if task is None or layer.pairs is None:
            return "its pairs are not there any more"
        spent = self._seconds.get(layer.task, 0.0)
        started = time.monotonic()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                # What a part lacks is no fault of the whole.
                warnings.simplefilter("ignore")
                if hasattr(task, "left_out"):
                    made: LeftOut = task.left_out(_as_measured(task, layer.pairs))
                    return made
                parts = self._parts.get(layer.task)
                if parts is None or not parts.are_of(task, layer.pairs):
                    parts = self._parts[layer.task] = _Parts(task, layer.pairs)
                frame = _as_measured(task, layer.pairs)
                return _own_left_out(layer, frame, parts, _PATIENCE - spent)
        except FacebenchError as error:
            return f"the task refuses parts of the pairs ({error})"
        except Exception as error:
            # Code of others may fail in any way; the measure itself is there all the same.
            return f"the task fails on parts of the pairs ({type(error).__name__}: {error})"
        finally:
            if not hasattr(task, "left_out"):
                self._seconds[layer.task] = spent + time.monotonic() - started


class _Parts:
    """A task's pairs (or items) without each group of people, or images, or items."""

    def __init__(self, task: Any, pairs: PairRows) -> None:
        self.by, sides, names = _members_of(pairs.only(_measured(task, pairs)))
        groups = LeaveOut(*sides, n_groups=_CALLS)
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
    """Tell what the task was given: all of it, or pairs without those that failed."""
    drops_failed = isinstance(task, BaseTask) and not task.handles_failed_pairs
    return pairs.usable if drops_failed else np.ones(len(pairs.frame), dtype=bool)


def _as_measured(task: Any, pairs: PairRows) -> pd.DataFrame:
    return pairs.only(_measured(task, pairs)).frame.reset_index(drop=True)


def _own_left_out(layer: LayerResults, frame: pd.DataFrame, parts: _Parts, seconds: float) -> Found:
    """Let a task measure what is left without each group."""
    wanted = headline(measures_of(layer.rows))
    keys = [(condition, metric) for condition in conditions_of(layer.rows) for metric in wanted]
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
    return LeftOut(parts.by, parts.digest, values)


def _members_of(pairs: PairRows) -> tuple[str, list[Any], list[Any]]:
    """Tell what is left out: people or else images where items name them, else items."""
    frame = pairs.frame
    if pairs.has_pairs:
        by, first, second = pairs.members
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
