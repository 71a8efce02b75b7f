"""Row-wise distances, against SciPy and scikit-learn, and the properties of a distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.spatial import distance as scipy_distance
from sklearn.metrics import pairwise

from facebench.metrics.distances import RowDistance, cosine, minkowski

ORDERS = [0.0, 0.5, 1.0, 1.7, 2.0, 3.0, 10.0, np.inf]

values = st.floats(-1e6, 1e6, width=32).map(lambda x: 0.0 if abs(x) < 1e-6 else x)
pairs = st.tuples(st.integers(1, 5), st.integers(1, 8)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float32, shape, elements=values), arrays(np.float32, shape, elements=values)
    )
)


def some(rows: int = 6, width: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(rows, width)), generator.normal(size=(rows, width))


class TestCosine:
    @pytest.mark.slow
    @given(pairs)
    def test_agrees_with_scikit_learn(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        left, right = (side.astype(np.float64) for side in pair)
        expected = pairwise.cosine_distances(left, right).diagonal().copy()
        expected[~left.any(axis=1) | ~right.any(axis=1)] = np.nan
        assert_allclose(cosine(left, right), expected, atol=1e-12)

    @pytest.mark.slow
    @given(pairs)
    def test_is_symmetric_and_within_0_and_2(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        found = cosine(*pair)
        has_direction = pair[0].any(axis=1) & pair[1].any(axis=1)
        assert ((found >= 0) & (found <= 2))[has_direction].all()
        assert np.isnan(found[~has_direction]).all()
        assert_allclose(found, cosine(*pair[::-1]), atol=1e-15)

    @given(pairs)
    def test_identical_rows_are_0_and_opposite_ones_2(
        self, pair: tuple[np.ndarray, np.ndarray]
    ) -> None:
        left = pair[0]
        nonzero = np.any(left != 0, axis=1)
        assert_allclose(cosine(left, left)[nonzero], 0, atol=1e-12)
        assert_allclose(cosine(left, -left)[nonzero], 2, atol=1e-12)

    def test_a_zero_row_has_no_distance_to_anything(self) -> None:
        zero, other = np.zeros((2, 3)), np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
        assert np.isnan(cosine(zero, other)).all()
        assert np.isnan(cosine(other, zero, eps=1e-8)).all()
        rows = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
        found = RowDistance("cosine").between(rows, np.array([0, 0, 1]), np.array([2, 1, 1]))
        assert found[0] == 1
        assert np.isnan(found[1:]).all()

    @pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e30, 1e150])
    def test_length_does_not_matter(self, scale: float) -> None:
        left, right = some()
        assert_allclose(cosine(left * scale, right / scale), cosine(left, right), rtol=1e-12)

    def test_worked_angles(self) -> None:
        left = np.array([[1, 0], [1, 0], [1, 0], [1, 0]])
        right = np.array([[5, 0], [0, 3], [-2, 0], [1, 1]])
        assert_allclose(cosine(left, right), [0, 1, 2, 1 - 0.5**0.5])

    def test_eps_draws_short_vectors_towards_a_distance_of_1(self) -> None:
        left = np.array([[0.01, 0.0], [3.0, 4.0]])
        short, long = cosine(left, left, eps=0.1)
        assert 0.9 < short < 1
        assert long == pytest.approx(0)


class TestMinkowski:
    @pytest.mark.parametrize("p", [p for p in ORDERS if p > 0])
    def test_agrees_with_scipy(self, p: float) -> None:
        left, right = some()
        expected = [
            scipy_distance.chebyshev(a, b) if np.isinf(p) else np.linalg.norm(a - b, ord=p)
            for a, b in zip(left, right, strict=True)
        ]
        assert_allclose(minkowski(left, right, p=p), expected, rtol=1e-12)

    @pytest.mark.slow
    @given(pairs)
    def test_agrees_with_scikit_learn(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        left, right = (side.astype(np.float64) for side in pair)
        assert_allclose(
            minkowski(left, right, p=1), pairwise.manhattan_distances(left, right).diagonal()
        )
        assert_allclose(
            minkowski(left, right), np.sqrt(((left - right) ** 2).sum(axis=1)), rtol=1e-12
        )

    def test_order_0_counts_what_differs(self) -> None:
        left = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
        right = np.array([[1.0, 0.0, -3.0], [1.0, 2.0, 3.0]])
        assert minkowski(left, right, p=0).tolist() == [2.0, 0.0]

    @pytest.mark.parametrize("p", ORDERS)
    def test_identical_rows_are_exactly_0(self, p: float) -> None:
        left, _ = some()
        assert minkowski(left, left, p=p).tolist() == [0.0] * len(left)

    @given(pairs, st.sampled_from(ORDERS))
    def test_is_symmetric_and_never_negative(
        self, pair: tuple[np.ndarray, np.ndarray], p: float
    ) -> None:
        found = minkowski(*pair, p=p)
        assert (found >= 0).all()
        assert_allclose(found, minkowski(*pair[::-1], p=p))

    @given(pairs, st.sampled_from([p for p in ORDERS if p >= 1]))
    def test_a_detour_is_never_shorter(self, pair: tuple[np.ndarray, np.ndarray], p: float) -> None:
        left, right = pair
        halfway = np.roll(left, 1, axis=1)
        detour = minkowski(left, halfway, p=p) + minkowski(halfway, right, p=p)
        assert (minkowski(left, right, p=p) <= detour * (1 + 1e-9)).all()

    @pytest.mark.parametrize("p", [3.0, 10.0, 100.0, np.inf])
    @pytest.mark.parametrize("scale", [1e-200, 1e200])
    def test_high_orders_neither_overflow_nor_vanish(self, p: float, scale: float) -> None:
        left, right = some()
        expected = minkowski(left, right, p=p) * scale
        assert_allclose(minkowski(left * scale, right * scale, p=p), expected, rtol=1e-9)

    def test_the_offset_is_added_to_every_difference(self) -> None:
        left = np.array([[1.0, 1.0, 1.0, 1.0]])
        assert_allclose(minkowski(left, left, p=2, offset=0.5), [1.0])
        assert_allclose(minkowski(left, left + 1, p=1, offset=0.5), [2.0])

    @pytest.mark.parametrize("p", [-1.0, np.nan, -np.inf])
    def test_an_impossible_order_is_told(self, p: float) -> None:
        with pytest.raises(ValueError, match="'p' parameter"):
            minkowski(np.eye(2), np.eye(2), p=p)


@pytest.mark.parametrize("function", [cosine, minkowski])
class TestBoth:
    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int32, np.uint8])
    def test_the_answer_is_float64_of_one_per_row(self, function, kind: type) -> None:
        left = np.array([[200, 3, 4], [1, 0, 9]]).astype(kind)
        right = np.array([[3, 250, 0], [7, 7, 7]]).astype(kind)
        found = function(left, right)
        assert found.dtype == np.float64
        assert found.shape == (2,)
        assert_allclose(found, function(left.astype(float), right.astype(float)))

    def test_no_rows_give_no_distances(self, function) -> None:
        assert function(np.empty((0, 4)), np.empty((0, 4))).shape == (0,)

    def test_what_was_given_is_not_changed(self, function) -> None:
        left, right = some()
        before = left.copy(), right.copy()
        function(left, right)
        np.testing.assert_array_equal(left, before[0])
        np.testing.assert_array_equal(right, before[1])

    def test_digits_survive_100_000_dimensions(self, function) -> None:
        generator = np.random.default_rng(3)
        left = (1000 + generator.normal(size=(1, 100_000))).astype(np.float32)
        right = (1000 + generator.normal(size=(1, 100_000))).astype(np.float32)
        exact = function(left.astype(np.longdouble), right.astype(np.longdouble))
        assert_allclose(function(left, right), exact, rtol=1e-7)


@pytest.mark.parametrize("p", [0, 1, 3, np.inf])
def test_minkowski_of_any_order_does_not_change_what_was_given(p: float) -> None:
    left, right = some()
    before = left.copy()
    minkowski(left, right, p=p)
    np.testing.assert_array_equal(left, before)
