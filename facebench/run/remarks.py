"""Remarks on a layer's numbers: far below chance, as with a wrong sign, or all the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from facebench.columns import LAYER, REMARK
from facebench.data.estimates import LayerEstimates, MeasureEstimate
from facebench.tasks.base import BaseTask
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure, declared_measures

__all__ = ["report_reversed", "with_remarks"]

_log = logging.getLogger(__name__)
_SHOWN = 5

# A 95 % interval of 1.96 standard errors, made this much wider, still has to lie below chance.
_WIDER = 3.5 / 1.96
# By how much at least: an AUC up to .4, correlations up to -.2.
_BELOW = {0.5: 0.1, 0.0: 0.2}
# Without an interval: hardly one genuine pair nearer than an impostor pair, among so many pairs.
_REVERSED_AUC, _ENOUGH_PAIRS = 0.05, 30
# Distances that differ by less are equal; of so few pairs they may be by chance.
_ROUNDING, _SOME_PAIRS = 1e-9, 3
_DISTANCE = "model_computed_distance"
# Mates among the farthest of the gallery: mean relative rank, its standard errors above one half,
# and people.
_FAR_MATES, _ERRORS, _ENOUGH_PEOPLE = 0.7, 4.0, 5


def with_remarks(
    task: Any,
    facts: TaskFacts,
    estimates: Mapping[str, LayerEstimates],
    items: pd.DataFrame,
    results: pd.DataFrame,
    *,
    given: bool = False,
) -> dict[str, LayerEstimates]:
    """Add to the estimates of each layer what is odd about them.

    Parameters
    ----------
    task : BaseTask or EmbeddingTask
        The task.
    facts : TaskFacts
        What it says of itself.
    estimates : mapping of str to LayerEstimates
        By layer.
    items : DataFrame
        Its pairs (or items), once per layer.
    results : DataFrame
        Its results, with Layer Name and, if it has remarks of its own, Remark.
    given : bool, default False
        Whether the distances were given as scores, not computed by the task's metric.
    """
    own = results[REMARK] if REMARK in results else pd.Series("", index=results.index)
    similarity = isinstance(task, BaseTask) and task.distance_metric.is_similarity and not given
    layers = dict(list(items.groupby("layer_name", sort=False))) if "rank" in items else {}
    equal = _equal_distances(items)
    found = {}
    for layer, known in estimates.items():
        texts = [str(text) for text in own[results[LAYER] == layer].dropna() if text]
        if layer in equal:
            texts.append(
                f"all distances are {equal[layer]:g}: "
                + ("one score for all pairs" if given else "it gives every image the same numbers")
            )
        if similarity:
            texts.append(task.distance_metric.similarity_note)
        elif is_reversed(task, facts, known) or _has_far_mates(layers.get(layer)):
            texts.append(_likely_cause(facts, given=given))
        found[layer] = replace(known, remark="; ".join(dict.fromkeys(texts)))
    return found


def _equal_distances(items: pd.DataFrame) -> dict[str, float]:
    """Find the layers whose distances are all the same, of three different pairs at least."""
    if not {_DISTANCE, "img1", "img2"} <= set(items):
        return {}
    of_layers = items.groupby("layer_name", sort=False)[_DISTANCE]
    low, high = of_layers.min(), of_layers.max()
    equal = (high - low) <= _ROUNDING * np.maximum(1, high.abs())
    found = {}
    for layer in equal.index[equal]:
        of_layer = items[(items["layer_name"] == layer) & items[_DISTANCE].notna()]
        pairs = of_layer.loc[of_layer["img1"] != of_layer["img2"], ["img1", "img2"]]
        if len(pairs.drop_duplicates()) >= _SOME_PAIRS:
            found[str(layer)] = float(high[layer])
    return found


def report_reversed(
    task_name: str, model_name: str, estimates: Mapping[str, LayerEstimates], told: pd.DataFrame
) -> None:
    """Warn once of the remarks on a model's layers that the task itself did not make.

    Parameters
    ----------
    task_name, model_name : str
        Which.
    estimates : mapping of str to LayerEstimates
        By layer, from `with_remarks`.
    told : DataFrame
        The task's results: their Remark was logged by the task.
    """
    said = set(told[REMARK].dropna()) if REMARK in told else set()
    layers: dict[str, list[str]] = {}
    for layer, known in estimates.items():
        if known.remark and known.remark not in said:
            layers.setdefault(known.remark, []).append(layer)
    for text, named in layers.items():
        shown = ", ".join(named[:_SHOWN]) + (", …" if len(named) > _SHOWN else "")
        _log.warning(
            "Task %r, model %r, in %d of %d layers (%s): %s",
            task_name, model_name, len(named), len(estimates), shown,
            text if text.endswith("?") else f"{text}.",
        )  # fmt: skip


def is_reversed(task: Any, facts: TaskFacts, known: LayerEstimates) -> bool:
    """Tell whether a measure lies so far below chance that the sign of something must be wrong.

    An AUC, or the correlation that stands for the task, is: its interval, made as wide as 3.5
    standard errors, ends below chance, and the value is .1 (a correlation .2) or more below it.
    """
    measures = {
        measure.name: measure for measure in declared_measures(task) if _has_a_sign(measure, facts)
    }
    return any(
        _is_below(estimate, float(measures[estimate.measure].chance or 0))
        for estimate in known.estimates
        if estimate.measure in measures
    )


def _has_a_sign(measure: Measure, facts: TaskFacts) -> bool:
    if measure.better != "higher" or not measure.headline:
        return False
    return (measure.chance == 0.5 and measure.bounds == (0, 1)) or (
        measure.chance == 0 and facts.correlation is not None
    )


def _is_below(estimate: MeasureEstimate, chance: float) -> bool:
    value, high = estimate.value, estimate.high
    if not value <= chance - _BELOW[chance]:
        return False
    if high is None or np.isnan(high):
        is_auc, n_pairs = chance == 0.5, estimate.n_pairs or 0
        return is_auc and value <= _REVERSED_AUC and n_pairs >= _ENOUGH_PAIRS
    return value + _WIDER * (high - value) < chance


def _has_far_mates(items: pd.DataFrame | None) -> bool:
    """Tell whether probes' own people are the farthest of the gallery."""
    if items is None or not {"templates", "identity"} <= set(items):
        return False
    known = items[items["rank"].notna() & (items["templates"] > 1)]
    relative = (known["rank"].astype(float) - 1) / (known["templates"].astype(float) - 1)
    of_person = relative.groupby(known["identity"].astype(str)).mean().to_numpy()
    if of_person.size < _ENOUGH_PEOPLE or of_person.mean() < _FAR_MATES:
        return False
    error = of_person.std(ddof=1) / np.sqrt(of_person.size)
    return bool(of_person.mean() - 0.5 > _ERRORS * error)


def _likely_cause(facts: TaskFacts, *, given: bool) -> str:
    if given:
        return (
            "far below chance: is the polarity of the scores the other one, or are the task's own "
            "labels or values the other way round?"
        )
    if facts.correlation is not None:
        return (
            "far below 0: are the given values similarities (larger means more alike), or is the "
            "metric one?"
        )
    if facts.label_column is not None:
        return (
            "far below chance: are the labels the other way round (1 must mean the same person), "
            "or is the metric a similarity?"
        )
    return "far below chance: are the labels wrong, or is the distance a similarity?"
