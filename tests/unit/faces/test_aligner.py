"""From an image to a chip: what is searched once, which face is taken, and what the key holds."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import dlib
import numpy as np
import pytest
from PIL import Image

from facebench.errors import ImageError, InputError, StoreError
from facebench.faces.aligner import FaceAligner
from facebench.faces.chips import face_chip
from facebench.faces.detection import DlibHog, Face
from facebench.faces.dlib_data import dlib_data_file
from facebench.faces.landmarks import face_landmarks_68
from facebench.faces.templates import TEMPLATES, points_chip
from facebench.store import EmbeddingStore


class Two:
    """Finds two faces, left and right; counts how often it looks."""

    name, identity, box_kind, longest_side = "two", "two 1", "whole", 100

    def __init__(self):
        self.calls = 0

    def __call__(self, image):
        self.calls += 1
        if image.max() == 0:
            return []
        points = tuple((x / 2, y / 2 + 10) for x, y in TEMPLATES["arcface112"].points)
        shifted = tuple((x + 50, y) for x, y in points)
        return [Face((0, 10, 45, 60), 0.9, points), Face((52, 10, 97, 70), 0.8, shifted)]


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(1, 256, (200, 200, 3), dtype=np.uint8)


def test_images_are_searched_once_for_all_templates_and_rules(image, tmp_path):
    store, detector = EmbeddingStore(tmp_path), Two()
    chips = {}
    for name in ("arcface112", "facenet160", "vgg224", "dlib150"):
        for rule in ("centre", "largest", "most-certain"):
            aligner = FaceAligner(name, detector, rule)
            plain = aligner(image)
            aligner.kept = store
            kept = [aligner(image), aligner(image)]
            for chip in kept:
                np.testing.assert_array_equal(chip.pixels, plain.pixels)
                assert chip[1:] == plain[1:]
            chips[name, rule] = plain.box
    assert detector.calls == 12 + 1
    assert chips["facenet160", "largest"] == (104, 20, 194, 140)
    assert chips["facenet160", "most-certain"] == (0, 20, 90, 120)
    aligner(np.zeros((40, 40, 3), np.uint8))
    aligner(np.zeros((20, 80, 3), np.uint8))
    assert detector.calls == 12 + 1 + 2
    # Another process, or another day.
    again = FaceAligner("arcface112", detector)
    again.kept = EmbeddingStore(tmp_path)
    again(image)
    assert detector.calls == 12 + 1 + 2


def test_a_store_that_fails_costs_no_chip(image):
    class Full:
        def recall(self, key):
            raise StoreError("damaged")

        def remember(self, key, value):
            raise StoreError("full")

    aligner = FaceAligner("arcface112", Two())
    expected = aligner(image).pixels
    aligner.kept = Full()
    np.testing.assert_array_equal(aligner(image).pixels, expected)


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_image_without_a_face_is_cut_around_its_centre(template):
    dark = np.zeros((100, 150, 3), np.uint8)
    chip = FaceAligner(template, Two())(dark)
    assert not chip.found
    assert chip.box == (45, 20, 105, 80)
    assert chip.pixels.shape == (TEMPLATES[template].size,) * 2 + (3,)


def test_a_hint_takes_the_face_it_points_at_and_no_other(image):
    aligner = FaceAligner("facenet160", Two())
    aligner.hints = {
        "left": (60.0, 90.0), "right": (110.0, 60.0, 180.0, 120.0), "neither": (50.0, 190.0),
    }  # fmt: skip
    assert aligner(image, "left").box == (0, 20, 90, 120)
    assert aligner(image, "right").box == (104, 20, 194, 140)
    assert aligner(image, "elsewhere").box == FaceAligner("facenet160", Two())(image).box
    assert not aligner(image, "neither").found


def test_the_key_holds_all_that_chips_depend_on():
    def key(*given, **changed):
        aligner = FaceAligner(*given)
        for name, value in changed.items():
            setattr(aligner, name, value)
        return json.dumps(aligner.key)

    other = Two()
    other.identity = "two 2"
    keys = [
        *(key(name, Two()) for name in TEMPLATES),
        key(replace(TEMPLATES["dlib150"], size=112), Two()),
        key("arcface112", other),
        key("arcface112", Two(), "largest"),
        key("arcface112", Two(), hints={"a": (1.0, 2.0)}, hints_digest="x"),
        key("arcface112", "dlib-hog"),
    ]
    assert len(set(keys)) == len(keys)
    assert key("arcface112", Two(), "centre") == key("arcface112", Two())


def test_dlibs_detector_gives_arcfaces_points_through_its_68_landmarks(photographs):
    image = photographs[0]
    points = face_landmarks_68(image).astype(float)
    five = [
        points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54],
    ]  # fmt: skip
    expected = points_chip(image, five, TEMPLATES["arcface112"])
    chip = FaceAligner("arcface112")(image)
    assert chip.found
    np.testing.assert_array_equal(chip.pixels, expected)


@pytest.mark.slow
def test_dlibs_template_is_dlibs_own_chip_also_in_large_images(photographs):
    predictor = dlib.shape_predictor(str(dlib_data_file("shape_predictor_5_face_landmarks.dat")))
    large = np.asarray(Image.fromarray(photographs[1]).resize((2000, 2000)))
    for image, scale in ((photographs[1], 1.0), (large, 2000 / 1600)):
        small = (
            image
            if scale == 1
            else np.array(
                Image.fromarray(image).resize(
                    (1600, 1600), Image.Resampling.BILINEAR, reducing_gap=2.0
                )
            )
        )
        faces = dlib.get_frontal_face_detector()(small, 0)
        middle = (small.shape[1] - 1) / 2
        face = min(
            faces,
            key=lambda f: np.hypot(
                (f.left() + f.right()) / 2 - middle, (f.top() + f.bottom()) / 2 - middle
            ),
        )
        edges = (face.left(), face.top(), face.right(), face.bottom())
        face = dlib.rectangle(*(round(edge * scale) for edge in edges))
        expected = dlib.get_face_chip(image, predictor(image, face), size=150, padding=0.25)
        np.testing.assert_array_equal(FaceAligner()(image).pixels, expected)
        np.testing.assert_array_equal(face_chip(image).pixels, expected)


def test_it_travels_to_other_processes(image):
    aligner = pickle.loads(pickle.dumps(FaceAligner("vgg224", DlibHog(), "largest")))
    np.testing.assert_array_equal(
        aligner(image).pixels, FaceAligner("vgg224", "dlib-hog", "largest")(image).pixels
    )


def test_unknown_rules_are_told():
    with pytest.raises(InputError, match=r"'which_face'.*Did you mean 'largest'"):
        FaceAligner("arcface112", Two(), "larger")


def test_an_image_too_small_for_five_points_is_told() -> None:
    for name in ("dlib150", "facenet160", "vgg224"):
        assert not FaceAligner(name)(np.zeros((1, 1, 3), np.uint8)).found
    for size in ((1, 1), (1, 40)):
        with pytest.raises(ImageError, match=r"a\.png \(\d+ x 1 pixels\) is too small for five"):
            FaceAligner("arcface112")(np.zeros((*size, 3), np.uint8), "a.png")
    # Small as it is, the central square has five points.
    assert not FaceAligner("arcface112")(np.zeros((8, 8, 3), np.uint8)).found
