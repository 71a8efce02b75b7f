"""Inversion, the Thatcher illusion and aligned chips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from facebench.errors import StimulusError
from facebench.stimuli import RenderedFace, aligned_chip, invert, rotate, thatcherise
from support.pictures import Picture, pictures

REGIONS = ("left_eye", "right_eye", "mouth")


def regions(face: RenderedFace) -> list[Any]:
    return [face.landmarks[name] for name in REGIONS]


def test_inverting_twice_gives_the_picture_back(faces: list[RenderedFace]) -> None:
    image = faces[0].image
    assert (invert(invert(image)) == image).all()
    assert (invert(image)[0, 0] == image[-1, -1]).all()


@given(pictures, st.sampled_from([-270, -180, -90, 0, 90, 180, 270, 360]))
def test_right_angles_are_exact(picture: Picture, angle: int) -> None:
    turned = rotate(picture, angle, aperture=None)
    height, width = picture.shape[:2]
    if angle % 180 == 0:
        expected = picture if angle % 360 == 0 else invert(picture)
        np.testing.assert_array_equal(turned, expected)
    elif height == width:
        # NumPy turns anticlockwise.
        np.testing.assert_array_equal(turned, np.rot90(picture, -angle // 90))
    else:
        known = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()} | {(128,) * 3}
        assert {tuple(colour) for colour in turned.reshape(-1, 3).tolist()} <= known


@pytest.mark.parametrize("angle", [30.0, -45.0, 110.5])
def test_a_turn_is_clockwise_and_can_be_turned_back(
    faces: list[RenderedFace], angle: float
) -> None:
    picture = faces[0].image
    there = rotate(picture, angle)
    radius = np.hypot(*(np.mgrid[:250, :250] - 124.5))
    assert (there[radius > 126] == 128).all()
    # SciPy turns anticlockwise.
    expected = ndimage.rotate(picture.astype(float), -angle, reshape=False, mode="nearest")
    inside = radius < 120
    assert np.abs(there[inside] - np.clip(expected, 0, 255)[inside]).max() < 1
    back = rotate(there, -angle)
    assert np.abs(back[inside].astype(int) - picture[inside]).mean() < 1.5


@pytest.mark.parametrize(("angle", "aperture"), [(float("nan"), 1.0), (True, 1.0), (5, 0), (5, 2)])
def test_turns_that_cannot_be_are_refused(angle: float, aperture: float) -> None:
    with pytest.raises(StimulusError, match="Got"):
        rotate(np.zeros((4, 4, 3), np.uint8), angle, aperture)


def test_thatcherise_touches_only_the_regions(faces: list[RenderedFace]) -> None:
    for face in faces:
        original = face.image.copy()
        changed = thatcherise(face.image, regions(face))
        assert (face.image == original).all()
        different = (changed != original).any(axis=2)
        y, x = np.mgrid[: different.shape[0], : different.shape[1]]
        far = np.ones_like(different)
        for outline in regions(face):
            centre, reach = outline.mean(axis=0), np.ptp(outline, axis=0).max()
            far &= np.hypot(x - centre[0], y - centre[1]) > 1.0 * reach
            inside = np.hypot(x - centre[0], y - centre[1]) < 0.3 * reach
            assert different[inside].mean() > 0.5
        assert not different[far].any()


def test_thatcherise_turns_the_middle_of_a_region_by_half_a_turn() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (61, 61, 3), dtype=np.uint8)
    square = [(20, 20), (40, 20), (40, 40), (20, 40)]
    changed = thatcherise(picture, [square])
    middle = (slice(26, 35), slice(26, 35))
    assert np.corrcoef(changed[middle].ravel(), invert(picture)[middle].ravel())[0, 1] > 0.97
    assert np.corrcoef(changed[middle].ravel(), picture[middle].ravel())[0, 1] < 0.5


def test_thatcherise_leaves_no_seam() -> None:
    ramp = np.linspace(60, 180, 81).astype(np.uint8)
    picture = np.repeat(np.repeat(ramp[:, None, None], 81, axis=1), 3, axis=2)
    changed = thatcherise(picture, [[(25, 30), (55, 30), (55, 50), (25, 50)]]).astype(int)
    assert np.abs(np.diff(changed[..., 0], axis=0)).max() < 16
    assert np.abs(np.diff(changed[..., 0], axis=1)).max() < 16


def test_regions_at_the_border_are_cut_off() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    assert thatcherise(picture, [[(-5, -5), (5, -5), (5, 5)]]).shape == picture.shape
    outside = [[(-50, -50), (-40, -50), (-40, -40)]]
    np.testing.assert_array_equal(thatcherise(picture, outside), picture)


def test_aligned_chip_is_that_of_dlib(faces: list[RenderedFace]) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib is not installed")
    for face in faces:
        five = np.round(face.landmarks["five_points"])
        parts = dlib.points([dlib.point(int(x), int(y)) for x, y in five])
        whole = dlib.rectangle(0, 0, 249, 249)
        shape = dlib.full_object_detection(whole, parts)
        for size, padding, limit in [
            (150, 0.25, 0.3),
            (112, 0.1, 0.3),
            (64, 0.25, 1.0),
            (32, 0.25, 2.0),
        ]:
            theirs = dlib.get_face_chip(face.image, shape, size, padding).astype(int)
            ours = aligned_chip(face.image, five, size, padding)
            assert np.abs(theirs - ours).mean() < limit


def test_aligned_chip_undoes_pose(faces: list[RenderedFace]) -> None:
    face = faces[1]
    turned = invert(face.image)
    chip = aligned_chip(face.image, face.landmarks["five_points"], size=100)
    same = aligned_chip(turned, 249 - face.landmarks["five_points"], size=100)
    assert np.abs(chip.astype(int) - same).mean() < 1.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: invert(np.zeros((4, 4))),
        lambda: invert(np.zeros((4, 4, 3))),
        lambda: thatcherise(np.zeros((4, 4, 3), np.uint8), [[(0, 0), (1, 1)]]),
        lambda: aligned_chip(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 2))),
        lambda: aligned_chip(np.zeros((4, 4, 3), np.uint8), np.zeros((5, 2))),
        lambda: aligned_chip(np.zeros((4, 4, 3), np.uint8), np.eye(5)[:, :2], size=1),
        lambda: aligned_chip(np.zeros((4, 4, 3), np.uint8), np.eye(5)[:, :2], padding=-1),
    ],
)
def test_what_cannot_be_used_is_refused(make: Any) -> None:
    with pytest.raises(StimulusError, match="Got"):
        make()


def test_thatcherise_softens_the_edge_of_what_covers_a_mouth() -> None:
    """A black thing at one side of the mouth comes to the other without a hard edge there."""
    picture = np.full((90, 90, 3), (200, 150, 120), np.uint8)
    picture[52:] = 8
    changed = thatcherise(picture, [[(25, 36), (65, 36), (65, 56), (25, 56)]]).astype(int)
    inside = changed[30:42, 30:60]
    assert inside.min() < 60  # it is there
    # Away from its own edge, which is turned along with it.
    edge = changed[:38]
    for axis in (0, 1):
        assert np.abs(np.diff(edge, axis=axis)).max() < 40
    # Nothing glows beside it.
    assert (changed <= np.add((200, 150, 120), 15)).all()
