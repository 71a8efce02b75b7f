"""Alignment templates: where a face's points, or its box, come to lie in a chip.

Beyond the edges of an image chips are black in every template.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from PIL import Image

from facebench.errors import InputError
from facebench.faces.detection import BoxKind, Pixels
from facebench.utils.suggestions import did_you_mean

__all__ = [
    "NO_TEMPLATE",
    "TEMPLATES",
    "Template",
    "box_as",
    "box_chip",
    "points_chip",
    "similarity_transform",
    "template_named",
]

Points = npt.NDArray[np.float64]
NO_TEMPLATE = "none"
# Of the box of a whole face as YuNet gives it, in 298 photographs of LFW: the side of dlib's square
# as a share of the geometric mean of its sides, and how far below its middle that square lies.
_SQUARE_SIDE, _SQUARE_BELOW = 0.975, 0.06
_WHOLE_WIDTH, _WHOLE_HEIGHT = 1 / 1.12, 1 / 0.85
# Places are kept so far before the last pixel that the next one exists too.
_BEFORE_THE_END = 1 + 1e-6


@dataclass(frozen=True)
class Template:
    """How a face is cut out of an image.

    Attributes
    ----------
    name : str
        What it is called.
    kind : {'points', 'dlib', 'box'}
        By five points and a similarity transform; by dlib's own five points, as
        ``dlib.get_face_chip`` does it; or by the box.
    size : int
        Side of the chip, in pixels.
    margin : float
        Of 'dlib', as a share of the face; of 'box', by how much the box is enlarged, 0.3 for 1.3
        times; 'points' have none.
    square : bool
        Of 'box': whether the chip shows the central square of the box rather than all of it, which
        squeezes it.
    points : tuple of tuple of float
        Of 'points': where they lie in the chip; pixels are counted from the middle of the first.
    """

    name: str
    kind: Literal["points", "dlib", "box"]
    size: int
    margin: float = 0.0
    square: bool = False
    points: tuple[tuple[float, float], ...] = ()

    def settings(self) -> dict[str, Any]:
        """Give what a record says of it."""
        found: dict[str, Any] = {"template": self.name, "size": self.size}
        if self.kind == "dlib":
            found["padding"] = self.margin
        elif self.kind == "box":
            found["margin"] = self.margin
        return found


TEMPLATES = {
    template.name: template
    for template in (
        # insightface/python-package, utils/face_align.py: the points of ArcFace's training images.
        Template(
            "arcface112", "points", 112,
            points=(
                (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366),
                (41.5493, 92.3655), (70.7299, 92.2041),
            ),
        ),
        Template("dlib150", "dlib", 150, margin=0.25),
        # facenet-pytorch, examples/lfw_evaluate.ipynb: MTCNN(image_size=160, margin=14), of which
        # extract_face makes 14 / (160 - 14) of the box.
        Template("facenet160", "box", 160, margin=14 / (160 - 14)),
        # VGGFace2: a box enlarged by 0.3, shorter side 256, of which networks take the middle 224.
        Template("vgg224", "box", 256, margin=0.3, square=True),
    )
}  # fmt: skip


def template_named(template: str | Template) -> Template:
    """Find a template by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if isinstance(template, Template):
        return template
    if template == NO_TEMPLATE:
        msg = (
            f"The template {NO_TEMPLATE!r} takes images as they are: there is nothing to cut out. "
            f"Templates that cut out faces are {', '.join(TEMPLATES)}."
        )
        raise InputError(msg)
    if not isinstance(template, str) or template not in TEMPLATES:
        known = [*TEMPLATES, NO_TEMPLATE]
        msg = (
            f"The 'align' of a model must be true, false, or a template: {', '.join(known)}. "
            f"Got {template!r}.{did_you_mean(str(template), known)}"
        )
        raise InputError(msg)
    return TEMPLATES[template]


def similarity_transform(source: ArrayLike, target: ArrayLike) -> npt.NDArray[np.float64]:
    """Find the rotation, scale and shift that bring points closest to others.

    By least squares, which is Umeyama's solution where nothing is mirrored.

    Parameters
    ----------
    source, target : array_like, shape [N, 2]
        Points that belong together, in order.

    Returns
    -------
    ndarray, shape [2, 3]
        ``target ≈ source @ M[:, :2].T + M[:, 2]``.

    Raises
    ------
    InputError
        If the points of `source` are not finite, or all in one place.

    Examples
    --------
    >>> similarity_transform([[0, 0], [1, 0]], [[2, 3], [2, 5]]).round(6) + 0.0
    array([[ 0., -2.,  2.],
           [ 2.,  0.,  3.]])
    """
    turn, shift = _turn_and_shift(source, target)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _turn_and_shift(source: ArrayLike, target: ArrayLike) -> tuple[complex, complex]:
    """Find ``target ≈ turn * source + shift``, of points as complex numbers.

    In plain Python: for five points NumPy takes ten times as long.
    """
    before, after = (
        [complex(x, y) for x, y in np.asarray(points, np.float64).tolist()]
        for points in (source, target)
    )
    middle, new_middle = sum(before) / len(before), sum(after) / len(after)
    around = [point - middle for point in before]
    spread = sum(point.real**2 + point.imag**2 for point in around)
    if not 0 < spread < math.inf:
        msg = f"The points of a face must be finite and not all in one place. Got {source!r}."
        raise InputError(msg)
    pairs = zip(around, after, strict=True)
    turn = sum(old.conjugate() * (new - new_middle) for old, new in pairs) / spread
    return turn, new_middle - turn * middle


def points_chip(image: Pixels, points: ArrayLike, template: Template) -> Pixels:
    """Cut a face out by its five points.

    Pixels are interpolated linearly, as ``cv2.warpAffine`` and ``skimage.transform.warp`` do it.

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.
    points : array_like, shape [5, 2]
        In the order of `facebench.faces.detection.Face`.
    template : Template
        Of kind 'points'.

    Returns
    -------
    ndarray
        ``[size, size, 3]``, uint8.
    """
    turn, shift = _turn_and_shift(points, template.points)
    # Back from the chip to the image.
    turn, shift = 1 / turn, -shift / turn
    # Only what the chip shows is taken, for photographs may be large.
    far = template.size - 1
    corners = [turn * corner + shift for corner in (0, far, far * 1j, far * (1 + 1j))]
    height, width = image.shape[:2]
    left, right = _span([corner.real for corner in corners], width)
    top, bottom = _span([corner.imag for corner in corners], height)
    if left >= right or top >= bottom:
        return np.zeros((template.size, template.size, 3), np.uint8)
    # Black around it.
    wide, high = right - left + 2, bottom - top + 2
    planes = np.zeros((3, high, wide), np.uint8)
    planes[:, 1:-1, 1:-1] = image[top:bottom, left:right].transpose(2, 0, 1)
    pixels = planes.reshape(3, -1)
    shift -= complex(left - 1, top - 1)
    x, y = _grid(template.size)
    x, y = (
        # Beyond the edges all is black, wherever.
        np.clip(across, 0, length - _BEFORE_THE_END)
        for across, length in (
            (x * turn.real - y * turn.imag + shift.real, wide),
            (x * turn.imag + y * turn.real + shift.imag, high),
        )
    )
    column, row = x.astype(np.intp), y.astype(np.intp)
    x -= column
    y -= row
    first = row * wide + column
    upper, upper_right, lower, lower_right = (
        pixels.take(first + step, axis=1).astype(np.float64) for step in (0, 1, wide, wide + 1)
    )
    upper += (upper_right - upper) * x
    lower += (lower_right - lower) * x
    upper += (lower - upper) * y
    # Single precision before rounding, as in Pillow's own transform of these pixels.
    levels = np.rint(upper.astype(np.float32)).astype(np.uint8)
    return np.ascontiguousarray(levels.T).reshape(template.size, template.size, 3)


@functools.cache
def _grid(size: int) -> tuple[Points, Points]:
    """Give x and y of all pixels of a chip."""
    y, x = np.divmod(np.arange(float(size * size)), size)
    return x, y


def _span(places: list[float], length: int) -> tuple[int, int]:
    """Give the pixels that are needed to interpolate at some places."""
    first, last = math.floor(min(places)), math.floor(max(places)) + 2
    return min(max(0, first), length), max(0, min(last, length))


def box_chip(image: Pixels, box: tuple[float, float, float, float], template: Template) -> Pixels:
    """Cut a face out by its box; the chip is resized with Pillow's bilinear filter.

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.
    box : tuple of float
        Left, top, right, bottom, of a whole face.
    template : Template
        Of kind 'box'.

    Returns
    -------
    ndarray
        ``[size, size, 3]``, uint8.
    """
    left, top, right, bottom = box
    middle = (left + right) / 2, (top + bottom) / 2
    sides = right - left, bottom - top
    if template.square:
        sides = (min(sides), min(sides))
    wide, high = (side * (1 + template.margin) / 2 for side in sides)
    edges = [
        math.floor(edge)
        for edge in (middle[0] - wide, middle[1] - high, middle[0] + wide, middle[1] + high)
    ]
    edges[2], edges[3] = max(edges[2], edges[0] + 1), max(edges[3], edges[1] + 1)
    # Pillow fills with black beyond the image.
    cut = Image.fromarray(image).crop((edges[0], edges[1], edges[2], edges[3]))
    return np.array(cut.resize((template.size, template.size), Image.Resampling.BILINEAR))


def box_as(
    kind: BoxKind, box: tuple[float, float, float, float], own: BoxKind
) -> tuple[float, float, float, float]:
    """Turn a box of one kind into the box of the other kind that the same face most likely has."""
    if kind == own:
        return box
    left, top, right, bottom = box
    x, y, width, height = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    if kind == "dlib":
        y += _SQUARE_BELOW * height
        width = height = _SQUARE_SIDE * math.sqrt(width * height)
    else:
        width, height = _WHOLE_WIDTH * width, _WHOLE_HEIGHT * height
        y -= _SQUARE_BELOW * height
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
