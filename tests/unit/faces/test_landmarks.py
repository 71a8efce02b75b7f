"""Landmarks lie where a face has them."""

from __future__ import annotations

import numpy as np

from facebench.faces.landmarks import face_landmarks, face_landmarks_68


def test_68_landmarks_lie_as_in_a_face(chips: list[np.ndarray]) -> None:
    points = face_landmarks_68(chips[0])
    assert points is not None
    assert points.shape == (68, 2)
    left_eye, right_eye, mouth = points[36:42], points[42:48], points[48:68]
    assert left_eye[:, 0].max() < right_eye[:, 0].min()
    assert max(left_eye[:, 1].max(), right_eye[:, 1].max()) < mouth[:, 1].min()


def test_both_sets_of_landmarks_agree(photographs: list[np.ndarray]) -> None:
    both = face_landmarks(photographs[0])
    assert both is not None
    np.testing.assert_array_equal(both.sixty_eight, face_landmarks_68(photographs[0]))
    corners = both.sixty_eight[[45, 42, 36, 39]]
    assert np.abs(both.five[:4] - corners).max() < 8
