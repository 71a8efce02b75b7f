"""Manipulations of a picture by its 68 landmarks: what each must change, and must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    RenderedFace,
    add_noise,
    change_eye_distance,
    composite,
    exchange_feature,
    face_width,
    feature_outlines,
    find_landmarks,
    head_yaw,
    high_pass,
    invert,
    low_pass,
    move_mouth,
    negate,
    part_mask,
    pixelate,
    render_face,
    rms_contrast,
    sample_identity,
    sample_view,
    scramble_phase,
    set_contrast,
    show_only,
    thatcherise,
    to_grey,
)
from facebench.stimuli.catalogue import Face
from facebench.stimuli.skin_tone import colours, tones

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


def test_thatcherising_twice_gives_nearly_the_face_back(
    found: list[Face], faces: list[RenderedFace]
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


def _mouth_is_found(face: Face, faces: list[RenderedFace]) -> bool:
    drawn = next(other for other in faces if np.array_equal(other.image, face.picture))
    missed_by = face.landmarks[48:60].mean(axis=0) - drawn.landmarks["mouth"].mean(axis=0)
    return bool(np.hypot(*missed_by) < 5)


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


def face_contrast(picture: Picture, face: Face) -> float:
    inside = part_mask(face.landmarks, "face", picture.shape) > 0.5
    return float((picture[inside] @ [0.299, 0.587, 0.114]).std() / 255)


def test_filtered_faces_have_the_contrast_that_was_asked_for(found: list[Face]) -> None:
    for face in found:
        for make in (low_pass, high_pass):
            plain, set_to = (make(face.picture, face.landmarks, contrast=c) for c in (None, 0.1))
            assert face_contrast(set_to, face) == pytest.approx(0.1, rel=0.03)
            assert face_contrast(plain, face) != pytest.approx(0.1, rel=0.06)
        whole = set_contrast(face.picture, face.landmarks, 0.1)
        assert face_contrast(whole, face) == pytest.approx(0.1, rel=0.06)
    uniform = np.full((60, 60, 3), 99, np.uint8)
    np.testing.assert_array_equal(set_contrast(uniform, FACE, 0.1), uniform)


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


def shown(picture: Picture) -> int:
    """Return how many pixels are not background."""
    return int((picture != 128).any(axis=2).sum())


def test_composites_show_as_much_misaligned_as_aligned(found: list[Face]) -> None:
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


def test_composites_of_faces_at_the_edge_show_as_much_in_both(found: list[Face]) -> None:
    face, other = found[0], found[1]
    cut = face.picture[:, round(face.landmarks[0, 0]) + 10 :]
    points = face.landmarks - (face.picture.shape[1] - cut.shape[1], 0)
    pair = [
        composite(cut, points, other.picture, other.landmarks, shift, 0.35) for shift in (0, 0.35)
    ]
    assert shown(pair[0]) == pytest.approx(shown(pair[1]), rel=0.02)
    assert pair[0].shape == cut.shape


def test_a_seam_is_not_brighter_on_one_side(found: list[Face]) -> None:
    """Halves of one face in two lights meet at the cut as the face itself does."""
    face = found[3]
    darker = (0.6 * face.picture).astype(np.uint8)
    mixed = composite(face.picture, face.landmarks, darker, face.landmarks)
    inside = part_mask(face.landmarks, "face", mixed.shape) == 1
    assert np.abs(mixed[inside].astype(float) - face.picture[inside]).mean() < 3


def test_a_composite_with_oneself_is_oneself(found: list[Face]) -> None:
    face = found[3]
    mixed = composite(face.picture, face.landmarks, face.picture, face.landmarks)
    inside = part_mask(face.landmarks, "face", mixed.shape) == 1
    np.testing.assert_array_equal(mixed[inside], face.picture[inside])
    assert (mixed[part_mask(face.landmarks, "face", mixed.shape) == 0] == 128).all()


@pytest.mark.parametrize("light", [(0.45, 0.45, 0.45), (1.0, 0.75, 0.5), (0.6, 0.75, 1.0)])
def test_another_light_makes_no_other_mouth(found: list[Face], light: Any) -> None:
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


def test_tones_and_colours_are_inverse() -> None:
    levels = np.stack(np.meshgrid(*[np.linspace(0, 255, 9)] * 3), axis=-1)
    np.testing.assert_allclose(colours(tones(levels)), levels, atol=1e-6)
    # CIELAB of sRGB red is (53.24, 80.09, 67.20).
    light, a, b = tones(np.array([255.0, 0, 0]))
    lightness = np.exp(light)
    np.testing.assert_allclose([lightness - 10, a * lightness, b * lightness],
                               [53.24, 80.09, 67.20], atol=0.02)  # fmt: skip


def test_thatcherising_takes_68_landmarks_or_outlines(found: list[Face]) -> None:
    face = found[0]
    outlines = feature_outlines(face.landmarks)
    expected = thatcherise(face.picture, outlines)
    for points in (face.landmarks, face.landmarks.tolist()):
        np.testing.assert_array_equal(thatcherise(face.picture, points), expected)
    np.testing.assert_array_equal(thatcherise(face.picture, regions=outlines), expected)


def test_landmarks_are_found_in_a_picture(found: list[Face]) -> None:
    landmarks = find_landmarks(found[0].picture)
    assert landmarks is not None
    assert landmarks.dtype == np.float64
    np.testing.assert_array_equal(landmarks, found[0].landmarks)
    assert find_landmarks(np.zeros((80, 80, 3), np.uint8)) is None


@pytest.mark.parametrize("yaw", [-30.0, 0.0, 20.0])
def test_the_turn_of_a_head_is_estimated(yaw: float) -> None:
    estimates = []
    for seed in range(2):
        view = replace(sample_view(seed), yaw=yaw)
        landmarks = find_landmarks(render_face(sample_identity(seed), view, size=200).image)
        assert landmarks is not None
        estimates.append(head_yaw(landmarks))
    assert np.mean(estimates) == pytest.approx(yaw, abs=5)


@given(st.floats(0.2, 5), st.floats(-3, 3), st.tuples(*[st.floats(-99, 99)] * 2))
def test_the_turn_does_not_depend_on_size_place_and_roll(
    scale: float, angle: float, shift: tuple[float, float]
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert head_yaw(LIKE_A_FACE @ turn.T + shift) == pytest.approx(head_yaw(LIKE_A_FACE), abs=1e-6)
    mirrored = LIKE_A_FACE * (-1, 1)
    mirrored = mirrored[[*range(16, -1, -1), *range(17, 36), *range(42, 48), *range(36, 42),
                         *range(48, 68)]]  # fmt: skip
    assert head_yaw(mirrored) == pytest.approx(-head_yaw(LIKE_A_FACE), abs=1e-6)
    assert head_yaw(LIKE_A_FACE) == pytest.approx(-50 * 0.2, abs=1e-6)


def test_pictures_of_other_sizes_lend_their_parts(found: list[Face]) -> None:
    face, other = found[0], found[1]
    large = np.asarray(Image.fromarray(other.picture).resize((500, 500), Image.Resampling.BICUBIC))
    for make in (composite, exchange_feature):
        small_parts = make(face.picture, face.landmarks, other.picture, other.landmarks)
        large_parts = make(face.picture, face.landmarks, large, 2 * other.landmarks + 0.5)
        assert np.abs(small_parts.astype(int) - large_parts).mean() < 2


LIKE_A_FACE = np.zeros((68, 2))
LIKE_A_FACE[0:3, 0], LIKE_A_FACE[14:17, 0], LIKE_A_FACE[30] = 0, 100, (40, 50)
LIKE_A_FACE[36:42, 0], LIKE_A_FACE[42:48, 0] = 30, 70
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
