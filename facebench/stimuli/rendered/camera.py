"""The camera: from an identity and a view to an image with its landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facebench.errors import StimulusError
from facebench.stimuli.rendered.background import paint_background
from facebench.stimuli.rendered.body import bust, ears, teeth
from facebench.stimuli.rendered.fields import Field
from facebench.stimuli.rendered.hair import grow_hair, hair_mask
from facebench.stimuli.rendered.head import Head, build_head, express, normals, softened
from facebench.stimuli.rendered.landmarks import LandmarkVertices, find_landmarks
from facebench.stimuli.rendered.parameters import Identity, View
from facebench.stimuli.rendered.points import Placed, Points, from_grid, gather, turn
from facebench.stimuli.rendered.shading import develop, shade
from facebench.stimuli.rendered.surface import Paint, paint_eyes, paint_head

_OVERSAMPLING = 2
_PIXELS_PER_CM = 7.5 / 250  # share of the image side that one centimetre of face takes
_CAMERA_DISTANCE = 130.0  # centimetres, a portrait without a bulging nose
_FACE_DEPTH = 7.0  # distance from the axis of the head at which _PIXELS_PER_CM holds
_NECK = np.array([0.0, -7.0, -1.5], np.float32)  # the head turns about this point
_LOOK_AT_Y = -2.2
_SCATTER = 0.36  # centimetres that light travels in skin, more than in life to suit small pictures


@dataclass(frozen=True)
class RenderedFace:
    """A picture of a face and what is known about it.

    Attributes
    ----------
    image : ndarray [size, size, 3], uint8
        RGB pixels.
    landmarks : dict of str to ndarray [k, 2], float64
        Pixel coordinates (x to the right, y down) of ``left_eye`` and ``right_eye`` (the subject's
        own, so ``right_eye`` is on the image's left, as in the 68-point convention), ``mouth``,
        ``nose_tip``, ``chin`` and ``five_points`` in the order of dlib's 5-point predictor: outer
        and inner corner of the left eye, outer and inner corner of the right eye, base of the nose.
    identity, view : Identity, View
        What the picture was made from.
    """

    image: NDArray[np.uint8]
    landmarks: dict[str, NDArray[np.float64]]
    identity: Identity
    view: View


@dataclass(frozen=True)
class _Neutral:
    """The parts of a head that no view changes, kept because one person is drawn several times."""

    head: Head
    paint: Paint
    hair: Points | None
    ears: list[Points]
    landmarks: LandmarkVertices


@lru_cache(maxsize=2)
def _neutral(identity: Identity, density: float) -> _Neutral:
    head = build_head(identity, density)
    mask = hair_mask(head)
    return _Neutral(
        head,
        paint_head(head, mask),
        grow_hair(head, mask, density),
        ears(identity, density),
        find_landmarks(head),
    )


def render_face(identity: Identity, view: View, size: int = 250) -> RenderedFace:
    """Draw a face.

    The same identity, view and size give the same bytes, in any process and in any order.

    Parameters
    ----------
    identity : Identity
        Who is drawn.
    view : View
        How they are seen.
    size : int
        Side of the square image in pixels, 48 … 1024. The face is about 0.42 of it wide.

    Raises
    ------
    StimulusError
        If ``size`` is out of its range.
    """
    require_size(size)
    fine = size * _OVERSAMPLING
    # The zoom does not count, so that all views of one person find the same cached head.
    density = round(max(fine * _PIXELS_PER_CM, 6.0), 3)
    neutral = _neutral(identity, density)
    x, y, z = express(neutral.head, view)
    parts = _scene(neutral, view, (x, y, z), density)
    position = np.concatenate([part.position(_NECK) for part in parts], axis=1)
    pixels, depth = _project(position, view, fine)
    winners = _nearest_points(pixels, depth, fine)
    canvas = paint_background(view, fine).reshape(-1, 3)
    covered = np.flatnonzero(winners >= 0)
    visible = gather(parts, position, winners[covered])
    canvas[covered] = shade(visible, view, position[:, ::3]).T
    light = canvas.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 3).mean(axis=(1, 3))
    image = np.round(develop(light, view)).astype(np.uint8)
    return RenderedFace(image, _landmarks(neutral, (x, y, z), view, size), identity, view)


def require_size(size: int) -> None:
    """Refuse a size that cannot be drawn."""
    if not 48 <= size <= 1024:
        msg = f"The 'size' of a rendered face must be from 48 to 1024 pixels. Got {size!r} instead."
        raise StimulusError(msg)


def _scene(
    neutral: _Neutral, view: View, grid: tuple[Field, Field, Field], density: float
) -> list[Placed]:
    """Return all points in front of the camera, turned as the view asks."""
    head, identity = neutral.head, neutral.head.identity
    paint, wet = paint_eyes(head, neutral.paint, view)
    openness = np.clip(
        1 - 1.5 * np.maximum(head.cavity, 0) + 0.3 * np.minimum(head.cavity, 0), 0.3, 1.1
    )
    face = from_grid(
        grid,
        softened(normals(*grid), _SCATTER * density),
        paint.albedo,
        gloss=paint.gloss,
        openness=openness,
        skin=1 - 0.6 * wet,
    )
    parts = [face, *neutral.ears]
    lip = neutral.landmarks.mouth_centre
    inside = teeth(identity, view, float(head.z.ravel()[lip]), density)
    if inside is not None:
        parts.append(inside)
    if neutral.hair is not None:
        parts.append(neutral.hair)
    head_turn = _rotation(view.yaw, view.pitch, view.roll)
    body_turn = _rotation(0.35 * view.yaw, 0.0, 0.25 * view.roll)
    shoulders = Placed(bust(identity, view, density), body_turn)
    return [*(Placed(part, head_turn) for part in parts), shoulders]


def _rotation(yaw: float, pitch: float, roll: float) -> Field:
    a, b, c = np.radians([yaw, -pitch, -roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    product = np.einsum("ij,jk,kl->il", about_z, about_x, about_y)
    return np.asarray(product, np.float32)


def _project(position: Field, view: View, side: int) -> tuple[tuple[Field, Field], Field]:
    """Return image coordinates (in pixels of an image of ``side``) and nearness to the camera."""
    x, y, z = position
    reach = np.float32(_CAMERA_DISTANCE) - z
    scale = np.float32(side * _PIXELS_PER_CM * view.zoom * (_CAMERA_DISTANCE - _FACE_DEPTH)) / reach
    middle = np.float32(side / 2)
    across = middle + (x + np.float32(view.shift_x)) * scale
    down = middle - (y - np.float32(_LOOK_AT_Y - view.shift_y)) * scale
    return (across, down), z


def _nearest_points(pixels: tuple[Field, Field], depth: Field, side: int) -> NDArray[np.int64]:
    """Return for each pixel the index of the nearest point that covers it, -1 where none does.

    Each point covers the 2 × 2 pixels around it. Depth and index are packed into one integer, so a
    maximum decides both; equal depths go to the higher index, in any order of work.
    """
    left = np.floor(pixels[0] - np.float32(0.5)).astype(np.int64)
    top = np.floor(pixels[1] - np.float32(0.5)).astype(np.int64)
    inside = np.flatnonzero((left >= -1) & (left < side) & (top >= -1) & (top < side))
    wide = side + 2  # a margin of one pixel takes what sticks out
    level = ((depth[inside] + np.float32(64)) * np.float32(4096)).astype(np.int64)
    packed = (level << 32) | inside
    corner = (top[inside] + 1) * wide + left[inside] + 1
    nearest = np.full(wide * wide, -1, np.int64)
    for offset in (0, 1, wide, wide + 1):
        np.maximum.at(nearest, corner + offset, packed)
    nearest = nearest.reshape(wide, wide)[1:-1, 1:-1].ravel()
    return np.where(nearest >= 0, nearest & 0xFFFFFFFF, -1)


def _landmarks(
    neutral: _Neutral, grid: tuple[Field, Field, Field], view: View, size: int
) -> dict[str, NDArray[np.float64]]:
    matrix = _rotation(view.yaw, view.pitch, view.roll)
    found = {}
    for name, vertices in neutral.landmarks.named.items():
        places = np.stack([c.ravel()[vertices] for c in grid])
        turned = turn(matrix, places - _NECK[:, None]) + _NECK[:, None]
        (across, down), _ = _project(turned, view, size)
        # Pixel centres lie at whole numbers, as in dlib; the projection counts from the edge.
        found[name] = np.stack([across, down], axis=1).astype(np.float64) - 0.5
    return found
