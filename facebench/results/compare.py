"""Two runs side by side: what differs, by how much, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facebench.errors import InputError
from facebench.metrics.stats import benjamini_hochberg
from facebench.metrics.uncertainty.spread import PairedDifference, max_statistic
from facebench.metrics.verification import youden_threshold
from facebench.results.comparison.paired import Evidence
from facebench.results.comparison.runs import RunComparison
from facebench.results.headline import best_layers
from facebench.results.pair_rows import PairRows, layers_of
from facebench.results.reader import Run, load_run
from facebench.results.report.comparison_page import comparison_context
from facebench.results.report.pages import write_page
from facebench.results.report.provenance_view import flat
from facebench.tasks.measures import headlines
from facebench.types import Float64Array

__all__ = ["RunComparison", "compare_runs"]

_KEYS = ["task", "model", "layer", "condition", "metric"]
_CHANGED = [
    "task",
    "model",
    "layer",
    "img1",
    "img2",
    "same",
    "accepted_a",
    "accepted_b",
    "distance_a",
    "distance_b",
    "right_in",
]
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


def compare_runs(
    a: Path,
    b: Path,
    output: Path | None = None,
    *,
    margin: float | None = None,
    fdr: bool = False,
) -> RunComparison:
    """Compare two runs.

    Parameters
    ----------
    a, b : Path
        Their folders, the earlier one first.
    output : Path, optional
        The page to write; None writes none.
    margin : float, optional
        The smallest difference that would matter: with it, `RunComparison.numbers` has the P of
        equivalence (two one-sided tests).
    fdr : bool, default False
        Adjust the P of headline numbers over tasks by Benjamini and Hochberg's method.

    Returns
    -------
    RunComparison

    Raises
    ------
    RunFolderError
        If one is not a readable run.
    InputError
        If the margin is not above 0.
    """
    if margin is not None and not (np.isfinite(margin) and margin > 0):
        msg = f"The 'margin' parameter of compare_runs must be above 0. Got {margin!r} instead."
        raise InputError(msg)
    one, other = load_run(a), load_run(b)
    numbers = _side_by_side(one, other)
    places = numbers.groupby(["task", "model"], sort=False).indices
    tests: list[PairedDifference | None] = [None] * len(numbers)
    best = {
        task: [best_layers(run.networks, task, run.tasks[task]) for run in (one, other)]
        for task in one.tasks
        if task in other.tasks
    }
    changed = []
    for (task, model), rows in places.items():
        # One task and model at a time: the distances of all need not fit into memory.
        pairs = _common_pairs(one, other, str(model), str(task))
        for place, row in zip(rows, numbers.iloc[rows].to_dict("records"), strict=True):
            tests[place] = _paired(row, one, other, pairs.get(row["layer"], (None, None)))
        chosen = {layers.get(model) for layers in best.get(task, ())}
        shown = {layer: both for layer, both in pairs.items() if layer in chosen}
        changed += _changed_pairs(str(task), str(model), shown)
    _add_tests(numbers, tests, margin)
    if fdr:
        numbers["p_fdr"] = _over_tasks(numbers, one)
    comparison = RunComparison(
        numbers,
        pd.concat(changed, ignore_index=True) if changed else pd.DataFrame(columns=_CHANGED),
        _settings(one, other),
    )
    if output is None:
        return comparison
    context = comparison_context(one, other, comparison)
    path = write_page("compare.html.j2", Path(output), context, charts=False)
    return replace(comparison, path=path)


def _common_pairs(a: Run, b: Run, model: str, task: str) -> dict[str, tuple[PairRows, PairRows]]:
    """Give the pairs of every layer both runs have, b's in the order of a's."""
    if not all(model in run.models and task in run.tasks for run in (a, b)):
        return {}
    layers_a, layers_b = (_layers(run, model, task) for run in (a, b))
    found = {}
    for layer, rows in layers_a.items():
        aligned = _aligned(rows, layers_b[layer]) if layer in layers_b else None
        if aligned is not None:
            found[layer] = rows, aligned
    return found


def _layers(run: Run, model: str, task: str) -> dict[str, PairRows]:
    frame = run.task_distances(model, task)
    return layers_of(frame, run.tasks[task]) if len(frame) else {}


def _aligned(a: PairRows, b: PairRows) -> PairRows | None:
    """Bring b's rows into the order of a's; None unless both have the same pairs."""
    if not (a.has_pairs and b.has_pairs) or len(a) != len(b):
        return None
    if a.same_pairs(b):
        return b
    keys = [_pair_keys(rows.frame) for rows in (a, b)]
    order = keys[1].get_indexer(keys[0])
    return None if (order < 0).any() else PairRows(b.frame.iloc[order], b.facts)


def _pair_keys(frame: pd.DataFrame) -> pd.MultiIndex:
    names = frame[["img1", "img2"]].astype(str)
    return pd.MultiIndex.from_arrays(
        [names["img1"], names["img2"], names.groupby(["img1", "img2"], sort=False).cumcount()]
    )


def _side_by_side(a: Run, b: Run) -> pd.DataFrame:
    sides = [
        run.networks[[*_KEYS, "value", "higher_is_better"]].rename(
            columns={"value": f"value_{side}"}
        )
        for run, side in ((a, "a"), (b, "b"))
    ]
    # An outer merge would sort; the order is that of the runs.
    keys = pd.concat([side[_KEYS] for side in sides]).drop_duplicates()
    merged = keys.merge(sides[0], on=_KEYS, how="left")
    merged = merged.merge(sides[1], on=_KEYS, how="left", suffixes=("", "_b"))
    merged["higher_is_better"] = merged["higher_is_better"].fillna(merged.pop("higher_is_better_b"))
    merged["difference"] = merged["value_b"] - merged["value_a"]
    order = {task: place for place, task in enumerate(dict.fromkeys([*a.tasks, *b.tasks]))}
    return merged.sort_values(
        "task", key=lambda tasks: tasks.map(order), kind="stable"
    ).reset_index(drop=True)


def _paired(
    row: dict[Any, Any], a: Run, b: Run, pairs: tuple[PairRows | None, PairRows | None]
) -> PairedDifference | None:
    if pd.isna(row["difference"]):
        return None
    cell = (row["task"], row["model"], row["layer"])
    condition = None if pd.isna(row["condition"]) else row["condition"]
    one, other = (
        Evidence(row["metric"], condition, value, own, run.left_out.get(cell))
        for value, own, run in zip((row["value_a"], row["value_b"]), pairs, (a, b), strict=True)
    )
    return other.minus(one)


def _add_tests(
    numbers: pd.DataFrame, tests: list[PairedDifference | None], margin: float | None
) -> None:
    """Add what follows from the paired differences, and P for the largest of all layers."""
    made = {place: test for place, test in enumerate(tests) if test is not None}
    columns: dict[str, Callable[[PairedDifference], float]] = {
        "ci_low": lambda test: test.low,
        "ci_high": lambda test: test.high,
        "p_value": lambda test: test.p_value,
        "detectable": lambda test: test.detectable,
    }
    if margin is not None:
        columns["p_equivalent"] = partial(PairedDifference.equivalence, margin=margin)
    for name, value_of in columns.items():
        values = np.full(len(numbers), np.nan)
        values[list(made)] = [value_of(test) for test in made.values()]
        numbers[name] = values
    keys = ["task", "metric", "condition"]
    for name, by in (("p_layers", [*keys, "model"]), ("p_models_layers", keys)):
        values = np.full(len(numbers), np.nan)
        for rows in numbers.groupby(by, sort=False, dropna=False).indices.values():
            places = [place for place in rows.tolist() if place in made]
            if places:
                values[places] = max_statistic([made[place] for place in places])
        numbers[name] = values


def _over_tasks(numbers: pd.DataFrame, run: Run) -> Float64Array:
    """Adjust P of each task's first headline number over tasks, in the best layers of a run."""
    adjusted = np.full(len(numbers), np.nan)
    chosen = np.zeros(len(numbers), dtype=bool)
    for task, facts in run.tasks.items():
        own = (numbers["task"] == task).to_numpy()
        metric = headlines(facts, list(dict.fromkeys(numbers.loc[own, "metric"])))[:1]
        best = numbers["model"].map(best_layers(run.networks, task, facts))
        chosen |= own & numbers["metric"].isin(metric) & (numbers["layer"] == best)
    chosen &= numbers["p_value"].notna().to_numpy()
    for rows in numbers[chosen].groupby("model", sort=False).groups.values():
        adjusted[rows] = benjamini_hochberg(numbers.loc[rows, "p_value"])
    return adjusted


def _changed_pairs(
    task: str, model: str, pairs: dict[str, tuple[PairRows, PairRows]]
) -> list[pd.DataFrame]:
    """Give the pairs that changed side, for each layer whose pairs are labelled."""
    tables = []
    for layer, (one, other) in pairs.items():
        if one.labels is None or other.labels is None:
            continue
        accepted = [rows.distances <= _threshold(rows) for rows in (one, other)]
        changed = (accepted[0] != accepted[1]) & one.usable & other.usable
        genuine = one.labels[changed] == 1
        columns = (
            task,
            model,
            layer,
            *(one.frame[side].to_numpy()[changed] for side in ("img1", "img2")),
            genuine,
            *(side[changed] for side in accepted),
            *(rows.distances[changed] for rows in (one, other)),
            np.where(accepted[0][changed] == genuine, "a", "b"),
        )
        tables.append(pd.DataFrame(dict(zip(_CHANGED, columns, strict=True))))
    return tables


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
