"""Rows on disk come back as they were, and leave no file behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from facebench.engine.spill import Spills


def test_rows_come_back_whole_and_in_blocks(tmp_path: Path) -> None:
    rows = torch.rand(5, 7)
    with Spills({"wide": 7, "other": 3}, n_rows=5, folder=tmp_path) as spills:
        wide = spills.layers["wide"]
        # In any order, also from memory that is not contiguous.
        for row in (3, 0, 4, 1, 2):
            wide.write(row, rows.T.contiguous().T[row])
        assert np.array_equal(wide.as_array(), rows.numpy())
        assert torch.equal(wide.block([4, 0], 2, 6), rows[[4, 0], 2:6])
        spills.layers["other"].write(0, torch.ones(3))
        assert np.array_equal(wide.as_array(), rows.numpy())


def test_files_go_after_an_error_too(tmp_path: Path) -> None:
    def break_down() -> None:
        with Spills({"a": 2}, 3, tmp_path) as spills:
            spills.layers["a"].write(0, torch.ones(2))
            assert list(tmp_path.iterdir())
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        break_down()
    assert not list(tmp_path.iterdir())
