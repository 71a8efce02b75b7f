"""From all tables of a run to one figure per model-layer: a panel per family of effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.columns import CONDITION, LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.records.layer_figures import in_common, why_undefined
from facebench.figures.records.run_facts import (
    best_measure,
    effects_of,
    headline_measures,
    humans_of,
    label_of,
    levels_of,
)
from facebench.figures.records.tables import (
    cell_text,
    check_table,
    draw_one,
    interval_of,
    listed,
    row_labels,
)
from facebench.utils.files import safe_name
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.drawing.families import Family, FamilyBar

__all__ = ["FamilyPlots", "telling_layers"]

_WHERE = "PlotHelper.family_plot"
_MOST_MEASURES, _MOST_LAYERS, _FEW_MODELS = 2, 3, 8


class FamilyPlots:
    """Draw what all tasks found of one layer; see `facebench.figures.plot_helper.PlotHelper`."""

    @staticmethod
    def family_plot(
        performances: Mapping[str, pd.DataFrame],
        output_dir: str | Path,
        file_name: str,
        *,
        measures: Mapping[str, str | Sequence[str]] | None = None,
        layers: Mapping[str, Sequence[str]] | None = None,
        title: str | None = None,
    ) -> list[Path]:
        """Draw a figure per model and layer, with a panel for each task.

        A panel shows the conditions of a task as bars and its effects as dots, both with their
        intervals, and people beside them where the tables of a run know them. A task without
        conditions shows its headline measures, with chance and noise ceiling.

        Parameters
        ----------
        performances : mapping of str to pandas.DataFrame
            Results by task, such as ``manager.tasks_performance_dfs``, with the columns 'Task
            Name', 'Model Name', 'Layer Name' and the measures; intervals are taken from
            '<measure> CI Low' and '<measure> CI High'. Rows that differ in the column 'Condition'
            are conditions.
        output_dir : str or Path
            Where the figures go; made if need be.
        file_name : str
            The files are called ``<model>_<layer>_<file_name>.png``, without the layer where it is
            'default'; unsafe characters are replaced.
        measures : mapping of str to str or sequence of str, optional
            By task, the measures to show in place of its effects or headlines.
        layers : mapping of str to sequence of str, optional
            By model, its layers to draw. By default up to three of each model (one where there are
            more than 8 models): those where most tasks have their best or largest value. The figure
            says so.
        title : str, optional
            The title; by default the model and layer.

        Returns
        -------
        list of Path
            The files written: for each model and layer one per page and format.

        Raises
        ------
        InputError
            If a table is empty or lacks a column, or a model or layer is not in any table.

        Examples
        --------
        >>> import pandas as pd
        >>> from facebench import PlotHelper
        >>> keys = {"Model Name": ["net"], "Layer Name": "fc"}
        >>> inversion = pd.DataFrame({"Task Name": "Inversion", **keys, "Difference": 0.2})
        >>> verification = pd.DataFrame({"Task Name": "LFW", **keys, "AUC": 0.97})
        >>> with PlotHelper.output() as drawn:
        ...     _ = PlotHelper.family_plot(
        ...         {"Inversion": inversion, "LFW": verification}, "figures", "effects"
        ...     )
        >>> [axes.get_title(loc="left") for axes in drawn.figures[0].axes]
        ['Inversion', 'LFW']
        """
        if not performances:
            msg = f"The 'performances' parameter of {_WHERE} must have a table. Got none."
            raise InputError(msg)
        for table in performances.values():
            check_table(table, _WHERE, (TASK, MODEL, LAYER))
        shown = {task: _shown(table, (measures or {}).get(task)) for task, table in
                 performances.items()}  # fmt: skip
        chosen = telling_layers(performances, shown) if layers is None else _checked(
            performances, layers
        )  # fmt: skip
        written = []
        for model, names in chosen.items():
            for layer, note in names.items():
                own = {
                    task: table[(table[MODEL] == model) & (table[LAYER].astype(str) == layer)]
                    for task, table in performances.items()
                }
                own = {task: rows for task, rows in own.items() if len(rows)}
                label = row_labels(next(iter(own.values())).iloc[:1])[0]
                stem = "_".join(
                    safe_name(part)
                    for part in (model, layer if layer != "default" else "", file_name)
                    if part
                )
                written += draw_one(
                    Path(output_dir) / f"{stem}.png",
                    lambda own=own, model=model, label=label, note=note: _pages(  # type: ignore[misc]
                        own, shown, model, label if title is None else title, note
                    ),
                    *performances.values(),
                )
        return written


def telling_layers(
    performances: Mapping[str, pd.DataFrame], shown: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Choose the layers of every model where most tasks have their best or largest value.

    Parameters
    ----------
    performances : mapping of str to DataFrame
        Results by task.
    shown : mapping of str to sequence of str
        The measures of each task, the first of which chooses.

    Returns
    -------
    dict of str to dict of str to str
        By model and layer, what to say of the choice.
    """
    import numpy as np

    layers: dict[str, dict[str, list[str]]] = {}
    for task, table in performances.items():
        for model, rows in table.groupby(MODEL, sort=False):
            own = layers.setdefault(cell_text(model), {})
            for layer in rows[LAYER].astype(str):
                own.setdefault(layer, [])
            best = best_measure(rows)
            name = best[0] if best else shown[task][0] if shown[task] else ""
            values = interval_of(rows, name, "performances")[0]
            if best is None:
                values = np.abs(values)
            elif best[1]:
                values = -values
            if not np.isnan(values).all():
                own[str(rows[LAYER].iloc[int(np.nanargmax(values))])].append(task)
    most = 1 if len(layers) > _FEW_MODELS else _MOST_LAYERS
    chosen: dict[str, dict[str, str]] = {}
    for model, own in layers.items():
        names = list(own)
        kept = sorted(names, key=lambda name: (-len(own[name]), -names.index(name)))[:most]
        left = len(names) - len(kept)
        chosen[model] = {
            name: f"{len(kept)} of {len(names)} layers of {model} have such a figure"
            f"{f'; best or largest here: {listed(own[name])}' if own[name] else ''}."
            if left
            else ""
            for name in sorted(kept, key=names.index)
        }
    return chosen


def _checked(
    performances: Mapping[str, pd.DataFrame], layers: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Read the layers asked for."""
    known: dict[str, dict[str, None]] = {}
    for table in performances.values():
        for model, layer in zip(table[MODEL].astype(str), table[LAYER].astype(str), strict=True):
            known.setdefault(model, {})[layer] = None
    for model, names in layers.items():
        _check_known("model", model, known)
        for name in names:
            _check_known("layer", str(name), known[model])
    return {model: dict.fromkeys(map(str, names), "") for model, names in layers.items()}


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    there = list(known)
    if name not in there:
        msg = (
            f"The 'layers' parameter of {_WHERE} names the {what} {name!r}, which the tables lack "
            f"(they have: {listed(there)}).{did_you_mean(name, there)}"
        )
        raise InputError(msg)


def _shown(table: pd.DataFrame, given: str | Sequence[str] | None) -> list[str]:
    """Name the measures of a panel: as given, effects, headlines, or the first numbers."""
    if given is not None:
        return [given] if isinstance(given, str) else list(given)
    known = effects_of(table)[1] or headline_measures(table)
    if known:
        return known[:_MOST_MEASURES]
    numbers = [
        str(column)
        for column in table.select_dtypes("number").columns
        if not str(column).endswith((" CI Low", " CI High"))
    ]
    return numbers[:1]


def _pages(
    own: Mapping[str, pd.DataFrame],
    shown: Mapping[str, Sequence[str]],
    model: str,
    title: str,
    note: str,
) -> list[Figure]:
    from facebench.figures.drawing.families import FAMILIES_OF_PAGE, families_figure
    from facebench.figures.drawing.style import model_colors

    families = [_family(task, rows, shown[task]) for task, rows in own.items()]
    color = model_colors([cell_text(model)])[cell_text(model)][0]
    count = -(-len(families) // FAMILIES_OF_PAGE)
    length = -(-len(families) // count)
    pages = []
    for number, start in enumerate(range(0, len(families), length), 1):
        part = families[start : start + length]
        said = ["Lines are 95 % intervals."] if any(map(_has_interval, part)) else []
        said += [f"Page {number} of {count}."] if count > 1 else []
        pages.append(
            families_figure(part, color, title=title, note=" ".join([*said, note]).strip())
        )
    return pages


def _has_interval(family: Family) -> bool:
    return any(bar.low == bar.low for bar in [*family.conditions, *family.effects])


def _family(task: str, rows: pd.DataFrame, measures: Sequence[str]) -> Family:
    from facebench.figures.drawing.families import Family
    from facebench.figures.drawing.people import Beside

    columns, effects = effects_of(rows)
    first = measures[0] if measures else ""
    several = CONDITION in rows and len(rows) > 1
    if several:
        conditions = [
            _bar(rows.iloc[[at]], first, cell_text(name)) for at, name in enumerate(rows[CONDITION])
        ]
        shown: list[FamilyBar] = []
        label = label_of(rows, first)
    else:
        conditions = [_bar(rows, column, name) for name, column in columns.items()]
        shown = [_bar(rows, name, _short(name)) for name in measures]
        of = dict.fromkeys(column.removeprefix(f"{name} ") for name, column in columns.items())
        label = (in_common(list(of)) or "Value") if columns else label_of(rows, first)
    axis = columns[next(iter(columns))] if columns else first
    return Family(
        cell_text(task),
        conditions,
        shown,
        label,
        "Difference" if columns and effects else label_of(rows, first),
        Beside(levels_of(rows, axis)),
        why_undefined(rows),
    )


def _bar(rows: pd.DataFrame, column: str, name: str) -> FamilyBar:
    from facebench.figures.drawing.families import FamilyBar

    value, low, high = (float(each[0]) for each in interval_of(rows, column, "performances"))
    return FamilyBar(cell_text(name), value, low, high, humans_of(rows, column))


def _short(name: str) -> str:
    """Call an effect by what tells it from others: 'Sex Difference' is 'Sex'."""
    return name.removesuffix(" Difference") or name
