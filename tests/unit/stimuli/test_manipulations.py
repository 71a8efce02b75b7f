"""Manipulations of a picture by its 68 landmarks: what each must change, and must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from facebench.errors import StimulusError
from facebench.stimuli import (
    add_noise,
    change_eye_distance,
    composite,
    exchange_feature,
    face_width,
    feature_outlines,
    high_pass,
    invert,
    low_pass,
    move_mouth,
    negate,
    part_mask,
    pixelate,
    rms_contrast,
    scramble_phase,
    show_only,
    thatcherise,
    to_grey,
)
from facebench.stimuli.catalogue import Face

Picture = NDArray[np.uint8]
pictures = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)))
RIGHT_EYE, LEFT_EYE, LIPS, CHIN = slice(36, 42), slice(42, 48), slice(48, 60), 8


def near(points: Any, shape: tuple[int, ...], reach: float) -> NDArray[np.bool_]:
    """Return which pixels lie within a box around points, grown by a share of its width."""
    grown = reach * np.ptp(points, axis=0).max()
    (left, top), (right, bottom) = points.min(axis=0) - grown, points.max(axis=0) + grown
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def changed(first: Picture, second: Picture) -> NDArray[np.bool_]:
    return np.asarray((first != second).any(axis=2))


def similar(first: Picture, second: Picture, where: NDArray[np.bool_]) -> float:
    return float(np.corrcoef(first[where].ravel(), second[where].ravel())[0, 1])


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


def test_thatcherising_twice_gives_nearly_the_face_back(found: list[Face]) -> None:
    for face in found:
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


def test_low_and_high_pass_add_up_to_the_picture(found: list[Face]) -> None:
    for cycles in (4.0, 8.0, 16.0):
        for face in found:
            # Little contrast, so that nothing is cut off at black and white.
            picture = (face.picture // 4 + 96).astype(np.uint8)
            low = low_pass(picture, face.landmarks, cycles).astype(int)
            high = high_pass(picture, face.landmarks, cycles).astype(int)
            assert np.abs(low + high - 128 - picture).max() <= 1


@pytest.mark.parametrize("cycles", [4.0, 8.0])
def test_the_cutoff_is_where_half_of_a_grating_is_left(found: list[Face], cycles: float) -> None:
    landmarks = found[0].landmarks
    frequency = cycles / face_width(landmarks)
    x = np.arange(400)
    wave = 128 + 100 * np.sin(2 * np.pi * frequency * x)
    grating = np.round(np.broadcast_to(wave[None, :, None], (40, 400, 3))).astype(np.uint8)
    middle = slice(100, 300)
    for make in (low_pass, high_pass):
        amplitude = np.sqrt(2) * make(grating, landmarks, cycles)[:, middle].std()
        assert amplitude == pytest.approx(50, rel=0.06)


def test_frequencies_follow_the_face_not_the_picture(found: list[Face]) -> None:
    face = found[0]
    large = np.asarray(Image.fromarray(face.picture).resize((500, 500), Image.Resampling.BICUBIC))
    small = low_pass(face.picture, face.landmarks, 5.0).astype(int)
    reduced = np.asarray(
        Image.fromarray(low_pass(large, 2 * face.landmarks + 0.5, 5.0)).resize((250, 250))
    )
    assert np.abs(small - reduced).mean() < 2


def test_scrambling_keeps_the_amplitude_spectrum_and_nothing_else(found: list[Face]) -> None:
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


def test_noise_has_the_contrast_that_was_asked_for(found: list[Face]) -> None:
    picture = (found[0].picture // 4 + 96).astype(np.uint8)
    for snr in (0.5, 1.0, 4.0):
        noise = add_noise(picture, snr, seed=1).astype(float) - picture
        assert noise.std() / 255 == pytest.approx(rms_contrast(picture) / snr, rel=0.02)
        assert noise.mean() == pytest.approx(0, abs=1)
    grey = add_noise(to_grey(picture), 1.0)
    assert (grey == grey[..., :1]).all()


def test_pixelated_faces_are_so_many_blocks_wide(found: list[Face]) -> None:
    face = found[0]
    for across in (8, 16, 32):
        coarse = pixelate(face.picture, face.landmarks, across)
        steps = np.flatnonzero(changed(coarse[:, 1:], coarse[:, :-1]).any(axis=0))
        block = face_width(face.landmarks) / across
        assert len(steps) + 1 == pytest.approx(face.picture.shape[1] / block, abs=1)
    assert coarse.mean() == pytest.approx(face.picture.mean(), abs=1)


def test_masks_are_where_their_features_are_and_apart(found: list[Face]) -> None:
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


def test_only_the_part_is_shown(found: list[Face]) -> None:
    face = found[0]
    for part in ("eyes", "mouth", "internal", "external"):
        mask = part_mask(face.landmarks, part, face.picture.shape)
        shown = show_only(face.picture, face.landmarks, part)
        np.testing.assert_array_equal(shown[mask == 1], face.picture[mask == 1])
        assert (shown[mask == 0] == 128).all()


def test_a_part_outside_of_the_picture_shows_nothing(found: list[Face]) -> None:
    away = found[0].landmarks + 1000
    assert (show_only(found[0].picture, away, "eyes") == 128).all()
    np.testing.assert_array_equal(show_only(found[0].picture, away, "external"), found[0].picture)


def best_shift(before: Picture, after: Picture, where: Any, axis: int, most: int) -> int:
    """Return by how many pixels a window has moved, from the best match."""
    (left, top), (right, bottom) = (np.round(edge).astype(int) for edge in where)
    window = before[top:bottom, left:right].astype(float)

    def error(step: int) -> float:
        y, x = (step, 0) if axis == 0 else (0, step)
        return float(np.abs(after[top + y : bottom + y, left + x : right + x] - window).mean())

    return min(range(-most, most + 1), key=error)


def test_eyes_move_apart_and_nothing_else_changes(found: list[Face]) -> None:
    face = found[0]
    right, left = face.landmarks[RIGHT_EYE], face.landmarks[LEFT_EYE]
    distance = np.linalg.norm(left.mean(axis=0) - right.mean(axis=0))
    for change in (-0.12, 0.12):
        moved = change_eye_distance(face.picture, face.landmarks, change)
        step = 0.5 * change * distance
        for eye, expected in ((right, -step), (left, step)):
            box = (eye.min(axis=0), eye.max(axis=0))
            assert best_shift(face.picture, moved, box, 1, 8) == pytest.approx(expected, abs=0.6)
        different = changed(moved, face.picture)
        assert not different[~near(face.landmarks[36:48], different.shape, 0.5)].any()
        lips = near(face.landmarks[LIPS], different.shape, 0.0)
        assert not different[lips].any()
    still = change_eye_distance(face.picture, face.landmarks, 0.0)
    np.testing.assert_array_equal(still, face.picture)


def test_the_mouth_moves_down_and_nothing_else_changes(found: list[Face]) -> None:
    face = found[0]
    eyes = [face.landmarks[eye].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)]
    distance = np.linalg.norm(eyes[1] - eyes[0])
    lips = face.landmarks[LIPS]
    for shift in (-0.08, 0.1):
        moved = move_mouth(face.picture, face.landmarks, shift)
        box = (lips.min(axis=0), lips.max(axis=0))
        expected = shift * distance
        assert best_shift(face.picture, moved, box, 0, 10) == pytest.approx(expected, abs=1.1)
        different = changed(moved, face.picture)
        assert not different[~near(lips, different.shape, 1.0)].any()
        assert not different[near(face.landmarks[36:48], different.shape, 0.0)].any()


@pytest.mark.parametrize("feature", ["eyes", "mouth"])
def test_exchanged_features_are_those_of_the_other(found: list[Face], feature: str) -> None:
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


def test_composites_show_the_upper_half_of_one_and_the_lower_half_of_the_other(
    found: list[Face],
) -> None:
    face, other = found[0], found[1]
    rest = (other.picture, other.landmarks)
    aligned = composite(face.picture, face.landmarks, *rest)
    misaligned = composite(face.picture, face.landmarks, *rest, 0.35)
    eyes = near(face.landmarks[36:48], aligned.shape, 0.0)
    np.testing.assert_array_equal(aligned[eyes], face.picture[eyes])
    np.testing.assert_array_equal(misaligned[eyes], face.picture[eyes])
    # The same lower half, moved along the line of the eyes.
    lips = face.landmarks[LIPS]
    box = (lips.min(axis=0), lips.max(axis=0))
    step = best_shift(aligned, misaligned, box, 1, 60)
    assert step == pytest.approx(0.35 * face_width(face.landmarks), abs=3)
    assert (aligned[0, 0] == 128).all()


def test_a_composite_with_oneself_is_oneself(found: list[Face]) -> None:
    face = found[3]
    mixed = composite(face.picture, face.landmarks, face.picture, face.landmarks)
    inside = part_mask(face.landmarks, "face", mixed.shape) == 1
    np.testing.assert_array_equal(mixed[inside], face.picture[inside])
    assert (mixed[part_mask(face.landmarks, "face", mixed.shape) == 0] == 128).all()


def test_pictures_of_other_sizes_lend_their_parts(found: list[Face]) -> None:
    face, other = found[0], found[1]
    large = np.asarray(Image.fromarray(other.picture).resize((500, 500), Image.Resampling.BICUBIC))
    for make in (composite, exchange_feature):
        small_parts = make(face.picture, face.landmarks, other.picture, other.landmarks)
        large_parts = make(face.picture, face.landmarks, large, 2 * other.landmarks + 0.5)
        assert np.abs(small_parts.astype(int) - large_parts).mean() < 2


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
