"""The house style that all figures share: sizes, fonts, colours, axes, and writing a PNG.

Every size is in inches and set before anything is drawn. Axes fill their figure, and
`write_figure` grows the picture around the labels, so that no name is too long to be shown.
"""

from __future__ import annotations

import colorsys
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from facebench.figures.palette import HATCHES as HATCHES
from facebench.figures.palette import PALETTE as PALETTE
from facebench.figures.palette import model_colors as model_colors

Array = NDArray[np.float64]
Limits = tuple[float | None, float | None]

DPI = 200
# Pixels along the longer side beyond which resolution is given up: Agg refuses 2**16.
LONGEST_SIDE = 24_000
INK, SOFT, GRID = "#222222", "#666666", "#e4e4e4"
TITLE, LABEL, TICK, SMALL = 10.0, 9.0, 8.0, 7.0
# DejaVu comes with matplotlib, so figures look the same everywhere; the others, where they are
# installed, lend it the scripts it lacks.
FONT = "DejaVu Sans"
FALLBACK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)


@cache
def fonts() -> tuple[str, ...]:
    """Give the font families of every text, the first one first."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return (FONT, *(name for name in FALLBACK_FONTS if name in installed))


def text_style(size: float, color: str = INK, weight: str = "normal") -> dict[str, Any]:
    """Give the keyword arguments of a text that is shown as it is written.

    Names of models and tasks are data: a ``$`` in one must not start a formula.
    """
    return {
        "fontfamily": list(fonts()),
        "fontsize": size,
        "color": color,
        "fontweight": weight,
        "parse_math": False,
        "usetex": False,
    }


def text_width(text: str, size: float) -> float:
    """Measure the longest line of a text, in inches."""
    font = font_manager.FontProperties(family=list(fonts()), size=size)
    lines = text.split("\n")
    return max(text_to_path.get_text_width_height_descent(x, font, False)[0] for x in lines) / 72


def wrapped(text: str, width: float, size: float) -> str:
    """Break a text into lines of at most `width` inches."""
    measured = text_width(text, size)
    letters = len(text) if measured <= width else int(len(text) * width / measured)
    lines = text
    while letters > 1 and text_width(lines, size) > width:
        lines = textwrap.fill(text, letters)
        letters -= 1
    return lines


def house_figure(width: float, height: float) -> Figure:
    """Make an empty figure whose canvas is its own, so that pyplot never hears of it."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def house_axes(
    figure: Figure, rectangle: tuple[float, float, float, float], grid: Literal["x", "y", "both"]
) -> Axes:
    """Add axes in facebench style: light grid, no frame, settings that ignore rcParams.

    Parameters
    ----------
    figure : Figure
        Where to add them.
    rectangle : tuple of float
        Left, bottom, width and height, in inches.
    grid : {'x', 'y', 'both'}
        The axes that carry values, and therefore grid lines.
    """
    wide, high = figure.get_size_inches()
    left, bottom, width, height = rectangle
    axes = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    axes.set_facecolor("white")
    axes.set_axisbelow(True)
    axes.grid(False)
    axes.grid(True, axis=grid, color=GRID, linewidth=0.6, linestyle="-")
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set(color=INK, linewidth=0.7)
    axes.tick_params(
        length=2.5,
        width=0.7,
        color=INK,
        labelcolor=INK,
        labelsize=TICK,
        labelfontfamily=list(fonts()),
    )
    axes.tick_params(bottom=True, left=True, top=False, right=False, direction="out", pad=3.5)
    axes.minorticks_off()
    axes.margins(0.05)
    return axes


def house_title(axes: Axes, title: str, width: float) -> None:
    """Set the title, broken into lines of at most `width` inches."""
    axes.set_title(wrapped(title, width, TITLE * 1.1), pad=9, **text_style(TITLE, weight="bold"))


def house_legend(
    axes: Axes, handles: Sequence[Any], names: Sequence[str], size: float = TICK, **options: Any
) -> Legend:
    """Name what is drawn, to the right of the axes unless `options` of ``Axes.legend`` differ."""
    placed = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.6}
    legend = axes.legend(
        handles=handles,
        labels=[" "] * len(handles),
        frameon=False,
        prop={"size": size, "family": list(fonts())},
        **{**placed, **options},
    )
    # Set afterwards: legends leave out a label that begins with an underscore.
    for entry, name in zip(legend.get_texts(), names, strict=True):
        entry.set(text=name, **text_style(size))
    return legend


def house_note(axes: Axes, note: str, width: float) -> None:
    """Write small print below the axes and their name, in lines of at most `width` inches."""
    axes.annotate(
        wrapped(note, width, SMALL),
        (0, 0),
        (0, -36),
        "axes fraction",
        textcoords="offset points",
        va="top",
        **text_style(SMALL, SOFT),
    )


def shade(color: str, step: int, steps: int) -> str:
    """Give one of several shades of a colour, from dark (step 0) to light; one step: as it is."""
    if steps == 1:
        return color
    hue, light, saturation = colorsys.rgb_to_hls(*to_rgb(color))
    darkest, lightest = light * 0.6, light + (1 - light) * 0.62
    return to_hex(
        colorsys.hls_to_rgb(hue, darkest + (lightest - darkest) * step / (steps - 1), saturation)
    )


def number_text(value: float, scale: float) -> str:
    """Write a value with the digits that suit a figure whose largest value is `scale`."""
    if np.isnan(value):
        return "n/a"
    spec = ".3g" if scale < 0.01 or scale >= 1e6 else ".3f" if scale < 10 else ".1f"
    text = format(value, spec)
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def percent(rate: float) -> str:
    """Write a rate as a percentage, with no more digits than it has."""
    return f"{100 * rate:.6f}".rstrip("0").rstrip(".") + " %"


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, the picture grown around its labels."""
    longest = max(*figure.get_size_inches(), 1)
    figure.savefig(
        path,
        format="png",
        dpi=min(DPI, LONGEST_SIDE / longest),
        bbox_inches="tight",
        pad_inches=0.12,
        facecolor="white",
        edgecolor="none",
        transparent=False,
    )
