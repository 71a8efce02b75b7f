"""Mutated images: decoded as Pillow decodes them, or refused in one sentence."""

import io
import random
import struct
import warnings
import zlib
from functools import cache

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from facebench.data.images import open_image
from support.mutation import damaged, fuzzed, told_or_done

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".webp", ".avif", ".jp2", ".ppm")
# Written as images, but none of the formats above, or no images at all.
STRANGERS = (
    b"",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(%pipe%touch CANARY) (w) file\n",
    b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
    b"<!DOCTYPE html><html><head></head></html>",
    b"\0\5\x16\7\0\2\0\0Mac OS X        ",
    b"P6 9999999 9999999 255\n\0\0\0",
    b"P5\n# 8\n8 8\n65535\n",
    b"II*\0\x08\0\0\0\0\0",
)


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    tags[ExifTags.Base.Artist] = "somebody"
    return tags.tobytes()


@cache
def seeds():
    """Encode one picture in every way that data sets have."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    colour = Image.fromarray(coarse).resize((24, 20), Image.Resampling.BICUBIC)
    grey = colour.convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    real = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    clear = colour.copy()
    clear.putalpha(grey)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    tiff = {"compression": "tiff_lzw"}
    return [
        encoded(colour, "PNG"),
        encoded(colour, "PNG", exif=exif(6), icc_profile=srgb),
        encoded(colour.quantize(16), "PNG", transparency=3),
        encoded(clear, "PNG"),
        encoded(grey, "PNG", icc_profile=lab),
        encoded(grey.convert("1"), "PNG"),
        encoded(wide, "PNG"),
        encoded(colour, "JPEG", exif=exif(8)),
        encoded(colour, "JPEG", progressive=True, icc_profile=srgb),
        encoded(colour.convert("CMYK"), "JPEG"),
        encoded(grey, "JPEG"),
        encoded(colour, "BMP"),
        encoded(colour.quantize(8), "BMP"),
        encoded(colour.quantize(64), "GIF"),
        encoded(grey, "GIF", save_all=True, append_images=[grey.rotate(90)]),
        encoded(colour, "TIFF", exif=exif(3)),
        encoded(colour, "TIFF", **tiff),
        encoded(real, "TIFF"),
        encoded(wide, "TIFF", **tiff),
        encoded(colour, "WEBP", exif=exif(5)),
        encoded(clear, "WEBP", lossless=True),
        encoded(colour, "PPM"),
        encoded(wide, "PPM"),
        encoded(colour, "JPEG2000"),
        encoded(colour, "AVIF"),
    ]


def png_chunks(content):
    place = 8
    while place + 12 <= len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + size]
        place += 12 + size


def png_of(chunks):
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def other_chunks(content, rng):
    """Change a PNG's chunks under right checksums: sizes, depths, order, compressed text."""
    chunks = list(png_chunks(content))
    place = rng.randrange(len(chunks))
    kind, data = chunks[place]
    change = rng.randrange(5)
    if change == 0:
        header = bytearray(chunks[0][1])
        header[rng.randrange(len(header))] = rng.choice([0, 1, 2, 3, 4, 8, 16, 255])
        chunks[0] = (chunks[0][0], bytes(header))
    elif change == 1:
        chunks[place] = (kind, damaged(data, rng))
    elif change == 2:
        chunks.insert(place, rng.choice(chunks))
    elif change == 3:
        del chunks[place]
    else:
        bomb = zlib.compress(b"a" * 3_000_000)
        chunks.insert(1, (rng.choice([b"zTXt", b"iCCP"]), b"name\0\0" + bomb))
    return png_of(chunks)


def other_metadata(rng):
    """Write a whole picture beside damaged EXIF data or a damaged colour profile."""
    picture = Image.open(io.BytesIO(seeds()[0]))
    tags = damaged(exif(rng.randrange(10)), rng)
    profile = ImageCms.ImageCmsProfile(
        ImageCms.createProfile(rng.choice(["sRGB", "XYZ", "LAB"]))
    ).tobytes()
    kind = rng.choice(["PNG", "JPEG", "WEBP"])
    if rng.random() < 0.5:
        return encoded(picture, kind, exif=b"Exif\0\0" + tags)
    return encoded(picture, kind, icc_profile=damaged(profile, rng))


def mutant(seed):
    rng = random.Random(f"images {seed}")
    content, other = rng.choice(seeds()), rng.choice(seeds())
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice(STRANGERS)
    if kind <= 2 and content.startswith(b"\x89PNG"):
        return other_chunks(content, rng)
    if kind == 3:
        return other_metadata(rng)
    if kind == 4:
        return content
    return damaged(content, rng, other)


def whole_png(content):
    """Tell whether the checksums of a PNG's pixels are right."""
    place = 8
    while place + 8 <= len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + size]
        said = content[place + 8 + size : place + 12 + size]
        if kind == b"IEND":
            break
        if kind == b"IDAT" and struct.pack(">I", zlib.crc32(kind + data)) != said:
            return False
        place += 12 + size
    return True


def as_pillow_reads(content):
    """Decode with plain Pillow; None where that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.init()
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            image.load()
    except Exception:
        return None
    if image.format == "PNG" and not whole_png(content):
        return None
    return image


def upright(image):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ImageOps.exif_transpose(image)
    except Exception:
        return image


def expected_pixels(image):
    """Convert as the documentation of `open_image` says, up to colour profiles."""
    values = np.asarray(image)
    if image.mode.startswith("I"):
        grey = np.rint(np.clip(values, 0, 65535) / 257)
        return np.stack([grey] * 3, axis=-1)
    if image.mode == "F":
        values = np.clip(np.nan_to_num(values), 0, 255)
        grey = np.round(values * (255 if values.max() <= 1 else 1))
        return np.stack([grey] * 3, axis=-1)
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"), dtype=float)
        alpha = rgba[..., 3:] / 255
        return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha))
    return np.asarray(image.convert("RGB"), dtype=float)


@fuzzed(in_ci=80)
def test_images(seed, tmp_path):
    rng = random.Random(f"suffix {seed}")
    path = tmp_path / f"picture{rng.choice(SUFFIXES)}"
    path.write_bytes(content := mutant(seed))
    found = told_or_done(lambda: open_image(path), path.name)
    plain = as_pillow_reads(content)
    assert (found is None) == (plain is None), (found, plain)
    if found is None:
        return
    assert found.mode == "RGB"
    expected = expected_pixels(upright(plain))
    pixels = np.asarray(found, dtype=float)
    assert pixels.shape == expected.shape
    if plain.info.get("icc_profile") is None:
        assert np.abs(pixels - expected).max(initial=0) <= 1
