"""Roots, against SciPy's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from facebench.metrics.uncertainty.roots import root_between

FUNCTIONS: dict[str, Callable[[float, float, float], float]] = {
    "hyperbolic tangent": lambda x, root, slope: float(np.tanh(slope * (x - root))),
    "line": lambda x, root, slope: slope * (x - root),
    "power": lambda x, root, slope: slope * (x - root) ** 5,
    "exponential": lambda x, root, slope: float(np.exp(slope * x) - np.exp(slope * root)),
    "step": lambda x, root, slope: slope if x > root else -slope,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(
    st.floats(-3, 3),
    st.floats(0.01, 5),
    st.floats(0, 10),
    st.floats(0, 10),
    st.sampled_from([2e-12, 1e-6]),
)
def test_roots_are_scipys_to_the_last_bit(
    name: str, root: float, slope: float, below: float, above: float, tolerance: float
) -> None:
    def function(x: float) -> float:
        return FUNCTIONS[name](x, root, slope)

    low, high = root - below, root + above
    try:
        expected = brentq(function, low, high, xtol=tolerance)
    except ValueError:
        with pytest.raises(ValueError, match="same sign"):
            root_between(function, low, high, tolerance)
    except RuntimeError:
        with pytest.raises(ArithmeticError, match="100 steps"):
            root_between(function, low, high, tolerance)
    else:
        assert root_between(function, low, high, tolerance) == expected


def test_a_function_that_is_not_defined_has_no_root() -> None:
    with pytest.raises(ValueError, match="NaN at 0"):
        root_between(lambda x: x if x else float("nan"), -1.0, 1.0)
