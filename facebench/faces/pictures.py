"""What every manipulation takes and gives: RGB pictures of uint8."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facebench.errors import StimulusError

Picture = NDArray[np.uint8]
Field = NDArray[np.float64]


def checked_picture(image: ArrayLike) -> Picture:
    """Return an image as an array, or say that it is none."""
    picture = np.asarray(image)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        msg = (
            "The 'image' must be an RGB array [height, width, 3] of dtype uint8. "
            f"Got shape {picture.shape} and dtype {picture.dtype} instead."
        )
        raise StimulusError(msg)
    if picture.size == 0:
        msg = f"The 'image' must have pixels. Got shape {picture.shape} instead."
        raise StimulusError(msg)
    return picture


def rounded(values: NDArray[np.floating[Any]]) -> Picture:
    """Round to whole grey levels, cutting off what lies outside of 0 … 255."""
    return np.asarray(np.round(np.clip(values, 0, 255)), np.uint8)


def require_positive(name: str, value: float, unit: str) -> None:
    """Refuse anything but a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        msg = f"The {name!r} must be a positive number ({unit}). Got {value!r} instead."
        raise StimulusError(msg)


def smoothed(picture: Picture, scale: float) -> Field:
    """Take out the detail that would alias where a picture is reduced to ``1 / scale``."""
    values = picture.astype(np.float64)
    if scale <= 1:
        return values
    from scipy.ndimage import gaussian_filter

    sigma = 0.5 * math.sqrt(scale * scale - 1)
    return np.asarray(gaussian_filter(values, (sigma, sigma, 0), mode="nearest"))


def sample(
    channels: NDArray[np.floating[Any]], rows: Field, columns: Field, *, order: int = 1
) -> Field:
    """Look a picture [h, w, 3] up at places between its pixels; beyond its edges they repeat."""
    from scipy.ndimage import map_coordinates

    parts: Sequence[Field] = [
        map_coordinates(channels[..., c], (rows, columns), order=order, mode="nearest")
        for c in range(3)
    ]
    return np.stack(parts, axis=-1)
