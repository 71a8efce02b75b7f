"""Heat maps of measures: a block of rows per model, a column per task or measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from facebench.figures.drawing.heat_map import EMPTY, SHADES
from facebench.figures.drawing.style import (
    INK,
    SMALL,
    SOFT,
    TICK,
    Array,
    house_axes,
    house_figure,
    house_note,
    house_title,
    number_text,
    text_style,
    text_width,
    wrapped,
)

__all__ = ["COLUMNS_OF_PAGE", "ROWS_OF_PAGE", "layer_map_figure"]

CELL_WIDTH, CELL_HEIGHT, BETWEEN = 0.95, 0.2, 0.12
ROWS_OF_PAGE, COLUMNS_OF_PAGE = 48, 12
# Even in lightness on both sides, and distinguishable with all kinds of colour vision.
BOTH_WAYS = LinearSegmentedColormap.from_list(
    "below and above 0",
    ["#9a3a00", "#d55e00", "#f3c6a5", "#ffffff", "#9cc7e4", "#0072b2", "#00436b"],
)


def layer_map_figure(
    values: Array,
    models: Sequence[str],
    layers: Sequence[str],
    columns: Sequence[str],
    title: str,
    signed: Sequence[bool] | None = None,
    lower: Sequence[bool] | None = None,
    note: str = "",
) -> Figure:
    """Draw values of every layer of every model, each column on its own scale of colour.

    Parameters
    ----------
    values : array, shape [L, C]
        NaN where there is none.
    models, layers : sequence of str, length L
        What each row is of; the rows of a model are together.
    columns : sequence of str, length C
        What each column is of.
    title : str
        The title.
    signed : sequence of bool, length C, optional
        Whether 0 is the middle of a column's scale, as of differences. It is in any case where
        there are values of both signs.
    lower : sequence of bool, length C, optional
        Whether the smallest value of a column is the best, not the largest.
    note : str
        What else to say, under the figure.

    Returns
    -------
    Figure
        One axes for the map and one per column for its scale of colours; the best value of a
        model and column is bold.
    """
    tops = []
    top = 0.0
    for row, model in enumerate(models):
        if row and model != models[row - 1]:
            top += BETWEEN
        tops.append(top)
        top += CELL_HEIGHT
    width = CELL_WIDTH * len(columns)
    figure = house_figure(width, top)
    axes = house_axes(figure, (0, 0, width, top), "x")
    axes.grid(False)
    rows_of: dict[str, list[int]] = {}
    for row, model in enumerate(models):
        rows_of.setdefault(model, []).append(row)
    for column in range(len(columns)):
        shades, scale = _scale(values[:, column], bool(signed and signed[column]))
        _draw_bar(figure, (column * CELL_WIDTH, width, top), shades, scale, values[:, column])
        best = np.nanmin if lower and lower[column] else np.nanmax
        peaks = {
            model: float("nan")
            if np.isnan(values[own, column]).all()
            else float(best(values[own, column]))
            for model, own in rows_of.items()
        }
        most = float(np.nanmax(np.abs(values[:, column]), initial=0))
        for row, model in enumerate(models):
            value = float(values[row, column])
            face = EMPTY if np.isnan(value) else to_hex(shades(float(scale(value))))
            corner = (column * CELL_WIDTH, tops[row])
            axes.add_patch(
                Rectangle(corner, CELL_WIDTH, CELL_HEIGHT, facecolor=face, edgecolor="white")
            )
            is_peak = value == peaks[model]
            dark = np.dot(to_rgb(face), (0.3, 0.59, 0.11)) < 0.55
            axes.text(
                corner[0] + CELL_WIDTH / 2,
                corner[1] + CELL_HEIGHT / 2,
                number_text(value, most),
                ha="center",
                va="center",
                **text_style(
                    SMALL,
                    SOFT if np.isnan(value) else "white" if dark else INK,
                    "bold" if is_peak else "normal",
                ),
            )
    axes.set(xlim=(0, width), ylim=(top, 0))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks(np.array(tops) + CELL_HEIGHT / 2, labels=list(layers), **text_style(SMALL))
    heads = [wrapped(name, CELL_WIDTH * 0.95, TICK) for name in columns]
    axes.xaxis.tick_top()
    centers = (np.arange(len(columns)) + 0.5) * CELL_WIDTH
    axes.set_xticks(centers, labels=heads, **text_style(TICK))
    axes.tick_params(length=0, pad=4)
    beside = max(text_width(layer, SMALL) for layer in layers) + 0.18
    for model in dict.fromkeys(models):
        own = rows_of[model]
        middle = (tops[own[0]] + tops[own[-1]] + CELL_HEIGHT) / 2
        axes.text(
            -beside,
            middle,
            wrapped(model, 1.6, TICK),
            ha="right",
            va="center",
            **text_style(TICK, weight="bold"),
        )
    house_title(axes, title, max(width, 4.5))
    if note:
        house_note(axes, note, max(width, 4.5))
    return figure


def _scale(values: Array, signed: bool) -> tuple[Colormap, Normalize]:
    """Choose colours: from light to dark, or away from 0 to both sides."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return SHADES, Normalize(0, 1)
    low, high = float(finite.min()), float(finite.max())
    if signed or low < 0 < high:
        most = max(abs(low), abs(high)) or 1.0
        return BOTH_WAYS, Normalize(-most, most)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return SHADES, Normalize(low, high)


def _draw_bar(
    figure: Figure,
    corner: tuple[float, float, float],
    shades: Colormap,
    scale: Normalize,
    values: Array,
) -> None:
    """Draw a column's scale of colours under it, with its ends and, between two signs, 0."""
    if not np.isfinite(values).any():
        return
    left, wide, high = corner
    margin = 0.08
    place = (left + margin) / wide, -0.24 / high, (CELL_WIDTH - 2 * margin) / wide, 0.08 / high
    axes = figure.add_axes(place)
    axes.imshow(np.linspace(0, 1, 64)[None], cmap=shades, aspect="auto", extent=(0, 1, 0, 1))
    for spine in axes.spines.values():
        spine.set(visible=True, color=SOFT, linewidth=0.4)
    ends = (float(scale.vmin or 0), float(scale.vmax or 0))
    most = max(map(abs, ends))
    texts = [number_text(end, most) for end in ends]
    middle = [("0", 0.5)] if shades is BOTH_WAYS else []
    axes.set(yticks=[])
    axes.set_xticks([])
    for text, at, side in (
        (texts[0], 0.0, "left"),
        *((text, at, "center") for text, at in middle),
        (texts[1], 1.0, "right"),
    ):
        axes.annotate(
            text, (at, 0), xytext=(0, -2), textcoords="offset points",
            ha=side, va="top", **text_style(5.5, SOFT),
        )  # fmt: skip
