"""Spatial frequencies: filters, and scrambled phases."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import fft

from facebench.errors import StimulusError
from facebench.stimuli import blur, face_width, high_pass, low_pass, scramble_phase
from facebench.stimuli.catalogue import LandmarkedFace
from support.pictures import changed, similar


def test_low_and_high_pass_add_up_to_the_picture(found: list[LandmarkedFace]) -> None:
    for cycles in (4.0, 8.0, 16.0):
        for face in found:
            # Little contrast, so that nothing is cut off at black and white.
            picture = (face.picture // 4 + 96).astype(np.uint8)
            low = low_pass(picture, face.landmarks, cycles).astype(int)
            high = high_pass(picture, face.landmarks, cycles).astype(int)
            assert np.abs(low + high - 128 - picture).max() <= 1


@pytest.mark.parametrize("cycles", [4.0, 8.0])
def test_the_cutoff_is_where_half_of_a_grating_is_left(
    found: list[LandmarkedFace], cycles: float
) -> None:
    landmarks = found[0].landmarks
    frequency = cycles / face_width(landmarks)
    x = np.arange(400)
    wave = 128 + 100 * np.sin(2 * np.pi * frequency * x)
    grating = np.round(np.broadcast_to(wave[None, :, None], (40, 400, 3))).astype(np.uint8)
    middle = slice(100, 300)
    for make in (low_pass, high_pass):
        amplitude = np.sqrt(2) * make(grating, landmarks, cycles)[:, middle].std()
        assert amplitude == pytest.approx(50, rel=0.06)


def test_frequencies_follow_the_face_not_the_picture(found: list[LandmarkedFace]) -> None:
    face = found[0]
    large = np.asarray(Image.fromarray(face.picture).resize((500, 500), Image.Resampling.BICUBIC))
    small = low_pass(face.picture, face.landmarks, 5.0).astype(int)
    reduced = np.asarray(
        Image.fromarray(low_pass(large, 2 * face.landmarks + 0.5, 5.0)).resize((250, 250))
    )
    assert np.abs(small - reduced).mean() < 2


def test_scrambling_keeps_the_amplitude_spectrum_and_nothing_else(
    found: list[LandmarkedFace],
) -> None:
    for seed, face in enumerate(found):
        picture = (face.picture // 4 + 96).astype(np.uint8)
        scrambled = scramble_phase(picture, seed)
        before, after = (
            np.abs(fft.fft2(p.astype(float), axes=(0, 1))) for p in (picture, scrambled)
        )
        # Rounding is white noise of 1/12: some 70 per coefficient of 250 x 250 pixels.
        assert np.abs(before - after).max() < 6 * np.sqrt(picture[..., 0].size / 12)
        np.testing.assert_allclose(scrambled.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=0.1)
        everywhere = np.ones(picture.shape[:2], bool)
        assert abs(similar(scrambled, picture, everywhere)) < 0.5
        np.testing.assert_array_equal(scrambled, scramble_phase(picture, seed))
        assert changed(scrambled, scramble_phase(picture, seed + 1)).mean() > 0.9


def test_a_blur_is_the_low_pass_of_its_width(found: list[LandmarkedFace]) -> None:
    face = found[0]
    np.testing.assert_array_equal(blur(face.picture, face.landmarks, 0), face.picture)
    sigma = np.sqrt(np.log(2) / 2) / (np.pi * 8)
    np.testing.assert_array_equal(
        blur(face.picture, face.landmarks, float(sigma)), low_pass(face.picture, face.landmarks, 8)
    )
    for bad in (-0.1, float("inf"), True):
        with pytest.raises(StimulusError, match="of at least 0"):
            blur(face.picture, face.landmarks, bad)
