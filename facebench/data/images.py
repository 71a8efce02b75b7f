"""Decoding images, in files or packs, into RGB as a viewer would show them."""

from __future__ import annotations

import io
import os
import warnings
import zlib
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from facebench.data.folder import IMAGE_SUFFIXES, images_below, list_images
from facebench.data.packs import member_bytes, open_pack, split_member
from facebench.errors import ImageError, MissingImageError
from facebench.types import StrPath
from facebench.utils.files import FileState
from facebench.utils.outputs_version import outputs_version

__all__ = [
    "IMAGE_SUFFIXES",
    "file_state",
    "image_bytes",
    "image_exists",
    "images_below",
    "list_images",
    "open_image",
]

# The formats decoded, under any file name. No PostScript, for which Pillow starts Ghostscript.
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A profile that moves no colour by more grey levels than this is sRGB by another name.
_SAME_COLOUR = 2
_WHITE = (255, 255, 255, 255)


def image_exists(image_path: StrPath) -> bool:
    """Tell whether a path leads to a file, or to an image of a pack.

    Examples
    --------
    >>> image_exists("no/such/image.jpg")
    False
    """
    parts = split_member(image_path)
    if parts is None:
        return Path(image_path).is_file()
    return parts[1] in open_pack(parts[0]).members


def image_bytes(image_path: StrPath) -> bytes:
    """Read an image as it is stored, not decoded: what a digest of it is taken of.

    Parameters
    ----------
    image_path : str or Path
        A file, or an image of a pack (``lfw.bin/000001.jpg``).

    Returns
    -------
    bytes

    Raises
    ------
    MissingImageError
        If there is no such image.
    ImageError
        If it cannot be read.
    """
    if split_member(image_path) is not None:
        return member_bytes(image_path)
    try:
        if not Path(image_path).is_file() and Path(image_path).exists():
            # A pipe would be waited for without end.
            msg = f"The image {image_path} cannot be read: it is not a file."
            raise ImageError(msg)
        return Path(image_path).read_bytes()
    except FileNotFoundError as error:
        msg = f"The image {image_path} does not exist."
        raise MissingImageError(msg) from error
    except OSError as error:
        msg = f"The image {image_path} cannot be read: {error.strerror or error}."
        raise ImageError(msg) from error


def file_state(image_path: StrPath) -> FileState:
    """Ask the file system about an image's file: of an image in a pack, the pack.

    Raises
    ------
    OSError
        If there is none.
    """
    parts = split_member(image_path)
    return FileState.of((Path(image_path) if parts is None else parts[0]).stat())


@outputs_version("open-image-2")
def open_image(image_path: StrPath) -> Image.Image:
    """Open an image file as 8-bit RGB, upright.

    The EXIF orientation is applied, and embedded colour profiles that differ from sRGB (Adobe RGB,
    Display P3 …) are converted. Grey and palette images become RGB; 16-bit and 32-bit integer
    greys are scaled from 0 … 65,535 to 0 … 255 (not clipped); float greys are taken as 0 … 1 where
    no value is larger, else as 0 … 255; what is transparent is laid over white.

    Parameters
    ----------
    image_path : str or Path
        An AVIF, BMP, GIF, JPEG, JPEG 2000, PNG, PPM, TIFF or WebP: a file, or an image of a pack
        (``lfw.bin/000001.jpg``).

    Returns
    -------
    PIL.Image.Image
        Mode 'RGB'.

    Raises
    ------
    MissingImageError
        If there is no such file.
    ImageError
        If it is not an image, is damaged or cut short, or decodes to more than Pillow's
        ``MAX_IMAGE_PIXELS`` (a decompression bomb).
    """
    path = Path(image_path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Oddities of metadata that Pillow only warns of do not stop a run.
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            # A pipe would be waited for without end.
            if split_member(path) is not None:
                source: BinaryIO = io.BytesIO(member_bytes(path))
            elif path.exists() and not path.is_file():
                msg = f"The image {path} cannot be decoded: it is not a file."
                raise ImageError(msg)
            else:
                source = path.open("rb")
            with source, Image.open(source, formats=_formats()) as image:
                image.load()
                if image.format == "PNG":
                    _check_png(source)
                return _as_rgb(_upright(image))
    except ImageError:
        raise
    except FileNotFoundError as error:
        msg = f"The image {path} does not exist."
        raise MissingImageError(msg) from error
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        msg = (
            f"The image {path} cannot be decoded: it has more than {Image.MAX_IMAGE_PIXELS:,} "
            "pixels, as a decompression bomb would. Scale it down, or, if you trust it, raise the "
            "limit in Python: PIL.Image.MAX_IMAGE_PIXELS = …"
        )
        raise ImageError(msg) from error
    except UnidentifiedImageError as error:
        msg = (
            f"The image {path} cannot be decoded: it is damaged, or of none of the formats "
            f"{', '.join(_FORMATS)}."
        )
        raise ImageError(msg) from error
    except Exception as error:
        # Any exception of a decoder for a damaged file: AVIF's raises RuntimeError, for instance.
        reason = str(error).strip().rstrip(".") or type(error).__name__
        msg = f"The image {path} cannot be decoded: {reason}."
        raise ImageError(msg) from error


@cache
def _formats() -> list[str]:
    """Leave out what this build of Pillow does not know."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _check_png(file: BinaryIO) -> None:
    """Compare the checksums of a PNG's pixels, which Pillow passes over."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = int.from_bytes(head[:4]), head[4:]
        if kind != b"IDAT":
            file.seek(size + 4, os.SEEK_CUR)
        elif zlib.crc32(file.read(size), zlib.crc32(kind)) != int.from_bytes(file.read(4)):
            msg = "the checksum of its pixels is wrong, it is damaged"
            raise ValueError(msg)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; damaged metadata have none."""
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # Pillow raises SyntaxError, struct.error and others for damaged metadata.
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = dict(image.info)
    return turned


def _as_rgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit greys at 255, which turns photographs white.
        whole = np.asarray(image).clip(0, 65_535).astype(np.uint32)
        grey = Image.fromarray(((whole + 128) // 257).astype(np.uint8))
        return _in_srgb(grey, profile).convert("RGB")
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image)).astype(np.float64)
        scale = 255.0 if values.max(initial=0.0) <= 1.0 else 1.0
        grey = np.clip(values, 0, 255) * scale
        return Image.fromarray(grey.round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if profile and image.mode not in ("LA", "La", "L"):
            alpha = rgba.getchannel("A")
            rgba = _in_srgb(rgba.convert("RGB"), profile).convert("RGBA")
            rgba.putalpha(alpha)
        return Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGB")
    return _in_srgb(image, profile).convert("RGB")


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Convert an image out of its embedded colour profile, if that differs from sRGB."""
    if not isinstance(profile, bytes) or image.mode not in ("RGB", "L", "CMYK"):
        return image
    transform = _to_srgb(profile, image.mode)
    if transform is None:
        return image
    converted: Image.Image = transform.apply(image)
    return converted


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Make a conversion of colours; None where it would change nothing, or cannot be made."""
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "CMYK":
        return transform
    bands = len(Image.new(mode, (1, 1)).getbands())
    steps = np.linspace(0, 255, 256 if bands == 1 else 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(*[steps] * bands), axis=-1).reshape(1, -1, bands).squeeze(0)
    patches = Image.fromarray(colours[None].squeeze(-1) if bands == 1 else colours[None])
    plain = np.asarray(patches.convert("RGB"), dtype=np.int16)
    seen = np.asarray(transform.apply(patches), dtype=np.int16)
    return transform if np.abs(seen - plain).max() > _SAME_COLOUR else None
