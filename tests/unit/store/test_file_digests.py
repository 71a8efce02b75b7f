"""Digests of files: by their bytes, remembered while nothing changes."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from facebench.store import EmbeddingStore, file_digests
from facebench.utils.files import FileState


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddingStore(tmp_path) as store:
        yield store


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    paths: list[Path] = []
    plain = file_digests.settled_sha256

    def noted(path: Path) -> tuple[bytes, FileState | None] | None:
        paths.append(path)
        return plain(path)

    monkeypatch.setattr(file_digests, "settled_sha256", noted)
    return paths


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10**10)


def files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"image{index}.jpg" for index in range(count)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


@pytest.mark.usefixtures("later")
def test_an_unchanged_file_is_opened_once(
    store: EmbeddingStore, tmp_path: Path, opened: list[Path]
) -> None:
    paths = [*files(tmp_path, 100), tmp_path / "missing.jpg"]
    first = store.image_digests(paths)
    assert first[:-1] == [hashlib.sha256(p.name.encode()).digest()[:16] for p in paths[:-1]]
    assert first[-1] is None
    assert len(opened) == len(paths)
    assert store.image_digests(paths) == first
    # What could not be read is tried again.
    assert opened[len(paths) :] == paths[-1:]


@pytest.mark.usefixtures("later")
def test_a_replaced_file_of_the_same_size_and_time_is_opened_again(
    store: EmbeddingStore, tmp_path: Path, opened: list[Path]
) -> None:
    (path,) = files(tmp_path, 1)
    before, found = path.stat(), store.image_digests([path])
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.image_digests([path]) != found
    assert len(opened) == 2


def test_a_file_changed_a_moment_ago_is_not_trusted(
    store: EmbeddingStore, tmp_path: Path, opened: list[Path]
) -> None:
    paths = files(tmp_path, 1)
    assert store.image_digests(paths) == store.image_digests(paths)
    assert len(opened) == 2


@pytest.mark.usefixtures("later")
def test_a_moved_file_has_the_same_digest(store: EmbeddingStore, tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    found = store.image_digests([path])
    assert store.image_digests([path.rename(tmp_path / "elsewhere.png")]) == found
