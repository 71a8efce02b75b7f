"""Faces of a new shape, from their landmarks: morphs, averages and caricatures.

A picture is warped triangle by triangle: a Delaunay triangulation of the 68 landmarks, of points on
the forehead and of eight points far beyond the picture's edge, which stay where they are. The
values of the file (not of the light) are mixed, as in most face studies.

References
----------
Brennan, S. E. (1985). Caricature generator: the dynamic exaggeration of faces by computer.
Leonardo, 18(3), 170-178.
Benson, P. J., & Perrett, D. I. (1993). Extracting prototypical facial images from exemplars.
Perception, 22(3), 257-262.
Burton, A. M., Jenkins, R., Hancock, P. J. B., & White, D. (2005). Robust representations for face
recognition: the power of averages. Cognitive Psychology, 51(3), 256-284.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import Delaunay, QhullError

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture, checked_picture, rounded, sample
from facebench.stimuli.geometry import checked_landmarks, face_width, similarity
from facebench.stimuli.parts import forehead

_ROUNDS = 5  # of aligning shapes to their mean; it moves by less than .01 pixel in the last
_INNER, _INNER_LIPS = slice(60, 68), (62, 66)  # all of them, and the middles of both
_OPEN = 0.03  # of the face's width; less is the error of the landmarks
# Shares of the face that may lie in triangles that turn over; in an average one such face hardly
# shows, and must not cost the average.
_MOST_FOLDED, _MOST_FOLDED_OF_MANY = 0.01, 0.05


def morph(
    image: ArrayLike,
    landmarks: ArrayLike,
    other_image: ArrayLike,
    other_landmarks: ArrayLike,
    level: float = 0.5,
) -> Picture:
    """Mix two faces, shape and colours alike.

    Parameters
    ----------
    image, other_image : array_like [height, width, 3], uint8
        Two faces in pictures of one size, aligned alike (see `aligned_chip`).
    landmarks, other_landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    level : float
        The share of the other face: 0 gives the face itself, 1 the other.

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If the level is not from 0 to 1, the pictures differ in size, or the faces differ so much in
        shape that one would fold.
    """
    _require_range("level", level, 0, 1, "the share of the other face")
    pictures = [checked_picture(image), checked_picture(other_image)]
    shapes = [checked_landmarks(landmarks), checked_landmarks(other_landmarks)]
    target = (1 - level) * shapes[0] + level * shapes[1]
    return _mixed(zip(pictures, shapes, (1 - level, level), strict=True), target)


def average_face(
    images: Sequence[ArrayLike],
    landmarks: Sequence[ArrayLike],
    weights: Sequence[float] | None = None,
) -> Picture:
    """Average faces, shape and colours alike.

    Parameters
    ----------
    images : sequence of array_like [height, width, 3], uint8
        Faces in pictures of one size, aligned alike (see `aligned_chip`).
    landmarks : sequence of array_like [68, 2]
        Of each, in the order of dlib's 68-point predictor.
    weights : sequence of float, optional
        How much each counts; by default all alike.

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If there are no faces, or as many landmarks or weights as faces are not given; and see
        `morph`.
    """
    given = np.ones(len(images)) if weights is None else np.asarray(weights, np.float64)
    if not len(images) or not len(images) == len(landmarks) == len(given):
        msg = (
            "An average needs faces, with landmarks (and a weight) of each. "
            f"Got {len(images)} images, {len(landmarks)} landmarks and {len(given)} weights."
        )
        raise StimulusError(msg)
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        msg = f"The 'weights' of an average must be positive. Got {given.tolist()} instead."
        raise StimulusError(msg)
    return averaged([partial(checked_picture, one) for one in images], landmarks, given)


def averaged(
    load: Sequence[Callable[[], Picture]], landmarks: Sequence[ArrayLike], weights: ArrayLike
) -> Picture:
    """Average faces whose pictures are loaded one at a time; see `average_face`."""
    shapes = np.array([checked_landmarks(points) for points in landmarks])
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    target = np.tensordot(shares, shapes, axes=1)
    pictures = (one() for one in load)
    faces = zip(pictures, shapes, shares.tolist(), strict=True)
    return _mixed(faces, target, _MOST_FOLDED_OF_MANY)


def mean_shape(landmarks: Sequence[ArrayLike], people: Sequence[str] | None = None) -> Field:
    """Return the mean of shapes, regardless of position, size and rotation in the picture.

    Shapes are fitted to their mean by similarities until it stays (generalised Procrustes
    analysis). Each person counts as one, however many photographs there are.

    Parameters
    ----------
    landmarks : sequence of array_like [68, 2]
    people : sequence of str, optional
        Who each shape is of; by default all are of different people.

    Returns
    -------
    ndarray [68, 2]
        In pixels, of the mean size.
    """
    shapes = [checked_landmarks(points) for points in landmarks]
    if not shapes:
        msg = "A mean shape needs landmarks of one face or more. Got none."
        raise StimulusError(msg)
    names = [str(k) for k in range(len(shapes))] if people is None else list(people)
    _, person, counts = np.unique(names, return_inverse=True, return_counts=True)
    shares = 1 / counts[person]
    shares /= shares.sum()
    size = float(shares @ [_size(shape) for shape in shapes])
    mean = shapes[0]
    for _ in range(_ROUNDS):
        fitted = np.array([_fitted(shape, mean) for shape in shapes])
        mean = np.tensordot(shares, fitted, axes=1)
        # Each fit shrinks a little: errors of shape are not a scale.
        middle = mean.mean(axis=0)
        mean = middle + (mean - middle) * (size / _size(mean))
    return np.asarray(mean)


def caricature(
    image: ArrayLike, landmarks: ArrayLike, average: ArrayLike, exaggeration: float = 0.5
) -> Picture:
    """Exaggerate what distinguishes the shape of a face from an average, or reduce it.

    The average is fitted to the face by a similarity; each landmark is then moved along its
    difference from the average. Only the shape changes. A turned head and an expression differ from
    the average as well, and are exaggerated along: take frontal, neutral photographs.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    average : array_like [68, 2]
        The landmarks of the average, see `mean_shape`.
    exaggeration : float
        0 leaves the face as it is, 0.5 makes differences by half larger, -0.5 by half smaller (an
        anti-caricature); -1 gives the shape of the average.

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If the exaggeration is below -1 or not finite, or so large that the face would fold.

    References
    ----------
    Brennan (1985), see `facebench.stimuli.warping`.
    Rhodes, G., Brennan, S., & Carey, S. (1987). Identification and ratings of caricatures:
    implications for mental representations of faces. Cognitive Psychology, 19(4), 473-497.
    """
    _require_range("exaggeration", exaggeration, -1, math.inf, "of differences from the average")
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    fitted = _fitted(checked_landmarks(average), points)
    return _mixed([(picture, points, 1.0)], points + exaggeration * (points - fitted))


def _require_range(name: str, value: float, least: float, most: float, what: str) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not least <= value <= most:
        upper = f" to {most:g}" if math.isfinite(most) else " on"
        msg = f"The {name!r} must be a number from {least:g}{upper} ({what}). Got {value!r}."
        raise StimulusError(msg)


def _size(shape: Field) -> float:
    return float(np.linalg.norm(shape - shape.mean(axis=0)))


def _fitted(shape: Field, onto: Field) -> Field:
    matrix, shift = similarity(shape, onto)
    return np.asarray(shape @ matrix.T + shift)


def _mixed(
    faces: Iterable[tuple[Picture, Field, float]], target: Field, most_folded: float = _MOST_FOLDED
) -> Picture:
    """Bring faces (picture, landmarks, share) to the target landmarks and add them up."""
    total: Field = np.zeros((0, 0, 3))
    for picture, points, share in faces:
        if not total.size:
            total = np.zeros(picture.shape)
        if picture.shape != total.shape:
            msg = (
                "Pictures that are mixed must have the same size. Got "
                f"{total.shape[1]} x {total.shape[0]} and {picture.shape[1]} x {picture.shape[0]} "
                "pixels."
            )
            raise StimulusError(msg)
        if share:
            total += share * _warped(picture, points, target, most_folded)
    return rounded(total)


def _warped(picture: Picture, points: Field, target: Field, most_folded: float) -> Field:
    """Return the picture [height, width, 3] with its landmarks moved to the target."""
    values = picture.astype(np.float64)
    if np.array_equal(points, target):
        return values
    still = _around(picture.shape)
    kept = _used(points)
    ours = np.concatenate([points[kept], forehead(points), still])
    theirs = np.concatenate([target[kept], forehead(target), still])
    try:
        triangles = Delaunay(theirs)
    except QhullError as error:
        msg = "The 'landmarks' must be those of a face. Got points on one line."
        raise StimulusError(msg) from error
    folded = _folded(ours, theirs, triangles) / face_width(points) ** 2
    if folded > most_folded:
        msg = (
            "The face would fold: its landmarks differ too much from where they are moved "
            f"({folded:.0%} of it would turn over)."
        )
        raise StimulusError(msg)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    places = np.stack([columns.ravel(), rows.ravel()], axis=1)
    found = triangles.find_simplex(places)
    # Barycentric coordinates in the triangle of each pixel. (SciPy's LinearNDInterpolator gives the
    # same in a hundred times as long.)
    transform = triangles.transform[found]
    two = np.einsum("nij,nj->ni", transform[:, :2], places - transform[:, 2])
    shares = np.column_stack([two, 1 - two.sum(axis=1)])
    back = np.einsum("nk,nkj->nj", shares, ours[triangles.simplices[found]])
    column, row = back.T.reshape(2, *rows.shape)
    return np.clip(sample(values, row, column, order=3), 0, 255)


def _used(points: Field) -> NDArray[np.bool_]:
    """Leave the inner lips of a closed mouth out: they lie on each other, in either order."""
    used = np.ones(len(points), bool)
    opening = np.linalg.norm(points[_INNER_LIPS[1]] - points[_INNER_LIPS[0]]) / face_width(points)
    used[_INNER] = opening >= _OPEN
    return used


def _around(shape: tuple[int, ...]) -> Field:
    """Return eight points around a picture, half of its side beyond its edges."""
    height, width = shape[:2]
    x, y = (np.array([-0.5, 0.5, 1.5]) * (side - 1) for side in (width, height))
    return np.array([(a, b) for a in x for b in y if (a, b) != (x[1], y[1])])


def _folded(ours: Field, theirs: Field, triangles: Delaunay) -> float:
    """Return the area of ours, in pixels, that lies in triangles that turn over."""
    before, after = _areas(ours[triangles.simplices]), _areas(theirs[triangles.simplices])
    return float(np.abs(before[before * after < 0]).sum())


def _areas(triangles: Field) -> Field:
    """Return the areas of triangles [n, 3, 2], negative where they run the other way round."""
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return np.asarray((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2)
