"""Manipulations of pictures of faces: inversion, the Thatcher illusion and aligned chips.

All functions are pure: they take and return uint8 RGB arrays and work on photographs as well as on
rendered faces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d, map_coordinates

from facebench.errors import StimulusError
from facebench.faces.pictures import (
    Field,
    Picture,
    checked_picture,
    require_positive,
    rounded,
    sample,
)
from facebench.stimuli.blending import Ellipse, blend
from facebench.stimuli.geometry import feature_outlines, similarity
from facebench.stimuli.skin_tone import colours, tones

# Where dlib's 5-point alignment puts the points in a chip without padding, from
# get_face_chip_details in dlib/image_transforms/interpolation.h (Boost licence).
_CHIP_POINTS = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
_LANDMARKS = 68
_MIDDLE_GREY = 128.0
_QUARTERS = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))  # cosine and sine of right angles
_ROUNDING = 1e-6  # pixels
# What light does to two sides of a face; a larger step of tones at the edge is an object.
_MOST_STEP = np.array([0.5, 0.1, 0.1])
_HALVING_FILTER = np.array([1, 4, 6, 4, 1]) / 16
_HALVING_SHIFT = np.array(
    [-0.25, 0.25]
)  # dlib's pyramid maps points this far off; networks expect it


def invert(image: ArrayLike) -> Picture:
    """Turn an image by 180° in its plane.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
        The picture.

    Returns
    -------
    ndarray [height, width, 3], uint8
        The picture upside down (and left-right reversed, as a turned photograph is).

    Examples
    --------
    >>> picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> invert(picture)[0, 0].tolist()
    [9, 10, 11]
    >>> bool((invert(invert(picture)) == picture).all())
    True
    """
    return np.ascontiguousarray(checked_picture(image)[::-1, ::-1])


def rotate(image: ArrayLike, angle: float, aperture: float | None = 1.0) -> Picture:
    """Turn an image in its plane, about its middle.

    A picture that is turned by other than right angles loses its corners. So that all angles show
    the same, also 0, only a circle about the middle is shown, on middle grey (128).

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
        The picture, with the face in its middle.
    angle : float
        In degrees, clockwise. Multiples of 90 are exact: no pixel is interpolated.
    aperture : float or None
        The diameter of the circle, as a share of the picture's shorter side, up to 1. None shows
        the whole picture; corners that turn in are then grey.

    Returns
    -------
    ndarray [height, width, 3], uint8
        Of the size of the image.

    Raises
    ------
    StimulusError
        If the angle is not finite, or the aperture not above 0 and up to 1.

    Examples
    --------
    >>> picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> rotate(picture, 90, aperture=None)[0, 0].tolist()  # the lower left corner comes up
    [6, 7, 8]
    """
    picture = checked_picture(image)
    if isinstance(angle, bool) or not isinstance(angle, int | float) or not math.isfinite(angle):
        msg = f"The 'angle' must be a finite number, in degrees. Got {angle!r} instead."
        raise StimulusError(msg)
    if aperture is not None:
        require_positive("aperture", aperture, "a share of the picture's shorter side")
        if aperture > 1:
            msg = f"The 'aperture' must be at most 1. Got {aperture!r} instead."
            raise StimulusError(msg)
    height, width = picture.shape[:2]
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    quarters, rest = divmod(angle, 90)
    if rest == 0 and quarters % 2 and (height - width) % 2:
        # A quarter turn of an odd by an even number of pixels: about half a pixel beside, exactly.
        middle[1] += 0.5
    cosine, sine = _QUARTERS[int(quarters) % 4] if rest == 0 else _turn_by(angle)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    down, across = rows - middle[0], columns - middle[1]
    row = middle[0] + cosine * down - sine * across
    column = middle[1] + sine * down + cosine * across
    turned = sample(picture.astype(np.float64), row, column, order=0 if rest == 0 else 3)
    if aperture is None:
        # Half a pixel belongs to the picture's edge.
        beside = np.maximum(np.abs(row - (height - 1) / 2) - height / 2,
                            np.abs(column - (width - 1) / 2) - width / 2)  # fmt: skip
        shown = np.asarray(beside <= _ROUNDING, np.float64)
    else:
        beside = np.hypot(down, across) - aperture * min(height, width) / 2
        shown = np.clip(0.5 - beside, 0, 1)
    return rounded(_MIDDLE_GREY + shown[..., None] * (turned - _MIDDLE_GREY))


def _turn_by(angle: float) -> tuple[float, float]:
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))


def thatcherise(
    image: ArrayLike,
    landmarks: ArrayLike | Sequence[ArrayLike] | None = None,
    *,
    regions: Sequence[ArrayLike] | None = None,
) -> Picture:
    """Turn both eyes and the mouth of a face upside down in place.

    Each is turned by 180° about the middle of its padded, feathered ellipse. Regions are handled
    one after the other; keep them apart for a clean result.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
        The picture.
    landmarks : array_like [68, 2], or sequence of array_like [k, 2]
        Points in the order of dlib's 68-point predictor (see `find_landmarks`). Or the outlines of
        what is to be turned, in pixels (x to the right, y down), at least three points each, such
        as ``face.landmarks["mouth"]`` of a rendered face.
    regions : sequence of array_like [k, 2], optional
        Another name for outlines.

    Returns
    -------
    ndarray [height, width, 3], uint8
        A new picture; pixels outside the ellipses are those of ``image``.

    Raises
    ------
    StimulusError
        If there are neither landmarks nor regions, or a region is not a list of three or more
        points.

    References
    ----------
    Thompson, P. (1980). Margaret Thatcher: a new illusion. Perception, 9(4), 483-484.
    """
    picture = checked_picture(image)
    result = tones(picture.astype(np.float64))
    for region in _regions(landmarks if regions is None else regions):
        outline = np.asarray(region, dtype=np.float64)
        if outline.ndim != 2 or outline.shape[1] != 2 or len(outline) < 3:
            msg = (
                "Each region must be an array [k, 2] of three or more points (a face, 68 points). "
                f"Got one of shape {outline.shape} instead."
            )
            raise StimulusError(msg)
        _turn_region(result, outline)
    return rounded(colours(result))


def _regions(given: Any) -> Sequence[ArrayLike]:
    if not np.iterable(given):
        msg = f"The 'landmarks' must be 68 points [68, 2], or outlines. Got {given!r} instead."
        raise StimulusError(msg)
    items = list(given)
    is_face = len(items) == _LANDMARKS and all(np.shape(item) == (2,) for item in items)
    return feature_outlines(items) if is_face else items


def _turn_region(picture: Field, outline: Field) -> None:
    """Turn the ellipse around one outline, in place."""
    ellipse = Ellipse.around(outline)
    window = ellipse.window(picture.shape)
    if window is None:
        return
    rows, columns = window
    turned = sample(picture, 2 * ellipse.centre[1] - rows, 2 * ellipse.centre[0] - columns)
    blend(picture, turned, ellipse, rows, columns, most=_MOST_STEP)


def aligned_chip(
    image: ArrayLike, five_points: ArrayLike, size: int = 150, padding: float = 0.25
) -> Picture:
    """Cut out a face in the standard position, as dlib's ``get_face_chip`` does.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
        The picture.
    five_points : array_like [5, 2]
        Pixel coordinates in the order of dlib's 5-point predictor: outer and inner corner of the
        subject's left eye, outer and inner corner of the right eye, base of the nose.
    size : int
        Side of the chip in pixels.
    padding : float
        Extra border, as a share of the unpadded side; dlib's face network expects 0.25.

    Returns
    -------
    ndarray [size, size, 3], uint8
        The chip; places outside of the picture are black.

    Raises
    ------
    StimulusError
        If there are not five distinct points, or size or padding are out of range.
    """
    picture = checked_picture(image)
    points = np.asarray(five_points, dtype=np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all() or np.ptp(points, axis=0).max() == 0:
        msg = (
            "The 'five_points' must be five different finite points, [5, 2]. "
            f"Got an array of shape {points.shape} instead."
        )
        raise StimulusError(msg)
    if size < 2 or padding < 0:
        msg = (
            "The 'size' of a chip must be at least 2 pixels and its 'padding' at least 0. "
            f"Got size={size}, padding={padding} instead."
        )
        raise StimulusError(msg)
    matrix, shift = similarity(_chip_points(size, padding), points)
    return _resample(picture, matrix, shift, size)


def to_chip(points: ArrayLike, five_points: ArrayLike, size: int, padding: float) -> Field:
    """Return where points [k, 2] of a picture are in its chip; see `aligned_chip`."""
    five = np.asarray(five_points, dtype=np.float64)
    matrix, shift = similarity(five, _chip_points(size, padding))
    return np.asarray(np.asarray(points, dtype=np.float64) @ matrix.T + shift)


def _chip_points(size: int, padding: float) -> Field:
    return (_CHIP_POINTS + padding) / (2 * padding + 1) * size


def _resample(
    picture: Picture, matrix: NDArray[np.float64], shift: NDArray[np.float64], size: int
) -> Picture:
    """Return the chip whose pixel p shows the picture at ``matrix @ p + shift``."""
    source = picture.astype(np.float64)
    # A chip much smaller than its part of the picture is taken from a halved picture, or fine
    # detail would alias; bilinear sampling copes with what remains (a factor of two, as in dlib).
    scale = float(np.sqrt(abs(np.linalg.det(matrix))))
    width = _halved(size * scale)
    while width > size:
        width = _halved(width)
        for axis in (0, 1):
            source = correlate1d(source, _HALVING_FILTER, axis=axis, mode="nearest")
        source = source[::2, ::2]
        matrix, shift = matrix / 2, shift / 2 + _HALVING_SHIFT
    # dlib puts the first and last pixel of a chip half a picture pixel inside the edges of its box.
    inset = 0.5 / scale
    row, column = inset + np.mgrid[0:size, 0:size] * ((size - 2 * inset) / (size - 1))
    x = matrix[0, 0] * column + matrix[0, 1] * row + shift[0]
    y = matrix[1, 0] * column + matrix[1, 1] * row + shift[1]
    channels = [map_coordinates(source[..., c], (y, x), order=1, mode="constant") for c in range(3)]
    # dlib cuts fractions off as well.
    return np.asarray(np.clip(np.stack(channels, axis=-1), 0, 255), np.uint8)


def _halved(width: float) -> float:
    """Return the width of a box in the halved picture, counted from first to last pixel."""
    return (width - 1) / 2 + 1


__all__ = ["aligned_chip", "invert", "rotate", "thatcherise"]
