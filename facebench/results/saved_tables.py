"""The results of a saved run as the tables that figures are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facebench.columns import (
    CONDITION,
    CONTROLS,
    LAYER,
    MODEL,
    NETWORK_LAYERS,
    TASK,
    TRAINING_SERIES,
    interval_columns,
)
from facebench.errors import InputError, UnknownNameError
from facebench.figures.records.run_facts import RunFacts, people_facts
from facebench.results.exports import noted_measures
from facebench.tasks.measures import measures_for
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.reader import Run

__all__ = ["chosen_rows", "measures_in", "task_table"]


def task_table(run: Run, task: str) -> pd.DataFrame:
    """Give the results of a task as the manager of its run had them, for `PlotHelper`.

    Returns
    -------
    DataFrame
        'Task Name', 'Model Name', 'Layer Name', 'Condition' if rows differ in it, every measure and
        its interval. It knows, as tables of a run do, the networks' layers, what is declared of the
        measures, and people.

    Raises
    ------
    UnknownNameError
        If the run has no such task.
    """
    if task not in run.tasks:
        msg = (
            f"The run has no results of a task {task!r}. It has: {', '.join(run.tasks) or 'none'}."
            f"{did_you_mean(task, list(run.tasks))}"
        )
        raise UnknownNameError(msg)
    facts = run.tasks[task]
    table = _wide(run.networks[run.networks["task"] == task])
    measures = measures_for(facts, measures_in(table))
    models: dict[str, dict[str, Any]] = run.manifest["models"]
    controls: dict[str, list[str]] = {}
    for name, known in models.items():
        if known.get(CONTROLS):
            controls.setdefault(str(known[CONTROLS]), []).append(name)
    layers = {name: list(known.get(NETWORK_LAYERS) or []) for name, known in models.items()}
    series = {
        name: known[TRAINING_SERIES] for name, known in models.items() if known.get(TRAINING_SERIES)
    }
    people = run.people[run.people["task"] == task]
    references = [
        (str(known["what"]), float(known["value"]), str(known["source"]))
        for known in facts.references
        if known.get("value") is not None
    ]
    declared, effects = noted_measures(measures, facts.effect)
    answers = people_facts(_wide(people) if len(people) else None, references)
    RunFacts(layers, controls, series, {task: declared}, {task: effects}, {task: answers}).note(
        table
    )
    return table


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """Bring tidy rows into a row per model, layer and condition, in their order."""
    import pandas as pd

    records: dict[tuple[str, str, str], dict[str, Any]] = {}
    columns = ["task", "model", "layer", "condition", "metric", "value", "ci_low", "ci_high"]
    texts = rows[columns].astype(dict.fromkeys(columns[:5], object))
    for task, model, layer, condition, metric, *numbers in texts.itertuples(index=False):
        of = "" if pd.isna(condition) else str(condition)
        layer = "" if pd.isna(layer) else str(layer)
        record = records.setdefault(
            (model, layer, of), {TASK: task, MODEL: model, LAYER: layer, CONDITION: of}
        )
        record.update(zip(interval_columns(metric), map(float, numbers), strict=True))
    table = pd.DataFrame(list(records.values()))
    if table.empty or (table[CONDITION] == "").all():
        table = table.drop(columns=CONDITION, errors="ignore")
    ends = [name for name in table if str(name).endswith((" CI Low", " CI High"))]
    return table.drop(columns=[name for name in ends if table[name].isna().all()])


def measures_in(table: pd.DataFrame) -> list[str]:
    """Name the measures among the columns of a table, without their intervals."""
    return [
        str(name)
        for name in table.select_dtypes("number").columns
        if not str(name).endswith((" CI Low", " CI High"))
    ]


def chosen_rows(
    table: pd.DataFrame, models: Sequence[str] | None, layers: Sequence[str] | None, task: str
) -> pd.DataFrame:
    """Take the rows of some models and layers (None: all); what is not there is an error."""
    for wanted, column, what in ((models, MODEL, "model"), (layers, LAYER, "layer")):
        known = list(dict.fromkeys(table[column].astype(str)))
        for name in wanted or ():
            if name not in known:
                msg = (
                    f"Task {task!r} has no results of a {what} {name!r}. It has: "
                    f"{', '.join(known)}.{did_you_mean(name, known)}"
                )
                raise UnknownNameError(msg)
        if wanted is not None:
            table = table[table[column].astype(str).isin(list(wanted))]
    if table.empty:
        msg = f"Give a model and a layer of task {task!r} to draw. Got none."
        raise InputError(msg)
    return table
