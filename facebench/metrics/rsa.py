"""Representational similarity analysis: are images far apart here far apart there too?"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.correlation import correlate
from facebench.metrics.rdm import n_images_of, square
from facebench.types import Float64Array, IntArray

__all__ = ["RDM_MEASURES", "Mantel", "compare", "mantel", "permutations_of", "share_as_large"]

_WHITENED = {"cosine-whitened": "cosine", "pearson-whitened": "pearson"}
RDM_MEASURES = ("cosine", "pearson", "spearman", "tau-a", "rho-a", *_WHITENED)
# A permutation that leaves the sum as it was must not fall behind it by rounding.
_SAME = 1e-10
# With fewer pairs in common almost every correlation is 1 or -1.
_FEWEST_PAIRS = 3
_LARGEST_UNDEFINED = 0.05


class Mantel(NamedTuple):
    """A permutation test of two RDMs.

    Attributes
    ----------
    statistic : float
        The measure itself.
    p_value : float
        Share of permutations, the identity among them, with a value as large.
    n_permutations : int
        Permutations compared with; all there are, if those are no more than asked for.
    """

    statistic: float
    p_value: float
    n_permutations: int


def compare(rdms1: Any, rdms2: Any, measure: str = "spearman") -> Any:
    """Compare RDMs by a measure of alikeness.

    The whitened measures take into account that distances which share an image have errors that
    correlate: r₁ᵀ V⁻¹ r₂ / sqrt(r₁ᵀ V⁻¹ r₁ · r₂ᵀ V⁻¹ r₂), V = (C Cᵀ)∘(C Cᵀ), C the contrasts of
    the pairs, here computed through the doubly centred matrices -½ H D H; of squared Euclidean
    distances 'cosine-whitened' is linear CKA. They are meant for unbiased (cross-validated)
    squared distances, but defined for all complete RDMs.

    Parameters
    ----------
    rdms1, rdms2 : array-like, shape [P] or [A, P], [P] or [B, P]
        RDMs of the same images, in the same order. Pairs that are NaN in one of a comparison are
        left out of it.
    measure : str
        'cosine', 'pearson', 'spearman', 'tau-a', 'rho-a', 'cosine-whitened', 'pearson-whitened'.

    Returns
    -------
    float, or array of shape [A, B] where one of them holds several RDMs
        Larger is more alike; NaN where not defined, as whitened measures of incomplete RDMs.

    Raises
    ------
    ValueError
        If lengths differ or do not fit an RDM, or the measure is unknown.

    References
    ----------
    N. Kriegeskorte, M. Mur and P. Bandettini, "Representational similarity analysis", Frontiers
    in Systems Neuroscience 2 (2008); J. Diedrichsen et al., "Comparing representational
    geometries using whitened unbiased-distance-matrix similarity", Neurons, Behavior, Data
    Analysis and Theory 5 (2021).

    Examples
    --------
    >>> compare([1, 2, 3], [[1, 3, 2], [3, 2, 1]], "spearman").round(6)
    array([[ 0.5, -1. ]])
    """
    if measure not in RDM_MEASURES:
        msg = f"The 'measure' must be one of {', '.join(RDM_MEASURES)}. Got {measure!r} instead."
        raise ValueError(msg)
    left, right = (np.atleast_2d(np.asarray(each, dtype=float)) for each in (rdms1, rdms2))
    if left.shape[1] != right.shape[1]:
        msg = f"RDMs must be of the same images. Got {left.shape[1]} and {right.shape[1]} pairs."
        raise ValueError(msg)
    n_images_of(left)
    plain = _WHITENED.get(measure)
    if plain is not None:
        found = _whitened(left, plain) @ _whitened(right, plain).T
    else:
        # One RDM is the constant side, so that the other side's rows are one call.
        found = np.stack(
            [correlate(np.broadcast_to(row, right.shape), right, measure) for row in left]
        )
    return found if np.ndim(rdms1) == 2 or np.ndim(rdms2) == 2 else float(found[0, 0])


def _whitened(rdms: Float64Array, plain: str) -> Float64Array:
    """Give vectors of unit length whose products are the whitened measure."""
    scores = np.full((len(rdms), n_images_of(rdms) ** 2), np.nan)
    for row, vector in enumerate(rdms):
        matrix = square(vector - vector.mean() if plain == "pearson" else vector)
        matrix = matrix - matrix.mean(axis=0) - matrix.mean(axis=1)[:, None] + matrix.mean()
        length = np.linalg.norm(matrix)
        if length > 0:
            scores[row] = matrix.ravel() / length
    return scores


def permutations_of(n_images: int, n_permutations: int, seed: Any) -> tuple[IntArray, bool]:
    """Draw permutations of images; all but the identity if those are no more than asked for."""
    if math.factorial(min(n_images, 12)) - 1 <= n_permutations:
        everything = np.array(list(itertools.permutations(range(n_images))), dtype=np.intp)
        return everything[1:], True
    generator = np.random.default_rng(seed)
    return np.argsort(generator.random((n_permutations, n_images)), axis=1), False


def share_as_large(statistic: float, permuted: Float64Array) -> float:
    """Give the p value of a statistic among those of permutations, itself counted among them.

    Parameters
    ----------
    statistic : float
        The value found.
    permuted : array, shape [R]
        Its values under permutation.

    Returns
    -------
    float
        NaN if it or more than one in twenty of the permuted values is not defined.

    Examples
    --------
    >>> import numpy as np
    >>> share_as_large(0.9, np.array([0.1, 0.95, -0.3]))
    0.5
    """
    defined = permuted[~np.isnan(permuted)]
    if np.isnan(statistic) or defined.size < (1 - _LARGEST_UNDEFINED) * max(permuted.size, 1):
        return float("nan")
    return float((1 + np.count_nonzero(defined >= statistic - _SAME)) / (1 + defined.size))


def mantel(
    rdm1: Any,
    rdm2: Any,
    measure: str = "spearman",
    *,
    n_permutations: int = 999,
    seed: Any = 0,
) -> Mantel:
    """Mantel's test that two RDMs have nothing in common: permute the images of one.

    Distances that share an image are dependent, so images change places, not pairs. One-sided:
    are they more alike than by chance?

    Parameters
    ----------
    rdm1, rdm2 : array-like, shape [P]
        RDMs of the same images; of incomplete ones, each permutation is compared on the pairs
        both have, which makes the test conservative.
    measure : str, default 'spearman'
        'cosine', 'pearson', 'spearman', 'tau-a' or 'rho-a'.
    n_permutations : int, default 999
        Random permutations; of few images all are taken.
    seed : int or numpy Generator, default 0
        The same seed gives the same permutations.

    Returns
    -------
    Mantel
        statistic, p_value and n_permutations. NaN with fewer than 3 images.

    Raises
    ------
    ValueError
        As `compare`.

    References
    ----------
    N. Mantel, "The detection of disease clustering and a generalized regression approach", Cancer
    Research 27 (1967) 209-220; the identity counts: B. Phipson and G. Smyth, SAGMB 9 (2010).

    Examples
    --------
    >>> found = mantel([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    >>> found.n_permutations, round(found.p_value * 24)
    (23, 1)
    """
    if measure in _WHITENED:
        msg = f"Mantel's test is not defined for {measure!r}, the plain measures are."
        raise ValueError(msg)
    left, right = np.asarray(rdm1, dtype=np.float64), np.asarray(rdm2, dtype=np.float64)
    statistic = compare(left, right, measure)
    n_images = n_images_of(left)
    if n_images < 3:
        return Mantel(statistic, float("nan"), 0)
    orders, _ = permutations_of(n_images, n_permutations, seed)
    first, second = np.triu_indices(n_images, 1)
    permuted = square(right)[orders[:, first], orders[:, second]]
    shared = (~np.isnan(permuted) & ~np.isnan(left)).sum(axis=1)
    values = correlate(left, permuted, measure)
    values[shared < _FEWEST_PAIRS] = np.nan
    return Mantel(statistic, share_as_large(statistic, values), len(permuted))
