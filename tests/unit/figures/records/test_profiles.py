"""Layer profiles: the table by hand, and pictures that hold what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import facebench.figures.drawing.profile
from facebench import PlotHelper, layer_profile
from facebench.columns import LOWER_IS_BETTER
from facebench.errors import InputError
from facebench.figures.drawing.effects import Dot, effects_figure
from facebench.figures.drawing.layer_map import layer_map_figure
from facebench.figures.drawing.profile import Band, Chart, Profile, profile_figure
from facebench.figures.records.layer_choice import few_layers


def table(values, model: str = "net", task: str = "t", **columns) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Task Name": task,
            "Model Name": model,
            "Layer Name": [f"layer{i}" for i in range(len(values))],
            "AUC": values,
            **columns,
        }
    )


class TestTable:
    def test_depth_peak_and_interval(self) -> None:
        values = [0.5, 0.96, 1.0, 1.0]
        frame = table(values, **{"AUC CI Low": np.array(values) - 0.1})
        found = layer_profile(pd.concat([frame, table([0.7], "one")]), "AUC")
        assert found["depth"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
        assert found["is_peak"].tolist() == [False, False, True, False, True]
        assert found["reaches_95"].tolist() == [False, True, False, False, True]
        assert found["low"][:4].tolist() == pytest.approx([0.4, 0.86, 0.9, 0.9])
        assert found["high"].isna().all()
        assert found["excludes_zero"].tolist() == [True] * 4 + [False]

    def test_network_order(self) -> None:
        frame = table([0.5, 0.9]).assign(**{"Layer Name": ["late", "early"]})
        found = layer_profile(frame, "AUC", layers={"net": ["early", "middle", "late", "head"]})
        assert found["Layer Name"].tolist() == ["early", "late"]
        assert found["layer_index"].tolist() == [0, 2]
        assert found["depth"].tolist() == pytest.approx([0, 2 / 3])

    def test_a_container_is_where_its_last_leaf_is(self) -> None:
        names = ["conv1", "layer1", "layer1.0", "layer1.0.conv", "layer1.0.relu", "layer1.1",
                 "layer1.1.conv", "layer1.1.relu", "fc"]  # fmt: skip
        shown = ["conv1", "layer1", "layer1.0", "layer1.0.conv", "layer1.1.relu", "fc"]
        frame = table([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).assign(**{"Layer Name": shown})
        for layers in (names, [name for name in names if name in shown or "." in name[7:]]):
            found = layer_profile(frame, "AUC", layers={"net": layers}).set_index("Layer Name")
            assert found.index.tolist() == [
                "conv1", "layer1.0.conv", "layer1.0", "layer1.1.relu", "layer1", "fc",
            ]  # fmt: skip
            assert found["layer_index"].tolist() == [0, 1, 2, 4, 4, 5]
            assert found["depth"].tolist() == pytest.approx([0, 0.2, 0.4, 0.8, 0.8, 1])
            assert found["value"].tolist() == [0.1, 0.4, 0.3, 0.5, 0.2, 0.6]
        # Without the network's layers, the table's own are put in order.
        found = layer_profile(frame.drop(index=3), "AUC")
        assert found["Layer Name"].tolist() == [
            "conv1",
            "layer1.0",
            "layer1.1.relu",
            "layer1",
            "fc",
        ]
        assert found["depth"].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])

    def test_the_layers_that_a_run_knows(self) -> None:
        frame = pd.concat([table([0.5, 0.9]), table([0.7], "other")], ignore_index=True)
        frame.loc[2, "Layer Name"] = "default"
        names = ["layer0", "b", "layer1", "c", "d"]
        frame.attrs["layers"] = {"net": names, "other": names}
        assert layer_profile(frame, "AUC")["depth"].tolist() == [0, 0.5, 1]
        # What is said counts first; renamed layers are in the order of the table.
        said = layer_profile(frame, "AUC", layers={"net": names[:3]})
        assert said["depth"].tolist() == [0, 1, 1]
        renamed = frame.replace({"Layer Name": {"layer1": "second"}})
        assert layer_profile(renamed, "AUC")["depth"].tolist() == [0, 1, 1]

    def test_containers_alone_have_depth_of_their_ends(self) -> None:
        names = [f"blocks.{i}{part}" for i in range(4) for part in ("", ".attn", ".mlp")]
        frame = table([0.1, 0.4]).assign(**{"Layer Name": ["blocks.0", "blocks.3"]})
        found = layer_profile(frame, "AUC", layers={"net": ["blocks", *names, "head"]})
        assert found["depth"].tolist() == pytest.approx([1 / 8, 7 / 8])

    def test_smaller_is_better(self) -> None:
        found = layer_profile(table([0.9, 0.1, 0.5]), "AUC", larger_is_better=False)
        assert found["is_peak"].tolist() == found["reaches_95"].tolist() == [False, True, False]

    def test_the_tables_of_a_run_know_what_is_better_lower(self, tmp_path) -> None:
        frame = table([0.9, 0.1, 0.5])
        frame.attrs[LOWER_IS_BETTER] = ["AUC"]
        assert layer_profile(frame, "AUC")["is_peak"].tolist() == [False, True, False]
        assert layer_profile(frame, "AUC", larger_is_better=True)["is_peak"].tolist()[0]
        PlotHelper.plot_layer_profile(frame, "AUC", tmp_path, "p")

    def test_conditions(self) -> None:
        frame = pd.concat([table([0.1, 0.2]), table([0.3, 0.4])])
        frame["Condition"] = ["a", "a", "b", "b"]
        assert layer_profile(frame, "AUC", condition="b")["value"].tolist() == [0.3, 0.4]
        with pytest.raises(InputError, match=r"more than once\. Give the 'condition'"):
            layer_profile(frame, "AUC")
        with pytest.raises(InputError, match="must be one of 'a', 'b'"):
            layer_profile(frame, "AUC", condition="c")

    @given(st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=1, max_size=12))
    def test_the_peak_is_reached_no_later_than_it_is(self, values) -> None:
        found = layer_profile(table(values), "AUC")
        defined = found["value"].dropna()
        assert found["is_peak"].sum() == found["reaches_95"].sum() == (len(defined) > 0)
        if len(defined):
            peak = found.index[found["is_peak"]][0]
            first = found.index[found["reaches_95"]][0]
            assert first <= peak
            assert found["value"][peak] == defined.max()

    def test_bad_input(self) -> None:
        with pytest.raises(InputError, match="'measure' parameter"):
            layer_profile(table([1.0]), "auc")
        with pytest.raises(InputError, match="They lack 'layer1'"):
            layer_profile(table([1.0, 2.0]), "AUC", layers={"net": ["layer0"]})


def profile(values: list[float], model: str = "net", style: int = 0, peak: int = 1) -> Profile:
    numbers = np.array(values)
    names = [f"layer{i}" for i in range(numbers.size)]
    depth = np.linspace(0, 1, numbers.size)
    return Profile(
        model, f"{model}, {style}", names, depth, numbers, numbers - 1, numbers + 1, peak, 0, style
    )


class TestFigures:
    def test_one_network_over_its_layers(self) -> None:
        figure = profile_figure([Chart([profile([1, 2, 1.5])], "AUC")], title="t", zero=True)
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
        figure = profile_figure([Chart(curves, "AUC", bands=[band])], title="t")
        (axes,) = figure.axes
        assert axes.get_xlabel().startswith("Relative depth")
        assert len(axes.collections) == 3

    def test_an_effect_that_is_nowhere_above_zero_has_no_peak(self) -> None:
        below = profile([-3, -1, -2])
        for signed, marks in ((True, 0), (False, 2)):
            chart = Chart([replace(below, signed=signed)], "Difference")
            (axes,) = profile_figure([chart], title="t", zero=True).axes
            (name,) = (text.get_text() for text in axes.get_legend().get_texts())
            assert "highest −1.000 at layer1" in name.replace("\n", " ")
            assert ("none above 0" in name.replace("\n", " ")) is signed
            assert len([line for line in axes.lines if line.get_marker() == "D"]) == marks
        chart = Chart([replace(below, smallest=True, peak=0)], "EER")
        (axes,) = profile_figure([chart], title="t").axes
        assert "lowest −3.000" in axes.get_legend().get_texts()[0].get_text()

    def test_nothing_defined_is_said(self) -> None:
        nothing = replace(profile([np.nan, np.nan]), peak=None, reached=None)
        chart = Chart([nothing], "AUC", undefined="Not defined: too few pairs")
        (axes,) = profile_figure([chart], title="t", zero=True).axes
        assert [text.get_text() for text in axes.texts] == ["Not defined: too few pairs"]
        assert "n/a" in axes.get_legend().get_texts()[0].get_text()

    def test_panels_share_the_scale_of_one_measure(self) -> None:
        charts = [
            Chart([profile([0, 1]), profile([0, 1, 2], "other")], "a", "A"),
            Chart([profile([5, 9])], "a", "B"),
            Chart([profile([50, 90])], "b", "C"),
        ]
        first, second, third = profile_figure(charts, title="t").axes
        assert first.get_ylim() == second.get_ylim() != third.get_ylim()
        assert [axes.get_title(loc="left") for axes in (first, second, third)] == ["A", "B", "C"]
        blue, orange = (line.get_color() for line in first.lines if line.get_marker() != "D")
        assert second.lines[0].get_color() == blue != orange

    def test_controls_of_two_networks_are_told_apart(self) -> None:
        ends = np.array([0.0, 1.0])
        bands = [Band(name, ends, ends, ends + 1, ends + 2) for name in ("VGG", "ViT")]
        (axes,) = profile_figure([Chart([profile([1, 2])], "a", bands=bands)], title="t").axes
        means = [(line.get_color(), line.get_linestyle()) for line in axes.lines[:2]]
        assert means[0][0] != means[1][0]
        assert means[0][1] != means[1][1]

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


class TestFewLayers:
    def test_all_where_there_is_room(self) -> None:
        frame = table(range(5))
        shown, note = few_layers(frame, 5)
        assert shown is frame
        assert note == ""

    @given(
        st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 40),
        st.integers(0, 10_000),
    )  # fmt: skip
    def test_every_model_keeps_its_ends_and_largest(self, sizes, most, seed) -> None:
        rng = np.random.default_rng(seed)
        frame = pd.concat(
            [table(rng.normal(size=size), f"m{i}") for i, size in enumerate(sizes)]
        )  # index values repeat, as in tables put together
        frame = frame.reset_index(drop=True)
        shown, note = few_layers(frame, most, ["AUC"])
        assert shown.index.is_monotonic_increasing
        assert len(shown) <= max(most, 4 * len(sizes))
        assert (note != "") == (len(shown) < len(frame))
        for model, part in frame.groupby("Model Name"):
            own = shown[shown["Model Name"] == model]
            assert {part.index[-1], part["AUC"].abs().idxmax()} <= set(own.index)
            assert len(own) >= min(2, len(part))
        if len(sizes) == 1 and note:
            assert f"{len(shown)} of {len(frame)} layers of m0" in note


class TestPlotHelper:
    def test_files(self, tmp_path) -> None:
        frame = pd.concat([table([0.5, 0.7, 0.9]), table([0.4, 0.5], "random 0"),
                           table([0.4, 0.6], "random 1")])  # fmt: skip
        frame["other"] = -frame["AUC"]
        (written,) = PlotHelper.plot_layer_profile(
            frame, ["AUC", "other"], tmp_path, "p", controls={"r": ["random 0", "random 1"]}
        )
        mapped = PlotHelper.layer_heat_map({"t": frame}, "AUC", tmp_path, "map")
        dots = PlotHelper.effect_plot(frame, ["AUC"], ["other"], tmp_path, "effect")
        assert {path.name for path in (written, mapped, *dots)} == {
            "t_p.png", "map.png", "t_effect.png",
        }  # fmt: skip
        assert len(list(tmp_path.iterdir())) == 3
        for path in tmp_path.iterdir():
            assert np.asarray(Image.open(path)).std() > 5

    def test_all_effects_in_one_figure(self, tmp_path) -> None:
        frame = pd.concat([table([0.5, 0.7, 0.9]), table([0.4, -0.5, 0.1], task="u")])
        written = PlotHelper.plot_layer_profile(frame, "AUC", tmp_path, "all", together=True)
        assert written == [tmp_path / "all.png"]
        assert written[0].exists()

    @pytest.mark.parametrize(
        "draw",
        [
            PlotHelper.plot_layer_profile,
            lambda table, *further: PlotHelper.layer_heat_map({"t": table}, *further),
        ],
    )
    def test_a_misspelt_measure_of_many_columns(self, tmp_path, draw) -> None:
        frame = table([0.1, 0.2])
        for name in ("race", "orientation", "Interaction"):
            for measure in ("Difference", "Ratio", "Relative Difference"):
                for end in ("", " CI Low", " CI High"):
                    frame[f"{name} {measure}{end}"] = 0.1
        with pytest.raises(InputError, match="parameter of") as caught:
            draw(frame, "orientation Diference", tmp_path, "p")
        text = str(caught.value)
        assert text.endswith("Did you mean 'orientation Difference'?")
        assert text.count(",") < 8
        assert "CI Low" not in text
        with pytest.raises(InputError, match=r"race Difference, .*Interaction Difference, .*"):
            PlotHelper.plot_layer_profile(frame, "Difference", tmp_path, "p")

    def test_controls_that_the_run_names_are_a_band(self, tmp_path, monkeypatch) -> None:
        drawn = []
        whole = facebench.figures.drawing.profile.profile_figure
        monkeypatch.setattr(
            "facebench.figures.drawing.profile.profile_figure",
            lambda charts, **options: drawn.append(charts) or whole(charts, **options),
        )
        frame = pd.concat([table([0.5, 0.7]), table([0.4, 0.5], "r 0"), table([0.3, 0.6], "r 1")])
        frame["B"] = frame["AUC"]
        frame.attrs["controls"] = {"r": ["r 0", "r 1", "not run"]}
        PlotHelper.plot_layer_profile(frame, ["AUC", "B"], tmp_path, "p")
        PlotHelper.plot_layer_profile(frame, "AUC", tmp_path, "p", controls={})
        PlotHelper.plot_layer_profile(frame[frame["Model Name"] != "net"], "AUC", tmp_path, "p")
        first, second, third = drawn
        assert [chart.title for chart in first] == ["AUC", "B"]
        for chart in first:
            (band,) = chart.bands
            assert band.label == "r: mean and range of 2"
            assert band.low.tolist() == [0.3, 0.5]
            assert [curve.model for curve in chart.profiles] == ["net"]
        assert [len(chart.profiles) for chart in (*second, *third)] == [3, 2]

    def test_many_layers_make_no_tower(self, tmp_path) -> None:
        frame = pd.concat([table(np.linspace(0, 1, 120)), table([0.5, 0.1], "other")])
        frame = frame.reset_index(drop=True)
        (path,) = PlotHelper.effect_plot(frame, ["AUC"], ["AUC"], tmp_path, "e")
        with Image.open(path) as picture:
            assert max(picture.size) < 3500

    def test_refused(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"must name models of performances.*'nett'"):
            PlotHelper.plot_layer_profile(
                table([1.0]), "AUC", tmp_path, "p", controls={"r": ["nett"]}
            )
        with pytest.raises(InputError, match="names every model"):
            PlotHelper.plot_layer_profile(
                table([1.0]), "AUC", tmp_path, "p", controls={"r": ["net"]}
            )
        with pytest.raises(InputError, match="draws tasks of performances"):
            PlotHelper.layer_heat_map({"t": table([1.0])}, {"u": "AUC"}, tmp_path, "map")
