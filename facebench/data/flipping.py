"""Mirrored copies of image files, for templates that pool an image with its mirror image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import ImageOps

from facebench.data.images import open_image
from facebench.data.pairs import resolve_image
from facebench.types import StrPath
from facebench.utils.files import atomic_path

__all__ = ["flipped_name", "write_flipped"]


def flipped_name(name: str) -> str:
    """Name the mirrored copy of an image: PNG, as a second JPEG would change its pixels.

    Examples
    --------
    >>> flipped_name("ann/1.jpg")
    'ann/1.jpg.png'
    """
    return f"{name}.png"


def write_flipped(
    names: Iterable[str], images_path: StrPath, flipped_images_path: StrPath
) -> list[Path]:
    """Write images mirrored left to right, without loss.

    Parameters
    ----------
    names : iterable of str
        Images, relative to `images_path`; those named twice are written once.
    images_path, flipped_images_path : str or Path
        The folder they are in, and another one for the copies, each under `flipped_name`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ImageError
        If an image is missing or cannot be decoded.
    """
    written = []
    for name in dict.fromkeys(names):
        target = Path(flipped_images_path) / flipped_name(name)
        with atomic_path(target) as path:
            ImageOps.mirror(open_image(resolve_image(images_path, name))).save(path, format="PNG")
        written.append(target)
    return written
