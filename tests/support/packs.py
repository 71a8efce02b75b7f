"""Packs as Python 2 and 3 write them."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "jpeg")
    return stream.getvalue()


IMAGES = [jpeg(seed) for seed in range(6)]

SAME = [True, False, True]


def python2_pickle(images: list[bytes], same: list[bool]) -> bytes:
    """Pickle as Python 2's cPickle does at protocol 2: str as BINSTRING, with memos."""
    out = [b"\x80\x02", b"]q\x01("]
    for place, image in enumerate(images):
        if len(image) < 256:
            out.append(b"U" + bytes([len(image)]) + image)
        else:
            out.append(b"T" + struct.pack("<i", len(image)) + image)
        out.append(b"q" + bytes([place + 2]))
    out += [b"e", b"]r" + struct.pack("<I", 300) + b"("]
    out += [b"\x88" if label else b"\x89" for label in same]
    out += [b"e", b"\x86", b"."]
    return b"".join(out)


def write(tmp_path: Path, content: object, protocol: int = 4) -> Path:
    path = tmp_path / "some.bin"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path
