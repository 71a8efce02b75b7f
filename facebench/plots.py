"""The pictures of a run: bars of a metric per model and layer, scatter of two distances.

matplotlib is loaded when the first picture is drawn, not when this module is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.columns import DEFAULT_LAYER, LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.files import atomic_path, safe_name
from facebench.plotting.representation import RepresentationPlots

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Distances = Mapping[str, Mapping[str, pd.DataFrame]]

__all__ = ["PlotHelper"]

SCORE, SCORE_NAME = "Correlation Score", "Correlation Metric"

# matplotlib promises no thread safety, and figures share its caches of fonts.
_drawing = threading.Lock()


class PlotHelper(RepresentationPlots):
    """Draw the results of tasks, one PNG per task.

    Both methods may be called from any thread and without a display. They leave pyplot and
    matplotlib's settings alone, and are not changed by them.
    """

    @staticmethod
    def bar_plot(
        performances: pd.DataFrame,
        y: str,
        ylabel: str,
        title_prefix: str,
        output_dir: str | Path,
        file_name: str,
        x: str | None = None,
        xlabel: str | None = None,
        ylim: tuple[float | None, float | None] | None = None,
    ) -> list[Path]:
        """Draw a metric as bars: one per row of the table, in the table's order.

        A bar is called ``model`` if its layer is 'default', else ``model: layer``. Bars of one
        model share a colour. Where names do not fit side by side the bars lie, and the picture
        grows with their number. A missing value is a gap marked 'n/a'.

        Parameters
        ----------
        performances : pandas.DataFrame
            The columns 'Task Name', 'Model Name', 'Layer Name', `y`, and `x` if given.
        y : str
            The column of the metric.
        ylabel : str
            The name of the metric's axis.
        title_prefix : str
            The title is ``<title_prefix>: <task>``.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
        x : str, optional
            A column, such as 'Condition', whose values group the bars; a legend then tells
            models and layers apart. By default every bar stands alone, under its name.
        xlabel : str, optional
            The name of the other axis; by default `x`, or what the bars are.
        ylim : tuple of (float or None), optional
            The ends of the metric's axis, each of which may be None. By default they are chosen
            from the values, with zero as the base line.

        Returns
        -------
        list of Path
            The files written, one per task.

        Raises
        ------
        InputError
            If the table is empty or lacks a column, the metric is not numeric, or `ylim` is not
            a pair of increasing numbers.
        """
        where = "PlotHelper.bar_plot"
        _check_table(performances, where, (TASK, MODEL, LAYER))
        for name, column in (("y", y), ("x", x)):
            if column is not None:
                _check_column(performances, where, name, column)
        _numbers(performances[y], f"The {y!r} column of performances in {where}")
        limits = _checked_limits(ylim, where)
        written = []
        for task, rows in _by_task(performances):
            target = Path(output_dir) / f"{safe_name(task)}_{safe_name(file_name)}.png"
            with _drawing, atomic_path(target) as path:
                title = f"{title_prefix}: {task}"
                _write(_bar_figure(rows, y, ylabel, title, x, xlabel, limits), path)
            written.append(target)
        return written

    @staticmethod
    def scatter_plot(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
    ) -> list[Path]:
        """Draw model distances over given ones: one panel per row of the table, in its order.

        A panel shows the pairs, their least-squares line with a 95 % band that takes pairs as
        independent, and the score. Pairs without a value are left out and counted. Where no
        line can be fitted the panel says why.

        Parameters
        ----------
        performances : pandas.DataFrame
            The columns 'Task Name', 'Model Name', 'Layer Name' and 'Correlation Score'; the
            score is called by the column 'Correlation Metric' if there is one.
        distances : mapping
            ``distances[model_name][task_name]`` is a DataFrame with the columns 'layer_name',
            'distance' (given, such as human) and 'model_computed_distance'.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.

        Returns
        -------
        list of Path
            The files written, one per task.

        Raises
        ------
        InputError
            If the table is empty or lacks a column, or a row of it has no distances.
        """
        _check_table(performances, "PlotHelper.scatter_plot", (TASK, MODEL, LAYER, SCORE))
        written = []
        for task, rows in _by_task(performances):
            target = Path(output_dir) / f"{safe_name(task)}_{safe_name(file_name)}.png"
            with _drawing, atomic_path(target) as path:
                _write(_scatter_figure(rows, distances, task), path)
            written.append(target)
        return written


def _bar_figure(
    rows: pd.DataFrame,
    y: str,
    ylabel: str,
    title: str,
    x: str | None = None,
    xlabel: str | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> Figure:
    """Draw the rows of one task as bars."""
    from facebench.figures.bars import Bar, bar_figure

    models, labels = _models(rows), _labels(rows)
    values = _numbers(rows[y], y)
    groups = [None] * len(rows) if x is None else [_text(value) for value in rows[x]]
    if xlabel is None:
        xlabel = x if x is not None else "Model" if models == labels else "Model: layer"
    return bar_figure(
        [
            Bar(model, label, float(value), group)
            for model, label, value, group in zip(models, labels, values, groups, strict=True)
        ],
        title=title,
        value_label=ylabel,
        category_label=xlabel,
        limits=limits,
    )


def _scatter_figure(rows: pd.DataFrame, distances: Distances, task: str) -> Figure:
    """Draw the distances behind the rows of one task."""
    from facebench.figures.scatter import Panel, scatter_figure

    scores = _numbers(rows[SCORE], f"The {SCORE!r} column of performances")
    metrics = list(rows[SCORE_NAME]) if SCORE_NAME in rows else [None] * len(rows)
    panels = []
    for model, layer, label, metric, score in zip(
        rows[MODEL], rows[LAYER], _labels(rows), metrics, scores, strict=True
    ):
        frame = _layer_distances(distances, model, rows[TASK].iloc[0], layer)
        given, computed = (
            _numbers(frame[column], f"The {column!r} column of distances[{model!r}][{task!r}]")
            for column in ("distance", "model_computed_distance")
        )
        name = metric if isinstance(metric, str) and metric else "score"
        panels.append(Panel(_text(model), label, _text(name), float(score), given, computed))
    return scatter_figure(panels, title=f"Model and given distances: {task}")


def _write(figure: Figure, path: Path) -> None:
    from facebench.figures.style import write_figure

    write_figure(figure, path)


def _by_task(performances: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    for task in dict.fromkeys(performances[TASK]):
        yield str(task), performances[performances[TASK] == task]


def _text(value: object) -> str:
    """Write a cell on one line; an empty cell is 'n/a'."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "n/a"
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _models(rows: pd.DataFrame) -> list[str]:
    return [_text(model) for model in rows[MODEL]]


def _labels(rows: pd.DataFrame) -> list[str]:
    return [
        model if layer == DEFAULT_LAYER else f"{model}: {layer}"
        for model, layer in zip(_models(rows), map(_text, rows[LAYER]), strict=True)
    ]


def _numbers(column: pd.Series, what: str) -> NDArray[np.float64]:
    """Read a column as floats, with NaN where a cell is empty."""
    import pandas as pd

    try:
        numbers: NDArray[np.float64] = pd.to_numeric(column).to_numpy(
            dtype="float64", na_value=float("nan")
        )
    except (TypeError, ValueError) as error:
        message = f"{what} must hold numbers or empty cells. {error}."
        raise InputError(message) from error
    return numbers


def _layer_distances(distances: Distances, model: str, task: str, layer: str) -> pd.DataFrame:
    """Find the distances of one model-layer on one task."""
    per_task = distances.get(model) if isinstance(distances, Mapping) else None
    frame = per_task.get(task) if isinstance(per_task, Mapping) else None
    if frame is None:
        message = (
            "The 'distances' parameter of PlotHelper.scatter_plot must hold a table for every "
            f"model and task of performances. Got none at distances[{model!r}][{task!r}]."
        )
        raise InputError(message)
    what = f"distances[{model!r}][{task!r}] of PlotHelper.scatter_plot"
    columns = ("layer_name", "distance", "model_computed_distance")
    _check_columns(frame, f"The table {what}", columns)
    rows = frame[frame["layer_name"].astype(str) == str(layer)]
    if len(frame) and not len(rows):
        known = _listed(dict.fromkeys(frame["layer_name"]))
        message = (
            f"The 'layer_name' column of {what} must have the layers of performances "
            f"(it has: {known}). Got {layer!r} instead."
        )
        raise InputError(message)
    return rows


def _check_table(performances: pd.DataFrame, where: str, columns: Sequence[str]) -> None:
    what = f"The 'performances' parameter of {where}"
    _check_columns(performances, what, columns)
    if performances.empty:
        message = f"{what} must have a row per model and layer. Got an empty table instead."
        raise InputError(message)
    if performances[TASK].isna().any():
        row = int(performances[TASK].isna().argmax())
        message = f"{what} must name a task in every row. Got an empty {TASK!r} in row {row}."
        raise InputError(message)


def _check_columns(table: object, what: str, columns: Sequence[str]) -> None:
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        message = f"{what} must be a pandas DataFrame. Got {type(table).__name__} instead."
        raise InputError(message)
    missing = [column for column in columns if column not in table]
    if missing:
        message = (
            f"{what} must have the columns {_listed(columns)} "
            f"(it has: {_listed(table.columns)}). It lacks {_listed(missing)}."
        )
        raise InputError(message)


def _check_column(performances: pd.DataFrame, where: str, name: str, column: str) -> None:
    if column not in performances:
        message = (
            f"The {name!r} parameter of {where} must be a column of performances "
            f"(it has: {_listed(performances.columns)}). Got {column!r} instead."
        )
        raise InputError(message)


def _checked_limits(ylim: object, where: str) -> tuple[float | None, float | None]:
    if ylim is None:
        return (None, None)
    try:
        low, high = (None if end is None else float(end) for end in ylim)  # type: ignore[attr-defined]
        fits = all(end is None or abs(end) < float("inf") for end in (low, high))
        if fits and (low is None or high is None or low < high):
            return low, high
    except (TypeError, ValueError):
        pass
    message = (
        f"The 'ylim' parameter of {where} must be two numbers, the lower first. "
        f"Got {ylim!r} instead."
    )
    raise InputError(message)


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "nothing"
