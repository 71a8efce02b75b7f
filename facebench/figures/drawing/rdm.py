"""Matrices of distances between images, or of likeness between layers, a panel each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from facebench.figures.drawing.style import (
    INK,
    SMALL,
    SOFT,
    TICK,
    TITLE,
    Array,
    house_axes,
    house_figure,
    number_text,
    text_style,
    text_width,
    wrapped,
)

__all__ = ["Matrix", "matrix_figure"]

# Dark is near, or alike: from dark blue to white, even in lightness; missing cells are grey.
SHADES = LinearSegmentedColormap.from_list("near to far", ["#00365a", "#0072b2", "#9cc7e4", "#fff"])
MISSING = "#d9d4cc"
MOST_NAMED, SMALLEST_NAME, MOST_WRITTEN = 60, 3.2, 14
MOST_COLUMNS = 5
LONGEST_NAME = 1.6


@dataclass(frozen=True)
class Matrix:
    """One square matrix, what it is called and what is said of it; NaN where a cell is missing."""

    label: str
    detail: str
    values: Array


def matrix_figure(
    matrices: Sequence[Matrix],
    names: Sequence[str],
    *,
    title: str,
    value_label: str,
    size: float = 2.2,
    ranked: bool = False,
    alike: bool = False,
    groups: Sequence[str] | None = None,
    note: str = "",
) -> Figure:
    """Draw square matrices, row by row in the order given.

    Parameters
    ----------
    matrices : sequence of Matrix
        At least one, each [N, N].
    names : sequence of str
        What the N rows are called; shown at the left-most panels, where there is room.
    title, value_label : str
        The title, and the name of the values under the colour bar.
    size : float, default 2.2
        Width of a panel, in inches.
    ranked : bool, default False
        Colour the ranks of the values, each panel on its own: distances of different layers
        have no common scale.
    alike : bool, default False
        Whether larger values are more alike, and dark, on a scale from 0 (or below) to 1, written
        into the cells of small matrices.
    groups : sequence of str, optional
        What rows belong to, such as the network of a layer; those of one group are together. Lines
        part groups. Where there is no room to name all rows every few are named, and the groups
        beside them.
    note : str
        What else to say, under the figure.

    Returns
    -------
    Figure
        One axes per matrix and one for the colour bar.
    """
    count = len(matrices)
    columns = count if count <= 3 else min(MOST_COLUMNS, int(np.ceil(count**0.5)))
    rows = -(-count // columns)
    labels = [wrapped(matrix.label, size, TICK) for matrix in matrices]
    above = 0.24 + 0.14 * max(label.count("\n") + 1 for label in labels) if any(labels) else 0.0
    width = columns * size + (columns - 1) * 0.25
    height = rows * (size + above) - above
    figure = house_figure(width, height)
    letters = float(np.clip(size * 72 / max(len(names), 1) * 0.8, 0, SMALL))
    named = len(names) <= MOST_NAMED and letters >= SMALLEST_NAME
    for index, (matrix, label) in enumerate(zip(matrices, labels, strict=True)):
        row, column = divmod(index, columns)
        corner = (column * (size + 0.25), height - (row + 1) * size - row * above)
        axes = house_axes(figure, (*corner, size, size), "both")
        axes.grid(False)
        axes.set_facecolor(MISSING)
        shown = _ranks(matrix.values) if ranked else matrix.values
        low, high = (0.0, 1.0) if ranked else _range(shown, alike)
        axes.imshow(
            np.ma.masked_invalid(shown),
            cmap=SHADES.reversed() if alike else SHADES,
            vmin=low,
            vmax=high,
            interpolation="nearest",
        )
        if alike and len(names) <= MOST_WRITTEN:
            _write_cells(axes, shown, low, high)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set(xticks=[], yticks=[])
        if groups is not None:
            _part_groups(axes, groups)
        if groups is not None and len(names) > MOST_NAMED:
            _name_groups(axes, names, groups, size)
        elif named and column == 0:
            shortened = [_short(name, letters) for name in names]
            axes.set_yticks(range(len(names)), labels=shortened, **text_style(letters))
            axes.tick_params(length=0, pad=2)
        axes.set_title(label, loc="left", pad=14, **text_style(TICK, weight="bold"))
        axes.annotate(
            matrix.detail,
            (0, 1),
            xytext=(0, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            **text_style(SMALL, SOFT),
        )
    ends = ("nearest", "farthest") if ranked else _ends(matrices, alike)
    _draw_bar(figure, height, value_label, ends, alike)
    if note:
        figure.text(
            0, -0.36 / height, wrapped(note, max(width, 4.5), SMALL), va="top",
            **text_style(SMALL, SOFT),
        )  # fmt: skip
    heading = wrapped(title, max(width, 4.5), TITLE * 1.1)
    figure.text(
        0.5, 1 + (above + 0.08) / height, heading, ha="center", va="bottom",
        **text_style(TITLE, weight="bold"),
    )  # fmt: skip
    return figure


def _starts(groups: Sequence[str]) -> list[int]:
    return [0, *(at for at in range(1, len(groups)) if groups[at] != groups[at - 1])]


def _part_groups(axes: Axes, groups: Sequence[str]) -> None:
    for start in _starts(groups)[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=1.2)
        axes.axvline(start - 0.5, color="white", linewidth=1.2)


def _name_groups(axes: Axes, names: Sequence[str], groups: Sequence[str], size: float) -> None:
    """Name as many rows as there is room for, evenly in every group, and the groups."""
    room = size * 72 / len(names)
    step = max(1, math.ceil((SMALL + 1) / room))
    ticks: list[int] = []
    starts = _starts(groups)
    for start, end in zip(starts, [*starts[1:], len(groups)], strict=True):
        # From the last of a group, which its network gives, not too near to the group before.
        least = start + (step - 1 if start else 0)
        own = list(range(end - 1, least - 1, -step))[::-1] or [end - 1]
        ticks += own
    letters = float(np.clip(room * step * 0.8, SMALLEST_NAME, SMALL))
    shortened = [_short(names[at], letters) for at in ticks]
    axes.set_yticks(ticks, labels=shortened, **text_style(letters))
    axes.tick_params(length=1.5 if step > 1 else 0, pad=2)
    if len(starts) == 1:
        return
    beside = max(text_width(name, letters) for name in shortened) * 72 + 8
    for start, end in zip(starts, [*starts[1:], len(groups)], strict=True):
        axes.annotate(
            wrapped(groups[start], LONGEST_NAME, TICK), (0, (start + end - 1) / 2),
            xytext=(-beside, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center", **text_style(TICK, weight="bold"),
        )  # fmt: skip


def _ranks(values: Array) -> Array:
    """Give each distance its place among those above the diagonal, from 0 to 1."""
    from scipy.stats import rankdata

    upper = np.triu_indices(len(values), 1)
    ranks = np.asarray(rankdata(values[upper], nan_policy="omit"), dtype=np.float64)
    most = np.count_nonzero(~np.isnan(ranks))
    shown = np.zeros(values.shape)
    shown[upper] = (ranks - 1) / max(int(most) - 1, 1)
    return np.asarray(shown + shown.T)


def _range(values: Array, alike: bool) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if alike:
        return float(finite.min(initial=0.0)), 1.0
    low, high = finite.min(initial=np.inf), finite.max(initial=-np.inf)
    return (float(low), float(high)) if low < high else (0.0, 1.0)


def _write_cells(axes: Axes, values: Array, low: float, high: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        color = "white" if value - low > 0.55 * (high - low) else INK
        text = "" if np.isnan(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
        axes.text(column, row, text, ha="center", va="center", **text_style(SMALL, color))


def _ends(matrices: Sequence[Matrix], alike: bool) -> tuple[str, str]:
    if len(matrices) > 1 and not alike:
        return "smallest", "largest"
    low, high = _range(matrices[0].values, alike)
    return number_text(low, max(abs(low), abs(high))), number_text(high, max(abs(low), abs(high)))


def _draw_bar(
    figure: Figure, height: float, value_label: str, ends: tuple[str, str], alike: bool
) -> None:
    axes = house_axes(figure, (0, -0.26, 1.4, 0.09), "both")
    axes.grid(False)
    shades = SHADES.reversed() if alike else SHADES
    axes.imshow(np.linspace(0, 1, 64)[None], cmap=shades, aspect="auto")
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4)
    axes.set(xticks=[], yticks=[])
    axes.annotate(
        f"{value_label}: {ends[0]} to {ends[1]}",
        (1, 0.5),
        xytext=(5, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        va="center",
        **text_style(SMALL, SOFT),
    )


def _short(name: str, letters: float) -> str:
    while len(name) > 4 and text_width(name, letters) > LONGEST_NAME:
        name = name.removesuffix("…")[:-1] + "…"
    return name
