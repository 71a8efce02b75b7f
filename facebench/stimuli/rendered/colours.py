"""Colours of skin, hair, eyes and cloth, as linear (not gamma-encoded) RGB reflectances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facebench.stimuli.rendered.parameters import Identity

Colour = NDArray[np.floating[Any]]

# From very fair to very dark skin, in everyday sRGB bytes under neutral light.
_SKIN = [(243, 207, 187), (233, 188, 160), (216, 165, 130), (187, 131, 95), (146, 95, 66),
         (104, 67, 48), (72, 47, 37)]  # fmt: skip
_HAIR = [(20, 17, 16), (41, 29, 23), (70, 47, 34), (107, 75, 49), (152, 114, 72), (197, 161, 108)]
_IRIS = [
    (38, 22, 14),
    (70, 41, 22),
    (104, 72, 38),
    (110, 105, 66),
    (103, 128, 122),
    (120, 150, 175),
]


def linear(srgb_bytes: ArrayLike) -> Colour:
    """Return sRGB bytes (0 … 255) as linear light (0 … 1)."""
    share = np.asarray(srgb_bytes, np.float32) / np.float32(255)
    dark, bright = share / np.float32(12.92), ((share + 0.055) / 1.055) ** np.float32(2.4)
    return np.where(share <= 0.04045, dark, bright).astype(np.float32)


def _along(scale: list[tuple[int, int, int]], place: float) -> Colour:
    """Return the colour at ``place`` (0 … 1) of a scale of sRGB colours."""
    stops = np.linspace(0, 1, len(scale))
    channels = np.array(scale, np.float64).T
    return linear([np.interp(place, stops, channel) for channel in channels])


def skin_colour(identity: Identity) -> Colour:
    """Return the base colour of the skin."""
    place = (identity.score("melanin") + 2.0) / 4.2
    red, warm = 0.05 * identity.score("skin_redness"), 0.04 * identity.score("skin_warmth")
    tint = np.array([1 + red + 0.5 * warm, 1 - 0.5 * red, 1 - red - warm], np.float32)
    return np.asarray(np.clip(_along(_SKIN, place) * tint, 0.01, 0.95), np.float32)


def hair_colour(identity: Identity, *, brow: bool = False) -> Colour:
    """Return the colour of the hair, or of the somewhat darker eyebrows and beard."""
    place = (identity.score("hair_lightness") + 1.6) / 4.2 * (0.75 if brow else 1.0)
    red = max(identity.score("hair_redness") - 0.9, 0.0) * 0.35
    colour = _along(_HAIR, float(np.clip(place, 0, 1)))
    colour = colour * np.array([1 + 1.3 * red, 1 - 0.1 * red, 1 - 0.6 * red], np.float32)
    grey = np.clip((identity.score("hair_greyness") - 0.9) / 1.4, 0, 0.6 if brow else 0.95)
    return np.asarray(colour + (linear([168, 166, 163]) - colour) * grey, np.float32)


def lip_colour(identity: Identity) -> Colour:
    """Return the colour of the red of the lips."""
    red = 0.5 + 0.22 * np.clip(identity.score("lip_redness"), -2, 2.2)
    skin = skin_colour(identity)
    tint = np.array([0.86, 0.42, 0.42], np.float32)
    flush = np.array([0.06, 0.0, 0.008], np.float32)
    stained = skin * (1 + (tint - 1) * np.float32(0.55 + 0.5 * red)) + flush * np.float32(red)
    return np.asarray(stained, np.float32)


def iris_colour(identity: Identity) -> Colour:
    """Return the colour of the iris."""
    place = float(np.clip((identity.score("iris_lightness") + 1.6) / 3.6, 0, 1))
    warm = 0.08 * identity.score("iris_hue")
    return _along(_IRIS, place) * np.array([1 + warm, 1, 1 - warm], np.float32)


def cloth_colour(rng: np.random.Generator) -> Colour:
    """Draw the colour of a shirt: mostly muted, now and then bright."""
    saturation, value = rng.beta(1.6, 2.5), rng.uniform(0.12, 0.92)
    hue = np.abs((rng.random() * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    return linear(255 * value * (1 - saturation * (1 - np.clip(hue, 0, 1))))
