"""Finding the face in a photograph with dlib's frontal detector (HOG features, King 2015)."""

from __future__ import annotations

import functools
import math
import threading
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebench.errors import ImageError, InputError
from facebench.faces import WhichFace

__all__ = [
    "Box",
    "Pixels",
    "box_of",
    "central_square",
    "check_which_face",
    "checked_image",
    "find_face",
]

Pixels = npt.NDArray[np.uint8]

_LONGEST_SIDE = 1600  # pixels; larger images are reduced to this for the detector
_FALLBACK_SHARE = 0.6  # of the shorter side; see `facebench.faces.chips.face_chip`
_UPSAMPLINGS = (0, 1)  # the detector finds faces from 80 pixels on, upsampled once from 40 on


class Box(NamedTuple):
    """A rectangle in pixels of the image as given; ``right`` and ``bottom`` are just outside.

    A detected box may reach beyond the image when the face does.
    """

    left: int
    top: int
    right: int
    bottom: int


def check_which_face(which_face: str) -> None:
    """Refuse anything but the three names.

    Raises
    ------
    InputError
        If it is another one.
    """
    if which_face not in get_args(WhichFace):
        names = ", ".join(map(repr, get_args(WhichFace)))
        msg = f"The 'which_face' parameter must be one of {names}. Got {which_face!r} instead."
        raise InputError(msg)


def checked_image(image: Pixels) -> Pixels:
    """Check the image, and lay it out in memory as dlib needs it."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        msg = (
            "The image given to the face detector must be an RGB array [height, width, 3] of "
            f"uint8. Got {image.dtype} of shape {list(image.shape)}."
        )
        raise ImageError(msg)
    return np.ascontiguousarray(image)


def find_face(image: Pixels, which_face: WhichFace = "nearest-centre") -> Any:
    """Detect faces and choose one.

    The detector looks at the image as it is and, if it sees no face, at the image enlarged twice.
    Images with a side above 1600 pixels are reduced to 1600 first.

    Parameters
    ----------
    image : ndarray
        From `checked_image`.
    which_face : {'nearest-centre', 'most-certain', 'largest'}
        Of several faces: the one nearest the image's centre, the one with the detector's highest
        score, or the one with the largest box (of equal ones, the one nearest the centre).

    Returns
    -------
    dlib.rectangle or None
        None where no face was found.

    Raises
    ------
    InputError
        If `which_face` is another name.
    """
    check_which_face(which_face)
    reduced, scale = _reduced(image)
    for upsampling in _UPSAMPLINGS:
        faces, scores, _ = _detector().run(reduced, upsampling, 0.0)
        if faces:
            off_centre = functools.partial(_off_centre, centre=_centre(reduced))
            face = _chosen(faces, scores, which_face, off_centre)
            break
    else:
        return None
    if scale == 1:
        return face
    import dlib

    edges = (face.left(), face.top(), face.right(), face.bottom())
    return dlib.rectangle(*(round(edge * scale) for edge in edges))


def _chosen(faces: Any, scores: Any, which_face: WhichFace, off_centre: Any) -> Any:
    if which_face == "nearest-centre":
        return min(faces, key=off_centre)
    ranks = scores if which_face == "most-certain" else [face.area() for face in faces]
    ranked = zip(ranks, faces, strict=True)
    return max(ranked, key=lambda item: (item[0], -off_centre(item[1])))[1]


def _reduced(image: Pixels) -> tuple[Pixels, float]:
    """Reduce a large image for the detector; also return by what to multiply boxes found in it."""
    height, width = image.shape[:2]
    scale = max(height, width) / _LONGEST_SIDE
    if scale <= 1:
        return image, 1.0
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    reduced = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.array(reduced), scale


def _centre(image: Pixels) -> tuple[float, float]:
    height, width = image.shape[:2]
    return (width - 1) / 2, (height - 1) / 2


def _off_centre(face: Any, centre: tuple[float, float]) -> float:
    """Distance of a ``dlib.rectangle`` from the image's centre, in pixels."""
    x, y = centre
    # dlib's own center() rounds to whole pixels.
    return math.hypot((face.left() + face.right()) / 2 - x, (face.top() + face.bottom()) / 2 - y)


def box_of(face: Any) -> Box:
    """Convert a ``dlib.rectangle``, whose right and bottom edges are still inside."""
    return Box(face.left(), face.top(), face.right() + 1, face.bottom() + 1)


def central_square(image: Pixels) -> Any:
    """Return the ``dlib.rectangle`` that is searched for landmarks when no face was detected."""
    import dlib

    height, width = image.shape[:2]
    side = max(1, round(_FALLBACK_SHARE * min(height, width)))
    left, top = (width - side) // 2, (height - side) // 2
    return dlib.rectangle(left, top, left + side - 1, top + side - 1)


class _PerThread(threading.local):
    """One detector per thread: dlib's detector works without the GIL and keeps its state in itself.

    Two threads sharing one get wrong boxes, without an error (73 of 200 images in a trial). The
    predictor holds the GIL and may be shared.
    """

    def __init__(self) -> None:
        import dlib

        self.detector: Any = dlib.get_frontal_face_detector()


@functools.cache
def _per_thread() -> _PerThread:
    return _PerThread()


def _detector() -> Any:
    return _per_thread().detector
