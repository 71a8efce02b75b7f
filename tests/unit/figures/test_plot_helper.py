"""What is drawn, where it is written, and that nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from facebench.errors import InputError
from facebench.figures.drawing import scatter, style
from facebench.figures.plot_helper import PlotHelper, _bar_figure, _scatter_figure
from facebench.utils.files import safe_name

pytestmark = pytest.mark.filterwarnings("error")

LAYERS = [f"features.{i}" for i in range(60)]


def table(rows: list[tuple[str, str, float]], task: str = "LFW", **columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["Model Name", "Layer Name", "Accuracy"])
    return frame.assign(**{"Task Name": task, **columns})


def many(count: int, models: tuple[str, ...] = ("vgg16-trained", "vgg16-untrained")) -> Any:
    layers = LAYERS[: -(-count // len(models))]
    names = [(model, layer) for model in models for layer in layers][:count]
    values = np.random.default_rng(0).uniform(0, 1, count)
    return table([(*name, value) for name, value in zip(names, values, strict=True)])


def conditions() -> pd.DataFrame:
    rows = [
        {"Task Name": "inv", "Model Name": m, "Layer Name": layer, "Condition": c, "Accuracy": 0.5}
        for m in ("vgg", "dino")
        for layer in ("a", "b")
        for c in ("upright", "inverted", "other race", "blurred", "masked")
    ]
    return pd.DataFrame(rows)


def scores(layers: list[str], task: str = "human", **columns: Any) -> pd.DataFrame:
    return table(
        [("vgg", layer, 0.0) for layer in layers], task, **{"Correlation Score": 0.4312, **columns}
    )


def distances(layers: list[str], count: int = 30, task: str = "human") -> Any:
    random = np.random.default_rng(1)
    given = random.uniform(1, 7, (len(layers), count)).ravel()
    frame = pd.DataFrame(
        {
            "layer_name": np.repeat(layers, count),
            "distance": given,
            "model_computed_distance": 0.1 * given + random.normal(0, 0.1, given.size),
        }
    )
    return {"vgg": {task: frame}}


def bars(frame: pd.DataFrame, **options: Any) -> Any:
    return _bar_figure(frame, "Accuracy", "Accuracy", "Accuracy: LFW", **options)


def names(figure: Any) -> list[str]:
    axis = figure.axes[0].yaxis if lying(figure) else figure.axes[0].xaxis
    return [label.get_text() for label in axis.get_ticklabels()]


def lying(figure: Any) -> bool:
    return bool(figure.axes[0].yaxis_inverted())


def written(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def overlaps(texts: Any, figure: Any) -> int:
    boxes = [text.get_window_extent(figure.canvas.get_renderer()) for text in texts]
    return sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


# --- files ------------------------------------------------------------------------------------


def test_one_png_per_task_with_safe_names(tmp_path: Path) -> None:
    tasks = ["LFW", "a/b: $x_1$ <é>"]
    frame = pd.concat([table([("vgg", "default", 0.9)], task) for task in tasks])
    folder = tmp_path / "new" / "folder"
    paths = PlotHelper.bar_plot(frame, "Accuracy", "Accuracy", "Score", folder, "accuracy")
    expected = [f"{safe_name(task)}_accuracy.png" for task in tasks]
    assert expected[0] == "LFW_accuracy.png"
    assert [path.name for path in paths] == expected
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
    assert imread(paths[0]).shape[0] > 300


def test_documented_keywords_and_custom_metric(tmp_path: Path) -> None:
    PlotHelper.bar_plot(
        performances=table([("vgg", "default", 0.9)]).rename(columns={"Accuracy": "Custom Metric"}),
        y="Custom Metric",
        ylabel="Custom",
        title_prefix="Mine",
        output_dir=str(tmp_path),
        file_name="custom",
    )
    PlotHelper.scatter_plot(
        performances=scores(["a"]),
        distances=distances(["a"]),
        output_dir=str(tmp_path),
        file_name="scatter",
    )
    assert {p.name for p in tmp_path.iterdir()} == {"LFW_custom.png", "human_scatter.png"}


def test_nothing_is_clipped_from_the_picture(tmp_path: Path) -> None:
    long = "network-" * 15
    path = PlotHelper.bar_plot(
        table([(long, "default", 0.9), (long, "x", -0.2)]), "Accuracy", long, long, tmp_path, "long"
    )[0]
    picture = imread(path)[..., :3]
    edges = (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:])
    assert all(edge.min() == 1 for edge in edges)
    assert picture.min() < 0.5


def test_very_tall_pictures_lose_resolution_not_bars(tmp_path: Path) -> None:
    figure = style.house_figure(2, 1000)
    style.write_figure(figure, tmp_path / "tall.png")
    assert imread(tmp_path / "tall.png").shape[0] < 2**15


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


def test_more_models_than_colors_differ_by_hatch() -> None:
    looks = style.model_colors(str(i) for i in range(20))
    assert len(set(looks.values())) == 20


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (0.5, 1, "0.500"),
        (-0.0001, 1, "0.000"),
        (-3, 5, "\N{MINUS SIGN}3.000"),
        (150, 200, "150.0"),
        (0.00123, 0.002, "0.00123"),
        (np.nan, 1, "n/a"),
    ],
)
def test_number_text(value: float, scale: float, text: str) -> None:
    assert style.number_text(value, scale) == text


# --- scatter ----------------------------------------------------------------------------------


def test_a_panel_per_layer_in_order() -> None:
    layers = ["z", "default", "a"]
    figure = _scatter_figure(scores(layers), distances(layers), "human")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["vgg: z", "vgg", "vgg: a"]
    assert figure.axes[0].get_xlabel() == "Given distance"
    assert figure.axes[0].get_ylabel() == "Model distance"
    assert [axes.texts[0].get_text().split("  ")[0] for axes in figure.axes] == ["score 0.431"] * 3
    named = scores(layers, **{"Correlation Metric": "Spearman"})
    figure = _scatter_figure(named, distances(layers), "human")
    assert figure.axes[0].texts[0].get_text() == "Spearman 0.431  ·  30 pairs"


def test_fitted_line_is_least_squares() -> None:
    random = np.random.default_rng(3)
    x = random.uniform(1000, 1007, 200)
    y = 0.3 * x + random.normal(0, 1, 200)
    line = scatter.fitted_line(x, y)
    assert line is not None
    slope, intercept = np.polyfit(x - 1000, y, 1)
    np.testing.assert_allclose(line.y, slope * (line.x - 1000) + intercept, rtol=1e-9)
    assert (line.x[0], line.x[-1]) == (x.min(), x.max())
    figure = _scatter_figure(scores(["a"]), distances(["a"]), "human")
    points, drawn = figure.axes[0].lines
    fit = np.polyfit(points.get_xdata(), points.get_ydata(), 1)
    np.testing.assert_allclose(drawn.get_ydata(), np.polyval(fit, drawn.get_xdata()), rtol=1e-9)


def test_band_covers_the_true_line_as_often_as_it_says() -> None:
    random = np.random.default_rng(4)
    x = np.linspace(0, 1, 12)
    hits = 0
    for _ in range(2000):
        line = scatter.fitted_line(x, 2 * x + random.normal(size=12), steps=2)
        assert line is not None
        hits += abs(line.y[0]) <= line.margin[0]
    # 0.95 within four standard errors of 2000 trials.
    assert abs(hits / 2000 - 0.95) < 0.02


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("model_computed_distance", [1.0] * 30, "no line: all model\ndistances are equal"),
        ("distance", [0.1 + 0.2, 0.3] * 15, "no line: all given\ndistances are equal"),
        ("distance", [np.nan] * 30, "no line: no complete pairs"),
        ("distance", [1.0] + [np.inf] * 29, "no line: only one complete\npair"),
    ],
)
def test_panels_without_a_line_say_why(column: str, values: list[float], reason: str) -> None:
    given = distances(["a"])
    given["vgg"]["human"][column] = values
    figure = _scatter_figure(scores(["a"], **{"Correlation Score": np.nan}), given, "human")
    axes = figure.axes[0]
    figure.canvas.draw()
    assert reason in [text.get_text() for text in axes.texts]
    assert "score n/a" in axes.texts[-1].get_text()
    assert len(axes.lines) == 1


def test_incomplete_pairs_are_counted() -> None:
    given = distances(["a"])
    given["vgg"]["human"].loc[:6, "distance"] = np.nan
    figure = _scatter_figure(scores(["a"]), given, "human")
    assert "23 of 30 pairs" in figure.axes[0].texts[-1].get_text()
    assert len(figure.axes[0].lines) == 2


def test_forty_panels_do_not_touch(tmp_path: Path) -> None:
    layers = [f"a-block-of-some-depth-{'x' * (i % 3) * 9}.{i}" for i in range(40)]
    figure = _scatter_figure(scores(layers), distances(layers, 300), "human")
    assert len(figure.axes) == 40
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    style.write_figure(figure, tmp_path / "forty.png")


# --- leaving no trace -------------------------------------------------------------------------


def test_pyplot_and_settings_are_untouched(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    PlotHelper.bar_plot(conditions(), "Accuracy", "A", "A", tmp_path, "b", x="Condition")
    PlotHelper.scatter_plot(scores(["a"]), distances(["a"]), tmp_path, "s")
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_callers_style_does_not_change_the_picture(tmp_path: Path) -> None:
    def draw(folder: str) -> list[bytes]:
        args = (scores(["a", "b"]), distances(["a", "b"]), tmp_path / folder, "s")
        more = PlotHelper.bar_plot(
            conditions(), "Accuracy", "A", "A", tmp_path / folder, "b", "Condition"
        )
        return [path.read_bytes() for path in PlotHelper.scatter_plot(*args) + more]

    plain = draw("plain")
    for theirs in ("dark_background", "ggplot", "fivethirtyeight"):
        with plt.style.context(theirs):
            assert draw(theirs) == plain


def test_threads_draw_what_one_draws(tmp_path: Path) -> None:
    def draw(folder: str) -> bytes:
        args = ("Accuracy", "A", "A", tmp_path / folder, "b")
        return PlotHelper.bar_plot(many(12), *args)[0].read_bytes()

    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(draw, "abcdefgh"))
    assert set(pictures) == {draw("alone")}


def test_import_is_light() -> None:
    code = (
        "import sys, facebench.figures.plot_helper; "
        "print([m for m in ('matplotlib', 'seaborn', 'pandas', 'scipy') if m in sys.modules])"
    )
    root = Path(style.__file__).parents[3]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": "truth"}, r"The 'y' parameter of PlotHelper.bar_plot must be a column .* 'truth'"),
        ({"x": "Cond"}, r"The 'x' parameter of PlotHelper.bar_plot .* Got 'Cond' instead"),
        ({"performances": many(2)[:0]}, "empty table"),
        ({"performances": many(2).drop(columns="Task Name")}, "It lacks Task Name"),
        ({"performances": many(2).assign(**{"Task Name": None})}, "must name a task"),
        ({"performances": [1, 2]}, "must be a pandas DataFrame. Got list"),
        ({"performances": many(2).assign(Accuracy="good")}, "must hold numbers"),
        ({"ylim": (1, 0)}, "the lower first"),
        ({"ylim": (0, np.nan)}, "two numbers"),
        ({"ylim": 3}, "two numbers"),
    ],
)
def test_bar_plot_errors(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"performances": many(2), "y": "Accuracy", "ylabel": "A"}
    given |= {"title_prefix": "A", "output_dir": tmp_path, "file_name": "b"} | changes
    with pytest.raises(InputError, match=message):
        PlotHelper.bar_plot(**given)
    assert list(tmp_path.iterdir()) == []


def without(column: str) -> Any:
    return {"vgg": {"human": distances(["a"])["vgg"]["human"].drop(columns=column)}}


@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        (scores(["a"]), {}, r"Got none at distances\['vgg'\]\['human'\]"),
        (scores(["a"]), {"vgg": {"other": None}}, "must hold a table for every model and task"),
        (scores(["a"]), without("distance"), "It lacks distance"),
        (scores(["b"]), distances(["a"]), r"it has: a\). Got 'b' instead"),
        (scores(["a"]).drop(columns="Correlation Score"), {}, "It lacks Correlation Score"),
        (scores(["a"])[:0], {}, "empty table"),
    ],
)
def test_scatter_plot_errors(tmp_path: Path, frame: Any, given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PlotHelper.scatter_plot(frame, given, tmp_path, "s")
    assert list(tmp_path.iterdir()) == []


def test_no_warnings_at_all(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = table([("a", "default", np.nan), ("b", "default", -1e9)])
        PlotHelper.bar_plot(frame, "Accuracy", "A", "A", tmp_path, "b")


def test_pictures_may_be_sized_and_named(tmp_path: Path) -> None:
    frame, given = scores(["a", "b"]), distances(["a", "b"])
    figures = [
        PlotHelper.scatter_plot(
            frame, given, tmp_path, name, title_prefix="People and net", xlabel="Rated",
            ylabel="Computed", figsize=size,
        )
        for name, size in (("small", (4, 3)), ("large", (8, 6)))
    ]  # fmt: skip
    small, large = (imread(path[0]).shape for path in figures)
    assert large[0] > 1.5 * small[0]
    assert large[1] > 1.5 * small[1]
    figure = _scatter_figure(frame, given, "People and net: human", ("Rated", "Computed"))
    assert "People and net: human" in [text.get_text() for text in figure.texts]
    assert [axes.get_xlabel() for axes in figure.axes] == ["Rated", "Rated"]
    assert figure.axes[0].get_ylabel() == "Computed"
    bar = [
        PlotHelper.bar_plot(
            frame, "Correlation Score", "Score", "Scores", tmp_path, name, figsize=size
        )
        for name, size in (("one", (3, 2)), ("two", (9, 2)))
    ]
    narrow, wide = (imread(path[0]).shape for path in bar)
    assert wide[1] > 2 * narrow[1]


@pytest.mark.parametrize("figsize", [(0, 3), 5, (1, 2, 3), ("a", "b"), (float("inf"), 1)])
def test_sizes_that_are_none_are_refused(tmp_path: Path, figsize: Any) -> None:
    with pytest.raises(InputError, match=r"'figsize' parameter of PlotHelper\.bar_plot"):
        PlotHelper.bar_plot(
            scores(["a"]), "Correlation Score", "y", "t", tmp_path, "f", figsize=figsize
        )
