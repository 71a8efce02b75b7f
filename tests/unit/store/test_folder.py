"""Where the store is, and folders that cannot hold one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import InputError
from facebench.store import default_cache_dir, open_store

ROW, IMAGE = {"k": np.ones((1, 3), dtype=np.float32)}, [b"i" * 16]


def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not bind the super-user, who may run the tests.
    monkeypatch.setattr(os, "access", lambda *_arguments, **_options: False)


def snapshot(folder: Path) -> dict[Path, bytes]:
    """What is in a folder, but for SQLite's own passing files."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_the_default_follows_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "here"))
    assert default_cache_dir() == tmp_path / "here"
    with open_store() as store:
        assert store.folder == tmp_path / "here"
    monkeypatch.delenv("FACEBENCH_CACHE")
    assert default_cache_dir().name == "facebench" or "facebench" in default_cache_dir().parts


@pytest.mark.parametrize("off", ["", "off", "None"])
def test_the_store_is_turned_off(monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    monkeypatch.setenv("FACEBENCH_CACHE", off)
    assert open_store() is None
    assert open_store(None) is None


def test_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="float32 or float16"):
        open_store(tmp_path, dtype="int8")


def test_a_folder_that_cannot_be_made_is_said_and_nothing_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert open_store(tmp_path / "file" / "store") is None
    assert len(caplog.records) == 1
    assert "cannot be made" in caplog.text


def test_a_read_only_store_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_store(tmp_path) as store:
        store.write(ROW, IMAGE)
    unwritable(monkeypatch)
    before = snapshot(tmp_path)
    with open_store(tmp_path) as store:
        assert store.read_only
        assert store.read("k", IMAGE)[0].tolist() == [[1.0, 1.0, 1.0]]
        store.write(ROW, [b"j" * 16])
        store.remember("x", 1)
        store.describe("k", model="m", layer="l", details={})
        assert store.image_digests([Path(__file__)])[0] is not None
        assert not store.has("k", [b"j" * 16]).any()
    assert [record.message.count("nothing new is kept") for record in caplog.records] == [1]
    assert snapshot(tmp_path) == before


def test_a_read_only_folder_without_a_store_is_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unwritable(monkeypatch)
    assert open_store(tmp_path) is None
    assert "holds no store" in caplog.text
