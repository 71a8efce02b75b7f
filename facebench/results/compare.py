"""Two runs side by side: what differs, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from facebench.errors import InputError
from facebench.metrics.stats import benjamini_hochberg, holm
from facebench.metrics.uncertainty.spread import PairedDifference, max_statistic
from facebench.metrics.verification import youden_threshold
from facebench.results.comparison.changes import (
    changed_settings,
    changes_in_words,
    renamed_models,
)
from facebench.results.comparison.paired import Evidence
from facebench.results.comparison.runs import RunComparison
from facebench.results.headline import best_layers, headline_rows
from facebench.results.pair_rows import PairRows, layers_of
from facebench.results.ranking.comparability import statistics_of
from facebench.results.reader import Run, load_run
from facebench.tasks.measures import headlines
from facebench.types import Float64Array, StrPath

__all__ = ["RunComparison", "compare", "compare_runs"]

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
_DIFFERENT_DATA = "other pairs"
_GIVEN = "distance"
_NAMED = 5


def compare(
    a: StrPath,
    b: StrPath,
    output: StrPath | None = None,
    *,
    margin: float | None = None,
    fdr: bool = False,
) -> RunComparison:
    """Compare two runs: what was changed, and which numbers differ.

    Numbers are compared by task, model, layer, condition and measure. A model that the runs call
    differently is compared where its weights, settings and preprocessing are the same.

    Parameters
    ----------
    a, b : str or Path
        Their folders, the earlier one first.
    output : str or Path, optional
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

    Examples
    --------
    >>> from facebench import compare
    >>> compare("runs/first", "runs/second", margin=0)
    Traceback (most recent call last):
        ...
    facebench.errors.InputError: The 'margin' parameter of compare must be above 0. Got 0 instead.
    """
    if margin is not None and not (np.isfinite(margin) and margin > 0):
        msg = f"The 'margin' parameter of compare must be above 0. Got {margin!r} instead."
        raise InputError(msg)
    one, other = load_run(a), load_run(b)
    renamed = renamed_models(one, other)
    numbers = _side_by_side(one, other, renamed)
    numbers["headline"] = _are_headlines(numbers, one, other, renamed)
    places = numbers.groupby(["task", "model"], sort=False).indices
    tests: list[PairedDifference | None] = [None] * len(numbers)
    remarks = _presence(numbers.pop("in_a"), numbers.pop("in_b"))
    changed = []
    data = _DataNotes(one, other)
    for (task, model), rows in places.items():
        # One task and model at a time: the distances of all need not fit into memory.
        theirs = renamed.get(str(model), str(model))
        pairs = _common_pairs(one, other, (str(model), theirs), str(task), data)
        chosen = set()
        for place, row in zip(rows, numbers.iloc[rows].to_dict("records"), strict=True):
            if row["headline"]:
                chosen.add(row["layer"])
            if not remarks[place]:
                both = pairs.get(row["layer"], (None, None))
                remarks[place] = data.remark(str(task), str(model))
                # Of other pairs or labels, nothing is paired.
                if not remarks[place]:
                    tests[place] = _paired(row, one, other, theirs, both)
        shown = {layer: both for layer, both in pairs.items() if layer in chosen}
        changed += _changed_pairs(str(task), str(model), shown)
    numbers["remark"] = remarks
    _add_tests(numbers, tests, margin)
    if fdr:
        numbers["p_fdr"] = _over_tasks(numbers, one)
    settings = changed_settings(one, other, renamed)
    comparison = RunComparison(
        numbers,
        pd.concat(changed, ignore_index=True) if changed else pd.DataFrame(columns=_CHANGED),
        settings,
        tuple(changes_in_words(one, other, settings, renamed)),
        (*_notes(one, other, numbers), *data.notes),
        (one, other),
    )
    return comparison if output is None else replace(comparison, path=comparison.write(output))


compare_runs = compare


def _presence(in_a: pd.Series, in_b: pd.Series) -> list[str]:
    """Say which run has each number, if not both."""
    sides = [column.eq("both") for column in (in_a, in_b)]
    return [
        "" if one and other else "only in A" if one else "only in B"
        for one, other in zip(*sides, strict=True)
    ]


def _are_headlines(numbers: pd.DataFrame, a: Run, b: Run, renamed: Mapping[str, str]) -> list[bool]:
    """Tell which rows are a headline number in the best layer of either run."""
    back = {new: old for old, new in renamed.items()}
    keys: set[tuple[Any, ...]] = set()
    for run in (a, b):
        rows = headline_rows(run.networks, run.tasks)
        rows = rows.assign(model=rows["model"].replace(back) if run is b else rows["model"])
        keys |= set(rows[_KEYS].fillna("").itertuples(index=False, name=None))
    return [key in keys for key in numbers[_KEYS].fillna("").itertuples(index=False, name=None)]


def _notes(a: Run, b: Run, numbers: pd.DataFrame) -> list[str]:
    """Say what must be known to read a comparison."""
    notes = []
    if a.path.resolve() == b.path.resolve():
        notes.append("A and B are the same run: nothing can differ.")
    for side, run in (("A", a), ("B", b)):
        failed = [str(failure.get("what")) for failure in run.manifest["failures"]]
        if run.status != "finished" or failed:
            what = f": {', '.join(failed)} failed" if failed else ""
            notes.append(f"{side} is not complete ({run.status}{what}).")
    statistics = [statistics_of(run) for run in (a, b)]
    if statistics[0] != statistics[1]:
        notes.append(
            f"A was measured by statistics version {statistics[0]}, B by {statistics[1]}: numbers "
            "may differ for that reason alone. Run the older experiment again with --force."
        )
    only = {side: numbers[numbers["remark"] == f"only in {side}"] for side in "AB"}
    in_both = len(numbers) - sum(map(len, only.values()))
    if not in_both:
        notes.append("The runs have no number in common: nothing is compared.")
    else:
        for side, rows in only.items():
            if len(rows):
                notes.append(f"{len(rows)} numbers are only in {side}: {_subjects(rows, numbers)}.")
    return notes


def _subjects(rows: pd.DataFrame, numbers: pd.DataFrame) -> str:
    """Name the tasks, models, layers and measures that one run alone has, the widest first."""
    said = []
    rows, numbers = (table.fillna({"condition": ""}) for table in (rows, numbers))
    for columns in (["task"], ["model"], ["model", "layer"], ["task", "model"], ["task", "metric"]):
        counts = numbers.groupby(columns, sort=False).size()
        own = rows.groupby(columns, sort=False).size()
        names = own.index[own == counts.reindex(own.index)]
        if not len(names):
            continue
        shown = [name if isinstance(name, str) else ": ".join(name) for name in names[:_NAMED]]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        said.append(f"{columns[-1]} {', '.join(shown)}{more}")
        # What is named need not be named again by its parts.
        rows, numbers = (
            table[~pd.MultiIndex.from_frame(table[columns]).isin(_as_tuples(names))]
            for table in (rows, numbers)
        )
    if len(rows):
        said.append(f"{len(rows)} of single conditions")
    return "; ".join(said)


def _as_tuples(names: pd.Index) -> list[tuple[str, ...]]:
    return [(name,) if isinstance(name, str) else name for name in names]


class _DataNotes:
    """What two runs measured otherwise, by task: said once, and beside every number."""

    def __init__(self, a: Run, b: Run) -> None:
        self._notes: list[str] = []
        self._remarks: dict[tuple[str, str], str] = {}
        self._said: set[str] = set()
        self._measures: dict[str, str] = {}
        self._images: dict[str, str] = {}
        for task in a.tasks:
            if task not in b.tasks:
                continue
            one, other = a.tasks[task], b.tasks[task]
            if one.type != other.type or one.correlation != other.correlation:
                kinds = [f"{f.type} {f.correlation or ''}".strip() for f in (one, other)]
                self._measures[task] = "other measure"
                self._notes.append(
                    f"Task {task!r} is not the same measure in both: {kinds[0]} in A, {kinds[1]} "
                    "in B. Its numbers are side by side, without a test."
                )
            images = [
                ((run.manifest["data"].get(task) or {}).get("images") or {}) for run in (a, b)
            ]
            digests = [known.get("digest") for known in images]
            if None not in digests and digests[0] != digests[1]:
                self._images[task] = (
                    f"Task {task!r}: the pairs name the same images, but their files are not the "
                    "same in A and B. Differences are of images and models together."
                )

    @property
    def notes(self) -> list[str]:
        """What must be known of the data of the tasks."""
        images = [said for task, said in self._images.items() if task not in self._said]
        return [*self._notes, *images]

    def remark(self, task: str, model: str) -> str:
        """Give the remark of a model's numbers, empty if they were measured alike."""
        return self._measures.get(task) or self._remarks.get((task, model), "")

    def differ(self, task: str, model: str, what: str, sentence: str) -> None:
        """Note that a model was measured on other pairs, or on what says other things of them."""
        self._remarks.setdefault((task, model), what)
        if task not in self._said:
            self._said.add(task)
            self._notes.append(f"Task {task!r}: {sentence}")


def _common_pairs(
    a: Run, b: Run, models: tuple[str, str], task: str, data: _DataNotes
) -> dict[str, tuple[PairRows, PairRows]]:
    """Give the pairs of every layer both runs have, b's in the order of a's."""
    runs = ((a, models[0]), (b, models[1]))
    if not all(model in run.models and task in run.tasks for run, model in runs):
        return {}
    layers_a, layers_b = (_layers(run, model, task) for run, model in runs)
    found = {}
    for layer, rows in layers_a.items():
        if layer not in layers_b:
            continue
        if rows.has_pairs and layers_b[layer].has_pairs:
            aligned = _aligned(rows, layers_b[layer])
            if aligned is None:
                shared = len(_pair_keys(rows.frame).intersection(_pair_keys(layers_b[layer].frame)))
                data.differ(
                    task,
                    models[0],
                    _DIFFERENT_DATA,
                    f"the runs measured other pairs ({len(rows)} in A, {len(layers_b[layer])} in "
                    f"B, {shared} in both). Its numbers are side by side, without a test.",
                )
                continue
            column = _contradicting(rows, aligned)
            if column is not None:
                data.differ(
                    task,
                    models[0],
                    f"other {column!r}",
                    f"the column {column!r} of the pairs is not the same in A and B. Its numbers "
                    "are side by side, without a test.",
                )
                continue
            found[layer] = rows, aligned
    return found


def _contradicting(a: PairRows, b: PairRows) -> str | None:
    """Find a column by which pairs are measured, and that two runs fill differently."""
    facts = a.facts
    columns = [facts.label_column, facts.condition_column, facts.group_column]
    columns += [*facts.rating_columns, _GIVEN if facts.correlation is not None else None]
    for column in columns:
        if column is not None and column in a.frame and column in b.frame:
            one, other = (rows.frame[column] for rows in (a, b))
            if is_numeric_dtype(one) and is_numeric_dtype(other):
                same = np.array_equal(
                    one.to_numpy(np.float64, na_value=np.nan),
                    other.to_numpy(np.float64, na_value=np.nan),
                    equal_nan=True,
                )
            else:
                same = np.array_equal(one.astype(str).to_numpy(), other.astype(str).to_numpy())
            if not same:
                return column
    return None


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


def _side_by_side(a: Run, b: Run, renamed: Mapping[str, str]) -> pd.DataFrame:
    sides = [
        run.networks[[*_KEYS, "value", "higher_is_better"]].rename(
            columns={"value": f"value_{side}"}
        )
        for run, side in ((a, "a"), (b, "b"))
    ]
    sides[1]["model"] = sides[1]["model"].replace({new: old for old, new in renamed.items()})
    # An outer merge would sort; the order is that of the runs.
    keys = pd.concat([side[_KEYS] for side in sides]).drop_duplicates()
    merged = keys.merge(sides[0], on=_KEYS, how="left", indicator="in_a")
    merged = merged.merge(sides[1], on=_KEYS, how="left", suffixes=("", "_b"), indicator="in_b")
    merged["higher_is_better"] = merged["higher_is_better"].fillna(merged.pop("higher_is_better_b"))
    merged["difference"] = merged["value_b"] - merged["value_a"]
    order = {task: place for place, task in enumerate(dict.fromkeys([*a.tasks, *b.tasks]))}
    return merged.sort_values(
        "task", key=lambda tasks: tasks.map(order), kind="stable"
    ).reset_index(drop=True)


def _paired(
    row: dict[Any, Any],
    a: Run,
    b: Run,
    model_in_b: str,
    pairs: tuple[PairRows | None, PairRows | None],
) -> PairedDifference | None:
    if pd.isna(row["difference"]):
        return None
    task, layer = row["task"], row["layer"]
    condition = None if pd.isna(row["condition"]) else row["condition"]
    one, other = (
        Evidence(row["metric"], condition, value, own, run.left_out.get((task, model, layer)))
        for value, own, run, model in zip(
            (row["value_a"], row["value_b"]), pairs, (a, b), (row["model"], model_in_b), strict=True
        )
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
    numbers["p_adjusted"] = np.nan
    first = numbers.index[numbers["headline"] & numbers["p_value"].notna()]
    numbers.loc[first, "p_adjusted"] = holm(numbers.loc[first, "p_value"].to_numpy())


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
