"""Changes of the spacing between features that leave the features themselves as they are.

A smooth warp moves each feature as a whole; the skin around it stretches. Changes of spacing are
what people miss in faces that are upside-down, more than changes of features (Freire et al. 2000;
Le Grand et al. 2001).

References
----------
Freire, A., Lee, K., & Symons, L. A. (2000). The face-inversion effect as a deficit in the encoding
of configural information: direct evidence. Perception, 29(2), 159-170.
Le Grand, R., Mondloch, C. J., Maurer, D., & Brent, H. P. (2001). Early visual experience and face
processing. Nature, 410, 890. (Correction: 412, 786.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture, checked_picture, rounded, sample
from facebench.stimuli.blending import Ellipse, smoothstep
from facebench.stimuli.geometry import (
    MOUTH,
    checked_landmarks,
    directions,
    eye_distance,
    feature_outlines,
)

_REACH = 2.0  # the skin stretches up to so many radii of the feature's ellipse
_STEEPEST = 1.5  # slope of smoothstep


def change_eye_distance(image: ArrayLike, landmarks: ArrayLike, change: float = 0.12) -> Picture:
    """Move the eyes apart, or together.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    change : float
        By how much the distance between the middles of the eyes grows, as a share of it. Each eye
        moves by half of that. In adults the distance has a standard deviation of about 6 %.

    Returns
    -------
    ndarray [height, width, 3], uint8
        Pixels away from the eyes are those of the image.

    Raises
    ------
    StimulusError
        If the change is so large that the face would fold.
    """
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    across, _ = directions(points)
    step = 0.5 * _checked(change, "change") * eye_distance(points) * across
    right, left, _ = feature_outlines(points)
    return _moved(picture, [(right, -step), (left, step)], "change", change)


def move_mouth(image: ArrayLike, landmarks: ArrayLike, shift: float = 0.1) -> Picture:
    """Move the mouth down, or up.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    shift : float
        How far down, as a share of the distance between the middles of the eyes; negative is up.

    Returns
    -------
    ndarray [height, width, 3], uint8
        Pixels away from the mouth are those of the image.

    Raises
    ------
    StimulusError
        If the shift is so large that the face would fold.
    """
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    _, down = directions(points)
    step = _checked(shift, "shift") * eye_distance(points) * down
    return _moved(picture, [(points[MOUTH], step)], "shift", shift)


def _checked(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = (
            f"The {name!r} must be a finite number (a share of the distance between the eyes). "
            f"Got {value!r} instead."
        )
        raise StimulusError(msg)
    return float(value)


def _moved(
    picture: Picture, moves: Sequence[tuple[Field, Field]], name: str, value: float
) -> Picture:
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    back = np.zeros((*rows.shape, 2))
    for outline, step in moves:
        ellipse = Ellipse.around(outline)
        radius = _radius_along(ellipse, step)
        if np.linalg.norm(step) * _STEEPEST >= 0.95 * (_REACH - 1) * radius:
            msg = (
                f"The {name!r} must leave the features apart, or the face would fold. "
                f"Got {value!r}; try one nearer 0."
            )
            raise StimulusError(msg)
        arrived = Ellipse(ellipse.centre + step, ellipse.axes, ellipse.radii)
        share = smoothstep((_REACH - arrived.distance(rows, columns)) / (_REACH - 1))
        back += share[..., None] * step
    result = picture.copy()
    moved = (back != 0).any(axis=-1)
    x, y = columns[moved] - back[moved, 0], rows[moved] - back[moved, 1]
    # Cubic: a moved feature must not be blurred, or sharpness would give it away.
    result[moved] = rounded(sample(picture.astype(np.float64), y, x, order=3))
    return result


def _radius_along(ellipse: Ellipse, step: Field) -> float:
    length = np.linalg.norm(step)
    if not length:
        return math.inf
    return float(1 / np.linalg.norm((step / length) @ ellipse.axes / ellipse.radii))
