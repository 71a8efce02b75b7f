"""Error consistency against its formula, scikit-learn and its analytic bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from facebench.metrics.error_consistency import (
    consistencies,
    error_consistency,
    kappa_bounds,
    mean_between,
    observed_bounds,
)


def test_it_is_cohens_kappa_of_being_right():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.random((2, 40)) < rng.uniform(0.3, 0.95, (2, 1))
        found = error_consistency(first, second)
        assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
        p1, p2 = first.mean(), second.mean()
        assert found.expected == pytest.approx(p1 * p2 + (1 - p1) * (1 - p2))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_it_lies_within_its_analytic_bounds(pairs):
    first, second = np.array(pairs).T
    found = error_consistency(first, second)
    low, high = observed_bounds(first.mean(), second.mean())
    assert low - 1e-9 <= found.observed <= high + 1e-9
    if np.isfinite(found.kappa):
        low, high = kappa_bounds(first.mean(), second.mean())
        assert low - 1e-9 <= found.kappa <= high + 1e-9
    # The bounds are reached: by errors that overlap as much, and as little, as they can.
    most = error_consistency(np.sort(first), np.sort(second)).observed
    least = error_consistency(np.sort(first), np.sort(second)[::-1]).observed
    assert (least, most) == pytest.approx(observed_bounds(first.mean(), second.mean()))


def test_every_two_observers_are_compared_on_what_both_judged():
    rng = np.random.default_rng(1)
    right, seen = rng.random((5, 30)) < 0.7, rng.random((5, 30)) < 0.8
    table = consistencies(right, seen)
    for a in range(5):
        for b in range(5):
            shared = seen[a] & seen[b]
            expected = error_consistency(right[a, shared], right[b, shared]).kappa
            assert table[a, b] == pytest.approx(expected, nan_ok=True)
    upper = table[np.triu_indices(5, 1)]
    assert mean_between(table) == pytest.approx(upper.mean())
    network = rng.random((1, 30)) < 0.7
    one = consistencies(network, np.ones((1, 30)), right, seen)
    expected = error_consistency(network[0, seen[3]], right[3, seen[3]]).kappa
    assert one[0, 3] == pytest.approx(expected)


def test_observers_who_are_always_right_have_no_error_consistency():
    assert np.isnan(error_consistency([1, 1], [1, 1]).kappa)
    assert np.isnan(consistencies(np.ones((2, 3)), np.ones((2, 3)))[0, 1])
    with pytest.raises(ValueError, match="same items"):
        error_consistency([1], [1, 0])
