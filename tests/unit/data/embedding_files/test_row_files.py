"""Rows of several files as one list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from facebench.data.embedding_files import row_files, write_embeddings
from facebench.data.embedding_files.row_files import RowFiles
from facebench.errors import InputError


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path, rows: np.ndarray) -> list[Path]:
    np.save(tmp_path / "a.npy", rows[:9].astype(np.float64))
    np.save(tmp_path / "b.npy", np.asfortranarray(rows[9:14]))
    write_embeddings(tmp_path / "c.npz", list("abcdefghi"), {"fc": rows[14:]}, range(9))
    return [tmp_path / "a.npy", tmp_path / "b.npy", tmp_path / "c.npz"]


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 48, 1 << 20])
def test_any_rows_of_any_files(
    files: list[Path], rows: np.ndarray, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_files, "_AT_ONCE", at_once)
    found = RowFiles(files, "fc")
    assert (found.n_rows, found.width) == (23, 3)
    for first in range(24):
        for stop in range(first, 24):
            blocks = [np.empty((0, 3), np.float32), *found.blocks(first, stop)]
            assert_array_equal(np.concatenate(blocks), rows[first:stop], strict=True)
    assert [found.name(row) for row in (0, 8, 9, 13, 14, 22)] == [
        *("a.npy:0", "a.npy:8", "b.npy:0", "b.npy:4", "a", "i"),
    ]


def test_what_is_wrong_with_a_file_is_told(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="are the same file: its rows would count twice"):
        RowFiles([*files, tmp_path / "." / "a.npy"], "fc")
    whole = files[0].read_bytes()
    found = RowFiles(files, "fc")
    files[0].write_bytes(whole[:-4])
    with pytest.raises(InputError, match=r"a\.npy.* cannot be read"):
        RowFiles(files, "fc")
    np.save(files[0], np.ones((8, 3)))
    with pytest.raises(InputError, match="has changed while it was read"):
        list(found.blocks(0, 9))
    np.save(files[0], np.empty((0, 3)))
    with pytest.raises(InputError, match=r"of shape \[0, 3\]"):
        RowFiles(files, "fc")
    np.save(files[0], np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy"):
        RowFiles(files, "fc")
