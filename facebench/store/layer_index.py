"""Where a layer's rows are, for many images at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIGEST_BYTES", "LayerIndex", "RowPlaces", "as_digests"]

DIGEST_BYTES = 16


def as_digests(images: Sequence[bytes]) -> NDArray[np.uint64]:
    """Pack digests of images into an array, shape [N, 2]; of longer digests the beginning."""
    lengths = set(map(len, images))
    if min(lengths, default=DIGEST_BYTES) < DIGEST_BYTES:
        msg = f"The digest of an image must have {DIGEST_BYTES} bytes or more."
        raise ValueError(msg)
    if lengths != {DIGEST_BYTES}:
        images = [image[:DIGEST_BYTES] for image in images]
    packed = b"".join(images)
    return np.frombuffer(packed, dtype="<u8").reshape(-1, 2)


@dataclass(frozen=True)
class RowPlaces:
    """Rows, one entry each: the image, the batch and shard, where it begins and its checksum."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    batch: NDArray[np.int64]
    shard: NDArray[np.int64]
    begin: NDArray[np.int64]
    checksum: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.high)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> RowPlaces:
        """Give some of the rows."""
        return RowPlaces(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[RowPlaces]) -> RowPlaces:
        """Join rows, sorted by image; of one image, later ones come last."""
        whole = cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )
        return whole.take(np.argsort(whole.high, kind="stable"))


class LayerIndex:
    """The rows of one layer, in sorted parts that double in size.

    A lookup is a few binary searches, however many there are; an addition costs its own size.

    Parameters
    ----------
    width : int
        Values per row.
    dtype : str
        Of the stored values.
    """

    def __init__(self, width: int, dtype: str) -> None:
        self.width = width
        self.row_bytes = width * np.dtype(dtype).itemsize
        self.last_batch = 0
        self._parts: list[RowPlaces] = []

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def parts(self) -> list[RowPlaces]:
        """Give all rows."""
        return list(self._parts)

    def add(self, rows: RowPlaces) -> None:
        """Add rows of later batches."""
        if not len(rows):
            return
        part = RowPlaces.joined([rows])
        while self._parts and len(self._parts[-1]) <= 2 * len(part):
            part = RowPlaces.joined([self._parts.pop(), part])
        self._parts.append(part)

    def drop(self, begins: NDArray[np.int64], shards: NDArray[np.int64]) -> None:
        """Forget rows."""
        gone = set(zip(shards.tolist(), begins.tolist(), strict=True))
        kept = []
        for part in self._parts:
            stays = [
                place not in gone
                for place in zip(part.shard.tolist(), part.begin.tolist(), strict=True)
            ]
            kept.append(part.take(np.array(stays, dtype=bool)))
        self._parts = [part for part in kept if len(part)]

    def find(self, images: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], RowPlaces]:
        """Find the rows of images.

        Parameters
        ----------
        images : array, shape [N, 2]
            Digests.

        Returns
        -------
        found : array, shape [N]
        rows : RowPlaces
            Of those found, in their order.
        """
        if len(self._parts) == 1:
            at = _search(self._parts[0], images)
            found = at >= 0
            return found, self._parts[0].take(at if found.all() else at[found])
        found = np.zeros(len(images), dtype=bool)
        rows = _nowhere(len(images))
        for part in reversed(self._parts):
            open_ones = np.flatnonzero(~found)
            if not len(open_ones):
                break
            at = _search(part, images[open_ones])
            hit = at >= 0
            for field in fields(RowPlaces):
                getattr(rows, field.name)[open_ones[hit]] = getattr(part, field.name)[at[hit]]
            found[open_ones[hit]] = True
        return found, rows if found.all() else rows.take(found)


def _search(part: RowPlaces, images: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Find the place of each image in a sorted part, -1 where it is not."""
    at = np.searchsorted(part.high, images[:, 0], side="right") - 1
    # Two images that share their first 64 bits are all but impossible, and still kept apart.
    while True:
        same = (at >= 0) & (part.high[at] == images[:, 0])
        other = same & (part.low[at] != images[:, 1])
        if not other.any():
            return np.where(same, at, -1)
        at = np.where(other, at - 1, at)


def _nowhere(count: int) -> RowPlaces:
    unsigned, signed = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.int64)
    return RowPlaces(
        unsigned, unsigned.copy(), signed, signed.copy(), signed.copy(), unsigned.copy()
    )
