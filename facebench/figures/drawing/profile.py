"""Measures over the layers of networks: curves with bands, one panel under the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from facebench.figures.drawing.panels import PanelGrid
from facebench.figures.drawing.people import Beside, Human, Level, draw_beside, legend_of_beside
from facebench.figures.drawing.style import (
    INK,
    LABEL,
    SMALL,
    SOFT,
    TICK,
    Array,
    house_axes,
    house_figure,
    house_legend,
    house_title,
    model_colors,
    number_text,
    text_style,
    text_width,
    wrapped,
)

__all__ = ["Band", "Profile", "ProfilePanel", "profile_figure", "profile_pages"]

WIDTH, HEIGHT, LOW_HEIGHT = 4.6, 2.9, 1.9
PER_LAYER, PER_LINE, BETWEEN = 0.17, 0.155, 0.42
LEGEND_WIDTH = 2.6
MOST_NAMED = 60
# Networks that share axes; measures and panels of a page.
MOST_TOGETHER, CHARTS_OF_PAGE, PANELS_OF_PAGE = 8, 5, 20
PANEL_WIDTH, PANEL_HEIGHT, CONTEXT = 2.2, 1.6, "#d0d0d0"
Line = Literal["-", "--", ":", "-."]
LINES: tuple[Line, ...] = ("-", "--", ":", "-.")
# Untrained copies are grey; those of another network a darker or lighter one, and another line.
GREYS = ("#8c8c8c", "#4a4a4a", "#b0b0b0")
GREY_LINES: tuple[Line, ...] = ("--", ":", "-.")


@dataclass(frozen=True)
class Profile:
    """A measure of one model (and effect) over its layers, shallow to deep.

    Attributes
    ----------
    model, label : str
        Profiles of one model share a colour; `label` names the curve.
    layers, depth, values, low, high
        A name, a depth from 0 to 1, a value and its interval (NaN without one) by layer.
    peak, reached : int or None
        Where the best value is, and where 95 % of it are first reached.
    style : int
        Distinguishes curves of one model.
    smallest : bool
        Whether the best value is the smallest.
    signed : bool
        Whether a value below 0 is none to reach, such as that of a reversed effect.
    """

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
    smallest: bool = False
    signed: bool = False

    @property
    def marked(self) -> bool:
        """Whether there is a best value to mark."""
        if self.peak is None:
            return False
        return self.smallest or not self.signed or bool(self.values[self.peak] > 0)


@dataclass(frozen=True)
class Band:
    """What untrained copies of a network reach at each depth: lowest, mean and highest."""

    label: str
    depth: Array
    low: Array
    mean: Array
    high: Array


@dataclass(frozen=True)
class ProfilePanel:
    """The curves that share a panel, with its title, axis, and why there are none."""

    profiles: Sequence[Profile]
    value_label: str
    title: str = ""
    bands: Sequence[Band] = ()
    undefined: str = ""
    people: Sequence[Human] = ()
    levels: Sequence[Level] = ()

    @property
    def beside(self) -> Beside:
        """What the networks are held against."""
        return Beside(self.levels, self.people)


@dataclass
class _Names:
    handles: list[Line2D | Patch] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, handle: Line2D | Patch, text: str) -> None:
        self.handles.append(handle)
        self.texts.append(wrapped(text, LEGEND_WIDTH, TICK))

    @property
    def lines(self) -> int:
        return sum(text.count("\n") + 1 for text in self.texts)


def profile_pages(
    charts: Sequence[ProfilePanel], *, title: str, zero: bool = False
) -> list[Figure]:
    """Draw measures over layers, on as many pages as they need.

    Parameters
    ----------
    charts, title, zero
        See `profile_figure`. A chart of more than 8 networks has a panel for each, with the others
        in grey behind it.
    """
    if max(len({profile.model for profile in chart.profiles}) for chart in charts) > MOST_TOGETHER:
        return [page for chart in charts for page in _apart(chart, title, zero)]
    starts = range(0, len(charts), CHARTS_OF_PAGE)
    return [
        profile_figure(charts[start : start + CHARTS_OF_PAGE], title=title, zero=zero)
        for start in starts
    ]


def _apart(chart: ProfilePanel, title: str, zero: bool) -> list[Figure]:
    """Draw a panel per network."""
    models = list(dict.fromkeys(profile.model for profile in chart.profiles))
    colors = model_colors(models)
    count = -(-len(models) // PANELS_OF_PAGE)
    length = -(-len(models) // count)
    pages: list[Figure] = []
    for first in range(0, len(models), length):
        shown = models[first : first + length]
        grid = PanelGrid(shown, PANEL_WIDTH, PANEL_HEIGHT)
        panels = []
        for index, model in enumerate(shown):
            axes = grid.add(index, "both")
            for other in chart.profiles:
                if other.model != model:
                    axes.plot(other.depth, other.values, color=CONTEXT, linewidth=0.6, zorder=0)
            own = [profile for profile in chart.profiles if profile.model == model]
            _draw_chart(
                axes, replace(chart, profiles=own, value_label=""), colors, False, False, zero
            )
            axes.set_xlim(-0.02, 1.02)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            grid.head(axes, index, _best(own[0]))
            grid.name_axes(axes, index, "Relative depth", chart.value_label)
            panels.append(axes)
        _share_scale(panels, [chart] * len(panels))
        beside = "; ".join(text for _, text in legend_of_beside(chart.beside))
        note = [f"Page {len(pages) + 1} of {count}."] if count > 1 else []
        note += [f"Across: {beside}."] if beside else []
        heading = f"{title}, {chart.title}" if chart.title else title
        grid.finish(heading, " ".join(note))
        pages.append(grid.figure)
    return pages


def profile_figure(charts: Sequence[ProfilePanel], *, title: str, zero: bool = False) -> Figure:
    """Draw measures over layers: one model over its layers' names, several over relative depth.

    Parameters
    ----------
    charts : sequence of ProfilePanel
        At least one, with a profile or more each, drawn one under the other. In a panel profiles
        of one model share a colour, and differ in their line.
    title : str
        The title.
    zero : bool
        Whether to mark zero, where an effect would not be.

    Returns
    -------
    Figure
        One axes per chart. A filled mark is the peak, an open one where 95 % of it are first
        reached. Charts of one measure share the scale of values.
    """
    every = [profile for chart in charts for profile in chart.profiles]
    layers = every[0].layers
    bands = any(chart.bands for chart in charts)
    one_network = all(list(profile.layers) == list(layers) for profile in every) and not bands
    named = one_network and len(layers) <= MOST_NAMED
    width = max(WIDTH, PER_LAYER * len(layers)) if named else WIDTH
    models = {profile.model for profile in every}
    # Several measures of a single network may have a colour each.
    alone = len(models) == 1 and len(charts) == 1
    colors = model_colors(profile.label if alone else profile.model for profile in every)
    names = [_names_of(chart, colors, alone) for chart in charts]
    single = HEIGHT if len(charts) == 1 else LOW_HEIGHT
    heights = [max(single, PER_LINE * (found.lines + 2)) for found in names]
    height = sum(heights) + BETWEEN * (len(charts) - 1)
    figure = house_figure(width, height)
    top = height
    panels = []
    for index, (chart, own, high) in enumerate(zip(charts, names, heights, strict=True)):
        axes = house_axes(figure, (0, top - high, width, high), "both" if not named else "y")
        top -= high + BETWEEN
        panels.append(axes)
        _draw_chart(axes, chart, colors, alone, named, zero)
        if chart.title:
            axes.set_title(
                wrapped(chart.title, width, TICK), loc="left", pad=4,
                **text_style(TICK, weight="bold"),
            )  # fmt: skip
        last = index == len(charts) - 1
        if named:
            _name_layers(axes, layers if last else [""] * len(layers))
        else:
            axes.set_xlim(-0.02, 1.02)
        if last:
            label = "Layer" if named else "Relative depth (0 first layer, 1 last)"
            axes.set_xlabel(label, labelpad=4, **text_style(LABEL))
        elif not named:
            axes.tick_params(labelbottom=False)
        _legend(axes, own, chart.profiles)
    _share_scale(panels, charts)
    if len(charts) == 1:
        house_title(panels[0], title, max(width, 4.5))
    else:
        # Above the title of the first panel.
        text = wrapped(title, max(width, 4.5), LABEL * 1.2)
        figure.text(
            0.5, 1 + 0.32 / height, text, ha="center", va="bottom",
            **text_style(LABEL + 1, weight="bold"),
        )  # fmt: skip
    return figure


def _names_of(chart: ProfilePanel, colors: dict[str, tuple[str, str]], alone: bool) -> _Names:
    """Make the entries of a panel's legend."""
    names = _Names()
    for place, band in enumerate(chart.bands):
        names.add(
            Line2D([], [], color=_grey(place), linewidth=1.0, linestyle=_grey_line(place)),
            band.label,
        )
    for profile in chart.profiles:
        color = colors[profile.label if alone else profile.model][0]
        line = LINES[profile.style % len(LINES)]
        names.add(Line2D([], [], color=color, linewidth=1.4, linestyle=line), _name(profile))
    for handle, text in legend_of_beside(chart.beside):
        names.add(handle, text)
    return names


def _grey(place: int) -> str:
    return GREYS[place % len(GREYS)]


def _grey_line(place: int) -> Line:
    return GREY_LINES[place % len(GREY_LINES)]


def _draw_chart(
    axes: Axes,
    chart: ProfilePanel,
    colors: dict[str, tuple[str, str]],
    alone: bool,
    named: bool,
    zero: bool,
) -> None:
    for place, band in enumerate(chart.bands):
        color = _grey(place)
        axes.fill_between(band.depth, band.low, band.high, color=color, linewidth=0, alpha=0.3)
        line = _grey_line(place)
        axes.plot(band.depth, band.mean, color=color, linewidth=1.0, linestyle=line)
    draw_beside(axes, chart.beside, "y")
    empty = all(np.isnan(profile.values).all() for profile in chart.profiles)
    if zero and not empty:
        axes.axhline(0, color=INK, linewidth=0.7)
    for place, profile in enumerate(chart.profiles):
        across = np.arange(len(profile.layers), dtype=np.float64) if named else profile.depth
        if named and across.size == 1:
            # Networks of a single layer stand side by side.
            across = across + 0.1 * (place - (len(chart.profiles) - 1) / 2)
        _draw(axes, profile, across, colors[profile.label if alone else profile.model][0])
    axes.set_ylabel(chart.value_label, labelpad=4, **text_style(LABEL))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if empty:
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, wrapped(chart.undefined or "No layer has a value.", WIDTH * 0.9, TICK),
            ha="center", va="center", transform=axes.transAxes, **text_style(TICK, SOFT),
        )  # fmt: skip


def _share_scale(panels: Sequence[Axes], charts: Sequence[ProfilePanel]) -> None:
    for label in {chart.value_label for chart in charts}:
        own = [
            axes
            for axes, chart in zip(panels, charts, strict=True)
            if chart.value_label == label and len(axes.get_yticks())
        ]
        ends = [end for axes in own for end in axes.get_ylim()]
        for axes in own:
            axes.set_ylim(min(ends), max(ends))


def _draw(axes: Axes, profile: Profile, across: Array, color: str) -> None:
    if not np.isnan(profile.low).all() and not np.isnan(profile.values).all():
        axes.fill_between(across, profile.low, profile.high, color=color, alpha=0.16, linewidth=0)
        if across.size == 1:
            axes.vlines(across, profile.low, profile.high, colors=color, linewidth=1.2)
    axes.plot(
        across,
        profile.values,
        color=color,
        linewidth=1.4,
        linestyle=LINES[profile.style % len(LINES)],
        marker="o" if len(across) <= 25 else "none",
        markersize=2.4,
        markeredgewidth=0,
    )
    if not profile.marked:
        return
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


def _name(profile: Profile) -> str:
    if profile.peak is None:
        return f"{profile.label}: n/a"
    value = float(profile.values[profile.peak])
    best = "lowest" if profile.smallest else "peak" if value > 0 else "highest"
    text = (
        f"{profile.label}: {best} {number_text(value, abs(value))} at "
        f"{profile.layers[profile.peak]}"
    )
    if not profile.marked:
        return f"{text}, none above 0"
    if profile.reached is not None and profile.reached != profile.peak:
        near = "95 %" if best == "peak" else "near it"
        text += f", {near} at {profile.layers[profile.reached]}"
    return text


def _best(profile: Profile) -> str:
    """Give what the legend says of a profile's best value, in few words."""
    said = _name(profile).removeprefix(f"{profile.label}: ").partition(",")[0]
    return said if text_width(said, SMALL) < PANEL_WIDTH + 0.4 else said.partition(" at ")[0]


def _name_layers(axes: Axes, layers: Sequence[str]) -> None:
    axes.set_xlim(-0.5, len(layers) - 0.5)
    size = TICK if len(layers) <= 25 else SMALL
    axes.set_xticks(range(len(layers)), labels=list(layers), **text_style(size))
    step = WIDTH / len(layers)
    if any(text_width(name, size) > 0.9 * step for name in layers if name):
        for label in axes.get_xticklabels():
            label.set(rotation=90)


def _legend(axes: Axes, names: _Names, profiles: Sequence[Profile]) -> None:
    smallest = any(profile.smallest for profile in profiles)
    title = (
        "\N{BLACK DIAMOND} lowest   \N{WHITE DIAMOND} first within 5 % of the range from it"
        if smallest
        else "\N{BLACK DIAMOND} peak   \N{WHITE DIAMOND} first at 95 % of it"
    )
    legend = house_legend(
        axes,
        names.handles,
        names.texts,
        title=title if any(profile.marked for profile in profiles) else None,
        handlelength=1.8,
        labelspacing=0.5,
        alignment="left",
    )
    legend.get_title().set(**text_style(SMALL, SOFT))
