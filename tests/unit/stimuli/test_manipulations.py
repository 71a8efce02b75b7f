"""Manipulations of a picture by its 68 landmarks: what each must change, and must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from facebench.errors import StimulusError
from facebench.stimuli import (
    RenderedFace,
    add_noise,
    change_eye_distance,
    composite,
    exchange_feature,
    feature_outlines,
    find_landmarks,
    head_yaw,
    high_pass,
    low_pass,
    move_mouth,
    negate,
    pixelate,
    scramble_phase,
    set_contrast,
    show_only,
    thatcherise,
    to_grey,
)
from facebench.stimuli.catalogue import LandmarkedFace
from support.pictures import near, similar


def test_thatcherising_twice_gives_nearly_the_face_back(
    found: list[LandmarkedFace], faces: list[RenderedFace]
) -> None:
    # Where the predictor puts the mouth of a drawn face differs between processors; skin in its
    # place turns into like skin.
    drawn = [face for face in found if _mouth_is_found(face, faces)]
    assert len(drawn) >= 2
    for face in drawn:
        outlines = feature_outlines(face.landmarks)
        once = thatcherise(face.picture, outlines)
        twice = thatcherise(once, outlines)
        for outline in outlines:
            within = near(outline, face.picture.shape, 0.0)
            assert similar(twice, face.picture, within) > 0.9
            assert similar(once, face.picture, within) < 0.85
        far = np.ones(twice.shape[:2], bool)
        for outline in outlines:
            far &= ~near(outline, twice.shape, 1.0)
        np.testing.assert_array_equal(twice[far], face.picture[far])


def _mouth_is_found(face: LandmarkedFace, faces: list[RenderedFace]) -> bool:
    drawn = next(other for other in faces if np.array_equal(other.image, face.picture))
    missed_by = face.landmarks[48:60].mean(axis=0) - drawn.landmarks["mouth"].mean(axis=0)
    return bool(np.hypot(*missed_by) < 5)


def test_thatcherising_takes_68_landmarks_or_outlines(found: list[LandmarkedFace]) -> None:
    face = found[0]
    outlines = feature_outlines(face.landmarks)
    expected = thatcherise(face.picture, outlines)
    for points in (face.landmarks, face.landmarks.tolist()):
        np.testing.assert_array_equal(thatcherise(face.picture, points), expected)
    np.testing.assert_array_equal(thatcherise(face.picture, regions=outlines), expected)


def test_landmarks_are_found_in_a_picture(found: list[LandmarkedFace]) -> None:
    landmarks = find_landmarks(found[0].picture)
    assert landmarks is not None
    assert landmarks.dtype == np.float64
    np.testing.assert_array_equal(landmarks, found[0].landmarks)
    assert find_landmarks(np.zeros((80, 80, 3), np.uint8)) is None


FACE = np.stack([np.arange(68), np.arange(68) ** 2 % 61], axis=1).astype(float)

BLANK = np.zeros((60, 60, 3), np.uint8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: low_pass(BLANK, FACE[:60]),
        lambda: low_pass(BLANK, np.full((68, 2), np.nan)),
        lambda: low_pass(BLANK, np.zeros((68, 2))),
        lambda: low_pass(BLANK, FACE, 0.0),
        lambda: high_pass(BLANK, FACE, float("inf")),
        lambda: pixelate(BLANK, FACE, -3),
        lambda: add_noise(BLANK, 0.0),
        lambda: add_noise(BLANK, seed=-1),
        lambda: scramble_phase(BLANK, 1.5),  # type: ignore[arg-type]
        lambda: change_eye_distance(BLANK, FACE, float("nan")),
        lambda: change_eye_distance(BLANK, FACE, 5.0),
        lambda: move_mouth(BLANK, FACE, True),
        lambda: composite(BLANK, FACE, BLANK, FACE, float("nan")),
        lambda: composite(BLANK, FACE, BLANK, FACE, 0.3, 0.2),
        lambda: composite(BLANK, FACE, BLANK, FACE, 0.3, float("inf")),
        lambda: set_contrast(BLANK, FACE, 0.0),
        lambda: low_pass(BLANK, FACE, contrast=-1.0),
        lambda: head_yaw(FACE[:5]),
        lambda: find_landmarks(np.zeros((4, 4))),
        lambda: thatcherise(BLANK),
        lambda: thatcherise(BLANK, FACE[:30]),
        lambda: show_only(BLANK, np.stack([np.arange(68.0)] * 2, axis=1), "eyes"),
        lambda: negate(np.zeros((0, 4, 3), np.uint8)),
        lambda: to_grey(np.zeros((4, 4, 3))),
    ],
)
def test_what_cannot_be_used_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(StimulusError, match="Got"):
        make()


def test_misspelt_parts_and_features_are_guessed() -> None:
    with pytest.raises(StimulusError, match="Did you mean 'internal'"):
        show_only(BLANK, FACE, "internals")
    with pytest.raises(StimulusError, match="Did you mean 'mouth'"):
        exchange_feature(BLANK, FACE, BLANK, FACE, "moth")
