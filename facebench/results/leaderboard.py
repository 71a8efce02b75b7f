"""A static page over many runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from facebench.errors import InputError
from facebench.results.headline import best_layers, direction, headline_rows
from facebench.results.pages import write_page
from facebench.results.provenance_view import shown_time
from facebench.results.run import Run, load_run
from facebench.results.tables import Column, Table, forest

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
        If one is no run that can be read.
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
    results = pd.concat([run.results for run in runs], ignore_index=True)
    begun = {run.id: shown_time(run.manifest.get("created")) for run in runs}
    # Measures that stand for a task are those of its first run.
    rows, extra = [], []
    best = {
        (run.id, task, model): layer
        for run in runs
        for task in run.tasks
        for model, layer in best_layers(run.results, task).items()
    }
    chosen = headline_rows(results, all_layers=True) if len(results) else results
    keys = ["task", "metric", "condition"]
    for _, part in chosen.groupby(keys, sort=False, dropna=False):
        sign = direction(part)
        ordered = part.sort_values("value", ascending=sign < 0, kind="stable") if sign else part
        values = ordered[["value", "ci_low", "ci_high"]]
        span = (float(values.min().min()), float(values.max().max()))
        is_best = [
            best.get((row.run, row.task, row.model)) == row.layer for row in ordered.itertuples()
        ]
        ranks = _ranks(ordered["value"], is_best, sign)
        for row, shown, rank in zip(ordered.itertuples(), is_best, ranks, strict=True):
            rows.append(_row(row, rank, span, begun))
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


def _ranks(values: pd.Series, counted: Sequence[bool], sign: int) -> list[int | None]:
    """Give the best layers numbers; equal values share the better place."""
    own = values.where(list(counted))
    ranks = own.rank(method="min", ascending=sign < 0)
    return [None if not sign or pd.isna(rank) else int(rank) for rank in ranks]


def _row(row: Any, rank: int | None, span: tuple[float, float], begun: dict[str, str]) -> list[Any]:
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
        row.run,
        begun.get(row.run, ""),
    ]


def _runs_table(runs: Sequence[Run]) -> Table:
    return Table(
        id="runs",
        caption="The runs",
        columns=[
            Column("Run"),
            Column("Begun"),
            Column("Status"),
            Column("Models"),
            Column("Tasks", "count"),
            Column("facebench"),
        ],
        rows=[
            [
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
