"""Faces of one luminance: the targets are met, and what is cut off is counted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from facebench.errors import StimulusError
from facebench.stimuli import Luminance, match_histogram, match_luminance, part_mask, rms_contrast
from facebench.stimuli.catalogue import LandmarkedFace
from facebench.stimuli.matching import clipped_share


def luma_of_face(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    within = part_mask(landmarks, "face", picture.shape) > 0.5
    return (picture[within] @ np.array([0.299, 0.587, 0.114])) / 255


@pytest.mark.parametrize(("mean", "contrast"), [(0.5, 0.12), (0.3, 0.05), (0.6, 0.2)])
def test_mean_and_contrast_are_met(
    found: list[LandmarkedFace], mean: float, contrast: float
) -> None:
    for face in found:
        matched = match_luminance(face.picture, face.landmarks, mean, contrast)
        values = luma_of_face(matched, face.landmarks)
        assert values.mean() == pytest.approx(mean, abs=0.55 / 255)
        assert values.std() == pytest.approx(contrast, abs=0.55 / 255)
        # What it has already stays.
        again = match_luminance(matched, face.landmarks, float(values.mean()), float(values.std()))
        assert np.abs(again.astype(int) - matched).max() <= 1


def test_matching_keeps_order_and_colour(found: list[LandmarkedFace]) -> None:
    face = found[0]
    own = Luminance.of(face.picture, face.landmarks)
    matched = match_luminance(face.picture, face.landmarks, own.mean, own.contrast / 2)
    before, after = (picture.astype(float) - picture.mean(axis=2, keepdims=True)
                     for picture in (face.picture, matched))  # fmt: skip
    np.testing.assert_allclose(after, before / 2, atol=1.1)
    assert clipped_share(face.picture, matched, face.landmarks) == 0


def test_histograms_are_met_exactly(found: list[LandmarkedFace]) -> None:
    target = Luminance.average([Luminance.of(one.picture, one.landmarks) for one in found])
    shares = (np.arange(256) + 0.5) / 256
    for face in found:
        matched = match_histogram(face.picture, face.landmarks, target.quantiles)
        assert (matched == matched[..., :1]).all()
        values = luma_of_face(matched, face.landmarks)
        reached = np.quantile(values, shares, method="hazen")
        np.testing.assert_allclose(reached, target.quantiles, atol=1.5 / 255)
        assert values.mean() == pytest.approx(target.mean, abs=0.3 / 255)
        before = luma_of_face(face.picture, face.landmarks)
        # The order of the pixels stays.
        assert spearmanr(before, values).statistic > 0.99


def test_measures_of_a_face(found: list[LandmarkedFace]) -> None:
    face = found[0]
    measured = Luminance.of(face.picture, face.landmarks)
    values = luma_of_face(face.picture, face.landmarks)
    assert measured.mean == pytest.approx(values.mean())
    assert measured.contrast == pytest.approx(values.std())
    assert measured.quantiles[0] == pytest.approx(np.quantile(values, 1 / 512, method="hazen"))
    given = Luminance.average([measured]).with_given(0.25, None)
    assert (given.mean, given.contrast) == (0.25, pytest.approx(measured.contrast, abs=1e-6))


def test_what_is_cut_off_is_counted(found: list[LandmarkedFace]) -> None:
    face = found[0]
    after = face.picture.copy()
    within = np.argwhere(part_mask(face.landmarks, "face", after.shape) > 0.5)
    chosen = within[: len(within) // 4]
    after[chosen[:, 0], chosen[:, 1]] = (255, 100, 100)
    known = (face.picture[within[:, 0], within[:, 1]] == 255).any(axis=1)
    expected = (~known[: len(chosen)]).sum() / len(within)
    assert clipped_share(face.picture, after, face.landmarks) == pytest.approx(expected)


def test_what_cannot_be_matched_is_refused(found: list[LandmarkedFace]) -> None:
    face = found[0]
    with pytest.raises(StimulusError, match="cannot be brought to a mean"):
        match_luminance(face.picture, face.landmarks, 0.9, 0.4)
    flat = np.full_like(face.picture, 90)
    assert rms_contrast(flat) < 1e-9
    with pytest.raises(StimulusError, match="cannot be brought"):
        match_luminance(flat, face.landmarks, 0.5, 0.1)
    with pytest.raises(StimulusError, match="'mean' must lie between 0 and 1"):
        match_luminance(face.picture, face.landmarks, 128, 0.1)
    with pytest.raises(StimulusError, match="'contrast' must lie"):
        match_luminance(face.picture, face.landmarks, 0.5, True)
    for bad in ([0.5], [0.6, 0.4], [0.2, 1.2], [[0.1, 0.2]]):
        with pytest.raises(StimulusError, match="rising numbers"):
            match_histogram(face.picture, face.landmarks, bad)
    with pytest.raises(StimulusError, match="within the picture"):
        Luminance.of(face.picture, face.landmarks + 5000)
