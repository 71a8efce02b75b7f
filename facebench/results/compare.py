"""Two runs side by side: what differs, by how much, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facebench.metrics.verification import youden_threshold
from facebench.results.headline import best_layers
from facebench.results.intervals import compare_measure
from facebench.results.pages import write_page
from facebench.results.pair_rows import PairRows, layers_of
from facebench.results.provenance_view import flat
from facebench.results.run import Run, load_run
from facebench.results.tables import Column, Table
from facebench.results.thumbnails import Thumbnails

__all__ = ["Comparison", "compare_runs"]

_KEYS = ["task", "model", "layer", "condition", "metric"]
_CELL = tuple[str, str, str]
_SETTINGS = (
    "config",
    "seeds",
    "models",
    "tasks",
    "data",
    "versions",
    "code",
    "machine",
    "provenance",
)
# What differs between any two runs says nothing of their results.
_NOISE = re.compile(r"seconds|timing|memory|hits|misses|forwards|n_images_per|elapsed|path|started")
_ROOM_FOR_PICTURES = 3_000_000
_PAIRS_SHOWN = 24


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs.

    Attributes
    ----------
    numbers : DataFrame
        A row per number of either run: value_a, value_b, difference (b - a) and, where both runs
        measured the same pairs, its paired 95 % interval (ci_low, ci_high) and p_value.
    changed_pairs : DataFrame
        Labelled pairs that one run accepts and the other rejects, each at its own threshold with
        the largest Youden index, in the best layer of each model.
    settings : DataFrame
        Configuration, digests and versions that differ: setting, a, b.
    path : Path or None
        The page, if one was written.
    """

    numbers: pd.DataFrame
    changed_pairs: pd.DataFrame
    settings: pd.DataFrame
    path: Path | None = None

    def __str__(self) -> str:
        told = self.numbers["p_value"].lt(0.05).sum()
        return (
            f"{len(self.numbers)} numbers, {self.numbers['difference'].ne(0).sum()} differ "
            f"({told} of them at p < 0.05), {len(self.changed_pairs)} pairs changed side, "
            f"{len(self.settings)} settings differ"
        )


def compare_runs(a: Path, b: Path, output: Path | None = None) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    a, b : Path
        Their folders, the earlier one first.
    output : Path, optional
        The page to write; None writes none.

    Returns
    -------
    Comparison

    Raises
    ------
    RunFolderError
        If one is no run that can be read.
    """
    one, other = load_run(a), load_run(b)
    pairs = dict(_common_pairs(one, other))
    comparison = Comparison(
        _numbers(one, other, pairs), _changed_pairs(one, other, pairs), _settings(one, other)
    )
    if output is None:
        return comparison
    context = _context(one, other, comparison)
    path = write_page("compare.html.j2", Path(output), context, charts=False)
    return replace(comparison, path=path)


def _common_pairs(a: Run, b: Run) -> Iterator[tuple[_CELL, tuple[PairRows, PairRows]]]:
    """Give the pairs of every layer both runs have, b's in the order of a's."""
    for task in a.tasks:
        if task not in b.tasks:
            continue
        for model in a.models:
            if model not in b.models:
                continue
            layers_a, layers_b = (_layers(run, model, task) for run in (a, b))
            for layer, rows in layers_a.items():
                other = layers_b.get(layer)
                aligned = None if other is None else _aligned(rows, other)
                if aligned is not None:
                    yield (task, model, layer), (rows, aligned)


def _layers(run: Run, model: str, task: str) -> dict[str, PairRows]:
    frame = run.task_distances(model, task)
    return layers_of(frame, run.tasks[task]) if len(frame) else {}


def _aligned(a: PairRows, b: PairRows) -> PairRows | None:
    """Bring b's rows into the order of a's; None unless both have the same pairs."""
    if not (a.has_pairs and b.has_pairs) or len(a) != len(b):
        return None
    keys = [_pair_keys(rows.frame) for rows in (a, b)]
    if keys[0].equals(keys[1]):
        return b
    order = keys[1].get_indexer(keys[0])
    return None if (order < 0).any() else PairRows(b.frame.iloc[order], b.facts)


def _pair_keys(frame: pd.DataFrame) -> pd.MultiIndex:
    names = frame[["img1", "img2"]].astype(str)
    return pd.MultiIndex.from_arrays(
        [names["img1"], names["img2"], names.groupby(["img1", "img2"], sort=False).cumcount()]
    )


def _numbers(a: Run, b: Run, pairs: dict[_CELL, tuple[PairRows, PairRows]]) -> pd.DataFrame:
    sides = [
        run.results[[*_KEYS, "value", "higher_is_better"]].rename(
            columns={"value": f"value_{side}"}
        )
        for run, side in ((a, "a"), (b, "b"))
    ]
    merged = sides[0].merge(sides[1], on=_KEYS, how="outer", suffixes=("", "_b"), sort=False)
    merged["higher_is_better"] = merged["higher_is_better"].fillna(merged.pop("higher_is_better_b"))
    merged["difference"] = merged["value_b"] - merged["value_a"]
    found = [_paired(row, pairs) for row in merged.to_dict("records")]
    for place, name in enumerate(("ci_low", "ci_high", "p_value")):
        merged[name] = [values[place] for values in found]
    order = {task: place for place, task in enumerate(dict.fromkeys([*a.tasks, *b.tasks]))}
    return merged.sort_values(
        "task", key=lambda tasks: tasks.map(order), kind="stable"
    ).reset_index(drop=True)


def _paired(
    row: dict[Any, Any], pairs: dict[_CELL, tuple[PairRows, PairRows]]
) -> tuple[float, float, float]:
    cell = pairs.get((row["task"], row["model"], row["layer"]))
    nothing = (float("nan"),) * 3
    if cell is None or pd.isna(row["difference"]):
        return nothing
    condition = None if pd.isna(row["condition"]) else row["condition"]
    one, other = (rows.of_condition(condition) for rows in cell)
    made = compare_measure(row["metric"], other, one)
    # The measure made here must be the task's own.
    if made is None or abs(made.difference - row["difference"]) > 1e-4:
        return nothing
    return made.low, made.high, made.p_value


def _changed_pairs(a: Run, b: Run, pairs: dict[_CELL, tuple[PairRows, PairRows]]) -> pd.DataFrame:
    tables = []
    for (task, model, layer), (one, other) in pairs.items():
        if layer not in {best_layers(run.results, task).get(model) for run in (a, b)}:
            continue
        if one.labels is None or other.labels is None:
            continue
        accepted = [rows.distances <= _threshold(rows) for rows in (one, other)]
        changed = (accepted[0] != accepted[1]) & one.usable & other.usable
        genuine = one.labels[changed] == 1
        tables.append(
            pd.DataFrame(
                {
                    "task": task,
                    "model": model,
                    "layer": layer,
                    "img1": one.frame["img1"].to_numpy()[changed],
                    "img2": one.frame["img2"].to_numpy()[changed],
                    "same": genuine,
                    "accepted_a": accepted[0][changed],
                    "accepted_b": accepted[1][changed],
                    "distance_a": one.distances[changed],
                    "distance_b": other.distances[changed],
                    "right_in": np.where(accepted[0][changed] == genuine, "a", "b"),
                }
            )
        )
    columns = ["task", "model", "layer", "img1", "img2", "same", "accepted_a", "accepted_b"]
    columns += ["distance_a", "distance_b", "right_in"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _threshold(pairs: PairRows) -> float:
    used = pairs.usable
    return 1.0 - youden_threshold(np.asarray(pairs.labels)[used], 1.0 - pairs.distances[used])


def _settings(a: Run, b: Run) -> pd.DataFrame:
    one, other = (
        {
            name: value
            for part in _SETTINGS
            for name, value in flat(run.manifest.get(part) or {}, part)
            if not _NOISE.search(name)
        }
        for run in (a, b)
    )
    rows = [
        (name, one.get(name, "–"), other.get(name, "–"))
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    ]
    return pd.DataFrame(rows, columns=["setting", "a", "b"])


def _context(a: Run, b: Run, comparison: Comparison) -> dict[str, Any]:
    thumbnails = Thumbnails(_ROOM_FOR_PICTURES)
    return {
        "title": " and ".join(dict.fromkeys(str(run.manifest["name"]) for run in (a, b))),
        "a": a,
        "b": b,
        "summary": str(comparison),
        "numbers": _numbers_table(comparison.numbers, _important(a) | _important(b)),
        "changed": _changed_table(comparison.changed_pairs),
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
    return set(zip(rows["task"], rows["model"], rows["layer"], rows["metric"], strict=True))


def _numbers_table(numbers: pd.DataFrame, important: set[tuple[Any, ...]]) -> Table:
    rows = []
    extra = []
    for row in numbers.to_dict("records"):
        value = {key: None if pd.isna(item) else item for key, item in row.items()}
        low, high = value["ci_low"], value["ci_high"]
        extra.append(
            tuple(value[key] for key in ("task", "model", "layer", "metric")) not in important
        )
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
            ]
        )
    columns = [Column(name, filter=True) for name in ("Task", "Measure")]
    columns += [Column("Condition"), Column("Model", filter=True), Column("Layer")]
    columns += [Column("A", "number"), Column("B", "number"), Column("B − A", "signed")]
    columns += [Column("95 % interval", "interval"), Column("p", "p", hint="Not adjusted.")]
    more = f"All layers and measures ({sum(extra)} rows more)" if any(extra) else ""
    return Table("numbers-table", "Numbers side by side", columns, rows, extra, more)


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
