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
    HUMANS,
    LOWER_IS_BETTER,
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

    from facebench.figures.drawing.people import Human

__all__ = [
    "controls_of",
    "humans_of",
    "is_lower_better",
    "joined",
    "network_layers_of",
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

    Returns
    -------
    DataFrame
    """
    import pandas as pd

    whole = pd.concat(tables, ignore_index=True)
    layers: dict[str, list[str]] = {}
    controls: dict[str, list[str]] = {}
    lower: list[str] = []
    humans: dict[str, Any] = {}
    series: dict[str, dict[str, Any]] = {}
    for table in tables:
        series.update(series_of(table))
        layers.update(network_layers_of(table))
        for name, copies in controls_of(table).items():
            controls[name] = list(dict.fromkeys([*controls.get(name, ()), *copies]))
        humans.update(_noted(table, HUMANS, {}))
        lower += [name for name in _noted(table, LOWER_IS_BETTER, []) if name not in lower]
    note_models(whole, layers, controls, lower)
    note_series(whole, series)
    if humans:
        whole.attrs[HUMANS] = json.dumps(humans)
    return whole


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

    noted = _noted(table, HUMANS, {})
    task = str(table[TASK].iloc[0]) if TASK in table and len(table) else ""
    known = noted.get(task, {})
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
