"""From the estimates of a run to one long table, a row per number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from facebench.columns import LAYER, MODEL
from facebench.data.estimates import LayerEstimates, MeasureEstimate, estimates_in
from facebench.results.schema import NETWORK, PEOPLE, RESULTS_COLUMNS, empty_results
from facebench.results.task_facts import TaskFacts
from facebench.tasks.measures import measures_for

__all__ = ["EstimatesByTask", "tidy_results"]

EstimatesByTask = Mapping[str, Mapping[str, Mapping[str, LayerEstimates]]]


def tidy_results(
    run: str,
    estimates: EstimatesByTask,
    facts: Mapping[str, TaskFacts],
    failures: pd.DataFrame | None = None,
    people: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> pd.DataFrame:
    """Bring all results into the tidy schema.

    Parameters
    ----------
    run : str
        The run's identifier.
    estimates : mapping
        By task, model and layer, as `MultiModelTaskManager.estimates` has them.
    facts : mapping of str to TaskFacts
        What is known of each task, its declared measures among it.
    failures : DataFrame, optional
        The images without a face, by condition: columns `schema.FAILURE_COLUMNS`.
    people : mapping of str to DataFrame, optional
        By task, a row per group of participants, as `MultiModelTaskManager.people_rows` has them.

    Returns
    -------
    DataFrame
        The columns of `schema.RESULTS_COLUMNS`.
    """
    records: list[dict[str, Any]] = []
    without_face = _without_face(failures)
    order: dict[str, dict[str, int]] = {}
    for task, by_model in estimates.items():
        for model, by_layer in by_model.items():
            names = [e.measure for found in by_layer.values() for e in found.estimates]
            measures = measures_for(facts[task], list(dict.fromkeys(names)))
            places = order.setdefault(model, {})
            for layer, found in by_layer.items():
                place = places.setdefault(layer, len(places))
                where = {
                    "run": run,
                    "source": NETWORK,
                    "model": model,
                    "layer": layer,
                    "layer_index": place,
                }
                records.extend(
                    {
                        **where,
                        "task": task,
                        "task_type": facts[task].type,
                        "higher_is_better": measures[estimate.measure].higher_is_better,
                        "n_no_face": without_face.get((task, model, estimate.condition or "")),
                        "remark": found.remark or None,
                        **_record(estimate, facts[task]),
                    }
                    for estimate in found.estimates
                )
    for task, rows in people.items():
        for (group, layer), own in rows.groupby([MODEL, LAYER], sort=False):
            estimates_of = estimates_in(own)
            measures = measures_for(facts[task], [each.measure for each in estimates_of])
            records.extend(
                {
                    "run": run,
                    "source": PEOPLE,
                    "model": group,
                    "layer": layer,
                    "task": task,
                    "task_type": facts[task].type,
                    "higher_is_better": measures[estimate.measure].higher_is_better,
                    **_record(estimate, facts[task]),
                    "distance": None,
                }
                for estimate in estimates_of
            )
    if not records:
        return empty_results()
    table = pd.DataFrame.from_records(records)
    return table.reindex(columns=list(RESULTS_COLUMNS)).astype(RESULTS_COLUMNS)


def _without_face(failures: pd.DataFrame | None) -> dict[tuple[str, str, str], int]:
    """Give the pairs without a face by task, model and condition ('': all)."""
    if failures is None:
        return {}
    # A condition's name may also be that of a class or side: the narrower grouping comes last.
    return {
        (row.task, row.model, row.condition): int(row.n_failed) for row in failures.itertuples()
    }


def _record(estimate: MeasureEstimate, facts: TaskFacts) -> dict[str, Any]:
    return {
        "metric": estimate.measure,
        "condition": estimate.condition,
        "value": estimate.value,
        "ci_low": estimate.low,
        "ci_high": estimate.high,
        "ci_method": estimate.method,
        "n_pairs": estimate.n_pairs,
        "n_images": estimate.n_images,
        "n_identities": estimate.n_identities,
        "n_failed": estimate.n_failed,
        "distance": facts.distance if estimate.distance is None else estimate.distance,
    }
