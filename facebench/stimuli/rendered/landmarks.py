"""Landmarks as points of the surface, so that they follow the head and its expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebench.stimuli.rendered.fields import Field
from facebench.stimuli.rendered.head import Head
from facebench.stimuli.rendered.layout import Layout


@dataclass(frozen=True)
class LandmarkVertices:
    """Flat indices into the points of the head, by the name of the landmark."""

    named: dict[str, NDArray[np.intp]]
    mouth_centre: int


def find_landmarks(head: Head) -> LandmarkVertices:
    """Return the points of a head that carry its landmarks."""
    layout = Layout(head.identity)
    left_x, left_y = _eye_contour(layout, 1.0)
    right_x, right_y = _eye_contour(layout, -1.0)
    mouth_x, mouth_y = _mouth_contour(layout)
    zero = np.zeros(1, np.float32)
    left, right = head.vertex_at(left_x, left_y), head.vertex_at(right_x, right_y)
    base = head.vertex_at(zero, zero + layout.nose_base_y)
    middle = head.vertex_at(zero, zero + head.identity.mouth_height)
    named = {
        "left_eye": left,
        "right_eye": right,
        "mouth": head.vertex_at(mouth_x, mouth_y),
        "nose_tip": head.vertex_at(zero, zero + layout.nose_tip_y),
        "chin": head.vertex_at(zero, zero - head.identity.chin_length + 0.15),
        # Each contour starts at the outer corner and reaches the inner one half way round.
        "five_points": np.array([left[0], left[4], right[0], right[4], base[0]]),
    }
    return LandmarkVertices(named, int(middle[0]))


def _eye_contour(layout: Layout, side: float) -> tuple[Field, Field]:
    half = layout.identity.eye_width / 2
    out = half * np.array([1, 0.6, 0, -0.6, -1, -0.6, 0, 0.6], np.float32)
    upper, lower = layout.lids(out)
    up = np.concatenate([upper[:5], lower[5:]])
    return layout.from_eye(out, up, side)


def _mouth_contour(layout: Layout) -> tuple[Field, Field]:
    half = layout.identity.mouth_width / 2
    x = half * np.array([-1, -0.6, -0.22, 0, 0.22, 0.6, 1, 0.6, 0.25, 0, -0.25, -0.6], np.float32)
    upper, line, lower = layout.lips(x)
    y = np.concatenate([line[:1], upper[1:6], line[6:7], lower[7:]])
    return x, y
