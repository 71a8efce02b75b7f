"""Decoding images, in files or packs, into RGB as a viewer would show them."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facebench.data.folder import IMAGE_SUFFIXES, images_below, list_images
from facebench.data.packs import member_bytes, open_pack, split_member
from facebench.errors import ImageError, MissingImageError
from facebench.types import StrPath
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

# What Pillow raises for damaged files, beyond OSError (which covers unidentified and truncated).
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
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
        return Path(image_path).read_bytes()
    except FileNotFoundError as error:
        msg = f"The image {image_path} does not exist."
        raise MissingImageError(msg) from error
    except OSError as error:
        msg = f"The image {image_path} cannot be read: {error.strerror or error}."
        raise ImageError(msg) from error


def file_state(image_path: StrPath) -> os.stat_result:
    """Ask the file system about an image's file: of an image in a pack, the pack.

    Raises
    ------
    OSError
        If there is none.
    """
    parts = split_member(image_path)
    return (Path(image_path) if parts is None else parts[0]).stat()


@outputs_version("open-image-1")
def open_image(image_path: StrPath) -> Image.Image:
    """Open an image file as 8-bit RGB, upright.

    The EXIF orientation is applied. Grey and palette images become RGB; 16-bit and 32-bit integer
    greys are scaled from 0 … 65,535 to 0 … 255 (not clipped); float greys are taken as 0 … 1 where
    no value is larger, else as 0 … 255; what is transparent is laid over white.

    Parameters
    ----------
    image_path : str or Path
        An image in any format Pillow reads: a file, or an image of a pack (``lfw.bin/000001.jpg``).

    Returns
    -------
    PIL.Image.Image
        Mode 'RGB'.

    Raises
    ------
    MissingImageError
        If there is no such file.
    ImageError
        If it is no image, is damaged or cut short, or decodes to more than Pillow's
        ``MAX_IMAGE_PIXELS`` (a decompression bomb).
    """
    path = Path(image_path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Oddities of metadata that Pillow only mentions are no reason to stop.
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            source = path if split_member(path) is None else io.BytesIO(member_bytes(path))
            with Image.open(source) as image:
                image.load()
                return _as_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except FileNotFoundError as error:
        msg = f"The image {path} does not exist."
        raise MissingImageError(msg) from error
    except _DAMAGE as error:
        msg = f"The image {path} cannot be decoded: {error or type(error).__name__}."
        raise ImageError(msg) from error


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit greys at 255, which turns photographs white.
        values = np.asarray(image, dtype=np.float64) / 257.0
        return Image.fromarray(np.clip(values.round(), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        if values.max(initial=0.0) <= 1.0:
            values = values * 255.0
        return Image.fromarray(np.clip(values.round(), 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba).convert("RGB")
    return image.convert("RGB")
