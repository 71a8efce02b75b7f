"""The page that shows two runs side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd

from facebench.results.comparison.runs import RunComparison
from facebench.results.reader import Run
from facebench.results.report.tables import Column, Table
from facebench.results.report.thumbnails import Thumbnails

__all__ = ["comparison_context"]

_ROOM_FOR_PICTURES = 3_000_000
_PAIRS_SHOWN = 24
# A table of more rows makes the page slow to open.
_PAIRS_LISTED = 4000


def comparison_context(a: Run, b: Run, comparison: RunComparison) -> dict[str, Any]:
    """Collect what the page shows.

    Parameters
    ----------
    a, b : Run
        The runs, the earlier one first.
    comparison : RunComparison
        What differs between them.

    Returns
    -------
    dict
        For the template ``compare.html.j2``.
    """
    thumbnails = Thumbnails(_ROOM_FOR_PICTURES, [a, b])
    listed = _moved_most(comparison.changed_pairs)
    return {
        "title": " and ".join(dict.fromkeys(str(run.manifest["name"]) for run in (a, b))),
        "a": a,
        "b": b,
        "summary": str(comparison),
        "numbers": _numbers_table(comparison.numbers, _important(a) | _important(b)),
        "changed": _changed_table(listed),
        "listed": (len(listed), len(comparison.changed_pairs)),
        "settings": Table(
            "settings-table",
            "Configuration, digests and versions that differ",
            [Column("Setting"), Column("A"), Column("B")],
            comparison.settings.to_numpy().tolist(),
        ),
        "galleries": _galleries(a, comparison.changed_pairs, thumbnails),
        "thumbnails": thumbnails,
    }


def _important(run: Run) -> set[tuple[Any, ...]]:
    rows = run.headline()
    keys = [rows[name] for name in ("task", "model", "layer", "metric")]
    return set(zip(*keys, rows["condition"].fillna(""), strict=True))


def _numbers_table(numbers: pd.DataFrame, important: set[tuple[Any, ...]]) -> Table:
    rows = []
    extra = []
    for row in numbers.to_dict("records"):
        value = {key: None if pd.isna(item) else item for key, item in row.items()}
        low, high = value["ci_low"], value["ci_high"]
        key = tuple(value[name] for name in ("task", "model", "layer", "metric"))
        extra.append((*key, value["condition"] or "") not in important)
        rows.append(
            [
                value["task"],
                value["metric"],
                value["condition"] or "",
                value["model"],
                value["layer"],
                value["value_a"],
                value["value_b"],
                value["difference"],
                None if low is None else [low, high],
                value["p_value"],
                value["p_layers"],
                *([value["p_equivalent"]] if "p_equivalent" in value else []),
                *([value["p_fdr"]] if "p_fdr" in value else []),
                value["detectable"],
            ]
        )
    columns = [Column(name, filter=True) for name in ("Task", "Measure")]
    columns += [Column("Condition"), Column("Model", filter=True), Column("Layer")]
    columns += [Column("A", "number"), Column("B", "number"), Column("B − A", "signed")]
    columns += [Column("95 % interval", "interval"), Column("p", "p", hint="Not adjusted.")]
    columns += [Column("p, all layers", "p", hint="Of the largest difference of all layers.")]
    if "p_equivalent" in numbers:
        columns += [Column("p, equivalent", "p", hint="Two one-sided tests within the margin.")]
    if "p_fdr" in numbers:
        columns += [Column("p, over tasks", "p", hint="Benjamini and Hochberg.")]
    columns += [Column("Detectable", "number", hint="Found with 80 % power at p < 0.05.")]
    more = f"All layers and measures ({sum(extra)} rows more)" if any(extra) else ""
    return Table("numbers-table", "Numbers side by side", columns, rows, extra, more)


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
    return Table("changed-table", "Pairs that changed side", columns, rows)


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
