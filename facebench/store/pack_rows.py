"""All rows of a layer in a folder of packs, as one long list that is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from facebench.errors import InputError
from facebench.store.layer_index import as_digests
from facebench.store.pack_files import SUFFIX
from facebench.store.packs import Packs
from facebench.store.rows import StoreDtype
from facebench.types import FloatArray

__all__ = ["PackRows", "holds_packs"]

_AT_ONCE = 32 << 20


def holds_packs(folder: Path) -> bool:
    """Say whether a folder has files that may be packs."""
    return folder.is_dir() and any(folder.glob(f"*{SUFFIX}"))


class PackRows:
    """The rows of a layer in packs: an image each, in the order of the images' digests.

    So the list is the same wherever the packs were written, and however images are distributed
    among them.

    Parameters
    ----------
    folder : Path
        The packs.
    key : str
        What determines the rows, besides the image.
    dtype : {'float32', 'float16'}
        Of the rows.
    without : sequence of bytes
        Digests of images to leave out.

    Attributes
    ----------
    n_rows, width : int
        How many there are, of how many values.

    Raises
    ------
    InputError
        If no pack has rows of this layer, or a file is not a sound pack.
    """

    def __init__(
        self, folder: Path, key: str, dtype: StoreDtype, without: Sequence[bytes] = ()
    ) -> None:
        self._packs = Packs(folder)
        self._layer = (key, dtype)
        images = []
        for file in self._packs.files:
            if any((own.key, own.dtype) == self._layer for own in file.layers):
                with self._packs.refusing(file.path.name):
                    images.append(file.images())
        self.width = self._packs.width(self._layer)
        for name, why in self._packs.refused.items():
            msg = (
                f"The pack {name!a} in {folder} is not used: {why}. A gallery is not searched "
                "without what it may hold: replace it, or remove it."
            )
            raise InputError(msg)
        if not images or not key:
            known = sorted({
                f"{own.model} {own.layer} ({own.dtype})"
                for file in self._packs.files
                for own in file.layers
            })  # fmt: skip
            msg = (
                f"No pack in {folder} has rows of this model and layer, with the same weights, "
                f"preprocessing, device and precision, kept as {dtype}. "
                f"There are: {', '.join(known[:5]) or 'none'}{', …' if len(known) > 5 else ''}."
            )
            raise InputError(msg)
        found = np.concatenate(images)
        found = found[np.lexsort((found[:, 1], found[:, 0]))]
        fresh = np.ones(len(found), dtype=bool)
        fresh[1:] = (found[1:] != found[:-1]).any(axis=1)
        fresh &= ~_among(found, without)
        self._digests = found[fresh]
        self.n_rows = len(self._digests)

    def blocks(self, first: int, stop: int) -> Iterator[FloatArray]:
        """Give rows `first` to before `stop`, verified, in blocks of float32.

        Yields
        ------
        array, shape [N, D]

        Raises
        ------
        InputError
            If rows are damaged.
        """
        step = max(1, _AT_ONCE // (4 * self.width))
        for start in range(first, stop, step):
            rows, found = self._packs.read(
                self._layer, self._digests[start : min(start + step, stop)]
            )
            if not found.all():
                msg = (
                    f"{int((~found).sum())} rows of the packs in {self._packs.folder} are damaged: "
                    "a gallery is not searched without them. Remove the damaged packs (see above) "
                    "and embed their images again."
                )
                raise InputError(msg)
            yield rows

    def name(self, row: int) -> str:
        """Give the digest of a row's image."""
        return str(self._digests[row].tobytes().hex())

    def images_digest(self) -> str:
        """Identify the images by their digests."""
        return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(self._digests).tobytes())


def _among(images: NDArray[np.uint64], others: Sequence[bytes]) -> NDArray[np.bool_]:
    """Say which digests are among others."""
    few = as_digests(list(others)) if len(others) else np.empty((0, 2), dtype=np.uint64)
    known = {image.tobytes() for image in few}
    found = np.isin(images[:, 0], few[:, 0])
    for place in np.flatnonzero(found).tolist():
        found[place] = images[place].tobytes() in known
    return found
