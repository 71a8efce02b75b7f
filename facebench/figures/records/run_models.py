"""What the tables of a run know: layers and untrained copies, and which values are better low.

A table carries it as plain texts among its attributes (`DataFrame.attrs`), which pandas hands
on, at no cost, to any selection of its rows and columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facebench.columns import (
    CONTROLS,
    EFFECTS,
    HUMANS,
    LOWER_IS_BETTER,
    MEASURES,
    MODEL,
    NETWORK_LAYERS,
    TASK,
    TRAINING_SERIES,
    comparable_name,
    interval_columns,
    is_of_measure,
)

if TYPE_CHECKING:
    import pandas as pd

    from facebench.figures.drawing.people import Human, Level

__all__ = [
    "best_measure",
    "controls_of",
    "effects_of",
    "headline_measures",
    "humans_of",
    "is_lower_better",
    "joined",
    "label_of",
    "levels_of",
    "network_layers_of",
    "note_measures",
    "note_models",
    "note_people",
    "note_series",
    "series_of",
]


def note_models(
    table: pd.DataFrame,
    layers: Mapping[str, Sequence[str]],
    controls: Mapping[str, Sequence[str]],
    lower_is_better: Sequence[str],
) -> None:
    """Note in a table what it should know of its run.

    Parameters
    ----------
    table : DataFrame
        Results.
    layers : mapping of str to sequence of str
        Model → all its layers in network order.
    controls : mapping of str to sequence of str
        The models that are untrained copies, by what they are called together.
    lower_is_better : sequence of str
        The measures of which the task says that lower is better.
    """
    table.attrs[NETWORK_LAYERS] = json.dumps(layers)
    table.attrs[CONTROLS] = json.dumps(controls)
    table.attrs[LOWER_IS_BETTER] = json.dumps(lower_is_better)


def note_series(table: pd.DataFrame, series: Mapping[str, Mapping[str, Any]]) -> None:
    """Note in a table which of its models are checkpoints of a training, and where they stand."""
    table.attrs[TRAINING_SERIES] = json.dumps(dict(series))


def series_of(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Give where checkpoints stand (of, x, label, log), by model, where the table knows it."""
    return dict(_noted(table, TRAINING_SERIES, {}))


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables of a run below each other; the result knows what any of them does.

    Models may have been added between two of them. Pandas keeps attributes only where all agree.

    Parameters
    ----------
    tables : sequence of DataFrame
        Results.
    """
    import pandas as pd

    whole = pd.concat(tables, ignore_index=True)
    layers: dict[str, list[str]] = {}
    controls: dict[str, list[str]] = {}
    lower: list[str] = []
    by_task: dict[str, dict[str, Any]] = {HUMANS: {}, MEASURES: {}, EFFECTS: {}}
    series: dict[str, dict[str, Any]] = {}
    for table in tables:
        series.update(series_of(table))
        layers.update(network_layers_of(table))
        for name, copies in controls_of(table).items():
            controls[name] = list(dict.fromkeys([*controls.get(name, ()), *copies]))
        for what, known in by_task.items():
            known.update(_noted(table, what, {}))
        lower += [name for name in _noted(table, LOWER_IS_BETTER, []) if name not in lower]
    note_models(whole, layers, controls, lower)
    note_series(whole, series)
    for what, known in by_task.items():
        if known:
            whole.attrs[what] = json.dumps(known)
    return whole


def note_measures(
    table: pd.DataFrame,
    task: str,
    measures: Mapping[str, Mapping[str, Any]],
    effects: Mapping[str, Any] | None = None,
) -> None:
    """Note in a table of one task what is declared of its measures.

    Parameters
    ----------
    table : DataFrame
        Results.
    task : str
        The task's name.
    measures : mapping of str to mapping
        By measure: better, headline, chance, ceiling, label, as `Measure` has them.
    effects : mapping, optional
        Of a task of conditions: ``conditions`` (a measure by condition) and ``effects``
        (measures).
    """
    table.attrs[MEASURES] = json.dumps({task: measures})
    if effects:
        table.attrs[EFFECTS] = json.dumps({task: effects})


def effects_of(table: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    """Give a measure by condition and the effects of a table's task, where it knows them."""
    known = _of_task(table, EFFECTS)
    return dict(known.get("conditions", {})), list(known.get("effects", []))


def label_of(table: pd.DataFrame, measure: str) -> str:
    """Give what an axis calls a measure: as the task declares it, or its name."""
    return str(_of_task(table, MEASURES).get(measure, {}).get("label") or measure)


def best_measure(table: pd.DataFrame) -> tuple[str, bool] | None:
    """Name the measure that chooses a task's best layers, and whether lower is better.

    None where neither way of a headline measure is better, or the table does not know.
    """
    for name, declared in _of_task(table, MEASURES).items():
        if declared.get("headline") and declared.get("better") and name in table:
            return name, declared["better"] == "lower"
    return None


def headline_measures(table: pd.DataFrame) -> list[str]:
    """Name the measures that stand for a table's task, where it knows them."""
    known = _of_task(table, MEASURES)
    return [name for name, declared in known.items() if declared.get("headline") and name in table]


def levels_of(table: pd.DataFrame, measure: str) -> list[Level]:
    """Give chance and the noise ceiling of a measure, where a table's task declares them.

    Ceilings are columns of the table. Layers may differ in them where pairs failed; the median is
    taken.
    """
    import pandas as pd

    from facebench.figures.drawing.people import Level

    declared = _of_task(table, MEASURES).get(measure, {})
    found = []
    chance = declared.get("chance")
    if chance is not None:
        found.append(Level("chance", float(chance), float(chance)))
    ceilings = [
        float(pd.to_numeric(table[column], errors="coerce").median())
        for column in declared.get("ceiling", ())
        if column in table
    ]
    known = sorted(value for value in ceilings if value == value)
    if known:
        found.append(Level("noise ceiling", known[0], known[-1]))
    return found


def _of_task(table: pd.DataFrame, what: str) -> dict[str, Any]:
    task = str(table[TASK].iloc[0]) if TASK in table and len(table) else ""
    return dict(_noted(table, what, {}).get(task, {}))


def note_people(
    table: pd.DataFrame,
    task: str,
    rows: pd.DataFrame | None,
    references: Sequence[tuple[str, float, str]],
) -> None:
    """Note in a table of one task what people do.

    Parameters
    ----------
    table : DataFrame
        Results.
    task : str
        The task's name.
    rows : DataFrame or None
        Of people: Model Name is the group, the other columns are measures.
    references : sequence of (str, float, str)
        What is published: what, value and source, as `HumanReference` has it.
    """
    people = []
    if rows is not None:
        numbers = rows.select_dtypes("number")
        for name, row in zip(rows[MODEL], numbers.to_dict("records"), strict=True):
            own = {str(column): float(value) for column, value in row.items()}
            people.append(
                [name, {column: value for column, value in own.items() if value == value}]
            )
    published = [[what, value, source] for what, value, source in references if value == value]
    if people or published:
        table.attrs[HUMANS] = json.dumps({task: {"people": people, "published": published}})


def humans_of(table: pd.DataFrame, measure: str) -> list[Human]:
    """Give what people do by a measure of a table's task, where it knows it.

    A published value is one of the measure by `is_of_measure`.
    """
    from facebench.figures.drawing.people import Human

    known = _of_task(table, HUMANS)
    nothing = float("nan")
    found = []
    # What is not of the same scale in people and networks is not drawn on one axis.
    if comparable_name(measure) not in table:
        for name, row in known.get("people", ()):
            if measure in row:
                value, low, high = (row.get(c, nothing) for c in interval_columns(measure))
                found.append(Human(name, value, low, high, published=False))
    for what, value, source in known.get("published", ()):
        if is_of_measure(what, measure):
            rest = what.partition(",")[2].strip()
            label = f"{source} ({rest})" if rest else source
            found.append(Human(label, value, nothing, nothing, published=True))
    return found


def network_layers_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Give all layers of a table's models, where it knows them."""
    return dict(_noted(table, NETWORK_LAYERS, {}))


def controls_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Give the untrained copies among a table's models, where it knows them."""
    return dict(_noted(table, CONTROLS, {}))


def is_lower_better(table: pd.DataFrame, measure: str) -> bool:
    """Tell whether lower values of a measure are better, where the table knows it."""
    return measure in _noted(table, LOWER_IS_BETTER, [])


def _noted(table: pd.DataFrame, what: str, otherwise: Any) -> Any:
    # A table that was put together by hand may hold the thing itself.
    noted = table.attrs.get(what, otherwise)
    return json.loads(noted) if isinstance(noted, str) else noted
