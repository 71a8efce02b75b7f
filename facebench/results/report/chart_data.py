"""What the charts of a task show, small enough for a page: counts, thinned curves, samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.columns import comparable_name, is_of_measure
from facebench.metrics.operating_points import eer, fnmr_at_fmr
from facebench.metrics.roc_curve import roc
from facebench.results.headline import best_layers
from facebench.tasks.measures import headlines, measures_for
from facebench.types import Float64Array, IntArray

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.pair_rows import PairRows
    from facebench.results.task_facts import TaskFacts

__all__ = [
    "condition_data",
    "curve_data",
    "effect_data",
    "operating_points",
    "profile_data",
    "slider_data",
    "training_data",
]

# Thresholds the slider stops at; a multiple of the bars of the histogram.
_STEPS, _BARS = 400, 50
_CURVE_POINTS = 80
_MOST_CONDITIONS = 40
_RATES = (0.1, 0.01, 0.001)


def slider_data(pairs: PairRows) -> dict[str, Any]:
    """Count accepted pairs at every stop of the slider, exactly.

    Parameters
    ----------
    pairs : PairRows
        Labelled pairs of one layer.

    Returns
    -------
    dict
        low, high: ends of the slider, in distance. genuine, impostor: pairs with a distance at
        most that of each stop. totals: pairs of each class, failed ones included. bars: stops per
        bar of the histogram.
    """
    labels, distances = _labelled(pairs)
    finite = distances[np.isfinite(distances)]
    low, high = float(finite.min()), float(finite.max())
    stops = np.linspace(low, high, _STEPS + 1)
    stops[-1] = high
    data: dict[str, Any] = {"low": low, "high": high, "bars": _STEPS // _BARS, "totals": []}
    for name, value in (("genuine", 1), ("impostor", 0)):
        own = distances[labels == value]
        # NaN is sorted last, above every stop: never accepted.
        data[name] = np.searchsorted(np.sort(own), stops, side="right")
        data["totals"].append(own.size)
    return data


def curve_data(pairs: PairRows) -> dict[str, Any]:
    """Thin the exact ROC to points that look the same on log axes.

    Parameters
    ----------
    pairs
        See `slider_data`.

    Returns
    -------
    dict
        false_matches, misses: counts of each point; totals: genuine and impostor pairs.
    """
    labels, distances = _labelled(pairs)
    curve = roc(labels, distances, higher_is_better=False)
    false_matches = curve.false_matches.astype(np.intp)
    misses = (curve.n_genuine - curve.true_matches).astype(np.intp)
    kept = _thinned(false_matches, misses)
    return {
        "false_matches": false_matches[kept],
        "misses": misses[kept],
        "totals": [curve.n_genuine, curve.n_impostor],
    }


def operating_points(pairs: PairRows) -> list[float | None]:
    """Give EER and FNMR at FMR 0.1, 0.01 and 0.001; None where pairs are too few.

    Parameters
    ----------
    pairs
        See `slider_data`.

    Returns
    -------
    list of float or None
    """
    labels, distances = _labelled(pairs)
    n_impostor = int((labels == 0).sum())
    found: list[float | None] = [float(eer(labels, distances, higher_is_better=False).rate)]
    for rate in _RATES:
        if rate * n_impostor < 1:
            found.append(None)
            continue
        found.append(float(fnmr_at_fmr(labels, distances, rate, higher_is_better=False).fnmr))
    return found


def profile_data(
    results: pd.DataFrame, facts: TaskFacts, people: pd.DataFrame | None = None
) -> list[dict[str, Any]]:
    """Give each measure over the layers, of models that have several.

    Parameters
    ----------
    results : DataFrame
        Rows of one task of the tidy table.
    facts : TaskFacts
        What is known of it.
    people : DataFrame, optional
        Likewise of people.

    Returns
    -------
    list of dict
        measure, condition, chance (None where unknown), people (name, value, low, high and whether
        it is published) and lines: model, layers, and arrays value, low, high.
    """
    layers = results.groupby("model")["layer"].nunique()
    deep = results[results["model"].isin(layers[layers > 1].index)]
    declared = measures_for(facts, list(dict.fromkeys(deep["metric"])))
    shown = [name for name, measure in declared.items() if measure.shown]
    if deep["condition"].nunique() > 1:
        shown = shown[:1]
    profiles = []
    for metric in shown:
        own = deep[deep["metric"] == metric]
        for condition, rows in own.groupby("condition", sort=False, dropna=False):
            lines = [
                {
                    "model": model,
                    "layers": line["layer"].tolist(),
                    **_with_interval(line),
                }
                for model, line in rows.groupby("model", sort=False)
            ]
            profiles.append(
                {
                    "measure": metric,
                    "condition": _text(condition),
                    "chance": declared[metric].chance,
                    "people": _people(metric, people, facts, list(declared)),
                    "lines": lines,
                }
            )
            if len(profiles) >= _MOST_CONDITIONS:
                return profiles
    return profiles


def _people(
    metric: str, people: pd.DataFrame | None, facts: TaskFacts, metrics: list[str]
) -> list[dict[str, Any]]:
    """Give what people do by a measure, where it means the same of them and networks."""
    found: list[dict[str, Any]] = []
    if people is not None and comparable_name(metric) not in metrics:
        own = people[people["metric"] == metric]
        for row in own.itertuples():
            numbers = {"value": row.value, "low": row.ci_low, "high": row.ci_high}
            found.append({"name": row.model, "published": False, **numbers})
    for reference in facts.references:
        if reference["value"] is not None and is_of_measure(str(reference["what"]), metric):
            numbers = {"value": reference["value"], "low": None, "high": None}
            found.append({"name": reference["source"], "published": True, **numbers})
    return found


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
        measure, condition, chance, people, label and log of the axis, and lines: model (the
        series), layer, and arrays x, value, low, high.
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
    found = []
    for metric in headlines(facts, list(declared)):
        rows = own[own["metric"] == metric]
        for condition, part in rows.groupby("condition", sort=False, dropna=False):
            lines = [
                {
                    "model": model,
                    "layer": layer,
                    "x": _floats(line["x"]),
                    **_with_interval(line),
                }
                for (model, layer), line in part.groupby(["of", "layer"], sort=False)
            ]
            found.append(
                {
                    "measure": metric,
                    "condition": _text(condition),
                    "chance": declared[metric].chance,
                    "people": _people(metric, people, facts, list(declared)),
                    "label": str(first.get("label") or "Checkpoint"),
                    # Zero has no place on a logarithmic axis of the page.
                    "log": bool(first.get("log")) and bool((own["x"] > 0).all()),
                    "lines": lines,
                }
            )
    return found[:_MOST_CONDITIONS]


def condition_data(results: pd.DataFrame, task: str, facts: TaskFacts) -> list[dict[str, Any]]:
    """Give each measure by condition, of the best layer of every model.

    Parameters
    ----------
    results : DataFrame
        Rows of one task of the tidy table.
    task : str
        The task.
    facts : TaskFacts
        What is known of it.

    Returns
    -------
    list of dict
        measure, conditions, chance (None where unknown) and series: model, layer, and arrays value,
        low, high. A task without conditions has one, named ''.
    """
    best = best_layers(results, task, facts)
    own = results[results["layer"].eq(results["model"].map(best))]
    declared = measures_for(facts, list(dict.fromkeys(own["metric"])))
    conditions = [_text(name) for name in own["condition"].unique()][:_MOST_CONDITIONS]
    found = []
    for metric in [name for name, measure in declared.items() if measure.shown]:
        series = []
        for model, layer in best.items():
            rows = own[(own["model"] == model) & (own["metric"] == metric)]
            by_name = rows.assign(condition=[_text(name) for name in rows["condition"]])
            by_name = by_name.drop_duplicates("condition").set_index("condition")
            by_name = by_name.reindex(conditions)
            series.append(
                {
                    "model": model,
                    "layer": layer,
                    **_with_interval(by_name),
                }
            )
        found.append(
            {
                "measure": metric,
                "conditions": conditions,
                "chance": declared[metric].chance,
                "series": series,
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
        measure, conditions and series as of `condition_data`; None of a task without an effect.
    """
    names = list(facts.effect.values())
    if len(names) < 2 or not set(names) <= set(results["metric"]):
        return None
    best = best_layers(results, task, facts)
    own = results[results["layer"].eq(results["model"].map(best))]
    lines = [(model, layer, own[own["model"] == model]) for model, layer in best.items()]
    # What is compared on another index has no common scale.
    if people is not None and not any("Comparable " in name for name in set(results["metric"])):
        groups = people.groupby("model", sort=False)
        lines += [(str(group), "default", rows) for group, rows in groups]
    series = []
    for model, layer, rows in lines:
        numbers = rows.drop_duplicates("metric").set_index("metric").reindex(names)
        series.append(
            {
                "model": model,
                "layer": layer,
                **_with_interval(numbers),
            }
        )
    first = next(iter(facts.effect))
    measure = names[0].removeprefix(first).strip()
    return {"measure": measure, "conditions": list(facts.effect), "series": series}


def _labelled(pairs: PairRows) -> tuple[Any, Float64Array]:
    labels = pairs.labels
    if labels is None:
        msg = "These pairs have no labels."
        raise ValueError(msg)
    return labels, pairs.distances


def _thinned(false_matches: IntArray, misses: IntArray) -> IntArray:
    """Choose points evenly spaced on the log axes of both rates, the ends included."""
    last = len(false_matches) - 1
    wanted = np.unique(
        np.round(np.geomspace(1, max(2, int(false_matches[-1])), _CURVE_POINTS)).astype(int)
    )
    by_false = np.searchsorted(false_matches, wanted, side="right") - 1
    wanted = np.unique(np.round(np.geomspace(1, max(2, int(misses[0])), _CURVE_POINTS)).astype(int))
    by_miss = np.searchsorted(-misses, -wanted, side="left")
    ends = np.array([0, np.searchsorted(false_matches, 0, side="right") - 1, last])
    return np.unique(np.clip(np.concatenate((by_false, by_miss, ends)), 0, last))


def _floats(column: pd.Series) -> list[float]:
    return [float(value) for value in column.to_numpy(dtype=float, na_value=float("nan"))]


def _with_interval(rows: pd.DataFrame) -> dict[str, list[float]]:
    columns = {"value": "value", "low": "ci_low", "high": "ci_high"}
    return {name: _floats(rows[column]) for name, column in columns.items()}


def _text(condition: Any) -> str:
    import pandas as pd

    return "" if pd.isna(condition) else str(condition)
