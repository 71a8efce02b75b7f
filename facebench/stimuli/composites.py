"""Composites: the upper half of one face with the lower half of another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facebench.errors import StimulusError
from facebench.stimuli.blending import smoothstep
from facebench.stimuli.geometry import checked_landmarks, directions, face_width, outside
from facebench.stimuli.parts import part_mask
from facebench.stimuli.pictures import Field, Picture, checked_picture, rounded, sample

_MIDDLE_GREY = 128.0
_CUT = 29  # on the ridge of the nose, half way between its root and its base
_LEFT_JAW, _RIGHT_JAW = slice(0, 6), slice(11, 17)
_LOWER_FACE = (*range(2, 15), 29)
_CUT_WIDTH = 0.03  # share of the face's width over which the halves blend
_MOST_GAIN = 1.6


def composite(
    image: ArrayLike,
    landmarks: ArrayLike,
    other_image: ArrayLike,
    other_landmarks: ArrayLike,
    misalignment: float = 0.0,
) -> Picture:
    """Join the upper half of a face and the lower half of another.

    Aligned halves fuse into a new face, and people find it hard to attend to one of them; they do
    not when the lower half is moved aside. The cut runs through the middle of the nose, along the
    line of the eyes. The lower half is scaled and turned so that jaw lines and nose meet at the
    cut, and takes on the mean and spread of the colours of the face's own lower half. Both are
    shown without hair and background, on middle grey (128).

    Parameters
    ----------
    image, other_image : array_like [height, width, 3], uint8
        Whose upper and whose lower half is shown; sizes may differ.
    landmarks, other_landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    misalignment : float
        How far the lower half is moved to the image's right, as a share of the face's width. From
        about 0.17 on the effect does not shrink further (Laguesse & Rossion 2013).

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If the misalignment is no finite number.

    References
    ----------
    Young, A. W., Hellawell, D., & Hay, D. C. (1987). Configurational information in face
    perception. Perception, 16(6), 747-759.
    Laguesse, R., & Rossion, B. (2013). Face perception is whole or none: disintegration of the
    composite face illusion with small spatial misalignments. Visual Cognition, 21(6), 740-764.
    """
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    other, other_points = checked_picture(other_image), checked_landmarks(other_landmarks)
    if isinstance(misalignment, bool) or not math.isfinite(misalignment):
        msg = (
            "The 'misalignment' must be a finite number (a share of the face's width). "
            f"Got {misalignment!r} instead."
        )
        raise StimulusError(msg)
    width = face_width(points)
    ours, theirs = _CutFrame.of(points), _CutFrame.of(other_points)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    places = np.stack([columns, rows], axis=-1)
    is_lower = smoothstep(ours.inwards(places)[..., 1] / (_CUT_WIDTH * width) + 0.5)[..., None]
    lower_face = outside(points[list(_LOWER_FACE)], picture.shape) < 0
    unmoved = _sampled(other, ours.onto(theirs, places[lower_face]))
    gain, offset = _colour_fit(unmoved, picture[lower_face].astype(np.float64))
    aside = misalignment * width * ours.across
    lower = _sampled(other, ours.onto(theirs, places - aside)) * gain + offset
    mask = part_mask(theirs.onto(ours, other_points) + aside, "face", picture.shape)
    lower = _on_grey(np.clip(lower, 0, 255), mask)
    upper = _on_grey(picture, part_mask(points, "face", picture.shape))
    return rounded((1 - is_lower) * upper + is_lower * lower)


@dataclass(frozen=True)
class _CutFrame:
    """Coordinates of a face around the cut: across along the eyes, down along the nose."""

    origin: Field
    across: Field
    down: Field
    knots: tuple[
        float, float, float
    ]  # where the jaw line on the left, the nose and that on the right meet the cut

    @classmethod
    def of(cls, points: Field) -> _CutFrame:
        across, down = directions(points)
        offset = points - points[_CUT]
        u, v = offset @ across, offset @ down
        sides = []
        for jaw in (_LEFT_JAW, _RIGHT_JAW):
            order = np.argsort(v[jaw], kind="stable")
            sides.append(float(np.interp(0.0, v[jaw][order], u[jaw][order])))
        return cls(points[_CUT], across, down, (min(sides[0], -1.0), 0.0, max(sides[1], 1.0)))

    def inwards(self, places: Field) -> Field:
        offset = places - self.origin
        return np.stack([offset @ self.across, offset @ self.down], axis=-1)

    def onto(self, other: _CutFrame, places: Field) -> Field:
        """Map places of this face to those of another, so that nose and jaw lines meet.

        Left and right of the nose are stretched on their own: heads are turned differently.
        """
        inside = self.inwards(places)
        left, right = (other.knots[k] / self.knots[k] for k in (0, 2))
        u = inside[..., 0] * np.where(inside[..., 0] < 0, left, right)
        scale = (other.knots[2] - other.knots[0]) / (self.knots[2] - self.knots[0])
        return np.asarray(
            other.origin + u[..., None] * other.across + scale * inside[..., 1:] * other.down
        )


def _on_grey(picture: Picture | Field, share: Field) -> Field:
    return np.asarray(share[..., None] * picture + (1 - share[..., None]) * _MIDDLE_GREY)


def _sampled(picture: Picture, places: Field) -> Field:
    values = picture.astype(np.float64)
    return sample(values, places[..., 1], places[..., 0], order=3)


def _colour_fit(theirs: Field, ours: Field) -> tuple[Field, Field]:
    """Return gain and offset per channel that give their pixels our mean and spread.

    Reinhard, E., Adhikhmin, M., Gooch, B., & Shirley, P. (2001). Color transfer between images.
    IEEE Computer Graphics and Applications, 21(5), 34-41; here in RGB, with one gain for all
    channels, so that hues stay.
    """
    if not len(theirs):
        return np.ones(3), np.zeros(3)
    ratio = ours.std(axis=0).mean() / max(float(theirs.std(axis=0).mean()), 1.0)
    gain = np.full(3, np.clip(ratio, 1 / _MOST_GAIN, _MOST_GAIN))
    return gain, ours.mean(axis=0) - gain * theirs.mean(axis=0)
