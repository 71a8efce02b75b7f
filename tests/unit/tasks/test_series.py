from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from facebench import PlotHelper
from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError, PairsError
from facebench.metrics.conditions import MEASURES
from facebench.people import Trials
from facebench.tasks.effect import EffectTask
from facebench.tasks.series import MEAN, SLOPE, THRESHOLD, SeriesTask

N_PEOPLE = 16
BLUR = [0, 2, 4, 6, 8, 10]


def table(levels: list[float] = BLUR) -> pd.DataFrame:
    """Give pairs of the same people at every level, two of each kind per person."""
    rows = []
    for level in levels:
        for p in range(N_PEOPLE):
            for k in range(2):
                other = (p + 1 + k) % N_PEOPLE
                first = f"l{level}/p{p:02d}/{k}.png"
                rows.append((first, f"l{level}/p{p:02d}/{k + 2}.png", 1, level, p, p))
                rows.append((first, f"l{level}/p{other:02d}/{k + 2}.png", 0, level, p, other))
    names = ["img1", "img2", "same", "level", "identity1", "identity2"]
    return pd.DataFrame(rows, columns=names).assign(distance=lambda t: t.index % 7)


def make(tmp_path: Path, levels: list[float] = BLUR, cls: Any = SeriesTask, **options: Any) -> Any:
    pairs = table(levels)
    path = tmp_path / "pairs.csv"
    pairs.to_csv(path, index=False)
    return cls("blur", path, tmp_path, **options)


def distances(task: Any, middle: float = 5.0, seed: int = 0) -> pd.DataFrame:
    """Give distances that tell people apart at levels below the middle."""
    pairs = pd.DataFrame(task.pairs_df)
    rng = np.random.default_rng(seed)
    told = 4 * expit((middle - pairs["level"].abs()) / (0.25 * middle))
    noise = rng.normal(size=len(pairs))
    return pairs.assign(model_computed_distance=noise - told * pairs["same"])


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_every_level_is_a_condition_of_an_effect(tmp_path: Path, measure: str) -> None:
    task = make(tmp_path, measure=measure, far=0.1)
    given = distances(task)
    found = task.compute_unrounded_performance(given).iloc[0]
    options: dict[str, Any] = {
        "measure": measure, "far": 0.1, "condition_column": "level", "contrast": ("0", "10"),
    }  # fmt: skip
    effect = make(tmp_path, cls=EffectTask, **options).compute_unrounded_performance(given).iloc[0]
    for name, value in effect.items():
        if isinstance(value, float):
            assert found[name] == pytest.approx(value, nan_ok=True), name
    levels = [found[f"{level} {task.measure_name}"] for level in BLUR]
    assert found[MEAN] == pytest.approx(np.mean(levels))
    assert found[f"{MEAN} CI Low"] < found[MEAN] < found[f"{MEAN} CI High"]
    assert (THRESHOLD in found) == (measure in ("auc", "accuracy", "tar"))


def test_the_threshold_is_where_people_are_no_longer_told_apart(tmp_path: Path) -> None:
    task = make(tmp_path)
    found = task.compute_unrounded_performance(distances(task)).iloc[0]
    # AUC is .75 where d' is .95, of 4 at best.
    middle = 5 - 1.25 * np.log(0.954 / (4 - 0.954))
    assert found[f"{THRESHOLD} CI Low"] < middle < found[f"{THRESHOLD} CI High"]
    assert found[f"{SLOPE} CI Low"] < found[SLOPE] < found[f"{SLOPE} CI High"] < 0
    assert found["Guess Rate"] == 0.5
    assert found["Explained by Function"] > 0.9


def test_levels_are_in_order_of_size_however_the_file_is_sorted(tmp_path: Path) -> None:
    task = make(tmp_path, levels=[10, 0, 4.5, -2])
    assert task.conditions == ["-2", "0", "4.5", "10"]
    assert task.facts().effect["4.5"] == "4.5 AUC"


def test_a_turn_by_180_degrees_is_one_level_from_either_side(tmp_path: Path) -> None:
    around = [-180, -120, -60, 0, 60, 120, 180]
    task = make(tmp_path, levels=around, period=360)
    assert task.conditions == ["-120", "-60", "0", "60", "120", "180"]
    given = distances(task, middle=90.0)
    found = task.compute_unrounded_performance(given).iloc[0]
    # The function is of the distance from upright.
    assert 60 < found[THRESHOLD] < 120
    # From the level nearest to 0 to the farthest.
    assert found["Difference"] == pytest.approx(found["0 AUC"] - found["180 AUC"])
    straight = make(tmp_path, levels=around)
    row = straight.compute_unrounded_performance(distances(straight, middle=90.0)).iloc[0]
    assert "explains" in row["Remark"]


def test_what_leaving_out_moves_is_given_for_comparisons(tmp_path: Path) -> None:
    task = make(tmp_path)
    given = distances(task)
    drawn = task.left_out(given).values
    found = task.compute_unrounded_performance(given).iloc[0]
    for name in (MEAN, THRESHOLD, SLOPE, "0 AUC", "Difference"):
        assert np.abs(drawn[None, name].mean() - found[name]) < 0.2 * abs(found[name])
    levels = np.stack([drawn[None, f"{level} AUC"] for level in BLUR])
    np.testing.assert_allclose(drawn[None, MEAN], levels.mean(axis=0))


@pytest.mark.slow
def test_a_series_that_never_falls_half_way_has_no_threshold(tmp_path: Path) -> None:
    task = make(tmp_path, guess=0.5)
    found = task.compute_unrounded_performance(distances(task, middle=40.0)).iloc[0]
    assert np.isnan(found[THRESHOLD])
    assert np.isnan(found[f"{THRESHOLD} CI Low"])
    assert "threshold" in found["Undefined"] or "psychometric" in found["Undefined"]


@pytest.mark.slow
def test_figures_have_a_row_per_level_and_a_file(tmp_path: Path) -> None:
    task = make(tmp_path)
    rows = [
        task.compute_task_performance(distances(task, middle, seed)).assign(**{LAYER: f"l{seed}"})
        for seed, middle in enumerate((3.0, 5.0, 7.0))
    ]
    results = pd.concat(rows, ignore_index=True).assign(**{TASK: "blur", MODEL: "net"})
    points = task.series_table(results)
    assert points.groupby(LAYER).size().tolist() == [6, 6, 6]
    assert points["Level"].iloc[:6].tolist() == BLUR
    assert points["AUC"].iloc[7] == results["2 AUC"].iloc[1]
    curves = task.functions_table(results)
    own = curves[curves[LAYER] == "l1"]
    half = (results["Guess Rate"].iloc[1] + 1 - results["Lapse Rate"].iloc[1]) / 2
    near = own.iloc[(own["AUC"] - half).abs().argmin()]
    assert near["Level"] == pytest.approx(results[THRESHOLD].iloc[1], abs=0.06)
    out = tmp_path / "out"
    task.plot(str(out), results)
    assert sorted(path.name for path in out.iterdir()) == [
        "blur_series.png",
        "blur_series_over_layers.png",
    ]


def people(pairs: pd.DataFrame, n: int = 10, middle: float = 6.0) -> Trials:
    """Simulate participants who answer every pair, right as a psychometric function has it."""
    rng = np.random.default_rng(5)
    p = 0.5 + 0.48 * expit((middle - pairs["level"]) / 1.2)
    tables = []
    for person in range(n):
        right = rng.random(len(pairs)) < p
        response = np.where(right, pairs["same"], 1 - pairs["same"])
        tables.append(pairs[["img1", "img2"]].assign(participant=f"P{person}", response=response))
    return Trials(pd.concat(tables, ignore_index=True), "same-different")


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["accuracy", "auc", "dprime"])
def test_people_have_a_series_of_their_own(tmp_path: Path, measure: str) -> None:
    task = make(tmp_path, measure=measure, people=people(table()))
    rows = task.people_rows()
    assert rows["people"].tolist() == ["People"]
    row = rows.iloc[0]
    levels = [row[f"{level} {task.measure_name}"] for level in BLUR]
    assert row[MEAN] == pytest.approx(np.mean(levels))
    beside = task.against_people(distances(task))
    assert "Difference from People" in beside
    if measure == "dprime":
        assert THRESHOLD not in row
        return
    assert row[f"{THRESHOLD} CI Low"] < 6 < row[f"{THRESHOLD} CI High"]
    name = f"{THRESHOLD} Difference from People"
    own = task.compute_unrounded_performance(distances(task)).iloc[0]
    assert beside[name] == pytest.approx(own[THRESHOLD] - row[THRESHOLD])
    widths = [table_[f"{THRESHOLD} CI High"] - table_[THRESHOLD] for table_ in (own, row)]
    assert beside[f"{name} CI High"] - beside[name] > max(widths) * 0.9


def test_participants_of_single_levels_have_a_series_together(tmp_path: Path) -> None:
    pairs = table()
    trials = people(pairs, 30)
    level = {image: image.split("/")[0] for image in pairs["img1"]}
    levels = sorted({*level.values()})
    who = trials.table["participant"].astype("category").cat.codes
    shown = trials.table["img1"].map(level)
    own = shown == np.array(levels)[who % len(levels)]
    task = make(tmp_path, measure="accuracy", people=Trials(trials.table[own], trials.kind))
    [row] = task.people_rows().to_dict("records")
    assert "between participants" in task.people_notes[0]
    means = [row[f"{name} Accuracy"] for name in task.conditions]
    assert row["Mean over Levels"] == pytest.approx(np.mean(means))
    assert row["Mean over Levels CI Low"] < row["Mean over Levels"]
    assert np.isfinite(row["Threshold Level CI Low"])


def test_people_are_drawn_beside_networks(tmp_path: Path) -> None:
    task = make(tmp_path, measure="accuracy", people=people(table()))
    found = task.compute_task_performance(distances(task))
    with PlotHelper.output("png") as drawn:
        task.plot(str(tmp_path), found.assign(**{TASK: "blur", MODEL: "net", LAYER: "default"}))
    assert (tmp_path / "blur_series.png").is_file()
    # People's function is a curve through their points, as the network's is.
    lines = drawn.figures[0].axes[0].lines
    curves = [line for line in lines if len(line.get_xdata()) > 3 * task.levels.size]
    points = [line for line in lines if line.get_marker() == "o" and line not in curves]
    assert len(curves) == len(points) == 2
    people_curve, own = curves[0], task.people_rows()
    x, y = people_curve.get_xdata(), people_curve.get_ydata()
    at = np.searchsorted(x, own[THRESHOLD][0])
    # The threshold is where the slope is given; levels on both sides of it are above and below.
    assert y[0] > y[at] > y[-1]
    slope = (y[at + 1] - y[at - 1]) / (x[at + 1] - x[at - 1])
    assert slope == pytest.approx(own[SLOPE][0], rel=0.1)


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"level_column": "blur"}, PairsError, "'blur'"),
        ({"level_column": "img1"}, PairsError, "must hold finite numbers"),
        ({"level_column": "same"}, PairsError, "three levels or more for a series. Got 0, 1"),
        ({"period": 0}, InputError, "'period' parameter of SeriesTask"),
        ({"guess": 1.5}, InputError, "a share from 0 to below 1, 'chance' or 'fit'"),
        ({"lapse": "none"}, InputError, "'lapse' parameter"),
        ({"shape": "weibull"}, InputError, "'logistic' or 'normal'"),
        ({"contrast": (0, 3)}, PairsError, "names the level 3, of which .* has no pairs"),
        ({"contrast": (0, 0)}, InputError, "two different levels"),
        ({"factors": ("a", "b")}, InputError, "use EffectTask"),
        ({"measure": "dprime", "criterion": 0.7}, InputError, "is fitted to proportions"),
    ],
)
def test_bad_input_is_one_clear_error(
    tmp_path: Path, options: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        make(tmp_path, **options)
