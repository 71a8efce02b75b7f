"""The house style that all figures share: sizes, fonts, colours, axes, and writing files.

Every size is in inches and set before anything is drawn. Axes fill their figure, and
`write_figure` grows the picture around the labels, so that no name is too long to be shown.

Of matplotlib's settings those count that a user changed: ``font.family`` (with ``font.sans-serif``
and its like) and ``font.size`` for all texts, ``savefig.dpi`` for pixels, ``svg.fonttype``.
`PlotHelper` says so to users. Colours, lines and grids stay those of the report.
"""

from __future__ import annotations

import colorsys
import logging
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from facebench.figures import palette
from facebench.figures.palette import HATCHES as HATCHES
from facebench.figures.palette import PALETTE as PALETTE

Array = NDArray[np.float64]
Limits = tuple[float | None, float | None]

_log = logging.getLogger(__name__)

DPI = 200
# What the frame of a figure has room for, in inches: an A4 page at 1.3 times its size.
PAGE_HEIGHT = 13.6
# How matplotlib's settings change where files are written. Text of a PDF stays text, its fonts
# embedded; that of an SVG becomes outlines, so that names look alike where a font is missing.
_WRITTEN = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "facebench"}
# Nothing that differs from one drawing to the next.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": "facebench"},
    "svg": {"Date": None, "Creator": "facebench"},
}
# Pixels along the longer side beyond which resolution is given up: Agg refuses 2**16.
LONGEST_SIDE = 24_000
INK, SOFT, GRID = "#222222", "#666666", "#e4e4e4"
TITLE, LABEL, TICK, SMALL = 10.0, 9.0, 8.0, 7.0
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
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


def of_user(setting: str) -> Any:
    """Give one of matplotlib's settings where a user changed it, else None."""
    value = _now(setting)
    return None if value == mpl.rcParamsDefault[setting] else value  # type: ignore[index]


def _now(setting: str) -> Any:
    return mpl.rcParams[setting]  # type: ignore[index]


def text_scale() -> float:
    """Give how much larger texts are, and the rows that hold them, by the user's ``font.size``."""
    size = of_user("font.size")
    return 1.0 if size is None else float(size) / float(mpl.rcParamsDefault["font.size"])


def pixels_per_inch() -> float:
    """Give the resolution of files: the user's ``savefig.dpi``, or 200."""
    dpi = of_user("savefig.dpi")
    return DPI if dpi is None or isinstance(dpi, str) else float(dpi)


def fonts() -> tuple[str, ...]:
    """Give the font families of every text, the first one first."""
    families = of_user("font.family")
    listed = [] if families is None else [families] if isinstance(families, str) else families
    wanted: list[str] = []
    for name in [*listed, *([] if listed else ["sans-serif"])]:
        setting = f"font.{name}"
        # Of a family such as 'serif' the user's fonts; of the standard one only if changed.
        known = setting in mpl.rcParams and isinstance(_now(setting), list)
        own = (_now(setting) if listed else of_user(setting)) if known else [name]
        wanted += own or []
    return _installed_of(tuple(wanted))


@lru_cache(maxsize=8)
def _installed_of(wanted: tuple[str, ...]) -> tuple[str, ...]:
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return tuple(
        dict.fromkeys(
            [
                *[name for name in wanted if name in installed],
                FONT,
                *[name for name in FALLBACK_FONTS if name in installed],
            ]
        )
    )


def text_style(size: float, color: str = INK, weight: str = "normal") -> dict[str, Any]:
    """Give the keyword arguments of a text that is shown as it is written.

    Names of models and tasks are data: a ``$`` in one must not start a formula.
    """
    return {
        "fontfamily": list(fonts()),
        "fontsize": size * text_scale(),
        "color": color,
        "fontweight": weight,
        "parse_math": False,
        "usetex": False,
    }


def text_width(text: str, size: float) -> float:
    """Measure the longest line of a text, in inches."""
    font = font_manager.FontProperties(family=list(fonts()), size=size * text_scale())
    lines = text.split("\n")
    with _missing_glyphs():
        sizes = [text_to_path.get_text_width_height_descent(x, font, False) for x in lines]
    return max(size[0] for size in sizes) / 72


@contextmanager
def _missing_glyphs() -> Iterator[None]:
    """Say once, in words, that no installed font has the letters of a name."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        text = str(warning.message)
        if "missing from font" in text:
            _warn_of_glyphs()
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


@lru_cache(maxsize=1)
def _warn_of_glyphs() -> None:
    _log.warning(
        "Names in figures hold letters that no installed font has; they are drawn as boxes. "
        "Install a font that has them, such as Noto Sans CJK, or name yours in matplotlib's "
        "setting font.family."
    )


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
    figure = Figure(figsize=(width, height), dpi=pixels_per_inch(), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def house_axes(
    figure: Figure, rectangle: tuple[float, float, float, float], grid: Literal["x", "y", "both"]
) -> Axes:
    """Add axes in facebench style: light grid, no frame; of rcParams only fonts count.

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
        labelsize=TICK * text_scale(),
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
        prop={"size": size * text_scale(), "family": list(fonts())},
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
        (0, -36 * text_scale()),
        "axes fraction",
        textcoords="offset points",
        va="top",
        **text_style(SMALL, SOFT),
    )


_order: ContextVar[tuple[str, ...]] = ContextVar("facebench_order_of_models", default=())


@contextmanager
def models_in_order(models: Iterable[str]) -> Iterator[None]:
    """Give models, for the block, the colours that they have in a whole run.

    Parameters
    ----------
    models : iterable of str
        All models of the run, in its order.
    """
    token = _order.set(tuple(dict.fromkeys(models)))
    try:
        yield
    finally:
        _order.reset(token)


def model_colors(models: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Give every model a colour and a hatch of its own.

    Parameters
    ----------
    models : iterable of str
        The models of a figure.

    Returns
    -------
    dict of str to (str, str)
        By place in the run, within `models_in_order`; of other names in order of appearance.
    """
    shown = list(models)
    colors = palette.model_colors([*_order.get(), *shown])
    return {model: colors[model] for model in shown}


def curve_looks(curves: Sequence[tuple[str, str]]) -> list[tuple[str, Any]]:
    """Give each curve a colour and a line: those of one model are shades of its colour.

    Parameters
    ----------
    curves : sequence of (str, str)
        Model and name of each curve.

    Returns
    -------
    list of (str, line style)
    """
    colors = model_colors(model for model, _ in curves)
    of_model: dict[str, list[str]] = {}
    for model, name in curves:
        of_model.setdefault(model, []).append(name)
    looks: list[tuple[str, Any]] = []
    for model, name in curves:
        color, hatch = colors[model]
        step, steps = of_model[model].index(name), len(of_model[model])
        # From the ninth model on colours repeat.
        line = LINES[(HATCHES.index(hatch) + step) % len(LINES)]
        looks.append((shade(color, step, steps, lightest=0.35), line))
    return looks


def shade(color: str, step: int, steps: int, *, lightest: float = 0.62) -> str:
    """Give one of several shades of a colour, from dark (step 0) to light; one step: as it is."""
    if steps == 1:
        return color
    hue, light, saturation = colorsys.rgb_to_hls(*to_rgb(color))
    darkest, brightest = light * 0.6, light + (1 - light) * lightest
    return to_hex(
        colorsys.hls_to_rgb(hue, darkest + (brightest - darkest) * step / (steps - 1), saturation)
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
    """Write a figure as the suffix of a file says, the picture grown around its labels.

    The same figure gives the same bytes: neither the time nor random names are written.

    Parameters
    ----------
    figure : Figure
        The figure.
    path : Path
        A PNG, PDF or SVG.
    """
    longest = max(*figure.get_size_inches(), 1)
    kind = path.suffix.removeprefix(".").lower()
    settings = {} if kind == "png" else _WRITTEN
    with mpl.rc_context(settings), _missing_glyphs():  # type: ignore[arg-type]
        figure.savefig(
            path,
            format=kind,
            dpi=min(pixels_per_inch(), LONGEST_SIDE / longest),
            bbox_inches="tight",
            pad_inches=0.12,
            facecolor="white",
            edgecolor="none",
            transparent=False,
            metadata=_METADATA.get(kind),
        )
