"""Parts of a face shown alone: eyes, mouth, and what lies inside or outside of the features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import distance_transform_edt

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture, checked_picture, rounded
from facebench.stimuli.blending import smoothstep
from facebench.stimuli.geometry import checked_landmarks, directions, face_width, outside
from facebench.utils.suggestions import did_you_mean

_BROWS_AND_EYES = (*range(17, 27), *range(36, 48))
_OUTER_LIPS = tuple(range(48, 60))
_INTERNAL = tuple(range(17, 68))
_BROWS, _NOSE_BASE = slice(17, 27), 33
_FOREHEAD = 0.75  # its height, as a share of the distance from the brows to the base of the nose
# Margin around the landmarks, as a share of the face's width.
_REGIONS = {
    "eyes": (_BROWS_AND_EYES, 0.05),
    "mouth": (_OUTER_LIPS, 0.05),
    "internal": (_INTERNAL, 0.07),
    "external": (_INTERNAL, 0.07),
    # The outline itself is half background.
    "face": (tuple(range(68)), -0.03),
}
_FEATHER = 0.04  # of the face's width
_OUTLINE = 0.02
_ROUNDING = 1e-6  # pixels on a side of the hull belong to it, despite rounding
_MIDDLE_GREY = 128


def part_mask(landmarks: ArrayLike, part: str, shape: tuple[int, ...]) -> Field:
    """Return how far each pixel belongs to a part of a face, 0 … 1 with a soft edge.

    Each part is the convex hull of its landmarks with a margin of 5 to 7 % of the face's width, as
    far as the face itself reaches:

    - ``eyes``: both eyes with their brows;
    - ``mouth``: the lips;
    - ``internal``: brows, eyes, nose and mouth, ``external``: everything else, that is hair, ears,
      outline and background. The two add up to 1;
    - ``face``: all within the jaw line and a forehead as high as three quarters of the way from the
      brows to the base of the nose (no landmark tells where the hair begins), less a margin of 3 %.

    Parameters
    ----------
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    part : {'eyes', 'mouth', 'internal', 'external', 'face'}
    shape : tuple of int
        Height and width of the picture.

    Returns
    -------
    ndarray [height, width], float64

    Raises
    ------
    StimulusError
        If there is no such part.
    """
    points = checked_landmarks(landmarks)
    if part not in _REGIONS:
        hint = did_you_mean(part, _REGIONS)
        msg = f"The 'part' must be one of {', '.join(_REGIONS)}. Got {part!r} instead.{hint}"
        raise StimulusError(msg)
    corners, margin = _REGIONS[part]
    width = face_width(points)
    whole = np.concatenate([points, forehead(points)])
    distance = outside(whole if part == "face" else points[list(corners)], shape[:2])
    within = distance <= _ROUNDING
    share = np.zeros(within.shape)
    if within.any():
        if margin >= 0:
            # From the pixels of the hull, not from its sides: the margin rounds its corners.
            distance = distance_transform_edt(~within)
        share = smoothstep(1 - (distance - margin * width) / (_FEATHER * width))
    if part != "face":
        # The far brow of a turned head ends at its outline: beyond is background.
        share = share * smoothstep(1 - outside(whole, shape[:2]) / (_OUTLINE * width))
    return 1 - share if part == "external" else share


def forehead(points: Field) -> Field:
    """Return ten points on the forehead [10, 2], above the brows."""
    _, down = directions(points)
    brows = points[_BROWS]
    height = _FOREHEAD * float((points[_NOSE_BASE] - brows.mean(axis=0)) @ down)
    middle = brows.mean(axis=0)
    # Narrower at the top, as foreheads are.
    return np.asarray(middle + 0.8 * (brows - middle) - height * down)


def show_only(image: ArrayLike, landmarks: ArrayLike, part: str) -> Picture:
    """Show one part of a face on middle grey (128).

    Familiar faces are recognised better from their internal features, unfamiliar ones as well from
    external ones (Ellis et al. 1979).

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    part : {'eyes', 'mouth', 'internal', 'external', 'face'}
        See `part_mask`.

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If there is no such part.

    References
    ----------
    Ellis, H. D., Shepherd, J. W., & Davies, G. M. (1979). Identification of familiar and unfamiliar
    faces from internal and external features: some implications for theories of face recognition.
    Perception, 8(4), 431-439.
    """
    picture = checked_picture(image)
    share = part_mask(landmarks, part, picture.shape)[..., None]
    return rounded(share * picture + (1 - share) * np.float64(_MIDDLE_GREY))
