"""From tables of a measure over levels, or over the training of networks, to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.columns import CONDITION, LAYER, MODEL, TASK, interval_columns
from facebench.figures.records.layer_choice import few_of_each, in_pages
from facebench.figures.records.run_facts import facts_of, humans_of, levels_of
from facebench.figures.records.tables import (
    as_numbers,
    cell_text,
    check_column,
    check_columns,
    check_table,
    checked_levels,
    draw_tasks,
    interval_of,
    row_labels,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.drawing.people import Level
    from facebench.figures.drawing.series import SeriesLine

__all__ = ["SeriesPlots"]

# Of a page; more lines than the second get a panel for each model, of which it holds the third.
_MOST_LINES, _MOST_TOGETHER, _MOST_PANELS, _MOST_OF_MODEL = 24, 6, 8, 10
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
        people_curves: pd.DataFrame | None = None,
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
        people_curves : pandas.DataFrame, optional
            Points of people's functions, with the columns of `people`: drawn through their points.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

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
            if people_curves is not None and len(people_curves):
                columns = (_PEOPLE, x, y)
                check_columns(people_curves, f"The 'people_curves' parameter of {_WHERE}", columns)
        marked = [(level.low, level.name) for level in checked_levels(reference, _WHERE) or ()]

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            # A panel has room for the names of so many lines.
            room = min(_MOST_LINES, max(_MOST_TOGETHER, _MOST_OF_MODEL * rows[MODEL].nunique()))
            shown, note = few_of_each(rows, room)
            count = shown[MODEL].nunique()
            together = len(shown.drop_duplicates([MODEL, LAYER])) <= _MOST_TOGETHER
            most = _MOST_LINES if together or count <= _MOST_PANELS else _MOST_PANELS
            return in_pages(shown, most, lambda own, said: page(task, own, said), note)

        def page(task: str, shown: pd.DataFrame, note: str) -> Figure:
            from facebench.figures.drawing.series import SeriesAxes, series_figure

            of_task = None if curves is None else curves[curves[TASK] == task]
            lines = [
                _line(
                    points,
                    x,
                    y,
                    cell_text(key[0]),
                    row_labels(points.iloc[:1])[0],
                    _own(_own(of_task, MODEL, key[0]), LAYER, key[1]),
                )
                for key, points in shown.groupby([MODEL, LAYER], sort=False)
            ]
            beside = [] if people is None else people.groupby(_PEOPLE, sort=False)
            shared = SeriesAxes(
                xlabel or x, ylabel or y, log, period, marked,
                [
                    _line(points, x, y, "", cell_text(name), _own(people_curves, _PEOPLE, name))
                    for name, points in beside
                ],
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
            See `series_plot`; by default the chance and the noise ceiling that a run's tables know.
            People are drawn where they know of them.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format; none if no model is a
            checkpoint.

        Raises
        ------
        InputError
            If a column is missing.
        """
        import pandas as pd

        where = "PlotHelper.training_plot"
        check_table(performances, where, (TASK, MODEL, LAYER))
        check_column(performances, where, "measure", measure)
        known = facts_of(performances).series if series is None else dict(series)
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
        if reference is None:
            reference = _as_lines(levels_of(performances, measure))
        return SeriesPlots.series_plot(
            drawn, label, measure, output_dir, file_name, title_prefix=f"{measure} over training",
            log=any(one.get("log") for one in points), reference=reference,
            people=people if len(people) else None,
        )  # fmt: skip


def _as_lines(levels: Sequence[Level]) -> list[tuple[float, str]]:
    """Give the ends of bands as lines, each with its name."""
    lines = []
    for name, low, high in levels:
        if low == high:
            lines.append((low, name))
        else:
            lines += [(low, f"lower {name}"), (high, f"upper {name}")]
    return lines


def _own(table: pd.DataFrame | None, column: str, name: object) -> pd.DataFrame | None:
    return None if table is None or not len(table) else table[table[column] == name]


def _line(
    points: pd.DataFrame,
    x: str,
    y: str,
    model: str,
    label: str,
    curves: pd.DataFrame | None = None,
) -> SeriesLine:
    """Give the points of a line, and those of the function through them, if there is one."""
    import numpy as np

    from facebench.figures.drawing.series import SeriesLine

    value, low, high = interval_of(points, y, "performances")
    across = as_numbers(points[x], f"The {x!r} column of performances")
    smooth = (np.empty(0), np.empty(0))
    if curves is not None and len(curves):
        smooth = (
            as_numbers(curves[x], f"The {x!r} column of curves"),
            as_numbers(curves[y], f"The {y!r} column of curves"),
        )
    return SeriesLine(model, label, across, value, low, high, *smooth)
