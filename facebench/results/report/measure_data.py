"""What the charts of a task's measures show: over layers, training and conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.columns import comparable_name, is_of_measure
from facebench.figures.records.layer_order import layer_depths
from facebench.results.headline import best_layers
from facebench.tasks.measures import Measure, headlines, measures_for

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.task_facts import TaskFacts

__all__ = ["condition_data", "effect_data", "profile_data", "training_data"]

_MOST_CONDITIONS = 40
# With more profiles than this, those of headline measures only.
_MOST_PROFILES = 16


def profile_data(
    results: pd.DataFrame,
    facts: TaskFacts,
    people: pd.DataFrame | None = None,
    network_layers: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Give each measure over the layers, if any model has several.

    Parameters
    ----------
    results : DataFrame
        Rows of one task of the tidy table.
    facts : TaskFacts
        What is known of it.
    people : DataFrame, optional
        Likewise of people.
    network_layers : mapping of str to sequence of str, optional
        Model → all layers of the network, which relative depth counts.

    Returns
    -------
    list of dict
        measure, label (of the axis), condition, levels (see `_levels`) and lines: model, layers in
        network order, and arrays depth, value, low, high. A network with one layer has one point.
    """
    if results.empty or results.groupby("model")["layer"].nunique().max() < 2:
        return []
    declared = measures_for(facts, list(dict.fromkeys(results["metric"])))
    shown = [measure for measure in declared.values() if measure.shown]
    if len(shown) * results["condition"].nunique() > _MOST_PROFILES:
        shown = [measure for measure in shown if measure.headline]
    profiles = []
    for measure in shown:
        own = results[results["metric"] == measure.name]
        for condition, rows in own.groupby("condition", sort=False, dropna=False):
            same = _of_condition(results, condition)
            profiles.append(
                {
                    "measure": measure.name,
                    "label": measure.axis_label,
                    "condition": _text(condition),
                    "levels": _levels(measure, same, facts, people, condition),
                    "lines": [
                        _over_depth(str(model), line, (network_layers or {}).get(str(model)))
                        for model, line in rows.groupby("model", sort=False)
                    ],
                }
            )
            if len(profiles) >= _MOST_CONDITIONS:
                return profiles
    return profiles


def _over_depth(model: str, line: pd.DataFrame, known: Sequence[str] | None) -> dict[str, Any]:
    """Put the layers of a model into network order, each at the depth that figures give it."""
    placed = layer_depths([str(layer) for layer in line["layer"]], known)
    ordered = line.iloc[placed.order]
    return {
        "model": model,
        "layers": ordered["layer"].tolist(),
        "depth": placed.depth,
        **_with_interval(ordered),
    }


def training_data(
    results: pd.DataFrame,
    facts: TaskFacts,
    models: Mapping[str, Any],
    people: pd.DataFrame | None = None,
) -> list[dict[str, Any]]:
    """Give headline measures over training, of the models that are checkpoints.

    Parameters
    ----------
    results : DataFrame
        Rows of one task of the tidy table.
    facts : TaskFacts
        What is known of it.
    models : mapping of str to mapping
        What the manifest says of each model: 'series' of a checkpoint.
    people : DataFrame, optional
        As of `profile_data`.

    Returns
    -------
    list of dict
        measure, label, condition, levels, xlabel and log of the other axis, and lines: model (the
        series), first (its first checkpoint, whose colour it has), layer, and arrays x, value, low,
        high.
    """
    series = {name: one["series"] for name, one in models.items() if one.get("series")}
    own = results[results["model"].isin(list(series))]
    if own.empty:
        return []
    first = next(iter(series.values()))
    own = own.assign(
        of=[str(series[name]["of"]) for name in own["model"]],
        x=[float(series[name]["x"]) for name in own["model"]],
    ).sort_values("x", kind="stable")
    declared = measures_for(facts, list(dict.fromkeys(own["metric"])))
    checkpoints = {str(one["of"]): name for name, one in reversed(series.items())}
    found = []
    for metric in headlines(facts, list(declared)):
        rows = own[own["metric"] == metric]
        for condition, part in rows.groupby("condition", sort=False, dropna=False):
            same = _of_condition(own, condition)
            found.append(
                {
                    "measure": metric,
                    "label": declared[metric].axis_label,
                    "condition": _text(condition),
                    "levels": _levels(declared[metric], same, facts, people, condition),
                    "xlabel": str(first.get("label") or "Checkpoint"),
                    # Zero has no place on a logarithmic axis of the page.
                    "log": bool(first.get("log")) and bool((own["x"] > 0).all()),
                    "lines": [
                        {
                            "model": model,
                            "first": checkpoints[str(model)],
                            "layer": layer,
                            "x": _floats(line["x"]),
                            **_with_interval(line),
                        }
                        for (model, layer), line in part.groupby(["of", "layer"], sort=False)
                    ],
                }
            )
    return found[:_MOST_CONDITIONS]


def condition_data(
    results: pd.DataFrame, task: str, facts: TaskFacts, people: pd.DataFrame | None = None
) -> list[dict[str, Any]]:
    """Give each measure by condition, of the best layer of every model.

    Parameters
    ----------
    results : DataFrame
        Rows of one task of the tidy table.
    task : str
        The task.
    facts : TaskFacts
        What is known of it.
    people : DataFrame, optional
        Likewise of people.

    Returns
    -------
    list of dict
        measure, label, conditions, levels (with arrays by condition where there are several) and
        series: model, layer, and arrays value, low, high. A task without conditions has one,
        named ''.
    """
    best = best_layers(results, task, facts)
    own = results[results["layer"].eq(results["model"].map(best))]
    declared = measures_for(facts, list(dict.fromkeys(own["metric"])))
    kinds = list(own["condition"].unique())[:_MOST_CONDITIONS]
    names = [_text(name) for name in kinds]
    of_kinds = [(kind, _of_condition(own, kind)) for kind in kinds]
    found = []
    for measure in (one for one in declared.values() if one.shown):
        rows = own[own["metric"] == measure.name]
        if rows.empty:
            continue
        by_condition = [_levels(measure, part, facts, people, kind) for kind, part in of_kinds]
        found.append(
            {
                "measure": measure.name,
                "label": measure.axis_label,
                "conditions": names,
                "levels": _together(by_condition),
                "series": [
                    {"model": model, "layer": layer}
                    | _in_order(rows[rows["model"] == model], "condition", names)
                    for model, layer in best.items()
                ],
            }
        )
    return found


def effect_data(
    results: pd.DataFrame, task: str, facts: TaskFacts, people: pd.DataFrame | None = None
) -> dict[str, Any] | None:
    """Give the measure in each condition of an effect, of the best layer of every model.

    Parameters
    ----------
    results : DataFrame
        Rows of one task of the tidy table.
    task : str
        The task.
    facts : TaskFacts
        What is known of it.
    people : DataFrame, optional
        Likewise of people: a line for each group, where the measure means the same of them.

    Returns
    -------
    dict or None
        measure, label, conditions, levels and series as of `condition_data`, people marked among
        these; None of a task without an effect.
    """
    names = list(facts.effect.values())
    if len(names) < 2 or not set(names) <= set(results["metric"]):
        return None
    best = best_layers(results, task, facts)
    own = results[results["layer"].eq(results["model"].map(best))]
    lines = [(model, layer, False, own[own["model"] == model]) for model, layer in best.items()]
    # What is compared on another index has no common scale.
    if people is not None and not any("Comparable " in name for name in set(results["metric"])):
        groups = people.groupby("model", sort=False)
        lines += [(str(group), "default", True, rows) for group, rows in groups]
    first = next(iter(facts.effect))
    measure = names[0].removeprefix(first).strip()
    declared = measures_for(facts, names)
    levels = [_levels(declared[name], own, facts, None, None) for name in names]
    return {
        "measure": measure,
        "label": declared[names[0]].label.removesuffix(f", {first}") or measure,
        "conditions": list(facts.effect),
        "levels": _together(levels),
        "series": [
            {"model": model, "layer": layer, "people": is_people} | _in_order(rows, "metric", names)
            for model, layer, is_people, rows in lines
        ],
    }


def _levels(
    measure: Measure,
    rows: pd.DataFrame,
    facts: TaskFacts,
    people: pd.DataFrame | None,
    condition: Any,
) -> list[dict[str, Any]]:
    """Give what a measure is to be seen against: chance, its noise ceiling, people.

    Parameters
    ----------
    measure : Measure
        The measure.
    rows : DataFrame
        All measures of the task, of one condition.
    facts : TaskFacts
        What is known of the task.
    people : DataFrame, optional
        Likewise of people.
    condition : str or missing
        The condition.

    Returns
    -------
    list of dict
        kind ('chance', 'ceiling', 'people' or 'published'), name, value, and low and high where
        it is a band.
    """
    found: list[dict[str, Any]] = []
    if measure.chance is not None:
        # Of a measure of which neither way is better, such as a difference, it is not an effect.
        name = "no effect" if measure.better is None else "chance"
        found.append({"kind": "chance", "name": name, "value": float(measure.chance)})
    # Looked for only where there may be one: rows are many.
    bounds = rows[rows["metric"].isin(measure.ceiling)] if measure.ceiling else rows[:0]
    ends = bounds["value"].to_numpy(dtype=float)
    ends = ends[np.isfinite(ends)]
    if ends.size:
        low, high = float(ends.min()), float(ends.max())
        level = {"value": high} if low == high else {"value": None, "low": low, "high": high}
        found.append({"kind": "ceiling", "name": "noise ceiling", **level})
    return found + _people(measure.name, people, facts, set(rows["metric"]), condition)


def _people(
    metric: str,
    people: pd.DataFrame | None,
    facts: TaskFacts,
    metrics: set[str],
    condition: Any,
) -> list[dict[str, Any]]:
    """Give what people do by a measure, where it means the same of them and networks."""
    found: list[dict[str, Any]] = []
    if people is not None and len(people) and comparable_name(metric) not in metrics:
        own = _of_condition(people[people["metric"] == metric], condition)
        for row in own.itertuples():
            numbers = {"value": row.value, "low": row.ci_low, "high": row.ci_high}
            found.append({"kind": "people", "name": row.model, **numbers})
    for reference in facts.references:
        if reference["value"] is not None and is_of_measure(str(reference["what"]), metric):
            numbers = {"value": reference["value"]}
            found.append({"kind": "published", "name": reference["source"], **numbers})
    return found


def _together(by_condition: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Put the levels of several conditions together: numbers where all agree, else arrays."""
    names = dict.fromkeys((one["kind"], one["name"]) for levels in by_condition for one in levels)
    found = []
    for kind, name in names:
        same = [
            next((one for one in levels if (one["kind"], one["name"]) == (kind, name)), {})
            for levels in by_condition
        ]
        merged: dict[str, Any] = {"kind": kind, "name": name}
        for key in ("value", "low", "high"):
            values = [one.get(key) for one in same]
            if any(value is not None for value in values):
                alike = all(value == values[0] for value in values)
                merged[key] = values[0] if alike else values
        found.append(merged)
    return found


def _of_condition(rows: pd.DataFrame, condition: Any) -> pd.DataFrame:
    """Take the rows of one condition; those without a condition where it is missing."""
    if _text(condition) == "":
        return rows[rows["condition"].isna()]
    return rows[rows["condition"] == condition]


def _in_order(rows: pd.DataFrame, column: str, names: Sequence[str]) -> dict[str, list[float]]:
    """Give values and intervals in the order of names; NaN where there are none."""
    named = rows.assign(**{column: [_text(name) for name in rows[column]]})
    return _with_interval(named.drop_duplicates(column).set_index(column).reindex(names))


def _floats(column: pd.Series) -> list[float]:
    return [float(value) for value in column.to_numpy(dtype=float, na_value=float("nan"))]


def _with_interval(rows: pd.DataFrame) -> dict[str, list[float]]:
    columns = {"value": "value", "low": "ci_low", "high": "ci_high"}
    return {name: _floats(rows[column]) for name, column in columns.items()}


def _text(condition: Any) -> str:
    import pandas as pd

    return "" if pd.isna(condition) else str(condition)
