"""Detection costs and log-likelihood-ratio costs against loops and isotonic regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.isotonic import IsotonicRegression

from facebench.metrics import verification as v
from support.counted import LABELS, SCORES, Case, cases, loop, sizes


class TestCosts:
    @given(cases, st.sampled_from([0.01, 0.5, 0.9]))
    def test_min_dcf_is_what_the_loop_finds(self, case: Case, prior: float) -> None:
        n_genuine, n_impostor = sizes(case)
        costs = [prior * fn / n_genuine + (1 - prior) * fm / n_impostor for fm, fn, _ in loop(case)]
        assert_allclose(v.min_dcf(*case, p_target=prior), min(costs) / min(prior, 1 - prior))

    @given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=16))
    def test_min_cllr_is_the_cost_after_isotonic_regression(self, rows: list) -> None:
        genuine, scores = np.array(rows).T
        n_genuine = int(genuine.sum())
        if n_genuine in (0, len(rows)):
            return
        posterior = IsotonicRegression().fit(scores, genuine).predict(scores)
        with np.errstate(divide="ignore"):
            odds = np.log(posterior) - np.log(1 - posterior)
        ratios = odds - np.log(n_genuine / (len(rows) - n_genuine))
        assert_allclose(v.min_cllr(genuine, scores), v.cllr(genuine, ratios), atol=1e-9)

    def test_cllr_at_the_extremes(self) -> None:
        assert v.cllr([1, 0], [np.inf, -np.inf]) == 0
        assert v.cllr([1, 0], [-np.inf, -np.inf]) == np.inf
        assert v.cllr([1, 0], [1e5, -1e5]) == 0

    def test_impossible_costs_are_told(self) -> None:
        with pytest.raises(ValueError, match="p_target"):
            v.min_dcf(LABELS, SCORES, p_target=1.0)
