"""The house style of facebench's figures, and the figures themselves.

Nothing here knows tables or files: figures are made from a few plain records and returned, and
`facebench.plots` turns tables into records and figures into PNGs. Import this module inside
functions only, because it loads matplotlib.

Every size is in inches and set before anything is drawn. Axes fill their figure, and
`write_figure` grows the picture around the labels, so that no name is too long to be shown.
"""

from __future__ import annotations

import colorsys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

Array = NDArray[np.float64]
Limits = tuple[float | None, float | None]

# --- house style ------------------------------------------------------------------------------

DPI = 200
# Pixels along the longer side beyond which resolution is given up: Agg refuses 2**16.
LONGEST_SIDE = 24_000
INK, SOFT, GRID = "#222222", "#666666", "#e4e4e4"
TITLE, LABEL, TICK, SMALL = 10.0, 9.0, 8.0, 7.0
# Okabe & Ito's palette for all kinds of colour vision, its black replaced by a grey.
PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#8c8c8c",
    "#f0e442",
)
HATCHES = ("", "////", "....", "xxxx")
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
    """Add axes in the house style: light grid, no frame, settings that ignore rcParams.

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


def model_colors(models: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Give every model a colour and a hatch of its own, in order of first appearance."""
    return {
        model: (PALETTE[i % len(PALETTE)], HATCHES[i // len(PALETTE) % len(HATCHES)])
        for i, model in enumerate(dict.fromkeys(models))
    }


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


# --- bars -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """One bar: whose it is, what it is called, how long it is, and the group it stands in."""

    model: str
    label: str
    value: float
    group: str | None = None


UPRIGHT_HEIGHT = 3.2
UPRIGHT_WIDTHS = (3.2, 10.0)
LYING_WIDTH = 4.6
LONGEST_LABEL = 4.2
LEGEND_WIDTH = 3.0


@dataclass(frozen=True)
class BarLayout:
    """Where bars stand along the category axis, in inches from its start."""

    upright: bool
    names: list[str]
    groups: list[list[Bar]]
    pitch: float
    thickness: float
    centers: Array
    length: float

    @property
    def reach(self) -> float:
        """Give the length of the value axis."""
        return UPRIGHT_HEIGHT if self.upright else LYING_WIDTH


def bar_layout(bars: Sequence[Bar], widest_value: float) -> BarLayout:
    """Group bars and place them: upright if all names and values fit side by side, else lying."""
    grouped = bars[0].group is not None
    members: dict[object, list[Bar]] = {}
    for index, bar in enumerate(bars):
        members.setdefault(bar.group if grouped else index, []).append(bar)
    groups = list(members.values())
    names = [
        wrapped(group[0].label if group[0].group is None else group[0].group, LONGEST_LABEL, TICK)
        for group in groups
    ]
    counts = np.array([len(group) for group in groups])

    pitch, gap = (max(0.3, widest_value + 0.06), 0.25) if grouped else (0.7, 0.0)
    needed = max(text_width(name, TICK) for name in names) + 0.18
    slots = np.maximum(needed, counts * pitch + gap)
    shortest, longest = UPRIGHT_WIDTHS
    upright = bool(slots.sum() <= longest) and not any("\n" in name for name in names)
    if not upright:
        pitch, gap = (0.16, 0.14) if grouped else (0.2, 0.0)
        heights = np.array([0.135 * (name.count("\n") + 1) + 0.065 for name in names])
        slots = np.maximum(heights, counts * pitch + gap)
        shortest = float(slots.sum()) + 0.1
    length = max(float(slots.sum()), shortest)
    return BarLayout(
        upright=upright,
        names=names,
        groups=groups,
        pitch=pitch,
        thickness=pitch * 0.92 if grouped else 0.45 if upright else 0.145,
        centers=np.cumsum(slots) - slots / 2 + (length - slots.sum()) / 2,
        length=length,
    )


def value_limits(values: Array, limits: Limits, reach: float, room: float) -> tuple[float, float]:
    """Choose the ends of the value axis that are not given, zero among them.

    `room` inches of the axis' `reach` are kept beyond the longest bar, for its value.
    """
    shown = values[np.isfinite(values)]
    low, high = min(0.0, shown.min(initial=0.0)), max(0.0, shown.max(initial=0.0))
    if low == high:
        high = 1.0
    below, above = (room if low < 0 else 0.0), (room if high > 0 else 0.0)
    inch = (high - low) / (reach - below - above)
    low, high = float(low - below * inch), float(high + above * inch)
    given_low, given_high = limits
    if given_low is not None:
        high = max(high, given_low + 1.0) if high <= given_low else high
    if given_high is not None:
        low = min(low, given_high - 1.0) if low >= given_high else low
    return (low if given_low is None else given_low, high if given_high is None else given_high)


def bar_styles(bars: Sequence[Bar]) -> dict[str, dict[str, Any]]:
    """Give every label the look of its bars.

    A model has one colour. Where a legend must tell its layers apart they become shades of it,
    from dark to light in network order.
    """
    colors = model_colors(bar.model for bar in bars)
    grouped = bars[0].group is not None
    layers: dict[str, dict[str, None]] = {}
    for bar in bars:
        layers.setdefault(bar.model, {})[bar.label] = None
    styles: dict[str, dict[str, Any]] = {}
    for model, labels in layers.items():
        color, hatch = colors[model]
        for step, label in enumerate(labels):
            face = shade(color, step, len(labels)) if grouped else color
            styles[label] = {"facecolor": face, "hatch": hatch, "edgecolor": "white", "lw": 0.4}
    return styles


def draw_value(
    axes: Axes, layout: BarLayout, place: float, value: float, text: str, fill: str
) -> None:
    """Write a value beyond the tip of its bar, or inside the tip if the axis ends there."""
    low, high = axes.get_ylim() if layout.upright else axes.get_xlim()
    inch = (high - low) / layout.reach
    known = bool(np.isfinite(value))
    tip = min(max(value if known else 0.0, low), high)
    outward = -1 if value < 0 else 1
    needed = 0.17 if layout.upright else text_width(text, SMALL) + 0.07
    inside = ((high - tip) if outward > 0 else (tip - low)) < needed * inch * 0.99
    # A base line at the axis' very end leaves room on one side only, and a gap has no inside.
    side = -outward if inside else outward
    color = INK if known else SOFT
    if inside and known and np.dot(to_rgb(fill), (0.3, 0.59, 0.11)) < 0.5:
        color = "white"
    style = text_style(SMALL, color)
    offset = side * 0.035 * inch
    if layout.upright:
        vertical = "bottom" if side > 0 else "top"
        axes.text(place, tip + offset, text, ha="center", va=vertical, **style)
    else:
        horizontal = "left" if side > 0 else "right"
        axes.text(tip + offset, place, text, ha=horizontal, va="center_baseline", **style)


def draw_legend(axes: Axes, styles: dict[str, dict[str, Any]]) -> None:
    """Name the bars of a group, to the right of the axes."""
    legend = axes.legend(
        handles=[Patch(**style) for style in styles.values()],
        labels=[" "] * len(styles),
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.6,
        frameon=False,
        handlelength=1.1,
        handleheight=0.9,
        labelspacing=0.45,
        prop={"size": TICK, "family": list(fonts())},
    )
    # Set afterwards: legends leave out a label that begins with an underscore.
    for entry, label in zip(legend.get_texts(), styles, strict=True):
        entry.set(text=wrapped(label, LEGEND_WIDTH, TICK), **text_style(TICK))


def bar_figure(
    bars: Sequence[Bar],
    *,
    title: str,
    value_label: str,
    category_label: str,
    limits: Limits = (None, None),
) -> Figure:
    """Draw bars in the order given: upright while there is room for their names, else lying.

    Parameters
    ----------
    bars : sequence of Bar
        At least one. Bars of one group stand side by side and are told apart by a legend; bars
        without a group stand alone, over their own label.
    title, value_label, category_label : str
        The title and the names of the two axes.
    limits : tuple of (float or None), default (None, None)
        The ends of the value axis; None chooses, with zero inside.

    Returns
    -------
    Figure
        One figure with one axes, whose category axis counts in inches.
    """
    values = np.array([bar.value for bar in bars], dtype=np.float64)
    scale = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    widest = max(text_width(number_text(value, scale), SMALL) for value in values)
    layout = bar_layout(bars, widest)
    upright, length, reach = layout.upright, layout.length, layout.reach
    size = (length, reach) if upright else (reach, length)
    figure = house_figure(*size)
    axes = house_axes(figure, (0, 0, *size), "y" if upright else "x")
    ends = value_limits(values, limits, reach, 0.19 if upright else widest + 0.09)
    if upright:
        axes.set(xlim=(0, length), ylim=ends)
    else:
        axes.set(xlim=ends, ylim=(length, 0))

    category, value_axis = (axes.xaxis, axes.yaxis) if upright else (axes.yaxis, axes.xaxis)
    category.set_ticks(layout.centers, labels=layout.names, **text_style(TICK))
    category.set_tick_params(length=0, pad=5)
    category.set_label_text(category_label, **text_style(LABEL))
    category.labelpad = value_axis.labelpad = 4
    value_axis.set_major_locator(MaxNLocator(6))
    value_axis.set_label_text(value_label, **text_style(LABEL))
    if ends[0] < 0 < ends[1]:
        axes.spines["bottom" if upright else "left"].set_visible(False)
        zero = axes.axhline if upright else axes.axvline
        zero(0, color=INK, linewidth=0.7)

    styles = bar_styles(bars)
    for center, group in zip(layout.centers, layout.groups, strict=True):
        for index, bar in enumerate(group):
            place = center + layout.pitch * (index - (len(group) - 1) / 2)
            text, style = number_text(bar.value, scale), styles[bar.label]
            if np.isfinite(bar.value):
                draw = axes.bar if upright else axes.barh
                draw(place, bar.value, layout.thickness, **style)
            draw_value(axes, layout, place, bar.value, text, style["facecolor"])
    if bars[0].group is not None:
        draw_legend(axes, styles)
    house_title(axes, title, max(size[0], 4.5))
    return figure


# --- scatter ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """The distances of one model-layer, and the score they got."""

    model: str
    label: str
    score_name: str
    score: float
    given: Array
    computed: Array


PANEL_WIDTH, PANEL_HEIGHT = 2.3, 2.0
MOST_COLUMNS = 5


@dataclass(frozen=True)
class Line:
    """A least-squares line with the 95 % confidence band of its mean, left to right."""

    x: Array
    y: Array
    margin: Array


def fitted_line(x: Array, y: Array, steps: int = 50) -> Line | None:
    """Fit a line in closed form.

    The band takes pairs as independent. Pairs that share an image are not, so it is a lower
    bound of the uncertainty; intervals of the scores come from elsewhere.

    Returns
    -------
    Line or None
        None with fewer than two pairs or with one axis constant. The band is NaN with two pairs.
    """
    if why_no_line(x, y):
        return None
    across = x - x.mean()
    spread = across @ across
    slope = across @ (y - y.mean()) / spread
    at = np.linspace(x.min(), x.max(), steps)
    freedom = len(x) - 2
    margin = np.full(steps, np.nan)
    if freedom:
        from scipy.special import stdtrit

        left = y - y.mean() - slope * across
        noise = left @ left / freedom
        error = np.sqrt(noise * (1 / len(x) + (at - x.mean()) ** 2 / spread))
        margin = stdtrit(freedom, 0.975) * error
    return Line(at, y.mean() + slope * (at - x.mean()), margin)


def why_no_line(x: Array, y: Array) -> str:
    """Say why complete pairs have no line worth drawing, or nothing."""
    if len(x) == 0:
        return "no complete pairs"
    if len(x) == 1:
        return "only one complete pair"
    for name, values in (("given", x), ("model", y)):
        # Rounding makes equal distances differ in their last digits.
        if np.ptp(values) <= 1e-12 * np.abs(values).max():
            return f"all {name} distances are equal"
    return ""


def draw_panel(axes: Axes, panel: Panel, color: str) -> None:
    """Draw the points of one panel, their line, and the line above that says what they show."""
    complete = np.isfinite(panel.given) & np.isfinite(panel.computed)
    x, y = panel.given[complete], panel.computed[complete]
    many = len(x)
    axes.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=float(np.clip(9 / max(many, 1) ** 0.2, 1.5, 4.5)),
        markeredgewidth=0,
        color=color,
        alpha=float(np.clip(8 / max(many, 1) ** 0.5, 0.2, 0.85)),
        rasterized=True,
    )
    line = fitted_line(x, y)
    if line is None:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9}
        reason = textwrap.fill(f"no line: {why_no_line(x, y)}", 26)
        style = text_style(SMALL, SOFT) | {"ha": "center", "va": "top", "bbox": box}
        axes.text(0.5, 0.95, reason, transform=axes.transAxes, **style)
    else:
        low, high = line.y - line.margin, line.y + line.margin
        axes.fill_between(line.x, low, high, color=INK, alpha=0.18, linewidth=0, zorder=3)
        axes.plot(
            line.x, line.y, color=INK, linewidth=1.3, linestyle="-", solid_capstyle="butt", zorder=4
        )
    score = number_text(panel.score, 1.0)
    pairs = f"{many:,}" if many == len(complete) else f"{many:,} of {len(complete):,}"
    axes.annotate(
        f"{panel.score_name} {score}  ·  {pairs} pair{'s' * (len(complete) != 1)}",
        (0, 1),
        xytext=(0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        **text_style(SMALL, SOFT),
    )


def scatter_figure(panels: Sequence[Panel], *, title: str) -> Figure:
    """Draw one panel per model-layer, row by row in the order given, on one scale of x.

    Parameters
    ----------
    panels : sequence of Panel
        At least one.
    title : str
        The title of the whole figure.

    Returns
    -------
    Figure
        One axes per panel.
    """
    count = len(panels)
    columns = count if count <= 3 else min(MOST_COLUMNS, int(np.ceil(count**0.5)))
    rows = -(-count // columns)
    names = [wrapped(panel.label, PANEL_WIDTH, TICK) for panel in panels]
    tallest = [
        max(name.count("\n") + 1 for name in names[row * columns : (row + 1) * columns])
        for row in range(rows)
    ]
    # Above a panel: its name and its score; below it: tick labels, and once per column the name.
    above = np.array([0.26 + 0.14 * lines for lines in tallest])
    step = PANEL_HEIGHT + 0.3
    width = columns * PANEL_WIDTH + (columns - 1) * 0.62
    height = float(above[1:].sum()) + rows * step - 0.3
    figure = house_figure(width, height)
    colors = model_colors(panel.model for panel in panels)

    given = np.concatenate([panel.given[np.isfinite(panel.given)] for panel in panels])
    low, high = given.min(initial=np.inf), given.max(initial=-np.inf)
    margin = 0.05 * (high - low) or 0.5
    for index, (panel, name) in enumerate(zip(panels, names, strict=True)):
        row, column = divmod(index, columns)
        top = height - float(above[1 : row + 1].sum()) - row * step
        corner = (column * (PANEL_WIDTH + 0.62), top - PANEL_HEIGHT)
        axes = house_axes(figure, (*corner, PANEL_WIDTH, PANEL_HEIGHT), "both")
        draw_panel(axes, panel, colors[panel.model][0])
        if low <= high:
            axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if not np.isfinite(panel.given + panel.computed).any():
            # Numbers would pretend a scale where nothing is drawn.
            axes.yaxis.set_major_locator(NullLocator())
        axes.set_title(name, loc="left", pad=16, **text_style(TICK, weight="bold"))
        if index + columns >= count:
            axes.set_xlabel("Given distance", labelpad=4, **text_style(TICK))
        if column == 0:
            axes.set_ylabel("Model distance", labelpad=4, **text_style(TICK))
    heading = wrapped(title, max(width, 4.5), TITLE * 1.1)
    figure.text(
        0.5,
        1 + (above[0] + 0.06) / height,
        heading,
        ha="center",
        va="bottom",
        **text_style(TITLE, weight="bold"),
    )
    return figure
