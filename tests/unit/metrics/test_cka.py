"""CKA against its formula."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench.metrics.cka import cka, linear_cka
from facebench.metrics.rdm import rdm
from facebench.metrics.rsa import compare

seeds = st.integers(0, 10_000)


class TestCka:
    @given(seeds)
    @settings(max_examples=20)
    def test_it_is_the_formula_with_dimensions(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        one, other = generator.normal(size=(8, 3)) + 50, generator.normal(size=(8, 5))
        x, y = one - one.mean(0), other - other.mean(0)
        expected = np.linalg.norm(x.T @ y) ** 2
        expected /= np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
        assert linear_cka(one, other) == pytest.approx(expected)
        whitened = compare(rdm(one, "sqeuclidean"), rdm(other, "sqeuclidean"), "cosine-whitened")
        assert whitened == pytest.approx(expected)

    def test_the_unbiased_hsic_is_the_mean_over_quadruples(self) -> None:
        rows = np.random.default_rng(0).normal(size=(5, 2))
        other = np.random.default_rng(1).normal(size=(5, 2))
        k, m = rows @ rows.T, other @ other.T

        def hsic(a: np.ndarray, b: np.ndarray) -> float:
            return np.mean([
                a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q])
                for i, j, q, r in itertools.permutations(range(5), 4)
            ])  # fmt: skip

        expected = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
        assert cka(k, m, unbiased=True) == pytest.approx(expected)

    def test_unrelated_layers_are_alike_only_if_biased(self) -> None:
        generator = np.random.default_rng(2)
        pairs = generator.normal(size=(40, 2, 12, 60))
        assert np.mean([linear_cka(*pair) for pair in pairs]) > 0.5
        assert abs(np.mean([linear_cka(*pair, unbiased=True) for pair in pairs])) < 0.05

    def test_it_is_not_defined_without_variation(self) -> None:
        assert np.isnan(linear_cka(np.full((5, 3), 0.1), np.eye(5)))
        assert np.isnan(linear_cka([[1], [2], [3]], [[1], [2], [3]], unbiased=True))
        with pytest.raises(ValueError, match="square"):
            linear_cka([[1], [2]], [[1], [2], [3]])
