"""The stuff the renderer draws: small coloured points on surfaces and along hairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebench.stimuli.rendered.fields import Field


@dataclass(frozen=True)
class Points:
    """A cloud of surface points, all arrays float32 with the N points along the last axis."""

    position: Field  # [3, N], centimetres
    normal: Field  # [3, N], unit length
    albedo: Field  # [3, N], linear RGB
    gloss: Field  # [N], strength of the highlight
    openness: Field  # [N], share of the surroundings that reaches the point
    skin: Field  # [N], 1 where light scatters below the surface

    @property
    def count(self) -> int:
        """Number of points."""
        return int(self.gloss.size)


def turn(matrix: Field, vectors: Field) -> Field:
    """Return ``matrix @ vectors``, summed in a fixed order so that every machine agrees."""
    a, b, c = vectors
    return np.stack([m[0] * a + m[1] * b + m[2] * c for m in matrix.astype(np.float32)])


@dataclass(frozen=True)
class Placed:
    """Points and the rotation that puts them in front of the camera."""

    points: Points
    matrix: Field  # [3, 3]

    def position(self, pivot: Field) -> Field:
        """Return the turned positions [3, N]."""
        return turn(self.matrix, self.points.position - pivot[:, None]) + pivot[:, None]


def gather(parts: list[Placed], position: Field, chosen: NDArray[np.int64]) -> Points:
    """Return the chosen points of several clouds as one.

    ``chosen`` counts through the clouds in order and ``position`` holds all their turned positions.
    Only what is visible is copied and turned: most points of a head are hidden.
    """
    size = chosen.size
    normal, albedo = np.empty((3, size), np.float32), np.empty((3, size), np.float32)
    gloss, openness, skin = (np.empty(size, np.float32) for _ in range(3))
    first = 0
    for part in parts:
        points = part.points
        mine = np.flatnonzero((chosen >= first) & (chosen < first + points.count))
        own = chosen[mine] - first
        normal[:, mine] = turn(part.matrix, points.normal[:, own])
        albedo[:, mine] = points.albedo[:, own]
        gloss[mine], openness[mine] = points.gloss[own], points.openness[own]
        skin[mine] = points.skin[own]
        first += points.count
    return Points(position[:, chosen], normal, albedo, gloss, openness, skin)


def from_grid(
    grid: tuple[Field, Field, Field],
    normal: tuple[Field, Field, Field],
    albedo: Field,
    *,
    gloss: Field | float = 0.0,
    openness: Field | float = 1.0,
    skin: Field | float = 0.0,
) -> Points:
    """Return the points of a grid [rows, columns]; ``albedo`` is [3] or [3, rows, columns]."""
    shape = grid[0].shape
    count = grid[0].size
    colour = albedo if albedo.ndim == 3 else albedo[:, None, None]

    def flat(value: Field | float) -> Field:
        return np.broadcast_to(np.asarray(value, np.float32), shape).reshape(count)

    return Points(
        np.stack([c.reshape(count) for c in grid]).astype(np.float32),
        np.stack([c.reshape(count) for c in normal]).astype(np.float32),
        np.broadcast_to(colour, (3, *shape)).reshape(3, count).astype(np.float32),
        flat(gloss),
        flat(openness),
        flat(skin),
    )
