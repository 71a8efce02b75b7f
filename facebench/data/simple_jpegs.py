"""JPEGs with nothing but pixels in them, decoded without Pillow's reading of their head.

Pillow reads the head of a JPEG in Python, which takes a third of the time of a small one. Where
it says nothing of orientation or colours, Pillow's decoder alone gives the same pixels.
"""

from __future__ import annotations

import struct

from PIL import Image

__all__ = ["decode_simple_jpeg", "simple_jpeg_size"]

_BEGIN = b"\xff\xd8"
_COLOURS = 3
# JFIF, comments, restarts, and tables of quantisation and of Huffman codes.
_PASSED = frozenset(b"\xe0\xfe\xdd\xdb\xc4")
# The frame of a baseline or progressive image of 8 bits: its marker.
_FRAME = frozenset(b"\xc0\xc1\xc2")
_SCAN = 0xDA
_BITS = 8
_segment = struct.Struct(">BBH").unpack_from
_frame = struct.Struct(">BHHB").unpack_from


def simple_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Read the size of a JPEG in three colours, whose head has no EXIF, profile or Adobe marker.

    Parameters
    ----------
    data : bytes
        A file.

    Returns
    -------
    width, height : int
        None instead of every other file, also of a JPEG that is damaged here.
    """
    if not data.startswith(_BEGIN):
        return None
    place, size = len(_BEGIN), None
    try:
        while True:
            fill, marker, length = _segment(data, place)
            if fill != 0xFF or length < 2:
                return None
            if marker == _SCAN:
                return size
            if marker in _FRAME:
                bits, height, width, colours = _frame(data, place + 4)
                if size is not None or bits != _BITS or colours != _COLOURS:
                    return None
                size = width, height
            elif marker not in _PASSED:
                return None
            place += 2 + length
    except struct.error:
        return None


def decode_simple_jpeg(data: bytes) -> Image.Image | None:
    """Decode a JPEG of `simple_jpeg_size` to the pixels that ``Image.open`` gives.

    Parameters
    ----------
    data : bytes
        A file.

    Returns
    -------
    PIL.Image.Image
        Mode 'RGB'. None of every other file, and of what is damaged or larger than Pillow's
        ``MAX_IMAGE_PIXELS``: ``Image.open`` tells what is wrong.
    """
    size = simple_jpeg_size(data)
    if size is None or 0 in size:
        return None
    if Image.MAX_IMAGE_PIXELS is not None and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:
        return None
    try:
        image = Image.frombytes("RGB", size, data, "jpeg", "RGB", "")
    except (OSError, ValueError):
        return None
    image.format = "JPEG"  # as of Image.open
    return image
