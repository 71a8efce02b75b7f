"""Accuracy at a threshold, and thresholds, against counting."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facebench.metrics.verification import accuracy_at, youden_threshold
from support.scored import LABELS, SCORES, Case, cases, rates


class TestYoudenThreshold:
    def test_worked_example(self) -> None:
        assert youden_threshold(LABELS, SCORES) == 0.5
        assert accuracy_at(LABELS, SCORES, 0.5) == 0.75

    @given(cases)
    # Rates of thirds: 2/3 - 1/3 and 1 - 2/3 are equal, but not in floating point.
    @example(([1, 0, 1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    def test_is_the_strictest_of_the_best(self, case: Case) -> None:
        candidates = [float("inf"), *sorted(set(case[1]), reverse=True)]

        def youden(threshold: float) -> Fraction:
            fmr, tmr = rates(case, threshold)
            return tmr - fmr

        assert youden_threshold(*case) == max(candidates, key=youden)

    def test_where_nothing_beats_rejecting_all_it_is_infinite(self) -> None:
        assert youden_threshold([0, 0, 1, 1], [4, 3, 2, 1]) == np.inf
        assert youden_threshold([0, 1], [1, 1]) == np.inf

    def test_an_infinite_score_may_be_the_last_one_accepted(self) -> None:
        largest = np.finfo(float).max
        for sign in (1, -1):
            scores = np.array([np.inf, np.inf, 2.0]) * sign
            found = youden_threshold([1, 1, 0], scores, higher_is_better=sign > 0)
            assert found == largest * sign
            assert accuracy_at([1, 1, 0], scores, found, higher_is_better=sign > 0) == 1

    def test_it_is_an_observed_similarity(self) -> None:
        assert youden_threshold([1, 1, 0, 0], [0.9, 0.8, 0.3, 0.1]) == 0.8


class TestAccuracy:
    @given(cases, st.sampled_from([-np.inf, -0.6, -0.5, 0.0, 0.25, 0.3, np.inf]))
    def test_counts_what_is_decided_rightly(self, case: Case, threshold: float) -> None:
        right = sum((score >= threshold) == bool(label) for label, score in zip(*case, strict=True))
        assert accuracy_at(*case, threshold) == right / len(case[0])

    def test_a_pair_at_the_threshold_is_accepted(self) -> None:
        assert accuracy_at([1, 0], [0.5, 0.4], threshold=0.5) == 1

    def test_one_class_is_enough(self) -> None:
        assert accuracy_at([1, 1], [0.5, 0.4], threshold=0.45) == 0.5


def test_accuracy_refuses_a_threshold_of_nan_and_other_lengths() -> None:
    with pytest.raises(ValueError, match="NaN"):
        accuracy_at([1, 0], [0.5, 0.5], np.nan)
    with pytest.raises(ValueError, match="2 labels"):
        accuracy_at([1, 0], [0.5], 0.5)
