"""Centred kernel alignment: do two layers arrange the same images alike?"""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.rdm import gram
from facebench.types import Float64Array

__all__ = ["cka", "linear_cka"]


def cka(gram1: Any, gram2: Any, *, unbiased: bool = False) -> float:
    """Centred kernel alignment of two Gram matrices, HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)).

    HSIC(K, L) = tr(K H L H), H = I - 1/n; unbiased, with zero diagonals K', L',
    tr(K' L') + 1ᵀK'1 1ᵀL'1 / ((n - 1)(n - 2)) - 2 1ᵀK'L'1 / (n - 2).

    Parameters
    ----------
    gram1, gram2 : array-like, shape [N, N]
        Inner products (or kernels) of the same images.
    unbiased : bool, default False
        Use the unbiased estimate, which is near 0 for unrelated layers however few the images,
        and may be below 0. It needs 4 images or more.

    Returns
    -------
    float
        In [0, 1] (unbiased: at most about 1), larger is more alike; NaN where a layer gives all
        images one embedding, or there are too few.

    Raises
    ------
    ValueError
        If the matrices are not square and of one size.

    References
    ----------
    S. Kornblith et al., "Similarity of neural network representations revisited", ICML (2019);
    L. Song et al., "Feature selection via dependence maximization", JMLR 13 (2012).

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 5.0]])
    >>> round(cka(points @ points.T, 4 * points @ points.T), 6)
    1.0
    """
    left, right = np.asarray(gram1, dtype=np.float64), np.asarray(gram2, dtype=np.float64)
    if left.ndim != 2 or left.shape[0] != left.shape[1] or left.shape != right.shape:
        msg = f"CKA needs two square matrices of one size. Got {left.shape} and {right.shape}."
        raise ValueError(msg)
    if len(left) < (4 if unbiased else 2):
        return float("nan")
    # Centring changes neither estimate but keeps far-away clouds from losing digits.
    one, other = _centred(left), _centred(right)
    hsic = _unbiased_hsic if unbiased else _hsic
    own1, own2 = hsic(one, one), hsic(other, other)
    limit1, limit2 = (1e-20 * (np.diag(each) ** 2).sum() for each in (left, right))
    if not (own1 > limit1 and own2 > limit2):
        return float("nan")
    return float(hsic(one, other) / np.sqrt(own1 * own2))


def _centred(matrix: Float64Array) -> Float64Array:
    means = matrix.mean(axis=0)
    return np.asarray(matrix - means - means[:, None] + means.mean())


def _hsic(one: Float64Array, other: Float64Array) -> float:
    return float((one * other).sum())


def _unbiased_hsic(one: Float64Array, other: Float64Array) -> float:
    n = len(one)
    hollow1, hollow2 = (each - np.diag(np.diag(each)) for each in (one, other))
    sums1, sums2 = hollow1.sum(axis=0), hollow2.sum(axis=0)
    return float(
        (hollow1 * hollow2).sum()
        + sums1.sum() * sums2.sum() / ((n - 1) * (n - 2))
        - 2 * (sums1 @ sums2) / (n - 2)
    )


def linear_cka(embeddings1: Any, embeddings2: Any, *, unbiased: bool = False) -> float:
    """Linear CKA of two layers' embeddings of the same images.

    Through Gram matrices, N x N, summed over blocks of dimensions: layers of 100,000 dimensions
    need no D x D matrix.

    Parameters
    ----------
    embeddings1, embeddings2 : array-like, shape [N, D1], [N, D2]
        A row per image, in the same order.
    unbiased : bool, default False
        See `cka`.

    Returns
    -------
    float
        In [0, 1], larger is more alike; does not change with rotation, shift or scale of either.

    Raises
    ------
    ValueError
        If the numbers of images differ.

    References
    ----------
    S. Kornblith et al., "Similarity of neural network representations revisited", ICML (2019).

    Examples
    --------
    >>> round(linear_cka([[0, 1], [2, 1], [3, 5]], [[1, 0], [1, 2], [5, 3]]), 6)
    1.0
    """
    one, other = np.asarray(embeddings1), np.asarray(embeddings2)
    return cka(gram(one, centred=True), gram(other, centred=True), unbiased=unbiased)
