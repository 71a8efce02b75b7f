"""The pairs that a report shows one by one: those of scatters, and the hardest ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.metrics.verification import youden_threshold
from facebench.metrics.weighted_ranks import ranks
from facebench.results.pair_rows import PairRows
from facebench.results.report.thumbnails import Thumbnails
from facebench.tasks.shared.people import PEOPLE_DISTANCE
from facebench.types import Float64Array, IntArray

__all__ = ["Named", "disagreement_data", "gallery_data", "group_rates", "scatter_data"]

# Model, layer and its pairs.
Named = tuple[str, str, PairRows]

_MOST_POINTS = 1500
_TOGETHER, _EACH = 8, 4
_FEWEST_IN_GROUP = 5
_MOST_GROUPS = 12
_PER_GROUP = ("fmr", "fnmr", "n_fmr", "n_fnmr")


def scatter_data(series: Sequence[Named], thumbnails: Thumbnails) -> dict[str, Any] | None:
    """Give model distances over given ones.

    Parameters
    ----------
    series : sequence of (model, layer, PairRows)
        The same pairs in each.
    thumbnails : Thumbnails
        Where faces are collected.

    Returns
    -------
    dict or None
        given, pairs ([name, name, picture, picture]), series, total; every n-th pair of many.
        None where nothing is given.
    """
    comparable = _same_length(series)
    given = _given(comparable[0][2]) if comparable else None
    if given is None:
        return None
    total = len(given)
    step = max(1, -(-total // _MOST_POINTS))
    rows = np.arange(0, total, step)
    first = comparable[0][2]
    return {
        "total": total,
        "given": given[rows],
        "pairs": [_pair(first, int(row), thumbnails) for row in rows],
        "series": [
            {"model": model, "layer": layer, "computed": pairs.distances[rows]}
            for model, layer, pairs in comparable
        ],
    }


def gallery_data(series: Sequence[Named], thumbnails: Thumbnails) -> list[dict[str, Any]]:
    """Find the hardest pairs: of all models together, then of each.

    Parameters
    ----------
    series : sequence of (model, layer, PairRows)
        The same pairs in each.
    thumbnails : Thumbnails
        Where faces are collected.

    Returns
    -------
    list of dict
        who, and two groups: title and pairs (names, pictures and a note). Empty where pairs are
        neither labelled nor rated.
    """
    comparable = _same_length(series)
    if not comparable:
        return []
    hardness = [_hardness(pairs) for _, _, pairs in comparable]
    usable = [(named, h) for named, h in zip(comparable, hardness, strict=True) if h is not None]
    if not usable:
        return []
    titles = _titles(usable[0][0][2])
    galleries = []
    if len(usable) > 1:
        together = np.mean([h for _, h in usable], axis=0)
        who = f"All {len(usable)} models together"
        galleries.append(_gallery(who, titles, usable[0][0][2], together, thumbnails, _TOGETHER))
    for (model, layer, pairs), own in usable:
        who = _who(model, layer)
        number = _EACH if len(usable) > 1 else _TOGETHER
        galleries.append(_gallery(who, titles, pairs, own, thumbnails, number, distances=True))
    return galleries


def disagreement_data(series: Sequence[Named], thumbnails: Thumbnails) -> list[dict[str, Any]]:
    """Find the pairs on which each model and people disagree most.

    Parameters
    ----------
    series : sequence of (model, layer, PairRows)
        The same pairs in each.
    thumbnails : Thumbnails
        Where faces are collected.

    Returns
    -------
    list of dict
        As of `gallery_data`; empty where no people answered. Pairs are ranked within their
        condition and, where labelled, among pairs of one person or of two.
    """
    titles = ("Further apart for the model than for people", "Closer for the model than for people")
    galleries = []
    for model, layer, pairs in _same_length(series):
        if PEOPLE_DISTANCE not in pairs.frame:
            continue
        people = pairs.frame[PEOPLE_DISTANCE].to_numpy(dtype=np.float64)
        apart = np.full(len(pairs), np.nan)
        for rows in _alike(pairs, np.isfinite(people)):
            apart[rows] = _share_below(pairs.distances[rows]) - _share_below(people[rows])
        who = f"{_who(model, layer)}, against people"
        galleries.append(
            _gallery(who, titles, pairs, apart, thumbnails, _TOGETHER, distances=True, given=people)
        )
    return galleries


def _alike(pairs: PairRows, seen: NDArray[np.bool_]) -> list[IntArray]:
    """Give the rows of each condition and class that people saw."""
    keys = [np.zeros(len(pairs), dtype=np.intp)]
    column = pairs.facts.condition_column
    if column is not None and column in pairs.frame:
        keys.append(pd.factorize(pairs.frame[column])[0])
    if pairs.labels is not None:
        keys.append(np.asarray(pairs.labels, dtype=np.intp))
    kind = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].ravel()
    used = seen & pairs.usable
    return [np.flatnonzero(used & (kind == one)) for one in np.unique(kind[used])]


def group_rates(series: Sequence[Named]) -> list[dict[str, Any]]:
    """Give error rates by the groups in text columns of the pairs file.

    Parameters
    ----------
    series : sequence of (model, layer, PairRows)
        Labelled pairs.

    Returns
    -------
    list of dict
        column, groups, and series with fmr, fnmr and counts per group, at the threshold with the
        largest Youden index over all pairs.
    """
    labelled = [named for named in series if named[2].labels is not None]
    if not labelled:
        return []
    found = []
    for column, groups in _group_columns(labelled[0][2]).items():
        rates = [_rates(*named, column, groups) for named in labelled]
        kept = _with_rates(rates, len(groups))
        groups = [groups[place] for place in kept]
        for one in rates:
            one.update({name: [one[name][place] for place in kept] for name in _PER_GROUP})
        if len(groups) < 2:
            continue
        found.append({"column": column, "groups": groups, "series": rates})
    return found


def _given(pairs: PairRows) -> Float64Array | None:
    """Give what the network is compared with: given distances, or people's mean ratings."""
    return pairs.rated if pairs.given is None else pairs.given


def _same_length(series: Sequence[Named]) -> list[Named]:
    with_pairs = [named for named in series if named[2].has_pairs and named[2].usable.any()]
    return [named for named in with_pairs if len(named[2]) == len(with_pairs[0][2])]


def _pair(pairs: PairRows, row: int, thumbnails: Thumbnails) -> list[Any]:
    names = [side[row] for side in pairs.names]
    return [*names, *(thumbnails.add(pairs.facts.images_path, name) for name in names)]


def _who(model: str, layer: str) -> str:
    return model if layer == "default" else f"{model}: {layer}"


def _share_below(values: Float64Array) -> Float64Array:
    """Give for each value the share of smaller ones, 0 … 1; half of itself and of equal ones."""
    return np.asarray((ranks(values) - 0.5) / values.size)


def _hardness(pairs: PairRows) -> Float64Array | None:
    """Rank pairs from -1 (too alike for the network) to 1 (too different); NaN: not judged."""
    place = np.full(len(pairs), np.nan)
    used = pairs.usable
    share = _share_below(pairs.distances[used])
    if pairs.labels is not None:
        # A genuine pair is hard if far apart, an impostor pair if close.
        place[used] = np.where(pairs.labels[used] == 1, share, share - 1)
        return place
    given = _given(pairs)
    if given is not None:
        place[used] = share - _share_below(given[used])
        return place
    return None


def _titles(pairs: PairRows) -> tuple[str, str]:
    if pairs.labels is not None:
        return ("Same person, far apart", "Different people, close together")
    return ("Further apart than rated", "Closer together than rated")


def _gallery(
    who: str,
    titles: tuple[str, str],
    pairs: PairRows,
    hardness: Float64Array,
    thumbnails: Thumbnails,
    number: int,
    *,
    distances: bool = False,
    given: Float64Array | None = None,
) -> dict[str, Any]:
    order = np.argsort(np.where(np.isnan(hardness), 0, hardness), kind="stable")
    given = _given(pairs) if given is None else given
    groups = []
    for title, rows in zip(titles, (order[::-1][:number], order[:number]), strict=True):
        sign = 1 if title == titles[0] else -1
        shown = [int(row) for row in rows if sign * hardness[row] > 0]
        groups.append(
            {
                "title": title,
                "pairs": [
                    {
                        "pair": _pair(pairs, row, thumbnails),
                        "distance": float(pairs.distances[row]) if distances else None,
                        "given": None if given is None else float(given[row]),
                    }
                    for row in shown
                ],
            }
        )
    return {"who": who, "groups": groups}


def _group_columns(pairs: PairRows) -> Mapping[str, list[str]]:
    columns = {}
    own = {"img1", "img2", "layer_name", pairs.facts.label_column}
    labels = pd.Series(pairs.labels)
    for column in pairs.frame.columns:
        values = pairs.frame[column]
        if column in own or values.dtype.kind in "fiub" or values.isna().any():
            continue
        names = values.astype(str)
        groups = list(dict.fromkeys(names))
        # Groups of one label each only say the label in other words.
        if 2 <= len(groups) <= _MOST_GROUPS and (labels.groupby(names.array).nunique() > 1).any():
            columns[str(column)] = groups
    return columns


def _rates(
    model: str, layer: str, pairs: PairRows, column: str, groups: Sequence[str]
) -> dict[str, Any]:
    labels, distances = np.asarray(pairs.labels), pairs.distances
    used = pairs.usable
    threshold = 1 - youden_threshold(labels[used], 1 - distances[used])
    accepted = distances <= threshold
    names = pairs.frame[column].astype(str).to_numpy()
    rates: dict[str, Any] = {"model": model, "layer": layer}
    for measure, value, wrong in (("fmr", 0, accepted), ("fnmr", 1, ~accepted)):
        own = [(names == group) & (labels == value) for group in groups]
        sizes = np.array([rows.sum() for rows in own])
        rates[f"n_{measure}"] = sizes
        rates[measure] = [_rate(wrong, rows) for rows in own]
    return rates


def _with_rates(rates: list[dict[str, Any]], n_groups: int) -> list[int]:
    """Find the groups that are large enough for a rate of either kind."""
    return [
        place
        for place in range(n_groups)
        if any(np.isfinite([one["fmr"][place], one["fnmr"][place]]).any() for one in rates)
    ]


def _rate(wrong: Any, rows: Any) -> float:
    size: IntArray = np.asarray(rows.sum())
    return float(wrong[rows].mean()) if size >= _FEWEST_IN_GROUP else float("nan")
