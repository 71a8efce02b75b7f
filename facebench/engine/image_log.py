"""What a pass finds out about its images: which cannot be read, remarks, and how many are done."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facebench.engine.loading import Batch
from facebench.engine.request import EmbeddingRequest
from facebench.errors import ImageError
from facebench.models.base import BaseModel
from facebench.types import OnBadImage
from facebench.utils.progress import Progress

__all__ = ["ImageLog"]

_log = logging.getLogger(__name__)
_SHOWN = 5


class ImageLog:
    """Keeps book of a model's images, by number.

    Parameters
    ----------
    model : BaseModel
        The model.
    request : EmbeddingRequest
        Its images.
    on_bad_image : {'stop', 'skip'}
        Whether an image that cannot be read ends the run.
    progress : Progress
        What shows how many images are done.

    Attributes
    ----------
    bad : dict of int to str
        Images that cannot be read, and why.
    notes : dict of int to tuple of str
        The preprocessing's remarks on each image.
    """

    def __init__(
        self,
        model: BaseModel,
        request: EmbeddingRequest,
        on_bad_image: OnBadImage,
        progress: Progress,
    ) -> None:
        self.bad: dict[int, str] = {}
        self.notes: dict[int, tuple[str, ...]] = {}
        self._model = model
        self._request = request
        self._on_bad_image = on_bad_image
        self._progress = progress
        self._done = np.zeros(len(request.images), dtype=bool)

    def sort_out(self, images: Sequence[int], batch: Batch) -> list[int]:
        """Note what the loader says of a batch; returns the images that could be read."""
        numbers = []
        for image in images:
            reason = batch.bad.get(self._request.images[image])
            if reason is None:
                numbers.append(image)
            else:
                self.bad[image] = reason
        self.notes.update(zip(numbers, batch.notes, strict=True))
        return numbers

    @property
    def is_bound_to_stop(self) -> bool:
        """Whether the run ends with an error: images are only read on, to name all bad ones."""
        return bool(self.bad) and self._on_bad_image == "stop"

    def count(self, images: NDArray[np.bool_] | list[int]) -> None:
        """Show images as done, each once, however often it runs."""
        before = int(self._done.sum())
        self._done[images] = True
        self._progress.advance(int(self._done.sum()) - before)

    def bad_files(self) -> dict[Path, str]:
        """Give the files that cannot be read, and why, after saying so.

        Raises
        ------
        ImageError
            If there are any, and the run is to stop then.
        """
        files = self._request.number_of
        bad = {
            # Files of one content are decoded once: each is reported under its own name.
            path: self.bad[number].replace(str(self._request.images[number]), str(path))
            for path, number in files.items()
            if number in self.bad
        }
        if not bad:
            return {}
        reasons = " ".join(list(bad.values())[:_SHOWN])
        more = " …" if len(bad) > _SHOWN else ""
        summary = f"{len(bad)} of {len(files)} images cannot be read. {reasons}{more}"
        if self._on_bad_image == "stop":
            msg = f"{summary} Replace them, or leave their pairs out with on_bad_image='skip'."
            raise ImageError(msg)
        _log.warning("%s They are skipped.", summary)
        return bad

    def counted_notes(self) -> Counter[str]:
        """Count the files with each remark, those that the model expects even if there is none."""
        files = self._request.number_of
        notes = Counter(dict.fromkeys(self._model.expected_notes, 0))
        for number in files.values():
            notes.update(self.notes.get(number, ()))
        for note, count in sorted(notes.items()):
            if count:
                _log.warning(
                    "Model %r: %s in %d of %d images.", self._model.name, note, count, len(files)
                )
        return notes
