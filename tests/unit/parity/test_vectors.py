"""Flipped copies are joined as the published code does."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.parity import flip_concat, flip_sum, squared_distances

# --- embeddings -------------------------------------------------------------------------------


def test_flip_sum_and_concat() -> None:
    one, two = [[3.0, 0.0]], [[0.0, 4.0]]
    assert flip_sum(one, two) == pytest.approx(np.array([[0.6, 0.8]]))
    assert flip_concat(one, two) == pytest.approx(np.array([[0.6, 0.0, 0.0, 0.8]]))
    assert squared_distances(one, two) == pytest.approx([25.0])
