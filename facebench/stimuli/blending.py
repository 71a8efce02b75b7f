"""Putting pixels into an ellipse of a picture so that no edge shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from facebench.faces.pictures import Field

_PADDING = 1.25  # an ellipse is this much larger than the spread of its outline
_FEATHER = 0.35  # share of the ellipse's radius over which old and new pixels blend
# Where they still differ at the edge (a microphone, a hand), it is up to so much wider.
_WIDEST, _STRONG = 0.85, 0.5  # and from this difference of tones on that wide


@dataclass(frozen=True)
class Ellipse:
    """The ellipse around a feature: middle [2], axes [2, 2] (as columns) and padded radii [2]."""

    centre: Field
    axes: Field
    radii: Field

    @classmethod
    def around(cls, outline: Field) -> Ellipse:
        """Fit the ellipse to an outline [k, 2], with room for the skin that goes with it."""
        mean = outline.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov((outline - mean).T))
        spread = (outline - mean) @ axes
        low, high = spread.min(axis=0), spread.max(axis=0)
        centre = mean + axes @ ((low + high) / 2)
        half = (high - low) / 2
        # The lids and the skin around a feature go with it, or the edge would cut through them.
        margin = 0.22 * half.max()
        radii = _PADDING * half + margin + 1.0
        return cls(centre, axes, np.maximum(radii, 0.45 * radii.max()))

    def window(self, shape: tuple[int, ...], reach: float = 1.0) -> tuple[Field, Field] | None:
        """Return rows and columns of the pixels around; None if it lies outside of the picture."""
        span = np.ceil(reach * self.radii.max()) + 1
        left, top = np.maximum(np.floor(self.centre - span), 0).astype(int)
        right, bottom = np.minimum(
            np.ceil(self.centre + span), (shape[1] - 1, shape[0] - 1)
        ).astype(int)
        if right < left or bottom < top:
            return None
        rows, columns = np.mgrid[top : bottom + 1, left : right + 1].astype(np.float64)
        return rows, columns

    def distance(self, rows: Field, columns: Field) -> Field:
        """Return how far places are from the middle: 1 on the ellipse."""
        offset = np.stack([columns - self.centre[0], rows - self.centre[1]], axis=-1)
        return np.asarray(np.sqrt((((offset @ self.axes) / self.radii) ** 2).sum(axis=-1)))

    def is_inside(self, shape: tuple[int, ...]) -> bool:
        """Tell whether the picture holds the whole ellipse."""
        reach = np.sqrt(((self.axes * self.radii) ** 2).sum(axis=1))
        limit = np.array([shape[1] - 1, shape[0] - 1])
        return bool((self.centre - reach >= 0).all() and (self.centre + reach <= limit).all())


def blend(
    picture: Field,
    patch: Field,
    ellipse: Ellipse,
    rows: Field,
    columns: Field,
    *,
    most: Field,
) -> None:
    """Put a patch into the ellipse of a picture, in place; both as tones, see `toning`.

    Parameters
    ----------
    picture : ndarray [height, width, 3], float64
        Changed where the ellipse is.
    patch : ndarray [h, w, 3], float64
        What to put into the window of `rows` and `columns`.
    ellipse : Ellipse
        Where to.
    rows, columns : ndarray [h, w]
        See `Ellipse.window`.
    most : ndarray [3]
        The largest difference at the edge that is evened out; what differs more is not shading.
    """
    distance = ellipse.distance(rows, columns)
    radius = float(ellipse.radii.min())
    top, left = int(rows[0, 0]), int(columns[0, 0])
    window = picture[top : top + rows.shape[0], left : left + rows.shape[1]]
    difference = window - patch
    # Much more than that is an object: it must not brighten what is turned along with it.
    trust = 1 / (1 + (np.abs(difference) / (2 * most)).max(axis=-1, keepdims=True) ** 4)
    difference = np.clip(difference, -most, most) * trust
    patch = patch + _smooth_difference(difference, distance, radius)
    left_over = _smooth_difference(np.abs(window - patch), distance, radius).max(axis=-1)
    feather = _FEATHER + (_WIDEST - _FEATHER) * smoothstep(left_over / _STRONG)
    window += smoothstep((1 - distance) / feather)[..., None] * (patch - window)


def _smooth_difference(difference: Field, distance: Field, radius: float) -> Field:
    """Return the difference [h, w, 3] on the rim of an ellipse, continued smoothly into it.

    Light falls from above: turned skin is darker where it should be brighter. Added to the new
    pixels, this takes the shading of the surrounding skin over, so that no halo shows the edge.
    """
    rim = np.exp(-(((distance - 0.95) / 0.12) ** 2))
    sigma = (0.45 * radius, 0.45 * radius)
    weight = gaussian_filter(rim, sigma, mode="constant") + 1e-4
    parts = [gaussian_filter(difference[..., c] * rim, sigma, mode="constant") for c in range(3)]
    return np.asarray(np.stack(parts, axis=-1) / weight[..., None])


def smoothstep(share: NDArray[np.float64]) -> Field:
    """Rise from 0 to 1 without a kink."""
    share = np.clip(share, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))
