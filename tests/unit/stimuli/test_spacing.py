"""Features move, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.stimuli import change_eye_distance, move_mouth
from facebench.stimuli.catalogue import LandmarkedFace
from support.pictures import best_shift, changed, near

RIGHT_EYE, LEFT_EYE, LIPS, CHIN = slice(36, 42), slice(42, 48), slice(48, 60), 8


def test_eyes_move_apart_and_nothing_else_changes(found: list[LandmarkedFace]) -> None:
    face = found[0]
    right, left = face.landmarks[RIGHT_EYE], face.landmarks[LEFT_EYE]
    distance = np.linalg.norm(left.mean(axis=0) - right.mean(axis=0))
    for change in (-0.12, 0.12):
        moved = change_eye_distance(face.picture, face.landmarks, change)
        step = 0.5 * change * distance
        for eye, expected in ((right, -step), (left, step)):
            box = (eye.min(axis=0), eye.max(axis=0))
            assert best_shift(face.picture, moved, box, 1, 8) == pytest.approx(expected, abs=0.6)
        different = changed(moved, face.picture)
        assert not different[~near(face.landmarks[36:48], different.shape, 0.5)].any()
        lips = near(face.landmarks[LIPS], different.shape, 0.0)
        assert not different[lips].any()
    still = change_eye_distance(face.picture, face.landmarks, 0.0)
    np.testing.assert_array_equal(still, face.picture)


def test_the_mouth_moves_down_and_nothing_else_changes(found: list[LandmarkedFace]) -> None:
    face = found[0]
    eyes = [face.landmarks[eye].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)]
    distance = np.linalg.norm(eyes[1] - eyes[0])
    lips = face.landmarks[LIPS]
    for shift in (-0.08, 0.1):
        moved = move_mouth(face.picture, face.landmarks, shift)
        box = (lips.min(axis=0), lips.max(axis=0))
        expected = shift * distance
        assert best_shift(face.picture, moved, box, 0, 10) == pytest.approx(expected, abs=1.1)
        different = changed(moved, face.picture)
        assert not different[~near(lips, different.shape, 1.0)].any()
        assert not different[near(face.landmarks[36:48], different.shape, 0.0)].any()
