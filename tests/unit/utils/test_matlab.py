"""Damaged MATLAB files that make SciPy crash are refused by all that reads such files."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from facebench.data.embedding_files.matlab import read_mat
from facebench.data.pairs.agedb import read_agedb_pairs
from facebench.data.rdms.meadows import is_meadows
from facebench.errors import FacebenchError
from facebench.people.checking import check_trials
from facebench.utils.matlab import refuse_crashing_matlab

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there processes are forked")


@pytest.fixture
def crashing(tmp_path: Path) -> Path:
    whole = io.BytesIO()
    values = {"response": np.array(["a", "b"], dtype=object), "splits": np.arange(3.0)}
    scipy.io.savemat(whole, values)
    data = bytearray(whole.getvalue())
    # The class of the first variable: text in place of a cell array.
    assert data[144] == 1
    data[144] = 4
    path = tmp_path / "trials.mat"
    path.write_bytes(data)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "read",
    [
        refuse_crashing_matlab,
        lambda path: read_mat(path, None),
        is_meadows,
        read_agedb_pairs,
        check_trials,
    ],
    ids=["itself", "embeddings", "rdm", "agedb", "trials"],
)
def test_a_file_that_would_end_the_process_is_told(crashing: Path, read: object) -> None:
    with pytest.raises(FacebenchError, match=r"trials.mat.*without a crash"):
        read(crashing)  # type: ignore[operator]


@pytest.mark.slow
def test_other_files_are_left_to_their_readers(tmp_path: Path) -> None:
    whole, other = tmp_path / "whole.mat", tmp_path / "other.mat"
    scipy.io.savemat(whole, {"a": np.arange(3.0)})
    other.write_text("no MATLAB file")
    for path in (whole, other, tmp_path / "missing.mat"):
        refuse_crashing_matlab(path)
