"""The ROC curve against scikit-learn and counting."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from numpy.testing import assert_allclose
from sklearn.metrics import roc_curve

from facebench.metrics.verification import roc
from support.scored import Case, cases, rates


class TestRoc:
    @given(cases)
    def test_agrees_with_scikit_learn(self, case: Case) -> None:
        fmr, tmr, _ = roc_curve(*case, drop_intermediate=False)
        found = roc(*case)
        assert_allclose(found.fmr, fmr, atol=1e-15)
        assert_allclose(found.tmr, tmr, atol=1e-15)

    @given(cases)
    def test_every_point_is_what_counting_gives(self, case: Case) -> None:
        for fmr, fnmr, threshold in zip(*roc(*case), strict=True):
            false_match, true_match = rates(case, threshold)
            assert_allclose((fmr, fnmr), [float(false_match), float(1 - true_match)], atol=1e-15)

    @given(cases)
    def test_runs_from_accept_none_to_accept_all(self, case: Case) -> None:
        curve = roc(*case)
        assert (curve.fmr[0], curve.fnmr[0], curve.thresholds[0]) == (0, 1, np.inf)
        assert (curve.fmr[-1], curve.fnmr[-1], curve.thresholds[-1]) == (1, 0, -np.inf)
        assert (np.diff(curve.fmr) >= 0).all()
        assert (np.diff(curve.fnmr) <= 0).all()
        assert (np.diff(curve.thresholds) < 0).all()

    @given(cases)
    def test_thresholds_are_midway(self, case: Case) -> None:
        observed = np.unique(case[1])[::-1]
        middle = (observed[1:] + observed[:-1]) / 2
        assert roc(*case).thresholds.tolist() == [np.inf, *middle, -np.inf]

    def test_ties_move_together(self) -> None:
        curve = roc([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])
        assert curve.thresholds.tolist() == [np.inf, -np.inf]
        assert curve.tmr.tolist() == [0, 1]
