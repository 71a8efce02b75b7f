"""Light: a key light with soft shadows, light from all around, highlights and film response."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from facebench.stimuli.rendered.fields import Field, smoothstep
from facebench.stimuli.rendered.parameters import View
from facebench.stimuli.rendered.points import Points

_SHADOW_CELLS = 150
_SHADOW_SPAN = 44.0  # centimetres covered by the shadow map


def light_direction(view: View) -> Field:
    """Return the unit vector towards the key light."""
    azimuth, elevation = np.radians(view.light_azimuth), np.radians(view.light_elevation)
    return np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ],
        np.float32,
    )


def light_colours(view: View) -> tuple[Field, Field]:
    """Return the colours of the key light and of the light from around (which is complementary)."""
    warm = 0.10 * view.light_warmth
    key = np.array([1 + warm, 1.0, 1 - 1.3 * warm], np.float32) * np.float32(view.light_intensity)
    around = np.array([1 - 0.4 * warm, 1.0, 1 + 0.4 * warm], np.float32) * np.float32(view.ambient)
    return key, around


def _light_frame(light: Field) -> tuple[Field, Field]:
    right = np.array([light[2], 0.0, -light[0]], np.float32)
    right /= np.sqrt((right**2).sum())
    up = np.array(
        [
            light[1] * right[2] - 0.0,
            light[2] * right[0] - light[0] * right[2],
            -light[1] * right[0],
        ],
        np.float32,
    )
    return right, up


def _dot(vector: Field, points: Field) -> Field:
    return np.asarray(
        vector[0] * points[0] + vector[1] * points[1] + vector[2] * points[2], np.float32
    )


def lit_share(casters: Field, receivers: Field, light: Field) -> Field:
    """Return which share of the key light reaches ``receivers`` [3, M] past ``casters`` [3, N].

    A depth map is drawn as seen from the light; each receiver averages several taps of it.
    """
    right, up = _light_frame(light)
    scale = np.float32(_SHADOW_CELLS / _SHADOW_SPAN)
    middle = np.float32(_SHADOW_CELLS / 2)

    def cells(points: Field) -> tuple[Field, Field, Field]:
        shifted = points + np.array([0, 3.0, 0], np.float32)[:, None]
        return (
            _dot(right, shifted) * scale + middle,
            _dot(up, shifted) * scale + middle,
            _dot(light, points),
        )

    u, v, depth = cells(casters)
    inside = (u > 0) & (u < _SHADOW_CELLS - 1) & (v > 0) & (v < _SHADOW_CELLS - 1)
    place = v[inside].astype(np.intp) * _SHADOW_CELLS + u[inside].astype(np.intp)
    nearest = np.full(_SHADOW_CELLS**2, -15.0, np.float32)
    np.maximum.at(nearest, place, depth[inside])
    surface = gaussian_filter(nearest.reshape(_SHADOW_CELLS, _SHADOW_CELLS), 0.8)
    u, v, depth = cells(receivers)
    blocked = np.zeros_like(depth)
    taps = [(-1.6, -0.6), (-0.6, 1.6), (1.6, 0.6), (0.6, -1.6)]
    for du, dv in taps:
        tap = (v + np.float32(dv - 0.5), u + np.float32(du - 0.5))
        blocked += smoothstep(
            0.35, 1.3, map_coordinates(surface, tap, order=1, mode="nearest") - depth
        )
    return 1 - blocked / np.float32(len(taps))


def shade(points: Points, view: View, casters: Field) -> Field:
    """Return the linear colours [3, N] of points under the light of a view."""
    light = light_direction(view)
    key, around = light_colours(view)
    normal = points.normal
    facing = _dot(light, normal)
    lit = lit_share(casters, points.position, light)
    # Skin passes light on below its surface, red farthest: the terminator is soft and ruddy.
    wraps = np.array([0.38, 0.24, 0.19], np.float32)[:, None] * points.skin
    wraps = wraps + 0.22 * (1 - points.skin)
    diffuse = np.clip((facing + wraps) / (1 + wraps), 0, None)
    softened = lit + (1 - lit) * np.array([0.14, 0.05, 0.04], np.float32)[:, None] * points.skin
    sky = 0.78 + 0.20 * normal[1] + 0.16 * normal[2]
    fill = 0.16 * np.clip(-normal[0] * np.sign(light[0] + 1e-6) * 0.8 + 0.4 * normal[2], 0, None)
    incoming = key[:, None] * diffuse * softened
    incoming += around[:, None] * (sky + fill) * points.openness
    colour = points.albedo * incoming
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.sqrt((half**2).sum())
    glance = np.clip(_dot(half, normal), 0, 1)
    # Skin is rougher than hair: its highlight is wide and faint.
    broad = glance ** (14 - 6 * points.skin)
    tight = glance ** (60 - 34 * points.skin)
    sheen = (0.07 - 0.02 * points.skin) * broad
    sheen += (0.10 - 0.08 * points.skin) * tight
    rim = np.clip(1 - np.abs(normal[2]), 0, 1) ** np.float32(4)
    specular = points.gloss * (lit * sheen * view.light_intensity + 0.02 * rim * view.ambient)
    hair = 1 - points.skin
    tinted = 0.35 + 1.6 * points.albedo  # a highlight on hair keeps some of its colour
    return np.asarray(colour + specular * (points.skin + hair * tinted), np.float32)


def exposure(view: View) -> float:
    """Return the factor by which the camera evens out bright and dark scenes, but not wholly."""
    return float(0.97 / (0.45 + 0.35 * view.light_intensity + 0.5 * view.ambient) ** 0.7)


def develop(light: Field, view: View) -> Field:
    """Return sRGB values 0 … 255 (as float) of linear light [size, size, 3], with sensor noise."""
    value = np.clip(light * np.float32(exposure(view)), 0, None)
    over = np.clip(value - 0.7, 0, None)
    value = np.minimum(value, 0.7) + 0.3 * (1 - np.exp(-over / np.float32(0.3)))
    srgb = np.where(
        value <= 0.0031308,
        12.92 * value,
        1.055 * np.maximum(value, 1e-6) ** np.float32(1 / 2.4) - 0.055,
    )
    rng = np.random.default_rng([501, view.noise_seed])
    grain = rng.standard_normal(light.shape, dtype=np.float32)
    grain = 1.6 * gaussian_filter(grain, (0.6, 0.6, 0), mode="nearest")
    return np.asarray(np.clip((srgb + view.noise * grain) * 255, 0, 255), np.float32)
