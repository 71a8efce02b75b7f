"""Profiles, effects and maps of layers hold what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facebench.figures.drawing.effects import Dot, effects_figure
from facebench.figures.drawing.layer_map import layer_map_figure
from facebench.figures.drawing.people import Level
from facebench.figures.drawing.profile import (
    CONTEXT,
    Band,
    Profile,
    ProfilePanel,
    profile_figure,
    profile_pages,
)
from facebench.figures.palette import PALETTE


def profile(values: list[float], model: str = "net", style: int = 0, peak: int = 1) -> Profile:
    numbers = np.array(values)
    names = [f"layer{i}" for i in range(numbers.size)]
    depth = np.linspace(0, 1, numbers.size)
    return Profile(
        model, f"{model}, {style}", names, depth, numbers, numbers - 1, numbers + 1, peak, 0, style
    )


class TestFigures:
    def test_one_network_over_its_layers(self) -> None:
        figure = profile_figure([ProfilePanel([profile([1, 2, 1.5])], "AUC")], title="t", zero=True)
        (axes,) = figure.axes
        assert [label.get_text() for label in axes.get_xticklabels()] == [
            "layer0", "layer1", "layer2",
        ]  # fmt: skip
        marks = [line for line in axes.lines if line.get_marker() == "D"]
        assert [line.get_xydata().tolist() for line in marks] == [[[0, 1]], [[1, 2]]]
        assert "peak 2.000 at layer1, 95 % at layer0" in axes.get_legend().get_texts()[0].get_text()
        assert len(axes.collections) == 1

    def test_several_networks_over_relative_depth_with_controls(self) -> None:
        ends = np.array([0.0, 1.0])
        band = Band("untrained", ends, ends, ends + 1, ends + 2)
        curves = [profile([1, 2, 3]), profile([1, 2, 3, 4], "other")]
        figure = profile_figure([ProfilePanel(curves, "AUC", bands=[band])], title="t")
        (axes,) = figure.axes
        assert axes.get_xlabel().startswith("Relative depth")
        assert len(axes.collections) == 3

    def test_an_effect_that_is_nowhere_above_zero_has_no_peak(self) -> None:
        below = profile([-3, -1, -2])
        for signed, marks in ((True, 0), (False, 2)):
            chart = ProfilePanel([replace(below, signed=signed)], "Difference")
            (axes,) = profile_figure([chart], title="t", zero=True).axes
            (name,) = (text.get_text() for text in axes.get_legend().get_texts())
            assert "highest −1.000 at layer1" in name.replace("\n", " ")
            assert ("none above 0" in name.replace("\n", " ")) is signed
            assert len([line for line in axes.lines if line.get_marker() == "D"]) == marks
        chart = ProfilePanel([replace(below, smallest=True, peak=0)], "EER")
        (axes,) = profile_figure([chart], title="t").axes
        assert "lowest −3.000" in axes.get_legend().get_texts()[0].get_text()

    def test_nothing_defined_is_said(self) -> None:
        nothing = replace(profile([np.nan, np.nan]), peak=None, reached=None)
        chart = ProfilePanel([nothing], "AUC", undefined="Not defined: too few pairs")
        (axes,) = profile_figure([chart], title="t", zero=True).axes
        assert [text.get_text() for text in axes.texts] == ["Not defined: too few pairs"]
        assert "n/a" in axes.get_legend().get_texts()[0].get_text()

    def test_panels_share_the_scale_of_one_measure(self) -> None:
        charts = [
            ProfilePanel([profile([0, 1]), profile([0, 1, 2], "other")], "a", "A"),
            ProfilePanel([profile([5, 9])], "a", "B"),
            ProfilePanel([profile([50, 90])], "b", "C"),
        ]
        first, second, third = profile_figure(charts, title="t").axes
        assert first.get_ylim() == second.get_ylim() != third.get_ylim()
        assert [axes.get_title(loc="left") for axes in (first, second, third)] == ["A", "B", "C"]
        blue, orange = (line.get_color() for line in first.lines if line.get_marker() != "D")
        assert second.lines[0].get_color() == blue != orange

    def test_controls_of_two_networks_are_told_apart(self) -> None:
        ends = np.array([0.0, 1.0])
        bands = [Band(name, ends, ends, ends + 1, ends + 2) for name in ("VGG", "ViT")]
        (axes,) = profile_figure(
            [ProfilePanel([profile([1, 2])], "a", bands=bands)], title="t"
        ).axes
        means = [(line.get_color(), line.get_linestyle()) for line in axes.lines[:2]]
        assert means[0][0] != means[1][0]
        assert means[0][1] != means[1][1]

    @pytest.mark.slow
    def test_many_networks_have_a_panel_each_on_pages(self) -> None:
        curves = [profile([1, 2, 1.5], f"n{k}") for k in range(25)]
        pages = profile_pages(
            [ProfilePanel(curves, "AUC", levels=[Level("chance", 0.5, 0.5)])], title="t"
        )
        assert [len(page.axes) for page in pages] == [13, 12]
        panels = [axes for page in pages for axes in page.axes]
        assert [axes.get_title(loc="left") for axes in panels] == [f"n{k}" for k in range(25)]
        assert len({axes.get_ylim() for page in pages for axes in page.axes}) <= len(pages)
        said = pages[1].texts[-1].get_text()
        assert said == "Page 2 of 2. Across: chance: 0.500."
        # The others are in grey behind.
        assert sum(line.get_color() == CONTEXT for line in panels[0].lines) == 24

    def test_many_measures_go_on_pages(self) -> None:
        charts = [ProfilePanel([profile([1, 2, 1.5])], f"M{k}") for k in range(7)]
        assert [len(page.axes) for page in profile_pages(charts, title="t")] == [5, 2]

    def test_effects_have_the_colours_of_models(self) -> None:
        dots = [Dot(0.5, 0.4, 0.6)] * 3
        figure = effects_figure(
            ["a: x", "a: y", "b"], [("up", dots), ("down", dots)], [("Difference", dots)],
            title="t", value_label="AUC", models=["a", "a", "b"],
        )  # fmt: skip
        colors = [line.get_color() for line in figure.axes[1].lines if line.get_marker() == "o"]
        assert colors == list(PALETTE[:2])

    def test_effects(self) -> None:
        dots = [Dot(0.5, 0.4, 0.6), Dot(np.nan, np.nan, np.nan)]
        figure = effects_figure(
            ["a", "b"], [("up", dots), ("down", dots)], [("Difference", dots)],
            title="t", value_label="AUC",
        )  # fmt: skip
        left, right = figure.axes
        bars = [end for bar in left.collections for end in bar.get_segments()]
        assert [bar[:, 0].tolist() for bar in bars] == [[0.4, 0.6]] * 2
        assert [line.get_xdata().tolist() for line in left.lines if len(line.get_xdata()) == 1] == [
            [0.5], [0.5]
        ]  # fmt: skip
        assert right.get_xlabel() == "Difference"
        assert [text.get_text() for text in left.texts] == ["n/a"] * 2

    def test_map(self) -> None:
        values = np.array([[0.1, np.nan], [0.3, 5.0], [0.2, 5.0]])
        figure = layer_map_figure(values, ["m", "m", "n"], ["a", "b", "a"], ["x", "y"], "t")
        cells = [text for text in figure.axes[0].texts if text.get_text()[0] in "0123456789n"]
        bold = [text.get_text() for text in cells if text.get_fontweight() == "bold"]
        assert bold.count("0.300") == 1
        assert "n/a" in [text.get_text() for text in cells]

    def test_a_map_marks_the_lowest_value_where_lower_is_better(self) -> None:
        values = np.array([[0.1, 0.1], [0.3, 0.3]])
        figure = layer_map_figure(
            values, ["m", "m"], ["a", "b"], ["x", "y"], "t", lower=[True, False]
        )
        bold = [text for text in figure.axes[0].texts if text.get_fontweight() == "bold"]
        assert [text.get_text() for text in bold if text.get_text() != "m"] == ["0.100", "0.300"]

    def test_a_map_of_differences_tells_signs_apart(self) -> None:
        values = np.array([[-0.142, 0.5], [0.004, 0.6], [0.09, 0.9], [0.142, np.nan]])
        figure = layer_map_figure(values, ["m"] * 4, list("abcd"), ["x", "y"], "t", [True, False])
        cells, scale, other = figure.axes
        faces = [np.array(patch.get_facecolor()[:3]) for patch in cells.patches[:4]]
        red, _, blue = faces[0]
        assert red > blue
        assert (faces[1] > 0.9).all()
        for face in faces[2:]:
            assert face[2] > face[0]
        assert [text.get_text() for text in scale.texts] == ["−0.142", "0", "0.142"]
        assert [text.get_text() for text in other.texts] == ["0.500", "0.900"]
        # Without being told, values of both signs are enough.
        untold = layer_map_figure(values, ["m"] * 4, list("abcd"), ["x", "y"], "t")
        assert [text.get_text() for text in untold.axes[1].texts] == ["−0.142", "0", "0.142"]
