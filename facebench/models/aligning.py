"""Models that find and align faces before they look at an image, unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typing_extensions import override

from facebench.faces import NO_FACE
from facebench.faces.aligner import FaceAligner
from facebench.models.base import BaseModel

__all__ = ["AligningModel"]


class AligningModel(BaseModel):
    """A model that finds the face in an image and aligns it, where its attribute `align` says so.

    It has a `face_aligner`, or its own preprocessing calls ``self.note_image(NO_FACE)`` for images
    in which it finds no face; a run counts these for every condition of its tasks.

    Attributes
    ----------
    align : bool
        Whether it aligns faces.
    aligns_by_default : bool
        Whether `align` was left to the run, which then takes made stimuli as they are.
    chip : tuple of int and float
        Size in pixels, and padding, of the aligned faces that the network was trained on.
    """

    align: bool
    aligns_by_default: bool
    chip: tuple[int, float]

    @property
    @override
    def active_aligner(self) -> FaceAligner | None:
        """What cuts faces out of the next image; a preprocessing function does all itself."""
        return self.face_aligner if self.align and self.preprocess_function is None else None

    @property
    def alignment(self) -> dict[str, Any] | None:
        """How faces are aligned, for the record; None where images are taken as they are."""
        if not self.align or self.preprocess_function is not None:
            return None
        found = dict(zip(("size", "padding"), self.chip, strict=True))
        return found if self.face_aligner is None else super().face_alignment

    @property
    @override
    def face_alignment(self) -> dict[str, Any] | None:
        return self.alignment

    @override
    def _check_alignable(self) -> None:
        """Accept classes that read images themselves: they look at `align`."""

    @contextmanager
    @override
    def without_alignment(self) -> Iterator[None]:
        """Take images as they are in a block, regardless of `align`."""
        before = {name: getattr(self, name) for name in ("align", "expected_notes")}
        self.align = False
        self.expected_notes = tuple(note for note in self.expected_notes if note != NO_FACE)
        try:
            yield
        finally:
            vars(self).update(before)
