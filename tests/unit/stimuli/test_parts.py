"""Parts of faces are where their features are."""

from __future__ import annotations

import numpy as np

from facebench.stimuli import part_mask, show_only
from facebench.stimuli.catalogue import LandmarkedFace

RIGHT_EYE, LEFT_EYE, LIPS, CHIN = slice(36, 42), slice(42, 48), slice(48, 60), 8


def test_masks_are_where_their_features_are_and_apart(found: list[LandmarkedFace]) -> None:
    for face in found:
        shape, points = face.picture.shape, face.landmarks
        masks = {name: part_mask(points, name, shape) for name in
                 ("eyes", "mouth", "internal", "external", "face")}  # fmt: skip
        for mask in masks.values():
            assert mask.shape == shape[:2]
            assert mask.min() >= 0
            assert mask.max() <= 1
        assert not (masks["eyes"] * masks["mouth"]).any()
        np.testing.assert_allclose(masks["internal"] + masks["external"], 1)
        assert (masks["internal"] >= np.maximum(masks["eyes"], masks["mouth"]) - 1e-9).all()
        inside = {"eyes": points[36:48], "mouth": points[48:60], "internal": points[17:68]}
        for name, own in inside.items():
            x, y = np.round(own).astype(int).T
            assert masks[name][y, x].min() == 1
        x, y = np.round(points[CHIN]).astype(int)
        assert masks["external"][y, x] == 1


def test_only_the_part_is_shown(found: list[LandmarkedFace]) -> None:
    face = found[0]
    for part in ("eyes", "mouth", "internal", "external"):
        mask = part_mask(face.landmarks, part, face.picture.shape)
        shown = show_only(face.picture, face.landmarks, part)
        np.testing.assert_array_equal(shown[mask == 1], face.picture[mask == 1])
        assert (shown[mask == 0] == 128).all()


def test_a_part_outside_of_the_picture_shows_nothing(found: list[LandmarkedFace]) -> None:
    away = found[0].landmarks + 1000
    assert (show_only(found[0].picture, away, "eyes") == 128).all()
    np.testing.assert_array_equal(show_only(found[0].picture, away, "external"), found[0].picture)
