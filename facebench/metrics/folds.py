"""Folds for cross-validated verification: of both classes, and of different people."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.labels import as_labels
from facebench.metrics.uncertainty.independent_groups import blocks_of
from facebench.types import IntArray

__all__ = ["FoldFaults", "Folds", "fold_faults", "make_folds"]

# How far a fold may be from an equal share of a class and still pass as a fold like the others.
_LEAST, _MOST = 0.5, 1.5


class Folds(NamedTuple):
    """Folds of comparisons.

    Attributes
    ----------
    of_pair : array of int, shape [N]
        The fold of each comparison, from 1.
    is_disjoint : bool
        Whether no member (person or image) is in two folds.
    """

    of_pair: IntArray
    is_disjoint: bool


class FoldFaults(NamedTuple):
    """What is wrong with given folds.

    Attributes
    ----------
    shared_members : int
        Units (people or images) in more than one fold.
    one_class : list
        Folds of genuine or of impostor comparisons only.
    """

    shared_members: int
    one_class: list[Any]


def make_folds(
    labels: Any, n_folds: int, members1: Any = None, members2: Any = None, *, seed: int = 0
) -> Folds:
    """Part comparisons into folds of equal shares of both classes, of different people if possible.

    Comparisons that share a member, directly or through others, must stay together. Where these
    clusters are small enough they are dealt out, the largest first, each to the fold that is then
    least full; else, or without members, each class is dealt out at random. Never by position: a
    file sorted by label would give folds of one class.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    n_folds : int
        2 or more; no more than there are comparisons of the rarer class.
    members1, members2 : array-like, shape [N], optional
        Person (or image) of each side.
    seed : int, default 0
        The same seed gives the same folds.

    Returns
    -------
    Folds

    Raises
    ------
    ValueError
        If there are too few comparisons of a class for the number of folds.

    Examples
    --------
    >>> folds = make_folds([1, 1, 0, 0], 2, ["a", "b", "a", "b"], ["a", "b", "c", "d"])
    >>> folds.is_disjoint, bool(folds.of_pair[0] == folds.of_pair[2])
    (True, True)
    """
    genuine = as_labels(labels).astype(bool)
    rarer = int(min(genuine.sum(), (~genuine).sum()))
    if n_folds < 2 or n_folds > rarer:
        msg = (
            f"{n_folds} folds need as many comparisons of each class, and must be 2 or more. "
            f"Got {int(genuine.sum())} genuine and {int((~genuine).sum())} impostor ones."
        )
        raise ValueError(msg)
    generator = np.random.default_rng(seed)
    if members1 is not None and members2 is not None:
        disjoint = _disjoint(genuine, n_folds, members1, members2, generator)
        if disjoint is not None:
            return Folds(disjoint, True)
    of_pair = np.zeros(genuine.size, dtype=np.intp)
    for of_class in (genuine, ~genuine):
        rows = generator.permutation(np.flatnonzero(of_class))
        of_pair[rows] = np.arange(rows.size) % n_folds + 1
    return Folds(of_pair, False)


def _disjoint(
    genuine: Any, n_folds: int, members1: Any, members2: Any, generator: np.random.Generator
) -> IntArray | None:
    """Deal out clusters of comparisons; None where they are too large for equal folds."""
    members = np.concatenate((np.asarray(members1), np.asarray(members2)))
    index = np.unique(members, return_inverse=True)[1]
    cluster = blocks_of(index[: genuine.size], index[genuine.size :])
    clusters, place = np.unique(cluster, return_inverse=True)
    sizes = np.stack(
        [np.bincount(place[of_class], minlength=clusters.size) for of_class in (genuine, ~genuine)],
        axis=1,
    )
    share = sizes.sum(axis=0) / n_folds
    if (sizes > _MOST * share + 1).any():
        return None
    order = generator.permutation(clusters.size)
    order = order[np.argsort(-sizes[order].sum(axis=1), kind="stable")]
    filled = np.zeros((n_folds, 2))
    fold_of_cluster = np.zeros(clusters.size, dtype=np.intp)
    for number in order:
        # The fold that is least full of what this cluster brings.
        fullness = (filled + sizes[number]) / share
        fold = int(np.argmin(fullness.max(axis=1) + 1e-6 * fullness.sum(axis=1)))
        filled[fold] += sizes[number]
        fold_of_cluster[number] = fold
    if (filled < np.maximum(1, _LEAST * share)).any() or (filled > _MOST * share + 1).any():
        return None
    return np.asarray(fold_of_cluster[place] + 1)


def fold_faults(labels: Any, folds: Any, members1: Any, members2: Any) -> FoldFaults:
    """Look for what makes given folds less than they seem.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    folds : array-like, shape [N]
        The fold of each comparison.
    members1, members2 : array-like, shape [N]
        Person (or image) of each side.

    Returns
    -------
    FoldFaults

    Examples
    --------
    >>> fold_faults([1, 0, 1], [1, 1, 2], ["a", "a", "b"], ["a", "b", "b"])
    FoldFaults(shared_members=1, one_class=[2])
    """
    genuine = as_labels(labels).astype(bool)
    names, fold = np.unique(np.asarray(folds), return_inverse=True)
    both = np.concatenate((np.asarray(members1), np.asarray(members2)))
    member = np.unique(both, return_inverse=True)[1]
    seen = np.unique(member * names.size + np.tile(fold, 2)) // names.size
    counts = np.bincount(fold, minlength=names.size)
    matched = np.bincount(fold[genuine], minlength=names.size)
    return FoldFaults(
        shared_members=int(np.count_nonzero(np.bincount(seen) > 1)),
        one_class=names[(matched == 0) | (matched == counts)].tolist(),
    )
