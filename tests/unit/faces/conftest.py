"""Real faces, where there are some."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from support.data import data_folder

DATA = data_folder()


@pytest.fixture(scope="module")
def chips() -> list[np.ndarray]:
    """One 150 x 150 face of each of the five people."""
    files = [sorted(person.glob("*.jpg"))[0] for person in sorted((DATA / "johns_150").glob("*"))]
    if not files:
        pytest.skip(f"no face chips in {DATA / 'johns_150'}; set FACEBENCH_DATA")
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """Photographs of 250 x 250 pixels, a face in the middle of each."""
    files = sorted((DATA / "lfw_view1" / "images").rglob("*_0001.jpg"))[:400:20]
    if not files:
        pytest.skip(f"no photographs in {DATA / 'lfw_view1' / 'images'}; set FACEBENCH_DATA")
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]
