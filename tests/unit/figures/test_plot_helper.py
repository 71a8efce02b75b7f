"""What is drawn, where it is written, and that nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from facebench.errors import InputError
from facebench.figures.drawing import style
from facebench.figures.plot_helper import PlotHelper, _scatter_figure
from facebench.utils.files import safe_name
from support.plotted import distances, many, scores, table

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


@pytest.mark.slow
def test_forty_panels_do_not_touch(tmp_path: Path) -> None:
    layers = [f"a-block-of-some-depth-{'x' * (i % 3) * 9}.{i}" for i in range(40)]
    figure = _scatter_figure(scores(layers), distances(layers, 300), "human")
    assert len(figure.axes) == 40
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    style.write_figure(figure, tmp_path / "forty.png")


@pytest.mark.slow
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


@pytest.mark.slow
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
