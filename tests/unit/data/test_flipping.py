"""Mirrored copies are the image turned round, without loss, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.data.flipping import write_flipped
from facebench.data.images import open_image
from facebench.errors import ImageError


def test_copies_are_mirrored_left_to_right(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    (tmp_path / "faces" / "ann").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "faces" / "ann" / "1.jpg")
    names = ["ann/1.jpg", "ann/1.jpg"]
    written = write_flipped(names, tmp_path / "faces", tmp_path / "flipped")
    assert written == [tmp_path / "flipped" / "ann" / "1.jpg.png"]
    original = np.asarray(open_image(tmp_path / "faces" / "ann" / "1.jpg"))
    assert np.array_equal(np.asarray(open_image(written[0])), original[:, ::-1])


def test_a_turned_photograph_is_mirrored_as_it_is_seen(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "1.png", exif=exif)
    (written,) = write_flipped(["1.png"], tmp_path, tmp_path / "flipped")
    seen = np.rot90(pixels, -1)
    assert np.array_equal(np.asarray(open_image(written)), seen[:, ::-1])


def test_an_image_that_cannot_be_read_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError):
        write_flipped(["1.jpg"], tmp_path, tmp_path / "flipped")
    assert not list(tmp_path.rglob("*.png"))
