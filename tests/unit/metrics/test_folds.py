"""Folds that are made are stratified and share no person."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.metrics.folds import fold_faults, make_folds


class TestFolds:
    @given(st.integers(0, 1000), st.integers(2, 10))
    def test_made_folds_are_fair(self, seed: int, n_folds: int) -> None:
        generator = np.random.default_rng(seed)
        people = generator.integers(0, generator.integers(5, 400), (120, 2))
        people[:60, 1] = people[:60, 0]
        labels = people[:, 0] == people[:, 1]
        made = make_folds(labels, n_folds, *people.T, seed=seed)
        assert set(made.of_pair) == set(range(1, n_folds + 1))
        faults = fold_faults(labels, made.of_pair, *people.T)
        assert faults.one_class == []
        if made.is_disjoint:
            assert faults.shared_members == 0
        else:
            counts = np.array([np.bincount(made.of_pair[labels == c]) for c in (0, 1)])[:, 1:]
            assert (np.ptp(counts, axis=1) <= 1).all()

    def test_disjoint_where_possible(self) -> None:
        people = np.repeat(np.arange(100), 2).reshape(100, 2)
        pairs = np.concatenate((people, np.stack((np.arange(0, 100, 2), np.arange(1, 100, 2)), 1)))
        made = make_folds([1] * 100 + [0] * 50, 10, *pairs.T)
        assert made.is_disjoint
        assert (np.bincount(made.of_pair)[1:] == 15).all()

    def test_not_where_everyone_meets_everyone(self) -> None:
        first, second = np.triu_indices(12, k=1)
        people = np.concatenate(
            (np.stack((first, second), 1), np.repeat(np.arange(12), 2).reshape(-1, 2))
        )
        assert not make_folds(people[:, 0] == people[:, 1], 5, *people.T).is_disjoint

    @pytest.mark.parametrize("n_folds", [0, 1, 4])
    def test_too_many_or_too_few(self, n_folds: int) -> None:
        with pytest.raises(ValueError, match="folds need"):
            make_folds([1, 1, 1, 0, 0, 0], n_folds)
