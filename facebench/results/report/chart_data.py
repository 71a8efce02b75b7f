"""What the charts of labelled pairs show, small enough for a page: counts and thinned curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.metrics.operating_points import eer, fnmr_at_fmr
from facebench.metrics.roc_curve import roc
from facebench.metrics.uncertainty.proportions import score_interval
from facebench.types import Float64Array, IntArray

if TYPE_CHECKING:
    from facebench.results.pair_rows import PairRows

__all__ = [
    "curve_data",
    "operating_points",
    "slider_data",
]

# Thresholds the slider stops at; a multiple of the bars of the histogram.
_STEPS, _BARS = 400, 50
_CURVE_POINTS = 80
_RATES = (0.1, 0.01, 0.001)


def slider_data(pairs: PairRows) -> dict[str, Any]:
    """Count accepted pairs at every stop of the slider, exactly.

    Parameters
    ----------
    pairs : PairRows
        Labelled pairs of one layer.

    Returns
    -------
    dict
        low, high: ends of the slider, in distance. genuine, impostor: pairs with a distance at
        most that of each stop. totals: pairs of each class, failed ones included. bars: stops per
        bar of the histogram.
    """
    labels, distances = _labelled(pairs)
    finite = distances[np.isfinite(distances)]
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        # All distances are one: a scale around it.
        room = max(abs(low), 1.0) / 20
        low, high = low - room, high + room
    stops = np.linspace(low, high, _STEPS + 1)
    stops[-1] = high
    data: dict[str, Any] = {"low": low, "high": high, "bars": _STEPS // _BARS, "totals": []}
    for name, value in (("genuine", 1), ("impostor", 0)):
        own = distances[labels == value]
        # NaN is sorted last, above every stop: never accepted.
        data[name] = np.searchsorted(np.sort(own), stops, side="right")
        data["totals"].append(own.size)
    return data


def curve_data(pairs: PairRows) -> dict[str, Any]:
    """Thin the exact ROC to points that look the same on log axes.

    Parameters
    ----------
    pairs
        See `slider_data`.

    Returns
    -------
    dict
        false_matches, misses: counts of each point; totals: genuine and impostor pairs; bounds: how
        large FNMR and FMR may be (upper ends of 95 % intervals that account for shared people)
        where a threshold makes no error of either kind, else None.
    """
    labels, distances = _labelled(pairs)
    curve = roc(labels, distances, higher_is_better=False)
    false_matches = curve.false_matches.astype(np.intp)
    misses = (curve.n_genuine - curve.true_matches).astype(np.intp)
    kept = _thinned(false_matches, misses)
    return {
        "false_matches": false_matches[kept],
        "misses": misses[kept],
        "totals": [curve.n_genuine, curve.n_impostor],
        "bounds": _bounds(pairs) if ((false_matches == 0) & (misses == 0)).any() else None,
    }


def _bounds(pairs: PairRows) -> list[float]:
    """Give how large FNMR and FMR may be where no error was seen."""
    counts = pairs.effective_counts
    return [1 - score_interval(1.0, n).low for n in (counts.genuine, counts.impostor)]


def operating_points(pairs: PairRows) -> list[float | None]:
    """Give EER and FNMR at FMR 0.1, 0.01 and 0.001; None where pairs are too few.

    Parameters
    ----------
    pairs
        See `slider_data`.
    """
    labels, distances = _labelled(pairs)
    n_impostor = int((labels == 0).sum())
    curve = roc(labels, distances, higher_is_better=False)
    found: list[float | None] = [float(eer(curve).rate)]
    for rate in _RATES:
        if rate * n_impostor < 1:
            found.append(None)
            continue
        found.append(float(fnmr_at_fmr(curve, fmr=rate).fnmr))
    return found


def _labelled(pairs: PairRows) -> tuple[Any, Float64Array]:
    labels = pairs.labels
    if labels is None:
        msg = "These pairs have no labels."
        raise ValueError(msg)
    return labels, pairs.distances


def _thinned(false_matches: IntArray, misses: IntArray) -> IntArray:
    """Choose points evenly spaced on the log axes of both rates, the ends included."""
    last = len(false_matches) - 1
    wanted = np.unique(
        np.round(np.geomspace(1, max(2, int(false_matches[-1])), _CURVE_POINTS)).astype(int)
    )
    by_false = np.searchsorted(false_matches, wanted, side="right") - 1
    wanted = np.unique(np.round(np.geomspace(1, max(2, int(misses[0])), _CURVE_POINTS)).astype(int))
    by_miss = np.searchsorted(-misses, -wanted, side="left")
    ends = np.array([0, np.searchsorted(false_matches, 0, side="right") - 1, last])
    return np.unique(np.clip(np.concatenate((by_false, by_miss, ends)), 0, last))
