"""Layer profiles: the table by hand, and pictures that hold what they should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import facebench.figures.drawing.profile
from facebench import PlotHelper
from facebench.errors import InputError
from facebench.figures.records.run_facts import RunFacts
from support.layer_values import table


class TestPlotHelper:
    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_controls_that_the_run_names_are_a_band(self, tmp_path, monkeypatch) -> None:
        drawn = []
        whole = facebench.figures.drawing.profile.profile_figure
        monkeypatch.setattr(
            "facebench.figures.drawing.profile.profile_figure",
            lambda charts, **options: drawn.append(charts) or whole(charts, **options),
        )
        frame = pd.concat([table([0.5, 0.7]), table([0.4, 0.5], "r 0"), table([0.3, 0.6], "r 1")])
        frame["B"] = frame["AUC"]
        RunFacts(controls={"r": ["r 0", "r 1", "not run"]}).note(frame)
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

    @pytest.mark.slow
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
