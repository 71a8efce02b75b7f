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


@pytest.mark.slow
def test_callers_fonts_sizes_and_resolution_count() -> None:
    def title(**settings: object) -> tuple[float, str, tuple[float, float], float]:
        with mpl.rc_context({name.replace("_", "."): value for name, value in settings.items()}):
            with PlotHelper.output() as drawn:
                PlotHelper.bar_plot(conditions(), "Accuracy", "A", "A", "x", "b", x="Condition")
            figure = drawn.figures[0]
            text = figure.axes[0].title
            width, height = figure.get_size_inches()
            return text.get_fontsize(), text.get_fontfamily()[0], (width, height), figure.dpi

    plain = title()
    assert plain[0] == style.TITLE
    assert plain[1] == "DejaVu Sans"
    assert title(font_size=20.0)[0] == 2 * style.TITLE
    assert title(font_family="serif")[1] == "DejaVu Serif"
    assert title(font_family=["DejaVu Sans Mono"])[1] == "DejaVu Sans Mono"
    assert title(**{"font_sans-serif": ["STIXGeneral", "DejaVu Sans"]})[1] == "STIXGeneral"
    assert title(figure_figsize=(3.0, 2.0))[2] == (3.0, 2.0)
    assert title(savefig_dpi=72)[3] == 72
    assert title(figure_dpi=72, axes_titlesize=30) == plain


@pytest.mark.filterwarnings("error")
def test_letters_that_no_font_has_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    style._warn_of_glyphs.cache_clear()
    with caplog.at_level("WARNING", logger="facebench"), PlotHelper.output() as drawn:
        for name in ("\U0001b001", "\U0001b002"):
            frame = scores(["a"]).assign(**{"Model Name": name})
            PlotHelper.bar_plot(frame, "Correlation Score", "S", "S", "x", "b")
    assert len(drawn.figures) == 2
    assert caplog.text.count("no installed font has") == 1


@pytest.mark.slow
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
