"""Another person's eyes or mouth in a face."""

from __future__ import annotations

import difflib
import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from facebench.errors import StimulusError
from facebench.stimuli.blending import Ellipse, blend
from facebench.stimuli.geometry import (
    LEFT_EYE,
    MOUTH,
    RIGHT_EYE,
    checked_landmarks,
    similarity,
)
from facebench.stimuli.pictures import Field, Picture, checked_picture, rounded, sample

_FEATURES = {"eyes": (RIGHT_EYE, LEFT_EYE), "mouth": (MOUTH,)}
# Skin that is lit or coloured differently differs by a factor: blended in logarithms, lips stay red
# and the inside of a mouth dark. The offset keeps the noise of black pixels from counting.
_LOG_OFFSET = 80.0


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
        close = difflib.get_close_matches(str(feature), _FEATURES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        msg = f"The 'feature' must be 'eyes' or 'mouth'. Got {feature!r} instead.{hint}"
        raise StimulusError(msg)
    result = np.log(picture + _LOG_OFFSET)
    for part in _FEATURES[feature]:
        matrix, shift = similarity(points[part], other_points[part])
        theirs = (other_points[part] - shift) @ np.linalg.inv(matrix).T
        ellipse = Ellipse.around(np.concatenate([points[part], theirs]))
        window = ellipse.window(picture.shape)
        if window is not None:
            rows, columns = window
            patch = np.clip(_sampled(other, matrix, shift, rows, columns), 0, 255)
            blend(result, np.log(patch + _LOG_OFFSET), ellipse, rows, columns)
    return rounded(np.exp(result) - _LOG_OFFSET)


def _sampled(picture: Picture, matrix: Field, shift: Field, rows: Field, columns: Field) -> Field:
    """Look a picture up at ``matrix @ (column, row) + shift``."""
    values = picture.astype(np.float64)
    scale = math.sqrt(abs(float(np.linalg.det(matrix))))
    if scale > 1:  # reduced: fine detail would alias
        sigma = 0.5 * math.sqrt(scale * scale - 1)
        values = gaussian_filter(values, (sigma, sigma, 0), mode="nearest")
    x = matrix[0, 0] * columns + matrix[0, 1] * rows + shift[0]
    y = matrix[1, 0] * columns + matrix[1, 1] * rows + shift[1]
    return sample(values, y, x, order=3)
