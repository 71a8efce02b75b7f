"""Images are decoded as a viewer shows them, and damage is told as such."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin, features

from facebench.data.images import _adobe_rgb, open_image, unknown_colours
from facebench.errors import ImageError, MissingImageError

ORIENTATION_TAG = 274
# What a viewer does with the stored rows and columns, by EXIF orientation.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
}
GREYS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[ORIENTATION_TAG] = orientation
    return data


def pixels(path: Path) -> np.ndarray:
    image = open_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def assert_grey(path: Path, expected: np.ndarray, tolerance: int = 0) -> None:
    seen = pixels(path).astype(int)
    assert seen.shape == (*expected.shape, 3)
    assert np.abs(seen - expected[:, :, None]).max() <= tolerance


class TestOrientation:
    @pytest.mark.parametrize("orientation", UPRIGHT)
    @pytest.mark.parametrize("ending", ["png", "tif", "webp"])
    def test_every_orientation_is_turned_upright(
        self, tmp_path: Path, orientation: int, ending: str
    ) -> None:
        options = {"lossless": True} if ending == "webp" else {}
        path = saved(
            Image.fromarray(COLOURS), tmp_path / f"x.{ending}", exif=exif(orientation), **options
        )
        np.testing.assert_array_equal(pixels(path), UPRIGHT[orientation](COLOURS))

    @pytest.mark.parametrize("orientation", UPRIGHT)
    def test_every_orientation_of_a_jpeg_is_turned_upright(
        self, tmp_path: Path, orientation: int
    ) -> None:
        blocks = COLOURS[:2, :3].repeat(16, axis=0).repeat(16, axis=1)
        path = saved(
            Image.fromarray(blocks),
            tmp_path / "x.jpg",
            exif=exif(orientation),
            quality=100,
            subsampling=0,
        )
        off = np.abs(pixels(path).astype(int) - UPRIGHT[orientation](blocks))
        assert off.max() <= 4

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_an_impossible_orientation_changes_nothing(
        self, tmp_path: Path, orientation: int
    ) -> None:
        path = saved(Image.fromarray(COLOURS), tmp_path / "x.png", exif=exif(orientation))
        np.testing.assert_array_equal(pixels(path), COLOURS)

    def test_a_16_bit_image_is_turned_too(self, tmp_path: Path) -> None:
        image = Image.fromarray(GREYS.astype(np.uint16) * 257)
        assert_grey(saved(image, tmp_path / "x.png", exif=exif(6)), UPRIGHT[6](GREYS))

    @pytest.mark.parametrize(
        "block",
        [b"garbage" * 4, b"MM\0*\0\0\0\x08\x00\x05\x01\x12", b"II*\0\xff\xff\xff\xff", b""],
        ids=["garbage", "cut", "far-offset", "none"],
    )
    def test_damaged_metadata_is_no_reason_to_stop(self, tmp_path: Path, block: bytes) -> None:
        image = Image.fromarray(np.full((16, 16, 3), 100, np.uint8))
        path = saved(image, tmp_path / "x.jpg", exif=b"Exif\0\0" + block, quality=100)
        assert np.abs(pixels(path).astype(int) - 100).max() <= 2


class TestColour:
    def test_rgb_stays_as_it_is(self, tmp_path: Path) -> None:
        path = saved(Image.fromarray(COLOURS), tmp_path / "x.png")
        np.testing.assert_array_equal(pixels(path), COLOURS)

    def test_the_ending_says_nothing_about_the_format(self, tmp_path: Path) -> None:
        path = saved(Image.fromarray(COLOURS), tmp_path / "x.jpg", format="PNG")
        np.testing.assert_array_equal(pixels(str(path)), COLOURS)

    def test_grey_becomes_three_equal_channels(self, tmp_path: Path) -> None:
        assert_grey(saved(Image.fromarray(GREYS), tmp_path / "x.png"), GREYS)

    def test_black_and_white_becomes_0_and_255(self, tmp_path: Path) -> None:
        path = saved(Image.fromarray(GREYS > 100), tmp_path / "x.png")
        assert_grey(path, np.where(GREYS > 100, 255, 0))

    @pytest.mark.parametrize("ending", ["png", "gif", "bmp"])
    def test_a_palette_is_looked_up(self, tmp_path: Path, ending: str) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putdata([1, 0])
        path = saved(image, tmp_path / f"x.{ending}")
        assert pixels(path).tolist() == [[[200, 100, 50], [10, 20, 30]]]

    @pytest.mark.parametrize("ending", ["png", "gif"])
    def test_a_transparent_palette_entry_is_white(self, tmp_path: Path, ending: str) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putdata([1, 0])
        path = saved(image, tmp_path / f"x.{ending}", transparency=0)
        assert pixels(path).tolist() == [[[200, 100, 50], [255, 255, 255]]]

    def test_a_half_transparent_palette_entry_is_blended(self, tmp_path: Path) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([0, 0, 0, 200, 100, 50])
        image.putdata([1, 0])
        path = saved(image, tmp_path / "x.png", transparency=bytes([128, 255]))
        assert pixels(path)[0, 0].tolist() == [200, 100, 50]
        assert np.abs(pixels(path)[0, 1].astype(int) - 127).max() <= 1

    def test_what_is_transparent_is_laid_over_white(self, tmp_path: Path) -> None:
        rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 128]]], dtype=np.uint8)
        seen = pixels(saved(Image.fromarray(rgba), tmp_path / "x.png"))[0].astype(int)
        assert seen[0].tolist() == [10, 20, 30]
        assert seen[1].tolist() == [255, 255, 255]
        assert np.abs(seen[2] - [127, 177, 227]).max() <= 1

    def test_grey_with_alpha_is_laid_over_white(self, tmp_path: Path) -> None:
        alpha = np.where(GREYS > 100, 255, 0).astype(np.uint8)
        image = Image.merge("LA", [Image.fromarray(GREYS), Image.fromarray(alpha)])
        assert_grey(saved(image, tmp_path / "x.png"), np.where(GREYS > 100, GREYS, 255))

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_a_colour_key_is_transparent(self, tmp_path: Path, mode: str) -> None:
        key = 40 if mode == "L" else (40, 40, 40)
        image = Image.fromarray(GREYS).convert(mode)
        path = saved(image, tmp_path / "x.png", transparency=key)
        assert_grey(path, np.where(GREYS == 40, 255, GREYS))

    def test_cmyk_becomes_its_colours(self, tmp_path: Path) -> None:
        image = Image.new("CMYK", (2, 1))
        image.putdata([(0, 255, 255, 0), (0, 0, 0, 255)])
        path = saved(image, tmp_path / "x.tif")
        assert pixels(path).tolist() == [[[255, 0, 0], [0, 0, 0]]]

    def test_a_cmyk_jpeg_is_not_inverted(self, tmp_path: Path) -> None:
        image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
        seen = pixels(saved(image, tmp_path / "x.jpg", quality=100)).astype(int)
        assert np.abs(seen - [255, 0, 0]).max() <= 6


class TestDepth:
    """Deeper greys are scaled to 0 … 255; clipping them would turn photographs white."""

    @pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
    def test_16_bit_greys_are_scaled(self, tmp_path: Path, ending: str) -> None:
        image = Image.fromarray(GREYS.astype(np.uint16) * 257)
        assert_grey(saved(image, tmp_path / f"x.{ending}"), GREYS)

    def test_big_endian_16_bit_greys_are_scaled(self, tmp_path: Path) -> None:
        image = Image.fromarray((GREYS.astype(np.uint16) * 257).astype(">u2"))
        path = saved(image, tmp_path / "x.tif")
        with Image.open(path) as stored:
            assert stored.mode == "I;16B"
        assert_grey(path, GREYS)

    def test_32_bit_greys_are_scaled(self, tmp_path: Path) -> None:
        image = Image.fromarray(GREYS.astype(np.int32) * 257)
        path = saved(image, tmp_path / "x.tif")
        with Image.open(path) as stored:
            assert stored.mode == "I"
        assert_grey(path, GREYS)

    def test_white_is_white_and_black_is_black(self, tmp_path: Path) -> None:
        values = np.array([[0, 65535, 128, 129]], dtype=np.uint16)
        path = saved(Image.fromarray(values), tmp_path / "x.png")
        assert pixels(path)[0, :, 0].tolist() == [0, 255, 0, 1]

    def test_32_bit_greys_beyond_16_bits_are_white_and_negative_ones_black(
        self, tmp_path: Path
    ) -> None:
        values = np.array([[-5, 70_000, 65_535]], dtype=np.int32)
        path = saved(Image.fromarray(values), tmp_path / "x.tif")
        assert pixels(path)[0, :, 0].tolist() == [0, 255, 255]

    @pytest.mark.parametrize("scale", [1 / 255, 1.0])
    def test_float_greys_are_fractions_or_bytes(self, tmp_path: Path, scale: float) -> None:
        image = Image.fromarray((GREYS * scale).astype(np.float32))
        assert_grey(saved(image, tmp_path / "x.tif"), GREYS)

    def test_float_greys_of_any_size_are_clipped(self, tmp_path: Path) -> None:
        values = np.array([[-1.7e38, -np.inf, np.nan, 0.5, 1.0]], dtype=np.float32)
        # Damage can leave a NaN of the kind that processors complain of.
        values.view(np.uint32)[0, 2] = 0x7FA00000
        path = saved(Image.fromarray(values), tmp_path / "x.tif")
        assert np.asarray(open_image(path))[0, :, 0].tolist() == [0, 0, 0, 128, 255]

    def test_fractions_that_go_beyond_1_stay_fractions(self, tmp_path: Path) -> None:
        values = np.array([[-0.02, 0.5, 1.0, 1.02, np.inf]], dtype=np.float32)
        path = saved(Image.fromarray(values), tmp_path / "x.tif")
        assert pixels(path)[0, :, 0].tolist() == [0, 128, 255, 255, 255]

    def test_float_greys_that_are_no_numbers_do_no_harm(self, tmp_path: Path) -> None:
        values = np.array([[np.nan, np.inf, -np.inf, -3.0, 100.0, 300.0]], dtype=np.float32)
        path = saved(Image.fromarray(values), tmp_path / "x.tif")
        assert pixels(path)[0, :, 0].tolist() == [0, 255, 0, 0, 100, 255]


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format=form)
    return buffer.getvalue()


WHOLE = {form: encoded(form) for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")}


class TestDamage:
    def test_a_missing_image_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingImageError, match=r"gone\.jpg does not exist") as caught:
            open_image(tmp_path / "gone.jpg")
        assert isinstance(caught.value, FileNotFoundError)

    @pytest.mark.parametrize(
        "content",
        [b"", b"\0", b"no image at all\n" * 50, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"<svg/>"],
        ids=["zero-byte", "nul", "text", "jpeg-start", "png-start", "svg"],
    )
    def test_what_is_no_image_is_named(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "face.jpg"
        path.write_bytes(content)
        with pytest.raises(ImageError, match=r"face\.jpg cannot be decoded: \w"):
            open_image(path)

    def test_a_folder_is_no_image(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="cannot be decoded"):
            open_image(tmp_path)

    @pytest.mark.parametrize("form", WHOLE)
    def test_an_image_cut_in_half_is_refused(self, tmp_path: Path, form: str) -> None:
        path = tmp_path / "face"
        path.write_bytes(WHOLE[form][: len(WHOLE[form]) // 2])
        with pytest.raises(ImageError, match="face cannot be decoded"):
            open_image(path)

    def test_a_chunk_with_a_wrong_checksum_is_refused(self, tmp_path: Path) -> None:
        content = bytearray(WHOLE["PNG"])
        content[content.index(b"IDAT") + 40] ^= 0xFF
        path = tmp_path / "face.png"
        path.write_bytes(content)
        with pytest.raises(ImageError):
            open_image(path)

    def test_pixels_with_a_wrong_checksum_are_refused_where_they_can_be_decoded(
        self, tmp_path: Path
    ) -> None:
        # Pillow skips the checksum of IDAT, and stops before the one at the end of the stream.
        content = WHOLE["PNG"]
        place = content.index(b"IEND") - 8
        path = tmp_path / "face.png"
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ImageError, match=r"face\.png cannot be decoded: the checksum"):
            open_image(path)

    @settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), form=st.sampled_from(sorted(WHOLE)))
    def test_any_damage_is_decoded_or_refused_in_our_words(
        self, tmp_path: Path, data: st.DataObject, form: str
    ) -> None:
        content = bytearray(WHOLE[form])
        for _ in range(data.draw(st.integers(0, 4), "changed bytes")):
            place = data.draw(st.integers(0, min(len(content), 400) - 1), "place")
            content[place] = data.draw(st.integers(0, 255), "byte")
        path = tmp_path / "face"
        path.write_bytes(content[: data.draw(st.integers(0, len(content)), "kept")])
        try:
            image = open_image(path)
        except ImageError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert image.mode == "RGB"

    @pytest.mark.parametrize("size", [(11, 10), (50, 50)], ids=["above", "far-above"])
    def test_a_decompression_bomb_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
    ) -> None:
        path = saved(Image.new("L", size), tmp_path / "bomb.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(ImageError, match=r"bomb\.png cannot be decoded.*bomb"):
            open_image(path)

    def test_as_many_pixels_as_allowed_are_no_bomb(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = saved(Image.new("L", (10, 10)), tmp_path / "x.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert open_image(path).size == (10, 10)

    def test_a_header_that_promises_too_much_is_refused_without_decoding(
        self, tmp_path: Path
    ) -> None:
        content = bytearray(WHOLE["BMP"])
        content[18:26] = struct.pack("<ii", 60_000, 60_000)
        path = tmp_path / "bomb.bmp"
        path.write_bytes(content)
        with pytest.raises(ImageError, match="bomb"):
            open_image(path)

    @pytest.mark.parametrize("good", [True, False])
    def test_the_file_is_closed_afterwards(self, tmp_path: Path, good: bool) -> None:
        path = saved(Image.fromarray(COLOURS), tmp_path / "x.png")
        if good:
            image = open_image(path)
            path.unlink()
            assert image.getpixel((0, 0)) == tuple(COLOURS[0, 0])
        else:
            path.write_bytes(b"text")
            with pytest.raises(ImageError):
                open_image(path)


class TestMetadata:
    """Damaged metadata are no reason to stop; a colour profile tells what the colours are."""

    @pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG", "TIFF"])
    @pytest.mark.parametrize(
        "exif",
        [b"Exif\0\0damaged", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff"],
    )
    def test_damaged_exif_leaves_pixels_as_they_lie(
        self, tmp_path: Path, form: str, exif: bytes
    ) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        options = {"lossless": True} if form == "WEBP" else {}
        path, plain = tmp_path / "a", tmp_path / "b"
        try:
            Image.fromarray(pixels).save(path, form, exif=exif, **options)
        except Exception:
            pytest.skip("Pillow does not write it")
        Image.fromarray(pixels).save(plain, form, **options)
        assert np.array_equal(np.asarray(open_image(path)), np.asarray(open_image(plain)))

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
    def test_srgb_and_a_damaged_profile_change_nothing(self, tmp_path: Path, mode: str) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).convert(mode)
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        path = tmp_path / "a.png"
        image.save(path)
        plain = np.asarray(open_image(path))
        for profile in (srgb, b"damaged", srgb[:200]):
            image.save(path, icc_profile=profile)
            assert np.array_equal(np.asarray(open_image(path)), plain)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_another_profile_is_converted_to_what_a_viewer_shows(
        self, tmp_path: Path, mode: str
    ) -> None:
        wide = _profile_with_swapped_primaries()
        path = tmp_path / "a.png"
        image = Image.new("RGB", (4, 4), (200, 40, 40))
        expected = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(wide)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
        image.convert(mode).save(path, icc_profile=wide)
        found = np.asarray(open_image(path), dtype=int)
        assert np.abs(found - np.asarray(expected, dtype=int)).max() <= 1
        assert np.abs(found - np.asarray(image, dtype=int)).max() > 50

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize(
        ("space", "index", "is_adobe"),
        [(65_535, "R03", True), (None, "R03", True), (2, None, True), (1, "R98", False),
         (1, "R03", False), (65_535, None, None), (None, None, False)],
    )  # fmt: skip
    def test_adobe_rgb_may_be_in_the_exif_alone(
        self, tmp_path: Path, form: str, space: int | None, index: str | None, is_adobe: bool | None
    ) -> None:
        if form == "TIFF" and index is not None:
            pytest.skip("Pillow does not write it")
        exif = Image.Exif()
        exif[0x0112] = 6
        if space is not None:
            exif.get_ifd(0x8769)[0xA001] = space
        if index is not None:
            exif.get_ifd(0x8769)[0xA005] = {1: index}
        path = tmp_path / "a"
        options = {"lossless": True} if form == "WEBP" else {"quality": 100, "subsampling": 0}
        Image.new("RGB", (16, 16), (60, 180, 90)).save(path, form, exif=exif.tobytes(), **options)
        found = np.asarray(open_image(path), dtype=int)[8, 8]
        # By the definitions of both spaces, D65 throughout.
        linear = (np.array([60, 180, 90]) / 255) ** (563 / 256)
        to_xyz = [
            [0.57667, 0.18556, 0.18823],
            [0.29734, 0.62736, 0.07529],
            [0.02703, 0.07069, 0.99134],
        ]
        srgb = (
            np.linalg.inv(
                [
                    [0.41239, 0.35758, 0.18048],
                    [0.21264, 0.71517, 0.07219],
                    [0.01933, 0.11919, 0.95053],
                ]
            )
            @ to_xyz
            @ linear
        )
        srgb = np.clip(srgb, 0, 1)
        seen = 255 * np.where(srgb > 0.0031308, 1.055 * srgb ** (1 / 2.4) - 0.055, 12.92 * srgb)
        expected = seen if is_adobe else [60, 180, 90]
        assert np.abs(found - expected).max() <= 3
        assert ("EXIF" in unknown_colours(path)) == (is_adobe is None)

    def test_lab_is_seen_as_a_viewer_shows_it(self, tmp_path: Path) -> None:
        plain = Image.effect_noise((32, 32), 60).convert("RGB")
        tinted = Image.blend(plain, Image.new("RGB", plain.size, (200, 90, 60)), 0.5)
        lab = ImageCms.profileToProfile(
            tinted, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        lab.save(tmp_path / "a.tif")
        found = np.asarray(open_image(tmp_path / "a.tif"), dtype=int)
        assert np.abs(found - np.asarray(tinted, dtype=int)).max() <= 6
        assert unknown_colours(tmp_path / "a.tif") == ""

    @pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "RGBA", "I;16"])
    def test_the_profile_counts_whatever_the_mode(self, tmp_path: Path, mode: str) -> None:
        # A screen of gamma 1, so that greys become lighter too.
        form = "TIFF" if mode == "PA" else "PNG"
        if mode == "I;16":
            image = Image.fromarray(np.full((8, 8), 100 * 257, dtype=np.uint16))
        else:
            image = Image.new("RGB", (8, 8), (100, 100, 100)).convert(mode)
        path = tmp_path / "a"
        try:
            image.save(path, form, icc_profile=_gamma_1())
        except OSError:
            pytest.skip(f"Pillow writes no {form} of mode {mode}")
        found = np.asarray(open_image(path), dtype=int)
        expected = 255 * (1.055 * (100 / 255) ** (1 / 2.4) - 0.055)
        assert np.abs(found - expected).max() <= 2

    def test_what_cannot_be_known_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path)
        assert "without a colour profile" in unknown_colours(path)
        Image.new("RGB", (8, 8)).save(tmp_path / "b.png", icc_profile=b"damaged")
        assert "cannot be used" in unknown_colours(tmp_path / "b.png")
        info = PngImagePlugin.PngInfo()
        info.add(b"gAMA", (100_000).to_bytes(4, "big"))
        Image.new("RGB", (8, 8)).save(tmp_path / "c.png", pnginfo=info)
        assert unknown_colours(tmp_path / "c.png") == "a PNG of gamma 1"
        Image.new("RGB", (8, 8)).save(tmp_path / "d.jpg")
        assert unknown_colours(tmp_path / "d.jpg") == ""
        (tmp_path / "e.jpg").write_bytes(b"none")
        assert unknown_colours(tmp_path / "e.jpg") == ""

    @pytest.mark.parametrize("channels", [1, 3])
    def test_sixteen_bits_are_scaled_and_not_clipped(self, tmp_path: Path, channels: int) -> None:
        values = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8, 1).repeat(channels, 2)
        rows = [b"\0" + row.astype(">u2").tobytes() for row in values]

        def chunk(kind: bytes, content: bytes) -> bytes:
            check = zlib.crc32(kind + content)
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

        head = struct.pack(">IIBBBBB", 8, 8, 16, 0 if channels == 1 else 2, 0, 0, 0)
        (tmp_path / "a.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
        )  # fmt: skip
        found = np.asarray(open_image(tmp_path / "a.png"), dtype=float)
        assert np.abs(found - values / 257).max() <= 1


def _gamma_1() -> bytes:
    """Make a profile of Adobe RGB's primaries without its curve."""
    return _adobe_rgb().replace(struct.pack(">IH", 1, 563), struct.pack(">IH", 1, 256))


def _profile_with_swapped_primaries() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


class TestWhatIsNotDecoded:
    def test_postscript_is_not_handed_to_another_program(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Image.new("RGB", (8, 8)).save(path, "EPS")
        with pytest.raises(ImageError, match="none of the formats"):
            open_image(path)

    @pytest.mark.skipif(not features.check("avif"), reason="this Pillow knows no AVIF")
    def test_a_damaged_avif_is_a_bad_image_as_any_other(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.effect_noise((64, 64), 90).convert("RGB").save(path, "AVIF")
        content = bytearray(path.read_bytes())
        assert open_image(path).size == (64, 64)
        start = content.find(b"mdat") + 4
        content[start : start + 60] = bytes(range(60))
        path.write_bytes(bytes(content))
        with pytest.raises(ImageError, match="cannot be decoded"):
            open_image(path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.png")
        with pytest.raises(ImageError, match="not a file"):
            open_image(tmp_path / "a.png")

    def test_a_large_photograph_is_told_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Image.new("L", (120, 90)).save(tmp_path / "a.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9000)
        with pytest.raises(ImageError, match=r"9,000 pixels.*Scale it down.*MAX_IMAGE_PIXELS"):
            open_image(tmp_path / "a.png")
