"""The page that shows two runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from facebench.results.comparison.changes import CHANGED
from facebench.results.reader import Run
from facebench.results.report.tables import Column, Table
from facebench.results.report.thumbnails import Thumbnails

if TYPE_CHECKING:
    from facebench.results.comparison.runs import RunComparison

__all__ = ["comparison_context"]

_ROOM_FOR_PICTURES = 3_000_000
_PAIRS_SHOWN = 24
# A table of more rows makes the page slow to open.
_PAIRS_LISTED = 4000
# Columns that are shown where some row has something in them.
_SOMETIMES = ("Condition", "Remark")


def comparison_context(comparison: RunComparison) -> dict[str, Any]:
    """Collect what the page shows.

    Parameters
    ----------
    comparison : RunComparison
        What differs between two runs.

    Returns
    -------
    dict
        For the template ``compare.html.j2``.
    """
    a, b = comparison.runs
    thumbnails = Thumbnails(_ROOM_FOR_PICTURES, [a, b])
    listed = _moved_most(comparison.changed_pairs)
    settings = comparison.settings
    return {
        "title": " and ".join(dict.fromkeys(str(run.manifest["name"]) for run in (a, b))),
        "a": a,
        "b": b,
        "summary": str(comparison),
        "notes": comparison.notes,
        "changes": comparison.changes,
        "numbers": _numbers_table(comparison.ordered),
        "changed": _changed_table(listed),
        "listed": (len(listed), len(comparison.changed_pairs)),
        "settings": _settings_table(
            "settings-table",
            "Settings and data that differ",
            settings["kind"] == CHANGED,
            settings,
        ),
        "rest": _settings_table(
            "rest-table",
            "Versions, machines and places, and what follows from the changes",
            settings["kind"] != CHANGED,
            settings,
        ),
        "galleries": _galleries(a, comparison.changed_pairs, thumbnails),
        "thumbnails": thumbnails,
    }


def _settings_table(name: str, caption: str, shown: pd.Series, settings: pd.DataFrame) -> Table:
    columns = [Column("Setting"), Column("A"), Column("B"), Column("Kind", filter=True)]
    rows = settings[shown][["setting", "a", "b", "kind"]].to_numpy().tolist()
    return Table(name, caption, columns, rows, stacked=True)


def _numbers_table(numbers: pd.DataFrame) -> Table:
    columns = [
        Column("Task", filter=True),
        Column("Measure", filter=True),
        Column("Condition"),
        Column("Model", filter=True),
        Column("Layer"),
        Column("A", "number"),
        Column("B", "number"),
        Column("B − A", "difference", note="95 % interval"),
        Column(
            "P adjusted", "p", hint="For all headline numbers, by Holm's method.", ascending=True
        ),
        Column("P", "p", hint="Not adjusted.", ascending=True),
        Column(
            "P, all layers", "p", hint="Of the largest difference of all layers.", ascending=True
        ),
    ]
    names = ["task", "metric", "condition", "model", "layer", "value_a", "value_b", "difference"]
    names += ["p_adjusted", "p_value", "p_layers"]
    for name, title, hint in (
        ("p_equivalent", "P, equivalent", "Two one-sided tests within the margin."),
        ("p_fdr", "P, over tasks", "Benjamini and Hochberg."),
    ):
        if name in numbers:
            names.append(name)
            columns.append(Column(title, "p", hint=hint, ascending=True))
    names += ["detectable", "remark"]
    columns.append(Column("Detectable", "number", hint="Found with 80 % power at P < 0.05."))
    columns.append(Column("Remark", filter=True, hint="Why there is no test."))
    rows = []
    for row in numbers.to_dict("records"):
        value = {key: None if pd.isna(item) else item for key, item in row.items()}
        value["condition"] = value["condition"] or ""
        low, high = value["ci_low"], value["ci_high"]
        if value["difference"] is not None:
            value["difference"] = [value["difference"], low, high]
        rows.append([value[name] for name in names])
    kept = [
        place
        for place, column in enumerate(columns)
        if column.title not in _SOMETIMES or any(row[place] for row in rows)
    ]
    extra = (~numbers["headline"].astype(bool)).tolist()
    more = f"All layers and measures ({sum(extra):,} rows more)" if any(extra) else ""
    return Table(
        "numbers-table",
        "Numbers side by side, smallest adjusted P first",
        [columns[place] for place in kept],
        [[row[place] for place in kept] for row in rows],
        extra,
        more,
        stacked=True,
    )


def _moved_most(changed: pd.DataFrame) -> pd.DataFrame:
    """Choose the pairs to list: of every layer those whose distances moved most."""
    if len(changed) <= _PAIRS_LISTED:
        return changed
    moved = (changed["distance_b"] - changed["distance_a"]).abs()
    keys = [changed[name] for name in ("task", "model", "layer")]
    place = moved.groupby(keys, sort=False).rank(method="first", ascending=False)
    return changed.loc[place.nsmallest(_PAIRS_LISTED).index.sort_values()]


def _changed_table(changed: pd.DataFrame) -> Table:
    side = {True: "accepted", False: "rejected"}
    rows = [
        [
            row.task,
            row.model,
            row.layer,
            row.img1,
            row.img2,
            "same person" if row.same else "different people",
            f"{side[bool(row.accepted_a)]} ({row.distance_a:.4g})",
            f"{side[bool(row.accepted_b)]} ({row.distance_b:.4g})",
            row.right_in.upper(),
        ]
        for row in changed.itertuples()
    ]
    columns = [Column("Task", filter=True), Column("Model", filter=True), Column("Layer")]
    columns += [Column("Image 1"), Column("Image 2"), Column("Truth", filter=True)]
    columns += [Column("A (distance)"), Column("B (distance)"), Column("Right in", filter=True)]
    return Table("changed-table", "Pairs that changed side", columns, rows, stacked=True)


def _galleries(a: Run, changed: pd.DataFrame, thumbnails: Thumbnails) -> list[dict[str, Any]]:
    galleries = []
    for (task, model, layer), rows in changed.groupby(["task", "model", "layer"], sort=False):
        folder = a.tasks[str(task)].images_path
        groups = []
        for side, title in (("b", "Right in B only"), ("a", "Right in A only")):
            own = rows[rows["right_in"] == side].head(_PAIRS_SHOWN)
            pairs = [
                {"pair": [i, j, thumbnails.add(folder, str(i)), thumbnails.add(folder, str(j))]}
                for i, j in zip(own["img1"], own["img2"], strict=True)
            ]
            groups.append({"title": title, "pairs": pairs})
        who = f"{task} – {model}" + ("" if layer == "default" else f": {layer}")
        galleries.append({"who": who, "groups": groups})
    return galleries
