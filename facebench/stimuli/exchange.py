"""Another person's eyes or mouth in a face."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from facebench.errors import StimulusError
from facebench.faces.pictures import (
    Field,
    Picture,
    checked_picture,
    rounded,
    sample,
    smoothed,
)
from facebench.stimuli.blending import Ellipse, blend
from facebench.stimuli.geometry import (
    LEFT_EYE,
    MOUTH,
    RIGHT_EYE,
    checked_landmarks,
    outside,
    similarity,
)
from facebench.stimuli.skin_tone import ToneMatch, colours, tones
from facebench.utils.suggestions import did_you_mean

_MIDDLE_FACE = slice(17, 68)
_FEATURES = {"eyes": (RIGHT_EYE, LEFT_EYE), "mouth": (MOUTH,)}
# A larger step of tones at the edge is a beard, teeth or background: spread inwards, it would glow.
_MOST_STEP = np.array([0.2, 0.08, 0.08])


def exchange_feature(
    image: ArrayLike,
    landmarks: ArrayLike,
    other_image: ArrayLike,
    other_landmarks: ArrayLike,
    feature: str = "eyes",
) -> Picture:
    """Replace the eyes or the mouth of a face by those of another.

    The other's feature is scaled and turned to lie where the face's own one lies, so that the
    spacing of features stays: the featural changes of Freire et al. (2000) and Le Grand et al.
    (2001). Its brightness and colour are fitted to the skin around.

    Parameters
    ----------
    image, other_image : array_like [height, width, 3], uint8
        The face, and the one that lends its feature; sizes may differ.
    landmarks, other_landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    feature : {'eyes', 'mouth'}

    Returns
    -------
    ndarray [height, width, 3], uint8
        Pixels away from the feature are those of the image.

    Raises
    ------
    StimulusError
        If there is no such feature.

    References
    ----------
    See `facebench.stimuli.spacing`.
    """
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    other, other_points = checked_picture(other_image), checked_landmarks(other_landmarks)
    if feature not in _FEATURES:
        hint = did_you_mean(feature, _FEATURES)
        msg = f"The 'feature' must be 'eyes' or 'mouth'. Got {feature!r} instead.{hint}"
        raise StimulusError(msg)
    result = tones(picture.astype(np.float64))
    match = ToneMatch.between(_skin(other, other_points), _skin(picture, points))
    for part in _FEATURES[feature]:
        matrix, shift = similarity(points[part], other_points[part])
        theirs = (other_points[part] - shift) @ np.linalg.inv(matrix).T
        ellipse = Ellipse.around(np.concatenate([points[part], theirs]))
        window = ellipse.window(picture.shape)
        if window is not None:
            rows, columns = window
            patch = np.clip(_sampled(other, matrix, shift, rows, columns), 0, 255)
            patch = match.apply(tones(patch))
            blend(result, patch, ellipse, rows, columns, most=_MOST_STEP)
    return rounded(colours(result))


def _skin(picture: Picture, points: Field) -> Field:
    """Return the tones [n, 3] between brows and mouth, most of it skin."""
    within = outside(points[_MIDDLE_FACE], picture.shape) < 0
    # A face beyond the edge of its picture tells nothing.
    skin = picture[within] if within.any() else picture.reshape(-1, 3)
    return tones(skin.astype(np.float64))


def _sampled(picture: Picture, matrix: Field, shift: Field, rows: Field, columns: Field) -> Field:
    """Look a picture up at ``matrix @ (column, row) + shift``."""
    values = smoothed(picture, math.sqrt(abs(float(np.linalg.det(matrix)))))
    x = matrix[0, 0] * columns + matrix[0, 1] * rows + shift[0]
    y = matrix[1, 0] * columns + matrix[1, 1] * rows + shift[1]
    return sample(values, y, x, order=3)
