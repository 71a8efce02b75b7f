"""Different images are numbered once, by content where a store knows it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from facebench.engine.request import ImageIndex
from facebench.store import open_store


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = [b"a", b"b", b"a", b"c"]
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_with_a_store_files_of_one_content_are_one_image(files: list[Path], tmp_path: Path) -> None:
    index = ImageIndex(files, open_store(tmp_path / "store"))
    assert index.images == [files[0], files[1], files[3]]
    assert index.numbers(files).tolist() == [0, 1, 0, 2]
    assert len(set(index.digests)) == len(index.images)


def test_without_one_every_path_is_an_image(files: list[Path]) -> None:
    index = ImageIndex(files, None)
    assert index.numbers(files[::-1]).tolist() == [3, 2, 1, 0]
    # They are digested all the same: an image may be replaced while a run goes on.
    assert index.digests == [hashlib.sha256(path.read_bytes()).digest()[:16] for path in files]


def test_files_that_cannot_be_read_stay_apart(files: list[Path], tmp_path: Path) -> None:
    for path in files[1:3]:
        path.unlink()
    index = ImageIndex(files, open_store(tmp_path / "store"))
    assert index.images == files
