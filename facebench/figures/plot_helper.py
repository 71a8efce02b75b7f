"""The figures of a run: bars of a metric, scatter of two distances, curves of ranks.

matplotlib is loaded when the first figure is drawn, not when this module is imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.columns import LAYER, MODEL, TASK, interval_columns
from facebench.errors import InputError
from facebench.figures.output import FigureOutput, figure_output
from facebench.figures.records.families import FamilyPlots
from facebench.figures.records.layer_choice import few_layers, few_of_each, in_pages
from facebench.figures.records.profiles import ProfilePlots
from facebench.figures.records.representation import RepresentationPlots
from facebench.figures.records.run_facts import humans_of, is_lower_better, levels_of
from facebench.figures.records.series import SeriesPlots
from facebench.figures.records.tables import (
    as_numbers,
    cell_text,
    check_column,
    check_table,
    checked_levels,
    checked_limits,
    draw_tasks,
    interval_of,
    layer_distances,
    row_labels,
    row_models,
)
from facebench.figures.records.verification import VerificationPlots

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.drawing.bars import Bar
    from facebench.figures.drawing.people import Level
    from facebench.figures.records.tables import Distances

__all__ = ["PlotHelper"]

SCORE, SCORE_NAME = "Correlation Score", "Correlation Metric"
_SCATTERED = ("distance", "model_computed_distance")
# What a page has room for: bars that lie, those of conditions, panels, curves.
_MOST_BARS, _MOST_GROUPED, _MOST_PANELS, _MOST_CURVES = 45, 72, 20, 24
Reference = tuple[float, str] | Sequence[tuple[float, str]]


class PlotHelper(VerificationPlots, RepresentationPlots, ProfilePlots, SeriesPlots, FamilyPlots):
    """Draw the results of tasks, one figure per task.

    The methods may be called from any thread and without a display. They leave pyplot and
    matplotlib's settings alone.

    Figures are written as PNG; in a block of `output` as PDF or SVG too. The fonts of a PDF are
    embedded, so that its text can be selected and edited; text of an SVG becomes outlines. The same
    results give the same bytes. A model has the same colour in all figures of a run.

    A figure fits on a page. Of more layers than there is room for, the best of each model and some
    others are drawn, and the figure says which; the tables hold all. Of more models than there is
    room for, further pages are written, as ``<task>_<file_name>_page_2.png``.

    Of matplotlib's settings (``rcParams``) these count where you changed them: ``font.family``
    with its list of fonts, such as ``font.serif``; ``font.size``, which scales all texts;
    ``savefig.dpi``; ``svg.fonttype``, where 'none' keeps text as text; and, in `bar_plot` and
    `scatter_plot`, ``figure.figsize``.
    """

    @staticmethod
    @contextmanager
    def output(*formats: str, keep: bool = True) -> Iterator[FigureOutput]:
        """Choose, for a block, what files figures are written to, and get the figures themselves.

        Parameters
        ----------
        *formats : {'png', 'pdf', 'svg'}
            What each figure is written as; none writes no files.
        keep : bool, default True
            Whether to keep the figures.

        Yields
        ------
        FigureOutput
            Its ``figures`` are those drawn in the block, a `matplotlib.figure.Figure` per page, to
            be changed and saved; its ``paths`` are the files written.

        Raises
        ------
        InputError
            If a format is not known.

        Examples
        --------
        >>> import pandas as pd
        >>> from facebench import PlotHelper
        >>> table = pd.DataFrame(
        ...     {"Task Name": "LFW", "Model Name": ["a", "b"], "Layer Name": "default",
        ...      "Accuracy": [0.9, 0.8]}
        ... )
        >>> with PlotHelper.output() as drawn:
        ...     _ = PlotHelper.bar_plot(table, "Accuracy", "Accuracy", "Score", "figures", "bars")
        >>> drawn.figures[0].axes[0].get_title()
        'Score: LFW'
        """
        with figure_output(formats, keep=keep) as made:
            yield made

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
        *,
        title: str | None = None,
        reference: Reference | None = None,
    ) -> list[Path]:
        """Draw a metric as bars: one per row of the table, in the table's order.

        A bar is called ``model`` if its layer is 'default', else ``model: layer``. Bars of one
        model share a colour. Where names do not fit side by side the bars lie. A missing value is a
        gap marked 'n/a'. A line across the end of a bar is its interval, from '<y> CI Low' and
        '<y> CI High', if there. Chance, the noise ceiling and people are drawn across the bars
        where the table of a run knows them.

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
        title : str, optional
            The whole title, in place of prefix and task; '' draws none.
        reference : (float, str), or a sequence of them, optional
            Values to mark with a line, such as chance, and their names; in place of the chance and
            ceiling that the table knows.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

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
        levels = checked_levels(reference, where)

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            heading = f"{title_prefix}: {task}" if title is None else title

            def page(own: pd.DataFrame, note: str) -> Figure:
                return _bar_figure(
                    own, y, ylabel, heading, x, xlabel, limits, note=note, levels=levels, whole=rows
                )

            if size is not None:
                # With a size, one picture of that size is drawn.
                return [_sized(page(rows, ""), size)]
            best: Any = {y: "lowest" if is_lower_better(rows, y) else "highest"}
            conditions = 1 if x is None else max(rows[x].nunique(), 1)
            most = _MOST_BARS if x is None else max(1, _MOST_GROUPED // conditions)
            shown, note = few_of_each(rows, most, best if x is None else None)
            return in_pages(shown, most, page, note)

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
        *,
        title: str | None = None,
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
        title : str, optional
            The whole title, in place of prefix and task; '' draws none.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            If the table is empty or lacks a column, a row of it has no distances, or `figsize` is
            not two positive numbers.
        """
        where = "PlotHelper.scatter_plot"
        check_table(performances, where, (TASK, MODEL, LAYER, SCORE))
        size = _checked_size(figsize, where)

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            heading = f"{title_prefix}: {task}" if title is None else title

            def page(own: pd.DataFrame, note: str) -> Figure:
                return _scatter_figure(own, distances, heading, (xlabel, ylabel), note)

            if size is not None:
                return [_sized(page(rows, ""), size)]
            best: Any = {SCORE: "largest"}
            shown, note = few_layers(rows, _MOST_PANELS, best)
            return in_pages(shown, _MOST_PANELS, page, note)

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
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            If the table is empty, lacks a column, or holds no numbers.
        """
        check_table(curves, "PlotHelper.cmc_plot", (TASK, MODEL, LAYER, "Rank", "Rate"))

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            # Of the best layers the first rate is highest.
            shown, note = few_of_each(rows, _MOST_CURVES, {"Rate": "highest"})

            def page(own: pd.DataFrame, said: str) -> Figure:
                return _cmc_figure(own, f"Cumulative match characteristic: {task}", said)

            return in_pages(shown, _MOST_CURVES, page, note)

        return draw_tasks(curves, output_dir, file_name, draw)


def _checked_size(figsize: Any, where: str) -> tuple[float, float] | None:
    if figsize is None:
        from facebench.figures.drawing.style import of_user

        figsize = of_user("figure.figsize")
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


def _cmc_figure(rows: pd.DataFrame, title: str, note: str = "") -> Figure:
    """Draw the curves of one task."""
    from facebench.figures.drawing.cmc import CmcCurve, cmc_figure

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
            curves.append(CmcCurve(cell_text(model), label, ranks, rates, band))
    return cmc_figure(curves, title=title, note=note)


def _bar_figure(
    rows: pd.DataFrame,
    y: str,
    ylabel: str,
    title: str,
    x: str | None = None,
    xlabel: str | None = None,
    limits: tuple[float | None, float | None] = (None, None),
    *,
    note: str = "",
    levels: Sequence[Level] | None = None,
    whole: pd.DataFrame | None = None,
) -> Figure:
    """Draw the rows of one task, or those of a page of it, as bars."""
    from facebench.figures.drawing.bars import bar_figure
    from facebench.figures.drawing.people import Beside

    models, labels = row_models(rows), row_labels(rows)
    if xlabel is None:
        xlabel = x if x is not None else "Model" if models == labels else "Model: layer"
    bars = _bars(rows, y, x)
    if any(bar.low == bar.low and bar.high == bar.high for bar in bars):
        note = f"Lines across bars are 95 % intervals. {note}".strip()
    return bar_figure(
        bars,
        title=title,
        value_label=ylabel,
        category_label=xlabel,
        limits=limits,
        beside=Beside(levels_of(rows, y) if levels is None else levels, humans_of(rows, y)),
        note=note,
        scale_of=[] if whole is None else _bars(whole, y, x),
    )


def _bars(rows: pd.DataFrame, y: str, x: str | None) -> list[Bar]:
    from facebench.figures.drawing.bars import Bar

    groups = [None] * len(rows) if x is None else [cell_text(value) for value in rows[x]]
    value, low, high = interval_of(rows, y, "performances")
    return [
        Bar(model, label, float(number), group, float(least), float(most))
        for model, label, number, group, least, most in zip(
            row_models(rows), row_labels(rows), value, groups, low, high, strict=True
        )
    ]


def _scatter_figure(
    rows: pd.DataFrame,
    distances: Distances,
    title: str,
    names: tuple[str, str] = ("Given distance", "Model distance"),
    note: str = "",
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
    return scatter_figure(panels, title=title, names=names, note=note)
