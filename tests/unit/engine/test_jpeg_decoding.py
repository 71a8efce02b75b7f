"""Plain JPEGs may be decoded by others than Pillow; all other images are Pillow's."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from facebench.data import images
from facebench.data.images import jpegs_decoded_by, open_image
from facebench.engine import jpeg_decoding
from facebench.engine.jpeg_decoding import decoded_by, decoder_difference
from facebench.errors import ImageError, InputError, ModelError

MARK = np.full((8, 8, 3), 200, dtype=np.uint8)


def picture(mode: str = "RGB") -> Image.Image:
    coarse = np.random.default_rng(1).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC).convert(mode)


def saved(path: Path, mode: str = "RGB", **options: object) -> Path:
    picture(mode).save(path, **options)  # type: ignore[arg-type]
    return path


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def as_rgb_components(path: Path) -> Path:
    """A JPEG of red, green and blue, as some programs write it: other decoders see YCbCr."""
    saved(path, keep_rgb=True, quality=90)
    return path


def cut_short(path: Path) -> Path:
    saved(path)
    path.write_bytes(path.read_bytes()[:-40])
    return path


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_plain_jpegs_are_decoded_by_the_other(
    tmp_path: Path, mode: str, options: dict[str, object]
) -> None:
    path = saved(tmp_path / "a.jpg", mode, **options)
    with jpegs_decoded_by(lambda _data: MARK):
        assert np.array_equal(np.asarray(open_image(path)), MARK)
    assert open_image(path).size == (64, 48)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: saved(folder / "a.png"),
        lambda folder: saved(folder / "turned.jpg", exif=turned()),
        lambda folder: saved(folder / "profile.jpg", icc_profile=profile()),
        lambda folder: saved(folder / "inks.jpg", "CMYK"),
        lambda folder: as_rgb_components(folder / "rgb.jpg"),
    ],
)
def test_others_stay_with_pillow(tmp_path: Path, make: object) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    expected = np.asarray(open_image(path))
    with jpegs_decoded_by(lambda _data: MARK):
        assert np.array_equal(np.asarray(open_image(path)), expected)
    with decoded_by("torchvision"):
        assert np.array_equal(np.asarray(open_image(path)), expected)


def test_a_truncated_file_is_refused_as_ever(tmp_path: Path) -> None:
    path = cut_short(tmp_path / "cut.jpg")
    with decoded_by("torchvision"), pytest.raises(ImageError, match="truncated"):
        open_image(path)


def test_what_the_other_cannot_decode_is_pillows(tmp_path: Path) -> None:
    def failing(_data: bytes) -> np.ndarray:
        raise RuntimeError("no")

    path = saved(tmp_path / "a.jpg")
    expected = np.asarray(open_image(path))
    with jpegs_decoded_by(failing):
        assert np.array_equal(np.asarray(open_image(path)), expected)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_torchvision_gives_the_picture_that_pillow_gives(tmp_path: Path, mode: str) -> None:
    paths = [saved(tmp_path / f"{quality}.jpg", mode, quality=quality) for quality in (60, 95)]
    found = decoder_difference("net", "torchvision", [*paths, tmp_path / "missing.jpg"])
    assert found["images"] == 2
    assert found["largest"] <= 3
    assert found["mean"] < 0.5


def test_another_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def negative(data: bytes) -> np.ndarray:
        return 255 - np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    monkeypatch.setattr(jpeg_decoding, "torchvision_pixels", negative)
    path = saved(tmp_path / "a.jpg")
    with pytest.raises(ModelError, match=r"gives another picture than Pillow for .*a\.jpg"):
        decoder_difference("net", "torchvision", [path])


def test_a_torchvision_without_decoders_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.io

    monkeypatch.delattr(torchvision.io, "decode_jpeg")
    with pytest.raises(InputError, match="this version of torchvision does not have"):
        jpeg_decoding.check_decoder("torchvision")


def test_the_end_of_a_file_is_looked_at_without_moving_in_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes() + struct.pack("x"))
    with path.open("rb") as source, Image.open(source) as image:
        place = source.tell()
        assert not images.is_plain_jpeg(image, source)
        assert source.tell() == place
