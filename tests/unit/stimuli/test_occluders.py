"""Masks and sunglasses: what they cover, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from facebench.errors import StimulusError
from facebench.stimuli import RenderedFace, cover_with_mask, cover_with_sunglasses, negate
from facebench.stimuli.catalogue import LandmarkedFace
from support.pictures import changed


def inside(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    places = np.stack([columns.ravel(), rows.ravel()], axis=1)
    return (Delaunay(points).find_simplex(places) >= 0).reshape(shape[:2])


def test_sunglasses_are_opaque_over_both_eyes(
    found: list[LandmarkedFace], faces: list[RenderedFace]
) -> None:
    for face in found:
        covered = cover_with_sunglasses(face.picture, face.landmarks)
        for eye in (slice(36, 42), slice(42, 48)):
            lens = covered[inside(face.landmarks[eye], covered.shape)]
            assert (lens == (18, 18, 20)).all()
        # The eyes as they were drawn, not as the predictor finds them.
        drawn = next(one for one in faces if np.array_equal(one.image, face.picture))
        for name in ("left_eye", "right_eye"):
            hidden = covered[inside(drawn.landmarks[name], covered.shape)] == (18, 18, 20)
            assert hidden.all(axis=-1).mean() > 0.95
        different = changed(covered, face.picture)
        assert not different[inside(face.landmarks[48:60], covered.shape)].any()
        assert different.mean() < 0.2


@pytest.mark.slow
def test_a_mask_hides_nose_tip_mouth_and_chin_and_leaves_the_eyes(
    found: list[LandmarkedFace],
) -> None:
    for face in found:
        covered = cover_with_mask(face.picture, face.landmarks)
        # Opaque: what lies below does not show through.
        hidden = inside(face.landmarks[[30, 3, 5, 8, 11, 13]], covered.shape)
        other = cover_with_mask(negate(face.picture), face.landmarks)
        np.testing.assert_array_equal(covered[hidden], other[hidden])
        assert hidden[inside(face.landmarks[48:60], covered.shape)].all()
        different = changed(covered, face.picture)
        for eye in (slice(36, 42), slice(42, 48)):
            assert not different[inside(face.landmarks[eye], covered.shape)].any()
        high = changed(cover_with_mask(face.picture, face.landmarks, 1.0), face.picture).sum()
        low = changed(cover_with_mask(face.picture, face.landmarks, 0.0), face.picture).sum()
        assert low < different.sum() < high


def test_the_same_mask_is_drawn_again(found: list[LandmarkedFace]) -> None:
    face = found[0]
    for cover in (cover_with_mask, cover_with_sunglasses):
        first, second = (cover(face.picture, face.landmarks) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_what_cannot_be_covered_is_refused(found: list[LandmarkedFace]) -> None:
    face = found[0]
    for nose in (-0.1, 1.5, float("nan"), True):
        with pytest.raises(StimulusError, match=r"from 0 .* to 1"):
            cover_with_mask(face.picture, face.landmarks, nose)
    beyond = face.landmarks + np.array([200, 0])
    with pytest.raises(StimulusError, match="mouth must lie within the picture"):
        cover_with_mask(face.picture, beyond)
    with pytest.raises(StimulusError, match="eyes must lie within the picture"):
        cover_with_sunglasses(face.picture, beyond)
    aside = face.landmarks.copy()
    aside[27:36, 0] = aside[16, 0] + 5
    with pytest.raises(StimulusError, match="two cheeks"):
        cover_with_mask(face.picture, aside)
