"""Maps of images, on which those alike are near, a panel per model-layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray

from facebench.figures.drawing.style import (
    PALETTE,
    SMALL,
    SOFT,
    TICK,
    TITLE,
    Array,
    house_axes,
    house_figure,
    text_style,
    wrapped,
)

__all__ = ["ImageMap", "map_figure"]

MOST_COLUMNS = 4
OTHER = "other"
# Pixels of a thumbnail's longer side are drawn to this share of the panel.
PICTURE = 0.085


@dataclass(frozen=True)
class ImageMap:
    """One map: places [N, 2] of images by name, what it is called and what is said of it."""

    label: str
    detail: str
    places: Array
    names: Sequence[str]


def map_figure(
    charts: Sequence[ImageMap],
    *,
    title: str,
    groups: Mapping[str, str] | None = None,
    pictures: Mapping[str, NDArray[np.uint8]] | None = None,
    size: float = 2.9,
    note: str = "",
) -> Figure:
    """Draw maps, row by row in the order given.

    Parameters
    ----------
    charts : sequence of ImageMap
        At least one.
    title : str
        The title of the whole figure.
    groups : mapping of str to str, optional
        The group of an image, 'other' of those not there; groups have colours, named in a legend
        where there are 8 or fewer.
    pictures : mapping of str to array, optional
        A small picture [H, W, 3] of an image, drawn in place of a dot.
    size : float, default 2.9
        Width of a panel, in inches.
    note : str
        What else to say, under the figure.

    Returns
    -------
    Figure
        One axes per chart.
    """
    count = len(charts)
    columns = count if count <= 3 else min(MOST_COLUMNS, int(np.ceil(count**0.5)))
    rows = -(-count // columns)
    labels = [wrapped(chart.label, size, TICK) for chart in charts]
    above = 0.26 + 0.14 * max(label.count("\n") + 1 for label in labels)
    width = columns * size + (columns - 1) * 0.3
    height = rows * (size + above) - above
    figure = house_figure(width, height)
    every = dict.fromkeys(name for chart in charts for name in chart.names)
    known = [] if groups is None else list(dict.fromkeys(groups.get(n, OTHER) for n in every))
    for index, (chart, label) in enumerate(zip(charts, labels, strict=True)):
        row, column = divmod(index, columns)
        corner = (column * (size + 0.3), height - (row + 1) * size - row * above)
        axes = house_axes(figure, (*corner, size, size), "both")
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set(visible=True, color="#cccccc", linewidth=0.6)
        axes.set(xticks=[], yticks=[])
        _draw(axes, chart, groups, known, pictures, size)
        axes.set_title(label, loc="left", pad=14, **text_style(TICK, weight="bold"))
        axes.annotate(
            chart.detail, (0, 1), xytext=(0, 4), xycoords="axes fraction",
            textcoords="offset points", **text_style(SMALL, SOFT),
        )  # fmt: skip
    if 1 < len(known) <= len(PALETTE):
        _draw_legend(figure, known, height)
    if note:
        figure.text(
            0, -0.32 / height, wrapped(note, max(width, 4.5), SMALL), va="top",
            **text_style(SMALL, SOFT),
        )  # fmt: skip
    heading = wrapped(title, max(width, 4.5), TITLE * 1.1)
    figure.text(
        0.5, 1 + (above + 0.08) / height, heading, ha="center", va="bottom",
        **text_style(TITLE, weight="bold"),
    )  # fmt: skip
    return figure


def _draw(
    axes: Axes,
    chart: ImageMap,
    groups: Mapping[str, str] | None,
    known: list[str],
    pictures: Mapping[str, NDArray[np.uint8]] | None,
    size: float,
) -> None:
    # The same scale on both axes: distances are what a map shows.
    centre = (chart.places.max(axis=0) + chart.places.min(axis=0)) / 2
    reach = float(np.ptp(chart.places, axis=0).max()) / 2 * 1.18 or 1.0
    axes.set(
        xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach)
    )
    dots: dict[str, list[tuple[float, float]]] = {}
    for name, (x, y) in zip(chart.names, chart.places, strict=True):
        group = 0 if groups is None else known.index(groups.get(name, OTHER))
        color = PALETTE[group % len(PALETTE)]
        picture = None if pictures is None else pictures.get(name)
        if picture is None:
            dots.setdefault(color, []).append((x, y))
            continue
        zoom = size * 72 * PICTURE / max(picture.shape[:2])
        box = AnnotationBbox(
            OffsetImage(picture, zoom=zoom),
            (x, y),
            pad=0.12,
            bboxprops={"edgecolor": color, "linewidth": 1.0, "facecolor": color},
        )
        axes.add_artist(box)
    for color, places in dots.items():
        across, up = zip(*places, strict=True)
        axes.plot(across, up, "o", markersize=4.5, color=color, markeredgewidth=0, alpha=0.8)


def _draw_legend(figure: Figure, known: Sequence[str], height: float) -> None:
    wide, _ = figure.get_size_inches()
    for index, group in enumerate(known):
        left = index * 1.3 / wide
        figure.text(left, -0.2 / height, "\N{BLACK CIRCLE}", **text_style(TICK, PALETTE[index]))
        figure.text(left + 0.14 / wide, -0.2 / height, group, **text_style(TICK))
