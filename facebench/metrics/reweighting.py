"""Weights of features, components or layers that predict people best: not negative, held out.

A distance is a sum over features of squared differences; people may weigh features otherwise.
Weights are fitted by non-negative least squares with a ridge penalty, and judged on pairs of
images that neither the weights, the components nor the penalty were chosen on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.predictors import Blocks, image_blocks
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["PENALTIES", "Reweighted", "component_design", "feature_design", "reweighted"]

Design = Callable[[IntArray], Float64Array]
# As shares of the mean sum of squares of a feature.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_OUTER, _INNER = 5, 3
_ROUNDING = 1e-10


class Reweighted(NamedTuple):
    """Predictions of every pair from pairs of other images.

    Attributes
    ----------
    predicted : array, shape [N]
        NaN where pairs of other images are too few.
    penalties : array, shape [blocks]
        The penalty chosen for each block of pairs.
    """

    predicted: Float64Array
    penalties: Float64Array

    def r2(self, target: Any, weights: Any = None) -> Float64Array:
        """Give 1 - Σ (y - ŷ)² / Σ (y - m)² for one weighting of pairs or several, [R]."""
        y = np.asarray(target, dtype=np.float64)
        drawn = np.ones((1, y.size)) if weights is None else np.atleast_2d(weights)
        errors = drawn @ (y - self.predicted) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            without = drawn @ y**2 - (drawn @ y) ** 2 / drawn.sum(axis=1)
            return np.asarray(np.where(without > 0, 1 - errors / without, np.nan))


def feature_design(embeddings: FloatArray, first: IntArray, second: IntArray) -> Design:
    """Give the squared difference of every feature; the same for all training images."""
    rows = np.asarray(embeddings, dtype=np.float64)
    table = (rows[first] - rows[second]) ** 2
    return lambda images: table


def component_design(
    embeddings: FloatArray, first: IntArray, second: IntArray, n_components: int = 100
) -> Design:
    """Give the squared differences of principal components of the training images alone."""
    rows = np.asarray(embeddings, dtype=np.float64)

    def design(images: IntArray) -> Float64Array:
        own = rows[images]
        centred = own - own.mean(axis=0)
        _, spread, axes = np.linalg.svd(centred, full_matrices=False)
        kept = spread > _ROUNDING * spread.max(initial=0.0)
        projected = rows @ axes[kept][:n_components].T
        return np.asarray((projected[first] - projected[second]) ** 2)

    return design


def reweighted(
    design: Design | Any,
    target: Any,
    first: Any,
    second: Any,
    *,
    penalties: Sequence[float] = PENALTIES,
    n_folds: int = _OUTER,
    seed: int = 0,
) -> Reweighted:
    """Predict every pair from re-weighted features, fitted to pairs of other images.

    min Σ (y - b - X w)² + λ |w|², w ≥ 0, for pairs that share no fold of images with the pairs
    predicted; λ by cross-validation over the images of those pairs.

    Parameters
    ----------
    design : callable or array, shape [N, D]
        What is weighted for each pair; a callable gives it for the training images, by number.
    target : array-like, shape [N]
        What is to be predicted.
    first, second : array-like of int, shape [N]
        The images of each pair.
    penalties : sequence of float
        To choose λ from, as shares of the mean sum of squares of a feature. One is not chosen.
    n_folds : int, default 5
        Folds of images.
    seed : int, default 0
        Deals out the images.

    Returns
    -------
    Reweighted

    Raises
    ------
    ValueError
        If a number is not finite.

    References
    ----------
    C. L. Lawson and R. J. Hanson, "Solving least squares problems" (1974), chapter 23; K. R.
    Storrs et al., "Diverse deep neural networks all predict human inferior temporal cortex well,
    after training and fitting", Journal of Cognitive Neuroscience 33 (2021) 2044-2064.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(14, 3))
    >>> first, second = np.triu_indices(14, 1)
    >>> y = 4 * (rows[first, 0] - rows[second, 0]) ** 2
    >>> found = reweighted(feature_design(rows, first, second), y, first, second)
    >>> bool(found.r2(y)[0] > 0.99)
    True
    """
    y = np.asarray(target, dtype=np.float64)
    one, other = np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp)
    make: Design = design if callable(design) else _fixed(design)
    blocks = image_blocks(one, other, n_folds, seed)
    predicted = np.full(y.size, np.nan)
    chosen = np.full(len(blocks.shared), np.nan)
    for block in range(len(blocks.shared)):
        train = np.flatnonzero(blocks.training(block))
        if train.size < 3:
            continue
        images = np.unique(np.concatenate((one[train], other[train])))
        table = make(images)
        if not (np.isfinite(table).all() and np.isfinite(y).all()):
            msg = "Re-weighting needs finite numbers. Leave pairs out that lack one."
            raise ValueError(msg)
        own, wanted = table[train], y[train]
        penalty = penalties[0]
        if len(penalties) > 1:
            inner = image_blocks(*_renumbered(one[train], other[train]), _INNER, seed)
            penalty = _best_penalty(own, wanted, inner, penalties)
        weights, intercept = _fit(_sums(own, wanted), penalty)
        tested = np.flatnonzero(blocks.of_pair == block)
        predicted[tested] = table[tested] @ weights + intercept
        chosen[block] = penalty
    return Reweighted(predicted, chosen)


def _fixed(table: Any) -> Design:
    values = np.asarray(table, dtype=np.float64)
    return lambda images: values


def _renumbered(one: IntArray, other: IntArray) -> tuple[IntArray, IntArray]:
    index = np.unique(np.concatenate((one, other)), return_inverse=True)[1]
    return index[: one.size], index[one.size :]


class _Sums(NamedTuple):
    """What a fit needs of some pairs: how many, sums, and sums of products."""

    n_pairs: int
    x: Float64Array
    y: float
    xx: Float64Array
    xy: Float64Array


def _sums(x: Float64Array, y: Float64Array) -> _Sums:
    return _Sums(len(x), x.sum(axis=0), float(y.sum()), x.T @ x, x.T @ y)


def _fit(sums: _Sums, penalty: float) -> tuple[Float64Array, float]:
    """Fit weights and intercept, as a problem of D equations for any number of pairs."""
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    mean = sums.x / sums.n_pairs
    own = sums.xx - np.outer(sums.x, mean)
    wanted = sums.xy - sums.x * (sums.y / sums.n_pairs)
    # No feature that varies: a penalty of nothing would leave nothing to divide by.
    size = max(float(np.trace(own)) / max(len(own), 1), np.finfo(float).tiny)
    lower = np.linalg.cholesky(own + (penalty + _ROUNDING) * size * np.eye(len(own)))
    weights, _ = nnls(lower.T, solve_triangular(lower, wanted, lower=True))
    return weights, float(sums.y / sums.n_pairs - mean @ weights)


def _best_penalty(
    x: Float64Array, y: Float64Array, blocks: Blocks, penalties: Sequence[float]
) -> float:
    """Choose the penalty with the least squared error on pairs of other images."""
    errors = np.zeros(len(penalties))
    for block in range(len(blocks.shared)):
        train = blocks.training(block)
        tested = blocks.of_pair == block
        if np.count_nonzero(train) < 3:
            continue
        sums = _sums(x[train], y[train])
        for number, penalty in enumerate(penalties):
            weights, intercept = _fit(sums, penalty)
            errors[number] += ((y[tested] - x[tested] @ weights - intercept) ** 2).sum()
    return float(penalties[int(errors.argmin())])
