"""One figure of all that is known of a layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import PlotHelper
from facebench.errors import InputError
from facebench.figures.records.run_facts import RunFacts, people_facts

NAMES = ["net", "other"]


def effect(task: str, differences: list[float], layers: int = 1) -> pd.DataFrame:
    """Make an inversion effect of models by layers."""
    rows = [
        {
            "Task Name": task, "Model Name": model, "Layer Name": f"l{layer}",
            "upright AUC": 0.9, "upright AUC CI Low": 0.8, "upright AUC CI High": 0.95,
            "inverted AUC": 0.9 - differences[layer], "Difference": differences[layer],
            "Difference CI Low": differences[layer] - 0.1,
            "Difference CI High": differences[layer] + 0.2,
        }
        for model in NAMES
        for layer in range(layers)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    measures = {"Difference": {"headline": True, "chance": 0}, "upright AUC": {"chance": 0.5}}
    effects = {
        "conditions": {"upright": "upright AUC", "inverted": "inverted AUC"},
        "effects": ["Difference"],
    }
    people = pd.DataFrame(
        {"Model Name": ["People"], "upright AUC": 0.85, "Difference": 0.05,
         "Difference CI Low": 0.01, "Difference CI High": 0.09}
    )  # fmt: skip
    RunFacts(
        measures={task: measures}, effects={task: effects}, people={task: people_facts(people, [])}
    ).note(table)
    return table


def scores() -> pd.DataFrame:
    table = pd.DataFrame(
        {"Task Name": "LFW", "Model Name": NAMES, "Layer Name": "l0", "AUC": [0.97, np.nan]}
    )
    declared = {"AUC": {"headline": True, "better": "higher", "chance": 0.5}}
    RunFacts(measures={"LFW": declared}).note(table)
    return table


def test_a_panel_per_task_with_conditions_effects_and_people(tmp_path: Path) -> None:
    with PlotHelper.output() as drawn:
        PlotHelper.family_plot({"Inversion": effect("Inversion", [0.2]), "LFW": scores()},
                               tmp_path, "f")  # fmt: skip
    assert len(drawn.figures) == 2
    conditions, difference, verification = drawn.figures[0].axes
    assert conditions.get_title(loc="left") == "Inversion"
    assert [bar.get_height() for bar in conditions.patches] == pytest.approx([0.9, 0.7])
    assert [label.get_text() for label in conditions.get_xticklabels()] == ["upright", "inverted"]
    # The network, people, and zero; both intervals are on the axis.
    values = [float(line.get_ydata()[0]) for line in difference.lines]
    assert values == pytest.approx([0.2, 0.05, 0.0])
    low, high = difference.get_ylim()
    assert low < 0.01
    assert high > 0.4
    assert verification.get_title(loc="left") == "LFW"
    said = [text.get_text() for legend in drawn.figures[0].legends for text in legend.get_texts()]
    assert said == ["network", "People"]
    # What is not defined is said.
    assert "n/a" in [text.get_text() for text in drawn.figures[1].axes[-1].texts]


@pytest.mark.slow
def test_of_many_layers_those_that_tell_most_are_drawn_and_it_is_said(tmp_path: Path) -> None:
    tables = {
        "a": effect("a", [0.1, 0.5, 0.2, 0.0, 0.3], 5), "b": effect("b", [0.1, 0.4, 0, 0, -0.9], 5)
    }  # fmt: skip
    with PlotHelper.output() as drawn:
        PlotHelper.family_plot(tables, tmp_path, "f")
    titles = [figure.texts[0].get_text() for figure in drawn.figures]
    assert titles == [f"{name}: l{layer}" for name in NAMES for layer in (1, 3, 4)]
    assert "3 of 5 layers of net have such a figure; best or largest here: a." in (
        drawn.figures[0].texts[1].get_text().replace("\n", " ")
    )
    with PlotHelper.output() as drawn:
        PlotHelper.family_plot(tables, tmp_path, "f", layers={"other": ["l2"]})
    assert [figure.texts[0].get_text() for figure in drawn.figures] == ["other: l2"]


def test_rows_of_conditions_are_bars(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"Task Name": "c", "Model Name": "net", "Layer Name": "default",
         "Condition": ["same", "different"], "Mean Value": [0.2, 0.8]}
    )  # fmt: skip
    with PlotHelper.output("svg") as drawn:
        PlotHelper.family_plot({"c": table}, tmp_path, "f", measures={"c": "Mean Value"})
    assert [path.name for path in drawn.paths] == ["net_f.svg"]
    (axes,) = drawn.figures[0].axes
    assert [bar.get_height() for bar in axes.patches] == [0.2, 0.8]


@pytest.mark.parametrize(
    ("layers", "message"),
    [({"nett": ["l0"]}, "names the model 'nett'.*Did you mean 'net'"), ({"net": ["l9"]}, "'l9'")],
)
def test_models_and_layers_that_are_not_there(layers, message, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        PlotHelper.family_plot({"LFW": scores()}, tmp_path, "f", layers=layers)
