"""The models of many runs in one order: a row per model, a column per task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from typing_extensions import override

from facebench.errors import InputError
from facebench.metrics.uncertainty.spread import Replicates
from facebench.results.best_layer import Choices, LayerReplicates, choices_of, with_choices
from facebench.results.comparison.paired import Comparable, Evidence, tie_groups
from facebench.results.headline import (
    TaskRows,
    check_layer_choice,
    direction,
    headline_rows,
    layer_note,
    people_beside,
)
from facebench.results.held_out import HeldOut, held_out_layers, with_held_out
from facebench.results.pair_rows import PairRows, saved_models
from facebench.results.ranking.comparability import name_tasks
from facebench.results.ranking.entries import Key, LeaderboardRow, name_entries
from facebench.results.ranking.selection import load_runs, run_labels
from facebench.results.reader import Run
from facebench.results.schema import NETWORK
from facebench.results.task_facts import TaskFacts
from facebench.tasks.measures import Measure, headlines, measures_for
from facebench.types import StrPath
from facebench.utils.files import write_csv

__all__ = ["Leaderboard", "leaderboard"]

COLUMNS = {
    "task": "string",
    "metric": "string",
    "condition": "string",
    "rank": "Int64",
    "model": "string",
    "layer": "string",
    "value": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "tie_group": "string",
    "chance": "float64",
    "ceiling_low": "float64",
    "ceiling_high": "float64",
    "higher_is_better": "boolean",
    "n_pairs": "Int64",
    "n_failed": "Int64",
    "distance": "string",
    "differs": "string",
    "run": "string",
    "source": "string",
    "headline": "boolean",
}
# Paired tests of every two grow with the square of the models.
MOST_TESTED = 20
_KEYS = ["task", "metric", "condition"]


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Models of many runs, ranked.

    Attributes
    ----------
    numbers : DataFrame
        A row per task, measure, condition and model, best first, then rows of people, which have no
        rank: task, metric, condition, rank, model, layer, value, ci_low, ci_high, tie_group,
        chance, ceiling_low, ceiling_high, higher_is_better, n_pairs, n_failed, distance, differs
        (what the model differs in from others of its name or weights), run, source ('network' or
        'people') and headline (whether the measure is the task's first).
    other_layers : DataFrame
        The same of layers that were not chosen.
    notes : tuple of str
        Warnings: what is ranked apart, left out or not complete.
    reading : tuple of str
        How it was made: which layers stand for models, which of them were tested.
    models : tuple of str
        Networks as they are called in `numbers`, in the order of the runs.
    runs : tuple of Run
        The runs.
    layer_choice : {'same pairs', 'held-out'}
        How the layer of each model was chosen.
    path : Path or None
        The page, if one was written.
    """

    numbers: pd.DataFrame
    other_layers: pd.DataFrame
    notes: tuple[str, ...]
    reading: tuple[str, ...]
    models: tuple[str, ...]
    runs: tuple[Run, ...]
    layer_choice: str = "same pairs"
    path: Path | None = None

    def to_frame(self) -> pd.DataFrame:
        """Give the numbers as a table, see `numbers`."""
        return self.numbers.copy()

    def to_csv(self, path: StrPath) -> Path:
        """Write the numbers as CSV.

        Parameters
        ----------
        path : str or Path
            The file.
        """
        write_csv(self.numbers, Path(path))
        return Path(path)

    def write(self, path: StrPath) -> Path:
        """Write the page.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Path
            The file: it needs no other file and no network.
        """
        from facebench.results.report.leaderboard_page import leaderboard_context
        from facebench.results.report.pages import write_page

        context = leaderboard_context(self)
        return write_page("leaderboard.html.j2", Path(path), context, charts=False)

    def matrix(self) -> pd.DataFrame:
        """Give the values of each task's first headline measure, a row per model.

        Returns
        -------
        DataFrame
            Models in the order of their mean rank, those without a number in some task after the
            others, people last; a column per task (and condition), named by task, measure and
            condition.
        """
        first = self.numbers[self.numbers["headline"]]
        columns = list(dict.fromkeys(zip(*(first[name].fillna("") for name in _KEYS), strict=True)))
        table = pd.DataFrame(
            np.nan,
            index=pd.Index(_ordered(first), name="model"),
            columns=pd.MultiIndex.from_tuples(columns, names=_KEYS),
        )
        places = {column: place for place, column in enumerate(columns)}
        rows = {model: place for place, model in enumerate(table.index)}
        values = table.to_numpy(copy=True)
        for row in first.itertuples():
            column = (row.task, row.metric, "" if pd.isna(row.condition) else row.condition)
            values[rows[row.model], places[column]] = row.value
        return pd.DataFrame(values, table.index, table.columns)

    @override
    def __str__(self) -> str:
        networks = self.numbers[self.numbers["source"] == NETWORK]
        return (
            f"{networks['model'].nunique()} models, {networks['task'].nunique()} tasks, "
            f"{len(self.runs)} run{'s' * (len(self.runs) != 1)}"
        )


def leaderboard(
    runs: Iterable[StrPath],
    output: StrPath | None = None,
    *,
    layer_choice: str = "same pairs",
) -> Leaderboard:
    """Rank the models of many runs, task by task.

    Each model stands in its best layer. Numbers are ranked together only where runs used the same
    pairs and images, the same settings of the task, the same distance and the same version of
    facebench's statistics; what differs is a task of its own, named by what it differs in. Models
    of one name in several runs are one row where weights, settings and preprocessing are the same
    and none of the numbers is in both; otherwise they are named by what they differ in.

    Parameters
    ----------
    runs : iterable of str or Path
        Folders of runs; ``runs/NAME`` for its latest, ``runs`` for the latest of every experiment.
    output : str or Path, optional
        The page to write; None writes none.
    layer_choice : {'same pairs', 'held-out'}
        'held-out' takes numbers from layers chosen on other people than they are judged on, where
        there are any.

    Returns
    -------
    Leaderboard

    Raises
    ------
    InputError
        If there are no runs, none has a number of a network, or `layer_choice` is something else.
    RunFolderError
        If one is not a readable run.

    Examples
    --------
    >>> from facebench import leaderboard
    >>> leaderboard([])
    Traceback (most recent call last):
        ...
    facebench.errors.InputError: A leaderboard needs one run or more. Got none.
    """
    check_layer_choice(layer_choice, "leaderboard")
    found, notes = load_runs(runs)
    made = _ranked(found, notes, layer_choice)
    return made if output is None else replace(made, path=made.write(output))


def _ranked(runs: Sequence[Run], notes: Sequence[str], layer_choice: str) -> Leaderboard:
    labels = run_labels(runs)
    tasks = name_tasks(runs, labels)
    results = _together(runs, tasks.names, [run.networks for run in runs])
    told = [*notes, *tasks.notes, *_incomplete(runs, labels)]
    if not len(results):
        msg = f"None of the runs has a number of a network to rank. {' '.join(told)}".rstrip()
        raise InputError(msg)
    # Models of one name in two runs are two models until they are found to be one.
    codes, keys = pd.factorize(
        pd.MultiIndex.from_frame(results[["run_number", "own_model"]].astype(object))
    )
    results["model"] = codes
    parts = results["task"] + "\0" + results["metric"] + "\0" + results["condition"].fillna("")
    measured = parts.groupby(codes, sort=False).unique()
    models = [(int(number), str(model)) for number, model in keys]
    named = name_entries(runs, labels, dict(zip(models, measured, strict=True)))
    entries = [named[key] for key in models]
    facts = _facts(runs, tasks.names)
    evidence = _Evidence(runs, models)
    if layer_choice == "held-out":
        evidence.hold_out(tasks.names)
    people = _together(runs, tasks.names, [run.people for run in runs])
    shown, others = [], []
    for board in _boards(results, facts, evidence):
        shown.append(_rows_of(board.shown, board, results, entries, labels))
        reference = people_beside(people, results, board.task, board.measure.name)
        reference = reference[reference["condition"].fillna("") == (board.condition or "")]
        shown.append(_people_rows(reference, board, labels))
        others.append(_rows_of(board.others, board, results, entries, labels))
    numbers, other_layers = (
        pd.concat(rows, ignore_index=True)[list(COLUMNS)].astype(COLUMNS)
        for rows in (shown, others)
    )
    note = layer_note(results, layer_choice)
    reading = [f"{note}."] if note else []
    if evidence.untested:
        reading.append(
            f"Tie groups are of the {MOST_TESTED} best models of each number; those below were not "
            "tested, because tests of every two grow with the square of the models."
        )
    order = [named[number, model].label for number, run in enumerate(runs) for model in run.models]
    models_shown = tuple(dict.fromkeys(order))
    return Leaderboard(
        numbers, other_layers, tuple(told), tuple(reading), models_shown, tuple(runs), layer_choice
    )


def _together(
    runs: Sequence[Run], names: Mapping[tuple[int, str], str], tables: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Put tables of runs below each other; their tasks are named so that one name is one task."""
    together = pd.concat(
        [table.assign(run_number=number) for number, table in enumerate(tables)],
        ignore_index=True,
    )
    together["own_model"], together["own_task"] = together["model"], together["task"]
    together["task"] = pd.array(
        [
            names.get(key, key[1])
            for key in zip(together["run_number"], together["own_task"], strict=True)
        ],
        dtype="string",
    )
    # Of a task that has become several, that of most runs comes first.
    order = {name: place for place, name in enumerate(_by_frequency(names))}
    return together.sort_values(
        "task", key=lambda tasks: tasks.map(order), kind="stable"
    ).reset_index(drop=True)


def _by_frequency(names: Mapping[tuple[int, str], str]) -> list[str]:
    own = dict.fromkeys(task for _, task in names)
    counts = Counter(names.values())
    task_of = {name: task for (_, task), name in names.items()}
    places = {task: place for place, task in enumerate(own)}
    return sorted(task_of, key=lambda name: (places[task_of[name]], -counts[name]))


def _incomplete(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """Say which runs are not complete, and what failed in them."""
    told = []
    for run, label in zip(runs, labels, strict=True):
        failed = [str(failure.get("what")) for failure in run.manifest["failures"]]
        if run.status != "finished" or failed:
            what = f": {', '.join(failed)} failed" if failed else ""
            told.append(f"Run {label} is not complete ({run.status}{what}).")
        elif not len(run.networks):
            told.append(f"Run {label} has no numbers.")
    return told


def _facts(runs: Sequence[Run], names: Mapping[tuple[int, str], str]) -> dict[str, TaskFacts]:
    """Give what the first run says of each task, or the first that has declared measures."""
    found: dict[str, TaskFacts] = {}
    for (number, task), name in names.items():
        facts = runs[number].tasks[task]
        if name not in found or (facts.measures and not found[name].measures):
            found[name] = facts
    return found


class _Board(NamedTuple):
    """One number of a task: its rows in their best layers, ranked, and those of other layers."""

    task: str
    measure: Measure
    condition: str | None
    is_first: bool
    shown: pd.DataFrame
    others: pd.DataFrame


class _Evidence:
    """What paired tests go by, read from runs as it is needed."""

    def __init__(self, runs: Sequence[Run], models: Sequence[Key]) -> None:
        self._runs, self._models = runs, models
        self._pairs: dict[tuple[int, str, str, str], PairRows | None] = {}
        self._held_out: dict[tuple[int, str], HeldOut] = {}
        self.untested = 0

    def hold_out(self, tasks: Mapping[tuple[int, str], str]) -> None:
        """Choose layers on other people than they are judged on."""
        self._held_out = {key: held_out_layers(self._runs[key[0]], key[1]) for key in tasks}

    def choices(self, task: TaskRows) -> Choices:
        """Tell how far off best layers may be, having been chosen by their own numbers."""
        known: dict[tuple[int, str], LayerReplicates] = {}

        def replicates_of(rows: pd.DataFrame) -> Sequence[Replicates | None]:
            places = rows[["run_number", "own_task", "own_model"]].drop_duplicates()
            if len(places) > 1:
                # Layers of several runs.
                return [None] * len(rows)
            number, name, model = places.iloc[0]
            if (number, name) not in known:
                known[number, name] = LayerReplicates(self._runs[number], name)
            return known[number, name](model, rows)

        return choices_of(task, replicates_of)

    def held_out_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Put values of held-out layers in the place of the best layers' own."""
        if not self._held_out:
            return rows
        parts = []
        for key, own in rows.groupby(["run_number", "own_task"], sort=False):
            named = own.assign(model=own["own_model"], task=own["own_task"])
            found = with_held_out(named, self._held_out[key].table)
            parts.append(found.assign(model=own["model"], task=own["task"]))
        return pd.concat(parts).loc[rows.index]

    def letters(self, rows: pd.DataFrame, condition: str | None, choices: Choices) -> list[str]:
        """Give the tie groups of rows that are ordered, the best first."""
        known = rows[rows["value"].notna()].head(MOST_TESTED)
        self.untested += int(rows["value"].notna().sum()) - len(known)
        for (number, task), own in known.groupby(["run_number", "own_task"], sort=False):
            self._read(number, task, dict(zip(own["own_model"], own["layer"], strict=True)))
        found: dict[int, Comparable] = {}
        for row in known.itertuples():
            found[row.model] = self._of(row, condition)
        # A layer judged on other people and one judged on the same are not paired.
        if len({type(each) for each in found.values()}) > 1:
            return [""] * len(rows)
        largest = {
            row.model: choices.get((row.model, row.metric, condition or ""))
            for row in known.itertuples()
            if isinstance(found[row.model], Evidence)
        }
        ties = tie_groups(found, largest)
        return [ties.get(model, "") for model in rows["model"]]

    def _of(self, row: Any, condition: str | None) -> Comparable:
        held_out = self._held_out.get((row.run_number, row.own_task))
        key = (row.metric, condition or "", row.own_model)
        if held_out is not None and key in held_out.replicates:
            return held_out.replicates[key]
        place = (row.own_task, row.own_model, row.layer)
        left_out = self._runs[row.run_number].left_out.get(place)
        pairs = self._pairs.get((row.run_number, *place))
        return Evidence(row.metric, condition, row.value, pairs, left_out)

    def _read(self, number: int, task: str, layers: Mapping[str, str]) -> None:
        """Read the pairs of models that are not known yet."""
        wanted = {
            model: layer
            for model, layer in layers.items()
            if (number, task, model, layer) not in self._pairs
        }
        if wanted:
            found = saved_models(self._runs[number], task, wanted)
            for model, layer in wanted.items():
                self._pairs[number, task, model, layer] = found.get(model)


def _boards(
    results: pd.DataFrame, facts: Mapping[str, TaskFacts], evidence: _Evidence
) -> Iterator[_Board]:
    chosen = headline_rows(results, facts, all_layers=True)
    for task, of_task in chosen.groupby("task", sort=False):
        own = results[results["task"] == task]
        task_rows = TaskRows(own, str(task), facts[str(task)])
        best = task_rows.best
        choices = evidence.choices(task_rows)
        measures = measures_for(facts[str(task)], list(dict.fromkeys(own["metric"])))
        first = headlines(facts[str(task)], list(measures))[0]
        for (metric, named), part in of_task.groupby(
            ["metric", "condition"], sort=False, dropna=False
        ):
            condition = None if pd.isna(named) else str(named)
            is_best = part["layer"].eq(part["model"].map(best)).to_numpy(bool)
            shown = with_choices(part[is_best], choices, facts[str(task)])
            shown = evidence.held_out_rows(shown.assign(best_layer=part["layer"]))
            # What is judged on its own pairs stays to be looked up.
            others = part[~part.index.isin(shown.index[shown["layer"].eq(shown["best_layer"])])]
            sign = direction(part)
            if sign:
                shown, others = (
                    rows.sort_values("value", ascending=sign < 0, kind="stable")
                    for rows in (shown, others)
                )
            ranks = shown["value"].rank(method="min", ascending=sign < 0) if sign else np.nan
            letters = evidence.letters(shown, condition, choices)
            shown = shown.assign(rank=ranks, tie_group=letters)
            yield _Board(str(task), measures[metric], condition, metric == first, shown, others)


def _rows_of(
    rows: pd.DataFrame,
    board: _Board,
    results: pd.DataFrame,
    entries: Sequence[LeaderboardRow],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Bring rows of results into the columns of a leaderboard."""
    low, high = _ceilings(rows, board, results)
    of_rows = [entries[model] for model in rows["model"]]
    return rows.reindex(columns=list(dict.fromkeys([*rows.columns, *COLUMNS]))).assign(
        model=[entry.label for entry in of_rows],
        differs=[entry.differs for entry in of_rows],
        run=[labels[number] for number in rows["run_number"]],
        chance=board.measure.chance,
        ceiling_low=low,
        ceiling_high=high,
        headline=board.is_first,
    )


def _people_rows(rows: pd.DataFrame, board: _Board, labels: Sequence[str]) -> pd.DataFrame:
    """Give what people do, once where several runs say the same."""
    same = ["model", "value", "ci_low", "ci_high", "n_pairs"]
    once = rows.drop_duplicates(same)
    runs = [labels[number] for number in once["run_number"]]
    names = [
        f"{model} (run {run})" if list(once["model"]).count(model) > 1 else model
        for model, run in zip(once["model"], runs, strict=True)
    ]
    return once.reindex(columns=list(dict.fromkeys([*once.columns, *COLUMNS]))).assign(
        model=names, run=runs, chance=board.measure.chance, headline=board.is_first, rank=None
    )


def _ceilings(
    rows: pd.DataFrame, board: _Board, results: pd.DataFrame
) -> tuple[list[float], list[float]]:
    """Look up how high a measure can get with the data of each row."""
    names = board.measure.ceiling
    if not names or not len(rows):
        return [np.nan] * len(rows), [np.nan] * len(rows)
    known = results[(results["task"] == board.task) & results["metric"].isin(names)]
    values = {
        (row.model, row.layer, row.metric): row.value
        for row in known.itertuples()
        if (None if pd.isna(row.condition) else row.condition) == board.condition
    }
    layers = rows["best_layer"] if "best_layer" in rows else rows["layer"]
    found = [
        [values.get((model, layer, name), np.nan) for name in (names[0], names[-1])]
        for model, layer in zip(rows["model"], layers, strict=True)
    ]
    both = np.array(found) if len(names) > 1 else np.array(found) * [np.nan, 1]
    return both[:, 0].tolist(), both[:, 1].tolist()


def _ordered(first: pd.DataFrame) -> list[str]:
    """Order models by their mean rank, those without some number later, people last."""
    networks = first[first["source"] == NETWORK]
    ranked = networks[networks["rank"].notna()]
    means = ranked.groupby("model", sort=False)["rank"].agg(["size", "mean"])
    order = networks[["model"]].drop_duplicates().join(means, on="model")
    order = order.sort_values(["size", "mean"], ascending=[False, True], kind="stable")
    people = first["model"][first["source"] != NETWORK]
    return list(dict.fromkeys([*order["model"], *people]))
