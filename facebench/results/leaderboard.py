"""A static page over many runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from facebench.errors import InputError
from facebench.results.comparison.paired import Comparable, Evidence, tie_groups
from facebench.results.headline import (
    best_layers,
    check_layer_choice,
    direction,
    headline_rows,
    layer_note,
    people_beside,
)
from facebench.results.held_out import HeldOut, held_out_layers, with_held_out
from facebench.results.pair_rows import saved_layers
from facebench.results.reader import Run, load_run
from facebench.results.report.pages import write_page
from facebench.results.report.provenance_view import shown_time
from facebench.results.report.tables import Column, Table, forest, span_of
from facebench.results.task_facts import TaskFacts

__all__ = ["write_leaderboard"]

_COLUMNS = [
    Column("Task", filter=True),
    Column("Measure", filter=True),
    Column("Condition"),
    Column("Rank", "count", hint="Among the rows of one task, measure and condition."),
    Column("Model", filter=True),
    Column("Layer", filter=True),
    Column("Value", "number"),
    Column("95 % interval", "interval"),
    Column("On the task's scale", "forest"),
    Column("Pairs", "count"),
    Column("Run", filter=True),
    Column("Begun"),
    Column(
        "Tie group",
        hint="Numbers of one task that share a letter do not differ significantly: paired tests on "
        "the same pairs, with Holm's correction.",
    ),
]


def write_leaderboard(
    runs: Sequence[Path], output: Path, *, layer_choice: str = "same pairs"
) -> Path:
    """Write the leaderboard of many runs.

    Parameters
    ----------
    runs : sequence of Path
        Their folders.
    output : Path
        The file.
    layer_choice : {'same pairs', 'held-out'}
        'held-out' takes numbers from layers chosen on other people than they are judged on, where
        there are any.

    Returns
    -------
    Path
        The file: it needs no other file and no network.

    Raises
    ------
    InputError
        If there are no runs, or `layer_choice` is something else.
    RunFolderError
        If one is not a readable run.
    """
    check_layer_choice(layer_choice, "write_leaderboard")
    loaded = {str(found.path): found for found in map(load_run, runs)}
    if not loaded:
        msg = "A leaderboard needs one run or more. Got none."
        raise InputError(msg)
    found = list(loaded.values())
    context = {
        "title": "Leaderboard",
        "board": _board(found, layer_choice),
        "runs": _runs_table(found),
        "facts": [
            ("Runs", str(len(found))),
            ("Models", str(len({model for run in found for model in run.models}))),
            ("Tasks", str(len({task for run in found for task in run.tasks}))),
        ],
    }
    return write_page("leaderboard.html.j2", Path(output), context, charts=False)


def _board(runs: Sequence[Run], layer_choice: str) -> Table:
    names = _task_names(runs)
    # A manifest may name its run otherwise than the table does.
    results = pd.concat([run.networks.assign(run=run.id) for run in runs], ignore_index=True)
    results["task"] = [names[key] for key in zip(results["run"], results["task"], strict=True)]
    people = pd.concat([run.people.assign(run=run.id) for run in runs], ignore_index=True)
    people["task"] = [names[key] for key in zip(people["run"], people["task"], strict=True)]
    by_id = {run.id: run for run in runs}
    facts = _facts(runs, names)
    task_of = {(run, name): task for (run, task), name in names.items()}
    rows, extra = [], []
    best = {
        (run.id, names[run.id, task], model): layer
        for run in runs
        for task in run.tasks
        for model, layer in best_layers(run.networks, task, facts[names[run.id, task]]).items()
    }
    chosen = headline_rows(results, facts, all_layers=True) if len(results) else results
    held_out: dict[tuple[str, str], HeldOut] = {}
    if layer_choice == "held-out":
        held_out = {
            (run.id, names[run.id, task]): held_out_layers(run, task)
            for run in runs
            for task in run.tasks
        }
    keys = ["task", "metric", "condition"]
    for _, part in chosen.groupby(keys, sort=False, dropna=False):
        sign = direction(part)
        shown = part[
            [best.get((row.run, row.task, row.model)) == row.layer for row in part.itertuples()]
        ]
        if held_out:
            shown = pd.concat(
                [
                    with_held_out(rows, held_out[key].table.assign(task=key[1]))
                    for key, rows in shown.groupby(["run", "task"], sort=False)
                ]
            ).loc[shown.index]
        # What is judged on its own pairs stays to be looked up.
        own = shown["layer"].eq(part["layer"].reindex(shown.index))
        hidden = part[~part.index.isin(shown.index[own])]
        ordered = pd.concat([shown.assign(shown=True), hidden.assign(shown=False)])
        if sign:
            ordered = ordered.sort_values("value", ascending=sign < 0, kind="stable")
        is_shown = ordered["shown"].to_list()
        span = span_of(ordered[is_shown])
        ranks = _ranks(ordered["value"], is_shown, sign)
        ties = _ties(ordered[is_shown], by_id, task_of, held_out)
        for row, stands, rank in zip(ordered.itertuples(), is_shown, ranks, strict=True):
            letters = ties.get((row.run, row.model), "") if stands else ""
            rows.append([*_row(row, rank, span, by_id[row.run]), letters])
            extra.append(not stands)
        # People have no rank: they are what the others are held against.
        task, metric = str(part["task"].iloc[0]), str(part["metric"].iloc[0])
        for row in people_beside(people, results, task, metric).itertuples():
            rows.append([*_row(row, None, span, by_id[row.run]), ""])
            extra.append(False)
    n_hidden = sum(extra)
    note = layer_note(results, layer_choice)
    return Table(
        id="board",
        caption=f"Headline numbers of all runs, best first. {note}".rstrip(". "),
        columns=_COLUMNS,
        rows=rows,
        extra=extra,
        more=f"All layers ({n_hidden} rows more)" if n_hidden else "",
    )


def _ties(
    rows: pd.DataFrame,
    by_id: Mapping[str, Run],
    task_of: Mapping[tuple[str, str], str],
    held_out: Mapping[tuple[str, str], HeldOut],
) -> dict[tuple[str, str], str]:
    """Give the letters of one measure of a task, by run and model; its rows are best first."""
    found: dict[tuple[str, str], Comparable] = {}
    for row in rows[rows["value"].notna()].itertuples():
        run, task = by_id[row.run], task_of[row.run, row.task]
        condition = None if pd.isna(row.condition) else str(row.condition)
        known = held_out.get((row.run, row.task))
        key = (row.metric, condition or "", row.model)
        if known is not None and key in known.replicates:
            found[row.run, row.model] = known.replicates[key]
            continue
        found[row.run, row.model] = Evidence(
            row.metric,
            condition,
            row.value,
            saved_layers(run, task, row.model, [row.layer]).get(row.layer),
            run.left_out.get((task, row.model, row.layer)),
        )
    # A layer judged on other people and one judged on the same are not paired.
    if len({type(each) for each in found.values()}) > 1:
        return {}
    return tie_groups(found)


def _task_names(runs: Sequence[Run]) -> dict[tuple[str, str], str]:
    """Name every run's tasks, so that tasks of one name but of different data differ."""
    data: dict[str, dict[str, None]] = {}
    digests = {}
    for run in runs:
        for task in dict.fromkeys(run.networks["task"]):
            told = (run.manifest.get("data") or {}).get(task) or {}
            images = (told.get("images") or {}).get("digest")
            digests[run.id, task] = str(told.get("pairs_digest") or images or "")[:6]
            data.setdefault(task, {})[digests[run.id, task]] = None
    return {
        (run, task): task if len(data[task]) == 1 else f"{task} (data {digest or 'unknown'})"
        for (run, task), digest in digests.items()
    }


def _facts(runs: Sequence[Run], names: Mapping[tuple[str, str], str]) -> dict[str, TaskFacts]:
    """Give what the first run says of each task, or the first that has declared measures."""
    found: dict[str, TaskFacts] = {}
    for run in runs:
        for task, facts in run.tasks.items():
            name = names[run.id, task]
            if name not in found or (facts.measures and not found[name].measures):
                found[name] = facts
    return found


def _short(run: Run) -> str:
    """Name a run in a narrow column: its name, and the random end of its folder's."""
    return f"{run.manifest['name']} {run.path.name.rpartition('-')[2]}"


def _ranks(values: pd.Series, counted: Sequence[bool], sign: int) -> list[int | None]:
    """Give the best layers numbers; equal values share the better place."""
    own = values.where(list(counted))
    ranks = own.rank(method="min", ascending=sign < 0)
    return [None if not sign or pd.isna(rank) else int(rank) for rank in ranks]


def _row(row: Any, rank: int | None, span: tuple[float, float], run: Run) -> list[Any]:
    value, low, high = (
        None if pd.isna(x) else float(x) for x in (row.value, row.ci_low, row.ci_high)
    )
    return [
        row.task,
        row.metric,
        "" if pd.isna(row.condition) else row.condition,
        rank,
        row.model,
        row.layer,
        value,
        None if low is None else [low, high],
        None if value is None else forest(value, low, high, span),
        None if pd.isna(row.n_pairs) else int(row.n_pairs),
        _short(run),
        shown_time(run.manifest.get("created")),
    ]


def _runs_table(runs: Sequence[Run]) -> Table:
    return Table(
        id="runs",
        caption="The runs",
        columns=[
            Column("Run"),
            Column("Folder"),
            Column("Begun"),
            Column("Status"),
            Column("Models"),
            Column("Tasks", "count"),
            Column("facebench"),
        ],
        rows=[
            [
                _short(run),
                run.id,
                shown_time(run.manifest.get("created")),
                run.status,
                ", ".join(run.models),
                len(run.tasks),
                str((run.manifest.get("versions") or {}).get("facebench", "")),
            ]
            for run in runs
        ],
    )
