"""Exchanged features are those of the other face."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.stimuli import composite, exchange_feature
from facebench.stimuli.catalogue import LandmarkedFace
from support.pictures import changed, near

RIGHT_EYE, LEFT_EYE, LIPS, CHIN = slice(36, 42), slice(42, 48), slice(48, 60), 8


@pytest.mark.parametrize("feature", ["eyes", "mouth"])
def test_exchanged_features_are_those_of_the_other(
    found: list[LandmarkedFace], feature: str
) -> None:
    face, other = found[0], found[2]
    mixed = exchange_feature(face.picture, face.landmarks, other.picture, other.landmarks, feature)
    parts = [RIGHT_EYE, LEFT_EYE] if feature == "eyes" else [LIPS]
    far = np.ones(face.picture.shape[:2], bool)
    for part in parts:
        outline = face.landmarks[part]
        assert changed(mixed, face.picture)[near(outline, mixed.shape, -0.1)].mean() > 0.5
        far &= ~near(outline, mixed.shape, 1.2)
    assert not changed(mixed, face.picture)[far].any()
    own = exchange_feature(face.picture, face.landmarks, face.picture, face.landmarks, feature)
    assert np.abs(own.astype(int) - face.picture).max() <= 1


@pytest.mark.parametrize("light", [(0.45, 0.45, 0.45), (1.0, 0.75, 0.5), (0.6, 0.75, 1.0)])
def test_another_light_makes_no_other_mouth(found: list[LandmarkedFace], light: Any) -> None:
    """The donor's light must not turn lips blue, or teeth."""
    face, other = found[0], found[2]
    lit = (other.picture * light).astype(np.uint8)
    pair = [
        exchange_feature(face.picture, face.landmarks, picture, other.landmarks, "mouth")
        for picture in (other.picture, lit)
    ]
    lips = near(face.landmarks[LIPS], face.picture.shape, 0.0)
    plain, relit = (picture[lips].astype(float) for picture in pair)
    assert np.abs(plain - relit).mean() < 16
    # Redder than blue, as lips and skin are.
    assert (relit[:, 0] - relit[:, 2]).mean() > 0.5 * (plain[:, 0] - plain[:, 2]).mean()


@pytest.mark.slow
def test_pictures_of_other_sizes_lend_their_parts(found: list[LandmarkedFace]) -> None:
    face, other = found[0], found[1]
    large = np.asarray(Image.fromarray(other.picture).resize((500, 500), Image.Resampling.BICUBIC))
    for make in (composite, exchange_feature):
        small_parts = make(face.picture, face.landmarks, other.picture, other.landmarks)
        large_parts = make(face.picture, face.landmarks, large, 2 * other.landmarks + 0.5)
        assert np.abs(small_parts.astype(int) - large_parts).mean() < 2
