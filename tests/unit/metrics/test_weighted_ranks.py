"""Concordances against a double loop."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facebench.metrics.weighted_ranks import concordances


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_concordances_are_those_of_a_double_loop(rows):
    x, y = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    np.testing.assert_array_equal(concordances(x, y), signs.sum(axis=1))
