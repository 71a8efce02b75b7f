"""Giving pixels of one face the tone of another's skin.

Tones are counted in a space made of CIELAB: the logarithm of lightness, and both chromas relative
to lightness. A brighter light multiplies, so that in this space it adds the same to skin, lips and
the dark of an open mouth; as additions to the colours themselves, or as a factor for each of red,
green and blue, it would turn lips blue and dark places violet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.faces.pictures import Field

# Keeps the noise of black pixels from counting.
_OFFSET = 10.0
# How far contrast may be raised or lowered: of lightness, and of each chroma.
_LIGHT_GAIN, _CHROMA_GAIN = (0.8, 1.2), (0.25, 1.0)
_LEAST_CHROMA = 0.02  # of skin; less does not justify a gain
_MOST_SHIFT = np.array([0.6, 0.5, 0.5])  # of the mean: e**0.6 is a factor of 1.8 in lightness
# CIELAB (CIE 15:2004) of sRGB (IEC 61966-2-1) under D65.
_XYZ = np.array(
    [
        (0.4124564, 0.3575761, 0.1804375),
        (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041),
    ]
)
_WHITE = _XYZ.sum(axis=1)
_RGB = np.linalg.inv(_XYZ)
_STEP = 6 / 29
_LAB = np.array([(0.0, 116.0, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0)])
_BLACK = np.array([16.0, 0.0, 0.0])
_UNLAB = np.linalg.inv(_LAB)


def tones(colours: Field) -> Field:
    """Return the tones [..., 3] of colours [..., 3], 0 … 255."""
    share = colours / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = light @ _XYZ.T / _WHITE
    roots = np.where(xyz > _STEP**3, np.cbrt(xyz), xyz / (3 * _STEP**2) + 4 / 29)
    lab = roots @ _LAB.T - _BLACK
    lightness = lab[..., :1] + _OFFSET
    return np.concatenate([np.log(lightness), lab[..., 1:] / lightness], axis=-1)


def colours(tones: Field) -> Field:
    """Return the colours [..., 3], 0 … 255, of tones; what no screen shows is cut off."""
    lightness = np.exp(tones[..., :1])
    lab = np.concatenate([lightness - _OFFSET, tones[..., 1:] * lightness], axis=-1)
    roots = (lab + _BLACK) @ _UNLAB.T
    xyz = np.where(roots > _STEP, roots**3, 3 * _STEP**2 * (roots - 4 / 29)) * _WHITE
    light = np.clip(xyz @ _RGB.T, 0, 1)
    share = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(255 * share)


@dataclass(frozen=True)
class ToneMatch:
    """How tones of one face become those of another: mean and contrast of the skin, in bounds.

    The transfer of Reinhard, E., Adhikhmin, M., Gooch, B., & Shirley, P. (2001), Color transfer
    between images, IEEE Computer Graphics and Applications, 21(5), 34-41, with limits. Chromas grow
    or shrink with that of the skin, not with its spread: so teeth stay white, and lips red.
    """

    middle: Field
    gain: Field
    target: Field

    @classmethod
    def between(cls, theirs: Field, ours: Field) -> ToneMatch:
        """Fit to tones of skin, [n, 3] and [m, 3]."""
        middles = [np.median(skin, axis=0) for skin in (theirs, ours)]
        spreads = [max(float(skin[:, 0].std()), 0.01) for skin in (theirs, ours)]
        gain = np.ones(3)
        gain[0] = np.clip(spreads[1] / spreads[0], *_LIGHT_GAIN)
        for axis in (1, 2):
            if middles[0][axis] > _LEAST_CHROMA:
                gain[axis] = np.clip(middles[1][axis] / middles[0][axis], *_CHROMA_GAIN)
        shift = np.clip(middles[1] - middles[0], -_MOST_SHIFT, _MOST_SHIFT)
        return cls(middles[0], gain, middles[0] + shift)

    def apply(self, values: Field) -> Field:
        """Return tones [..., 3] of theirs as they would be in our face."""
        return np.asarray(self.target + self.gain * (values - self.middle))
