"""The pictures of a run: bars of a metric, scatter of two distances, curves of ranks.

matplotlib is loaded when the first picture is drawn, not when this module is imported.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.columns import LAYER, MODEL, TASK, interval_columns
from facebench.errors import InputError
from facebench.figures.records.profiles import ProfilePlots
from facebench.figures.records.representation import RepresentationPlots
from facebench.figures.records.series import SeriesPlots
from facebench.figures.records.tables import (
    as_numbers,
    cell_text,
    check_column,
    check_table,
    checked_limits,
    draw_tasks,
    layer_distances,
    row_labels,
    row_models,
)
from facebench.figures.records.verification import VerificationPlots

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.records.tables import Distances

__all__ = ["PlotHelper"]

SCORE, SCORE_NAME = "Correlation Score", "Correlation Metric"
_SCATTERED = ("distance", "model_computed_distance")


class PlotHelper(VerificationPlots, RepresentationPlots, ProfilePlots, SeriesPlots):
    """Draw the results of tasks, one PNG per task.

    The methods may be called from any thread and without a display. They leave pyplot and
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
        figsize: tuple[float, float] | None = None,
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
        figsize : tuple of float, optional
            Width and height of what the axes frame, in inches; what is written around them comes
            on top. By default they follow from what is drawn.

        Returns
        -------
        list of Path
            The files written, one per task.

        Raises
        ------
        InputError
            If the table is empty or lacks a column, the metric is not numeric, `ylim` is not a
            pair of increasing numbers, or `figsize` not two positive ones.
        """
        where = "PlotHelper.bar_plot"
        check_table(performances, where, (TASK, MODEL, LAYER))
        for name, column in (("y", y), ("x", x)):
            if column is not None:
                check_column(performances, where, name, column)
        as_numbers(performances[y], f"The {y!r} column of performances in {where}")
        limits = checked_limits(ylim, where)
        size = _checked_size(figsize, where)

        def draw(task: str, rows: pd.DataFrame) -> Figure:
            title = f"{title_prefix}: {task}"
            return _sized(_bar_figure(rows, y, ylabel, title, x, xlabel, limits), size)

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def scatter_plot(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        title_prefix: str = "Model and given distances",
        xlabel: str = "Given distance",
        ylabel: str = "Model distance",
        figsize: tuple[float, float] | None = None,
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
        title_prefix : str, default 'Model and given distances'
            The title is ``<title_prefix>: <task>``.
        xlabel, ylabel : str
            The names of the axes.
        figsize : tuple of float, optional
            Width and height of what all panels frame, in inches. By default they follow from what
            is drawn.

        Returns
        -------
        list of Path
            The files written, one per task.

        Raises
        ------
        InputError
            If the table is empty or lacks a column, a row of it has no distances, or `figsize` is
            not two positive numbers.
        """
        where = "PlotHelper.scatter_plot"
        check_table(performances, where, (TASK, MODEL, LAYER, SCORE))
        size = _checked_size(figsize, where)

        def draw(task: str, rows: pd.DataFrame) -> Figure:
            title = f"{title_prefix}: {task}"
            return _sized(_scatter_figure(rows, distances, title, (xlabel, ylabel)), size)

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def cmc_plot(curves: pd.DataFrame, output_dir: str | Path, file_name: str) -> list[Path]:
        """Draw cumulative match characteristics: the share of probes found within each rank.

        A curve is called ``model`` if its layer is 'default', else ``model: layer``; the legend
        gives its rank-1 rate. Curves of one model share a colour, from dark to light in the
        table's order. Large galleries get a logarithmic axis of ranks.

        Parameters
        ----------
        curves : pandas.DataFrame
            A row per point: 'Task Name', 'Model Name', 'Layer Name', 'Rank' and 'Rate', and for a
            band 'Rate CI Low' and 'Rate CI High'.
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
            If the table is empty, lacks a column, or holds no numbers.
        """
        check_table(curves, "PlotHelper.cmc_plot", (TASK, MODEL, LAYER, "Rank", "Rate"))

        def draw(task: str, rows: pd.DataFrame) -> Figure:
            return _cmc_figure(rows, f"Cumulative match characteristic: {task}")

        return draw_tasks(curves, output_dir, file_name, draw)


def _checked_size(figsize: Any, where: str) -> tuple[float, float] | None:
    if figsize is None:
        return None
    try:
        width, height = (float(side) for side in figsize)
    except (TypeError, ValueError):
        width = height = 0.0
    if not (0 < width < math.inf and 0 < height < math.inf):
        msg = (
            f"The 'figsize' parameter of {where} must be (width, height) in inches, both above 0. "
            f"Got {figsize!r} instead."
        )
        raise InputError(msg)
    return width, height


def _sized(figure: Figure, size: tuple[float, float] | None) -> Figure:
    if size is not None:
        figure.set_size_inches(*size)
    return figure


def _cmc_figure(rows: pd.DataFrame, title: str) -> Figure:
    """Draw the curves of one task."""
    from facebench.figures.drawing.cmc import Curve, cmc_figure

    curves = []
    for (model, _), points in rows.groupby([MODEL, LAYER], sort=False):
        ranks, rates, low, high = (
            as_numbers(points[column], f"The {column!r} column of curves in PlotHelper.cmc_plot")
            if column in points
            else None
            for column in ("Rank", *interval_columns("Rate"))
        )
        label = row_labels(points.iloc[:1])[0]
        if ranks is not None and rates is not None:
            band = None if low is None or high is None else (low, high)
            curves.append(Curve(cell_text(model), label, ranks, rates, band))
    return cmc_figure(curves, title=title)


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
    from facebench.figures.drawing.bars import Bar, bar_figure

    models, labels = row_models(rows), row_labels(rows)
    values = as_numbers(rows[y], y)
    groups = [None] * len(rows) if x is None else [cell_text(value) for value in rows[x]]
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


def _scatter_figure(
    rows: pd.DataFrame,
    distances: Distances,
    title: str,
    names: tuple[str, str] = ("Given distance", "Model distance"),
) -> Figure:
    """Draw the distances behind the rows of one task."""
    from facebench.figures.drawing.scatter import Panel, scatter_figure

    task = rows[TASK].iloc[0]
    scores = as_numbers(rows[SCORE], f"The {SCORE!r} column of performances")
    metrics = list(rows[SCORE_NAME]) if SCORE_NAME in rows else [None] * len(rows)
    panels = []
    for model, layer, label, metric, score in zip(
        rows[MODEL], rows[LAYER], row_labels(rows), metrics, scores, strict=True
    ):
        frame = layer_distances(
            distances, model, task, layer, _SCATTERED, "PlotHelper.scatter_plot"
        )
        given, computed = (
            as_numbers(frame[column], f"The {column!r} column of distances[{model!r}][{task!r}]")
            for column in _SCATTERED
        )
        name = metric if isinstance(metric, str) and metric else "score"
        panels.append(
            Panel(cell_text(model), label, cell_text(name), float(score), given, computed)
        )
    return scatter_figure(panels, title=title, names=names)
