"""Rows as bytes: they come back, and a checksum fits one row of one image and layer."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.errors import StoreError
from facebench.store.rows import checksums_of, decoded, encoded

ROWS = np.array([[0.1, -2.5], [3.0, np.inf]], dtype=np.float32)
IMAGES = np.array([[1, 2], [3, 4]], dtype=np.uint64)


def test_they_come_back() -> None:
    assert np.array_equal(decoded(encoded(ROWS, "float32", "x"), "float32"), ROWS)
    half = decoded(encoded(ROWS, "float16", "x"), "float16")
    assert half.dtype == np.float32
    assert np.array_equal(half, ROWS.astype(np.float16).astype(np.float32))


def test_what_float16_cannot_hold_is_told() -> None:
    with pytest.raises(StoreError, match=r"The layer 'a' has values beyond 65,504.*70000"):
        encoded(np.array([[70000.0]], dtype=np.float32), "float16", "The layer 'a'")


def test_a_checksum_binds_bytes_image_and_layer() -> None:
    data = encoded(ROWS, "float32", "x")
    right = checksums_of(data, IMAGES, "layer")
    flipped = data.copy()
    flipped[1, 3] ^= 1
    assert (checksums_of(flipped, IMAGES, "layer") == right).tolist() == [True, False]
    assert not (checksums_of(data, IMAGES[::-1], "layer") == right).any()
    assert not (checksums_of(data, IMAGES, "other") == right).any()
