"""Rendered faces: the same bytes everywhere, landmarks where the features are."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import StimulusError
from facebench.stimuli import (
    HAIR_STYLES,
    Identity,
    RenderedFace,
    View,
    change_feature,
    render_face,
    sample_identity,
    sample_view,
)

NAMES = {"left_eye", "right_eye", "mouth", "nose_tip", "chin", "five_points"}


def digest(seed: int) -> str:
    face = render_face(sample_identity(seed), sample_view(seed), size=64)
    points = np.concatenate([face.landmarks[name] for name in sorted(NAMES)])
    return hashlib.sha256(face.image.tobytes() + points.tobytes()).hexdigest()


@pytest.mark.slow
def test_same_bytes_in_another_order_and_in_another_process() -> None:
    forwards = [digest(seed) for seed in (0, 1, 2)]
    assert [digest(seed) for seed in (2, 1, 0)][::-1] == forwards
    code = (
        "import hashlib, numpy as np\n"
        "from facebench.stimuli import *\n"
        f"names = sorted({sorted(NAMES)})\n"
        "face = render_face(sample_identity(1), sample_view(1), size=64)\n"
        "points = np.concatenate([face.landmarks[name] for name in names])\n"
        "print(hashlib.sha256(face.image.tobytes() + points.tobytes()).hexdigest())\n"
    )
    root = Path(__file__).resolve().parents[4]
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert told.stdout.strip() == forwards[1]


def test_image_and_landmarks_have_the_documented_form(faces: list[RenderedFace]) -> None:
    for face in faces:
        assert face.image.shape == (250, 250, 3)
        assert face.image.dtype == np.uint8
        assert set(face.landmarks) == NAMES
        for name, points in face.landmarks.items():
            assert points.dtype == np.float64
            assert points.shape[1] == 2
            assert points.min() >= 0, name
            assert points.max() <= 249, name
        assert len(face.landmarks["left_eye"]) >= 6
        assert face.landmarks["five_points"].shape == (5, 2)


def test_landmarks_lie_as_in_a_face(faces: list[RenderedFace]) -> None:
    for face in faces:
        marks = {name: points.mean(axis=0) for name, points in face.landmarks.items()}
        assert marks["left_eye"][0] > marks["right_eye"][0]  # the subject's left
        assert marks["left_eye"][1] < marks["nose_tip"][1] < marks["mouth"][1] < marks["chin"][1]
        five = face.landmarks["five_points"]
        assert five[0, 0] > five[1, 0] > five[3, 0] > five[2, 0]


@pytest.mark.slow
def test_landmarks_agree_with_the_predictor_of_dlib(faces: list[RenderedFace]) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib is not installed")
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        pytest.skip("face_recognition_models (the predictor's weights) is not installed")
    weights = Path(spec.origin).parent / "models" / "shape_predictor_5_face_landmarks.dat"
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(weights))
    gaps = []
    for face in faces:
        box = detector(face.image, 1)[0]
        parts = [(p.x, p.y) for p in predictor(face.image, box).parts()]
        points = face.landmarks["five_points"]
        gaps.append(np.linalg.norm(points - parts, axis=1) / np.linalg.norm(points[0] - points[2]))
    assert np.mean(gaps) < 0.08
    assert np.max(gaps) < 0.2


def test_landmarks_follow_the_pose_and_the_size() -> None:
    identity = sample_identity(3)
    ahead = render_face(identity, View(noise=0.0), size=64).landmarks
    turned = render_face(identity, View(noise=0.0, yaw=15), size=64).landmarks
    large = render_face(identity, View(noise=0.0), size=128).landmarks
    assert turned["nose_tip"][0, 0] > ahead["nose_tip"][0, 0] + 1
    np.testing.assert_allclose(large["five_points"], 2 * ahead["five_points"] + 0.5, atol=1.5)


def test_features_change_the_picture_where_they_are() -> None:
    identity, view = replace(sample_identity(1), hair_style="buzz"), View(noise=0.0)
    before = render_face(identity, view, size=96)
    after = render_face(change_feature(identity, "mouth", 1), view, size=96)
    change = np.abs(before.image.astype(int) - after.image).sum(axis=2)
    mouth_x, mouth_y = before.landmarks["mouth"].mean(axis=0).round().astype(int)
    assert change[mouth_y - 6 : mouth_y + 7, mouth_x - 9 : mouth_x + 10].mean() > 10
    assert change[: int(before.landmarks["left_eye"][:, 1].min()) - 3].mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_hair_style_can_be_drawn_in_every_pose(style: str) -> None:
    identity = Identity(hair_style=style)
    image = render_face(identity, View(yaw=35, pitch=-20, roll=20, mouth_open=1), size=48).image
    assert image.std() > 10


def test_views_change_light_and_expression() -> None:
    identity = Identity()
    dark = render_face(identity, View(light_intensity=0.3, ambient=0.1), size=48).image
    light = render_face(identity, View(light_intensity=1.6, ambient=0.6), size=48).image
    middle = slice(18, 30)
    assert light[middle, middle].mean() > dark[middle, middle].mean() + 10
    still = render_face(identity, View(), size=64).landmarks["mouth"]
    smiling = render_face(identity, View(smile=1.0), size=64).landmarks["mouth"]
    assert np.ptp(smiling[:, 0]) > np.ptp(still[:, 0])


@pytest.mark.parametrize("size", [0, 47, 4000])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(StimulusError, match="size"):
        render_face(Identity(), View(), size=size)
