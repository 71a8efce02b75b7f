"""What a report tells of one task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from facebench.columns import NETWORK_LAYERS
from facebench.results.comparison.paired import (
    Evidence,
    detectable_difference,
    is_tested,
    tie_groups,
)
from facebench.results.headline import direction
from facebench.results.held_out import HeldOut
from facebench.results.pair_rows import PairRows, saved_layers
from facebench.results.power import known_to
from facebench.results.reader import Run
from facebench.results.report.chart_data import (
    curve_data,
    operating_points,
    slider_data,
)
from facebench.results.report.measure_data import (
    condition_data,
    effect_data,
    profile_data,
    training_data,
)
from facebench.results.report.pair_samples import (
    Named,
    disagreement_data,
    gallery_data,
    group_rates,
    scatter_data,
)
from facebench.results.report.people_words import people_sentences
from facebench.results.report.thumbnails import Thumbnails
from facebench.results.report.verdict_view import Example, examples_of, skipped_pairs
from facebench.results.task_facts import TaskFacts

__all__ = ["TaskSection", "task_section"]

# Layers that are named with a remark.
_SHOWN = 5


@dataclass(frozen=True)
class TaskSection:
    """A task in the report.

    Attributes
    ----------
    id, name : str
        Its id in the page, and the task's name.
    facts : TaskFacts
        What it is about.
    data : dict
        What its charts show.
    points : list
        Per drawn curve: model, layer, EER and FNMR at three rates.
    ties : dict
        Letters by measure and condition ('' for none), and model.
    notes : list of str
        What was left out of the charts, and what to keep in mind.
    which : str
        Which layer represents a model: its 'best' or 'last' one.
    people : list of str
        What people do beside the models, in sentences, and what is to be known of them.
    examples : list of Example
        Stimuli of each condition.
    is_compared : bool
        Whether a paired test compares two models by a headline measure.
    skipped : str
        How many pairs of each condition have no distance; empty where all have one.
    """

    id: str
    name: str
    facts: TaskFacts
    data: dict[str, Any]
    points: list[list[Any]] = field(default_factory=list)
    ties: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    which: str = "best"
    people: list[str] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    is_compared: bool = False
    skipped: str = ""


def task_section(
    run: Run,
    task: str,
    number: int,
    curves: int,
    thumbnails: Thumbnails,
    examples: Thumbnails,
    held_out: HeldOut | None = None,
) -> TaskSection:
    """Collect what the report tells of a task.

    Parameters
    ----------
    run : Run
        The run.
    task : str
        The task's name.
    number : int
        Its place.
    curves : int
        How many layers may have curves.
    thumbnails, examples : Thumbnails
        Where faces are collected, and those that show what the conditions are.
    held_out : HeldOut, optional
        What is compared in the place of the best layers, where it is known of all models.
    """
    facts = run.tasks[task]
    of_task = run.of_task(task)
    results, best, metrics = of_task.rows, of_task.best, of_task.headlines
    people = run.people[run.people["task"] == task]
    chosen = _chosen(results, metrics[0], best, curves)
    series = _series(run, task, chosen)
    which = "best" if direction(results[results["metric"] == metrics[0]]) else "last"
    heads = [named for named in series if best[named[0]] == named[1]]
    models = run.manifest["models"]
    layers = {name: one[NETWORK_LAYERS] for name, one in models.items() if NETWORK_LAYERS in one}
    verified = [named for named in series if named[2].labels is not None]
    data: dict[str, Any] = {
        "profiles": profile_data(results, facts, people, layers),
        "training": training_data(results, facts, models, people),
        "conditions": condition_data(results, task, facts, people),
        "effect": effect_data(results, task, facts, people),
        "scatter": scatter_data(heads, thumbnails),
        "galleries": [
            *gallery_data(heads, thumbnails),
            *disagreement_data(heads, thumbnails),
        ],
        "groups": group_rates(heads),
        "verification": [
            {
                "model": model,
                "layer": layer,
                "slider": slider_data(pairs),
                "curve": curve_data(pairs),
            }
            for model, layer, pairs in verified
        ],
    }
    known = known_to(of_task.headline)
    ties, detectable, is_compared = _ties(run, of_task.headline, heads, held_out)
    return TaskSection(
        id=f"task-{number}",
        name=task,
        facts=facts,
        data=data,
        points=[[model, layer, *operating_points(pairs)] for model, layer, pairs in verified],
        ties=ties,
        notes=[*([known] if known else []), *_notes(results, data, best, which), *detectable],
        which=which,
        people=[*people_sentences(results, people, facts, best), *_people_notes(facts)],
        examples=examples_of(heads[0][2] if heads else None, examples),
        is_compared=is_compared,
        skipped=skipped_pairs(heads),
    )


def _people_notes(facts: TaskFacts) -> list[str]:
    """Say who the people are, what they are compared by, and what was left out of them."""
    known = facts.people
    if not known:
        return []
    of = f" from {known['source']}" if known.get("source") else ""
    notes = [
        f"People are {known.get('participants')} participants with {known.get('trials')} "
        f"{known.get('kind')} trials{of}."
    ]
    index = facts.remarks.get("People Index")
    notes += [f"Compared by: {index}."] if index else []
    sentences = (note.rstrip(".") for note in known.get("notes", ()))
    return notes + [f"{note[:1].upper()}{note[1:]}." for note in sentences]


def _chosen(
    results: pd.DataFrame, metric: str, best: dict[str, str], curves: int
) -> list[tuple[str, str]]:
    """Choose the layers with curves: the best of each model, then the best of all others."""
    chosen = list(best.items())
    rows = results[(results["metric"] == metric) & results["condition"].isna()]
    if direction(rows):
        rows = rows.sort_values("value", ascending=direction(rows) < 0, kind="stable")
    others = dict.fromkeys(zip(rows["model"], rows["layer"], strict=True))
    chosen += [layer for layer in others if layer not in chosen]
    return chosen[: max(curves, len(best))]


def _series(run: Run, task: str, chosen: list[tuple[str, str]]) -> list[Named]:
    found: dict[tuple[str, str], PairRows] = {}
    like: PairRows | None = None
    for model in dict.fromkeys(model for model, _ in chosen):
        own = [layer for m, layer in chosen if m == model]
        layers = saved_layers(run, task, model, own, like)
        like = next(iter(layers.values()), like)
        found.update({(model, layer): pairs for layer, pairs in layers.items()})
    return [(*named, found[named]) for named in chosen if named in found]


def _ties(
    run: Run, rows: pd.DataFrame, heads: list[Named], held_out: HeldOut | None
) -> tuple[dict[tuple[str, str], dict[str, str]], list[str], bool]:
    """Group the best layers of all models, by measure and condition ('' for none).

    The notes say which differences of the first measure would be found; then whether any two best
    layers have a paired test.
    """
    ties = {}
    is_compared = False
    notes: list[str] = []
    pairs_of = {model: pairs for model, _, pairs in heads}
    choices = run.choices(rows["task"].iloc[0]) if len(rows) else {}
    named = rows.assign(condition=rows["condition"].fillna(""))
    for (metric, condition), own in named.groupby(["metric", "condition"], sort=False):
        ranked = own.sort_values("value", ascending=direction(own) < 0, kind="stable")
        evidence = {
            row.model: Evidence(
                metric,
                condition or None,
                row.value,
                pairs_of.get(row.model),
                run.left_out.get((row.task, row.model, row.layer)),
            )
            for row in ranked[ranked["value"].notna()].itertuples()
        }
        known = {} if held_out is None else held_out.replicates
        chosen = {model: known.get((metric, condition, model)) for model in evidence}
        replaced = {model: made for model, made in chosen.items() if made is not None}
        if len(replaced) < len(evidence):
            largest = {model: choices.get((model, metric, condition)) for model in evidence}
            ties[metric, condition] = {} if replaced else tie_groups(evidence, largest)
        else:
            sign = direction(own)
            order = sorted(replaced, key=lambda model: -sign * replaced[model].value)
            ties[metric, condition] = tie_groups({model: replaced[model] for model in order})
        is_compared = is_compared or is_tested(evidence.values())
        found = detectable_difference(evidence) if not notes else None
        if found is not None:
            what = f"{metric}, {condition}" if condition else metric
            notes.append(
                f"With these pairs, a true difference of about {found:.2g} in {what} between two "
                "models would be found in 80 % of studies (P < .05, before Holm's correction)."
            )
    return ties, notes, is_compared


def _remarks(results: pd.DataFrame) -> list[str]:
    """Say what is odd about the numbers, and in which layers."""
    told = results.dropna(subset=["remark"])
    notes = []
    for (model, text), rows in told.groupby(["model", "remark"], sort=False):
        layers = list(dict.fromkeys(rows["layer"]))
        shown = ", ".join(layers[:_SHOWN]) + (
            f" and {len(layers) - _SHOWN} more" * (len(layers) > _SHOWN)
        )
        notes.append(f"{model}, {shown}: {text}.")
    return notes


def _notes(
    results: pd.DataFrame, data: dict[str, Any], best: dict[str, str], which: str
) -> list[str]:
    notes = _remarks(results)
    n_layers = len(results[["model", "layer"]].drop_duplicates())
    several = n_layers > len(best)
    most = results.groupby("model")["layer"].nunique().max()
    if several and which == "last":
        notes.append(
            "Neither direction is better here, so no layer is the best: the last layer of each "
            "model represents it."
        )
    elif several:
        notes.append(
            f"The best layer of a model (of up to {most}) is chosen on the same pairs that it is "
            "judged on, which flatters it: the more so, the more layers and the fewer people there "
            "are. Its interval allows for this: at the worse end it holds for all layers at once. "
            "'facebench report --layer-choice held-out' chooses it on other people."
        )
    n_curves = len(data["verification"])
    if 0 < n_curves < n_layers:
        notes.append(
            f"Curves and histograms are of {n_curves} of {n_layers} layers: the best one of each "
            "model, then the best of the others. The profiles and results.csv have all."
        )
    scatter = data["scatter"]
    if scatter and len(scatter["given"]) < scatter["total"]:
        notes.append(
            f"Scatters show {len(scatter['given'])} of {scatter['total']} pairs, evenly spaced in "
            "the file; the numbers are of all."
        )
    return notes
