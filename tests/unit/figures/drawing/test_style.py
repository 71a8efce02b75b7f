"""Numbers as text, and a style of our own whatever the caller has set."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from facebench.figures.drawing import style
from facebench.figures.plot_helper import PlotHelper
from support.plotted import conditions, distances, scores


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


# --- leaving no trace -------------------------------------------------------------------------


def test_pyplot_and_settings_are_untouched(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    PlotHelper.bar_plot(conditions(), "Accuracy", "A", "A", tmp_path, "b", x="Condition")
    PlotHelper.scatter_plot(scores(["a"]), distances(["a"]), tmp_path, "s")
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_callers_colours_and_grids_do_not_change_the_figure(tmp_path: Path) -> None:
    def draw(folder: str) -> list[bytes]:
        args = (scores(["a", "b"]), distances(["a", "b"]), tmp_path / folder, "s")
        more = PlotHelper.bar_plot(
            conditions(), "Accuracy", "A", "A", tmp_path / folder, "b", "Condition"
        )
        return [path.read_bytes() for path in PlotHelper.scatter_plot(*args) + more]

    plain = draw("plain")
    for theirs in ("dark_background", "ggplot"):
        with plt.style.context(theirs):
            assert draw(theirs) == plain
