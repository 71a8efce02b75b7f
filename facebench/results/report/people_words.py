"""People beside networks, in sentences: the effect of each, and how far they are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from facebench.columns import comparable_name
from facebench.results.wording import Shown, named_layer, short

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.task_facts import TaskFacts

__all__ = ["people_sentences"]

_FROM = "Difference from "
_LEVEL = 0.05
_NOT_A_NUMBER = float("nan")


def people_sentences(
    results: pd.DataFrame, people: pd.DataFrame, facts: TaskFacts, best: Mapping[str, str]
) -> list[str]:
    """Say for each effect, or measure, what people do and how far each model is from them.

    Parameters
    ----------
    results : DataFrame
        Rows of one task of the tidy table, of networks.
    people : DataFrame
        Likewise of people.
    facts : TaskFacts
        What is known of the task.
    best : mapping of str to str
        The layer that represents each model.

    Returns
    -------
    list of str
        A sentence for each number that is compared: such as "Difference: People: .064 [.024, .103];
        dlib fc: .237 [.127, .333], larger than people's (difference .17 [.06, .28])".
    """
    if not len(people):
        return []
    groups = list(dict.fromkeys(people["model"]))
    metrics = list(dict.fromkeys(results["metric"]))
    found = []
    for index in dict.fromkeys(
        name.rpartition(_FROM)[0].strip()
        for name in metrics
        if any(name.endswith(f"{_FROM}{group}") for group in groups)
        and not name.startswith("Error Consistency")
        and "P of" not in name
    ):
        own = _own_name(index, facts)
        common = comparable_name(own) if comparable_name(own) in metrics else own
        said = [
            _of_people(people, group, index, common, groups[:place])
            for place, group in enumerate(groups)
        ]
        said += [
            _of_model(results, model, layer, index, common, groups, facts)
            for model, layer in best.items()
        ]
        found.append(f"{common}: {'; '.join(said)}.")
    consistent = [
        _consistency(results, people, model, layer, group)
        for group in groups
        for model, layer in best.items()
    ]
    return [*found, *(sentence for sentence in consistent if sentence)]


def _own_name(index: str, facts: TaskFacts) -> str:
    """Name the number that is compared: an effect of a task of conditions, else a measure."""
    return f"{index} Difference".strip() if facts.effect else index


def _value(rows: pd.DataFrame, model: str, layer: str, metric: str) -> Shown:
    own = rows[(rows["model"] == model) & (rows["layer"] == layer) & (rows["metric"] == metric)]
    if own.empty:
        return Shown(*[_NOT_A_NUMBER] * 3)
    numbers = own.iloc[0][["value", "ci_low", "ci_high"]].astype(float)
    return Shown(*numbers.tolist())


def _of_people(people: pd.DataFrame, group: str, index: str, metric: str, others: list[str]) -> str:
    said = _apart(people, group, "", index, others)
    return ", ".join([f"{group}: {_value(people, group, '', metric).shown()}", *said])


def _of_model(
    results: pd.DataFrame,
    model: str,
    layer: str,
    index: str,
    metric: str,
    groups: list[str],
    facts: TaskFacts,
) -> str:
    name = named_layer(model, layer)
    own = _value(results, model, layer, metric)
    if math.isnan(own.value):
        return f"{name}: not defined"
    if facts.effect and own.is_none:
        text = f"{name}: none found ({own.shown()})"
    else:
        text = f"{name}: {own.shown()}"
    said = _apart(results, model, layer, index, groups)
    return ", ".join([text, *said])


def _apart(rows: pd.DataFrame, model: str, layer: str, index: str, groups: list[str]) -> list[str]:
    """Say how far a layer, or a group of people, is from each group."""
    said = []
    of = f"{index} " * bool(index)
    for group in groups:
        apart = _value(rows, model, layer, f"{of}{_FROM}{group}")
        if math.isnan(apart.value):
            continue
        whose = "people's" if group == "People" else f"that of {group}"
        if not apart.has_interval:
            said.append(f"difference from {whose} without an interval ({apart.shown(2)})")
            continue
        if apart.is_none:
            how = f"not found to differ from {whose}"
        else:
            how = f"{'larger' if apart.value > 0 else 'smaller'} than {whose}"
        equivalence = _value(rows, model, layer, f"{of}Equivalence P to {group}").value
        margin = _value(rows, model, layer, f"{of}Equivalence Margin to {group}").value
        if equivalence < _LEVEL:
            how += f", and equivalent (within ±{short(margin, 2)})"
        said.append(f"{how} (difference {apart.shown(2)})")
    return said


def _consistency(
    results: pd.DataFrame, people: pd.DataFrame, model: str, layer: str, group: str
) -> str:
    """Say how consistent errors are with people's, and among people."""
    own = _value(results, model, layer, f"Error Consistency with {group}")
    among = _value(people, group, "", "Error Consistency")
    if math.isnan(own.value) or math.isnan(among.value):
        return ""
    name = named_layer(model, layer)
    who = "people" if group == "People" else group
    return (
        f"Error consistency (kappa) of {name} with {who}: {own.shown()}; among {who}: "
        f"{among.shown()}."
    )
