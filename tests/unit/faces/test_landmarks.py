"""Landmarks come as the manipulations take them."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.errors import StimulusError
from facebench.faces import landmarks
from facebench.faces.landmarks import find_landmarks

PICTURE = np.zeros((8, 8, 3), np.uint8)


def test_points_are_floats_and_no_face_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = np.arange(136).reshape(68, 2)
    monkeypatch.setattr(landmarks, "face_landmarks_68", lambda _image: found)
    points = find_landmarks(PICTURE)
    assert points is not None
    assert points.dtype == np.float64
    assert np.array_equal(points, found)
    monkeypatch.setattr(landmarks, "face_landmarks_68", lambda _image: None)
    assert find_landmarks(PICTURE) is None


def test_what_is_no_picture_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(StimulusError, match="RGB"):
        find_landmarks(PICTURE[..., 0])
