"""From tables of effects and layer profiles to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from facebench.columns import LAYER, MODEL, TASK, comparable_name
from facebench.errors import InputError
from facebench.figures.records.layer_choice import few_layers, in_pages
from facebench.figures.records.run_facts import humans_of
from facebench.figures.records.tables import cell_text, interval_of, row_labels, row_models

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.figures.drawing.people import Human, Level
    from facebench.figures.drawing.profile import Band, Profile
    from facebench.figures.records.layer_choice import Best

__all__ = [
    "Curves",
    "effects_chart",
    "in_common",
    "map_chart",
    "profile_chart",
    "why_undefined",
]

# Measures that share axes, if they are of one network.
MOST_TOGETHER = 4
UNDEFINED = "Undefined"


def effects_chart(
    rows: pd.DataFrame, conditions: Sequence[str], effects: Sequence[str], task: str, note: str
) -> Figure:
    """Draw the rows of one task: what all conditions have in common is the measure."""
    from facebench.figures.drawing.effects import Dot, effects_figure

    def dots(column: str) -> list[Dot]:
        numbers = interval_of(rows, column, "performances")
        return [Dot(*map(float, cells)) for cells in zip(*numbers, strict=True)]

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
        models=row_models(rows),
        note=note,
        people={column: humans_of(rows, column) for column in effects},
        levels=_levels(rows, dict(zip(names, conditions, strict=True)), measure, effects),
    )


def _levels(
    rows: pd.DataFrame, conditions: Mapping[str, str], measure: str, effects: Sequence[str]
) -> dict[str, list[Human]]:
    """Give what people do in each condition, and what is published of the measure ('')."""
    published = humans_of(rows, measure)
    if any(comparable_name(effect) in rows or "Comparable " in effect for effect in effects):
        # Effects are compared on another index: levels have no common scale.
        return {"": [human for human in published if human.published]}
    return {"": published, **{name: humans_of(rows, own) for name, own in conditions.items()}}


class Curves(NamedTuple):
    """A table of `layer_profile`, what it is of ('' for a single one), its axis, and its lacks.

    `smallest` says whether the smallest value is the best.
    """

    of: str
    value_label: str
    table: pd.DataFrame
    undefined: str
    smallest: bool
    people: Sequence[Human] = ()
    levels: Sequence[Level] = ()


def in_common(measures: Sequence[str]) -> str:
    """Name what several measures are: the words they all end with, or all of them."""
    words = [measure.split(" ") for measure in measures]
    shared = 0
    while all(len(w) > shared and w[-1 - shared] == words[0][-1 - shared] for w in words):
        shared += 1
    if shared:
        return " ".join(words[0][len(words[0]) - shared :])
    return ", ".join(measures) if len(measures) <= MOST_TOGETHER else f"{len(measures)} measures"


def why_undefined(rows: pd.DataFrame) -> str:
    """Write why there are no values, as far as the results say so."""
    if UNDEFINED not in rows:
        return ""
    reasons = dict.fromkeys(text for text in rows[UNDEFINED] if isinstance(text, str) and text)
    return f"Not defined: {'; '.join(list(reasons)[:2])}" if reasons else ""


def profile_chart(
    curves: Sequence[Curves],
    controls: Mapping[str, Sequence[str]],
    title: str,
    shown: str,
    signed: bool,
) -> list[Figure]:
    """Draw the curves of networks, together or with a panel for each measure, on as many pages.

    Parameters
    ----------
    curves : sequence of Curves
        What to draw.
    controls : mapping of str to sequence of str
        The models that are untrained copies, by what they are called together.
    title, shown : str
        The title, and the name of what is measured.
    signed : bool
        Whether values below 0 are none to reach.

    Raises
    ------
    InputError
        If all models are controls.
    """
    from facebench.figures.drawing.profile import ProfilePanel, profile_pages

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
                curve.smallest,
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
        people = [
            human._replace(name=f"{human.name}, {curve.of}" if len(group) > 1 else human.name)
            for curve in group
            for human in curve.people
        ]
        levels = list(dict.fromkeys(level for curve in group for level in curve.levels))
        charts.append(
            ProfilePanel(profiles, value_label, name, bands, group[0].undefined, people, levels)
        )
    zero = signed or any(bool((curve.table["value"] < 0).any()) for curve in curves)
    return profile_pages(charts, title=title, zero=zero)


def _curve(
    rows: pd.DataFrame, model: str, label: str, style: int, signed: bool, smallest: bool
) -> Profile:
    from facebench.figures.drawing.profile import Profile

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
    from facebench.figures.drawing.profile import Band

    by_layer = rows.groupby(LAYER, sort=False)
    found = by_layer["value"].agg(["min", "mean", "max"])
    found["depth"] = by_layer["depth"].first()
    found = found.sort_values("depth", kind="stable")
    count = rows[MODEL].nunique()
    return Band(
        f"{label}: mean and range of {count}",
        *(found[column].to_numpy(dtype="float64") for column in ("depth", "min", "mean", "max")),
    )


def map_chart(
    tables: Sequence[pd.DataFrame],
    measure: str | Mapping[str, str],
    title: str,
    lower: Sequence[bool],
) -> list[Figure]:
    """Draw tables of `layer_profile` as one map, a column each; `lower` values of some are best."""
    import pandas as pd

    from facebench.figures.drawing.layer_map import COLUMNS_OF_PAGE, ROWS_OF_PAGE, layer_map_figure

    columns = [cell_text(table[TASK].iloc[0]) for table in tables]
    of = [measure] * len(tables) if isinstance(measure, str) else list(measure.values())
    signed = ["Difference" in column for column in of]
    if not isinstance(measure, str):
        columns = [f"{task}: {measure[task]}" for task in columns]
    # Names that differ in what cannot be printed would be one column.
    columns = [
        f"{name} ({place})" if name in columns[: place - 1] else name
        for place, name in enumerate(columns, 1)
    ]
    values = pd.concat(
        [
            table.set_index([MODEL, LAYER])["value"].rename(name)
            for name, table in zip(columns, tables, strict=True)
        ],
        axis=1,
        sort=False,
    ).reset_index()
    models = list(dict.fromkeys(values[MODEL]))
    values = values.sort_values(MODEL, key=lambda names: names.map(models.index), kind="stable")
    heading = title if not isinstance(measure, str) else f"{title}: {measure}"

    def page(first: int, rows: pd.DataFrame, note: str) -> Figure:
        own = slice(first, first + COLUMNS_OF_PAGE)
        return layer_map_figure(
            rows[columns[own]].to_numpy(dtype="float64"),
            [cell_text(model) for model in rows[MODEL]],
            [cell_text(layer) for layer in rows[LAYER]],
            columns[own],
            heading,
            signed[own],
            lower[own],
            note,
        )

    best: dict[str, Best] = {
        name: "largest" if both else "lowest" if least else "highest"
        for name, both, least in zip(columns, signed, lower, strict=True)
    }
    shown, note = few_layers(values, ROWS_OF_PAGE, best)
    pages: list[Figure] = []
    for first in range(0, len(tables), COLUMNS_OF_PAGE):
        last = min(first + COLUMNS_OF_PAGE, len(tables))
        said = (
            f"Columns {first + 1} to {last} of {len(tables)}." if len(tables) > last - first else ""
        )
        pages += in_pages(shown, ROWS_OF_PAGE, partial(page, first), f"{note} {said}".strip())
    return pages
