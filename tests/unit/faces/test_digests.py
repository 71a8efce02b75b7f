"""Digests tell content from content, however it is laid out."""

from __future__ import annotations

import os

import numpy as np

from facebench.faces.digests import content_digest, pixels_digest


def test_pixels_count_with_their_shape_and_not_their_layout():
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert pixels_digest(image) == pixels_digest(np.asfortranarray(image))
    assert pixels_digest(image) != pixels_digest(image.reshape(5, 4, 3))
    changed = image.copy()
    changed[3, 4, 2] += 1
    assert pixels_digest(changed) != pixels_digest(image)


def test_a_file_that_is_replaced_has_another_digest(tmp_path):
    file, copy = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"one" * 999)
    copy.write_bytes(b"one" * 999)
    first = content_digest(file)
    assert content_digest(copy) == first
    times = file.stat()
    copy.write_bytes(b"two" * 999)
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    copy.replace(file)
    assert content_digest(file) != first
