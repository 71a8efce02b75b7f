"""Rules that choose thresholds from a fixed grid, in folds cut from the rows as they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.parity.outcome import (
    Outcome,
    checked_scores,
    contiguous_folds,
    count_below,
    grid_accuracies,
)
from facebench.parity.vectors import (
    cosine_similarities,
    flip_sum,
    normalised,
    squared_distances,
)
from facebench.types import Float64Array

__all__ = ["facenet", "facenet_centred", "insightface"]

_GRID = np.arange(0, 4, 0.01)
_FINE_GRID = np.arange(0, 4, 0.001)


def _share_below(values: Float64Array, threshold: float) -> float:
    # A fold of one class has no such rate; the published code divides by zero there.
    return float(np.mean(values < threshold)) if values.size else float("nan")


def _grid_rule(
    labels: Any,
    folds: int,
    far: float,
    distances_of: Callable[[NDArray[np.bool_]], Float64Array],
    any_distances: Float64Array,
) -> Outcome:
    """Cross-validate over a fixed grid of thresholds, as both facenet and insightface do.

    `distances_of` gives all distances from the rows that are trained on, as centring depends on
    them.
    """
    genuine, _ = checked_scores(labels, any_distances)
    fold = contiguous_folds(genuine.size, folds)
    accuracies, thresholds, tars, fars = [], [], [], []
    for index in range(folds):
        judged = fold == index
        distances = distances_of(~judged)
        same, trained = genuine[~judged], distances[~judged]
        threshold = float(_GRID[np.argmax(grid_accuracies(same, trained, _GRID))])
        thresholds.append(threshold)
        accuracies.append(np.mean((distances[judged] < threshold) == genuine[judged]))
        at = _interpolated(np.sort(trained[~same]), far)
        tars.append(_share_below(distances[judged & genuine], at))
        fars.append(_share_below(distances[judged & ~genuine], at))
    return Outcome(
        float(np.mean(accuracies)),
        float(np.std(accuracies)),
        "population standard deviation of the folds",
        np.array(accuracies),
        np.array(thresholds),
        float(np.mean(tars)),
        float(np.mean(fars)),
    )


def _interpolated(impostors: Float64Array, target: float) -> float:
    """Interpolate the threshold at a target FAR between two points of the finer grid.

    0 where the grid never reaches the target. The published code gives a spline of the whole curve
    to SciPy, which refuses equal FARs since it checks them; where it does not, the straight line
    between the two points about the target is what it draws.
    """
    if not impostors.size:
        return 0.0
    rates = count_below(impostors, _FINE_GRID) / impostors.size
    if rates.max() < target or target <= 0:
        return 0.0
    after = int(np.argmax(rates >= target))
    share = (target - rates[after - 1]) / (rates[after] - rates[after - 1])
    return float(_FINE_GRID[after - 1] + share * (_FINE_GRID[after] - _FINE_GRID[after - 1]))


def facenet(labels: Any, squared: Any, *, folds: int = 10, far: float = 1e-3) -> Outcome:
    """facenet: unshuffled folds, a fixed grid of thresholds, strictly smaller accepted.

    Each fold is judged at the threshold of the grid 0, 0.01 … 3.99 with the best accuracy on the
    other folds, of equal ones the strictest; accepted if squared distance < threshold. TAR at
    FAR: the threshold is interpolated on a grid of 0.001 and each fold has its own rates.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor, in file order.
    squared : array-like, shape [N]
        Squared Euclidean distances; the grid expects those of unit vectors, 0 to 4.
    folds : int, default 10
        Cut from the rows as they lie.
    far : float, default 1e-3
        Target of the false accept rate.

    Returns
    -------
    Outcome
        accuracy ± population standard deviation of the folds, TAR and FAR.

    Raises
    ------
    ValueError
        If there is one class only, a score is NaN, or there are too few pairs for the folds.

    References
    ----------
    D. Sandberg, facenet (2016-2018), ``src/lfw.py`` and ``src/facenet.py``: ``calculate_roc``,
    ``calculate_accuracy``, ``calculate_val``.

    Examples
    --------
    >>> found = facenet([1, 0, 1, 0], [0.5, 1.5, 0.5, 1.5], folds=2)
    >>> found.accuracy, found.thresholds
    (1.0, array([0.51, 0.51]))
    """
    _, distances = checked_scores(labels, squared)
    return _grid_rule(labels, folds, far, lambda _trained: distances, distances)


def facenet_centred(
    labels: Any, left: Any, right: Any, *, folds: int = 10, far: float = 1e-3
) -> Outcome:
    """Facenet with ``subtract_mean``: the mean embedding of the other folds is taken off first.

    For Euclidean distance a common shift changes nothing, so that the option only matters where
    vectors are normalised afterwards, as here.

    Parameters
    ----------
    labels, folds, far
        As in `facenet`.
    left, right : array-like, shape [N, D]
        Embeddings of both sides of each pair, row by row.

    Returns
    -------
    Outcome
        As `facenet`.

    Raises
    ------
    ValueError
        As `facenet`.

    Examples
    --------
    >>> left, right = [[1.0, 0.0], [0.0, 1.0]] * 2, [[1.0, 0.1], [1.0, 0.0]] * 2
    >>> facenet_centred([1, 0] * 2, left, right, folds=2).accuracy
    1.0
    """
    one, other = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)

    def centred(trained: NDArray[np.bool_]) -> Float64Array:
        mean = np.concatenate((one[trained], other[trained])).mean(axis=0)
        cosines = cosine_similarities(one - mean, other - mean)
        return np.asarray(np.arccos(np.clip(cosines, -1, 1)) / np.pi)

    return _grid_rule(labels, folds, far, centred, squared_distances(one, other))


def insightface(
    labels: Any,
    left: Any,
    right: Any,
    mirrored_left: Any = None,
    mirrored_right: Any = None,
    *,
    folds: int = 10,
    far: float = 1e-3,
) -> Outcome:
    """insightface: embeddings of image and mirror image added, normalised, then facenet's grid.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor, in file order.
    left, right : array-like, shape [N, D]
        Embeddings of both sides of each pair.
    mirrored_left, mirrored_right : array-like, shape [N, D], optional
        Those of the mirror images; without them the embeddings alone are normalised.
    folds, far
        As in `facenet`.

    Returns
    -------
    Outcome
        As `facenet`. The number after ± is the population standard deviation of the folds: with
        10 folds 3.0 times the standard error that LFW asks for.

    Raises
    ------
    ValueError
        As `facenet`, or if one mirror image is missing.

    References
    ----------
    J. Guo and J. Deng, insightface, ``recognition/arcface_torch/eval/verification.py``.

    Examples
    --------
    >>> left, right = [[1.0, 0.0], [0.0, 1.0]] * 2, [[1.0, 0.1], [1.0, 0.0]] * 2
    >>> insightface([1, 0] * 2, left, right, folds=2).accuracy
    1.0
    """
    if (mirrored_left is None) != (mirrored_right is None):
        msg = "insightface needs the mirror images of both sides, or of none. Got one side."
        raise ValueError(msg)
    if mirrored_left is None:
        one, other = normalised(left), normalised(right)
    else:
        one, other = flip_sum(left, mirrored_left), flip_sum(right, mirrored_right)
    return facenet(labels, squared_distances(one, other), folds=folds, far=far)
