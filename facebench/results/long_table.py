"""One long table of a run and its people, for R, JASP and analyses of variance.

Every row is a value of one participant, or of one layer of a network, for one item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from facebench.data.tables import read_text_table
from facebench.errors import InputError, UnknownNameError
from facebench.people.measures import item_names, items_of
from facebench.people.names import with_names_of
from facebench.people.reading import read_trials
from facebench.people.trials import (
    ALTERNATIVES,
    PARTICIPANT,
    RESPONSE,
    Trials,
    alternatives_in,
    condition_columns,
)
from facebench.types import StrPath
from facebench.utils.files import atomic_path
from facebench.utils.suggestions import did_you_mean, did_you_mean_file, listed

if TYPE_CHECKING:
    from facebench.results.reader import Run
    from facebench.tasks.facts import TaskFacts

__all__ = ["LONG_COLUMNS", "long_table", "people_of_run", "read_long_table", "write_long_table"]

LONG_COLUMNS = (
    *("source", "participant", "group", "model", "layer", "task"),
    *("item", "condition", "same", "measure", "value"),
)
_SHOWN = ("image", "target", "img1", "img2", "img3")
_COMPUTED = "model_computed_distance"
_OF_PEOPLE = (RESPONSE, "correct", "confidence", "rt")


def long_table(
    run: Run,
    people: Mapping[str, Trials] | None = None,
    tasks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Put every value of a run, and of people, into a row of its own.

    Parameters
    ----------
    run : Run
        The run.
    people : mapping of str to Trials, optional
        By task, the trials of participants who were asked the same; see `people_of_run`.
    tasks, models : sequence of str, optional
        Which; default: all.

    Returns
    -------
    DataFrame
        Columns `LONG_COLUMNS`: ``source`` is 'people' or 'networks'; ``participant`` the person, or
        'MODEL LAYER'; ``item`` the images, in alphabetical order; ``same`` the pairs' label where
        they have one; ``measure`` 'distance' of networks, and of people 'response', 'correct',
        'confidence' and 'rt' where there are such.

    Raises
    ------
    UnknownNameError
        If the run has no such task or model.
    InputError
        If the run keeps no distances, or trials show images that the tasks do not have.
    """
    given = people or {}
    chosen = _chosen(tasks, list(run.tasks), "task")
    _chosen(list(given), list(run.tasks), "task")
    parts = []
    for task in chosen:
        frames = [
            _of_network(run, model, task, frame)
            for model in _chosen(models, run.models, "model")
            if len(frame := run.task_distances(model, task))
        ]
        parts += frames
        if frames and task in given:
            parts.append(_of_people(frames[0], given[task], task))
    if not parts:
        msg = f"{run} keeps no distances of {listed(chosen)}, so there is nothing to export."
        raise InputError(msg)
    return pd.concat(parts, ignore_index=True)


def people_of_run(run: Run, given: StrPath | None = None) -> dict[str, Trials]:
    """Read the trials of people that a run was made with, from the files that it names.

    Parameters
    ----------
    run : Run
        The run.
    given : str or Path, optional
        The description of trials to take for every task that has people, or for all tasks where
        none has.

    Returns
    -------
    dict of str to Trials
        By task.

    Raises
    ------
    InputError
        If a task has people whose description is no longer there.
    """
    asked = {name: facts.people for name, facts in run.tasks.items() if facts.people}
    if given is not None:
        trials = read_trials(given)
        return dict.fromkeys(asked or run.tasks, trials)
    found: dict[str, Trials] = {}
    # Tasks often share their people.
    read: dict[Path, Trials] = {}
    for task, said in asked.items():
        path = Path(str(said.get("source", "")))
        if not path.is_file():
            msg = (
                f"The people of task {task!r} were read from {said.get('source')!r}, which is not "
                "a file here. Give the description of the trials with --people."
            )
            raise InputError(msg)
        if path not in read:
            read[path] = read_trials(path)
        found[task] = read[path]
    return found


def write_long_table(table: pd.DataFrame, path: Path) -> None:
    """Write a long table as CSV, TSV or parquet, by the name of the file.

    Parameters
    ----------
    table : DataFrame
        See `long_table`.
    path : Path
        The file.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet"):
        msg = f"A long table is written as .csv, .tsv or .parquet. Got {path} instead."
        raise InputError(msg)
    with atomic_path(path) as temporary:
        if suffix == ".parquet":
            texts = table.assign(**{name: _as_text(table[name]) for name in ("condition", "same")})
            texts.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, sep="," if suffix == ".csv" else "\t")


def read_long_table(path: Path) -> pd.DataFrame:
    """Read a long table that was written as CSV, TSV or parquet.

    Returns
    -------
    DataFrame
        ``value`` as numbers.

    Raises
    ------
    InputError
        If it is not such a table.
    """
    if not path.is_file():
        msg = f"The table {path} does not exist.{did_you_mean_file(path)}"
        raise InputError(msg)
    if path.suffix.lower() == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = read_text_table(path).rows.replace("", None)
    if "value" not in table:
        msg = f"{path} has no column 'value': it is not a long table (`facebench export --long`)."
        raise InputError(msg)
    numbers = pd.to_numeric(table["value"], errors="coerce")
    wrong = numbers.isna() & table["value"].notna()
    if wrong.any():
        msg = f"{path} must hold numbers under 'value'. Got {table['value'][wrong].iloc[0]!r}."
        raise InputError(msg)
    return table.assign(value=numbers)


def _as_text(cells: Any) -> Any:
    return cells.map(str, na_action="ignore").astype(object)


def _chosen(asked: Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    for name in asked or ():
        if name not in known:
            msg = f"The run has no {what} {name!r}.{did_you_mean(name, known)}"
            raise UnknownNameError(msg)
    return list(known if asked is None else asked)


def _of_network(run: Run, model: str, task: str, frame: pd.DataFrame) -> pd.DataFrame:
    facts = run.tasks[task]
    shown = [name for name in _SHOWN if name in frame]
    shown += alternatives_in(map(str, frame.columns))
    layers = frame["layer_name"].astype(str)
    unnamed = [str(number) for number in frame.groupby("layer_name", sort=False).cumcount() + 1]
    keys = pd.DataFrame(
        {
            "source": "networks",
            "participant": f"{model} " + layers,
            "model": model,
            "layer": layers,
            "task": task,
            "item": item_names(frame, shown).to_numpy() if shown else unnamed,
            "condition": _column(frame, _condition_column(run, task, frame)),
            "same": _column(frame, facts.label_column or "same"),
        }
    )
    parts = [
        keys.assign(measure=measure, value=frame[name].astype(float))
        for name, measure in _measures(frame, facts).items()
    ]
    return pd.concat(parts, ignore_index=True).reindex(columns=LONG_COLUMNS) if parts else keys


def _condition_column(run: Run, task: str, frame: pd.DataFrame) -> str | None:
    """Name the column of conditions: the task's, or the one with the conditions of its results."""
    column = run.tasks[task].condition_column
    if column is not None:
        return column
    rows = run.results[run.results["task"] == task]
    levels = {*rows["condition"].dropna().astype(str), *run.tasks[task].effect}
    for name in frame.columns:
        found = {*map(str, frame[name].dropna().unique())}
        if len(found) > 1 and found <= levels:
            return str(name)
    return None


def _measures(frame: pd.DataFrame, facts: TaskFacts) -> dict[str, str]:
    """Name the columns of values: the distance, or all numbers where items are not pairs."""
    if _COMPUTED in frame:
        return {_COMPUTED: "distance"}
    other = {facts.label_column, facts.condition_column, facts.group_column}
    return {
        name: str(name)
        for name in frame.select_dtypes(["number", "bool"])
        if name not in other and not str(name).startswith(ALTERNATIVES)
    }


def _column(frame: pd.DataFrame, name: str | None) -> Any:
    return frame[name].to_numpy() if name is not None and name in frame else None


def _of_people(network: pd.DataFrame, people: Trials, task: str) -> pd.DataFrame:
    """Give the answers of people to the items of a task."""
    own = network[network["layer"] == network["layer"].iloc[0]]
    names = dict.fromkeys(part for item in own["item"] for part in item.split(" | "))
    named = with_names_of(people, names, f"task {task!r}")
    table = named.table.assign(item=items_of(named))
    if not table["item"].isin(own["item"]).any():
        msg = (
            f"Trials show other images together than task {task!r}: {table['item'].iloc[0]!r}, not "
            f"{own['item'].iloc[0]!r}."
        )
        raise InputError(msg)
    labels = own.drop_duplicates("item").set_index("item")["same"]
    parts = [
        pd.DataFrame(
            {
                "source": "people",
                "participant": table[PARTICIPANT],
                "group": table.get("group"),
                "task": task,
                "item": table["item"],
                "condition": _condition_of(named, table, own),
                "same": table["item"].map(labels),
                "measure": measure,
                "value": table[measure].astype(float),
            }
        )
        for measure in _OF_PEOPLE
        if measure in table and pd.api.types.is_numeric_dtype(table[measure])
    ]
    return pd.concat(parts, ignore_index=True).reindex(columns=LONG_COLUMNS)


def _condition_of(named: Trials, table: pd.DataFrame, own: pd.DataFrame) -> Any:
    """Give the condition of every trial: its item's, or its own where items have several."""
    levels = {*own["condition"].dropna()}
    if not levels:
        return None
    if own.groupby("item")["condition"].nunique().max() > 1:
        for name in condition_columns(named):
            found = {*table[name].dropna()}
            if found and found <= levels:
                return table[name]
    by_item = own.groupby("item")["condition"].agg(
        lambda values: values.iloc[0] if values.nunique() == 1 else None
    )
    return table["item"].map(by_item)
