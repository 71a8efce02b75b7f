"""What a run writes into its export folder: tables as they grow, and figures at its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from facebench.engine import Embeddings
from facebench.figures.output import figure_output
from facebench.models.base import BaseModel
from facebench.results import exports
from facebench.results.growing_table import GrowingTable
from facebench.run.failures import Failures, note_failure
from facebench.run.measurement import AnyTask, TaskMeasurement
from facebench.run.run_tables import RunTables
from facebench.run.task_images import TaskImages, names_of, paths_of
from facebench.utils.files import write_csv

__all__ = ["RunExport", "WrittenRows"]

# By file, model and task: what is not new is not written again.
WrittenRows = dict[tuple[Path, str, str], pd.DataFrame]


class RunExport:
    """Write what a run found into its folder.

    Parameters
    ----------
    folder : Path
        The export folder.
    found : RunTables
        What was found so far.
    tasks : mapping of str to BaseTask or EmbeddingTask
        All tasks of the manager.
    written : dict
        What earlier runs of the manager wrote; what this one writes is added.
    pairs : {'auto', 'csv', 'parquet'}
        What the distances of pairs are written as.
    figures : sequence of {'png', 'pdf', 'svg'}
        What figures are written as.
    """

    def __init__(
        self,
        folder: Path,
        found: RunTables,
        tasks: Mapping[str, AnyTask],
        written: WrittenRows,
        *,
        pairs: exports.PairsFormat,
        figures: Sequence[str],
    ) -> None:
        self.folder = folder
        self._found, self._tasks, self._added = found, tasks, written
        self._pairs, self._figures = pairs, figures
        self._growing: dict[Path, GrowingTable] = {}
        self._measured_before = found.measured_models

    def add_measured(self, model_name: str, task: AnyTask, measured: TaskMeasurement) -> None:
        """Write what a task just measured, before anything else is done."""
        exports.export_distances(
            self.folder, model_name, task.name, measured.distances, self._pairs
        )
        for class_name, tasks in self.finished_classes([task]).items():
            path = exports.class_table_path(self.folder, class_name)
            self.add_rows(
                path,
                measured.performance,
                partial(self.class_table, tasks),
                model_name,
                task.name,
            )

    def add_to_summary(self, model_name: str, failures: Failures) -> None:
        """Write a model's rows of the unified table, when all its tasks are done."""
        own = self._found.rows_of_model(model_name)
        if not own:
            return
        try:
            rows = exports.unified_summary(own, self._found.remarks)
            self.add_rows(
                exports.summary_path(self.folder), rows, self._found.unified_summary, model_name
            )
        except Exception as error:
            note_failure(failures, "tables", error)

    def add_rows(
        self,
        path: Path,
        rows: pd.DataFrame,
        whole: Callable[[], pd.DataFrame],
        model_name: str,
        task_name: str = "",
    ) -> None:
        """Append a model's rows to a table of this run, or write all if it had others earlier."""
        table = self._growing.setdefault(path, GrowingTable(path))
        before = self._added.get(key := (path, model_name, task_name))
        self._added[key] = rows
        if model_name in self._measured_before and before is not None and before.equals(rows):
            table.keep(whole)
        elif model_name in self._measured_before:
            table.write(whole())
        else:
            table.add(rows, whole)

    def class_table(self, tasks: Iterable[AnyTask]) -> pd.DataFrame:
        """Put the results of tasks below each other, people last."""
        tables = {task.name: self._found.tables()[0][task.name] for task in tasks}
        return pd.concat(list(self._found.with_people(tables).values()), ignore_index=True)

    def write_whole(
        self,
        tasks: Sequence[AnyTask],
        failures: Failures,
        provenance: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Write the tables of a run once more at its end, in the order of models and tasks."""
        if not self._growing:
            return
        try:
            self._found.note_facts()
            self.write_class_tables(tasks)
            self.write_summary(provenance())
        except Exception as error:
            note_failure(failures, "tables", error)

    def write_summary(self, provenance: Mapping[str, Any]) -> None:
        """Write ``models_unified_results.csv`` and ``provenance.json``."""
        write_csv(self._found.unified_summary(), exports.summary_path(self.folder))
        exports.export_provenance(self.folder, provenance)

    def write_class_tables(self, tasks: Iterable[AnyTask]) -> None:
        """Write the table of each class of some tasks, of all its tasks that have results."""
        for class_name, members in self.finished_classes(tasks).items():
            path = exports.class_table_path(self.folder, class_name)
            write_csv(self.class_table(members), path)

    def finished_classes(self, tasks: Iterable[AnyTask]) -> dict[str, list[AnyTask]]:
        """Give, for the classes of some tasks, all their tasks that have results."""
        kinds = {type(task) for task in tasks}
        groups = exports.group_by_class(list(self._tasks.values()))
        finished = {
            class_name: [task for task in members if self._found.has_results(task.name)]
            for class_name, members in groups.items()
            if type(members[0]) in kinds
        }
        return {class_name: members for class_name, members in finished.items() if members}

    def draw(self, tasks: Iterable[AnyTask], failures: Failures) -> None:
        """Draw the figures of the classes of some tasks, and of models."""
        with figure_output(self._figures):
            for class_name, members in self.finished_classes(tasks).items():
                try:
                    exports.draw_class(
                        self.folder,
                        class_name,
                        members,
                        self._found.tables()[0],
                        self._found.distances,
                    )
                    for task in members if self._found.series() else ():
                        table = self._found.tables()[0][task.name]
                        exports.draw_training(self.folder, class_name, task, table)
                except Exception as error:
                    note_failure(failures, f"{class_name} Plots", error)
            try:
                exports.draw_models(self.folder, self._found.tables()[0])
            except Exception as error:
                note_failure(failures, exports.MODELS_FOLDER, error)

    def write_embeddings(
        self,
        model: BaseModel,
        tasks: Sequence[AnyTask],
        images: Mapping[str, TaskImages],
        embeddings: Embeddings,
        number: int,
        file_format: str,
    ) -> None:
        """Write the embeddings of a pass, under names that `EmbeddingsModel` finds."""
        above = os.path.commonpath(
            [os.path.abspath(task.images_path) for task in self._tasks.values()]  # noqa: PTH100
        )
        rows: dict[str, int] = {}
        for task in tasks:
            named_files = zip(names_of(task), paths_of(images[task.name]), strict=True)
            for name, path in dict.fromkeys(named_files):
                if path in embeddings.row_of:
                    relative = name.path.relative_to(above).as_posix()
                    rows[relative] = embeddings.row_of[path]
        exports.export_embeddings(
            self.folder,
            model.name,
            file_format,
            list(rows),
            embeddings.layers,
            list(rows.values()),
            # Of two passes, the second takes images that are aligned already as they are.
            as_they_are=number > 0,
        )
