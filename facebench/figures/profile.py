"""Measures over the layers of networks: curves with bands, and heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from facebench.figures.style import (
    INK,
    LABEL,
    SMALL,
    SOFT,
    TICK,
    Array,
    fonts,
    house_axes,
    house_figure,
    house_title,
    model_colors,
    number_text,
    text_style,
    text_width,
    wrapped,
)

__all__ = ["Band", "Profile", "profile_figure"]

WIDTH, HEIGHT = 4.6, 2.9
PER_LAYER = 0.17
LEGEND_WIDTH = 2.6
MOST_NAMED = 60
LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Profile:
    """A measure of one model (and effect) over its layers, shallow to deep."""

    model: str
    label: str
    layers: Sequence[str]
    depth: Array
    values: Array
    low: Array
    high: Array
    peak: int | None
    reached: int | None
    style: int = 0


@dataclass(frozen=True)
class Band:
    """What untrained copies of a network reach at each depth: lowest, mean and highest."""

    label: str
    depth: Array
    low: Array
    mean: Array
    high: Array


@dataclass
class _Names:
    handles: list[Line2D | Patch] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, handle: Line2D | Patch, text: str) -> None:
        self.handles.append(handle)
        self.texts.append(wrapped(text, LEGEND_WIDTH, TICK))


def profile_figure(
    profiles: Sequence[Profile],
    *,
    title: str,
    value_label: str,
    bands: Sequence[Band] = (),
    zero: bool = False,
) -> Figure:
    """Draw measures over layers: one model over its layers' names, several over relative depth.

    Parameters
    ----------
    profiles : sequence of Profile
        At least one. Those of one model share a colour, and differ in their line.
    title, value_label : str
        The title, and the name of the measure.
    bands : sequence of Band
        Of untrained copies, drawn in grey.
    zero : bool
        Whether to mark zero, where an effect would not be.

    Returns
    -------
    Figure
        One figure with one axes. A filled mark is the peak, an open one where 95 % of it are first
        reached.
    """
    layers = profiles[0].layers
    one_network = all(list(profile.layers) == list(layers) for profile in profiles) and not bands
    named = one_network and len(layers) <= MOST_NAMED
    width = max(WIDTH, PER_LAYER * len(layers)) if named else WIDTH
    figure = house_figure(width, HEIGHT)
    axes = house_axes(figure, (0, 0, width, HEIGHT), "both" if not named else "y")
    names = _Names()
    for band in bands:
        axes.fill_between(band.depth, band.low, band.high, color="#c9c9c9", linewidth=0, alpha=0.6)
        (line,) = axes.plot(band.depth, band.mean, color="#8c8c8c", linewidth=1.0, linestyle="--")
        names.add(line, band.label)
    if zero:
        axes.axhline(0, color=INK, linewidth=0.7)
    # Several measures of a single network may have a colour each.
    alone = len({profile.model for profile in profiles}) == 1
    colors = model_colors(profile.label if alone else profile.model for profile in profiles)
    for profile in profiles:
        across = np.arange(len(layers), dtype=np.float64) if named else profile.depth
        names.add(
            _draw(axes, profile, across, colors[profile.label if alone else profile.model][0]),
            _name(profile),
        )
    if named:
        _name_layers(axes, layers)
    else:
        axes.set_xlim(-0.02, 1.02)
        label = "Relative depth (0 first layer, 1 last)"
        axes.set_xlabel(label, labelpad=4, **text_style(LABEL))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_ylabel(value_label, labelpad=4, **text_style(LABEL))
    _legend(axes, names)
    house_title(axes, title, max(width, 4.5))
    return figure


def _draw(axes: Axes, profile: Profile, across: Array, color: str) -> Line2D:
    if not np.isnan(profile.low).all():
        axes.fill_between(across, profile.low, profile.high, color=color, alpha=0.16, linewidth=0)
    (line,) = axes.plot(
        across,
        profile.values,
        color=color,
        linewidth=1.4,
        linestyle=LINES[profile.style % len(LINES)],
        marker="o" if len(across) <= 25 else "none",
        markersize=2.4,
        markeredgewidth=0,
    )
    for place, face in ((profile.reached, "white"), (profile.peak, color)):
        if place is not None:
            axes.plot(
                across[place],
                profile.values[place],
                marker="D",
                markersize=5,
                markerfacecolor=face,
                markeredgecolor=color,
                markeredgewidth=1.1,
                linestyle="none",
                zorder=3,
            )
    return line


def _name(profile: Profile) -> str:
    if profile.peak is None:
        return f"{profile.label}: n/a"
    value = float(profile.values[profile.peak])
    text = (
        f"{profile.label}: peak {number_text(value, abs(value))} at {profile.layers[profile.peak]}"
    )
    if profile.reached is not None and profile.reached != profile.peak:
        text += f", 95 % at {profile.layers[profile.reached]}"
    return text


def _name_layers(axes: Axes, layers: Sequence[str]) -> None:
    axes.set_xlim(-0.5, len(layers) - 0.5)
    size = TICK if len(layers) <= 25 else SMALL
    axes.set_xticks(range(len(layers)), labels=list(layers), **text_style(size))
    step = WIDTH / len(layers)
    if any(text_width(name, size) > 0.9 * step for name in layers):
        for label in axes.get_xticklabels():
            label.set(rotation=90)
    axes.set_xlabel("Layer", labelpad=4, **text_style(LABEL))


def _legend(axes: Axes, names: _Names) -> None:
    legend = axes.legend(
        handles=names.handles,
        labels=[" "] * len(names.handles),
        title="\N{BLACK DIAMOND} peak   \N{WHITE DIAMOND} first at 95 % of it",
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.6,
        frameon=False,
        handlelength=1.8,
        labelspacing=0.5,
        alignment="left",
        prop={"size": TICK, "family": list(fonts())},
    )
    legend.get_title().set(**text_style(SMALL, SOFT))
    # Set afterwards: legends leave out a label that begins with an underscore.
    for entry, label in zip(legend.get_texts(), names.texts, strict=True):
        entry.set(text=label, **text_style(TICK))
