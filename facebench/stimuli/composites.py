"""Composites: the upper half of one face with the lower half of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture, checked_picture, rounded, sample, smoothed
from facebench.stimuli.blending import smoothstep
from facebench.stimuli.geometry import checked_landmarks, directions, face_width
from facebench.stimuli.parts import part_mask
from facebench.stimuli.skin_tone import ToneMatch, colours, tones

_MIDDLE_GREY = 128.0
_CUT = 29  # on the ridge of the nose, half way between its root and its base
_LEFT_JAW, _RIGHT_JAW = slice(0, 6), slice(11, 17)
_CUT_WIDTH = 0.03  # share of the face's width over which the halves blend
_SKIN_HEIGHT = 0.15  # skin is compared in a band of this half height around the cut
_SEAM_HEIGHT, _SEAM_REACH = 0.06, 0.3  # where tones are evened out at the cut, and how far down
_MOST_STEP = np.array([0.35, 0.1, 0.1])  # of tones; a larger one is a beard, or hair
_MOST_UNEVEN = 1.25  # how much more one side of a face may be stretched than both together
_CUT_ROW = 0.48  # share of the picture's height, where there is room for a misalignment
_SPARE = 1.08  # how much wider than itself a face may be shown: it sticks out at the cheeks
_EDGE = 3.0  # pixels over which a half fades where its picture ends


def composite(
    image: ArrayLike,
    landmarks: ArrayLike,
    other_image: ArrayLike,
    other_landmarks: ArrayLike,
    misalignment: float = 0.0,
    room: float | None = None,
) -> Picture:
    """Join the upper half of a face and the lower half of another.

    Aligned halves fuse into a new face, and people find it hard to attend to one of them; they do
    not when the lower half is moved aside. The cut runs through the middle of the nose, along the
    line of the eyes. The lower half is scaled and turned so that jaw lines and nose meet at the
    cut, and takes on the tone of the face's skin, evenly across the cut. Both are shown without
    hair and background, on middle grey (128).

    Aligned and misaligned composites must show the same, or a comparison of them measures how much
    of the lower half the picture's edge cuts off. So the halves move apart by half of the
    misalignment each, by whole pixels, and the face is made so small that both halves stay within
    the picture at a misalignment of `room`, with the cut level in a fixed row. Give both composites
    the same `room`: their halves are then equal pixel by pixel. What still does not fit (a wide jaw
    of the other) is in neither. Without misalignment and room the face stays where it is.

    Parameters
    ----------
    image, other_image : array_like [height, width, 3], uint8
        Whose upper and whose lower half is shown; sizes may differ.
    landmarks, other_landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    misalignment : float
        How far the lower half is moved to the image's right of the upper one, as a share of the
        face's width. From about 0.17 on the effect does not shrink further (Laguesse & Rossion
        2013).
    room : float, optional
        The largest misalignment, to either side, of the composites that this one is compared with.
        By default its own.

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If the misalignment is not a finite number, or there is not room for it.

    References
    ----------
    Young, A. W., Hellawell, D., & Hay, D. C. (1987). Configurational information in face
    perception. Perception, 16(6), 747-759.
    Laguesse, R., & Rossion, B. (2013). Face perception is whole or none: disintegration of the
    composite face illusion with small spatial misalignments. Visual Cognition, 21(6), 740-764.
    """
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    other, other_points = checked_picture(other_image), checked_landmarks(other_landmarks)
    room = _checked(misalignment, room)
    canvas = _Canvas.around(points, picture.shape, room)
    points = canvas.onto(points)
    half, most = (_whole(share / 2, points) for share in (misalignment, room))
    places = _grid(picture.shape)
    ours, theirs = _CutFrame.of(points), _CutFrame.of(other_points)
    upper, upper_ends = _sampled(picture, canvas.back(places), 1 / canvas.scale)
    lower, lower_ends = _sampled(other, ours.onto(theirs, places), ours.scale_to(theirs))
    below = ours.inwards(places)[..., 1] / face_width(points)
    masks = [
        part_mask(face, "face", picture.shape) * ends
        for face, ends in ((points, upper_ends), (theirs.onto(ours, other_points), lower_ends))
    ]
    lower = _evened(lower, upper, below, masks, face_width(points))
    is_lower = smoothstep(below / _CUT_WIDTH + 0.5)
    fits = _fits(places, most, picture.shape)
    result = np.full(picture.shape, _MIDDLE_GREY)
    for content, share, step in (
        (upper, masks[0] * (1 - is_lower) * fits, -half),
        (lower, masks[1] * is_lower * fits, half),
    ):
        # What is rolled over the edge is grey: nothing within `most` of an edge is shown.
        result += np.roll(share[..., None] * (content - _MIDDLE_GREY), step[::-1], axis=(0, 1))
    return rounded(result)


def _checked(misalignment: float, room: float | None) -> float:
    if isinstance(misalignment, bool) or not math.isfinite(misalignment):
        msg = (
            "The 'misalignment' must be a finite number (a share of the face's width). "
            f"Got {misalignment!r} instead."
        )
        raise StimulusError(msg)
    if room is None:
        return abs(misalignment)
    if isinstance(room, bool) or not math.isfinite(room) or room < abs(misalignment):
        msg = f"The 'room' must be at least the misalignment of {misalignment!r}. Got {room!r}."
        raise StimulusError(msg)
    return room


def _grid(shape: tuple[int, ...]) -> Field:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return np.stack([columns, rows], axis=-1)


def _whole(share: float, points: Field) -> NDArray[np.int_]:
    """Return a step across the face, a share of its width, in whole pixels (x, y)."""
    across, _ = directions(points)
    return np.round(share * face_width(points) * across).astype(int)


def _fits(places: Field, step: NDArray[np.int_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell which pixels stay within the picture when moved by a step, one way or the other."""
    limit = np.array([shape[1] - 1, shape[0] - 1])
    return np.asarray(((places >= abs(step)) & (places <= limit - abs(step))).all(axis=-1))


@dataclass(frozen=True)
class _Canvas:
    """Where a face is put: ``matrix @ place + shift``."""

    matrix: Field
    shift: Field

    @classmethod
    def around(cls, points: Field, shape: tuple[int, ...], room: float) -> _Canvas:
        """Leave a face where it is, or make room to move its halves aside.

        For that, its eyes are made level, its cut comes to a row that is the same for all, and its
        width to one that is (unless it is smaller): else halves of different faces would overlap by
        more when they are moved.
        """
        shown = np.argwhere(part_mask(points, "face", shape) > 0)[:, ::-1]
        if not room or not len(shown):
            return cls(np.eye(2), np.zeros(2))
        turn = np.stack(directions(points))
        low, high = (edge((shown - points[_CUT]) @ turn.T, axis=0) for edge in (np.min, np.max))
        width, (right, bottom) = face_width(points), (shape[1] - 1, shape[0] - 1)
        row = round(_CUT_ROW * bottom)
        scale = min(
            1.0,
            right / ((_SPARE + room) * width),
            # Two pixels for rounding.
            (right - 2) / (high[0] - low[0] + room * width),
            row / max(-low[1], 1.0),
            (bottom - row) / max(high[1], 1.0),
        )
        middle = round(right / 2 - scale * (low[0] + high[0]) / 2)
        matrix = scale * turn
        return cls(matrix, np.array([middle, row]) - matrix @ points[_CUT])

    @property
    def scale(self) -> float:
        return float(np.linalg.norm(self.matrix[0]))

    def onto(self, places: Field) -> Field:
        return np.asarray(places @ self.matrix.T + self.shift)

    def back(self, places: Field) -> Field:
        return np.asarray((places - self.shift) @ np.linalg.inv(self.matrix).T)


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

    def scale_to(self, other: _CutFrame) -> float:
        return (other.knots[2] - other.knots[0]) / (self.knots[2] - self.knots[0])

    def onto(self, other: _CutFrame, places: Field) -> Field:
        """Map places of this face to those of another, so that nose and jaw lines meet.

        Left and right of the nose are stretched on their own: heads are turned differently.
        """
        inside = self.inwards(places)
        scale = self.scale_to(other)
        left, right = (
            np.clip(other.knots[k] / self.knots[k], scale / _MOST_UNEVEN, scale * _MOST_UNEVEN)
            for k in (0, 2)
        )
        u = inside[..., 0] * np.where(inside[..., 0] < 0, left, right)
        return np.asarray(
            other.origin + u[..., None] * other.across + scale * inside[..., 1:] * other.down
        )


def _sampled(picture: Picture, places: Field, scale: float) -> tuple[Field, Field]:
    """Look a picture up; also return how far places are within it, 0 … 1 with a soft edge."""
    values = sample(smoothed(picture, scale), places[..., 1], places[..., 0], order=3)
    limit = np.array([picture.shape[1] - 1, picture.shape[0] - 1])
    within = np.minimum(places, limit - places).min(axis=-1)
    return np.clip(values, 0, 255), smoothstep(within / _EDGE + 1)


def _evened(
    lower: Field, upper: Field, below: Field, masks: Sequence[Field], width: float
) -> Field:
    """Give the lower half the tone of the other face's skin, without a step at the cut."""
    both = (masks[0] > 0) & (masks[1] > 0)
    skin = both & (np.abs(below) < _SKIN_HEIGHT)
    if not skin.any():
        return lower
    ours, theirs = tones(upper), tones(lower)
    theirs = ToneMatch.between(theirs[skin], ours[skin]).apply(theirs)
    # What still differs along the cut is light and shade: taken over, and let fade downwards.
    rim = both * np.exp(-((below / _SEAM_HEIGHT) ** 2))
    sigma = 0.12 * width
    step = np.clip(ours - theirs, -_MOST_STEP, _MOST_STEP) * rim[..., None]
    spread = gaussian_filter(step, (sigma, sigma, 0), mode="constant")
    spread /= gaussian_filter(rim, sigma, mode="constant")[..., None] + 1e-4
    theirs += spread * np.exp(-np.maximum(below, 0) / _SEAM_REACH)[..., None]
    return colours(theirs)
