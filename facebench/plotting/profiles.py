"""The pictures of effects and of measures over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.columns import CI_HIGH, CI_LOW, LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.files import safe_name
from facebench.names import did_you_mean
from facebench.plotting.tables import (
    as_numbers,
    cell_text,
    check_column,
    check_table,
    draw_one,
    draw_tasks,
    listed,
    row_labels,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.profile import Band, Profile

__all__ = ["ProfilePlots"]


class ProfilePlots:
    """Draw effects and layer profiles; see `facebench.plots.PlotHelper`."""

    @staticmethod
    def effect_plot(
        performances: pd.DataFrame,
        conditions: Sequence[str],
        effects: Sequence[str],
        output_dir: str | Path,
        file_name: str,
    ) -> list[Path]:
        """Draw conditions, and beside them their differences, each with its interval.

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
            The files written, one per task.

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

        def draw(task: str, rows: pd.DataFrame) -> Figure:
            return _effects_figure(rows, conditions, effects, task)

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
        larger_is_better: bool = True,
        label: str | None = None,
        together: bool = False,
    ) -> list[Path]:
        """Draw a measure over the layers of every network, with its interval as a band.

        A filled mark is the peak, an open one the first layer that reaches 95 % of it. One network
        (or several of equal layers) is drawn over the names of its layers, others over relative
        depth.

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
            See `facebench.profiles.layer_profile`.
        controls : mapping of str to sequence of str, optional
            Models of the table that are untrained copies of one network, by what they are called:
            drawn as a grey band from the lowest to the highest, and their mean.
        label : str, optional
            The name of the axis; by default the measure.
        together : bool, default False
            All tasks of the table in one figure, such as all effects, called
            ``<file_name>.png``.

        Returns
        -------
        list of Path
            The files written, one per task, or one.

        Raises
        ------
        InputError
            If a column, condition or control is missing, or a layer occurs twice.
        """
        from facebench.plotting.layer_table import layer_profile

        measures = [measure] if isinstance(measure, str) else list(measure)
        where = "PlotHelper.plot_layer_profile"
        check_table(performances, where, (TASK, MODEL, LAYER))
        known = list(dict.fromkeys(performances[MODEL].astype(str)))
        for name in (name for names in (controls or {}).values() for name in names):
            if name not in known:
                msg = (
                    f"The 'controls' parameter of {where} must name models of performances (it "
                    f"has: {listed(known)}). Got {name!r} instead.{did_you_mean(name, known)}"
                )
                raise InputError(msg)

        def curves(task: str, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
            named = {
                column: " ".join([task] * together + [column] * (len(measures) > 1))
                for column in measures
            }
            return {
                name: layer_profile(
                    rows,
                    column,
                    condition=condition,
                    layers=layers,
                    larger_is_better=larger_is_better,
                )
                for column, name in named.items()
            }

        shown = label or (measures[0] if len(measures) == 1 else "Value")
        zero = all("Difference" in column for column in measures)
        if together:
            tables: dict[str, pd.DataFrame] = {}
            for task in dict.fromkeys(performances[TASK].astype(str)):
                tables.update(curves(task, performances[performances[TASK] == task]))
            target = Path(output_dir) / f"{safe_name(file_name)}.png"
            title = f"{shown} over layers"
            return [
                draw_one(
                    target, lambda: _profile_figure(tables, controls or {}, title, shown, zero)
                )
            ]

        def draw(task: str, rows: pd.DataFrame) -> Figure:
            title = f"{shown} over layers: {task}"
            return _profile_figure(curves(task, rows), controls or {}, title, shown, zero)

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
        """Draw one map of all models, layers and tasks.

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
            See `facebench.profiles.layer_profile`.
        title : str
            The title.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        InputError
            If there is no task, or one lacks its column.
        """
        tables = _map_tables(performances, measure, layers)
        target = Path(output_dir) / f"{safe_name(file_name)}.png"
        return draw_one(target, lambda: _map_figure(tables, measure, title))


def _effects_figure(
    rows: pd.DataFrame, conditions: Sequence[str], effects: Sequence[str], task: str
) -> Figure:
    from facebench.figures.effects import Dot, effects_figure

    def dots(column: str) -> list[Dot]:
        numbers = [
            as_numbers(rows[name], f"The {name!r} column of performances")
            if name in rows
            else [float("nan")] * len(rows)
            for name in (column, f"{column}{CI_LOW}", f"{column}{CI_HIGH}")
        ]
        return [Dot(*map(float, cells)) for cells in zip(*numbers, strict=True)]

    # What all conditions have in common is the measure.
    words = [column.split(" ") for column in conditions]
    shared = 0
    while all(len(w) > shared + 1 and w[-1 - shared] == words[0][-1 - shared] for w in words):
        shared += 1
    names = [" ".join(w[: len(w) - shared]) for w in words]
    measure = " ".join(words[0][len(words[0]) - shared :]) or "Value"
    return effects_figure(
        row_labels(rows),
        [(name, dots(column)) for name, column in zip(names, conditions, strict=True)],
        [(column, dots(column)) for column in effects],
        title=task,
        value_label=measure,
    )


def _profile_figure(
    tables: Mapping[str, pd.DataFrame],
    controls: Mapping[str, Sequence[str]],
    title: str,
    value_label: str,
    zero: bool,
) -> Figure:
    """Draw tables of `layer_profile` by what they are of: '' for a single one."""
    from facebench.figures.profile import profile_figure

    untrained = {name for names in controls.values() for name in names}
    profiles = []
    for style, (of, table) in enumerate(tables.items()):
        for model, rows in table.groupby(MODEL, sort=False):
            if model not in untrained:
                name = cell_text(model)
                profiles.append(_curve(rows, name, f"{name}, {of}" if of else name, style))
    if not profiles:
        msg = "The 'controls' parameter names every model: none is left to compare them with."
        raise InputError(msg)
    bands = [
        _band(table[table[MODEL].isin(names)], f"{name}, {of}" if of else name)
        for of, table in tables.items()
        for name, names in controls.items()
        if table[MODEL].isin(names).any()
    ]
    return profile_figure(
        profiles,
        title=title,
        value_label=value_label,
        bands=bands,
        zero=zero or any(bool((table["value"] < 0).any()) for table in tables.values()),
    )


def _curve(rows: pd.DataFrame, model: str, label: str, style: int) -> Profile:
    from facebench.figures.profile import Profile

    peak, reached = (
        int(rows[column].to_numpy().argmax()) if rows[column].any() else None
        for column in ("is_peak", "reaches_95")
    )
    return Profile(
        model,
        label,
        [cell_text(layer) for layer in rows[LAYER]],
        rows["depth"].to_numpy(dtype="float64"),
        rows["value"].to_numpy(dtype="float64"),
        rows["low"].to_numpy(dtype="float64"),
        rows["high"].to_numpy(dtype="float64"),
        peak,
        reached,
        style,
    )


def _band(rows: pd.DataFrame, label: str) -> Band:
    from facebench.figures.profile import Band

    by_depth = rows.groupby("depth")["value"]
    found = by_depth.agg(["min", "mean", "max"])
    count = rows[MODEL].nunique()
    return Band(
        f"{label}: mean and range of {count}",
        found.index.to_numpy(dtype="float64"),
        *(found[column].to_numpy(dtype="float64") for column in ("min", "mean", "max")),
    )


def _map_tables(
    performances: Mapping[str, pd.DataFrame],
    measure: str | Mapping[str, str],
    layers: Mapping[str, Sequence[str]] | None,
) -> list[pd.DataFrame]:
    from facebench.plotting.layer_table import layer_profile

    wanted = dict.fromkeys(performances, measure) if isinstance(measure, str) else dict(measure)
    missing = [task for task in wanted if task not in performances]
    if missing or not wanted:
        msg = (
            "PlotHelper.layer_heat_map draws tasks of performances (it has: "
            f"{listed(performances)}). Got {listed(missing)}."
            f"{did_you_mean(missing[0], performances) if missing else ''}"
        )
        raise InputError(msg)
    return [
        layer_profile(performances[task], str(column), layers=layers)
        for task, column in wanted.items()
    ]


def _map_figure(
    tables: Sequence[pd.DataFrame], measure: str | Mapping[str, str], title: str
) -> Figure:
    import numpy as np

    from facebench.figures.layer_map import layer_map_figure

    rows = list(
        dict.fromkeys(
            key for table in tables for key in zip(table[MODEL], table[LAYER], strict=True)
        )
    )
    models = list(dict.fromkeys(model for model, _ in rows))
    rows.sort(key=lambda row: models.index(row[0]))
    values = np.full((len(rows), len(tables)), np.nan)
    for column, table in enumerate(tables):
        for model, layer, value in zip(table[MODEL], table[LAYER], table["value"], strict=True):
            values[rows.index((model, layer)), column] = value
    columns = [cell_text(table[TASK].iloc[0]) for table in tables]
    if not isinstance(measure, str):
        columns = [f"{task}: {measure[task]}" for task in columns]
    return layer_map_figure(
        values,
        [cell_text(model) for model, _ in rows],
        [cell_text(layer) for _, layer in rows],
        columns,
        title if not isinstance(measure, str) else f"{title}: {measure}",
    )
