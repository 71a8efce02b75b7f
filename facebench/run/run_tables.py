"""What a run found so far: results, distances, estimates, people; by task and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from facebench.columns import LAYER, MODEL, TASK
from facebench.data.estimates import LayerEstimates
from facebench.errors import InputError
from facebench.figures.records.run_facts import RunFacts, people_facts
from facebench.metrics.verification import auc
from facebench.results import exports
from facebench.results.schema import empty_failures
from facebench.run.face_failures import FaceFailures
from facebench.run.measurement import AnyModel, AnyTask, TaskMeasurement
from facebench.tasks.base import BaseTask, round_measures
from facebench.tasks.measures import measures_for
from facebench.tasks.shared.people import PEOPLE

__all__ = ["RunTables"]


class RunTables:
    """Keep what tasks found of models, and join it where tables are asked for.

    Parameters
    ----------
    models, tasks : dict
        The manager's, by name, in its order; they may grow.

    Attributes
    ----------
    distances : dict of str to dict of str to DataFrame
        By model and task.
    remarks : dict of str to dict of str to int
        By model, counts worth knowing.
    people : dict of str to DataFrame
        By task, a row per group of participants, unrounded.
    face_failures : dict of (str, str) to FaceFailures
        By task and model, where models align faces.
    """

    def __init__(self, models: Mapping[str, AnyModel], tasks: Mapping[str, AnyTask]) -> None:
        self._models, self._tasks = models, tasks
        self.distances: dict[str, dict[str, pd.DataFrame]] = {}
        self.remarks: dict[str, dict[str, int]] = {}
        self.people: dict[str, pd.DataFrame] = {}
        self.face_failures: dict[tuple[str, str], FaceFailures] = {}
        # By task and model, rounded and unrounded; joined where a table is asked for.
        self._rows: dict[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]] = {}
        self._estimates: dict[str, dict[str, dict[str, LayerEstimates]]] = {}
        self._joined: tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]] = ({}, {})
        self._to_join: dict[str, None] = {}

    @property
    def estimates(self) -> dict[str, dict[str, dict[str, LayerEstimates]]]:
        """Every number with its interval, by task, by model in the manager's order, by layer."""
        return {
            task: {name: known[name] for name in self._models if name in known}
            for task, known in self._estimates.items()
        }

    @property
    def measured_models(self) -> set[str]:
        """The models of which anything was measured."""
        return {name for known in self._estimates.values() for name in known}

    @property
    def failures_to_process(self) -> pd.DataFrame:
        """The images in which no face was found, by task, model and condition."""
        tables = [failures.table for failures in self.face_failures.values()]
        return pd.concat([empty_failures(), *tables], ignore_index=True)

    def has_results(self, task_name: str) -> bool:
        """Tell whether any model was measured on a task."""
        return task_name in self._rows

    def rows_of_model(self, model_name: str) -> dict[str, pd.DataFrame]:
        """Give a model's rounded results by task."""
        known = self._rows.items()
        return {task: rows[model_name][0] for task, rows in known if model_name in rows}

    def keep(self, model_name: str, task_name: str, measured: TaskMeasurement) -> None:
        """Keep what a task found of a model, in place of what it found earlier."""
        self.distances[model_name][task_name] = measured.distances
        rows = (measured.performance, measured.unrounded)
        self._rows.setdefault(task_name, {})[model_name] = rows
        self._to_join[task_name] = None
        self._estimates.setdefault(task_name, {})[model_name] = measured.estimates

    def tables(self) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
        """Join the results of models, in the manager's order: once, not for every new model."""
        for task_name in self._to_join:
            known = self._rows[task_name]
            rows = [known[name] for name in self._models if name in known]
            for tables, parts in zip(self._joined, zip(*rows, strict=True), strict=True):
                tables[task_name] = pd.concat(parts, ignore_index=True)
        self._to_join.clear()
        return self._joined

    def best_distances(self) -> dict[str, pd.Series]:
        """Give, by task, the distances of the model and layer that separate its pairs best."""
        found = {name: _best_distances(task, self.distances) for name, task in self._tasks.items()}
        return {name: distances for name, distances in found.items() if distances is not None}

    def unified_summary(self) -> pd.DataFrame:
        """Put all results so far in one table, a row per model and layer."""
        return exports.unified_summary(self.with_people(self.tables()[0]), self.remarks)

    def measure_people(self, tasks: Sequence[AnyTask]) -> None:
        """Measure the people of tasks, once, before any network runs.

        Raises
        ------
        InputError
            If a group of people is called as a model is.
        """
        for task in tasks:
            if task.people is None or task.name in self.people:
                continue
            rows = task.people_rows()
            if rows is None:
                continue
            keys = {TASK: task.name, MODEL: rows[PEOPLE].astype(str), LAYER: ""}
            twice = next((name for name in keys[MODEL] if name in self._models), None)
            if twice is not None:
                msg = (
                    f"A model is called {twice!r}, as the people of task {task.name!r} are in the "
                    "results. Give the model another name."
                )
                raise InputError(msg)
            more = rows.drop(columns=PEOPLE)
            self.people[task.name] = more.assign(**keys)[[*keys, *more.columns]]

    def with_people(self, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Put people below the networks of each task."""
        return {
            name: (
                pd.concat([table, round_measures(self.people[name])], ignore_index=True)
                if name in self.people
                else table
            )
            for name, table in tables.items()
        }

    def note_facts(self) -> None:
        """Give all tables what their figures should know of this run: the same for each."""
        rounded, unrounded = self.tables()
        known = [self._tasks[name] for name in rounded if name in self._tasks]
        measures, effects = {}, {}
        for task in known:
            columns = [str(column) for column in rounded[task.name].columns]
            measures[task.name], effects[task.name] = exports.noted_measures(
                measures_for(task, columns), task.facts().effect
            )
        people = {
            task.name: people_facts(self.people.get(task.name), task.human_references)
            for task in known
        }
        RunFacts(
            self._network_layers(), self._controls(), self.series(), measures, effects, people
        ).note(*rounded.values(), *unrounded.values())

    def _network_layers(self) -> dict[str, list[str]]:
        return {name: model.get_layer_names() for name, model in self._models.items()}

    def series(self) -> dict[str, dict[str, Any]]:
        """Say where checkpoints stand in their trainings, by model."""
        return {
            name: dict(model.series)
            for name, model in self._models.items()
            if model.series is not None
        }

    def _controls(self) -> dict[str, list[str]]:
        """Name the untrained copies among the models, by what they are called together."""
        controls: dict[str, list[str]] = {}
        for model in self._models.values():
            if model.control is not None:
                controls.setdefault(model.control, []).append(model.name)
        return controls


def _best_distances(
    task: AnyTask, distances: Mapping[str, Mapping[str, pd.DataFrame]]
) -> pd.Series | None:
    """Find the distances of the model and layer that separate a task's pairs best."""
    label = getattr(task, "true_label", None)
    if label is None or not isinstance(task, BaseTask):
        return None
    best, found = -1.0, None
    for by_task in distances.values():
        if task.name not in by_task:
            continue
        for _, rows in by_task[task.name].groupby("layer_name", sort=False):
            column = rows["model_computed_distance"]
            area = auc(rows[label], column, higher_is_better=False)
            if area > best:
                best, found = area, column
    return found
