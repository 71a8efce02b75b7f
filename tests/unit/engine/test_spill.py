from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from facebench.engine.spill import SpilledRows


def test_threads_that_read_at_once_get_the_rows_they_asked_for(tmp_path: Path) -> None:
    """Two groups of pairs share a layer: each moved the other's place in the file."""
    n_rows, width = 40, 8
    spilled = SpilledRows(tmp_path / "rows", n_rows, width)
    for row in range(n_rows):
        spilled.write(row, torch.full((width,), float(row)))

    def wrong(seed: int) -> int:
        rows = np.random.default_rng(seed).integers(0, n_rows, 4_000).tolist()
        return int((spilled.block(rows, 2, 6).numpy() != np.array(rows)[:, None]).sum())

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(wrong, range(16))) == 0
    spilled.close()


def test_rows_are_mapped_also_where_the_last_image_has_none(tmp_path: Path) -> None:
    spilled = SpilledRows(tmp_path / "rows", 3, 4)
    spilled.write(1, torch.ones(4))
    rows = spilled.as_array()
    assert rows.shape == (3, 4)
    assert np.array_equal(rows[1], np.ones(4))
    spilled.close()


def test_a_file_cut_off_is_told_rather_than_read_as_memory_holds_it(tmp_path: Path) -> None:
    spilled = SpilledRows(tmp_path / "rows", 2, 4)
    spilled.write(0, torch.ones(4))
    os.truncate(tmp_path / "rows", 16)
    with pytest.raises(OSError, match="ends too early"):
        spilled.block([1], 0, 4)
    spilled.close()
