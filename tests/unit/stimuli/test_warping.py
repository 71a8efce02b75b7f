"""Morphs, averages and caricatures: what they are made of comes back, and landmarks arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import map_coordinates
from scipy.spatial import Delaunay, procrustes

from facebench.errors import StimulusError
from facebench.stimuli import average_face, caricature, find_landmarks, mean_shape, morph
from facebench.stimuli.catalogue import LandmarkedFace
from facebench.stimuli.geometry import face_width, similarity
from facebench.stimuli.parts import forehead


def rms(first: Any, second: Any) -> float:
    return float(np.sqrt(np.mean((np.asarray(first, float) - second) ** 2)))


def test_a_morph_begins_and_ends_with_the_faces(found: list[LandmarkedFace]) -> None:
    a, b = found[0], found[1]
    both = (a.picture, a.landmarks, b.picture, b.landmarks)
    np.testing.assert_array_equal(morph(*both, 0), a.picture)
    np.testing.assert_array_equal(morph(*both, 1), b.picture)
    # Nearly there, it is nearly the other face: nothing jumps.
    assert rms(morph(*both, 0.001), a.picture) < 1.5
    assert rms(morph(*both, 0.999), b.picture) < 1.5
    # From the other side it is the same morph.
    other = morph(b.picture, b.landmarks, a.picture, a.landmarks, 0.7)
    assert rms(morph(*both, 0.3), other) < 0.5


def test_landmarks_of_a_morph_lie_between_those_of_the_faces(found: list[LandmarkedFace]) -> None:
    a, b = found[0], found[1]
    between = (a.landmarks + b.landmarks) / 2
    seen = find_landmarks(morph(a.picture, a.landmarks, b.picture, b.landmarks, 0.5))
    assert seen is not None
    apart = np.linalg.norm(a.landmarks - b.landmarks, axis=1).mean()
    off = np.linalg.norm(seen - between, axis=1).mean()
    assert off < min(4.0, 0.7 * apart)


def test_a_warp_is_piecewise_affine(found: list[LandmarkedFace]) -> None:
    """An independent warp of a face to other landmarks: SciPy's own interpolation of triangles."""
    face = found[0]
    average = face.landmarks * (1.05, 0.97)
    matrix = caricature(face.picture, face.landmarks, average, 0.4)
    turn, shift = similarity(average, face.landmarks)
    target = face.landmarks + 0.4 * (face.landmarks - (average @ turn.T + shift))
    side = face.picture.shape[0]
    still = [(x, y) for x in (-0.5, 0.5, 1.5) for y in (-0.5, 0.5, 1.5) if (x, y) != (0.5, 0.5)]
    opening = np.linalg.norm(face.landmarks[66] - face.landmarks[62]) / face_width(face.landmarks)
    # The inner lips of a closed mouth lie on each other: they are not moved on their own.
    kept = 68 if opening >= 0.03 else 60
    ours, theirs = (
        np.concatenate([points[:kept], forehead(points), np.array(still) * (side - 1)])
        for points in (face.landmarks, target)
    )
    places = np.argwhere(np.ones((side, side)))[::97]
    back = LinearNDInterpolator(Delaunay(theirs), ours)(places[:, ::-1])
    for channel in range(3):
        expected = map_coordinates(
            face.picture[..., channel].astype(float), back[:, ::-1].T, order=3, mode="nearest"
        )
        got = matrix[places[:, 0], places[:, 1], channel]
        np.testing.assert_allclose(got, np.clip(expected, 0, 255), atol=0.51)


def test_a_caricature_of_nothing_is_the_face_and_minus_one_the_average(
    found: list[LandmarkedFace],
) -> None:
    shapes = [face.landmarks for face in found]
    average = mean_shape(shapes)
    face = found[0]
    still = caricature(face.picture, face.landmarks, average, 0)
    np.testing.assert_array_equal(still, face.picture)
    np.testing.assert_array_equal(caricature(face.picture, face.landmarks, face.landmarks, 0.8),
                                  face.picture)  # fmt: skip

    def misfit(exaggeration: float) -> float:
        seen = find_landmarks(caricature(face.picture, face.landmarks, average, exaggeration))
        assert seen is not None
        return float(procrustes(average, seen)[2])

    assert misfit(-1) < misfit(0) < misfit(0.8)


def test_the_mean_shape_is_that_of_procrustes(found: list[LandmarkedFace]) -> None:
    rng = np.random.default_rng(0)
    base = found[0].landmarks
    shapes = []
    for _ in range(12):
        angle, scale = rng.uniform(-0.5, 0.5), rng.uniform(0.5, 2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shapes.append((base + rng.normal(0, 1.0, base.shape)) @ turn.T + rng.normal(0, 50, 2))
    assert procrustes(base, mean_shape(shapes))[2] < 0.3 * procrustes(base, shapes[0])[2] + 1e-4
    same = mean_shape([base, base * 2 + 30, base[:, ::1] - 5])
    assert procrustes(base, same)[2] < 1e-20
    # Each person counts once: ten photographs of one weigh no more than one of another.
    one, other = shapes[0], shapes[1]
    even = mean_shape([one, other])
    uneven = mean_shape([one] * 10 + [other], ["a"] * 10 + ["b"])
    assert procrustes(even, uneven)[2] < 1e-12


@pytest.mark.slow
def test_an_average_of_one_face_is_the_face_and_of_two_their_morph(
    found: list[LandmarkedFace],
) -> None:
    a, b = found[0], found[1]
    np.testing.assert_array_equal(average_face([a.picture], [a.landmarks]), a.picture)
    np.testing.assert_array_equal(average_face([a.picture] * 3, [a.landmarks] * 3), a.picture)
    both = ([a.picture, b.picture], [a.landmarks, b.landmarks])
    between = morph(a.picture, a.landmarks, b.picture, b.landmarks, 0.5)
    np.testing.assert_array_equal(average_face(*both), between)
    np.testing.assert_array_equal(
        average_face(*both, weights=[3, 1]),
        morph(a.picture, a.landmarks, b.picture, b.landmarks, 0.25),
    )
    np.testing.assert_array_equal(average_face(*both, weights=[0, 2]), b.picture)


FACE = np.stack([np.arange(68), np.arange(68) ** 2 % 61], axis=1).astype(float)
BLANK = np.zeros((60, 60, 3), np.uint8)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: morph(BLANK, FACE, BLANK, FACE, 1.01), "from 0 to 1"),
        (lambda: morph(BLANK, FACE, BLANK, FACE, float("nan")), "from 0 to 1"),
        (lambda: morph(BLANK, FACE, BLANK[1:], FACE, 0.5), "60 x 60 and 60 x 59 pixels"),
        (lambda: caricature(BLANK, FACE, FACE, -1.5), "from -1 on"),
        (lambda: caricature(BLANK, FACE, FACE, True), "from -1 on"),
        (lambda: average_face([], []), "Got 0 images"),
        (lambda: average_face([BLANK], [FACE, FACE]), "Got 1 images, 2 landmarks"),
        (lambda: average_face([BLANK], [FACE], [0]), "must be positive"),
        (lambda: average_face([BLANK, BLANK[1:]], [FACE, FACE]), "same size"),
        (lambda: mean_shape([]), "Got none"),
        (lambda: morph(BLANK, FACE, BLANK, FACE * (-1, 1) + (60, 0), 0.6), "would fold"),
    ],
)
def test_what_cannot_be_mixed_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(StimulusError, match=words):
        make()
