from __future__ import annotations

import io
import random

import numpy as np
import pytest
from PIL import Image

from facebench.data import images
from facebench.data.images import open_image
from facebench.data.simple_jpegs import decode_simple_jpeg, simple_jpeg_size
from facebench.errors import ImageError


def _picture(mode: str = "RGB", size: tuple[int, int] = (37, 22)) -> Image.Image:
    rough = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC).convert(mode)


def _jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or _picture()).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _by_pillow(data: bytes) -> np.ndarray | None:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "MPO"]) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


SIMPLE = {
    "plain": {},
    "progressive": {"progressive": True},
    "no subsampling": {"subsampling": 0, "quality": 95},
    "4:2:0": {"subsampling": 2, "quality": 30},
    "comment": {"comment": b"a comment"},
    "resolution": {"dpi": (72, 72)},
    "restarts": {"restart_marker_blocks": 2},
    "optimised": {"optimize": True},
}


@pytest.mark.parametrize("options", SIMPLE.values(), ids=SIMPLE)
def test_pixels_are_those_that_pillow_gives(options):
    data = _jpeg(**options)

    found = decode_simple_jpeg(data)

    assert found is not None
    assert (found.mode, found.size, found.format) == ("RGB", (37, 22), "JPEG")
    np.testing.assert_array_equal(np.asarray(found), _by_pillow(data))


@pytest.mark.parametrize("decode", [decode_simple_jpeg, simple_jpeg_size])
def test_what_needs_more_than_pixels_is_left_to_pillow(decode):
    exif = Image.Exif()
    exif[0x0112] = 6
    others = [
        _jpeg(exif=exif),
        _jpeg(icc_profile=bytes(200)),
        _jpeg(xmp=b"<x/>"),
        _jpeg(_picture("L")),
        _jpeg(_picture("CMYK")),
        _jpeg()[:2],
        _jpeg()[:100],
        b"",
        b"\xff\xd8 no jpeg at all",
    ]

    assert [decode(data) for data in others] == [None] * len(others)


def test_a_file_that_ends_too_early_is_left_to_pillow_which_says_so(tmp_path):
    data = _jpeg()[:-60]
    (tmp_path / "cut.jpg").write_bytes(data)

    assert decode_simple_jpeg(data) is None
    with pytest.raises(ImageError, match="truncated"):
        open_image(tmp_path / "cut.jpg")


def test_a_picture_that_is_too_large_is_refused(tmp_path, monkeypatch):
    (tmp_path / "large.jpg").write_bytes(_jpeg())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 37 * 22 - 1)

    with pytest.raises(ImageError, match="decompression bomb"):
        open_image(tmp_path / "large.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 37 * 22)
    assert open_image(tmp_path / "large.jpg").size == (37, 22)


def test_damaged_files_give_what_they_gave_by_pillow_or_its_error(monkeypatch):
    rng = random.Random(0)
    sources = [_jpeg(**options) for options in SIMPLE.values()]
    n_decoded = 0
    for _ in range(600):
        data = bytearray(rng.choice(sources))
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(data))
            if rng.random() < 0.7:
                data[place] = rng.randrange(256)
            elif rng.random() < 0.7:
                data[place:place] = bytes([rng.choice((0, 0xD9, 0xFF))])
            else:
                del data[place : place + 3]
        found = decode_simple_jpeg(bytes(data))
        if found is not None:
            n_decoded += 1
            np.testing.assert_array_equal(np.asarray(found), _by_pillow(bytes(data)))
    assert n_decoded > 100


def test_open_image_takes_the_short_way(monkeypatch, tmp_path):
    (tmp_path / "a.jpg").write_bytes(_jpeg())
    monkeypatch.setattr(images.Image, "open", lambda *_, **__: pytest.fail("read by Pillow"))

    assert open_image(tmp_path / "a.jpg").size == (37, 22)
