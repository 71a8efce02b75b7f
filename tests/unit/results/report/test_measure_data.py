"""Charts of measures: depth as in figures, and what a measure is to be seen against."""

import numpy as np
import pandas as pd
import pytest

from facebench import Measure
from facebench.figures.records.layer_table import layer_profile
from facebench.figures.records.run_facts import RunFacts
from facebench.results.report.measure_data import condition_data, effect_data, profile_data
from facebench.results.task_facts import TaskFacts

NETWORK = ["conv1", "layer1", "layer1.0", "layer1.1", "layer2", "layer2.0", "fc"]
CEILING = ("Ceiling Lower", "Ceiling Upper")
FACTS = TaskFacts(
    "T",
    measures=(
        Measure("r", better="higher", headline=True, chance=0, ceiling=CEILING, label="r (people)"),
        Measure("Threshold", shown=False),
        *(Measure(name, shown=False) for name in CEILING),
    ),
)


def rows(*cells):
    """Make rows of the tidy table from (model, layer, condition, metric, value)."""
    table = pd.DataFrame(cells, columns=["model", "layer", "condition", "metric", "value"])
    places = {layer: place for place, layer in enumerate(dict.fromkeys(table["layer"]))}
    return table.assign(
        task="t", layer_index=table["layer"].map(places), higher_is_better=True,
        ci_low=table["value"] - 0.1, ci_high=table["value"] + 0.1,
    )  # fmt: skip


def over_layers(model, layers, condition=None):
    return [
        (model, layer, condition, metric, value)
        for at, layer in enumerate(layers)
        for metric, value in (
            ("r", at / 10), ("Threshold", 9.0), ("Ceiling Lower", 0.7), ("Ceiling Upper", 0.8)
        )
    ]  # fmt: skip


def test_layers_are_where_figures_have_them():
    # In the order of a configuration, not of the network; the other network has one layer.
    layers = {"deep": ["fc", "layer1", "conv1", "layer2"], "flat": ["layer2"]}
    results = rows(*(cell for model, own in layers.items() for cell in over_layers(model, own)))
    [page] = profile_data(results, FACTS, None, {"deep": NETWORK, "flat": NETWORK})
    table = results[results["metric"] == "r"].rename(
        columns={"task": "Task Name", "model": "Model Name", "layer": "Layer Name", "value": "r"}
    )
    RunFacts(layers={"deep": NETWORK, "flat": NETWORK}).note(table)
    figure = layer_profile(table, "r")
    for line in page["lines"]:
        own = figure[figure["Model Name"] == line["model"]]
        assert line["layers"] == own["Layer Name"].tolist()
        assert line["depth"] == own["depth"].tolist()
        assert line["value"] == own["value"].tolist()
    assert [line["depth"] for line in page["lines"]] == [[0, 0.5, 0.75, 1], [0.75]]
    # Without the network's layers both count the layers that were measured.
    [page] = profile_data(results, FACTS)
    table.attrs.clear()
    figure = layer_profile(table, "r")
    assert [x for line in page["lines"] for x in line["depth"]] == figure["depth"].tolist()


def test_no_profile_of_networks_with_one_layer_each():
    results = rows(*over_layers("a", ["fc"]), *over_layers("b", ["fc"]))
    assert profile_data(results, FACTS) == []
    assert profile_data(results.iloc[:0], FACTS) == []


def test_every_chart_has_chance_ceiling_and_people():
    results = rows(*over_layers("a", ["x", "fc"]), *over_layers("b", ["fc"]))
    people = rows(("People", "", None, "r", 0.6), ("People", "", None, "Threshold", 1.0))
    references = [{"what": "r, of others", "value": 0.5, "source": "Ada 1999"}]
    facts = TaskFacts("T", measures=FACTS.measures, references=references)
    [profile] = profile_data(results, facts, people)
    [conditions] = condition_data(results, "t", facts, people)
    for chart in (profile, conditions):
        assert (chart["measure"], chart["label"]) == ("r", "r (people)")
        found = [
            tuple(one.get(key) for key in ("kind", "name", "value", "low", "high"))
            for one in chart["levels"]
        ]
        assert found == [
            ("chance", "chance", 0.0, None, None),
            ("ceiling", "noise ceiling", None, 0.7, 0.8),
            ("people", "People", 0.6, 0.5, 0.7),
            ("published", "Ada 1999", 0.5, None, None),
        ]


def test_levels_of_conditions_are_those_of_each():
    table = rows(
        ("a", "fc", "up", "r", 0.5), ("a", "fc", "down", "r", 0.4),
        ("a", "fc", "up", "Ceiling Lower", 0.7), ("a", "fc", "up", "Ceiling Upper", 0.7),
        ("a", "fc", "down", "Ceiling Lower", np.nan), ("a", "fc", "down", "Ceiling Upper", np.inf),
    )  # fmt: skip
    people = rows(("People", "", "down", "r", 0.9))
    [chart] = condition_data(table, "t", FACTS, people)
    assert chart["conditions"] == ["up", "down"]
    assert chart["series"][0]["value"] == [0.5, 0.4]
    found = {one["kind"]: one for one in chart["levels"]}
    assert found["chance"]["value"] == 0.0
    # One end, or two that agree, is a line; no ceiling where it is not a number.
    assert found["ceiling"]["value"] == [0.7, None]
    assert found["people"]["value"] == [None, 0.9]


@pytest.mark.parametrize("empty", [np.nan, np.inf])
def test_what_is_not_finite_is_drawn_nowhere(empty):
    results = rows(("a", "x", None, "r", empty), ("a", "fc", None, "r", empty))
    [chart] = profile_data(results, FACTS)
    assert [one["kind"] for one in chart["levels"]] == ["chance"]
    assert not np.isfinite(chart["lines"][0]["value"]).any()


def test_an_effect_says_its_measure_and_chance():
    measures = (
        Measure("Difference", headline=True, chance=0, label="AUC, up − down"),
        Measure("up AUC", better="higher", chance=0.5, label="AUC, up"),
        Measure("down AUC", better="higher", chance=0.5, label="AUC, down"),
    )
    facts = TaskFacts("T", measures=measures, effect={"up": "up AUC", "down": "down AUC"})
    cells = [("Difference", 0.2), ("up AUC", 0.9), ("down AUC", 0.7)]
    results = rows(*(("a", "fc", None, *cell) for cell in cells))
    people = rows(*(("People", "", None, *cell) for cell in cells))
    chart = effect_data(results, "t", facts, people)
    assert (chart["label"], chart["conditions"]) == ("AUC", ["up", "down"])
    assert chart["levels"] == [{"kind": "chance", "name": "chance", "value": 0.5}]
    assert [(one["model"], one["people"]) for one in chart["series"]] == [
        ("a", False), ("People", True),
    ]  # fmt: skip
    labels = [one["label"] for one in condition_data(results, "t", facts)]
    assert labels == ["AUC, up − down", "AUC, up", "AUC, down"]
