"""Pictures, and where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

pictures = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)))


def near(points: Any, shape: tuple[int, ...], reach: float) -> NDArray[np.bool_]:
    """Return which pixels lie within a box around points, grown by a share of its width."""
    grown = reach * np.ptp(points, axis=0).max()
    (left, top), (right, bottom) = points.min(axis=0) - grown, points.max(axis=0) + grown
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def changed(first: Picture, second: Picture) -> NDArray[np.bool_]:
    return np.asarray((first != second).any(axis=2))


def similar(first: Picture, second: Picture, where: NDArray[np.bool_]) -> float:
    return float(np.corrcoef(first[where].ravel(), second[where].ravel())[0, 1])


def best_shift(before: Picture, after: Picture, where: Any, axis: int, most: int) -> int:
    """Return by how many pixels a window has moved, from the best match."""
    (left, top), (right, bottom) = (np.round(edge).astype(int) for edge in where)
    window = before[top:bottom, left:right].astype(float)

    def error(step: int) -> float:
        y, x = (step, 0) if axis == 0 else (0, step)
        return float(np.abs(after[top + y : bottom + y, left + x : right + x] - window).mean())

    return min(range(-most, most + 1), key=error)


def shown(picture: Picture) -> int:
    """Return how many pixels are not background."""
    return int((picture != 128).any(axis=2).sum())
