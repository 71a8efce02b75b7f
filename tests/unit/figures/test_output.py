"""Formats and pages of figures, and the figures themselves."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest

from facebench import PlotHelper
from facebench.errors import InputError
from facebench.figures.drawing.style import house_figure
from facebench.figures.output import checked_formats, draw_pages, figure_output
from support.plotted import many, table


def bars(folder: Path) -> list[Path]:
    frame = table([("моя $x_1$", "default", 0.9), ("b", "default", 0.8)])
    return PlotHelper.bar_plot(frame, "Accuracy", "A", "A", folder, "v1.2 bars")


@pytest.mark.slow
def test_every_format_asked_for_and_nothing_but_it(tmp_path: Path) -> None:
    with PlotHelper.output("pdf", "SVG") as made:
        written = bars(tmp_path)
    assert [path.name for path in written] == ["LFW_v1.2 bars.pdf", "LFW_v1.2 bars.svg"]
    assert made.paths == written
    assert sorted(tmp_path.iterdir()) == sorted(written)
    # Outside of the block it is PNG again.
    assert [path.suffix for path in bars(tmp_path)] == [".png"]


@pytest.mark.slow
def test_the_same_figure_gives_the_same_bytes_with_its_fonts(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    with figure_output(["pdf", "svg"]):
        first, second = ([path.read_bytes() for path in bars(tmp_path / name)] for name in "ab")
    assert first == second
    assert dict(mpl.rcParams) == before
    pdf, svg = first
    assert b"CreationDate" not in pdf
    # TrueType as it is (type 42), of which each is a subset.
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"DejaVuSans" in pdf
    assert b"<text" not in svg
    assert re.search(rb"\d{4}-\d\d-\d\dT", svg) is None


def test_figures_may_be_kept_and_nothing_written(tmp_path: Path) -> None:
    with PlotHelper.output() as made:
        assert bars(tmp_path / "none") == []
    (figure,) = made.figures
    assert figure.axes[0].get_title() == "A: LFW"
    assert not (tmp_path / "none").exists()


def test_pages_are_numbered_and_former_ones_removed(tmp_path: Path) -> None:
    target = tmp_path / "a v1.2.png"
    (tmp_path / "a v1.2_page_5.png").touch()  # of another figure: there is no page 4
    for count, names in ((3, ["", "_page_2", "_page_3"]), (1, [""])):
        written = draw_pages(target, lambda count=count: [house_figure(1, 1)] * count)
        assert [path.name for path in written] == [f"a v1.2{name}.png" for name in names]
        assert {path.name for path in tmp_path.iterdir()} == {
            "a v1.2_page_5.png", *(path.name for path in written)
        }  # fmt: skip


@pytest.mark.slow
def test_a_figure_of_many_models_has_pages(tmp_path: Path) -> None:
    frame = many(90, tuple(f"m{k}" for k in range(90)))
    with PlotHelper.output("png") as made:
        written = PlotHelper.bar_plot(frame, "Accuracy", "A", "A", tmp_path, "b", ylim=(0, 1))
    assert [path.name for path in written] == ["LFW_b.png", "LFW_b_page_2.png"]
    shown = [label.get_text() for page in made.figures for label in page.axes[0].get_yticklabels()]
    assert shown == [f"m{k}: features.0" for k in range(90)]
    assert len({page.axes[0].get_xlim() for page in made.figures}) == 1
    wide, high = made.figures[0].get_size_inches()
    assert high < 1.5 * max(wide, 8)


@pytest.mark.parametrize("formats", ["jpg", ["png", "eps"], ["pfd"]])
def test_a_format_that_is_not_known(formats: object) -> None:
    with pytest.raises(InputError, match="must be among png, pdf, svg"):
        checked_formats(formats, "The formats")
