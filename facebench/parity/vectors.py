"""What evaluators do to embeddings before they compare them."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.types import Float64Array

__all__ = ["cosine_similarities", "flip_concat", "flip_sum", "normalised", "squared_distances"]


def _vectors(values: Any) -> Float64Array:
    vectors = np.asarray(values, dtype=np.float64)
    if vectors.ndim != 2:
        msg = f"Embeddings must have the shape [N, D]. Got {vectors.shape} instead."
        raise ValueError(msg)
    return vectors


def _together(left: Any, right: Any) -> tuple[Float64Array, Float64Array]:
    one, other = _vectors(left), _vectors(right)
    if one.shape != other.shape:
        msg = f"Embeddings must come in pairs. Got shapes {one.shape} and {other.shape}."
        raise ValueError(msg)
    return one, other


def normalised(embeddings: Any) -> Float64Array:
    """Bring every row to length 1; a row of zeros stays.

    Examples
    --------
    >>> normalised([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    vectors = _vectors(embeddings)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))


def flip_sum(upright: Any, mirrored: Any) -> Float64Array:
    """Add the embedding of an image and of its mirror image, unnormalised, then normalise.

    Parameters
    ----------
    upright, mirrored : array-like, shape [N, D]
        Embeddings of the images and of their mirror images.

    Returns
    -------
    array, shape [N, D]
        Of length 1.

    References
    ----------
    J. Guo and J. Deng, insightface, ``verification.py``, ``test``.

    Examples
    --------
    >>> flip_sum([[3.0, 1.0]], [[3.0, 7.0]])
    array([[0.6, 0.8]])
    """
    one, other = _together(upright, mirrored)
    return normalised(one + other)


def flip_concat(upright: Any, mirrored: Any) -> Float64Array:
    """Put the embedding of an image and of its mirror image behind each other, then normalise.

    Parameters
    ----------
    upright, mirrored : array-like, shape [N, D]
        Embeddings of the images and of their mirror images.

    Returns
    -------
    array, shape [N, 2 D]
        Of length 1.

    Examples
    --------
    >>> flip_concat([[3.0]], [[4.0]])
    array([[0.6, 0.8]])
    """
    return normalised(np.concatenate(_together(upright, mirrored), axis=1))


def squared_distances(left: Any, right: Any) -> Float64Array:
    """Give the squared Euclidean distance of each two rows.

    Examples
    --------
    >>> squared_distances([[0.0, 1.0]], [[1.0, 0.0]])
    array([2.])
    """
    one, other = _together(left, right)
    return np.asarray(np.square(one - other).sum(axis=1))


def cosine_similarities(left: Any, right: Any) -> Float64Array:
    """Give the cosine of the angle of each two rows, 0 where one is zero.

    Examples
    --------
    >>> cosine_similarities([[0.0, 2.0]], [[3.0, 4.0]])
    array([0.8])
    """
    one, other = _together(left, right)
    return np.asarray(np.einsum("ij,ij->i", normalised(one), normalised(other)))
