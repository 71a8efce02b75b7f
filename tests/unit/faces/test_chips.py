"""Detection and alignment: which face is taken, and what happens when there is none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import dlib
import numpy as np
import pytest
from PIL import Image

from facebench.errors import ImageError
from facebench.faces.chips import face_chip
from facebench.faces.detection import Box
from facebench.faces.dlib_data import dlib_data_file
from facebench.faces.landmarks import face_landmarks, face_landmarks_68


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pasted(face: np.ndarray, canvas: np.ndarray, left: int, top: int) -> None:
    height, width = face.shape[:2]
    canvas[top : top + height, left : left + width] = face


@pytest.mark.slow
def test_one_face_is_cut_out_as_dlib_does_it(photographs: list[np.ndarray]) -> None:
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(dlib_data_file("shape_predictor_5_face_landmarks.dat")))
    compared = 0
    for image in photographs:
        faces = detector(image, 0)
        if len(faces) != 1:
            continue
        expected = dlib.get_face_chip(image, predictor(image, faces[0]), size=150, padding=0.25)
        chip = face_chip(image)
        assert chip.found
        assert chip.box == (
            faces[0].left(), faces[0].top(), faces[0].right() + 1, faces[0].bottom() + 1
        )  # fmt: skip
        np.testing.assert_array_equal(chip.pixels, expected)
        compared += 1
    assert compared > 5


def test_size_of_the_chip(chips: list[np.ndarray]) -> None:
    chip = face_chip(chips[0], size=112, padding=0.4)
    assert chip.found
    assert chip.pixels.shape == (112, 112, 3)
    assert chip.pixels.dtype == np.uint8


def test_of_two_faces_the_one_nearest_the_centre_is_taken(chips: list[np.ndarray]) -> None:
    canvas = np.full((300, 700, 3), 128, dtype=np.uint8)
    pasted(chips[0], canvas, left=20, top=70)
    pasted(chips[1], canvas, left=300, top=70)
    box = face_chip(canvas).box
    assert 300 <= box.left < box.right <= 450
    mirrored = face_chip(np.ascontiguousarray(canvas[:, ::-1])).box
    assert 250 <= mirrored.left < mirrored.right <= 400


def test_small_face_is_found_in_the_enlarged_image(chips: list[np.ndarray]) -> None:
    canvas = np.full((200, 200, 3), 128, dtype=np.uint8)
    small = np.asarray(Image.fromarray(chips[1]).resize((75, 75), Image.Resampling.LANCZOS))
    pasted(small, canvas, left=60, top=60)
    chip = face_chip(canvas)
    assert chip.found
    assert 50 <= chip.box.left < chip.box.right <= 145


@pytest.mark.parametrize(
    ("image", "box"),
    [
        (noise(100, 200), Box(70, 20, 130, 80)),
        (np.zeros((150, 150, 3), np.uint8), Box(30, 30, 120, 120)),
        (noise(1, 1), Box(0, 0, 1, 1)),
        (noise(2, 900), Box(449, 0, 450, 1)),
    ],
)
def test_no_face_falls_back_to_the_central_square(image: np.ndarray, box: Box) -> None:
    chip = face_chip(image)
    assert not chip.found
    assert chip.box == box
    assert chip.pixels.shape == (150, 150, 3)
    assert face_landmarks_68(image) is None
    assert face_landmarks(image) is None


@pytest.mark.slow
def test_large_photograph_is_found_where_it_is(photographs: list[np.ndarray]) -> None:
    small = face_chip(photographs[0])
    big = Image.fromarray(photographs[0]).resize((2500, 2500), Image.Resampling.BICUBIC)
    chip = face_chip(np.asarray(big))
    assert small.found
    assert chip.found
    np.testing.assert_allclose(np.array(chip.box) / 10, small.box, atol=12)


def test_layout_in_memory_does_not_matter(photographs: list[np.ndarray]) -> None:
    image = photographs[0]
    turned = np.asfortranarray(image)
    assert not turned.flags.c_contiguous
    np.testing.assert_array_equal(face_chip(turned).pixels, face_chip(image).pixels)


@pytest.mark.slow
def test_threads_do_not_disturb_each_other(photographs: list[np.ndarray]) -> None:
    one_by_one = [face_chip(image) for image in photographs]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(face_chip, photographs * 3))
    for index, chip in enumerate(at_once):
        expected = one_by_one[index % len(photographs)]
        assert chip.box == expected.box
        np.testing.assert_array_equal(chip.pixels, expected.pixels)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"must be an RGB array \[height, width, 3\] of uint8"):
        face_chip(image)
    with pytest.raises(ImageError):
        face_landmarks_68(image)
