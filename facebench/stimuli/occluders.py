"""Faces with a surgical mask or with sunglasses, drawn from the landmarks.

Both are opaque: what they cover does not reach the network or the participant. They are drawn the
same on every face, without chance.

References
----------
Ngan, M., Grother, P., & Hanaoka, K. (2020). Ongoing face recognition vendor test (FRVT). Part 6A:
Face recognition accuracy with masks using pre-COVID-19 algorithms. NISTIR 8311.
Noyes, E., Davis, J. P., Petrov, N., Gray, K. L. H., & Ritchie, K. L. (2021). The effect of face
masks and sunglasses on identity and expression recognition with super-recognizers and typical
observers. Royal Society Open Science, 8(3), 201169.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture, checked_picture, rounded
from facebench.stimuli.geometry import (
    LEFT_EYE,
    MOUTH,
    RIGHT_EYE,
    checked_landmarks,
    directions,
    eye_distance,
    face_width,
)

_CLOTH, _STRAP, _GLASS = (170.0, 203.0, 219.0), (236.0, 238.0, 240.0), (18.0, 18.0, 20.0)
_RIDGE, _TIP, _CHIN = 27, 30, 8
_JAW = tuple(range(1, 16))
_LIDS = ((40, 41), (46, 47))
_FINE = 4  # shapes are drawn so many times larger, and reduced: soft edges
_PLEATS, _PLEAT_SHADE = (0.3, 0.48, 0.66), 0.86
_AROUND = 0.03  # how far the cloth reaches beyond the jaw line, of the face's width
_LENS, _HEIGHT = 1.15, 0.36  # half of a lens: of its eye's width, of the distance of the eyes
_SQUARE = 2.6  # exponent of the superellipse: between an ellipse and a rectangle


def cover_with_mask(image: ArrayLike, landmarks: ArrayLike, nose: float = 0.6) -> Picture:
    """Draw a surgical mask over nose, mouth and chin.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    nose : float
        How high the mask reaches: 0 to the tip of the nose, 1 to its root between the eyes.

    Returns
    -------
    ndarray [height, width, 3], uint8
        Pixels away from the mask and its straps are those of the image.

    Raises
    ------
    StimulusError
        If `nose` is not from 0 to 1, the mouth lies beyond the picture, or the head is seen so much
        from the side that there are not two cheeks.

    References
    ----------
    See `facebench.stimuli.occluders`.
    """
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    if isinstance(nose, bool) or not isinstance(nose, int | float) or not 0 <= nose <= 1:
        msg = f"The 'nose' must be a number from 0 (its tip) to 1 (its root). Got {nose!r}."
        raise StimulusError(msg)
    _require_inside("mouth", points[MOUTH], picture)
    across, down = directions(points)
    turn = np.stack([across, down])
    inside = (points - points[_TIP]) @ turn.T  # across and down the face, from the tip of the nose
    width = face_width(points)
    top = _top_edge(inside, nose, width)
    jaw = inside[list(_JAW)]
    middle = np.array([0.0, inside[MOUTH, 1].mean()])
    outwards = jaw - middle
    jaw = jaw + _AROUND * width * outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    edge = np.linspace(jaw[0, 0], jaw[-1, 0], 60)
    upper = np.stack([edge, top(edge)], axis=1)
    # Where the cloth ends at the sides it hangs from the upper corner, not from above it.
    lower = jaw[1:-1][jaw[1:-1, 1] > np.interp(jaw[1:-1, 0], edge, upper[:, 1])]
    if len(lower) < 3:
        msg = "A mask needs a face seen from the front, with two cheeks. Got one seen aside."
        raise StimulusError(msg)

    def back(places: Field) -> Field:
        return np.asarray(places @ turn + points[_TIP])

    result = picture.astype(np.float64)
    pen = max(1.0, 0.012 * width)
    for corner, side in ((0, 0), (-1, 16)):
        ear = inside[side] + (0.05 * width * (-1 if side == 0 else 1), 0)
        for start in (upper[corner], lower[1 if corner == 0 else -2]):
            _paint(result, _stroke(result.shape, back(np.stack([start, ear])), pen), _STRAP)
    outline = np.concatenate([upper, lower[::-1]])
    cloth = _filled(result.shape, [back(outline)])
    _paint(result, cloth, _shaded(result.shape, points[_TIP], turn, edge[[0, -1]]))
    bottom = float(lower[:, 1].max())
    for share in _PLEATS:
        u = edge[6:-6]
        line = np.stack([u, (1 - share) * top(u) + share * bottom], axis=1)
        pleat = np.minimum(_stroke(result.shape, back(line), pen), cloth)
        _paint(result, pleat, np.array(_CLOTH) * _PLEAT_SHADE)
    return rounded(result)


def cover_with_sunglasses(image: ArrayLike, landmarks: ArrayLike) -> Picture:
    """Draw sunglasses over both eyes.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.

    Returns
    -------
    ndarray [height, width, 3], uint8
        Pixels away from the glasses are those of the image.

    Raises
    ------
    StimulusError
        If the eyes lie beyond the picture.

    References
    ----------
    See `facebench.stimuli.occluders`.
    """
    picture, points = checked_picture(image), checked_landmarks(landmarks)
    _require_inside("eyes", points[36:48], picture)
    across, down = directions(points)
    between = eye_distance(points)
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rim = np.sign(circle) * np.abs(circle) ** (2 / _SQUARE)
    shapes, ends = [], []
    for eye, temple in ((RIGHT_EYE, 0), (LEFT_EYE, 16)):
        centre = points[eye].mean(axis=0) + 0.04 * between * down
        # The far eye of a turned head is narrower, and so is its lens.
        half = _LENS * float(np.ptp(points[eye] @ across))
        shapes.append(centre + rim[:, :1] * half * across + rim[:, 1:] * _HEIGHT * between * down)
        side = -1 if temple == 0 else 1
        high = -0.5 * _HEIGHT * between * down
        ends.append(
            (
                centre - side * 0.9 * half * across + high,
                centre + side * 0.9 * half * across + high,
                points[temple],
            )
        )
    result = picture.astype(np.float64)
    pen = max(1.0, 0.06 * between)
    bridge = np.stack([ends[0][0], ends[1][0]])
    lines = [bridge, *(np.stack([outer, temple]) for _, outer, temple in ends)]
    cover = _filled(result.shape, shapes)
    for line in lines:
        cover = np.maximum(cover, _stroke(result.shape, line, pen))
    _paint(result, cover, _GLASS)
    return rounded(result)


def _require_inside(name: str, points: Field, picture: Picture) -> None:
    limit = np.array([picture.shape[1] - 1, picture.shape[0] - 1])
    if not ((points >= 0) & (points <= limit)).all():
        msg = f"The {name} must lie within the picture. Got landmarks beyond its edge."
        raise StimulusError(msg)


def _top_edge(inside: Field, nose: float, width: float) -> PchipInterpolator:
    """Return how far down a mask begins, by the place across the face."""
    ridge = (1 - nose) * inside[_TIP] + nose * inside[_RIDGE]
    ends = inside[_JAW[0]], inside[_JAW[-1]]
    knots = [ends[0], None, ridge, None, ends[1]]
    for place, end, lids in ((1, ends[0], _LIDS[0]), (3, ends[1], _LIDS[1])):
        below_eye = inside[list(lids), 1].max() + 0.05 * width
        cheek = (ridge[0] + end[0]) / 2
        knots[place] = np.array([cheek, max(below_eye, ridge[1] + 0.06 * width)])
    u, v = np.array(knots).T
    if (np.diff(u) <= 0).any():
        msg = "A mask needs a face seen from the front, with two cheeks. Got one seen aside."
        raise StimulusError(msg)
    return PchipInterpolator(u, v, extrapolate=True)


def _shaded(shape: tuple[int, ...], origin: Field, turn: Field, ends: Field) -> Field:
    """Return the colour of the cloth [height, width, 3], darker towards the sides."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    u = (np.stack([columns, rows], axis=-1) - origin) @ turn[0]
    aside = np.clip(2 * (u - ends[0]) / (ends[1] - ends[0]) - 1, -1, 1)
    return np.asarray((1 - 0.22 * aside**4)[..., None] * np.array(_CLOTH))


def _filled(shape: tuple[int, ...], outlines: Iterable[Field]) -> Field:
    """Return how far each pixel [height, width] lies within outlines, 0 … 1."""
    return _drawn(shape, [("polygon", outline, 0.0) for outline in outlines])


def _stroke(shape: tuple[int, ...], line: Field, pen: float) -> Field:
    """Return how far each pixel [height, width] lies on a line of a width, 0 … 1."""
    return _drawn(shape, [("line", line, pen)])


def _drawn(shape: tuple[int, ...], figures: Iterable[tuple[str, Field, float]]) -> Field:
    canvas = Image.new("L", (shape[1] * _FINE, shape[0] * _FINE))
    draw = ImageDraw.Draw(canvas)
    for kind, points, pen in figures:
        places = [tuple(place) for place in ((points + 0.5) * _FINE - 0.5).tolist()]
        if kind == "polygon":
            draw.polygon(places, fill=255)
        else:
            draw.line(places, fill=255, width=max(1, math.ceil(pen * _FINE)), joint="curve")
    small = canvas.resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(small, np.float64) / 255


def _paint(result: Field, cover: Field, colour: ArrayLike) -> None:
    result += cover[..., None] * (np.asarray(colour, np.float64) - result)
