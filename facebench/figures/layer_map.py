"""Heat maps of measures: a block of rows per model, a column per task or measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from facebench.figures.heat_map import EMPTY, SHADES
from facebench.figures.style import (
    INK,
    SMALL,
    SOFT,
    TICK,
    Array,
    house_axes,
    house_figure,
    house_title,
    number_text,
    text_style,
    text_width,
    wrapped,
)

__all__ = ["layer_map_figure"]

CELL_WIDTH, CELL_HEIGHT, BETWEEN = 0.95, 0.2, 0.12


def layer_map_figure(
    values: Array, models: Sequence[str], layers: Sequence[str], columns: Sequence[str], title: str
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

    Returns
    -------
    Figure
        One figure with one axes; the largest value of a model and column is bold.
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
    for column in range(len(columns)):
        scale = _scale(values[:, column])
        for row, model in enumerate(models):
            own = [i for i, name in enumerate(models) if name == model]
            value = float(values[row, column])
            face = EMPTY if np.isnan(value) else to_hex(SHADES(float(scale(value))))
            corner = (column * CELL_WIDTH, tops[row])
            axes.add_patch(
                Rectangle(corner, CELL_WIDTH, CELL_HEIGHT, facecolor=face, edgecolor="white")
            )
            is_peak = not np.isnan(value) and value == np.nanmax(values[own, column])
            dark = np.dot(to_rgb(face), (0.3, 0.59, 0.11)) < 0.55
            axes.text(
                corner[0] + CELL_WIDTH / 2,
                corner[1] + CELL_HEIGHT / 2,
                number_text(value, float(np.nanmax(np.abs(values[:, column]), initial=0))),
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
        own = [i for i, name in enumerate(models) if name == model]
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
    return figure


def _scale(values: Array) -> Normalize:
    low = float(np.nanmin(values, initial=np.inf)) if not np.isnan(values).all() else 0.0
    high = float(np.nanmax(values, initial=-np.inf)) if not np.isnan(values).all() else 1.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high)
