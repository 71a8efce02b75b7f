"""Distances between corresponding rows of two arrays.

Every function takes two arrays of shape [N, D] and returns N distances as float64, row i of the one
against row i of the other. Sums are accumulated in float64: float32 embeddings of 100,000
dimensions would lose digits otherwise. Smaller is more alike in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["RowDistance", "cosine", "minkowski", "zeros_as_nan"]

# Two gathered blocks of this many values stay in the cache, in float64 too.
_BLOCK_VALUES = 1 << 17
# Raised when a distance changes, and only then: stored distances are found by it.
_OUTPUTS_VERSION = "distances-2"
_ROUNDING = 8 * np.finfo(np.float64).eps


def cosine(left: FloatArray, right: FloatArray, eps: float = 0.0) -> Float64Array:
    """Cosine distance, 1 - cos of the angle between two vectors.

    Parameters
    ----------
    left, right : array, shape [N, D]
        Vectors, row against row.
    eps : float, default 0
        Lower bound of each norm, as in torch's ``CosineSimilarity``.

    Returns
    -------
    array, shape [N]
        In [0, 2]; exactly 0 for identical rows, never negative. A zero vector has no direction:
        its distance to anything is NaN, where scikit-learn and torch give 1.

    Examples
    --------
    >>> import numpy as np
    >>> cosine(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 2.0], [2.0, 2.0]])).round(6)
    array([1., 0.])
    """
    left64 = np.asarray(left, dtype=np.float64)
    right64 = np.asarray(right, dtype=np.float64)
    products = np.einsum("ij,ij->i", left64, right64)
    # The root of each norm on its own: their product would overflow or vanish for extreme vectors.
    norms1 = np.sqrt(np.einsum("ij,ij->i", left64, left64))
    norms2 = np.sqrt(np.einsum("ij,ij->i", right64, right64))
    return _cosine_distance(products, norms1, norms2, eps)


def zeros_as_nan(rows: FloatArray) -> FloatArray:
    """Mark rows of zeros, which have no direction, as missing.

    Parameters
    ----------
    rows : array, shape [N, D]
        Vectors.

    Returns
    -------
    array, shape [N, D]
        The same, or a copy with NaN in those rows.
    """
    is_zero = np.asarray((rows == 0).all(axis=1))
    return np.where(is_zero[:, None], np.float32(np.nan), rows) if is_zero.any() else rows


def _cosine_distance(
    products: Float64Array, norms1: Float64Array, norms2: Float64Array, eps: float
) -> Float64Array:
    norms = np.maximum(norms1, eps) * np.maximum(norms2, eps)
    similarity = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    distance = np.clip(1.0 - similarity, 0.0, 2.0)
    # The rounding of identical rows would pass for a distance where nothing else is left.
    distance[distance < _ROUNDING] = 0.0
    distance[(norms1 == 0) | (norms2 == 0)] = np.nan
    return np.asarray(distance)


def minkowski(
    left: FloatArray, right: FloatArray, p: float = 2.0, offset: float = 0.0
) -> Float64Array:
    """Minkowski distance, the p-norm of the difference.

    Parameters
    ----------
    left, right : array, shape [N, D]
        Vectors, row against row.
    p : float, default 2
        1 is Manhattan, 2 Euclidean, ``inf`` Chebyshev; 0 counts the differing entries.
    offset : float, default 0
        Added to every difference, as torch's ``PairwiseDistance`` does with its ``eps``.

    Returns
    -------
    array, shape [N]
        Distances, in the units of the vectors.

    Raises
    ------
    ValueError
        If `p` is negative or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> minkowski(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]))
    array([5.])
    >>> minkowski(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), p=1)
    array([7.])
    """
    if not p >= 0:
        msg = f"The 'p' parameter of minkowski must be 0 or more. Got {p!r} instead."
        raise ValueError(msg)
    difference = np.subtract(left, right, dtype=np.float64)
    if offset:
        difference += offset
    if p == 2:
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", difference, difference)))
    absolute = np.abs(difference, out=difference)
    if p == 0:
        return np.asarray(np.count_nonzero(absolute, axis=1), dtype=np.float64)
    if p == 1:
        return np.asarray(absolute.sum(axis=1))
    largest = np.asarray(absolute.max(axis=1, initial=0.0))
    if np.isinf(p):
        return largest
    # Scaled by the largest entry so that x**p neither overflows nor vanishes.
    scale = np.where(largest > 0, largest, 1.0)
    absolute /= scale[:, None]
    return np.asarray(scale * (absolute**p).sum(axis=1) ** (1.0 / p))


@dataclass(frozen=True)
class RowDistance:
    """One of the distances above with its settings: what a well-known metric comes down to.

    Attributes
    ----------
    kind : {'cosine', 'minkowski'}
        Which.
    p, offset : float
        See `minkowski`.
    eps : float
        See `cosine`.

    Examples
    --------
    >>> RowDistance("minkowski", p=1)(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]))
    array([7.])
    """

    kind: Literal["cosine", "minkowski"]
    p: float = 2.0
    offset: float = 0.0
    eps: float = 0.0

    @property
    def key(self) -> str:
        """What it is called where distances are stored, with the version of its outputs."""
        return f"{_OUTPUTS_VERSION} {self.kind} p={self.p} offset={self.offset} eps={self.eps}"

    @property
    def is_symmetric(self) -> bool:
        """Whether the order of the two vectors does not matter."""
        return self.offset == 0

    @property
    def has_gram(self) -> bool:
        """Whether it follows from inner products alone."""
        return self.kind == "cosine" or (self.p == 2 and self.offset == 0)

    def __call__(self, left: FloatArray, right: FloatArray) -> Float64Array:
        """Measure rows against rows."""
        if self.kind == "cosine":
            return cosine(left, right, eps=self.eps)
        return minkowski(left, right, p=self.p, offset=self.offset)

    def between(self, rows: FloatArray, first: IntArray, second: IntArray) -> Float64Array:
        """Measure many pairs of rows of one table.

        Parameters
        ----------
        rows : array, shape [M, D]
            Vectors.
        first, second : int array, shape [N]
            The rows that make each pair.

        Returns
        -------
        array, shape [N]
        """
        # Where most rows are used several times, the norm of each is computed once.
        norms = self._norms(rows) if self.kind == "cosine" and 2 * len(first) >= len(rows) else None
        values = np.empty(len(first), dtype=np.float64)
        step = max(1, _BLOCK_VALUES // max(1, rows.shape[1]))
        for start in range(0, len(first), step):
            block = slice(start, start + step)
            one, other = first[block], second[block]
            left, right = rows.take(one, axis=0), rows.take(other, axis=0)
            if norms is None:
                values[block] = self(left, right)
            else:
                products = np.einsum("ij,ij->i", left.astype(np.float64), right)
                values[block] = _cosine_distance(products, norms[one], norms[other], self.eps)
        return values

    def _norms(self, rows: FloatArray) -> Float64Array:
        norms = np.empty(len(rows))
        step = max(1, _BLOCK_VALUES // max(1, rows.shape[1]))
        for start in range(0, len(rows), step):
            block = rows[start : start + step].astype(np.float64)
            norms[start : start + step] = np.sqrt(np.einsum("ij,ij->i", block, block))
        return norms
