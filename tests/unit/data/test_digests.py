"""Files are read once, and again when they changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from facebench.data import digests, images
from facebench.data.digests import known_sha256, read_sha256


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """Collect the files that are read."""
    found: list[Path] = []
    read = digests.image_content

    def counted(path):
        found.append(path)
        return read(path)

    monkeypatch.setattr(digests, "_known", {})
    monkeypatch.setattr(digests, "image_content", counted)
    # The time of the last change of an inode cannot be set back, but the clock can be put forward.
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10**10)
    return found


def test_a_file_is_read_once_until_it_changes(tmp_path, reads) -> None:
    path = tmp_path / "1.jpg"
    for content in (b"one", b"other"):
        path.write_bytes(content)
        reads.clear()
        for _ in range(3):
            assert known_sha256(path) == hashlib.sha256(content).digest()
        assert len(reads) == 1
    # What is digested to compare it with what it was is read each time.
    assert read_sha256(path) == read_sha256(path) == known_sha256(path)
    assert len(reads) == 3


def test_a_file_that_just_changed_is_not_known(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(digests, "_known", {})
    path = tmp_path / "1.jpg"
    path.write_bytes(b"one")
    assert known_sha256(path) == hashlib.sha256(b"one").digest()
    assert digests._known == {}


def test_what_is_known_is_bounded(tmp_path, reads, monkeypatch) -> None:
    monkeypatch.setattr(digests, "_MOST_KNOWN", 2)
    for number in range(5):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(bytes([number]))
        assert known_sha256(path) == hashlib.sha256(bytes([number])).digest()
        assert len(digests._known) <= 2


def test_what_is_no_file_has_no_digest(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none.jpg", Path("a\0b")):
        assert known_sha256(path) is None
        assert read_sha256(path) is None


@pytest.mark.parametrize("most_held", [64 << 20, 3])
def test_a_file_that_changes_while_it_is_read_is_not_known(
    tmp_path, reads, monkeypatch, most_held
) -> None:
    path = tmp_path / "1.jpg"
    path.write_bytes(b"old content")
    monkeypatch.setattr(images, "_MOST_HELD", most_held)
    fstat, calls = os.fstat, []

    def replaced(file):
        calls.append(file)
        if len(calls) == 2:
            path.write_bytes(b"new content")
        return fstat(file)

    monkeypatch.setattr(os, "fstat", replaced)
    found = read_sha256(path)
    monkeypatch.undo()
    # Read twice, or digested piece by piece and not remembered.
    assert found in {hashlib.sha256(text).digest() for text in (b"old content", b"new content")}
    assert known_sha256(path) == hashlib.sha256(b"new content").digest()
