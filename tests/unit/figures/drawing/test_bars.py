"""Bars: every value, name and gap is shown, and none overlaps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from facebench import PlotHelper
from facebench.errors import InputError
from facebench.figures.drawing import style
from facebench.figures.records.run_facts import RunFacts, people_facts
from support.plotted import bars, conditions, lying, many, names, overlaps, table, written

# --- bars -------------------------------------------------------------------------------------


def test_labels_order_title_and_values() -> None:
    figure = bars(table([("z", "default", 0.25), ("a", "fc7", 0.5), ("a", "fc6", 0.125)]))
    assert names(figure) == ["z", "a: fc7", "a: fc6"]
    assert written(figure) == ["0.250", "0.500", "0.125"]
    axes = figure.axes[0]
    assert axes.get_title() == "Accuracy: LFW"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Model: layer", "Accuracy")
    assert [bar.get_height() for bar in axes.patches] == [0.25, 0.5, 0.125]
    colors = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colors[1] == colors[2] != colors[0]


def test_labels_of_default_layers_and_xlabel() -> None:
    assert bars(table([("z", "default", 0.2)])).axes[0].get_xlabel() == "Model"
    assert bars(table([("z", "default", 0.2)]), xlabel="Net").axes[0].get_xlabel() == "Net"
    assert bars(conditions(), x="Condition").axes[0].get_xlabel() == "Condition"


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4, 10, 40, 120])
def test_names_and_values_never_overlap(count: int) -> None:
    figure = bars(many(count))
    axes = figure.axes[0]
    assert len(names(figure)) == len(axes.patches) == count
    assert lying(figure) == (count >= 10)
    axis = axes.yaxis if lying(figure) else axes.xaxis
    assert overlaps(axis.get_ticklabels(), figure) == 0
    assert overlaps(axes.texts, figure) == 0
    places = [text.get_position()[lying(figure)] for text in axes.texts]
    assert all(a < b for a, b in pairwise(places))


def test_long_names_lie_and_break() -> None:
    figure = bars(table([("network-" * 12, "fc", 0.3), ("b", "default", 0.4)]))
    assert lying(figure)
    assert "".join(names(figure)[0].split("\n")).startswith("network-network")
    assert "\n" in names(figure)[0]
    assert overlaps(figure.axes[0].get_yticklabels(), figure) == 0
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.3, 0.4]


def test_zero_is_the_base_line() -> None:
    axes = bars(table([("a", "default", -0.5), ("b", "default", 0.25)])).axes[0]
    low, high = axes.get_ylim()
    assert low < -0.5 < 0.25 < high
    assert bars(table([("a", "default", 0.5)])).axes[0].get_ylim()[0] == 0
    assert bars(table([("a", "default", -0.5)])).axes[0].get_ylim()[1] == 0
    assert bars(table([("a", "default", 0.0)])).axes[0].get_ylim()[0] == 0
    assert written(bars(table([("a", "default", -0.5)]))) == ["\N{MINUS SIGN}0.500"]


@pytest.mark.slow
def test_given_limits_keep_values_inside() -> None:
    frame = table([("a", "default", 0.3), ("b", "default", 0.75), ("c", "default", 2.0)])
    axes = bars(frame, limits=(0.5, 1)).axes[0]
    assert axes.get_ylim() == (0.5, 1)
    assert [text.get_text() for text in axes.texts] == ["0.300", "0.750", "2.000"]
    assert all(0.5 <= text.get_position()[1] <= 1 for text in axes.texts)
    assert bars(frame, limits=(None, 1)).axes[0].get_ylim() == (0, 1)
    assert bars(frame, limits=(5, None)).axes[0].get_ylim()[0] == 5


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
def test_missing_values_are_marked_gaps(missing: Any) -> None:
    frame = table([("a", "x", 0.3), ("a", "y", 0.0), ("a", "z", np.inf)])
    frame["Accuracy"] = frame["Accuracy"].astype(object)
    frame.loc[1, "Accuracy"] = missing
    figure = bars(frame)
    assert written(figure) == ["0.300", "n/a", "inf"]
    assert names(figure) == ["a: x", "a: y", "a: z"]
    assert len(figure.axes[0].patches) == 1
    frame["Accuracy"] = missing
    assert written(bars(frame)) == ["n/a"] * 3


def test_repeated_rows_are_bars_of_their_own() -> None:
    figure = bars(conditions())
    assert names(figure)[:6] == ["vgg: a"] * 5 + ["vgg: b"]
    assert len(figure.axes[0].patches) == 20
    twice = bars(pd.concat([conditions()] * 2), x="Condition")
    assert len(twice.axes[0].patches) == 40


def test_conditions_group_bars_and_legend_names_them() -> None:
    figure = bars(conditions(), x="Condition")
    axes = figure.axes[0]
    assert names(figure) == ["upright", "inverted", "other race", "blurred", "masked"]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["vgg: a", "vgg: b", "dino: a", "dino: b"]
    assert len({to_hex(bar.get_facecolor()) for bar in axes.patches}) == 4
    edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches)
    assert all(left[1] <= right[0] for left, right in pairwise(edges))
    assert bars(many(4)).axes[0].get_legend() is None


def test_numeric_and_missing_conditions() -> None:
    frame = table([("a", "x", 0.1)] * 4, Condition=[0.1234567, 0.1234568, 2.0, np.nan])
    assert names(bars(frame, x="Condition")) == ["0.1234567", "0.1234568", "2", "n/a"]


def test_names_are_shown_as_written() -> None:
    frame = table([("_a $x_", "default", 0.1), ("b\x00\n", "$", 0.1)], Condition="_$^{")
    figure = bars(frame, x="Condition", xlabel="$^{", limits=(0, 1))
    figure.canvas.draw()
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["_a $x_", "b  : $"]
    assert names(figure) == ["_$^{"]


def with_intervals(**declared: Any) -> Any:
    frame = table([("a", "default", 0.8), ("b", "default", 0.7)])
    frame["Accuracy CI Low"], frame["Accuracy CI High"] = [0.6, np.nan], [0.9, np.nan]
    frame["Low"], frame["High"] = 0.95, 1.3
    people = pd.DataFrame(
        {"Model Name": ["People"], "Accuracy": 0.75, "Accuracy CI Low": 0.7,
         "Accuracy CI High": 0.8}
    )  # fmt: skip
    RunFacts(
        measures={"LFW": {"Accuracy": {"chance": 0.5, **declared}}},
        people={"LFW": people_facts(people, [])},
    ).note(frame)
    return frame


def test_intervals_chance_ceiling_and_people_are_drawn_and_on_the_axis() -> None:
    axes = bars(with_intervals(ceiling=["Low", "High"])).axes[0]
    segments = {tuple(map(tuple, part)) for c in axes.collections for part in c.get_segments()}
    assert {(low[1], high[1]) for low, high in segments} == {(0.6, 0.9)}
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said == [
        "chance: 0.500", "noise ceiling: 0.950–1.300", "People: 0.750 [0.700, 0.800]"
    ]  # fmt: skip
    assert axes.get_ylim()[1] > 1.3
    # The value stands beyond the interval.
    assert axes.texts[0].get_position()[1] > 0.9
    assert any("95 % intervals" in text.get_text() for text in axes.texts)


def test_values_to_mark_may_be_given() -> None:
    frame = with_intervals()
    with PlotHelper.output() as drawn:
        for given in ((0.6, "other tool"), [(0.6, "other tool"), (0.7, "people")], []):
            PlotHelper.bar_plot(frame, "Accuracy", "A", "A", "x", "y", title="", reference=given)
    said = [
        [text.get_text() for text in figure.axes[0].get_legend().get_texts()][:-1]
        for figure in drawn.figures
    ]
    assert said == [["other tool: 0.600"], ["other tool: 0.600", "people: 0.700"], []]
    assert drawn.figures[0].axes[0].get_title() == ""
    with pytest.raises(InputError, match=r"The 'reference' parameter of PlotHelper\.bar_plot"):
        PlotHelper.bar_plot(frame, "Accuracy", "A", "A", "x", "y", reference=0.5)  # type: ignore[arg-type]


def test_a_model_keeps_its_colour_whatever_else_is_drawn() -> None:
    whole = table([(name, "default", 0.5) for name in "abc"])
    RunFacts(layers={name: [] for name in "abc"}).note(whole)
    with PlotHelper.output() as drawn:
        PlotHelper.bar_plot(whole, "Accuracy", "A", "A", "x", "y")
        PlotHelper.bar_plot(whole[whole["Model Name"] != "a"], "Accuracy", "A", "A", "x", "y")
    first, second = ([bar.get_facecolor() for bar in f.axes[0].patches] for f in drawn.figures)
    assert first[1:] == second


def test_more_models_than_colors_differ_by_hatch() -> None:
    looks = style.model_colors(str(i) for i in range(20))
    assert len(set(looks.values())) == 20
