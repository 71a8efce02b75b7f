"""Smooth scalar fields from which the surface and its paint are built."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter

Field = NDArray[np.floating[Any]]
"""A scalar field sampled at points of the surface: float32 wherever speed matters."""

_TABLE = 512  # cells in the lookup table of a curve


def bump(x: Field, y: Field, at: tuple[float, float], size: tuple[float, float]) -> Field:
    """Return a Gaussian hill of height 1 at ``at`` with standard deviations ``size``."""
    dx = (x - np.float32(at[0])) * np.float32(1.0 / size[0])
    dy = (y - np.float32(at[1])) * np.float32(1.0 / size[1])
    return np.exp(np.float32(-0.5) * (dx * dx + dy * dy))


def smoothstep(low: ArrayLike, high: ArrayLike, value: Field) -> Field:
    """Return 0 below ``low``, 1 above ``high`` and a smooth S between (``low > high`` falls)."""
    low32, high32 = np.asarray(low, np.float32), np.asarray(high, np.float32)
    t = np.clip((value - low32) / (high32 - low32), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def curve(knots: Sequence[tuple[float, float]], at: Field) -> Field:
    """Return a monotone-cubic curve through ``(position, value)`` knots, constant outside them."""
    low, high, table = _tabulated(tuple(knots))
    place = np.clip((at - low) * np.float32((_TABLE - 1) / (high - low)), 0, _TABLE - 1.001)
    cell = place.astype(np.int32)
    start, step = table
    return np.asarray(start[cell] + step[cell] * (place - cell), np.float32)


@lru_cache(maxsize=128)
def _tabulated(knots: tuple[tuple[float, float], ...]) -> tuple[np.float32, np.float32, Field]:
    """Return the ends of a curve and, for each cell of its table, value and increment."""
    places, values = np.array(sorted(knots)).T
    table = PchipInterpolator(places, values)(np.linspace(places[0], places[-1], _TABLE))
    steps = np.stack([table, np.append(np.diff(table), 0.0)]).astype(np.float32)
    return np.float32(places[0]), np.float32(places[-1]), steps


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Field:
    """Return smooth noise of mean 0 and SD about 1 with ``cells`` bumps along each axis."""
    coarse = Image.fromarray(rng.standard_normal(cells, dtype=np.float32))
    fine = coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(fine, np.float32) * np.float32(1.2)


def blurred(grid: Field, sigma: float) -> Field:
    """Return ``grid`` smoothed by a Gaussian of ``sigma`` cells."""
    return np.asarray(gaussian_filter(grid, sigma, mode="nearest", truncate=2.5), np.float32)


def mix(a: ArrayLike, b: ArrayLike, share: Field) -> Field:
    """Return ``a`` where ``share`` is 0, ``b`` where it is 1 and their blend between."""
    a32, b32 = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return np.asarray(a32 + (b32 - a32) * share, np.float32)
