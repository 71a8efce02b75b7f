"""Representational dissimilarity matrices (RDMs): from embeddings, or from a list of pairs.

An RDM of n images is kept as the n (n - 1) / 2 distances above its diagonal, row by row (as
SciPy's ``squareform`` reads them), NaN where a pair is missing. Smaller is more alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from facebench.types import Float64Array, FloatArray

__all__ = ["DISTANCES", "condensed", "gram", "n_images_of", "rdm", "rdm_from_pairs", "square"]

# float64 copies of embeddings are made for so many values at a time.
_BLOCK_VALUES = 1 << 22
# A squared distance below this share of the squared norms is rounding.
_ROUNDING = 1e-13
DISTANCES = ("euclidean", "sqeuclidean", "cosine", "correlation")


def gram(embeddings: FloatArray, *, centred: bool = False) -> Float64Array:
    """Inner products of all rows, summed over blocks of columns.

    Parameters
    ----------
    embeddings : array, shape [N, D]
        Any number of dimensions: no copy of the whole and no D x D matrix is made.
    centred : bool, default False
        Subtract the mean row first (the mean of those without NaN).

    Returns
    -------
    array, shape [N, N]
        NaN where a row has NaN.

    Examples
    --------
    >>> import numpy as np
    >>> gram(np.array([[1.0, 0.0], [1.0, 2.0]]))
    array([[1., 1.],
           [1., 5.]])
    """
    table = np.asarray(embeddings)
    products = np.zeros((len(table), len(table)))
    whole = ~np.isnan(table).any(axis=1)
    step = max(1, _BLOCK_VALUES // max(1, len(table)))
    for start in range(0, table.shape[1], step):
        block = table[:, start : start + step].astype(np.float64)
        if centred and whole.any():
            block -= block[whole].mean(axis=0)
        products += block @ block.T
    return products


def rdm(embeddings: Any, distance: str = "euclidean") -> Float64Array:
    """Distances between all rows of embeddings.

    Parameters
    ----------
    embeddings : array-like, shape [N, D]
        A row per image; a row with NaN has no distances (NaN).
    distance : {'euclidean', 'sqeuclidean', 'cosine', 'correlation'}
        'cosine' is 1 - cos of the angle (NaN with a zero row), 'correlation' 1 - Pearson's r across
        dimensions (NaN with a constant row).

    Returns
    -------
    array, shape [N (N - 1) / 2]
        The RDM; exactly 0 for rows that are equal.

    Raises
    ------
    ValueError
        If embeddings are not a table, or the distance is unknown.

    Examples
    --------
    >>> rdm([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]).round(6)
    array([5.      , 1.      , 4.242641])
    """
    table = np.asarray(embeddings)
    if table.ndim != 2:
        msg = f"Embeddings must have the shape [images, dimensions]. Got {table.shape}."
        raise ValueError(msg)
    if distance not in DISTANCES:
        msg = f"The 'distance' must be one of {', '.join(DISTANCES)}. Got {distance!r} instead."
        raise ValueError(msg)
    if distance == "correlation":
        table = table.astype(np.float64)
        table -= table.mean(axis=1, keepdims=True)
    products = gram(table, centred=distance.endswith("euclidean"))
    squares = np.diag(products)
    if distance.endswith("euclidean"):
        sums = np.add.outer(squares, squares)
        values = sums - 2 * products
        values[values < _ROUNDING * sums] = 0.0
        if distance == "euclidean":
            values = np.sqrt(values)
    else:
        norms = np.sqrt(np.outer(squares, squares))
        values = 1 - np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)
        values[np.isnan(products)] = np.nan
        values[norms == 0] = np.nan
        values[np.abs(values) < _ROUNDING] = 0.0
    return np.asarray(values[np.triu_indices(len(table), 1)])


def rdm_from_pairs(first: Any, second: Any, values: Any, n_images: int) -> Float64Array:
    """Arrange the distances of a list of pairs as an RDM.

    Parameters
    ----------
    first, second : array-like of int, shape [P]
        The images of each pair, 0 … n_images - 1, in any order. Pairs of an image with itself are
        left out.
    values : array-like, shape [P]
        Distances. A pair named several times gets its mean, without NaN.
    n_images : int
        Number of images.

    Returns
    -------
    array, shape [n (n - 1) / 2]
        The RDM; NaN for pairs that are not in the list.

    Examples
    --------
    >>> rdm_from_pairs([0, 2, 1], [1, 1, 0], [1.0, 5.0, 3.0], 3)
    array([ 2., nan,  5.])
    """
    low, high = np.minimum(first, second), np.maximum(first, second)
    numbers = np.asarray(values, dtype=np.float64)
    kept = (low < high) & ~np.isnan(numbers)
    low, high, numbers = low[kept], high[kept], numbers[kept]
    place = low * n_images - low * (low + 1) // 2 + high - low - 1
    size = n_images * (n_images - 1) // 2
    total = np.bincount(place, weights=numbers, minlength=size)
    count = np.bincount(place, minlength=size)
    return np.asarray(np.divide(total, count, out=np.full(size, np.nan), where=count > 0))


def n_images_of(vector: Any) -> int:
    """Give the number of images of an RDM.

    Raises
    ------
    ValueError
        If no number of images has so many pairs.

    Examples
    --------
    >>> n_images_of([1.0, 2.0, 3.0])
    3
    """
    size = np.shape(vector)[-1]
    n_images = round((1 + (1 + 8 * size) ** 0.5) / 2)
    if n_images * (n_images - 1) // 2 != size:
        msg = f"An RDM of n images has n (n - 1) / 2 distances. Got {size}."
        raise ValueError(msg)
    return int(n_images)


def square(vector: Any) -> Float64Array:
    """Show an RDM as the full symmetric matrix, 0 on its diagonal.

    Examples
    --------
    >>> square([1.0, 2.0, 3.0])
    array([[0., 1., 2.],
           [1., 0., 3.],
           [2., 3., 0.]])
    """
    n_images_of(vector)
    return np.asarray(
        scipy.spatial.distance.squareform(np.asarray(vector, dtype=np.float64), checks=False)
    )


def condensed(matrix: Any) -> Float64Array:
    """Take what is above the diagonal of a full matrix, row by row; the reverse of `square`.

    Examples
    --------
    >>> condensed([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])
    array([1., 2., 3.])
    """
    full = np.asarray(matrix, dtype=np.float64)
    return np.asarray(full[np.triu_indices(len(full), 1)])
