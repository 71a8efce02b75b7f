"""Detectors by name; packages that are not here are played by modules of the same interface."""

from __future__ import annotations

import multiprocessing
import sys
from importlib import metadata
from types import ModuleType

import numpy as np
import pytest

from facebench.errors import InputError
from facebench.faces import detectors
from facebench.faces.detection import DlibHog, Face
from facebench.faces.detectors import DlibCnn, Mtcnn, detector_named

IMAGE = np.zeros((60, 80, 3), np.uint8)


def test_names_and_what_is_near_them():
    assert isinstance(detector_named("dlib-hog"), DlibHog)
    with pytest.raises(InputError, match=r"'detector' must be dlib-hog.*Did you mean 'dlib-hog'"):
        detector_named("dlib_hog")
    with pytest.raises(InputError, match="'detector' yunet is named by its file"):
        detector_named("yunet")
    with pytest.raises(InputError, match="without identity, box_kind, longest_side"):
        detector_named(type("Odd", (), {"name": "odd", "__call__": lambda *_: []})())


@pytest.mark.slow
def test_dlibs_networks_boxes_are_like_those_of_its_other_detector(chips):
    detector, hog = DlibCnn(), DlibHog()
    assert detector.identity.split()[0] == "dlib-cnn-1"
    compared = 0
    for image in chips[:2]:
        mine, other = detector(image), hog(image)
        if mine and other:
            np.testing.assert_allclose(mine[0].box, other[0].box, atol=0.25 * len(image))
            compared += 1
    assert compared
    assert detector(IMAGE) == []


@pytest.fixture
def module(monkeypatch):
    def make(name, mtcnn):
        fake = ModuleType(name)
        fake.MTCNN = mtcnn
        monkeypatch.setitem(sys.modules, name, fake)
        monkeypatch.setattr(
            detectors.importlib.util, "find_spec", lambda asked: fake if asked == name else None
        )
        monkeypatch.setattr(metadata, "version", lambda package: f"9 of {package}")
        detectors._made.cache_clear()

    yield make
    detectors._made.cache_clear()


POINTS = [[20.0, 20.0], [40.0, 20.0], [30.0, 30.0], [22.0, 40.0], [38.0, 40.0]]


def test_mtcnn_of_facenet_pytorch(module):
    class Found:
        def __init__(self, keep_all, device):
            assert keep_all
            assert device == "cpu"

        def detect(self, image, landmarks):
            assert landmarks
            if image.max() == 0:
                return None, [None], None
            box = np.array([[10.0, 5.0, 50.0, 55.0]], np.float32)
            return box, np.array([0.99], np.float32), np.array([POINTS], np.float32)

    module("facenet_pytorch", Found)
    detector = Mtcnn()
    assert detector.identity == "mtcnn-1 facenet-pytorch 9 of facenet-pytorch"
    assert detector(IMAGE) == []
    (face,) = detector(IMAGE + 1)
    assert face.box == (10, 5, 50, 55)
    assert face.score == pytest.approx(0.99)
    np.testing.assert_array_equal(face.points, POINTS)


def test_mtcnn_of_mtcnn(module):
    class Found:
        def detect_faces(self, image):
            names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
            points = dict(reversed(list(zip(names, POINTS, strict=True))))
            return [{"box": [10, 5, 40, 50], "confidence": 0.9, "keypoints": points}]

    module("mtcnn", Found)
    (face,) = Mtcnn()(IMAGE)
    assert face.box == (10, 5, 50, 55)
    np.testing.assert_array_equal(face.points, POINTS)


def test_without_either_package_it_says_which(monkeypatch):
    monkeypatch.setattr(detectors.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match="pip install facenet-pytorch"):
        detector_named("mtcnn")


@pytest.mark.slow
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="there are no forks here"
)
def test_dlibs_convolutional_detector_works_in_a_process_forked_after_its_use() -> None:
    # dlib's threads are not in the child, which waited for them for ever.
    detector = detector_named("dlib-cnn")
    image = np.zeros((60, 60, 3), dtype=np.uint8)
    detector(image)
    child = multiprocessing.get_context("fork").Process(target=detector, args=(image,))
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0


class Own:
    name, identity, box_kind, longest_side = "own", "own 1", "whole", 100

    def __init__(self, faces):
        self.faces = faces

    def __call__(self, image):
        return self.faces


POINTS = ((10, 10), (30, 10), (20, 20), (12, 30), (28, 30))


@pytest.mark.parametrize(
    ("faces", "what"),
    [
        (None, "None, which is not a list"),
        ([(5, 5, 40, 40)], r"\(5, 5, 40, 40\)"),
        ([{"box": (5, 5, 40, 40)}], "'box'"),
        ([Face((float("nan"), 5, 40, 40), 1)], "not finite"),
        ([Face((5, 5, 40, 40), float("nan"))], "not finite"),
        ([Face((40, 40, 5, 5), 1)], "a box without a pixel"),
        ([Face((0.1, 0.1, 0.6, 0.7), 1)], "a box without a pixel"),
        ([Face((60, 5, 90, 40), 1)], r"a box outside of the image \(50 x 40\)"),
        ([Face((5, 5, 40, 40), 1, POINTS[:4])], "4 points"),
        ([Face((-1e9, -1e9, 1e9, 1e9), 1)], r"a box more than 10 times as large as the image"),
        # Its chip was black.
        (
            [Face((5, 5, 40, 40), 1, [(x + 1e6, y) for x, y in POINTS])],
            "points outside of the image",
        ),
    ],
)
def test_what_an_own_detector_gives_is_checked(faces, what):
    image = np.zeros((40, 50, 3), np.uint8)
    with pytest.raises(InputError, match=f"detector 'own' gave .*{what}.* It must give a list of"):
        detectors.faces_of(Own(faces), image)


def test_an_own_detector_may_give_68_points_and_arrays():
    rng = np.random.default_rng(0)
    many = rng.random((68, 2)) * 30
    given = [Face(np.array([5, 5, 40, 40]), np.float32(0.5), many), Face((5, 5, 40, 40), 1, POINTS)]
    first, second = detectors.faces_of(Own(given), np.zeros((40, 50, 3), np.uint8))
    expected = [many[36:42].mean(0), many[42:48].mean(0), many[30], many[48], many[54]]
    np.testing.assert_allclose(first.points, expected)
    assert first[:2] == ((5.0, 5.0, 40.0, 40.0), 0.5)
    assert second.points == POINTS


def test_an_own_detectors_class_or_kind_of_box():
    with pytest.raises(InputError, match="a class"):
        detector_named(Own)
    own = Own([])
    own.box_kind = "xywh"
    with pytest.raises(InputError, match=r"'box_kind' .* Got 'xywh'"):
        detector_named(own)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 12), (2, 40), (19, 300), (20, 20)])
def test_images_of_a_few_pixels_hold_no_face_for_the_convolutional_detector(
    size: tuple[int, int],
) -> None:
    # dlib raises a RuntimeError for them.
    assert DlibCnn()(np.zeros((*size, 3), np.uint8)) == []
