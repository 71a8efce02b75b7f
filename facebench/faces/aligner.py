"""From an image to the chip that a network takes: detection, choice of a face, and template."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from facebench.errors import ImageError, StoreError
from facebench.faces import WhichFace
from facebench.faces.detection import (
    Box,
    Detector,
    Face,
    Pixels,
    box_of,
    central_square,
    check_which_face,
    checked_image,
    choose_face,
    reduced,
    reduced_size,
    scaled_rectangle,
)
from facebench.faces.detectors import detector_named, faces_of
from facebench.faces.digests import content_digest, pixels_digest
from facebench.faces.dlib_data import dlib_data_file
from facebench.faces.landmarks import (
    FIVE_POINTS,
    SIXTY_EIGHT_POINTS,
    five_of_68,
    predictor,
)
from facebench.faces.templates import (
    Template,
    box_as,
    box_chip,
    points_chip,
    template_named,
)
from facebench.types import StrPath

__all__ = ["FaceAligner", "FaceChip", "Hint", "KeptFaces", "LocatedFace"]

# A point of the face, or its box: left, top, right, bottom.
Hint = tuple[float, float] | tuple[float, float, float, float]
_Points = Sequence[Sequence[float]]


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


class LocatedFace(NamedTuple):
    """Where the face of an image is.

    Attributes
    ----------
    found : bool
        Whether a face was detected. If not, the central square is taken for one.
    box : Box
        Where the face was detected, or the central square that was taken for it.
    rectangle : dlib.rectangle
        The same, as dlib's detectors would give it.
    face : Face or None
        What the detector gave, in pixels of the full image.
    points : sequence of sequence of float, or None
        Five points of x and y, where the template needs them.
    """

    found: bool
    box: Box
    rectangle: Any
    face: Face | None
    points: _Points | None


class KeptFaces(Protocol):
    """Where faces that were found are kept, such as the embedding store."""

    def recall(self, key: str) -> Any:
        """Give what was kept under a key, or None."""

    def remember(self, key: str, value: Any) -> None:
        """Keep what JSON can hold."""

    def remember_all(self, found: Mapping[str, Any]) -> None:
        """Keep several by their keys."""


class FaceAligner:
    """Finds the face of an image and cuts it out as a template says.

    An image in which no face is found is cut as if its central square, of 60 % of the shorter side,
    held the face (see `facebench.faces.chips.face_chip`).

    Parameters
    ----------
    template : str or Template, default 'dlib150'
        One of `facebench.faces.templates.TEMPLATES`.
    detector : str, Path or Detector, default 'dlib-hog'
        See `facebench.faces.detectors.detector_named`.
    which_face : {'nearest-centre', 'most-certain', 'largest'}
        Of several faces; 'centre' is short for the first.

    Attributes
    ----------
    hints : mapping of str to tuple, or None
        Of some images, by path: a point in the face that is meant, or its box. A face is only taken
        if the point, or the middle of the box, is inside of it.
    kept : KeptFaces or None
        Where faces are kept, so that each image is searched once.

    Raises
    ------
    InputError
        If a name is unknown.
    MissingWeightsError, WeightsError
        If a file of the detector is missing, or another network's.
    """

    outputs_version = "face-aligner-1"

    def __init__(
        self,
        template: str | Template = "dlib150",
        detector: StrPath | Detector = "dlib-hog",
        which_face: str = "nearest-centre",
    ) -> None:
        self.template = template_named(template)
        self.detector = detector_named(detector)
        self.which_face: WhichFace = check_which_face(which_face)
        self.hints: Mapping[str, Hint] | None = None
        self.hints_digest = ""
        self.kept: KeptFaces | None = None
        # Of an own detector; the engine sets it, see its `detector_code`.
        self.detector_code: Sequence[str] = ()

    @property
    def key(self) -> list[Any]:
        """All that chips depend on but the image, as JSON can hold it."""
        return [
            self.outputs_version,
            [getattr(self.template, name) for name in vars(self.template) if name != "name"],
            self.detector.identity,
            self.which_face,
            *([self._predictor_identity] if self._predictor else []),
            *([self.hints_digest] if self.hints else []),
        ]

    @property
    def _predictor(self) -> str | None:
        """The file of dlib's landmarks that chips may need."""
        return {"dlib": FIVE_POINTS, "points": SIXTY_EIGHT_POINTS}.get(self.template.kind)

    @functools.cached_property
    def _predictor_identity(self) -> str:
        file = dlib_data_file(self._predictor or "")
        return f"{file.name} {content_digest(file)}"

    def settings(self) -> dict[str, Any]:
        """Give what the record of a run says of it."""
        return {
            **self.template.settings(),
            "detector": self.detector.name,
            "detector_identity": self.detector.identity,
            "which_face": self.which_face,
        }

    def __call__(self, image: Pixels, path: str | None = None) -> FaceChip:
        """Cut out the face of an image.

        Parameters
        ----------
        image : ndarray
            ``[H, W, 3]``, uint8, RGB.
        path : str, optional
            What the image is called in `hints` and in errors.

        Raises
        ------
        ImageError
            If ``image`` is not an ``[H, W, 3]`` array of uint8, or has no pixels, or too few for a
            template of five points.
        """
        located = self.locate(image, path)
        return FaceChip(self.cut(image, located), located.found, located.box)

    def locate(self, image: Pixels, path: str | None = None) -> LocatedFace:
        """Find the face of an image, and the points that the template needs.

        The parameters and errors are those of a call of the aligner.
        """
        image = checked_image(image)
        digest = "" if self.kept is None else pixels_digest(image)
        face, scale = self._face(image, digest, (self.hints or {}).get(path or ""))
        if face is None:
            rectangle, whole = central_square(image), None
            box = box_of(rectangle)
        else:
            is_dlib = self.detector.box_kind == "dlib"
            dlib_box = face.box if is_dlib else box_as("dlib", face.box, self.detector.box_kind)
            rectangle = scaled_rectangle(face._replace(box=dlib_box), scale)
            edges = (*(edge * scale for edge in face.box),)
            whole = Face(edges, face.score, _scaled(face.points, scale))  # type: ignore[arg-type]
            box = box_of(rectangle) if is_dlib else Box(*map(round, edges))
        points: _Points | None = None
        if self.template.kind == "points":
            points = None if whole is None else whole.points
            if points is None:
                points = self._points(image, digest, rectangle)
                if all(point == points[0] for point in points):
                    height, width = image.shape[:2]
                    msg = (
                        f"The image {path or ''} ({width} x {height} pixels) is too small for five "
                        f"different points of a face, which {self.template.name} needs."
                    )
                    raise ImageError(msg)
        return LocatedFace(whole is not None, box, rectangle, whole, points)

    def cut(self, image: Pixels, located: LocatedFace) -> Pixels:
        """Cut out a face that `locate` has found in the same image.

        Returns
        -------
        ndarray
            ``[size, size, 3]``, uint8, RGB.
        """
        template, face = self.template, located.face
        if template.kind == "dlib":
            import dlib

            image = checked_image(image)
            # Not kept: to look five points up takes as long as to find them.
            shape = predictor(FIVE_POINTS)(image, located.rectangle)
            pixels: Pixels = dlib.get_face_chip(
                image, shape, size=template.size, padding=template.margin
            )
            return pixels
        if located.points is not None:
            return points_chip(image, located.points, template)
        if face is not None and self.detector.box_kind == "whole":
            return box_chip(image, face.box, template)
        left, top, right, bottom = map(float, box_of(located.rectangle))
        return box_chip(image, box_as("whole", (left, top, right, bottom), "dlib"), template)

    def _face(self, image: Pixels, digest: str, hint: Hint | None) -> tuple[Face | None, float]:
        """Find the face that is meant, in the pixels of the detector's image, and their size."""
        longest = self.detector.longest_side
        size, scale = reduced_size(image, longest)
        found = self._once(
            lambda: ["faces", self.detector.identity, *self.detector_code, longest, digest],
            lambda: [list(face) for face in faces_of(self.detector, reduced(image, longest))],
        )
        faces = [Face(tuple(box), score, _as_points(points)) for box, score, points in found]
        if hint is not None:
            x, y = _middle(hint)
            faces = [face for face in faces if _holds(face, x / scale, y / scale)]
            if faces:
                return min(faces, key=lambda face: _distance(face, x / scale, y / scale)), scale
        return (choose_face(faces, size, self.which_face) if faces else None), scale

    def _points(self, image: Pixels, digest: str, rectangle: Any) -> list[list[float]]:
        edges = [rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom()]
        points: list[list[float]] = self._once(
            lambda: ["five points", self._predictor_identity, edges, digest],
            lambda: five_of_68(predictor(SIXTY_EIGHT_POINTS)(image, rectangle)),
        )
        return points

    def _once(self, key: Callable[[], list[Any]], find: Callable[[], Any]) -> Any:
        """Find something, or recall what was found of the same image."""
        if self.kept is None:
            return find()
        parts = key()
        digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()
        name = f"{parts[0]} {digest}"
        # A store that cannot be read or is full says so where embeddings are kept.
        with contextlib.suppress(StoreError):
            kept = self.kept.recall(name)
            if kept is not None:
                return kept
        found = find()
        with contextlib.suppress(StoreError):
            self.kept.remember(name, found)
        return found


def _as_points(points: Any) -> tuple[tuple[float, float], ...] | None:
    return None if points is None else tuple((float(x), float(y)) for x, y in points)


def _scaled(points: Any, scale: float) -> tuple[tuple[float, float], ...] | None:
    return None if points is None else tuple((x * scale, y * scale) for x, y in points)


def _middle(hint: Hint) -> tuple[float, float]:
    if len(hint) == 2:
        return hint[0], hint[1]
    return (hint[0] + hint[2]) / 2, (hint[1] + hint[3]) / 2


def _holds(face: Face, x: float, y: float) -> bool:
    left, top, right, bottom = face.box
    return left <= x < right and top <= y < bottom


def _distance(face: Face, x: float, y: float) -> float:
    return float(np.hypot(*np.subtract(_middle(face.box), (x, y))))
