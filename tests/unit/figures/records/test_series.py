from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from facebench import PlotHelper
from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.drawing.series import SeriesAxes, SeriesLine, series_figure
from facebench.figures.records.run_facts import RunFacts, people_facts
from facebench.results.exports import draw_training
from facebench.results.report.measure_data import training_data
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure


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
    one_way = series_figure([line([0, 90, 180])], shared, title="t").axes[0]
    assert one_way.lines[0].get_xydata()[:, 0].tolist() == [0, 90, 180]


@pytest.mark.slow
def test_of_many_layers_some_are_shown_and_it_is_said(tmp_path: Path) -> None:
    written = PlotHelper.series_plot(points(2, 40), "Epoch", "AUC", tmp_path, "training")
    assert written[0].stat().st_size > 0


def training() -> pd.DataFrame:
    """Give results of four checkpoints of two series, one other model, and people."""
    names = ["a-1", "a-10", "b-1", "b-10", "other"]
    table = (
        points(1, 1, (0,)).drop(columns=[MODEL]).merge(pd.DataFrame({MODEL: names}), how="cross")
    )
    table["AUC"] = [0.6, 0.9, 0.5, 0.7, 0.1]
    people = people_facts(pd.DataFrame({MODEL: ["People"], "AUC": [0.8]}), ())
    series = {
        name: {"of": name[0], "x": float(name[2:]), "label": "Epoch", "log": True}
        for name in names[:4]
    }
    RunFacts(series=series, people={"t": people}).note(table)
    return table


def test_checkpoints_are_a_line_of_their_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict = {}

    def keep(performances, x, y, *_, **options):
        seen.update(table=performances, x=x, **options)
        return []

    monkeypatch.setattr("facebench.figures.records.series.SeriesPlots.series_plot", keep)
    PlotHelper.training_plot(training(), "AUC", tmp_path, "training")
    lines = seen["table"].groupby(MODEL)[["Epoch", "AUC"]].apply(lambda t: t.values.tolist())
    assert lines.to_dict() == {"a": [[1, 0.6], [10, 0.9]], "b": [[1, 0.5], [10, 0.7]]}
    assert (seen["x"], seen["log"]) == ("Epoch", True)
    assert seen["people"][["people", "Epoch", "AUC"]].to_numpy().tolist() == [
        ["People", 1.0, 0.8],
        ["People", 10.0, 0.8],
    ]


def test_without_checkpoints_there_is_no_figure(tmp_path: Path) -> None:
    assert PlotHelper.training_plot(points(), "AUC", tmp_path, "training") == []


def test_a_run_draws_headline_measures_with_chance_and_ceiling(tmp_path: Path) -> None:
    task = SimpleNamespace(measures=(Measure("AUC", headline=True, chance=0.5),))
    draw_training(tmp_path, "Task", task, training())
    assert (tmp_path / "Task Plots" / "t_training_AUC.png").is_file()


def test_a_page_has_the_same_lines() -> None:
    results = pd.DataFrame(
        {
            "model": ["a-1", "a-10", "other"],
            "layer": "fc",
            "condition": None,
            "metric": "AUC",
            "value": [0.6, 0.9, 0.1],
            "ci_low": np.nan,
            "ci_high": np.nan,
        }
    )
    point = {"of": "a", "label": "Epoch", "log": True}
    models = {"a-1": {"series": {**point, "x": 1}}, "a-10": {"series": {**point, "x": 10}}}
    facts = TaskFacts("T", measures=(Measure("AUC", headline=True, chance=0.5),))
    [chart] = training_data(results, facts, {**models, "other": {}})
    assert (chart["label"], chart["xlabel"], chart["log"]) == ("AUC", "Epoch", True)
    assert chart["levels"] == [{"kind": "chance", "name": "no effect", "value": 0.5}]
    [line_] = chart["lines"]
    assert (line_["model"], line_["x"], line_["value"]) == ("a", [1.0, 10.0], [0.6, 0.9])
    # The series has the colour of its first checkpoint.
    assert line_["first"] == "a-1"


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
