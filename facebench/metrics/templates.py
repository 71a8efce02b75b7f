"""Templates: one vector for all images of a person, from stills, video frames and mirrored images.

The steps, each with a named switch, in this order: the embedding of an image and of its mirror
image are combined (`combine_flips`); each is brought to unit length or not; weighted; averaged
within its medium, so that a video of a hundred frames counts as one picture; and the media are
averaged, the result brought to unit length or not (`pool_templates`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facebench.types import Float64Array, FloatArray, IntArray

__all__ = [
    "Flip",
    "Normalise",
    "Templates",
    "combine_flips",
    "pool_templates",
    "single_templates",
    "unit_rows",
]

Flip: TypeAlias = Literal["sum", "concat"]
Normalise: TypeAlias = Literal["none", "before", "after", "both"]


class Templates(NamedTuple):
    """Pooled vectors.

    Attributes
    ----------
    names : array, shape [T]
        The templates, sorted.
    vectors : array, shape [T, D]
        float32; all NaN for a template without a usable image.
    n_images : int array, shape [T]
        Usable images behind each.
    """

    names: NDArray[Any]
    vectors: NDArray[np.float32]
    n_images: IntArray


def unit_rows(vectors: FloatArray) -> Float64Array:
    """Bring vectors to unit length; a zero vector stays as it is.

    Parameters
    ----------
    vectors : array, shape [N, D]
        Embeddings.

    Returns
    -------
    array, shape [N, D]
        In float64.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return wide / np.where(norms == 0, 1.0, norms)[:, None]


def combine_flips(embeddings: FloatArray, flipped: FloatArray, how: Flip = "sum") -> FloatArray:
    """Combine the embeddings of images and of their mirror images.

    Parameters
    ----------
    embeddings, flipped : array, shape [N, D]
        Row against row; a row of NaN, for an image that could not be read, makes NaN.
    how : {'sum', 'concat'}
        Add them, or concatenate them. With unit vectors, the cosine of sums asks how alike
        the averages are; of concatenations, how alike either view is to its like.

    Returns
    -------
    array, shape [N, D] or [N, 2 D]

    Raises
    ------
    ValueError
        If the shapes differ or the switch is unknown.

    References
    ----------
    W. Liu et al., "SphereFace", CVPR (2017), concatenates; insightface's evaluation adds.

    Examples
    --------
    >>> combine_flips(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), "concat")
    array([[1., 2., 3., 4.]])
    """
    if np.shape(embeddings) != np.shape(flipped):
        msg = (
            "Every image needs its mirror image. "
            f"Got embeddings of shapes {np.shape(embeddings)} and {np.shape(flipped)}."
        )
        raise ValueError(msg)
    if how == "sum":
        return np.add(embeddings, flipped)
    if how == "concat":
        return np.concatenate((embeddings, flipped), axis=1)
    msg = f"The 'how' parameter must be 'sum' or 'concat'. Got {how!r} instead."
    raise ValueError(msg)


def pool_templates(
    embeddings: FloatArray,
    templates: Any,
    *,
    media: Any = None,
    weights: Any = None,
    normalise: Normalise = "before",
) -> Templates:
    """Pool the images of each template into one vector.

    The vector is the mean over media of the mean within a medium of w_i x_i, divided by the same
    mean of w_i.

    Parameters
    ----------
    embeddings : array, shape [N, D]
        A row per image; rows that are not finite are left out.
    templates : array-like, shape [N]
        The template each image belongs to: numbers or text.
    media : array-like, shape [N], optional
        The medium each image comes from: frames of one video share one. Media of two templates
        are two, even under one name. None makes every image its own medium.
    weights : array-like, shape [N], or 'norm', optional
        Such as detector scores, 0 or more. 'norm' is the length of the embedding, which many
        networks let grow with the quality of the image; it needs no normalising before to work.
    normalise : {'before', 'after', 'both', 'none'}
        Bring images to unit length before they are pooled, or templates after.

    Returns
    -------
    Templates

    Raises
    ------
    ValueError
        If lengths differ, a weight is negative or no number, or a switch is unknown.

    References
    ----------
    N. Crosswhite et al., "Template adaptation for face verification and identification", FG
    (2017): media averaging; B. Maze et al., "IARPA Janus Benchmark-C", ICB (2018): templates and
    media; R. Ranjan et al., "Crystal loss and quality pooling", arXiv:1804.01159 (2018): weights
    from detector scores.

    Examples
    --------
    >>> images = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> pool_templates(images, ["ann"] * 3).vectors.round(3).tolist()
    [[0.3330000042915344, 0.6669999957084656]]
    >>> pool_templates(images, ["ann"] * 3, media=["still", "video", "video"]).vectors.tolist()
    [[0.5, 0.5]]
    """
    images, names = np.asarray(embeddings), np.asarray(templates)
    if normalise not in ("none", "before", "after", "both"):
        msg = (
            "The 'normalise' parameter must be 'none', 'before', 'after' or 'both'. "
            f"Got {normalise!r} instead."
        )
        raise ValueError(msg)
    if images.ndim != 2 or names.shape != (len(images),):
        msg = f"Pooling needs a template per row. Got {names.shape} for {images.shape}."
        raise ValueError(msg)
    if media is not None and np.shape(media) != names.shape:
        msg = f"Got {np.shape(media)} media for {len(images)} images."
        raise ValueError(msg)
    given = None if weights is None or isinstance(weights, str) else _weights(weights, images)
    if isinstance(weights, str) and weights != "norm":
        msg = f"The 'weights' parameter must be 'norm' or numbers. Got {weights!r} instead."
        raise ValueError(msg)
    medium = np.arange(len(images)) if media is None else np.unique(media, return_inverse=True)[1]
    pooled_names, template = np.unique(names, return_inverse=True)
    vectors = np.full((pooled_names.size, images.shape[1]), np.nan, dtype=np.float32)
    n_images = np.zeros(pooled_names.size, dtype=np.intp)
    order = np.argsort(template, kind="stable")
    bounds = np.searchsorted(template[order], np.arange(pooled_names.size + 1))
    # Template by template: all of them in float64 would double the memory.
    for index in range(pooled_names.size):
        rows = order[bounds[index] : bounds[index + 1]]
        rows = rows[np.isfinite(images[rows]).all(axis=1)]
        n_images[index] = rows.size
        if rows.size == 0:
            continue
        own = images[rows].astype(np.float64)
        weight = np.ones(rows.size) if given is None else given[rows]
        if isinstance(weights, str):
            weight = np.sqrt(np.einsum("ij,ij->i", own, own))
        if normalise in ("before", "both"):
            own = unit_rows(own)
        pooled = _pool(own, weight, medium[rows])
        vectors[index] = unit_rows(pooled[None])[0] if normalise in ("after", "both") else pooled
    return Templates(pooled_names, vectors, n_images)


def single_templates(embeddings: FloatArray, normalise: Normalise = "before") -> FloatArray:
    """Make a template of every image, as `pool_templates` makes it of one image.

    Parameters
    ----------
    embeddings : array, shape [N, D]
        A row per image.
    normalise : {'before', 'after', 'both', 'none'}
        As in `pool_templates`.

    Returns
    -------
    array, shape [N, D]
        float32; of images with NaN, NaN.

    Examples
    --------
    >>> single_templates(np.array([[3.0, 4.0]])).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    if normalise == "none":
        return np.asarray(embeddings, dtype=np.float32)
    rows = unit_rows(embeddings)
    return np.asarray(unit_rows(rows) if normalise == "both" else rows, dtype=np.float32)


def _weights(weights: Any, images: FloatArray) -> Float64Array:
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (len(images),) or not (np.isfinite(values) & (values >= 0)).all():
        msg = f"Weights must be {len(images)} numbers of 0 or more, one per image."
        raise ValueError(msg)
    return values


def _pool(images: Float64Array, weights: Float64Array, media: IntArray) -> Float64Array:
    """Average within media, then over them; without any weight all count the same."""
    if not weights.any():
        weights = np.ones_like(weights)
    _, medium, sizes = np.unique(media, return_inverse=True, return_counts=True)
    # The mean over media of means within them is a mean in which an image counts 1 / its medium.
    shares = weights / sizes[medium]
    return np.asarray(shares @ images / shares.sum())
