"""Pictures as manipulations take them: RGB of uint8, rounded, looked up between pixels."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.errors import StimulusError
from facebench.faces.pictures import checked_picture, require_positive, rounded, sample, smoothed

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "image", [PICTURE[..., 0], PICTURE[..., :2], PICTURE / 255, PICTURE[:0], "face.png"]
)
def test_anything_but_an_rgb_picture_is_refused(image: object) -> None:
    with pytest.raises(StimulusError, match="Got shape"):
        checked_picture(image)
    assert checked_picture(PICTURE) is PICTURE


def test_values_beyond_the_range_are_cut_off_not_wrapped() -> None:
    assert rounded(np.array([-3.0, 0.4, 0.6, 254.6, 300.0])).tolist() == [0, 0, 1, 255, 255]


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), True, "2"])
def test_only_positive_finite_numbers_pass(value: float) -> None:
    with pytest.raises(StimulusError, match="'scale' must be a positive number"):
        require_positive("scale", value, "pixels")
    require_positive("scale", 0.5, "pixels")


def test_lookups_at_pixels_are_the_pixels_and_halfway_their_mean() -> None:
    rows, columns = np.mgrid[:9, :7].astype(float)
    assert np.array_equal(sample(PICTURE, rows, columns), PICTURE)
    between = sample(PICTURE.astype(float), rows[:-1] + 0.5, columns[:-1])
    np.testing.assert_allclose(between, (PICTURE[:-1].astype(float) + PICTURE[1:]) / 2)
    # The edge repeats beyond the picture.
    assert np.array_equal(
        sample(PICTURE, np.array([[-5.0]]), np.array([[0.0]]))[0, 0], PICTURE[0, 0]
    )


def test_only_reductions_are_smoothed_and_the_mean_stays() -> None:
    assert np.array_equal(smoothed(PICTURE, 1.0), PICTURE)
    flat = np.full_like(PICTURE, 77)
    np.testing.assert_allclose(smoothed(flat, 4.0), flat)
    assert smoothed(PICTURE, 4.0).std() < PICTURE.std() / 2
