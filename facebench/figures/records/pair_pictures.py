"""Histograms of scores, errors between groups, and the hardest faces of a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from facebench.errors import ImageError, InputError
from facebench.figures.records.scores import LayerScores
from facebench.figures.records.tables import cell_text

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from facebench.figures.drawing.heat_map import GroupRates
    from facebench.figures.drawing.pair_sheet import Strip
    from facebench.types import Float64Array

__all__ = ["groups_figure", "hardest_figure", "scores_figure"]

_BEST = "Threshold: the one with the best accuracy on these same pairs."
_SIDE = 240


def scores_figure(
    layers: Sequence[LayerScores], task: str, threshold_column: str | None, note: str = ""
) -> Figure:
    """Draw the histograms of every model-layer, with its threshold."""
    import numpy as np

    from facebench.figures.drawing.histograms import Scores, histogram_figure

    panels = []
    for scores in layers:
        known = np.isfinite(scores.distances)
        panels.append(
            Scores(
                scores.label,
                _detail(scores),
                scores.distances[known & scores.genuine],
                scores.distances[known & ~scores.genuine],
                scores.threshold,
            )
        )
    return histogram_figure(
        panels,
        title=f"Distances of genuine and impostor pairs: {task}",
        score_name="Distance",
        note=f"{_threshold_note(threshold_column)} {note}".strip(),
    )


def groups_figure(
    layers: Sequence[LayerScores],
    task: str,
    columns: tuple[str, str],
    threshold_column: str | None,
    note: str = "",
) -> Figure:
    """Draw the errors within and between groups for every model-layer."""
    from facebench.figures.drawing.heat_map import heat_map_figure

    groups = sorted(
        {
            group
            for scores in layers
            for pair in zip(*_sides(scores, columns), strict=True)
            for group in pair
            if all(pair)
        }
    )
    if not groups:
        message = (
            f"The columns {' and '.join(columns)} of the distances of {task!r} in "
            "PlotHelper.group_heat_map must name the groups of a pair. No row has both."
        )
        raise InputError(message)
    said = "FMR of each two groups (diagonal: within a group) and FNMR of each, in percent."
    return heat_map_figure(
        [_group_rates(scores, columns, groups) for scores in layers],
        title=f"Errors by group: {task}",
        note=f"{said} {_threshold_note(threshold_column)} {note}".strip(),
    )


def hardest_figure(
    layers: Sequence[LayerScores],
    task: str,
    folder: Path,
    count: int,
    threshold_column: str | None,
    note: str = "",
) -> Figure:
    """Draw the hardest pairs of every model-layer."""
    from facebench.figures.drawing.pair_sheet import Block, pair_sheet_figure

    pixels = _Thumbnails(folder)
    blocks = [
        Block(
            scores.label,
            _detail(scores, with_threshold=True),
            [_strip(scores, genuine, count, pixels) for genuine in (False, True)],
        )
        for scores in layers
    ]
    said = "Under each pair its distance; framed where it is an error at the threshold."
    return pair_sheet_figure(
        blocks,
        title=f"Hardest pairs: {task}",
        note=f"{said} {_threshold_note(threshold_column)} {note}".strip(),
    )


def _threshold_note(threshold_column: str | None) -> str:
    if threshold_column in (None, "Threshold"):
        # Of the task itself, there is nothing to add to the number above each panel.
        return _BEST if threshold_column is None else "Thresholds are those of the task."
    return f"Threshold: {threshold_column}."


def _detail(scores: LayerScores, *, with_threshold: bool = False) -> str:
    import numpy as np

    from facebench.figures.drawing.style import number_text

    parts = []
    if np.isfinite(scores.threshold):
        if with_threshold:
            parts.append(f"threshold {number_text(scores.threshold, abs(scores.threshold))}")
        parts.append(scores.error_text())
    return "  ·  ".join([*parts, scores.count_text()])


def _sides(
    scores: LayerScores, columns: tuple[str, str]
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Give the group on each side of every pair; '' where the cell is empty."""
    import numpy as np

    first, second = (
        np.array(
            [
                "" if empty else cell_text(cell)
                for cell, empty in zip(
                    scores.frame[column], scores.frame[column].isna(), strict=True
                )
            ],
            dtype=str,
        )
        for column in columns
    )
    return first, second


def _group_rates(scores: LayerScores, columns: tuple[str, str], groups: list[str]) -> GroupRates:
    import numpy as np

    from facebench.figures.drawing.heat_map import GroupRates

    first, second = _sides(scores, columns)
    known, size, accepted = (first != "") & (second != ""), len(groups), scores.accepted()
    cell = np.searchsorted(groups, first) * size + np.searchsorted(groups, second)

    def table(chosen: NDArray[np.bool_]) -> Float64Array:
        counts = np.bincount(cell[chosen & known], minlength=size**2)
        return counts.reshape(size, size).astype(np.float64)

    def both_ways(counts: Float64Array) -> Float64Array:
        return counts + counts.T - np.diag(np.diag(counts))

    impostors = both_ways(table(~scores.genuine))
    genuine = table(scores.genuine).diagonal()
    with np.errstate(invalid="ignore"):
        fmr = both_ways(table(~scores.genuine & accepted)) / impostors
        fnmr = table(scores.genuine & ~accepted).diagonal() / genuine
    return GroupRates(
        scores.label,
        _detail(scores),
        groups,
        fmr,
        impostors.astype(np.intp),
        fnmr,
        genuine.astype(np.intp),
    )


class _Thumbnails:
    """Reads images small, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, NDArray[np.uint8] | None] = {}

    def __call__(self, name: str) -> NDArray[np.uint8] | None:
        import numpy as np

        from facebench.data.images import open_image
        from facebench.data.pairs import resolve_image

        if name not in self._known:
            try:
                image = open_image(resolve_image(self._folder, name))
            except ImageError:
                self._known[name] = None
            else:
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                square = image.crop((left, top, left + side, top + side))
                square.thumbnail((_SIDE, _SIDE))
                self._known[name] = np.asarray(square)
        return self._known[name]


def _strip(
    scores: LayerScores,
    genuine: bool,
    count: int,
    pixels: Callable[[str], NDArray[np.uint8] | None],
) -> Strip:
    """Collect the hardest pairs of one class, the worst first; rows in file order where tied."""
    import numpy as np

    from facebench.figures.drawing.pair_sheet import FacePair, Strip
    from facebench.figures.drawing.style import number_text

    chosen = np.flatnonzero((scores.genuine == genuine) & ~np.isnan(scores.distances))
    order = np.argsort(scores.distances[chosen] * (-1 if genuine else 1), kind="stable")
    accepted, scale = scores.accepted(), float(np.nanmax(np.abs(scores.distances), initial=0.0))
    pairs = []
    for row in chosen[order][:count]:
        first, second = (str(scores.frame[column].iloc[row]) for column in ("img1", "img2"))
        pairs.append(
            FacePair(
                pixels(first),
                pixels(second),
                (_short(first), _short(second)),
                number_text(float(scores.distances[row]), scale),
                bool(accepted[row] != genuine),
            )
        )
    kind = (
        "Genuine pairs that look least alike" if genuine else "Impostor pairs that look most alike"
    )
    return Strip(kind, pairs)


def _short(name: str) -> str:
    """Name an image by its file, and by its folder if that says more."""
    from facebench.data.identity import person_of

    person, stem = person_of(name), PurePath(name.replace("\\", "/")).stem
    return stem if person in stem else f"{person}/{stem}"
