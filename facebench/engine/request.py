"""The embedding request: what all tasks of a run need of a model, images and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facebench.engine.comparisons import PairsOfTask
from facebench.store import EmbeddingStore
from facebench.store.file_digests import digest_all
from facebench.types import IntArray

__all__ = ["EmbeddingRequest", "ImageIndex", "digests_of"]


@dataclass(frozen=True)
class EmbeddingRequest:
    """What all tasks want of a model.

    Attributes
    ----------
    images : list of Path
        A file of each different image.
    digests : list of bytes
        Of the images: what is decoded for any model must have the bytes of the beginning.
    number_of : dict of Path to int
        Every file a task names → its image. Files of the same bytes are one image.
    pairs : list of PairsOfTask
        What tasks compare.
    row_images : int array
        The images of which tasks need the embeddings themselves.
    whole : EmbeddingRequest or None
        The request that this is a part of. It decides which layers are kept, so that all parts
        agree.
    """

    images: list[Path]
    digests: list[bytes] = field(default_factory=list)
    number_of: dict[Path, int] = field(default_factory=dict)
    pairs: list[PairsOfTask] = field(default_factory=list)
    row_images: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    whole: EmbeddingRequest | None = None

    def part(self, images: Sequence[int], pairs: Sequence[PairsOfTask] = ()) -> EmbeddingRequest:
        """Ask for some of the images only.

        Parameters
        ----------
        images : sequence of int
            Which, in the order in which they are to run.
        pairs : sequence of PairsOfTask
            What to compare, by the numbers that images have here.

        Returns
        -------
        EmbeddingRequest
            Images have the numbers of their places in `images`.
        """
        place = np.full(len(self.images), -1, dtype=np.intp)
        place[list(images)] = np.arange(len(images))
        return EmbeddingRequest(
            [self.images[number] for number in images],
            [self.digests[number] for number in images],
            {
                path: int(place[number])
                for path, number in self.number_of.items()
                if place[number] >= 0
            },
            [replace(one, first=place[one.first], second=place[one.second]) for one in pairs],
            whole=self.whole or self,
        )


class ImageIndex:
    """Numbers the different images among files: by content with a store, else by path.

    Parameters
    ----------
    files : sequence of Path
        Different files.
    store : EmbeddingStore or None
        Knows the digests of files it has seen.
    read : bool, default True
        False goes by path and does not look into files, which need not be there.
    """

    def __init__(
        self, files: Sequence[Path], store: EmbeddingStore | None, *, read: bool = True
    ) -> None:
        self.images: list[Path] = []
        self.digests: list[bytes] = []
        self.number_of: dict[Path, int] = {}
        if not read:
            self.images = list(dict.fromkeys(files))
            self.number_of = {file: number for number, file in enumerate(self.images)}
            return
        by_content: dict[bytes, int] = {}
        for file, digest in zip(files, digests_of(files, store), strict=True):
            number = None if store is None else by_content.get(digest)
            if number is None:
                number = len(self.images)
                self.images.append(file)
                self.digests.append(digest)
                by_content[digest] = number
            self.number_of[file] = number

    def numbers(self, files: Sequence[Path]) -> IntArray:
        """Give the images behind files."""
        return np.array([self.number_of[file] for file in files], dtype=np.intp)


def digests_of(images: Sequence[Path], store: EmbeddingStore | None) -> list[bytes]:
    """Digest image files, with a store through its memory of them.

    A file that cannot be read gets a digest that no other has; decoding it will tell.
    """
    digests = digest_all(images) if store is None else store.image_digests(images)
    return [
        digest if digest is not None else number.to_bytes(16, "big")
        for number, digest in enumerate(digests)
    ]
