"""A static page over many runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from facebench.errors import InputError
from facebench.results.headline import best_layers, direction, headline_rows
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
]


def write_leaderboard(runs: Sequence[Path], output: Path) -> Path:
    """Write the leaderboard of many runs.

    Parameters
    ----------
    runs : sequence of Path
        Their folders.
    output : Path
        The file.

    Returns
    -------
    Path
        The file: it needs no other file and no network.

    Raises
    ------
    InputError
        If there are no runs.
    RunFolderError
        If one is not a readable run.
    """
    loaded = {str(Path(run).absolute()): load_run(run) for run in runs}
    if not loaded:
        msg = "A leaderboard needs one run or more. Got none."
        raise InputError(msg)
    found = list(loaded.values())
    context = {
        "title": "Leaderboard",
        "board": _board(found),
        "runs": _runs_table(found),
        "facts": [
            ("Runs", str(len(found))),
            ("Models", str(len({model for run in found for model in run.models}))),
            ("Tasks", str(len({task for run in found for task in run.tasks}))),
        ],
    }
    return write_page("leaderboard.html.j2", Path(output), context, charts=False)


def _board(runs: Sequence[Run]) -> Table:
    names = _task_names(runs)
    results = pd.concat([run.results for run in runs], ignore_index=True)
    results["task"] = [names[key] for key in zip(results["run"], results["task"], strict=True)]
    by_id = {run.id: run for run in runs}
    facts = _facts(runs, names)
    rows, extra = [], []
    best = {
        (run.id, names[run.id, task], model): layer
        for run in runs
        for task in run.tasks
        for model, layer in best_layers(run.results, task, facts[names[run.id, task]]).items()
    }
    chosen = headline_rows(results, facts, all_layers=True) if len(results) else results
    keys = ["task", "metric", "condition"]
    for _, part in chosen.groupby(keys, sort=False, dropna=False):
        sign = direction(part)
        ordered = part.sort_values("value", ascending=sign < 0, kind="stable") if sign else part
        is_best = [
            best.get((row.run, row.task, row.model)) == row.layer for row in ordered.itertuples()
        ]
        span = span_of(ordered[is_best])
        ranks = _ranks(ordered["value"], is_best, sign)
        for row, shown, rank in zip(ordered.itertuples(), is_best, ranks, strict=True):
            rows.append(_row(row, rank, span, by_id[row.run]))
            extra.append(not shown)
    hidden = sum(extra)
    return Table(
        id="board",
        caption="Headline numbers of all runs: the best layer of each model, best first",
        columns=_COLUMNS,
        rows=rows,
        extra=extra,
        more=f"All layers ({hidden} rows more)" if hidden else "",
    )


def _task_names(runs: Sequence[Run]) -> dict[tuple[str, str], str]:
    """Name every run's tasks, so that tasks of one name but of different data differ."""
    data: dict[str, dict[str, None]] = {}
    digests = {}
    for run in runs:
        for task in dict.fromkeys(run.results["task"]):
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
