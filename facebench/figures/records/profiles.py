"""The figures of effects and of measures over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.records.layer_choice import few_layers, in_pages
from facebench.figures.records.layer_figures import (
    Curves,
    effects_chart,
    in_common,
    map_chart,
    profile_chart,
    why_undefined,
)
from facebench.figures.records.run_facts import (
    facts_of,
    humans_of,
    is_lower_better,
    levels_of,
)
from facebench.figures.records.tables import (
    check_column,
    check_table,
    draw_one,
    draw_tasks,
    listed,
    rows_by_task,
)
from facebench.utils.files import safe_name
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["ProfilePlots"]

# Rows of a page with two conditions; with more they are taller.
MOST_ROWS = 32


class ProfilePlots:
    """Draw effects and layer profiles; see `facebench.figures.plot_helper.PlotHelper`."""

    @staticmethod
    def effect_plot(
        performances: pd.DataFrame,
        conditions: Sequence[str],
        effects: Sequence[str],
        output_dir: str | Path,
        file_name: str,
    ) -> list[Path]:
        """Draw conditions, and beside them their differences, each with its interval.

        Of more than 32 model-layers some are shown: of every model those with the largest
        differences, the last one, and others evenly spaced. The figure says so.

        Parameters
        ----------
        performances : pandas.DataFrame
            The columns 'Task Name', 'Model Name', 'Layer Name', and those named; intervals are
            taken from '<column> CI Low' and '<column> CI High'.
        conditions, effects : sequence of str
            Columns of numbers.
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
            If the table is empty or lacks a column.
        """
        where = "PlotHelper.effect_plot"
        check_table(performances, where, (TASK, MODEL, LAYER))
        for name, columns in (("conditions", conditions), ("effects", effects)):
            for column in columns:
                check_column(performances, where, name, column)

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            from facebench.figures.drawing.effects import rows_of_page

            most = min(MOST_ROWS, rows_of_page(len(conditions), len(effects)))
            shown, note = few_layers(rows, most, dict.fromkeys(effects, "largest"))
            return in_pages(
                shown,
                most,
                lambda own, said: effects_chart(own, conditions, effects, task, said),
                note,
            )

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def plot_layer_profile(
        performances: pd.DataFrame,
        measure: str | Sequence[str],
        output_dir: str | Path,
        file_name: str,
        *,
        condition: str | None = None,
        layers: Mapping[str, Sequence[str]] | None = None,
        controls: Mapping[str, Sequence[str]] | None = None,
        larger_is_better: bool | None = None,
        label: str | None = None,
        together: bool = False,
    ) -> list[Path]:
        """Draw a measure over the layers of every network, with its interval as a band.

        A filled mark is the peak, an open one the first layer that reaches 95 % of it; an effect
        that is nowhere above 0 has neither. One network (or several of equal layers) is drawn over
        the names of its layers, others over relative depth. Several measures of several networks,
        or with controls, have a panel each; so do more than 8 networks. Chance, the noise ceiling
        and people are drawn where the table of a run knows them.

        Parameters
        ----------
        performances : pandas.DataFrame
            Results, such as ``manager.tasks_performance_dfs[task]``.
        measure : str or sequence of str
            A column of numbers; several, such as effects, share the figure.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
        condition, layers, larger_is_better
            See `facebench.figures.records.layer_table.layer_profile`.
        controls : mapping of str to sequence of str, optional
            Models of the table that are untrained copies of one network, by what they are called:
            drawn as a grey band from the lowest to the highest, and their mean. By default those
            of `untrained_copies`, as a run's tables name them; {} draws them as curves.
        label : str, optional
            The name of the axis; by default the measure.
        together : bool, default False
            All tasks of the table in one figure, such as all effects, called
            ``<file_name>.png``.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            If a column, condition or control is missing, or a layer occurs twice.
        """
        from facebench.figures.records.layer_table import layer_profile

        measures = [measure] if isinstance(measure, str) else list(measure)
        where = "PlotHelper.plot_layer_profile"
        check_table(performances, where, (TASK, MODEL, LAYER))
        untrained = _controls(performances, controls, where)
        shown = label or in_common(measures)
        signed = all("Difference" in column for column in measures)

        def smallest(column: str) -> bool:
            if larger_is_better is None:
                return is_lower_better(performances, column)
            return not larger_is_better

        def curves(task: str, rows: pd.DataFrame) -> list[Curves]:
            return [
                Curves(
                    " ".join([task] * together + [column] * (len(measures) > 1)),
                    label or (column if shown not in column else shown),
                    layer_profile(
                        rows,
                        column,
                        condition=condition,
                        layers=layers,
                        larger_is_better=not smallest(column),
                    ),
                    why_undefined(rows),
                    smallest(column),
                    humans_of(rows, column),
                    [level for level in levels_of(rows, column) if not (signed and level.low == 0)],
                )
                for column in measures
            ]

        def figure(found: list[Curves], title: str) -> list[Figure]:
            return profile_chart(found, untrained, title, shown, signed)

        if together:
            found = [
                curve for task, rows in rows_by_task(performances) for curve in curves(task, rows)
            ]
            target = Path(output_dir) / f"{safe_name(file_name)}.png"
            return draw_one(target, lambda: figure(found, f"{shown} over layers"), performances)

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            return figure(curves(task, rows), f"{shown} over layers: {task}")

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def layer_heat_map(
        performances: Mapping[str, pd.DataFrame],
        measure: str | Mapping[str, str],
        output_dir: str | Path,
        file_name: str,
        *,
        layers: Mapping[str, Sequence[str]] | None = None,
        title: str = "Measures over layers",
    ) -> Path:
        """Draw one map of all models, layers and tasks, each column with its own scale of colours.

        A column of differences, or with values of both signs, is white at 0, orange below and
        blue above. The best value of a model and column is bold.

        Parameters
        ----------
        performances : mapping of str to pandas.DataFrame
            Results by task, such as ``manager.tasks_performance_dfs``.
        measure : str or mapping of str to str
            The column of every task, or of each that is to be shown.
        output_dir : str or Path
            Where the picture goes; made if need be.
        file_name : str
            The file is called ``<file_name>.png``, unsafe characters replaced.
        layers : mapping, optional
            See `facebench.figures.records.layer_table.layer_profile`.
        title : str
            The title.

        Returns
        -------
        Path
            The file written; of several pages or formats the first one.

        Raises
        ------
        InputError
            If there is no task, or one lacks its column.
        """
        tables, lower = _map_tables(performances, measure, layers)
        target = Path(output_dir) / f"{safe_name(file_name)}.png"
        written = draw_one(
            target, lambda: map_chart(tables, measure, title, lower), *performances.values()
        )
        return written[0] if written else target


def _controls(
    performances: pd.DataFrame, controls: Mapping[str, Sequence[str]] | None, where: str
) -> dict[str, list[str]]:
    """Give the models that are untrained copies: as said, or as the run's table names them."""
    known = list(dict.fromkeys(performances[MODEL].astype(str)))
    if controls is None:
        named = facts_of(performances).controls
        found = {of: [name for name in names if name in known] for of, names in named.items()}
        found = {of: names for of, names in found.items() if names}
        # Alone they are what there is to see.
        return found if sum(map(len, found.values())) < len(known) else {}
    for name in (name for names in controls.values() for name in names):
        if name not in known:
            msg = (
                f"The 'controls' parameter of {where} must name models of performances (it "
                f"has: {listed(known)}). Got {name!r} instead.{did_you_mean(name, known)}"
            )
            raise InputError(msg)
    return {of: list(names) for of, names in controls.items()}


def _map_tables(
    performances: Mapping[str, pd.DataFrame],
    measure: str | Mapping[str, str],
    layers: Mapping[str, Sequence[str]] | None,
) -> tuple[list[pd.DataFrame], list[bool]]:
    from facebench.figures.records.layer_table import layer_profile

    wanted = dict.fromkeys(performances, measure) if isinstance(measure, str) else dict(measure)
    missing = [task for task in wanted if task not in performances]
    if missing or not wanted:
        msg = (
            "PlotHelper.layer_heat_map draws tasks of performances (it has: "
            f"{listed(performances)}). Got {listed(missing)}."
            f"{did_you_mean(missing[0], performances) if missing else ''}"
        )
        raise InputError(msg)
    tables = [
        layer_profile(performances[task], str(column), layers=layers)
        for task, column in wanted.items()
    ]
    lower = [is_lower_better(performances[task], str(column)) for task, column in wanted.items()]
    return tables, lower
