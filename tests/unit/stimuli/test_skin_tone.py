"""Tones and colours."""

from __future__ import annotations

import numpy as np

from facebench.stimuli.skin_tone import colours, tones


def test_tones_and_colours_are_inverse() -> None:
    levels = np.stack(np.meshgrid(*[np.linspace(0, 255, 9)] * 3), axis=-1)
    np.testing.assert_allclose(colours(tones(levels)), levels, atol=1e-6)
    # CIELAB of sRGB red is (53.24, 80.09, 67.20).
    light, a, b = tones(np.array([255.0, 0, 0]))
    lightness = np.exp(light)
    np.testing.assert_allclose([lightness - 10, a * lightness, b * lightness],
                               [53.24, 80.09, 67.20], atol=0.02)  # fmt: skip
