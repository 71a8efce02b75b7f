"""From the wide tables that tasks return to one long table, a row per number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from facebench.columns import CI_HIGH, CI_LOW, CI_METHOD, LAYER, MODEL, TASK
from facebench.metrics.uncertainty.jackknife import FEWEST_GROUPS, jackknife_interval
from facebench.results.intervals import measure_interval
from facebench.results.left_out import LayerResults, LeftOuts
from facebench.results.pair_rows import PairRows, layers_of
from facebench.results.schema import RESULTS_COLUMNS, empty_results
from facebench.results.task_facts import TaskFacts
from facebench.results.wide_tables import COUNTS, conditions_of, measures_of
from facebench.tasks.measures import headline, higher_is_better
from facebench.types import Float64Array

__all__ = ["tidy_results"]

_COUNT_NAMES = ("n_pairs", "n_images", "n_identities", "n_failed")


def tidy_results(
    run: str,
    performances: Mapping[str, pd.DataFrame],
    distances: Mapping[str, Mapping[str, pd.DataFrame]],
    facts: Mapping[str, TaskFacts],
    left_outs: LeftOuts | None = None,
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
    left_outs : LeftOuts, optional
        Measures without a part of the pairs, of the tasks themselves; collected on the way.

    Returns
    -------
    DataFrame
        The columns of `schema.RESULTS_COLUMNS`. Headline measures that came without an interval
        are given one: from the pairs where these tell how, else by leaving out parts of them; or
        'CI Method' says why there is none.
    """
    left_outs = LeftOuts({}) if left_outs is None else left_outs
    records: list[dict[str, Any]] = []
    for task, performance in performances.items():
        metrics = measures_of(performance)
        for model, results in performance.groupby(MODEL, sort=False):
            frame = distances.get(model, {}).get(task)
            pairs = {} if frame is None else layers_of(frame, facts[task])
            for layer, rows in results.groupby(LAYER, sort=False):
                where = LayerResults(
                    str(task), str(model), str(layer), rows, pairs.get(str(layer)), facts[task]
                )
                records.extend(
                    {"run": run, "model": model, "layer": layer, **record}
                    for record in _layer_records(where, metrics, left_outs)
                )
    if not records:
        return empty_results()
    table = pd.DataFrame.from_records(records)
    table["layer_index"] = _layer_indices(table)
    return table.reindex(columns=list(RESULTS_COLUMNS)).astype(RESULTS_COLUMNS)


def _layer_records(
    layer: LayerResults, metrics: list[str], left_outs: LeftOuts
) -> list[dict[str, Any]]:
    rows, pairs, facts = layer.rows, layer.pairs, layer.facts
    important = set(headline(metrics))
    left_outs.collect(layer)
    records = []
    for row, condition in zip(rows.to_dict("records"), conditions_of(rows), strict=True):
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
            value, given = (
                row[metric],
                (row.get(f"{metric}{CI_LOW}"), row.get(f"{metric}{CI_HIGH}")),
            )
            record = {
                **shared,
                "metric": metric,
                "value": value,
                "ci_low": given[0],
                "ci_high": given[1],
                "higher_is_better": higher_is_better(metric),
            }
            if given[0] is None or np.isnan(given[0]):
                record["ci_method"] = None
            if given[0] is None and metric in important and np.isfinite(value):
                made = {} if own is None else measure_interval(metric, float(value), own)
                record.update(
                    made or _left_out_interval((condition, metric), float(value), layer, left_outs)
                )
            records.append(record)
    return records


def _left_out_interval(
    measure: tuple[str | None, str], value: float, layer: LayerResults, left_outs: LeftOuts
) -> dict[str, Any]:
    """Make an interval by leaving out parts of the pairs, or say why there is none."""
    found = left_outs.of(layer)
    if isinstance(found, str):
        return {"ci_method": f"none: {found}"}
    values = found.values.get(measure)
    if values is None:
        return {"ci_method": "none: the task tells no way to make one"}
    low, high = jackknife_interval(value, values)
    if np.isnan(low):
        return {"ci_method": f"none: {_why(values)}"}
    how = f"jackknife by {found.by}, {values.size} groups"
    return {"ci_low": low, "ci_high": high, "ci_method": how}


def _why(values: Float64Array) -> str:
    if values.size < FEWEST_GROUPS:
        return f"{values.size} people or images are too few"
    if not np.isfinite(values).all():
        return "it is undefined without some of the pairs"
    return "it is the same whichever pairs are left out"


def _counts(row: Mapping[str, Any], pairs: PairRows | None) -> dict[str, Any]:
    computed: Mapping[str, Any] = {} if pairs is None else pairs.counts()
    counts = {}
    for column, name in zip(COUNTS, _COUNT_NAMES, strict=True):
        given = row.get(column, computed.get(name))
        # What a task counts and does not know is not known.
        counts[name] = None if pd.isna(given) else int(given)
    return counts


def _layer_indices(table: pd.DataFrame) -> list[int]:
    """Give each row the number of its layer, layers of each model in network order."""
    order: dict[str, dict[str, int]] = {}
    return [
        order.setdefault(model, {}).setdefault(layer, len(order[model]))
        for model, layer in zip(table["model"], table["layer"], strict=True)
    ]
