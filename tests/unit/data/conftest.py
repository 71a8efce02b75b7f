"""What tests of data need."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from support.packs import IMAGES, SAME, python2_pickle


@pytest.fixture(params=["python 2", 0, 1, 2, 3, 4, 5])
def pack(request, tmp_path: Path) -> Path:
    path = tmp_path / "lfw.bin"
    if request.param == "python 2":
        path.write_bytes(python2_pickle(IMAGES, SAME))
    else:
        path.write_bytes(pickle.dumps((IMAGES, SAME), protocol=request.param))
    return path
