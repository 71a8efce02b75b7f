"""ROC, DET and error against discard of the model-layers of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facebench.errors import InputError
from facebench.figures.records.scores import LayerScores
from facebench.figures.records.tables import as_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from facebench.data.identity import IdentitySource
    from facebench.figures.drawing.curves import Curve
    from facebench.metrics.verification import Roc
    from facebench.types import Float64Array

__all__ = ["det_figure", "discard_figure", "roc_figure"]

# Points of a band: enough that its steps look like the curve's.
_BAND_POINTS = 120
# Corners of a curve: two per cell of a grid finer than the picture's pixels.
_CELLS = 2_000
# Below so few genuine comparisons a rate of errors only flickers.
_FEWEST = 20
_ONE_CLASS = "no curve: pairs of one class only"


def roc_figure(
    layers: Sequence[LayerScores],
    task: str,
    identity: IdentitySource,
    n_resamples: int,
    note: str = "",
) -> Figure:
    """Draw the exact ROC of every model-layer, with its band."""
    from facebench.figures.drawing.curves import Curve, curves_figure, roc_axes
    from facebench.metrics.verification import auc, roc

    perfect: list[tuple[int, int]] = []
    curves, lowest = [], [(0.1, 1.0)]
    for scores in layers:
        if not scores.has_both_classes:
            curves.append(Curve(scores.model, scores.label, _ONE_CLASS))
            continue
        curve = roc(scores.genuine, scores.distances, higher_is_better=False)
        first = 1 / curve.n_impostor
        x, tmr = _steps(curve, first)
        band = _band(scores, curve, identity, n_resamples, first)
        if _is_perfect(curve):
            perfect.append((curve.n_genuine, curve.n_impostor))
        lowest.append((first, min(float(tmr[0]), float(band[1].min(initial=1.0)))))
        detail = f"AUC {auc(curve):.4f}  ·  {_errors_text(scores, curve)}"
        curves.append(Curve(scores.model, scores.label, detail, x, tmr, *band))
    fmr, least = (min(values) for values in zip(*lowest, strict=True))
    bands = _band_note(curves, layers, identity, n_resamples, len(perfect))
    said = _joined(bands, _perfect_note(perfect), note)
    return curves_figure(curves, roc_axes(fmr, least), title=f"ROC: {task}", note=said)


def det_figure(
    layers: Sequence[LayerScores],
    task: str,
    identity: IdentitySource,
    n_resamples: int,
    note: str = "",
) -> Figure:
    """Draw the DET of every model-layer, with its band."""
    from facebench.figures.drawing.curves import Curve, curves_figure, det_axes
    from facebench.metrics.verification import eer, roc

    perfect: list[tuple[int, int]] = []
    curves, smallest, highest = [], [(0.1, 0.1)], 0.2
    for scores in layers:
        if not scores.has_both_classes:
            curves.append(Curve(scores.model, scores.label, _ONE_CLASS))
            continue
        curve = roc(scores.genuine, scores.distances, higher_is_better=False)
        first, lowest = 1 / curve.n_impostor, 0.5 / curve.n_genuine
        smallest.append((first, lowest))
        x, tmr = _steps(curve, first)
        at, low, high = _band(scores, curve, identity, n_resamples, first)
        if _is_perfect(curve):
            perfect.append((curve.n_genuine, curve.n_impostor))
        # An error rate of 0 or 1 has no normal deviate: it is drawn beyond the edge.
        y, band_low, band_high = (
            (1 - rate).clip(lowest / 4, 1 - lowest / 4) for rate in (tmr, high, low)
        )
        highest = max(highest, float(y[0]), float(band_high.max(initial=0.0)))
        detail = f"EER {100 * eer(curve).rate:.2f} %  ·  {_errors_text(scores, curve)}"
        curves.append(Curve(scores.model, scores.label, detail, x, y, at, band_low, band_high))
    fmr, fnmr = (min(values) for values in zip(*smallest, strict=True))
    bands = _band_note(curves, layers, identity, n_resamples, len(perfect))
    said = _joined(bands, _perfect_note(perfect), note)
    return curves_figure(curves, det_axes(fmr, (fnmr, highest)), title=f"DET: {task}", note=said)


def discard_figure(
    layers: Sequence[LayerScores],
    task: str,
    columns: tuple[str, ...],
    fmr: float,
    note: str = "",
) -> Figure:
    """Draw FNMR over discard for every model-layer, by the lowest of the quality columns."""
    from facebench.figures.drawing.curves import curves_figure, discard_axes
    from facebench.figures.drawing.style import percent

    curves = [_discard_curve(scores, columns, fmr, task) for scores in layers]
    highest = max(float(curve.y.max(initial=0.0)) for curve in curves)
    longest = max(float(curve.x.max(initial=0.0)) for curve in curves)
    said = (
        f"Threshold fixed where all comparisons give an FMR of {percent(fmr)} at most. "
        f"Curves end where fewer than {_FEWEST} genuine comparisons are left."
    )
    axes = discard_axes(longest or 1.0, highest)
    return curves_figure(
        curves, axes, title=f"Error against discard: {task}", note=f"{said} {note}".strip()
    )


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _errors_text(scores: LayerScores, curve: Roc) -> str:
    """Count the comparisons, or say that a threshold makes no error."""
    if not _is_perfect(curve):
        return scores.count_text()
    return f"no errors among {scores.count_text()}"


def _is_perfect(curve: Roc) -> bool:
    """Tell whether some threshold accepts all genuine pairs and no impostor."""
    return bool((curve.tmr[curve.fmr == 0] == 1).any())


def _perfect_note(perfect: Sequence[tuple[int, int]]) -> str:
    """Say what rates of error no error among so many comparisons may hide."""
    from facebench.figures.drawing.style import percent
    from facebench.metrics.stats import clopper_pearson

    said = []
    for n_genuine, n_impostor in dict.fromkeys(perfect):
        fnmr, fmr = (
            percent(float(f"{clopper_pearson(0, count).high:.2g}"))
            for count in (n_genuine, n_impostor)
        )
        said.append(
            f"No errors among {n_genuine:,} genuine and {n_impostor:,} impostor pairs: FNMR at "
            f"most {fnmr}, FMR at most {fmr} (95 %, exact, pairs taken as independent)."
        )
    return " ".join(said)


def _steps(curve: Roc, first: float) -> tuple[Float64Array, Float64Array]:
    """Give the corners of the step function FMR → largest TMR, from FMR `first` to 1."""
    import numpy as np

    # Of equal FMR the last point has the largest TMR.
    last = np.append(np.flatnonzero(np.diff(curve.fmr) > 0), curve.fmr.size - 1)
    fmr, tmr = curve.fmr[last], curve.tmr[last]
    start = int(np.searchsorted(fmr, first * (1 + 1e-9), side="right")) - 1
    x = np.concatenate(([first], fmr[start + 1 :], [1.0]))
    y = np.concatenate((tmr[start:], tmr[-1:]))
    # The first and the last corner of every cell: what lies between them no pixel can show.
    cell = np.floor(np.log(x / first) / -np.log(first) * _CELLS) if first < 1 else np.zeros(x.size)
    differs = np.diff(cell) != 0
    kept = np.append(True, differs) | np.append(differs, True)
    return x[kept], y[kept]


def _band(
    scores: LayerScores,
    curve: Roc,
    identity: IdentitySource,
    n_resamples: int,
    first: float,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Give the band of a ROC, or nothing where it is not wanted or resampling cannot tell.

    Resamples of comparisons without an error have none either; there the exact interval is drawn.
    """
    import numpy as np

    from facebench.data.identity import people_of_pairs
    from facebench.metrics.bands import roc_band
    from facebench.metrics.bootstrap import ResamplingError
    from facebench.metrics.stats import clopper_pearson

    nothing = np.empty(0)
    if not n_resamples:
        return nothing, nothing, nothing
    if _is_perfect(curve):
        lowest = clopper_pearson(curve.n_genuine, curve.n_genuine).low
        return np.array([first, 1.0]), np.full(2, lowest), np.ones(2)
    sides = people_of_pairs(scores.frame, identity, scores.genuine)
    try:
        return roc_band(
            scores.genuine,
            scores.distances,
            np.minimum(np.geomspace(first, 1.0, _BAND_POINTS), 1.0),
            by="pair" if sides is None else "identity",
            members1=None if sides is None else sides[0],
            members2=None if sides is None else sides[1],
            n_resamples=n_resamples,
            higher_is_better=False,
        )
    except ResamplingError:
        return nothing, nothing, nothing
    except ValueError as error:
        message = f"The people of the pairs of {scores.label!r} cannot be resampled. {error}"
        raise InputError(message) from error


def _band_note(
    curves: Sequence[Curve],
    layers: Sequence[LayerScores],
    identity: IdentitySource,
    n_resamples: int,
    exact: int,
) -> str:
    from facebench.data.identity import people_of_pairs

    if not n_resamples:
        return ""
    if exact == len(curves):
        return ""
    without = sum(not curve.band_x.size for curve in curves)
    if without == len(curves):
        return "No band: too few comparisons or people to resample."
    people = people_of_pairs(layers[0].frame, identity, layers[0].genuine)
    what = "pairs" if people is None else "identities"
    missing = f" Too few to resample for {without} of {len(curves)} curves." if without else ""
    return f"Bands: pointwise 95 %, {n_resamples:,} bootstraps of {what}.{missing}"


def _discard_curve(scores: LayerScores, columns: tuple[str, ...], fmr: float, task: str) -> Curve:
    import numpy as np

    from facebench.figures.drawing.curves import Curve
    from facebench.metrics.verification import error_vs_discard

    if not scores.has_both_classes:
        return Curve(scores.model, scores.label, _ONE_CLASS)
    what = f"column of the distances of {scores.label!r} on {task!r}"
    quality = np.min(
        [as_numbers(scores.frame[column], f"The {column!r} {what}") for column in columns], axis=0
    )
    try:
        found = error_vs_discard(
            scores.genuine, scores.distances, quality, fmr=fmr, higher_is_better=False
        )
    except ValueError as error:
        message = f"No error against discard can be drawn for {scores.label!r} on {task!r}: {error}"
        raise InputError(message) from error
    genuine = np.sort(quality[scores.genuine])
    left = genuine.size - np.searchsorted(genuine, np.unique(quality))
    shown = left >= min(_FEWEST, genuine.size)
    detail = f"FNMR {100 * found.fnmr[0]:.2f} % at no discard  ·  {scores.count_text()}"
    return Curve(scores.model, scores.label, detail, found.discard[shown], found.fnmr[shown])
