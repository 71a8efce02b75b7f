"""Where the features of a face lie, in frontal coordinates (x, y) of its surface in centimetres.

x grows towards the subject's left (the image's right), y upwards, both from the point midway
between the pupils. The relief, the paint and the landmarks all ask this module, so they cannot
disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.stimuli.rendered.fields import Field, bump, curve, smoothstep
from facebench.stimuli.rendered.parameters import Identity, View

SIDES = (1.0, -1.0)
"""The subject's left and right, as factors of x."""


@dataclass(frozen=True)
class Layout:
    """The outlines of the features of one person."""

    identity: Identity

    @property
    def nose_tip_y(self) -> float:
        """Height of the tip of the nose."""
        return self.nose_base_y + 0.62 + 0.11 * self.identity.score("nose_tip_lift")

    @property
    def nose_base_y(self) -> float:
        """Height of the point where the nose meets the upper lip."""
        above_lip = self.identity.mouth_height + self.identity.upper_lip + 0.75
        return max(-self.identity.nose_length - 0.62, above_lip)

    def to_eye(self, x: Field, y: Field, side: float) -> tuple[Field, Field]:
        """Return coordinates in the frame of one eye: outwards along its slit, and upwards."""
        tilt = np.radians(self.identity.eye_tilt)
        out = side * x - np.float32(self.identity.eye_spacing / 2)
        cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        return out * cos + y * sin, y * cos - out * sin

    def from_eye(self, out: Field, up: Field, side: float) -> tuple[Field, Field]:
        """Return face coordinates of points given in the frame of one eye."""
        tilt = np.radians(self.identity.eye_tilt)
        x = out * np.cos(tilt) - up * np.sin(tilt) + self.identity.eye_spacing / 2
        return side * x, out * np.sin(tilt) + up * np.cos(tilt)

    def lids(self, out: Field, view: View | None = None) -> tuple[Field, Field]:
        """Return the heights of the edges of the upper and the lower lid in the frame of an eye."""
        opening = self.identity.eye_opening
        smile, lift = (max(view.smile, 0.0), view.brow_raise) if view else (0.0, 0.0)
        s = np.clip(out * np.float32(2.0 / self.identity.eye_width), -1, 1)
        arch = np.maximum(1 - s * s, 0)
        upper = (0.53 * opening * (1 + 0.12 * lift - 0.06 * smile)) * arch**0.58 * (1 - 0.16 * s)
        lower = (0.42 * opening * (1 - 0.3 * smile)) * arch**0.62 * (1 + 0.22 * s)
        return upper.astype(np.float32), -lower.astype(np.float32)

    def lips(self, x: Field) -> tuple[Field, Field, Field]:
        """Return the heights of the upper outline, the line between and the lower outline."""
        identity = self.identity
        u = np.clip(x * np.float32(2.0 / identity.mouth_width), -1, 1)
        square = u * u
        line = identity.mouth_height + (0.07 * identity.score("mouth_tilt") + 0.08) * square
        line = line - 0.05 * bump(u, u, (0, 0), (0.25, 9.0))
        bow = 0.14 * np.clip(1 + 0.5 * identity.score("cupid_bow"), 0, 2.2)
        ends = np.maximum(1 - square, 0)
        dip = bow * (np.exp(-0.5 * (u / 0.11) ** 2) - 0.5 * np.exp(-0.5 * (u / 0.3) ** 2))
        upper = line + max(identity.upper_lip, 0.18) * (ends**0.9) * (1 - dip)
        lower = line - max(identity.lower_lip, 0.3) * ends**0.62 * (0.86 + 0.14 * ends)
        return upper.astype(np.float32), line.astype(np.float32), lower.astype(np.float32)

    def brow(self, x: Field, side: float) -> tuple[Field, Field, Field]:
        """Return the place along one eyebrow (0 … 1), its middle height and its half thickness."""
        identity = self.identity
        along = (side * x - np.float32(identity.brow_gap / 2)) / np.float32(identity.brow_length)
        s = np.clip(along, 0, 1)
        arch = curve([(0, 0), (0.35, 0.75), (0.62, 1.0), (0.85, 0.45), (1, -0.4)], s)
        slope = np.tan(np.radians(identity.brow_tilt)) * identity.brow_length
        middle = (
            identity.brow_height - 0.25 + slope * (s - 0.35) + (identity.brow_arch + 0.12) * arch
        )
        half = 0.5 * max(identity.brow_thickness, 0.32)
        taper = curve([(0, 0.75), (0.15, 1.0), (0.5, 0.92), (0.8, 0.6), (1, 0.2)], s)
        return along, middle.astype(np.float32), half * taper

    def lip_share(self, x: Field, y: Field) -> Field:
        """Return how far points belong to the red of the lips, 0 … 1 with soft edges."""
        upper, _, lower = self.lips(x)
        inside = np.minimum(upper - y, y - lower)
        ends = smoothstep(
            self.identity.mouth_width / 2 + 0.1, self.identity.mouth_width / 2 - 0.4, np.abs(x)
        )
        return smoothstep(-0.09, 0.13, inside) * ends
