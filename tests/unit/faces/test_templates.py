"""Templates against scikit-image, Pillow and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import transform

from facebench.errors import InputError
from facebench.faces.templates import (
    TEMPLATES,
    box_as,
    box_chip,
    points_chip,
    similarity_transform,
    template_named,
)

ARCFACE = TEMPLATES["arcface112"]


def picture(height=90, width=120, seed=0):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("seed", range(5))
def test_similarity_is_umeyamas(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(50, 20, (5, 2)), np.array(ARCFACE.points)
    source = source if seed else target @ [[0, 2], [-2, 0]] + 7
    if seed:
        # Faces are not mirrored: Umeyama's solution is then that of least squares.
        source = target * 1.7 + rng.normal(0, 4, (5, 2)) + 30
    expected = transform.SimilarityTransform.from_estimate(source, target).params[:2]
    np.testing.assert_allclose(similarity_transform(source, target), expected, atol=1e-9)


@pytest.mark.parametrize("turn", [0.0, 0.4, -1.1])
def test_chips_are_those_of_skimage(turn):
    image = picture()
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    # With a part beyond two of the image's edges.
    points = (np.array(ARCFACE.points) - 56) * 0.9 @ turned.T + [95, 60]
    matrix = transform.SimilarityTransform.from_estimate(points, np.array(ARCFACE.points))
    expected = transform.warp(
        image, matrix.inverse, output_shape=(112, 112), order=1, cval=0, preserve_range=True
    )
    chip = points_chip(image, points, ARCFACE)
    assert (chip == 0).all(axis=2).any()
    np.testing.assert_allclose(chip.astype(float), expected, atol=0.51)


def test_points_come_to_lie_where_the_template_has_them():
    image = np.zeros((300, 300, 3), np.uint8)
    points = np.round((np.array(ARCFACE.points) - 56) * 2 + 150).astype(int)
    for x, y in points:
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
    chip = points_chip(image, points, ARCFACE)[..., 0]
    for x, y in ARCFACE.points:
        assert chip[round(y), round(x)] > 200


def test_points_in_one_place_are_refused():
    for points in (np.full((5, 2), 3.0), np.full((5, 2), np.nan)):
        with pytest.raises(InputError, match="finite and not all in one place"):
            points_chip(picture(), points, ARCFACE)


@pytest.mark.parametrize("name", TEMPLATES)
def test_beyond_the_image_all_templates_are_black(name):
    from facebench.faces.aligner import FaceAligner
    from facebench.faces.detection import Face

    class Corner:
        name, identity, box_kind, longest_side = "corner", "corner 1", "whole", 640

        def __call__(self, _image):
            five = [(x * 0.7 - 40, y * 0.7 - 40) for x, y in ARCFACE.points]
            return [Face((-40.0, -40.0, 38.4, 38.4), 1.0, tuple(five))]

    white = np.full((100, 100, 3), 255, np.uint8)
    chip = FaceAligner(name, Corner())(white).pixels
    assert chip[0, 0].max() == 0
    assert chip[-1, -1].min() == 255
    assert 0.4 < (chip == 0).mean() < 0.95


def test_facenets_crop_is_that_of_facenet_pytorch():
    """Its extract_face(image, box, image_size=160, margin=14), inside of the image."""
    image, box = picture(200, 220), (41.3, 52.8, 121.9, 161.2)
    margin = [14 * (box[2] - box[0]) / (160 - 14), 14 * (box[3] - box[1]) / (160 - 14)]
    edges = [
        int(max(box[0] - margin[0] / 2, 0)), int(max(box[1] - margin[1] / 2, 0)),
        int(min(box[2] + margin[0] / 2, 220)), int(min(box[3] + margin[1] / 2, 200)),
    ]  # fmt: skip
    expected = Image.fromarray(image).crop(edges).resize((160, 160), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(box_chip(image, box, TEMPLATES["facenet160"]), expected)


def test_vggs_crop_is_what_is_left_of_its_own_preprocessing():
    """A box 1.3 times as large, shorter side 256, and its middle 224 x 224."""
    image, box = picture(400, 420), (120.0, 100.0, 280.0, 300.0)
    edges = (96, 70, 304, 330)  # 208 x 260
    loose = Image.fromarray(image).crop(edges).resize((256, 320), Image.Resampling.BILINEAR)
    expected = np.asarray(loose.crop((16, 48, 240, 272)), float)
    chip = Image.fromarray(box_chip(image, box, TEMPLATES["vgg224"])).crop((16, 16, 240, 240))
    np.testing.assert_allclose(np.asarray(chip, float), expected, atol=2)


def test_boxes_of_one_kind_and_the_other():
    square = box_as("dlib", (0.0, 0.0, 100.0, 130.0), "whole")
    left, top, right, bottom = square
    assert right - left == pytest.approx(bottom - top)
    assert box_as("dlib", square, "dlib") == square
    np.testing.assert_allclose(box_as("whole", square, "dlib"), (0, 0, 100, 130), atol=2)


def test_unknown_templates_are_told():
    assert template_named(ARCFACE) is ARCFACE
    with pytest.raises(InputError, match=r"arcface112, dlib150, .*Did you mean 'arcface112'"):
        template_named("arcface-112")
    with pytest.raises(InputError, match="'none' takes images as they are"):
        template_named("none")


def test_a_template_that_is_no_name_is_refused():
    with pytest.raises(InputError, match=r"true, false, or a template: .* Got {'size'"):
        template_named({"size": 112})
