"""Layer profiles: any task's measure over the layers of a network, in network order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from facebench.columns import CONDITION, LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.records.layer_order import LayerDepths, layer_depths, places_in_network
from facebench.figures.records.run_facts import facts_of, is_lower_better
from facebench.figures.records.tables import check_column, check_table, interval_of
from facebench.utils.suggestions import did_you_mean

__all__ = ["REACHED", "layer_profile"]

# The share of the peak whose first layer is reported.
REACHED = 0.95


def layer_profile(
    performances: pd.DataFrame,
    measure: str,
    *,
    condition: str | None = None,
    layers: Mapping[str, Sequence[str]] | None = None,
    larger_is_better: bool | None = None,
) -> pd.DataFrame:
    """Follow a measure through the layers of every network.

    Parameters
    ----------
    performances : DataFrame
        Results of a task, such as ``manager.tasks_performance_dfs[task]``.
    measure : str
        A column of numbers.
    condition : str, optional
        Of tasks with a row per condition, whose row to take.
    layers : mapping of str to sequence of str, optional
        For each model, all its layers in network order, as ``model.get_layer_names()`` gives them.
        A layer's place counts the leaf layers up to it; one that holds others is where the last of
        them is. By default as the tables of a run know them; of other tables the order of rows, and
        depth in them, with a layer that holds others after them.
    larger_is_better : bool, optional
        Whether the peak is the largest value; else the smallest. By default as the task declares
        it, in the tables of a run; the largest in other tables, and where neither way is better.

    Returns
    -------
    DataFrame
        A row per layer: Task Name, Model Name, Layer Name, 'layer_index' (from 0), 'depth' (0 the
        first layer, 1 the last; 1 for a single one), 'value', 'low' and 'high' (the interval, NaN
        without one), 'excludes_zero' (whether the interval does: where an effect has appeared),
        'is_peak' (the first of equals), and 'reaches_95' (the first layer whose value is 95 % of
        the peak; of negative or smallest peaks, the first within 5 % of the range of the profile
        from it).

    Raises
    ------
    InputError
        If a column is missing, a layer occurs twice, or `layers` lacks one.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {
    ...         "Task Name": "t", "Model Name": "m", "Layer Name": ["a", "b", "c"],
    ...         "AUC": [0.5, 0.98, 1.0],
    ...     }
    ... )
    >>> found = layer_profile(table, "AUC")
    >>> found["depth"].tolist(), found["Layer Name"][found["reaches_95"]].tolist()
    ([0.0, 0.5, 1.0], ['b'])
    """
    where = "layer_profile"
    check_table(performances, where, (TASK, MODEL, LAYER))
    check_column(performances, where, "measure", measure)
    rows = _of_condition(performances, condition)
    if layers is None:
        layers = _known(rows)
    profiles = [
        _profile(
            part,
            measure,
            layers,
            not is_lower_better(part, measure) if larger_is_better is None else larger_is_better,
        )
        for _, part in rows.groupby([TASK, MODEL], sort=False)
    ]
    return pd.concat(profiles, ignore_index=True)


def _known(rows: pd.DataFrame) -> dict[str, Sequence[str]]:
    """Give the layers of the models of a run's table, where they hold those of its rows."""
    found: dict[str, Sequence[str]] = {}
    layers = facts_of(rows).layers
    for model, part in rows.groupby(MODEL, sort=False):
        known = layers.get(str(model))
        # What a network returns is not among its layers.
        if known is not None and set(part[LAYER].astype(str)) <= set(known):
            found[str(model)] = known
    return found


def _of_condition(performances: pd.DataFrame, condition: str | None) -> pd.DataFrame:
    if condition is None:
        return performances
    check_column(performances, "layer_profile", "condition", CONDITION)
    rows = performances[performances[CONDITION].astype(str) == condition]
    if rows.empty:
        known = list(dict.fromkeys(performances[CONDITION].astype(str)))
        msg = (
            f"The 'condition' parameter must be one of {', '.join(map(repr, known))}. "
            f"Got {condition!r} instead.{did_you_mean(condition, known)}"
        )
        raise InputError(msg)
    return rows


def _profile(
    rows: pd.DataFrame,
    measure: str,
    layers: Mapping[str, Sequence[str]] | None,
    larger_is_better: bool,
) -> pd.DataFrame:
    model, task = str(rows[MODEL].iloc[0]), str(rows[TASK].iloc[0])
    names = rows[LAYER].astype(str)
    if names.duplicated().any():
        twice = names[names.duplicated()].iloc[0]
        hint = " Give the 'condition' whose rows to take." if CONDITION in rows else ""
        msg = f"The results of {model!r} on {task!r} have layer {twice!r} more than once.{hint}"
        raise InputError(msg)
    placed = _placed(names.tolist(), model, layers)
    found = rows.iloc[placed.order]
    value, low, high = interval_of(found, measure, "performances")
    peak, reached = np.zeros(value.size, dtype=bool), np.zeros(value.size, dtype=bool)
    if not np.isnan(value).all():
        signed = value if larger_is_better else -value
        best = int(np.nanargmax(signed))
        peak[best] = True
        bar = REACHED * signed[best]
        if signed[best] <= 0:
            bar = signed[best] - (1 - REACHED) * (np.nanmax(signed) - np.nanmin(signed))
        reached[int(np.argmax(np.nan_to_num(signed, nan=-np.inf) >= bar))] = True
    return pd.DataFrame(
        {
            TASK: task,
            MODEL: model,
            LAYER: found[LAYER].astype(str).to_numpy(),
            "layer_index": placed.places,
            "depth": placed.depth,
            "value": value,
            "low": low,
            "high": high,
            "excludes_zero": (low > 0) | (high < 0),
            "is_peak": peak,
            "reaches_95": reached,
        }
    )


def _placed(
    names: list[str], model: str, layers: Mapping[str, Sequence[str]] | None
) -> LayerDepths:
    """Place layers in their network; those that it lacks are an error."""
    if layers is None or model not in layers:
        return layer_depths(names)
    known = [str(name) for name in layers[model]]
    places, _ = places_in_network(names, known)
    missing = [name for name, place in zip(names, places, strict=True) if place is None]
    if missing:
        msg = (
            f"The 'layers' of {model!r} must hold every layer of its results, in network order. "
            f"They lack {missing[0]!r}.{did_you_mean(missing[0], known)}"
        )
        raise InputError(msg)
    return layer_depths(names, known)
