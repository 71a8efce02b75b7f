"""A whisker is the interval."""

from __future__ import annotations

from facebench.figures.drawing.intervals import Whisker, interval_figure
from facebench.figures.drawing.people import Beside, Level


def test_a_whisker_is_the_interval_and_the_axis_holds_it() -> None:
    figure = interval_figure(
        [Whisker("m", "m: fc", -0.9, -1.2, -0.7)], title="t", value_label="v",
        beside=Beside([Level("c", -1.1, -1.1)]),
    )  # fmt: skip
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert low < -1.2
    assert -0.7 < high < 0
    assert any(list(line.get_xdata()) == [-1.2, -0.7] for line in axes.lines)
