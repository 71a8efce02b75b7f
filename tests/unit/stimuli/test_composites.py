"""Composites show the halves of two faces."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.stimuli import composite, face_width, find_landmarks, part_mask
from facebench.stimuli.catalogue import LandmarkedFace
from support.pictures import best_shift, near, shown

RIGHT_EYE, LEFT_EYE, LIPS, CHIN = slice(36, 42), slice(42, 48), slice(48, 60), 8


@pytest.mark.slow
def test_composites_show_the_upper_half_of_one_and_the_lower_half_of_the_other(
    found: list[LandmarkedFace],
) -> None:
    face, other = found[0], found[1]
    rest = (other.picture, other.landmarks)
    whole = composite(face.picture, face.landmarks, *rest)
    eyes = near(face.landmarks[36:48], whole.shape, 0.0)
    np.testing.assert_array_equal(whole[eyes], face.picture[eyes])
    # The same halves, moved apart along the line of the eyes.
    aligned, misaligned = (
        composite(face.picture, face.landmarks, *rest, shift, room=0.35) for shift in (0.0, 0.35)
    )
    placed = find_landmarks(aligned)
    assert placed is not None
    for feature, direction in ((slice(36, 48), -1), (LIPS, 1)):
        box = (placed[feature].min(axis=0), placed[feature].max(axis=0))
        step = best_shift(aligned, misaligned, box, 1, 60)
        assert step == pytest.approx(direction * 0.175 * face_width(placed), abs=3)
    assert (aligned[0, 0] == 128).all()


@pytest.mark.slow
def test_composites_show_as_much_misaligned_as_aligned(found: list[LandmarkedFace]) -> None:
    """What the edge cut off would be taken for an effect of alignment."""
    for face, first, second, shift in ((*found[:3], 0.35), (*found[1:4], -0.2)):
        areas, distances = [], []
        for misalignment in (0.0, shift):
            pair = [
                composite(
                    face.picture, face.landmarks, o.picture, o.landmarks, misalignment, abs(shift)
                )
                for o in (first, second)
            ]
            areas.append([shown(picture) for picture in pair])
            distances.append(np.linalg.norm(np.subtract(*(p.astype(float) for p in pair))))
        np.testing.assert_allclose(areas[1], areas[0], rtol=0.02)
        assert distances[1] == pytest.approx(distances[0], rel=1e-3)


def test_composites_of_faces_at_the_edge_show_as_much_in_both(found: list[LandmarkedFace]) -> None:
    face, other = found[0], found[1]
    cut = face.picture[:, round(face.landmarks[0, 0]) + 10 :]
    points = face.landmarks - (face.picture.shape[1] - cut.shape[1], 0)
    pair = [
        composite(cut, points, other.picture, other.landmarks, shift, 0.35) for shift in (0, 0.35)
    ]
    assert shown(pair[0]) == pytest.approx(shown(pair[1]), rel=0.02)
    assert pair[0].shape == cut.shape


def test_a_seam_is_not_brighter_on_one_side(found: list[LandmarkedFace]) -> None:
    """Halves of one face in two lights meet at the cut as the face itself does."""
    face = found[3]
    darker = (0.6 * face.picture).astype(np.uint8)
    mixed = composite(face.picture, face.landmarks, darker, face.landmarks)
    inside = part_mask(face.landmarks, "face", mixed.shape) == 1
    assert np.abs(mixed[inside].astype(float) - face.picture[inside]).mean() < 3


def test_a_composite_with_oneself_is_oneself(found: list[LandmarkedFace]) -> None:
    face = found[3]
    mixed = composite(face.picture, face.landmarks, face.picture, face.landmarks)
    inside = part_mask(face.landmarks, "face", mixed.shape) == 1
    np.testing.assert_array_equal(mixed[inside], face.picture[inside])
    assert (mixed[part_mask(face.landmarks, "face", mixed.shape) == 0] == 128).all()
