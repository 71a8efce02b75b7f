"""How much of what people say do several predictors explain together, and each alone?

Predictors and target are numbers of the same pairs of images: distances and ratings. All that is
computed here follows from sums of products over pairs, so that it is computed for many weightings
of the pairs (without an image, without a rater) at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from facebench.types import Float64Array, IntArray

__all__ = [
    "Blocks",
    "Subset",
    "commonality",
    "cross_validated_r2",
    "image_blocks",
    "products",
    "r2_of_subsets",
    "subsets_of",
]

Subset = tuple[int, ...]
# A share of a predictor's variance below this is rounding.
_ROUNDING = 1e-10
# Standardised predictors that repeat each other have no solution without it.
_RIDGE = 1e-9
# Numbers that are worked on at a time.
_TOGETHER = 1 << 22


def subsets_of(n_predictors: int) -> list[Subset]:
    """List all sets of predictors, the empty one first.

    Examples
    --------
    >>> subsets_of(2)
    [(), (0,), (1,), (0, 1)]
    """
    numbers = range(n_predictors)
    return [some for size in range(n_predictors + 1) for some in combinations(numbers, size)]


def products(target: Any, predictors: Any, weights: Any = None) -> Float64Array:
    """Sum the products of 1, the predictors and the target over pairs.

    Parameters
    ----------
    target : array-like, shape [N]
        What is to be explained.
    predictors : array-like, shape [N, Q]
        What it is explained by.
    weights : array-like, shape [R, N], optional
        How often each pair counts, a row per version. None: once.

    Returns
    -------
    array, shape [R, Q + 2, Q + 2]
        In the order 1, predictors, target; all columns are standardised over all pairs first, for
        exactness.

    Raises
    ------
    ValueError
        If shapes do not fit or a number is not finite.
    """
    columns = _columns(target, predictors)
    drawn = np.ones((1, len(columns))) if weights is None else np.atleast_2d(weights)
    pairs = np.einsum("ni,nj->nij", columns, columns).reshape(len(columns), -1)
    side = columns.shape[1]
    return np.asarray((drawn.astype(np.float64) @ pairs).reshape(-1, side, side))


def _columns(target: Any, predictors: Any) -> Float64Array:
    y, x = np.asarray(target, dtype=np.float64), np.asarray(predictors, dtype=np.float64)
    if y.ndim != 1 or x.ndim != 2 or len(x) != len(y):
        msg = (
            "A regression needs a target of each pair and a row of predictors. "
            f"Got shapes {y.shape} and {x.shape}."
        )
        raise ValueError(msg)
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        msg = "A regression needs finite numbers. Leave pairs out that lack one."
        raise ValueError(msg)
    both = np.column_stack((x, y))
    largest = np.abs(both).max(axis=0, initial=0.0)
    both = both - both.mean(axis=0) if len(both) else both
    spread = both.std(axis=0) if len(both) else np.ones(both.shape[1])
    constant = spread <= _ROUNDING * largest
    both = np.where(constant, 0.0, both / np.where(constant, 1.0, spread))
    return np.column_stack((np.ones(len(both)), both))


def r2_of_subsets(sums: Float64Array, subsets: Iterable[Subset]) -> dict[Subset, Float64Array]:
    """Compute R² of the least-squares fit by each of some sets of predictors, in sample.

    Parameters
    ----------
    sums : array, shape [R, Q + 2, Q + 2]
        From `products`.
    subsets : iterable of tuple of int
        Which predictors.

    Returns
    -------
    dict of tuple to array, shape [R]
        In [0, 1]; 0 for the empty set and for constant predictors, NaN for a constant target.
        Predictors that repeat each other count once.

    Examples
    --------
    >>> sums = products([1.0, 2, 3, 5], [[1.0, 1], [2, 0], [3, 0], [5, 1]])
    >>> {key: float(value[0].round(6)) for key, value in r2_of_subsets(sums, [(0,), (1,)]).items()}
    {(0,): 1.0, (1,): 0.028571}
    """
    count = sums[:, :1, :1]
    centred = sums - sums[:, :, :1] * sums[:, :1, :] / np.where(count > 0, count, np.nan)
    spread = np.sqrt(np.clip(np.einsum("rii->ri", centred), 0.0, None))
    constant = ~(spread > np.sqrt(_ROUNDING * np.maximum(sums[:, 0, 0], 0.0))[:, None])
    scale = np.where(constant, np.inf, spread)
    r = centred / scale[:, :, None] / scale[:, None, :]
    undefined = constant[:, -1] | ~(sums[:, 0, 0] > 1)
    found = {}
    for subset in subsets:
        if not subset:
            value = np.zeros(len(sums))
        else:
            chosen = np.array(subset) + 1
            own = np.nan_to_num(r[:, chosen[:, None], chosen])
            with_target = np.nan_to_num(r[:, chosen, -1])
            inverse = np.linalg.pinv(own, rcond=_ROUNDING, hermitian=True)
            value = np.einsum("ri,rij,rj->r", with_target, inverse, with_target)
        found[subset] = np.where(undefined, np.nan, np.clip(value, 0.0, 1.0))
    return found


def commonality(r2: dict[Subset, Any]) -> dict[Subset, Any]:
    """Divide R² into what each predictor explains alone, and what is common to each set of them.

    C(T) = -Σ over S in T of (-1)^|S| R²(S and all that are not in T). C({i}) is the unique
    variance R²(all) - R²(all but i); all parts add up to R²(all). What is common may be negative:
    one predictor then suppresses what is irrelevant in another.

    Parameters
    ----------
    r2 : dict of tuple of int to float or array
        R² of every set of predictors, as `r2_of_subsets` gives it for `subsets_of`.

    Returns
    -------
    dict of tuple of int to float or array
        By set, without the empty one.

    Raises
    ------
    ValueError
        If a set is missing.

    References
    ----------
    A. Mood, "Partitioning variance in multiple regression analyses as a tool for developing
    learning models", American Educational Research Journal 8 (1971) 191-202; K. Nimon et al.,
    Behavior Research Methods 40 (2008) 457-466.

    Examples
    --------
    >>> parts = commonality({(): 0.0, (0,): 0.5, (1,): 0.4, (0, 1): 0.6})
    >>> {key: round(value, 6) for key, value in parts.items()}
    {(0,): 0.2, (1,): 0.1, (0, 1): 0.3}
    """
    whole = max(r2, key=len, default=())
    if len(r2) != 2 ** len(whole):
        msg = f"Commonality needs R² of all {2 ** len(whole)} sets of predictors. Got {len(r2)}."
        raise ValueError(msg)
    parts = {}
    for chosen in subsets_of(len(whole))[1:]:
        rest = set(whole) - set(chosen)
        total: Any = 0.0
        for size in range(len(chosen) + 1):
            for some in combinations(chosen, size):
                total = total - (-1) ** size * r2[tuple(sorted({*some, *rest}))]
        parts[chosen] = total
    return parts


class Blocks(NamedTuple):
    """Pairs by the folds of their two images, for cross-validation over images.

    Attributes
    ----------
    of_pair : array of int, shape [N]
        The block of each pair.
    shared : array of bool, shape [B, B]
        Which blocks have a fold, and so maybe an image, in common.
    n_folds : int
        Folds of images.
    """

    of_pair: IntArray
    shared: Float64Array
    n_folds: int

    def training(self, block: int) -> Any:
        """Tell which pairs share no fold with a block, shape [N]."""
        return ~self.shared[block].astype(bool)[self.of_pair]


def image_blocks(first: Any, second: Any, n_folds: int | None = None, seed: int = 0) -> Blocks:
    """Divide pairs into blocks so that each can be predicted from pairs of other images.

    Images are dealt out to folds. A block holds the pairs of two folds, or within one, and is
    predicted from the pairs that have no image in either. So every pair is predicted once.

    Parameters
    ----------
    first, second : array of int, shape [N]
        The images of each pair, 0 … n_images - 1.
    n_folds : int, optional
        Folds of images. None: one image each for up to 30 images, else 10.
    seed : int, default 0
        Deals out the images.

    Returns
    -------
    Blocks
        Those without a pair are left out.

    Examples
    --------
    >>> blocks = image_blocks([0, 0, 1], [1, 2, 2], 3)
    >>> blocks.of_pair.tolist(), blocks.training(0).tolist()
    ([2, 0, 1], [False, False, False])
    """
    one, other = np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp)
    n_images = int(max(one.max(initial=-1), other.max(initial=-1))) + 1
    if n_folds is None:
        n_folds = n_images if n_images <= 30 else 10
    n_folds = max(1, min(n_folds, n_images))
    order = np.random.default_rng(seed).permutation(n_images)
    fold = np.empty(n_images, dtype=np.intp)
    fold[order] = np.arange(n_images) % n_folds
    low, high = np.minimum(fold[one], fold[other]), np.maximum(fold[one], fold[other])
    keys, of_pair = np.unique(low * n_folds + high, return_inverse=True)
    ends = np.stack((keys // n_folds, keys % n_folds), axis=1)
    shared = (ends[:, None, :, None] == ends[None, :, None, :]).any(axis=(2, 3))
    return Blocks(of_pair, shared.astype(np.float64), n_folds)


def cross_validated_r2(
    target: Any,
    predictors: Any,
    blocks: Blocks,
    subsets: Sequence[Subset],
    weights: Any = None,
) -> dict[Subset, Float64Array]:
    """Predict every pair from pairs of other images, by each of some sets of predictors.

    R² = 1 - Σ (y - ŷ)² / Σ (y - m)², ŷ from the pairs that share no fold of images with the one
    predicted, and m the mean of all pairs. So it is below R² in sample, and may be negative: worse
    than knowing the mean.

    Parameters
    ----------
    target : array-like, shape [N]
        What is to be explained.
    predictors : array-like, shape [N, Q]
        What it is explained by.
    blocks : Blocks
        From `image_blocks`.
    subsets : sequence of tuple of int
        Which predictors; the empty set predicts by the mean of other images.
    weights : array-like, shape [R, N], optional
        How often each pair counts, a row per version.

    Returns
    -------
    dict of tuple to array, shape [R]
        NaN where pairs of other images are too few for a fit.

    Raises
    ------
    ValueError
        As `products`.

    Examples
    --------
    >>> first, second = np.triu_indices(8, 1)
    >>> x = np.abs(first - second) ** 1.5
    >>> r2 = cross_validated_r2(2 * x + 1, x[:, None], image_blocks(first, second), [(0,)])
    >>> round(float(r2[0,][0]), 6)
    1.0
    """
    columns = _columns(target, predictors)
    drawn = np.ones((1, len(columns))) if weights is None else np.atleast_2d(weights)
    order = np.argsort(blocks.of_pair, kind="stable")
    starts = np.flatnonzero(np.diff(blocks.of_pair[order], prepend=-1))
    side = columns.shape[1]
    pairs = np.einsum("ni,nj->nij", columns[order], columns[order]).reshape(len(columns), -1)
    step = max(1, _TOGETHER // max(1, pairs.size))
    found: dict[Subset, list[Float64Array]] = {subset: [] for subset in subsets}
    for start in range(0, len(drawn), step):
        some = drawn[start : start + step][:, order].astype(np.float64)
        by_block = np.add.reduceat(some[:, :, None] * pairs, starts, axis=1)
        tested = by_block.reshape(len(some), -1, side, side)
        trained = tested.sum(axis=1, keepdims=True) - np.einsum(
            "bc,rcij->rbij", blocks.shared, tested
        )
        without = _sum_of_squares(tested.sum(axis=1))
        for subset in subsets:
            with np.errstate(divide="ignore", invalid="ignore"):
                share = 1 - _errors(trained, tested, subset) / without
            found[subset].append(np.where(without > 0, share, np.nan))
    return {subset: np.concatenate(parts) for subset, parts in found.items()}


def _sum_of_squares(sums: Float64Array) -> Float64Array:
    """Sum squared differences from the mean: [R]."""
    count = np.where(sums[:, 0, 0] > 0, sums[:, 0, 0], np.nan)
    return np.asarray(sums[:, -1, -1] - sums[:, 0, -1] ** 2 / count)


def _errors(trained: Float64Array, tested: Float64Array, subset: Subset) -> Float64Array:
    """Sum squared errors of prediction over blocks: [R]."""
    chosen = np.array([0, *(number + 1 for number in subset)])
    at = (..., chosen[:, None], chosen)
    count = trained[..., 0, 0]
    needed = tested[..., 0, 0] > 0
    # Fewer pairs than coefficients fit anything.
    enough = count > len(chosen)
    own = trained[at] + _RIDGE * np.maximum(count, 1.0)[..., None, None] * np.eye(len(chosen))
    weights = np.linalg.solve(own, trained[..., chosen, -1][..., None])[..., 0]
    errors = (
        tested[..., -1, -1]
        - 2 * np.einsum("rbi,rbi->rb", weights, tested[..., chosen, -1])
        + np.einsum("rbi,rbij,rbj->rb", weights, tested[at], weights)
    )
    total = np.where(needed, np.clip(errors, 0.0, None), 0.0).sum(axis=1)
    return np.where((enough | ~needed).all(axis=1), total, np.nan)
