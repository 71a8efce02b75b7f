"""The documented files of a run: distances, tables and plots, each written whole or not at all."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from facebench.columns import CONDITION, DEFAULT_LAYER, KEY_COLUMNS, LAYER, MODEL
from facebench.errors import FacebenchError, InputError
from facebench.results.distances_file import write_pairs
from facebench.results.schema import DATA_HEALTH_FILE
from facebench.tasks.measures import Measure, headlines, measures_for
from facebench.types import DistancesByModel, FloatArray
from facebench.utils.files import atomic_path, safe_name, write_csv
from facebench.utils.sharing import make_folder

if TYPE_CHECKING:
    from facebench.run.measurement import AnyTask

__all__ = [
    "MODELS_FOLDER",
    "MOST_ROWS_OF_CSV",
    "PAIRS_FORMATS",
    "PairsFormat",
    "class_table_path",
    "draw_class",
    "draw_models",
    "draw_training",
    "export_data_health",
    "export_distances",
    "export_embeddings",
    "export_provenance",
    "group_by_class",
    "noted_measures",
    "summary_path",
    "unified_summary",
]

_DISTANCES_FOLDER = "Computed Metrics"
_EMBEDDINGS_FOLDER = "Embeddings"
MODELS_FOLDER = "Model Plots"
_SUMMARY_FILE = "models_unified_results.csv"
_PROVENANCE_FILE = "provenance.json"
# Of a task, the headline measures that are drawn over training, besides those with a ceiling.
_TRAINING_MEASURES = 2

PairsFormat = Literal["auto", "csv", "parquet"]
PAIRS_FORMATS: tuple[PairsFormat, ...] = ("auto", "csv", "parquet")
# A table of more rows takes longer to write as CSV than most networks' distances to compute.
MOST_ROWS_OF_CSV = 100_000


def export_distances(
    folder: Path, model: str, task: str, distances: pd.DataFrame, form: PairsFormat = "auto"
) -> None:
    """Write the distances of one model and task, a file per layer.

    Parameters
    ----------
    folder : Path
        The run's folder; files go to ``Computed Metrics/<model>/[<layer>/]<task>.csv`` or
        ``.parquet``. One of the other format, of an earlier run, is removed.
    model, task : str
        Their names.
    distances : DataFrame
        Every pair once per layer, with ``layer_name`` and ``model_computed_distance``.
    form : {'auto', 'csv', 'parquet'}, default 'auto'
        What is written; 'auto' writes a layer of more than 100,000 rows as parquet.
    """
    model_folder = folder / _DISTANCES_FOLDER / safe_name(model)
    for layer, rows in distances.groupby("layer_name", sort=False):
        layer_folder = model_folder if layer == DEFAULT_LAYER else model_folder / safe_name(layer)
        parquet = form == "parquet" or (form == "auto" and len(rows) > MOST_ROWS_OF_CSV)
        write, suffix, other = (
            (write_pairs, ".parquet", ".csv") if parquet else (_write_csv, ".csv", ".parquet")
        )
        name = safe_name(task)
        write(layer_folder / f"{name}{suffix}", rows)
        stale = layer_folder / f"{name}{other}"
        if stale.is_file() and not stale.is_symlink():
            # It would be taken for the results of this run.
            stale.unlink()


def _write_csv(path: Path, rows: pd.DataFrame) -> None:
    write_csv(rows, path)


def export_embeddings(
    folder: Path,
    name: str,
    suffix: str,
    images: Sequence[str],
    layers: Mapping[str, FloatArray],
    rows: Sequence[int],
    *,
    as_they_are: bool = False,
) -> None:
    """Write embeddings of a model, as `facebench.EmbeddingsModel` reads them.

    Parameters
    ----------
    folder : Path
        The run's folder; the file goes to ``Embeddings/<name>.<suffix>``.
    name, suffix : str
        The file's; 'npz' or 'parquet'.
    images, layers, rows
        See `facebench.data.embedding_files.write_embeddings`.
    as_they_are : bool, default False
        Whether a model that aligned other images took these as they are: the file goes to
        ``Embeddings/as they are``.
    """
    from facebench.data.embedding_files import write_embeddings

    place = folder / _EMBEDDINGS_FOLDER / ("as they are" if as_they_are else "")
    write_embeddings(place / f"{safe_name(name)}.{suffix}", images, layers, rows)


def unified_summary(
    performances: Mapping[str, pd.DataFrame], remarks: Mapping[str, Mapping[str, int]]
) -> pd.DataFrame:
    """Put all results in one table, a row per model and layer.

    Parameters
    ----------
    performances : mapping of str to DataFrame
        Each task's results, behind Task Name, Model Name and Layer Name.
    remarks : mapping of str to mapping of str to int
        Counts to report for a model, such as images without a face, by column name.

    Returns
    -------
    DataFrame
        Model Name, Layer Name, then '<task>: <metric>', or '<task> - <condition>: <metric>' for
        tasks with conditions; numbers only.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for task, results in performances.items():
        for key, columns in _columns_of(task, results).items():
            rows.setdefault(key, {}).update(columns)
    records = [
        {MODEL: model, LAYER: layer, **row, **remarks.get(model, {})}
        for (model, layer), row in rows.items()
    ]
    return pd.DataFrame(records) if records else pd.DataFrame(columns=[MODEL, LAYER])


def _columns_of(task: str, results: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Give a task's columns of the unified table, by model and layer."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    seen: Counter[tuple[str, str, str]] = Counter()
    metrics = [
        column
        for column in results.columns
        if column not in KEY_COLUMNS
        and is_numeric_dtype(results[column])
        and not is_bool_dtype(results[column])
    ]
    for record in results.to_dict("records"):
        key = (str(record[MODEL]), str(record[LAYER]))
        prefix = f"{task} - {record[CONDITION]}" if CONDITION in record else task
        # Several rows of one name are numbered.
        seen[*key, prefix] += 1
        if seen[*key, prefix] > 1:
            prefix = f"{prefix} [{seen[*key, prefix]}]"
        rows.setdefault(key, {}).update(
            {f"{prefix}: {metric}": record[metric] for metric in metrics}
        )
    return rows


def summary_path(folder: Path) -> Path:
    """Give the file of the unified table."""
    return folder / _SUMMARY_FILE


def export_provenance(folder: Path, provenance: Mapping[str, Any]) -> Path:
    """Write what the results came from; returns the file."""
    path = folder / _PROVENANCE_FILE
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(provenance, indent=2, default=str) + "\n", encoding="utf-8")
    return path


def export_data_health(folder: Path, findings: pd.DataFrame) -> Path:
    """Write what was found about the data; returns the file."""
    path = folder / DATA_HEALTH_FILE
    write_csv(findings, path)
    return path


def group_by_class(tasks: Sequence[AnyTask]) -> dict[str, list[AnyTask]]:
    """Group tasks by class, under the class's name (numbered where several share one)."""
    by_class: dict[type[AnyTask], list[AnyTask]] = {}
    for task in tasks:
        by_class.setdefault(type(task), []).append(task)
    groups: dict[str, list[AnyTask]] = {}
    for kind, members in by_class.items():
        name, number = kind.__name__, 2
        while name in groups:
            name, number = f"{kind.__name__} {number}", number + 1
        groups[name] = members
    return groups


def class_table_path(folder: Path, class_name: str) -> Path:
    """Give the file with the results of all tasks of one class."""
    return _class_folder(folder, class_name) / safe_name(f"{class_name} results.csv")


def draw_class(
    folder: Path,
    class_name: str,
    tasks: Sequence[AnyTask],
    performances: Mapping[str, pd.DataFrame],
    distances: DistancesByModel,
) -> None:
    """Have a class of tasks draw its results.

    Parameters
    ----------
    folder : Path
        The run's folder; files go to ``<TaskClass> Plots``.
    class_name : str
        The class's name.
    tasks : sequence of BaseTask or EmbeddingTask
        Its tasks.
    performances : mapping of str to DataFrame
        Results by task name.
    distances : mapping
        ``distances[model][task]``, for plots that show pairs.
    """
    output = _class_folder(folder, class_name)
    make_folder(output)
    results = pd.concat([performances[task.name] for task in tasks], ignore_index=True)
    static = isinstance(inspect.getattr_static(type(tasks[0]), "plot"), staticmethod | classmethod)
    if static:
        _plot(tasks[0], output, results, distances)
        return
    # A plot that reads its own task (self.name) is given that task's results.
    for task in tasks:
        _plot(task, output, performances[task.name], distances)


def draw_training(folder: Path, class_name: str, task: AnyTask, performances: pd.DataFrame) -> None:
    """Draw the headline measures of a task over the training of the networks that are checkpoints.

    Parameters
    ----------
    folder : Path
        The run's folder; files go to ``<TaskClass> Plots``.
    class_name : str
        The class's name.
    task : BaseTask or EmbeddingTask
        The task.
    performances : DataFrame
        Its results, which know where checkpoints stand.
    """
    from facebench.figures.plot_helper import PlotHelper

    numbers = [str(column) for column in performances.select_dtypes("number").columns]
    measures = measures_for(task, numbers)
    with_ceiling = [
        name for name, measure in measures.items() if set(measure.ceiling) & set(numbers)
    ]
    for name in dict.fromkeys([*headlines(task, numbers)[:_TRAINING_MEASURES], *with_ceiling]):
        PlotHelper.training_plot(
            performances, name, _class_folder(folder, class_name), f"training_{name}"
        )


def draw_models(folder: Path, performances: Mapping[str, pd.DataFrame]) -> None:
    """Draw, for every model, what all tasks found of it, where there are several.

    Parameters
    ----------
    folder : Path
        The run's folder; files go to ``Model Plots``.
    performances : mapping of str to DataFrame
        Results by task name.
    """
    from facebench.figures.plot_helper import PlotHelper

    known = {task: table for task, table in performances.items() if len(table)}
    if len(known) > 1:
        PlotHelper.family_plot(known, folder / MODELS_FOLDER, "all tasks")


def noted_measures(
    measures: Mapping[str, Measure], effect: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Give what the figures of a task should know of its measures and effects.

    Parameters
    ----------
    measures : mapping of str to Measure
        From `measures_for`.
    effect : mapping of str to str
        Of a task that compares conditions: a measure by condition.

    Returns
    -------
    measures, effects
        A task's part of `facebench.figures.records.run_facts.RunFacts`.
    """
    fields = ("better", "headline", "chance", "ceiling", "label")
    noted = {
        name: {field: getattr(measure, field) for field in fields}
        for name, measure in measures.items()
        if measure.headline or measure.better or measure.chance is not None or measure.label
    }
    differences = [
        name
        for name, measure in measures.items()
        if measure.headline and name.endswith("Difference")
        if not name.endswith("Relative Difference")
    ]
    effects = {"conditions": dict(effect), "effects": differences} if effect else {}
    return noted, effects


def _class_folder(folder: Path, class_name: str) -> Path:
    return folder / safe_name(f"{class_name} Plots")


def _takes_for_a_table(error: Exception) -> bool:
    """Tell whether a dict was used as the table that is in it."""
    columns = ("model_computed_distance", "layer_name", "img1", "img2")
    text = str(error)
    return "'dict' object" in text or "dict" in text or any(name in text for name in columns)


def _plot(task: AnyTask, output: Path, results: pd.DataFrame, distances: DistancesByModel) -> None:
    arguments: list[Any] = [str(output), results.copy()]
    try:
        inspect.signature(task.plot).bind(*arguments, distances)
    except TypeError:
        # Written for two arguments only.
        task.plot(*arguments)
    else:
        try:
            task.plot(*arguments, distances)
        except (AttributeError, TypeError, KeyError) as error:
            if isinstance(error, FacebenchError) or not _takes_for_a_table(error):
                raise
            msg = (
                f"plot of {type(task).__name__} failed on its third argument "
                f"({type(error).__name__}: {error}), which is a dict of all distances, not a "
                "table: that of one model and task is distances[model][task]."
            )
            raise InputError(msg) from error
