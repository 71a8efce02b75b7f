"""Alignment templates: where a face's points, or its box, come to lie in a chip.

Beyond the edges of an image chips are black, whatever the template.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from PIL import Image

from facebench.errors import InputError
from facebench.faces.detection import BoxKind, Pixels
from facebench.faces.pictures import rounded
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
    if template not in TEMPLATES:
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
    before, after = (
        np.asarray(points, np.float64) @ np.array([1, 1j]) for points in (source, target)
    )
    around = before - before.mean()
    spread = np.vdot(around, around).real
    if not 0 < spread < math.inf:
        msg = f"The points of a face must be finite and not all in one place. Got {source!r}."
        raise InputError(msg)
    turn = np.vdot(around, after - after.mean()) / spread
    shift = after.mean() - turn * before.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


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
    matrix = similarity_transform(points, template.points)
    turn = np.linalg.inv(matrix[:, :2])
    shift = -turn @ matrix[:, 2]
    # Only what the chip shows is converted, for photographs may be large, with black around it.
    far = template.size - 1
    corners = turn @ [[0, far, 0, far], [0, 0, far, far]] + shift[:, None]
    height, width = image.shape[:2]
    (left, right), (top, bottom) = _span(corners[0], width), _span(corners[1], height)
    if left >= right or top >= bottom:
        return np.zeros((template.size, template.size, 3), np.uint8)
    part = Image.fromarray(image[top:bottom, left:right])
    part = part.crop((-1, -1, part.width + 1, part.height + 1))
    # Pillow counts from the edges of pixels, not from their middles.
    shift = shift - [left - 1, top - 1] + 0.5 - turn.sum(axis=1) / 2
    places = (*turn[0], shift[0], *turn[1], shift[1])
    size = (template.size, template.size)
    channels = [
        np.asarray(
            # Pillow would cut the fractions of whole grey levels off instead of rounding them.
            channel.convert("F").transform(
                size, Image.Transform.AFFINE, places, Image.Resampling.BILINEAR
            )
        )
        for channel in part.split()
    ]
    return rounded(np.stack(channels, axis=-1))


def _span(places: Points, length: int) -> tuple[int, int]:
    """Give the pixels that are needed to interpolate at some places."""
    first, last = math.floor(places.min()), math.floor(places.max()) + 2
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
