"""Scatter plots: the line is least squares, and its band covers."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.figures.drawing import scatter
from facebench.figures.plot_helper import _scatter_figure
from support.plotted import distances, scores

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
