"""The pictures of effects and of measures over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facebench.columns import CI_HIGH, CI_LOW, CONTROLS, LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.files import safe_name
from facebench.names import did_you_mean
from facebench.plotting.layer_choice import few_layers
from facebench.plotting.tables import (
    as_numbers,
    cell_text,
    check_column,
    check_table,
    draw_one,
    draw_tasks,
    listed,
    row_labels,
    rows_by_task,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.profile import Band, Profile

__all__ = ["ProfilePlots"]

MOST_ROWS = 32
UNDEFINED = "Undefined"
# Measures that share axes, if they are of one network.
MOST_TOGETHER = 4


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

        Of more than 32 model-layers some are shown: of every model the first and last layer, those
        with the largest differences, and others evenly spaced. The picture says so.

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
            shown, note = few_layers(rows, MOST_ROWS, effects)
            return _effects_figure(shown, conditions, effects, task, note)

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

        A filled mark is the peak, an open one the first layer that reaches 95 % of it; an effect
        that is nowhere above 0 has neither. One network (or several of equal layers) is drawn over
        the names of its layers, others over relative depth. Several measures of several networks,
        or with controls, have a panel each.

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
        untrained = _controls(performances, controls, where)
        shown = label or _in_common(measures)
        signed = all("Difference" in column for column in measures)

        def curves(task: str, rows: pd.DataFrame) -> list[_Curves]:
            return [
                _Curves(
                    " ".join([task] * together + [column] * (len(measures) > 1)),
                    label or (column if shown not in column else shown),
                    layer_profile(
                        rows,
                        column,
                        condition=condition,
                        layers=layers,
                        larger_is_better=larger_is_better,
                    ),
                    _why_undefined(rows),
                )
                for column in measures
            ]

        def figure(found: list[_Curves], title: str) -> Figure:
            return _profile_figure(found, untrained, title, shown, signed, not larger_is_better)

        if together:
            found = [
                curve for task, rows in rows_by_task(performances) for curve in curves(task, rows)
            ]
            target = Path(output_dir) / f"{safe_name(file_name)}.png"
            return [draw_one(target, lambda: figure(found, f"{shown} over layers"))]

        def draw(task: str, rows: pd.DataFrame) -> Figure:
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
        blue above. The largest value of a model and column is bold.

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
    rows: pd.DataFrame, conditions: Sequence[str], effects: Sequence[str], task: str, note: str
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
        note=note,
    )


class _Curves(NamedTuple):
    """A table of `layer_profile`, what it is of ('' for a single one), its axis, and its lacks."""

    of: str
    value_label: str
    table: pd.DataFrame
    undefined: str


def _controls(
    performances: pd.DataFrame, controls: Mapping[str, Sequence[str]] | None, where: str
) -> dict[str, list[str]]:
    """Give the models that are untrained copies: as said, or as the run's table names them."""
    known = list(dict.fromkeys(performances[MODEL].astype(str)))
    if controls is None:
        named = performances.attrs.get(CONTROLS, {})
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


def _in_common(measures: Sequence[str]) -> str:
    """Name what several measures are: the words they all end with, or all of them."""
    words = [measure.split(" ") for measure in measures]
    shared = 0
    while all(len(w) > shared and w[-1 - shared] == words[0][-1 - shared] for w in words):
        shared += 1
    if shared:
        return " ".join(words[0][len(words[0]) - shared :])
    return ", ".join(measures) if len(measures) <= MOST_TOGETHER else f"{len(measures)} measures"


def _why_undefined(rows: pd.DataFrame) -> str:
    """Write why there are no values, as far as the results say so."""
    if UNDEFINED not in rows:
        return ""
    reasons = dict.fromkeys(text for text in rows[UNDEFINED] if isinstance(text, str) and text)
    return f"Not defined: {'; '.join(list(reasons)[:2])}" if reasons else ""


def _profile_figure(
    curves: Sequence[_Curves],
    controls: Mapping[str, Sequence[str]],
    title: str,
    shown: str,
    signed: bool,
    smallest: bool,
) -> Figure:
    from facebench.figures.profile import Chart, profile_figure

    untrained = {name for names in controls.values() for name in names}
    models = {model for curve in curves for model in curve.table[MODEL] if model not in untrained}
    if not models:
        msg = "The 'controls' parameter names every model: none is left to compare them with."
        raise InputError(msg)
    apart = len(curves) > 1 and bool(len(models) > 1 or controls or len(curves) > MOST_TOGETHER)
    charts = []
    for group in [[curve] for curve in curves] if apart else [list(curves)]:
        profiles = [
            _curve(
                rows,
                cell_text(model),
                f"{cell_text(model)}, {curve.of}" if curve.of and not apart else cell_text(model),
                style,
                signed,
                smallest,
            )
            for style, curve in enumerate(group)
            for model, rows in curve.table.groupby(MODEL, sort=False)
            if model not in untrained
        ]
        bands = [
            _band(curve.table[curve.table[MODEL].isin(names)], name)
            for curve in group
            for name, names in controls.items()
            if curve.table[MODEL].isin(names).any()
        ]
        value_label = group[0].value_label if apart else shown
        name = cell_text(group[0].of) if apart else ""
        charts.append(Chart(profiles, value_label, name, bands, group[0].undefined))
    zero = signed or any(bool((curve.table["value"] < 0).any()) for curve in curves)
    return profile_figure(charts, title=title, zero=zero)


def _curve(
    rows: pd.DataFrame, model: str, label: str, style: int, signed: bool, smallest: bool
) -> Profile:
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
        smallest,
        signed,
    )


def _band(rows: pd.DataFrame, label: str) -> Band:
    from facebench.figures.profile import Band

    by_layer = rows.groupby(LAYER, sort=False)
    found = by_layer["value"].agg(["min", "mean", "max"])
    found["depth"] = by_layer["depth"].first()
    found = found.sort_values("depth", kind="stable")
    count = rows[MODEL].nunique()
    return Band(
        f"{label}: mean and range of {count}",
        *(found[column].to_numpy(dtype="float64") for column in ("depth", "min", "mean", "max")),
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
    of = [measure] * len(tables) if isinstance(measure, str) else list(measure.values())
    signed = ["Difference" in column for column in of]
    if not isinstance(measure, str):
        columns = [f"{task}: {measure[task]}" for task in columns]
    return layer_map_figure(
        values,
        [cell_text(model) for model, _ in rows],
        [cell_text(layer) for _, layer in rows],
        columns,
        title if not isinstance(measure, str) else f"{title}: {measure}",
        signed,
    )
