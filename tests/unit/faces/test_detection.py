"""Which of several faces in one image is taken."""

from __future__ import annotations

import dlib
import numpy as np
import pytest
from PIL import Image

from facebench.errors import ImageError, InputError
from facebench.faces.chips import face_chip
from facebench.faces.detection import box_of, checked_image, find_face
from facebench.faces.landmarks import face_landmarks_68
from facebench.stimuli import render_face, sample_identity, sample_view


@pytest.fixture(scope="module")
def crowd() -> np.ndarray:
    """Four faces of different sizes; the smallest is nearest the centre."""
    canvas = np.full((420, 760, 3), 128, dtype=np.uint8)
    for number, (left, top, side) in enumerate(
        [(330, 150, 110), (10, 20, 250), (500, 20, 200), (540, 250, 160)]
    ):
        face = Image.fromarray(render_face(sample_identity(number), sample_view(number)).image)
        pixels = np.asarray(face.resize((side, side), Image.Resampling.BICUBIC))
        canvas[top : top + side, left : left + side] = pixels
    return canvas


@pytest.mark.slow
def test_the_face_asked_for_is_taken(crowd: np.ndarray) -> None:
    detector = dlib.get_frontal_face_detector()
    faces, scores, _ = detector.run(crowd, 0, 0.0)
    assert len(faces) > 2
    middle = np.array([(760 - 1) / 2, (420 - 1) / 2])
    centres = np.array([(f.left() + f.right(), f.top() + f.bottom()) for f in faces]) / 2
    expected = {
        "nearest-centre": int(np.argmin(np.hypot(*(centres - middle).T))),
        "most-certain": int(np.argmax(scores)),
        "largest": int(np.argmax([f.area() for f in faces])),
    }
    assert len(set(expected.values())) > 1
    for which, place in expected.items():
        assert box_of(find_face(crowd, which)) == box_of(faces[place])
        assert face_chip(crowd, which_face=which).box == box_of(faces[place])
        points = face_landmarks_68(crowd, which)
        assert points is not None
        assert np.hypot(*(points.mean(axis=0) - centres[place])) < faces[place].width() / 3


def test_by_default_the_face_nearest_the_centre_is_taken(crowd: np.ndarray) -> None:
    default, named = face_chip(crowd), face_chip(crowd, which_face="nearest-centre")
    assert default.box == named.box
    np.testing.assert_array_equal(default.pixels, named.pixels)


@pytest.mark.parametrize("take", [find_face, face_landmarks_68])
def test_other_names_are_refused(take: object) -> None:
    with pytest.raises(InputError, match=r"'most-certain', 'largest'\. Got 'x'"):
        take(np.zeros((90, 90, 3), np.uint8), "x")


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ImageError, match=r"must be an RGB array \[height, width, 3\] of uint8"):
        checked_image(np.zeros((3, 3), np.uint8))
