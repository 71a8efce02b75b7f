"""Tones: negation, grey, noise, contrast and pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from facebench.errors import StimulusError
from facebench.stimuli import (
    add_noise,
    face_width,
    high_pass,
    invert,
    low_pass,
    negate,
    part_mask,
    pixelate,
    reduce_contrast,
    rms_contrast,
    set_contrast,
    to_grey,
)
from facebench.stimuli.catalogue import LandmarkedFace
from support.pictures import Picture, changed, pictures


@given(pictures)
def test_negating_and_inverting_twice_give_the_picture_back(picture: Picture) -> None:
    np.testing.assert_array_equal(negate(negate(picture)), picture)
    np.testing.assert_array_equal(invert(invert(picture)), picture)
    np.testing.assert_array_equal(negate(invert(picture)), invert(negate(picture)))


@given(pictures)
def test_grey_is_that_of_pillow_and_stays_grey(picture: Picture) -> None:
    grey = to_grey(picture)
    theirs = np.asarray(Image.fromarray(picture).convert("L")).astype(int)
    assert np.abs(grey - theirs[..., None]).max() <= 1
    np.testing.assert_array_equal(to_grey(grey), grey)


def test_noise_has_the_contrast_that_was_asked_for(found: list[LandmarkedFace]) -> None:
    picture = (found[0].picture // 4 + 96).astype(np.uint8)
    for snr in (0.5, 1.0, 4.0):
        noise = add_noise(picture, snr, seed=1).astype(float) - picture
        assert noise.std() / 255 == pytest.approx(rms_contrast(picture) / snr, rel=0.02)
        assert noise.mean() == pytest.approx(0, abs=1)
    grey = add_noise(to_grey(picture), 1.0)
    assert (grey == grey[..., :1]).all()


def face_contrast(picture: Picture, face: LandmarkedFace) -> float:
    inside = part_mask(face.landmarks, "face", picture.shape) > 0.5
    return float((picture[inside] @ [0.299, 0.587, 0.114]).std() / 255)


def test_filtered_faces_have_the_contrast_that_was_asked_for(found: list[LandmarkedFace]) -> None:
    for face in found:
        for make in (low_pass, high_pass):
            plain, set_to = (make(face.picture, face.landmarks, contrast=c) for c in (None, 0.1))
            assert face_contrast(set_to, face) == pytest.approx(0.1, rel=0.03)
            assert face_contrast(plain, face) != pytest.approx(0.1, rel=0.06)
        whole = set_contrast(face.picture, face.landmarks, 0.1)
        assert face_contrast(whole, face) == pytest.approx(0.1, rel=0.06)
    uniform = np.full((60, 60, 3), 99, np.uint8)
    np.testing.assert_array_equal(set_contrast(uniform, FACE, 0.1), uniform)


def test_pixelated_faces_are_so_many_blocks_wide(found: list[LandmarkedFace]) -> None:
    face = found[0]
    for across in (8, 16, 32):
        coarse = pixelate(face.picture, face.landmarks, across)
        steps = np.flatnonzero(changed(coarse[:, 1:], coarse[:, :-1]).any(axis=0))
        block = face_width(face.landmarks) / across
        assert len(steps) + 1 == pytest.approx(face.picture.shape[1] / block, abs=1)
    assert coarse.mean() == pytest.approx(face.picture.mean(), abs=1)


FACE = np.stack([np.arange(68), np.arange(68) ** 2 % 61], axis=1).astype(float)


def test_contrast_is_reduced_about_the_colour_of_the_face(found: list[LandmarkedFace]) -> None:
    face = found[0]
    np.testing.assert_array_equal(reduce_contrast(face.picture, face.landmarks, 1), face.picture)
    within = part_mask(face.landmarks, "face", face.picture.shape) > 0.5
    middle = face.picture[within].mean(axis=0)
    half = reduce_contrast(face.picture, face.landmarks, 0.5)
    np.testing.assert_allclose(half, (face.picture + middle) / 2, atol=0.51)
    assert rms_contrast(half) == pytest.approx(rms_contrast(face.picture) / 2, abs=0.002)
    assert rms_contrast(reduce_contrast(face.picture, face.landmarks, 0)) < 1e-9
    for gain in (-0.1, 1.5, float("nan"), True):
        with pytest.raises(StimulusError, match="from 0 to 1"):
            reduce_contrast(face.picture, face.landmarks, gain)
