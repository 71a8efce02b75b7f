"""From the wide tables that tasks return to one long table, a row per number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from facebench.columns import (
    CI_HIGH,
    CI_LOW,
    CI_METHOD,
    CONDITION,
    IDENTITY,
    LAYER,
    MODEL,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    N_PAIRS,
    TASK,
)
from facebench.results.intervals import measure_interval
from facebench.results.measures import headline, higher_is_better
from facebench.results.pair_rows import PairRows, layers_of
from facebench.results.schema import RESULTS_COLUMNS
from facebench.results.task_facts import TaskFacts

__all__ = ["empty_results", "measures_of", "tidy_results"]

_COUNTS = (N_PAIRS, N_IMAGES, N_IDENTITIES, N_FAILED)
_COUNT_NAMES = ("n_pairs", "n_images", "n_identities", "n_failed")


def measures_of(performance: pd.DataFrame) -> list[str]:
    """List the measures in a task's results: numbers that name, count or bound nothing else.

    Parameters
    ----------
    performance : DataFrame
        A task's results.

    Returns
    -------
    list of str
        Names of columns.
    """
    columns = [str(column) for column in performance.columns]
    bounds = {f"{column}{end}" for column in columns for end in (CI_LOW, CI_HIGH)}
    return [
        column
        for column in columns
        if column not in {*IDENTITY, CONDITION, CI_METHOD, *_COUNTS, *bounds}
        and is_numeric_dtype(performance[column])
        and not is_bool_dtype(performance[column])
    ]


def empty_results() -> pd.DataFrame:
    """Give the tidy table of a run that has no results yet."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in RESULTS_COLUMNS.items()})


def tidy_results(
    run: str,
    performances: Mapping[str, pd.DataFrame],
    distances: Mapping[str, Mapping[str, pd.DataFrame]],
    facts: Mapping[str, TaskFacts],
) -> pd.DataFrame:
    """Bring all results into the tidy schema.

    Parameters
    ----------
    run : str
        The run's identifier.
    performances : mapping of str to DataFrame
        Each task's results, unrounded, behind Task Name, Model Name and Layer Name.
    distances : mapping
        ``distances[model][task]``: every pair (or item) once per layer.
    facts : mapping of str to TaskFacts
        What is known of each task.

    Returns
    -------
    DataFrame
        The columns of `schema.RESULTS_COLUMNS`. Headline measures that came without an interval
        are given one, where the pairs tell how.
    """
    records: list[dict[str, Any]] = []
    for task, performance in performances.items():
        metrics = measures_of(performance)
        for model, by_layer in _rows_by_layer(performance).items():
            frame = distances.get(model, {}).get(task)
            pairs = {} if frame is None else layers_of(frame, facts[task])
            for layer, rows in by_layer.items():
                records.extend(
                    {"run": run, "model": model, "layer": layer, **record}
                    for record in _layer_records(rows, metrics, pairs.get(str(layer)), facts[task])
                )
    if not records:
        return empty_results()
    table = pd.DataFrame.from_records(records)
    table["layer_index"] = _layer_indices(table)
    return table.reindex(columns=list(RESULTS_COLUMNS)).astype(RESULTS_COLUMNS)


def _rows_by_layer(performance: pd.DataFrame) -> dict[Any, dict[Any, list[dict[Any, Any]]]]:
    rows: dict[Any, dict[Any, list[dict[Any, Any]]]] = {}
    for row in performance.to_dict("records"):
        rows.setdefault(row[MODEL], {}).setdefault(row[LAYER], []).append(row)
    return rows


def _layer_records(
    rows: Sequence[Mapping[Any, Any]],
    metrics: list[str],
    pairs: PairRows | None,
    facts: TaskFacts,
) -> list[dict[str, Any]]:
    important = set(headline(metrics))
    records = []
    for row, condition in zip(rows, _conditions(rows), strict=True):
        own = None if pairs is None else pairs.of_condition(condition)
        shared = {
            "task": row[TASK],
            "task_type": facts.type,
            "condition": condition,
            "ci_method": row.get(CI_METHOD),
            "distance": row.get("Distance Metric", facts.distance),
            **_counts(row, own),
        }
        for metric in metrics:
            given = (row.get(f"{metric}{CI_LOW}"), row.get(f"{metric}{CI_HIGH}"))
            record = {
                **shared,
                "metric": metric,
                "value": row[metric],
                "ci_low": given[0],
                "ci_high": given[1],
                "higher_is_better": higher_is_better(metric),
            }
            if given[0] is None:
                record["ci_method"] = None
                if own is not None and metric in important and np.isfinite(row[metric]):
                    record.update(measure_interval(metric, float(row[metric]), own))
            records.append(record)
    return records


def _conditions(rows: Sequence[Mapping[Any, Any]]) -> Sequence[str | None]:
    if CONDITION in rows[0]:
        names = [str(row[CONDITION]) for row in rows]
    elif len(rows) > 1:
        # Several rows of one layer are told apart by number, as in the unified table.
        names = [f"[{number}]" for number in range(1, len(rows) + 1)]
    else:
        return [None]
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[index] = f"{name} [{seen[name]}]"
    return names


def _counts(row: Mapping[str, Any], pairs: PairRows | None) -> dict[str, Any]:
    computed: Mapping[str, Any] = {} if pairs is None else pairs.counts()
    counts = {}
    for column, name in zip(_COUNTS, _COUNT_NAMES, strict=True):
        given = row.get(column)
        counts[name] = computed.get(name) if given is None or pd.isna(given) else int(given)
    return counts


def _layer_indices(table: pd.DataFrame) -> list[int]:
    """Give each row the number of its layer, layers of each model in network order."""
    order: dict[str, dict[str, int]] = {}
    return [
        order.setdefault(model, {}).setdefault(layer, len(order[model]))
        for model, layer in zip(table["model"], table["layer"], strict=True)
    ]
