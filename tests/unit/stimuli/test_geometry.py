"""The turn of a head is estimated from landmarks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.stimuli import find_landmarks, head_yaw, render_face, sample_identity, sample_view


@pytest.mark.slow
@pytest.mark.parametrize("yaw", [-30.0, 0.0, 20.0])
def test_the_turn_of_a_head_is_estimated(yaw: float) -> None:
    estimates = []
    for seed in range(2):
        view = replace(sample_view(seed), yaw=yaw)
        landmarks = find_landmarks(render_face(sample_identity(seed), view, size=200).image)
        assert landmarks is not None
        estimates.append(head_yaw(landmarks))
    assert np.mean(estimates) == pytest.approx(yaw, abs=5)


@given(st.floats(0.2, 5), st.floats(-3, 3), st.tuples(*[st.floats(-99, 99)] * 2))
def test_the_turn_does_not_depend_on_size_place_and_roll(
    scale: float, angle: float, shift: tuple[float, float]
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert head_yaw(LIKE_A_FACE @ turn.T + shift) == pytest.approx(head_yaw(LIKE_A_FACE), abs=1e-6)
    mirrored = LIKE_A_FACE * (-1, 1)
    mirrored = mirrored[[*range(16, -1, -1), *range(17, 36), *range(42, 48), *range(36, 42),
                         *range(48, 68)]]  # fmt: skip
    assert head_yaw(mirrored) == pytest.approx(-head_yaw(LIKE_A_FACE), abs=1e-6)
    assert head_yaw(LIKE_A_FACE) == pytest.approx(-50 * 0.2, abs=1e-6)


LIKE_A_FACE = np.zeros((68, 2))
LIKE_A_FACE[0:3, 0], LIKE_A_FACE[14:17, 0], LIKE_A_FACE[30] = 0, 100, (40, 50)
LIKE_A_FACE[36:42, 0], LIKE_A_FACE[42:48, 0] = 30, 70
