"""Alignment as an option of every model: faces found and cut out of its images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, get_args

import numpy as np
from PIL import Image

from facebench.errors import InputError
from facebench.faces import NO_FACE
from facebench.faces.aligner import FaceAligner
from facebench.faces.detection import Detector, check_which_face
from facebench.faces.templates import NO_TEMPLATE, TEMPLATES, Template
from facebench.models.options import ModelOptions
from facebench.types import OnNoFace, StrPath

__all__ = ["Alignable"]

_COLUMN = "column "
_OF_ALIGNMENT = ("face_aligner", "hint_column", "aligns_by_default", "expected_notes")


class Alignable(ModelOptions):
    """The part of every model that aligns faces, once `set_alignment` has said how.

    Attributes
    ----------
    template : str or None
        How the faces are aligned that the network was trained on ('arcface112', 'dlib150',
        'facenet160', 'vgg224', 'none'); None where that is unknown.
    face_aligner : FaceAligner or None
        What cuts faces out of images before anything else is done to them.
    aligns_by_default : bool
        Whether made stimuli are taken as they are.
    on_no_face : {'keep', 'skip', 'stop'} or None
        What becomes of images without a face, where it is not what the run says.
    hint_column : str or None
        Columns of the pairs tables that point at the face that is meant.
    """

    template: str | None = None
    face_aligner: FaceAligner | None = None
    aligns_by_default = False
    on_no_face: OnNoFace | None = None
    hint_column: str | None = None
    # Remarks to count even where no image gets one: that there were none is a result too.
    expected_notes: tuple[str, ...] = ()
    _path_in_work = ""

    def set_alignment(
        self,
        align: bool | str | Template | None = True,
        *,
        detector: str | Detector = "dlib-hog",
        which_face: str = "nearest-centre",
        on_no_face: OnNoFace | None = None,
    ) -> Self:
        """Have faces found and cut out of images before anything else is done to them.

        Made stimuli (of `facebench.stimuli.make_conditions`) are taken as they are all the same:
        they are prepared already, and no detector finds inverted faces.

        Parameters
        ----------
        align : bool or str, default True
            A template: 'arcface112', 'dlib150', 'facenet160' or 'vgg224'; True is the one that the
            network was trained on, where its class says which. False, None and 'none' take images
            as they are.
        detector : str or Detector, default 'dlib-hog'
            'dlib-hog', 'dlib-cnn', 'mtcnn', or the path of YuNet's ONNX file.
        which_face : {'nearest-centre', 'most-certain', 'largest'} or str
            Of several faces in an image: the one nearest its centre ('centre' for short), the one
            the detector is most certain of, or the largest. 'column face' takes the face that the
            columns face1 and face2 of the pairs tables point at, with x and y of a place in it or
            left, top, right and bottom of its box ("120 80"); where a cell is empty, the one
            nearest the centre.
        on_no_face : {'keep', 'skip', 'stop'}, optional
            What to do with images in which no face is found; None is what the run says, see
            `MultiModelTaskManager`.

        Returns
        -------
        BaseModel
            Itself.

        Raises
        ------
        InputError
            If a name is unknown, the network says no template, or the class reads images itself.
        MissingWeightsError, WeightsError
            If a file of the detector is missing, or another network's.
        """
        if on_no_face not in (None, *get_args(OnNoFace)):
            msg = (
                "The 'on_no_face' parameter must be one of "
                f"{', '.join(map(repr, get_args(OnNoFace)))}. Got {on_no_face!r} instead."
            )
            raise InputError(msg)
        column = which_face.removeprefix(_COLUMN) if which_face.startswith(_COLUMN) else None
        rule = "nearest-centre" if column else check_which_face(which_face)
        template = self._template_for(align)
        if template is not None:
            self._check_alignable()
        aligner = None if template is None else FaceAligner(template, detector, rule)
        self._drop_aligner()
        self.on_no_face = on_no_face
        if aligner is None:
            return self
        self.face_aligner, self.hint_column = aligner, column
        self.aligns_by_default = True
        self.expected_notes = (*self.expected_notes, NO_FACE)
        return self

    def _check_alignable(self) -> None:
        if self._overridden("preprocess_image", "preprocess"):
            msg = (
                f"{type(self).__name__} reads or preprocesses images itself, so 'align' cannot be "
                "used. Align the images first, with 'facebench align', or let the class override "
                "_default_preprocess instead."
            )
            raise InputError(msg)

    def _template_for(self, align: bool | str | Template | None) -> str | Template | None:
        """Give the template that an `align` asks for, None for none."""
        if align is True:
            if self.template is None:
                msg = (
                    f"The class {type(self).__name__} says no template, so 'align' must name one: "
                    f"{', '.join(TEMPLATES)}."
                )
                raise InputError(msg)
            align = self.template
        return None if align in (None, False, NO_TEMPLATE) else align  # type: ignore[return-value]

    def _drop_aligner(self) -> None:
        """Have nothing of an aligner left, so that the model is as one that never had one."""
        left = tuple(note for note in self.expected_notes if note != NO_FACE)
        for name in _OF_ALIGNMENT:
            vars(self).pop(name, None)
        if left != self.expected_notes:
            self.expected_notes = left

    @property
    def active_aligner(self) -> FaceAligner | None:
        """What cuts faces out of the next image; None where it is taken as it is."""
        return self.face_aligner

    @property
    def face_alignment(self) -> dict[str, Any] | None:
        """How faces are aligned, for the record; None where images are taken as they are."""
        if self.active_aligner is None:
            return None
        found = {**self.active_aligner.settings(), "on_no_face": self.on_no_face}
        return found if self.hint_column is None else {**found, "hint_column": self.hint_column}

    @property
    def alignment_key(self) -> list[Any]:
        """What of the alignment the keys of stored embeddings do not hold already."""
        return [] if self.active_aligner is None else self.active_aligner.key

    @contextmanager
    def without_alignment(self) -> Iterator[None]:
        """Take images as they are in a block."""
        before = {name: vars(self)[name] for name in _OF_ALIGNMENT if name in vars(self)}
        self._drop_aligner()
        try:
            yield
        finally:
            for name in _OF_ALIGNMENT:
                vars(self).pop(name, None)
            vars(self).update(before)

    def aligned(self, image: Image.Image) -> Image.Image:
        """Cut the face out of an image, if the model aligns faces."""
        aligner = self.active_aligner
        if aligner is None:
            return image
        chip = aligner(np.asarray(image), self._path_in_work)
        if not chip.found:
            self.note_image(NO_FACE)
        return Image.fromarray(chip.pixels)

    def note_image(self, note: str) -> None:
        """Remark on the image in work, such as 'no face found'; the run counts and reports it."""
        raise NotImplementedError

    @contextmanager
    def in_work(self, path: StrPath) -> Iterator[None]:
        """Say in a block which file is preprocessed, for hints are given by file."""
        self._path_in_work = str(path)
        try:
            yield
        finally:
            del self._path_in_work
