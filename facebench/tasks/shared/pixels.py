"""Distances of the images themselves, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facebench.data.images import open_image
from facebench.data.pairs import resolve_image
from facebench.types import Float64Array, StrPath

__all__ = ["PixelDistances"]

_SIDE = 64


class PixelDistances:
    """Euclidean distances of images at 64 x 64 pixels; every image is read once.

    Parameters
    ----------
    images_path : str or Path
        The folder that names are relative to.
    """

    def __init__(self, images_path: StrPath) -> None:
        self.folder = images_path
        self._rows: dict[str, Float64Array] = {}

    def of_pairs(self, first: Sequence[str], second: Sequence[str]) -> Float64Array:
        """Give the distance of each pair.

        Parameters
        ----------
        first, second : sequence of str
            The images of each pair.

        Returns
        -------
        array, shape [N]
        """
        one, other = (np.stack([self._row(name) for name in side]) for side in (first, second))
        return np.asarray(np.sqrt(((one - other) ** 2).sum(axis=1)))

    def _row(self, name: str) -> Float64Array:
        if name not in self._rows:
            small = open_image(resolve_image(self.folder, name)).resize((_SIDE, _SIDE))
            self._rows[name] = (np.asarray(small, dtype=np.float64) / 255).ravel()
        return self._rows[name]
