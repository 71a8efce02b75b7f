"""The images of a folder and their decoding, under the path at which they were before."""

from __future__ import annotations

from facebench.data.images import (
    IMAGE_SUFFIXES,
    image_bytes,
    image_exists,
    images_below,
    open_image,
)

__all__ = ["IMAGE_SUFFIXES", "image_bytes", "image_exists", "images_below", "open_image"]
