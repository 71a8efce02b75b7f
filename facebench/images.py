"""Decoding image files into RGB as a viewer would show them."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facebench.errors import ImageError, MissingImageError
from facebench.types import StrPath

__all__ = ["IMAGE_SUFFIXES", "open_image"]

# Files with these names are taken for images where a whole folder is asked for.
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

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


def open_image(image_path: StrPath) -> Image.Image:
    """Open an image file as 8-bit RGB, upright.

    The EXIF orientation is applied. Grey and palette images become RGB; 16-bit and 32-bit integer
    greys are scaled from 0 … 65,535 to 0 … 255 (not clipped); float greys are taken as 0 … 1 where
    no value is larger, else as 0 … 255; what is transparent is laid over white.

    Parameters
    ----------
    image_path : str or Path
        An image in any format Pillow reads.

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
            with Image.open(path) as image:
                image.load()
                return _as_rgb(ImageOps.exif_transpose(image))
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
