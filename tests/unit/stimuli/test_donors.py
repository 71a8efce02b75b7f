"""Who lends parts to whom: people who look alike, turned alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.stimuli import head_yaw
from facebench.stimuli.donors import choose_donors
from facebench.stimuli.sources import PreparedFace, Source


def a_face(
    number: int, turn: float = 0.0, light: float = 4.0, opening: float = 0.0
) -> PreparedFace:
    """Return a face whose nose lies aside, with an even skin."""
    rng = np.random.default_rng(0)
    points = rng.uniform(20, 80, (68, 2))
    points[0:3], points[14:17], points[30] = (0, 40), (100, 40), (50 + turn, 50)
    points[36:42], points[42:48] = (30, 40), (70, 40)
    points[62], points[66] = (50, 70), (50, 70 + opening)
    source = Source(Path("x"), "x", f"{number}.png", f"person {number // 2}")
    return PreparedFace(source, points, np.tile((light, 0.1, 0.2), (8, 1)), -2.0)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("difference", [{"turn": 10.0}, {"light": 4.5}, {"opening": 15.0}])
def test_donors_are_the_ones_that_fit(seed: int, difference: dict[str, float]) -> None:
    # Of twelve people, the second half differs in one respect.
    faces = [a_face(k, **({} if k < 12 else difference)) for k in range(24)]
    donors = choose_donors(faces, 2, seed)
    for own, lent in enumerate(donors):
        assert len({faces[k].identity for k in (own, *lent)}) == 3
        assert all((k < 12) == (own < 12) for k in lent)
    assert donors == choose_donors(faces, 2, seed)


def test_turned_heads_neither_lend_nor_borrow() -> None:
    faces = [a_face(k, turn=40.0 if k % 3 == 0 else 0.0) for k in range(12)]
    assert head_yaw(faces[0].landmarks) == pytest.approx(40)
    donors = choose_donors(faces, 2, 0, max_yaw=30.0)
    for own, lent in enumerate(donors):
        assert len(lent) == (0 if own % 3 == 0 else 2)
        assert all(k % 3 for k in lent)


def test_fewer_are_given_where_there_are_not_enough_people() -> None:
    faces = [a_face(k) for k in range(4)]
    assert all(len(lent) == 1 for lent in choose_donors(faces, 2, 0))
