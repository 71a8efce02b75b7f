"""What is behind the head: plain walls, gradients, blurred places and rooms."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from facebench.stimuli.rendered.colours import cloth_colour, linear
from facebench.stimuli.rendered.fields import Field
from facebench.stimuli.rendered.parameters import View
from facebench.stimuli.rendered.shading import exposure

_SCENE_STREAM = 601
_COARSE = 64


def paint_background(view: View, size: int) -> Field:
    """Return the background of a view as linear light [size, size, 3]."""
    rng = np.random.default_rng([_SCENE_STREAM, view.scene_seed])
    painter = {"plain": _plain, "gradient": _gradient, "blurred": _blurred, "room": _room}
    coarse = np.clip(painter[view.background](rng), 0.004, 1.2)
    channels = [
        np.asarray(Image.fromarray(coarse[..., c]).resize((size, size), Image.Resampling.BICUBIC))
        for c in range(3)
    ]
    # The wall has lights of its own: the camera's exposure for the face does not change it.
    picture = np.stack(channels, axis=-1) / exposure(view)
    return np.clip(picture, 0, None).astype(np.float32)


def _wall(rng: np.random.Generator) -> Field:
    grey = linear([rng.uniform(25, 245)] * 3)
    return np.asarray(0.6 * grey + 0.4 * cloth_colour(rng), np.float32)


def _plain(rng: np.random.Generator) -> Field:
    y, x = np.mgrid[0 : 1 : _COARSE * 1j, 0 : 1 : _COARSE * 1j]
    vignette = 1 - 0.3 * ((x - 0.5) ** 2 + (y - 0.4) ** 2)
    return np.asarray(_wall(rng) * vignette[..., None], np.float32)


def _gradient(rng: np.random.Generator) -> Field:
    y, x = np.mgrid[-1 : 1 : _COARSE * 1j, -1 : 1 : _COARSE * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    share = 0.5 + 0.36 * (x * np.cos(angle) + y * np.sin(angle))
    share = share[..., None]
    return np.asarray(_wall(rng) * (1 - share) + _wall(rng) * share, np.float32)


def _blurred(rng: np.random.Generator) -> Field:
    picture = np.ones((_COARSE, _COARSE, 3), np.float32) * _wall(rng)
    y, x = np.mgrid[0:_COARSE, 0:_COARSE]
    for _ in range(16):
        cx, cy = rng.uniform(0, _COARSE, 2)
        radius = rng.uniform(3, 14)
        disc = np.clip(radius - np.hypot(x - cx, y - cy), 0, 1)[..., None] * rng.uniform(0.3, 0.8)
        picture += (cloth_colour(rng) - picture) * disc
    return np.asarray(gaussian_filter(picture, (1.6, 1.6, 0)), np.float32)


def _room(rng: np.random.Generator) -> Field:
    picture = np.ones((_COARSE, _COARSE, 3), np.float32) * _wall(rng)
    for _ in range(7):
        left, right = np.sort(rng.integers(0, _COARSE, 2))
        top, bottom = np.sort(rng.integers(0, _COARSE, 2))
        picture[top:bottom, left : left + max((right - left) // 2, 3)] = _wall(rng)
    return np.asarray(gaussian_filter(picture, (1.0, 1.0, 0)), np.float32)
