"""What figures should know of a run beyond the cells of its tables.

`RunFacts` holds it. The tables that a run hands out carry its text among their attributes
(`DataFrame.attrs`), since a task's own `plot` gets and hands on nothing but tables. Pandas keeps it
for any selection of rows and columns, and where tables of one run are put below each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from facebench.columns import MODEL, TASK, comparable_name, interval_columns, is_of_measure

if TYPE_CHECKING:
    import pandas as pd

    from facebench.figures.drawing.people import Human, Level

__all__ = [
    "RunFacts",
    "best_measure",
    "effects_of",
    "facts_of",
    "headline_measures",
    "humans_of",
    "is_lower_better",
    "label_of",
    "levels_of",
    "people_facts",
]

_ATTRIBUTE = "facebench"


@dataclass(frozen=True)
class RunFacts:
    """What figures should know of a run.

    Attributes
    ----------
    layers : mapping of str to sequence of str
        Model → all its layers in network order; models in the order of the run.
    controls : mapping of str to sequence of str
        The models that are untrained copies, by what they are called together.
    series : mapping of str to mapping
        Where checkpoints stand in their training (of, x, label, log), by model.
    measures : mapping of str to mapping
        Task → measure → better, headline, chance, ceiling, label, as `Measure` has them.
    effects : mapping of str to mapping
        Of tasks that compare conditions: ``conditions`` (a measure by condition) and ``effects``
        (measures).
    people : mapping of str to mapping
        Task → what people do, from `people_facts`.
    """

    layers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    controls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    series: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    effects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def note(self, *tables: pd.DataFrame) -> None:
        """Put the facts into the attributes of tables, in place of any that are there."""
        text = json.dumps({each.name: getattr(self, each.name) for each in fields(self)})
        for table in tables:
            table.attrs[_ATTRIBUTE] = text


def facts_of(table: pd.DataFrame) -> RunFacts:
    """Give the facts that a table of a run carries; of other tables, none."""
    text = table.attrs.get(_ATTRIBUTE)
    return RunFacts() if text is None else _read(text)


@lru_cache(maxsize=16)
def _read(text: str) -> RunFacts:
    return RunFacts(**json.loads(text))


def people_facts(
    rows: pd.DataFrame | None, references: Sequence[tuple[str, float, str]]
) -> dict[str, Any]:
    """Put what people do on a task into the form of `RunFacts.people`.

    Parameters
    ----------
    rows : DataFrame or None
        Of people: Model Name is the group, the other columns are measures.
    references : sequence of (str, float, str)
        What is published: what, value and source, as `HumanReference` has it.

    Returns
    -------
    dict
        ``people`` (a pair per group: its name, and measures without NaN) and ``published``.
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
    return {"people": people, "published": published}


def effects_of(table: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    """Give a measure by condition and the effects of a table's task, where it knows them."""
    known = facts_of(table).effects.get(_task_of(table), {})
    return dict(known.get("conditions", {})), list(known.get("effects", []))


def label_of(table: pd.DataFrame, measure: str) -> str:
    """Give what an axis calls a measure: as the task declares it, or its name."""
    return str(_declared(table).get(measure, {}).get("label") or measure)


def best_measure(table: pd.DataFrame) -> tuple[str, bool] | None:
    """Name the measure that chooses a task's best layers, and whether lower is better.

    None where neither way of a headline measure is better, or the table does not know.
    """
    for name, declared in _declared(table).items():
        if declared.get("headline") and declared.get("better") and name in table:
            return name, declared["better"] == "lower"
    return None


def headline_measures(table: pd.DataFrame) -> list[str]:
    """Name the measures that stand for a table's task, where it knows them."""
    known = _declared(table)
    return [name for name, declared in known.items() if declared.get("headline") and name in table]


def levels_of(table: pd.DataFrame, measure: str) -> list[Level]:
    """Give chance and the noise ceiling of a measure, where a table's task declares them.

    Ceilings are columns of the table. Layers may differ in them where pairs failed; the median is
    taken.
    """
    import pandas as pd

    from facebench.figures.drawing.people import Level

    declared = _declared(table).get(measure, {})
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


def humans_of(table: pd.DataFrame, measure: str) -> list[Human]:
    """Give what people do by a measure of a table's task, where it knows it.

    A published value is one of the measure by `is_of_measure`.
    """
    from facebench.figures.drawing.people import Human

    known = facts_of(table).people.get(_task_of(table), {})
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


def is_lower_better(table: pd.DataFrame, measure: str) -> bool:
    """Tell whether a task of a table declares that lower values of a measure are better."""
    known = facts_of(table).measures
    tasks = table[TASK].astype(str).unique() if known else ()
    return any(known.get(task, {}).get(measure, {}).get("better") == "lower" for task in tasks)


def _task_of(table: pd.DataFrame) -> str:
    """Name the task of a table of one task."""
    return str(table[TASK].iloc[0]) if TASK in table and len(table) else ""


def _declared(table: pd.DataFrame) -> Mapping[str, Mapping[str, Any]]:
    return facts_of(table).measures.get(_task_of(table), {})
