"""From tables of a measure over levels, or over the training of networks, to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.columns import CONDITION, LAYER, MODEL, TASK, interval_columns
from facebench.errors import InputError
from facebench.figures.records.layer_choice import few_layers
from facebench.figures.records.run_models import humans_of, series_of
from facebench.figures.records.tables import (
    as_numbers,
    cell_text,
    check_column,
    check_columns,
    check_table,
    draw_tasks,
    interval_of,
    row_labels,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.drawing.series import SeriesLine

__all__ = ["SeriesPlots"]

_MOST_LINES = 24
_PEOPLE = "people"
_WHERE = "PlotHelper.series_plot"


class SeriesPlots:
    """Figures over an ordered condition."""

    @staticmethod
    def series_plot(
        performances: pd.DataFrame,
        x: str,
        y: str,
        output_dir: str | Path,
        file_name: str,
        *,
        xlabel: str | None = None,
        ylabel: str | None = None,
        title_prefix: str | None = None,
        log: bool = False,
        period: float | None = None,
        reference: tuple[float, str] | Sequence[tuple[float, str]] | None = None,
        curves: pd.DataFrame | None = None,
        people: pd.DataFrame | None = None,
    ) -> list[Path]:
        """Draw a measure over levels, or over training, as lines with their intervals.

        A line is called ``model`` if its layer is 'default', else ``model: layer``. More than six
        lines get a panel for each model; of many layers some are shown, and the figure says so.

        Parameters
        ----------
        performances : pandas.DataFrame
            A row per point: 'Task Name', 'Model Name', 'Layer Name', `x` and `y`; intervals are
            taken from '<y> CI Low' and '<y> CI High', if there.
        x, y : str
            Columns of numbers.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
        xlabel, ylabel : str, optional
            Names of the axes; by default the columns'.
        title_prefix : str, optional
            The title is ``<title_prefix>: <task>``; by default '<y> over <x>'.
        log : bool, default False
            Whether x is on a logarithmic scale. 0 then stands left of the smallest number.
        period : float, optional
            Of x that runs in a circle, such as 360.
        reference : (float, str), or a sequence of them, optional
            Values to be marked, such as chance or a noise ceiling, with their names.
        curves : pandas.DataFrame, optional
            Points of functions, such as psychometric ones, with the columns of `performances`:
            drawn in the place of straight lines between points.
        people : pandas.DataFrame, optional
            Points of people, with a column ``people`` that names the group, `x`, `y` and the
            interval; drawn in black.

        Returns
        -------
        list of Path
            The files written, one per task.

        Raises
        ------
        InputError
            If a table is empty, lacks a column, or holds no numbers.
        """
        keys = (TASK, MODEL, LAYER)
        check_table(performances, _WHERE, keys)
        for name, column in (("x", x), ("y", y)):
            check_column(performances, _WHERE, name, column)
        if curves is not None and len(curves):
            check_columns(curves, f"The 'curves' parameter of {_WHERE}", (*keys, x, y))
        if people is not None:
            check_columns(people, f"The 'people' parameter of {_WHERE}", (_PEOPLE, x, y))
        marked = _references(reference)

        def draw(task: str, rows: pd.DataFrame) -> Figure:
            from facebench.figures.drawing.series import SeriesAxes, series_figure

            shown, note = _shown(rows)
            of_task = None if curves is None else curves[curves[TASK] == task]
            lines = [
                _line(points, x, y, cell_text(key[0]), row_labels(points.iloc[:1])[0], of_task)
                for key, points in shown.groupby([MODEL, LAYER], sort=False)
            ]
            beside = [] if people is None else people.groupby(_PEOPLE, sort=False)
            shared = SeriesAxes(
                xlabel or x, ylabel or y, log, period, marked,
                [_line(points, x, y, "", cell_text(name)) for name, points in beside],
            )  # fmt: skip
            title = f"{title_prefix or f'{ylabel or y} over {xlabel or x}'}: {task}"
            return series_figure(lines, shared, title=title, note=note)

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def training_plot(
        performances: pd.DataFrame,
        measure: str,
        output_dir: str | Path,
        file_name: str,
        *,
        series: Mapping[str, Mapping[str, Any]] | None = None,
        reference: tuple[float, str] | Sequence[tuple[float, str]] | None = None,
    ) -> list[Path]:
        """Draw a measure over the training of networks, of which the models are checkpoints.

        Parameters
        ----------
        performances : pandas.DataFrame
            Results, such as ``manager.tasks_performance_dfs[task]``.
        measure : str
            A column of numbers.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
        series : mapping of str to mapping, optional
            By model: ``of``, the name of the series, and ``x``, such as the epoch; ``label`` and
            ``log`` for the axis. By default as a run's tables have it. Other models are left out.
        reference
            See `series_plot`. People are drawn where a run's tables know of them.

        Returns
        -------
        list of Path
            The files written, one per task; none if no model is a checkpoint.

        Raises
        ------
        InputError
            If a column is missing.
        """
        import pandas as pd

        where = "PlotHelper.training_plot"
        check_table(performances, where, (TASK, MODEL, LAYER))
        check_column(performances, where, "measure", measure)
        known = series_of(performances) if series is None else dict(series)
        table = performances[performances[MODEL].isin(list(known))]
        if table.empty:
            return []
        points = [known[name] for name in table[MODEL]]
        label = str(points[0].get("label") or "Checkpoint")
        layers = table[LAYER].astype(str)
        if CONDITION in table and table[CONDITION].nunique() > 1:
            layers = layers + ", " + table[CONDITION].astype(str)
        drawn = table.assign(
            **{MODEL: [one["of"] for one in points], LAYER: layers},
            **{label: [float(one["x"]) for one in points]},
        ).sort_values(label, kind="stable")
        columns = (_PEOPLE, label, *interval_columns(measure))
        people = pd.DataFrame(
            [
                dict(zip(columns, (human.name, x, *human[1:4]), strict=True))
                for human in humans_of(performances, measure)
                for x in (drawn[label].min(), drawn[label].max())
            ]
        )
        return SeriesPlots.series_plot(
            drawn, label, measure, output_dir, file_name, title_prefix=f"{measure} over training",
            log=any(one.get("log") for one in points), reference=reference,
            people=people if len(people) else None,
        )  # fmt: skip


def _references(reference: object) -> list[tuple[float, str]]:
    if reference is None:
        return []
    try:
        given = [reference] if isinstance(reference, tuple) else list(reference)  # type: ignore[call-overload]
        return [(float(value), str(name)) for value, name in given]
    except (TypeError, ValueError):
        msg = (
            f"The 'reference' parameter of {_WHERE} must be a number and its name, or a list of "
            f"these. Got {reference!r} instead."
        )
        raise InputError(msg) from None


def _shown(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Take some of many layers."""
    each = rows.drop_duplicates([MODEL, LAYER])
    few, note = few_layers(each, _MOST_LINES)
    if not note:
        return rows, ""
    kept = set(zip(few[MODEL], few[LAYER], strict=True))
    return rows[[key in kept for key in zip(rows[MODEL], rows[LAYER], strict=True)]], note


def _line(
    points: pd.DataFrame,
    x: str,
    y: str,
    model: str,
    label: str,
    curves: pd.DataFrame | None = None,
) -> SeriesLine:
    import numpy as np

    from facebench.figures.drawing.series import SeriesLine

    value, low, high = interval_of(points, y, "performances")
    across = as_numbers(points[x], f"The {x!r} column of performances")
    smooth = (np.empty(0), np.empty(0))
    if curves is not None and len(curves):
        key = points.iloc[0]
        own = curves[(curves[MODEL] == key[MODEL]) & (curves[LAYER] == key[LAYER])]
        smooth = (
            as_numbers(own[x], f"The {x!r} column of curves"),
            as_numbers(own[y], f"The {y!r} column of curves"),
        )
    return SeriesLine(model, label, across, value, low, high, *smooth)
