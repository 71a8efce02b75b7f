from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import PlotHelper
from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.drawing.series import SeriesAxes, SeriesLine, series_figure


def points(models: int = 2, layers: int = 1, x: tuple[float, ...] = (0, 1, 10)) -> pd.DataFrame:
    rows = [
        {TASK: "t", MODEL: f"m{m}", LAYER: f"l{k}", "Epoch": at, "AUC": 0.5 + 0.01 * at + 0.01 * k}
        for m in range(models)
        for k in range(layers)
        for at in x
    ]
    return pd.DataFrame(rows).assign(
        **{"AUC CI Low": lambda t: t["AUC"] - 0.02, "AUC CI High": lambda t: t["AUC"] + 0.02}
    )


def line(x: list[float], label: str = "net") -> SeriesLine:
    at = np.array(x)
    return SeriesLine(label, label, at, at / 100, at / 100, at / 100)


def test_a_file_per_task_with_people_and_references(tmp_path: Path) -> None:
    people = pd.DataFrame({"people": "People", "Epoch": [0, 10], "AUC": [0.7, 0.7]})
    written = PlotHelper.series_plot(
        points(), "Epoch", "AUC", tmp_path, "training", log=True, people=people,
        reference=[(0.5, "chance"), (0.9, "noise ceiling")],
    )  # fmt: skip
    assert [path.name for path in written] == ["t_training.png"]


def test_few_lines_share_axes_many_have_a_panel_per_model() -> None:
    shared = SeriesAxes("Epoch", "AUC")
    few = series_figure([line([0, 1], f"n{k}") for k in range(6)], shared, title="t")
    many = series_figure([line([0, 1], f"n{k}") for k in range(7)], shared, title="t")
    assert (len(few.axes), len(many.axes)) == (1, 7)
    assert len({axes.get_ylim() for axes in many.axes}) == 1


def test_an_epoch_of_0_stands_on_a_logarithmic_axis() -> None:
    scales = [
        series_figure([line(x)], SeriesAxes("Epoch", "AUC", log=True), title="t").axes[0]
        for x in ([0.0, 1, 10], [1.0, 10, 100])
    ]
    assert [axes.get_xscale() for axes in scales] == ["symlog", "log"]


def test_half_a_turn_is_drawn_at_both_ends() -> None:
    shared = SeriesAxes("Angle", "AUC", period=360)
    axes = series_figure([line([-90, 0, 90, 180])], shared, title="t").axes[0]
    drawn = axes.lines[0].get_xydata()
    assert drawn[0].tolist() == [-180, 1.8]
    assert drawn[-1].tolist() == [180, 1.8]


def test_of_many_layers_some_are_shown_and_it_is_said(tmp_path: Path) -> None:
    written = PlotHelper.series_plot(points(2, 40), "Epoch", "AUC", tmp_path, "training")
    assert written[0].stat().st_size > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"x": "Epochs"}, "'x' parameter of PlotHelper.series_plot.*Did you mean 'Epoch'"),
        ({"reference": 0.5}, "'reference' parameter"),
        ({"people": pd.DataFrame({"Epoch": [1]})}, "'people' parameter"),
    ],
)
def test_bad_input_is_told(tmp_path: Path, change: dict, told: str) -> None:
    given = {"x": "Epoch", "y": "AUC", **change}
    with pytest.raises(InputError, match=told):
        PlotHelper.series_plot(points(), output_dir=tmp_path, file_name="f", **given)
