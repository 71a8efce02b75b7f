"""What a face detector is, which of several faces is taken, and dlib's frontal detector.

`DlibHog` is the detector that is used where no other is named (HOG features, King 2015); the others
are in `facebench.faces.detectors`.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebench.errors import ImageError, InputError
from facebench.faces import WhichFace
from facebench.utils.suggestions import did_you_mean

__all__ = [
    "Box",
    "BoxKind",
    "Detector",
    "DlibHog",
    "Face",
    "Pixels",
    "box_of",
    "central_square",
    "check_which_face",
    "checked_image",
    "choose_face",
    "dlib_version",
    "find_face",
    "reduced",
    "reduced_size",
    "scaled_rectangle",
]

Pixels = npt.NDArray[np.uint8]
# What a box holds: brows to chin, as dlib's detectors have it, or the whole face up to the hair.
BoxKind = Literal["dlib", "whole"]

_ALIASES = {"centre": "nearest-centre", "center": "nearest-centre"}
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


class Face(NamedTuple):
    """A face as a detector gives it, in pixels of the image that the detector was given.

    Attributes
    ----------
    box : tuple of float
        Left, top, right, bottom; right and bottom are just outside.
    score : float
        How certain the detector is; larger is more certain, and nothing else is comparable.
    points : tuple of tuple of float, optional
        Five of x and y: the eye on the image's left, the eye on its right, the tip of the nose, the
        corner of the mouth on the left, and that on the right. A detector may also give the 68 of
        `facebench.faces.landmarks.face_landmarks_68`, of which these five are taken.
    """

    box: tuple[float, float, float, float]
    score: float
    points: tuple[tuple[float, float], ...] | None = None


class Detector(Protocol):
    """Finds faces; an object with these attributes can be given wherever a detector is named.

    Attributes
    ----------
    name : str
        What records call it.
    identity : str
        All that its results depend on but the image: its kind, version, and the digest of its file.
        It is part of the keys under which faces and embeddings are kept.
    box_kind : {'dlib', 'whole'}
        What its boxes hold: brows to chin, as those of dlib's detectors, or the whole face.
    longest_side : int
        Larger images are reduced to this many pixels before they are given to it.
    """

    name: str
    box_kind: BoxKind
    longest_side: int

    @property
    def identity(self) -> str:
        """All that results depend on but the image."""

    def __call__(self, image: Pixels) -> Sequence[Face]:
        """Find the faces of an RGB image [height, width, 3] of uint8."""


def check_which_face(which_face: str) -> WhichFace:
    """Give the name of a rule, which may be written shorter ('centre'); refuse others.

    Raises
    ------
    InputError
        If it is another one.
    """
    known = {**{name: name for name in get_args(WhichFace)}, **_ALIASES}
    if which_face not in known:
        names = ", ".join(map(repr, get_args(WhichFace)))
        msg = (
            f"The 'which_face' parameter must be one of {names}. Got {which_face!r} instead."
            f"{did_you_mean(str(which_face), known)}"
        )
        raise InputError(msg)
    found: WhichFace = known[which_face]
    return found


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
    which_face = check_which_face(which_face)
    detector = DlibHog()
    faces = detector(reduced(image, detector.longest_side))
    if not faces:
        return None
    size, scale = reduced_size(image, detector.longest_side)
    return scaled_rectangle(choose_face(faces, size, which_face), scale)


def choose_face(faces: Sequence[Face], size: tuple[int, int], which_face: WhichFace) -> Face:
    """Choose one of the faces found in an image of some width and height; see `find_face`."""
    off_centre = functools.partial(_off_centre, centre=(size[0] / 2, size[1] / 2))
    if which_face == "nearest-centre":
        return min(faces, key=off_centre)
    ranks = [face.score if which_face == "most-certain" else _area(face) for face in faces]
    ranked = zip(ranks, faces, strict=True)
    return max(ranked, key=lambda item: (item[0], -off_centre(item[1])))[1]


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def scaled_rectangle(face: Face, scale: float) -> Any:
    """Give the box of a face, enlarged, as a ``dlib.rectangle``, whose edges are still inside."""
    import dlib

    left, top, right, bottom = face.box
    return dlib.rectangle(*(round(edge * scale) for edge in (left, top, right - 1, bottom - 1)))


def reduced_size(image: Pixels, longest_side: int) -> tuple[tuple[int, int], float]:
    """Say to what width and height an image is reduced for a detector, and from how many times."""
    height, width = image.shape[:2]
    scale = max(height, width) / longest_side
    if scale <= 1:
        return (width, height), 1.0
    return (max(1, round(width / scale)), max(1, round(height / scale))), scale


def reduced(image: Pixels, longest_side: int) -> Pixels:
    """Reduce a large image for a detector."""
    size, scale = reduced_size(image, longest_side)
    if scale == 1:
        return image
    smaller = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.array(smaller)


def _off_centre(face: Face, centre: tuple[float, float]) -> float:
    """Distance of a face from the image's centre, in pixels."""
    left, top, right, bottom = face.box
    return math.hypot((left + right) / 2 - centre[0], (top + bottom) / 2 - centre[1])


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


class DlibHog:
    """dlib's frontal face detector; it finds faces from 80 pixels on, from 40 if there is none."""

    outputs_version = "dlib-hog-1"
    name = "dlib-hog"
    box_kind: BoxKind = "dlib"
    longest_side = 1600

    @property
    def identity(self) -> str:
        """Its version, and dlib's, which carries the detector."""
        return f"{self.outputs_version} {dlib_version()}"

    def __call__(self, image: Pixels) -> list[Face]:
        """Find the faces of an image, or of the image enlarged twice if there is none."""
        for upsampling in _UPSAMPLINGS:
            faces, scores, _ = _detector().run(image, upsampling, 0.0)
            if faces:
                return [
                    Face((*map(float, box_of(face)),), score)  # type: ignore[arg-type]
                    for face, score in zip(faces, scores, strict=True)
                ]
        return []


@functools.cache
def dlib_version() -> str:
    """Give the version of the dlib that is installed, under either of its names."""
    for package in ("dlib-bin", "dlib"):
        try:
            return f"dlib {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
    return "dlib"


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
