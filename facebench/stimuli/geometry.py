"""Where things are in a face, from its 68 landmarks (the scheme of iBUG 300-W, as dlib's)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull, QhullError

from facebench.errors import StimulusError
from facebench.faces.pictures import Field

# The subject's right eye is on the image's left.
RIGHT_EYE, LEFT_EYE, MOUTH = slice(36, 42), slice(42, 48), slice(48, 60)
_JAW_ENDS = (0, 16)
_SIDES, _NOSE_TIP = (slice(0, 3), slice(14, 17)), 30
_DEGREES = 50.0  # per unit of asymmetry, see head_yaw


def checked_landmarks(landmarks: ArrayLike) -> Field:
    """Return landmarks as [68, 2], or say that they are none."""
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        msg = (
            "The 'landmarks' must be 68 finite points, [68, 2], in the order of dlib's predictor. "
            f"Got an array of shape {points.shape} instead."
        )
        raise StimulusError(msg)
    if not np.linalg.norm(points[_JAW_ENDS[0]] - points[_JAW_ENDS[1]]) or not eye_distance(points):
        msg = (
            "The 'landmarks' must be those of a face. "
            "Got both ends of the jaw, or both eyes, in one place."
        )
        raise StimulusError(msg)
    return points


def face_width(landmarks: ArrayLike) -> float:
    """Return the width of a face in pixels: from one end of the jaw line to the other.

    The ends (landmarks 0 and 16) lie before the ears, about where the face is widest. This width is
    the face in "cycles per face" and "pixels across the face".

    Parameters
    ----------
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    """
    points = checked_landmarks(landmarks)
    return float(np.linalg.norm(points[_JAW_ENDS[1]] - points[_JAW_ENDS[0]]))


def head_yaw(landmarks: ArrayLike) -> float:
    """Estimate by how many degrees a head is turned, from where the nose is between the ears.

    With the distances a and b from the tip of the nose to the left and the right end of the jaw
    line, along the line of the eyes, this is 50° (a - b) / (a + b). On rendered heads the mean
    estimate is within 3° of the truth up to 40°; single heads differ by about 4°. Further on, the
    predictor no longer finds the outline of the far cheek.

    Parameters
    ----------
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.

    Returns
    -------
    float
        Positive if the nose points to the image's right; from -90 to 90.
    """
    points = checked_landmarks(landmarks)
    across, _ = directions(points)
    left, right = (float(((points[s] - points[_NOSE_TIP]) @ across).mean()) for s in _SIDES)
    span = right - left
    if span <= 0:  # both ends on one side: no face seen from the front
        return float(np.copysign(90.0, -right - left))
    return float(np.clip(-_DEGREES * (left + right) / span, -90, 90))


def feature_outlines(landmarks: ArrayLike) -> list[Field]:
    """Return the outlines of right eye, left eye and mouth, as `thatcherise` takes them.

    Parameters
    ----------
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    """
    points = checked_landmarks(landmarks)
    return [points[part] for part in (RIGHT_EYE, LEFT_EYE, MOUTH)]


def eye_centres(points: Field) -> tuple[Field, Field]:
    """Return the middles of the eyes, that on the image's left first."""
    return points[RIGHT_EYE].mean(axis=0), points[LEFT_EYE].mean(axis=0)


def eye_distance(points: Field) -> float:
    """Return the distance between the middles of the eyes."""
    right, left = eye_centres(points)
    return float(np.linalg.norm(left - right))


def directions(points: Field) -> tuple[Field, Field]:
    """Return unit vectors across the face (along the eyes) and down it."""
    right, left = eye_centres(points)
    across = (left - right) / np.linalg.norm(left - right)
    return across, np.array([-across[1], across[0]])


def similarity(source: Field, target: Field) -> tuple[Field, Field]:
    """Return the least-squares similarity ``target ≈ matrix @ source + shift`` (Umeyama 1991)."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    left, sigma, right = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    matrix = (left * sign) @ right * float((sigma * sign).sum() / (a**2).sum())
    return matrix, target_mean - matrix @ source_mean


def outside(points: Field, shape: tuple[int, ...]) -> Field:
    """Return how far each pixel [height, width] lies outside the convex hull of points.

    The distance is measured from the nearest side of the hull, in pixels; it is negative inside.
    """
    try:
        sides = ConvexHull(points).equations
    except (QhullError, ValueError) as error:
        msg = "The 'landmarks' must be those of a face. Got points on one line."
        raise StimulusError(msg) from error
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    distance = np.full(rows.shape, -np.inf)
    for across, down, offset in sides:
        np.maximum(distance, across * columns + down * rows + offset, out=distance)
    return distance
