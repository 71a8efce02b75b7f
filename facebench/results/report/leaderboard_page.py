"""The page of a leaderboard: a matrix of models and tasks, then every number, then the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from facebench.figures.palette import PALETTE, model_colors
from facebench.results.headline import number
from facebench.results.ranking.selection import run_labels
from facebench.results.report.provenance_view import shown_time
from facebench.results.report.tables import Column, Table, forest, span_of
from facebench.results.schema import NETWORK
from facebench.results.verdicts import verdicts

if TYPE_CHECKING:
    from facebench.results.leaderboard import Leaderboard

__all__ = ["leaderboard_context", "scale_words"]

_COLUMNS = [
    Column("Task", filter=True),
    Column("Measure", filter=True),
    Column("Condition"),
    Column("Rank", "count", hint="Among the rows of one task, measure and condition."),
    Column("Model", filter=True),
    Column("Layer", filter=True),
    Column(
        "Value",
        "score",
        note="95 % interval",
        hint="Numbers of one task that share a letter do not differ significantly: paired tests on "
        "the same pairs, with Holm's correction.",
    ),
    Column("On the task's scale", "forest"),
    Column("Pairs", "count"),
    Column("Run", filter=True),
]
# Shown where some row has one.
_MORE_COLUMNS = [
    Column("Chance", "number"),
    Column("Noise ceiling", "interval", hint="How high these data let any model get."),
    Column("Distance", hint="Where not all models are compared by one."),
    Column("Differs in", hint="From other models of its name, or of its weights."),
]
_KEYS = ["task", "metric", "condition"]
_MOST_NAMED = 60
_MOST_RUNS_TOLD, _MOST_MODELS_TOLD = 6, 20


def leaderboard_context(board: Leaderboard) -> dict[str, Any]:
    """Collect what the page shows.

    Parameters
    ----------
    board : Leaderboard
        What is ranked.

    Returns
    -------
    dict
        For the template ``leaderboard.html.j2``.
    """
    networks = board.numbers[board.numbers["source"] == NETWORK]
    runs = run_labels(board.runs)
    return {
        "title": "Leaderboard",
        "matrix": _matrix(board),
        "board": _board(board),
        "runs": _runs_table(board, runs),
        "notes": board.notes,
        "reading": board.reading,
        "found": _found(board, runs),
        "facts": [
            ("Runs", str(len(board.runs))),
            ("Models", str(networks["model"].nunique())),
            ("Tasks", str(networks["task"].nunique())),
        ],
    }


def _found(board: Leaderboard, labels: list[str]) -> list[tuple[str, list[str]]]:
    """Say what each run found, as its report does; nothing where that would be long."""
    few = len(board.runs) <= _MOST_RUNS_TOLD and len(board.models) <= _MOST_MODELS_TOLD
    if not few or board.layer_choice != "same pairs":
        return []
    return [
        (label, [f"{verdict.task}: {verdict.sentence}" for verdict in verdicts(run)])
        for label, run in zip(labels, board.runs, strict=True)
        if len(run.networks)
    ]


def scale_words(rows: pd.DataFrame) -> str:
    """Say how a number is to be read: which way is better, chance, noise ceiling.

    Parameters
    ----------
    rows : DataFrame
        Rows of one task, measure and condition of `Leaderboard.numbers`.

    Returns
    -------
    str
        Such as 'higher is better, chance 0.5000, ceiling 0.7960 – 0.8260'; empty if nothing is
        known.
    """
    networks = rows[rows["source"] == NETWORK]
    better = networks["higher_is_better"].dropna().unique()
    said = []
    if len(better) == 1:
        said.append("higher is better" if better[0] else "lower is better")
    chance = networks["chance"].dropna()
    if len(chance):
        said.append(f"chance {number(chance.iloc[0])}")
    ends = networks[["ceiling_low", "ceiling_high"]].stack().dropna()
    if len(ends):
        low, high = ends.min(), ends.max()
        said.append(f"ceiling {number(low)}" + (f" – {number(high)}" if high > low else ""))
    return ", ".join(said)


def _matrix(board: Leaderboard) -> Table:
    """Arrange the first number of every task: a row per model."""
    first = board.numbers[board.numbers["headline"]]
    values = board.matrix()
    columns = [Column("Model", "model")]
    cells: dict[tuple[Any, ...], dict[str, list[Any]]] = {}
    for key, rows in _by_number(first):
        task, metric, condition = key
        measured = f"{metric}, {condition}" if condition else metric
        words = scale_words(rows)
        better = rows["higher_is_better"].dropna()
        columns.append(
            Column(
                task,
                "score",
                note=f"{measured}; {words}" if words else measured,
                label=f"{task}, {condition}" if condition else task,
                ascending=bool(len(better) and not better.iloc[0]),
            )
        )
        most = rows["n_pairs"].max()
        cells[key] = {str(row.model): _score(row, most) for row in rows.itertuples()}
    colors = {} if len(board.models) > len(PALETTE) else model_colors(board.models)
    said = first.groupby("model", sort=False)["differs"].first()
    people = set(first["model"][first["source"] != NETWORK])
    rows = [
        [
            [
                model,
                "reference" if model in people else _unsaid(model, said.get(model)),
                colors.get(model, ("",))[0],
            ],
            *(cells[column].get(model) for column in values.columns),
        ]
        for model in values.index
    ]
    return Table(
        id="matrix",
        caption="The first headline number of every task, with its 95 % interval",
        columns=columns,
        rows=rows,
        sticky=True,
        stacked=True,
    )


def _unsaid(model: str, differs: Any) -> str:
    """Give what a model differs in, where its label does not say so."""
    return "" if pd.isna(differs) or str(differs) in model else str(differs)


def _score(row: Any, most: Any) -> list[Any]:
    """Give a cell: value, interval, rank, tie group, layer, and pairs if they are fewer."""
    known = [None if pd.isna(end) else float(end) for end in (row.value, row.ci_low, row.ci_high)]
    fewer = "" if pd.isna(row.n_pairs) or row.n_pairs == most else f"{row.n_pairs} of {most} pairs"
    return [
        *known,
        None if pd.isna(row.rank) else int(row.rank),
        "" if pd.isna(row.tie_group) else row.tie_group,
        "" if pd.isna(row.layer) or row.layer in ("", "default") else row.layer,
        fewer,
    ]


def _board(board: Leaderboard) -> Table:
    """List every headline number, and those of other layers behind a tick."""
    distances = board.numbers["distance"].dropna()
    one_distance = distances.nunique() < 2
    rows: list[list[Any]] = []
    extra: list[bool] = []
    others = dict(iter(_by_number(board.other_layers)))
    for key, shown in _by_number(board.numbers):
        span = span_of(shown)
        for part, hidden in ((shown, False), (others.get(key, shown.head(0)), True)):
            rows += [_row(row, span, one_distance) for row in part.itertuples()]
            extra += [hidden] * len(part)
    columns = [*_COLUMNS, *_MORE_COLUMNS]
    # Chance, ceiling and the like are columns only where there are any.
    first = len(_COLUMNS)
    kept = [
        place
        for place in range(len(columns))
        if place < first or any(row[place] not in (None, "") for row in rows)
    ]
    n_hidden = sum(extra)
    return Table(
        id="board",
        caption="Headline numbers of all runs, best first",
        columns=[columns[place] for place in kept],
        rows=[[row[place] for place in kept] for row in rows],
        extra=extra,
        more=f"All layers ({n_hidden:,} rows more)" if n_hidden else "",
        stacked=True,
    )


def _by_number(rows: pd.DataFrame) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    """Part rows by task, measure and condition ('' for none)."""
    keyed = rows.assign(condition=rows["condition"].fillna(""))
    parts = keyed.groupby(_KEYS, sort=False)
    return [(tuple(map(str, key)), part) for key, part in parts]


def _row(row: Any, span: tuple[float, float], one_distance: bool) -> list[Any]:
    value, low, high, chance, lowest, highest = (
        None if pd.isna(x) else float(x)
        for x in (row.value, row.ci_low, row.ci_high, row.chance, row.ceiling_low, row.ceiling_high)
    )
    texts = (row.layer, row.distance, row.tie_group)
    layer, distance, ties = ("" if pd.isna(text) else text for text in texts)
    ceiling = [end for end in (lowest, highest) if end is not None]
    return [
        row.task,
        row.metric,
        row.condition,
        None if pd.isna(row.rank) else int(row.rank),
        row.model,
        layer,
        None if value is None else [value, low, high, None, ties],
        None if value is None else forest(value, low, high, span),
        None if pd.isna(row.n_pairs) else int(row.n_pairs),
        row.run,
        chance,
        [ceiling[0], ceiling[-1]] if ceiling else None,
        "" if one_distance else distance.removesuffix("_distances"),
        _unsaid(row.model, row.differs),
    ]


def _runs_table(board: Leaderboard, labels: list[str]) -> Table:
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
                label,
                run.id,
                shown_time(run.manifest.get("created")),
                run.status,
                _few(run.models),
                len(run.tasks),
                str((run.manifest.get("versions") or {}).get("facebench", "")),
            ]
            for label, run in zip(labels, board.runs, strict=True)
        ],
        stacked=True,
    )


def _few(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
