"""ROC, AUC, Youden's threshold and accuracy, against scikit-learn and plain loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score, roc_curve

from facebench.metrics.verification import accuracy_at, as_labels, auc, roc, youden_threshold

# The worked example: six genuine and six impostor pairs, with ties across the classes.
GENUINE = [0.9, 0.8, 0.7, 0.7, 0.6, 0.5]
IMPOSTOR = [0.7, 0.7, 0.6, 0.4, 0.3, 0.2]
LABELS = [1] * 6 + [0] * 6
SCORES = GENUINE + IMPOSTOR

Case = tuple[list[int], list[float]]

# Few different scores for many pairs: ties everywhere, within and across the classes.
cases = (
    st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(-3, 3)), min_size=2, max_size=16)
    .filter(lambda rows: len({label for label, _ in rows}) == 2)
    .map(lambda rows: ([label for label, _ in rows], [score / 4 for _, score in rows]))
)


def rates(case: Case, threshold: float) -> tuple[Fraction, Fraction]:
    """Return false and true match rate at a threshold, counted one by one."""
    accepted = {0: 0, 1: 0}
    total = {0: 0, 1: 0}
    for label, score in zip(*case, strict=True):
        total[label] += 1
        accepted[label] += score >= threshold
    return Fraction(accepted[0], total[0]), Fraction(accepted[1], total[1])


class TestLabels:
    @pytest.mark.parametrize(
        "genuine", [1, True, np.int64(1), np.bool_(True), 1.0, "1", "1.0", "same", "Same ", "TRUE"]
    )
    def test_genuine_in_any_spelling_is_1(self, genuine: object) -> None:
        assert as_labels([genuine]).tolist() == [1]

    @pytest.mark.parametrize(
        "impostor",
        [0, False, np.int8(0), np.bool_(False), 0.0, "0", "different", " DIFFERENT", "False"],
    )
    def test_impostor_in_any_spelling_is_0(self, impostor: object) -> None:
        assert as_labels([impostor]).tolist() == [0]

    @pytest.mark.parametrize(
        "value", [2, -1, 0.5, "yes", "", "genuine", None, float("nan"), "10", "sam"]
    )
    def test_anything_else_is_told(self, value: object) -> None:
        with pytest.raises(ValueError, match="same/different") as caught:
            as_labels([1, 0, value])
        assert repr(value) in str(caught.value)

    def test_no_labels_are_no_labels(self) -> None:
        assert as_labels([]).shape == (0,)


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


class TestAuc:
    def test_worked_example(self) -> None:
        assert round(auc(LABELS, SCORES), 4) == 0.7917

    @given(cases)
    def test_is_the_share_of_rightly_ordered_couples(self, case: Case) -> None:
        genuine = [s for label, s in zip(*case, strict=True) if label]
        impostor = [s for label, s in zip(*case, strict=True) if not label]
        wins = sum(Fraction((g > i) + (g >= i), 2) for g in genuine for i in impostor)
        assert_allclose(auc(*case), float(wins / (len(genuine) * len(impostor))))

    @given(cases)
    def test_agrees_with_scikit_learn(self, case: Case) -> None:
        assert_allclose(auc(*case), roc_auc_score(*case), atol=1e-12)

    @given(cases)
    def test_turning_the_scores_round_turns_the_area_round(self, case: Case) -> None:
        labels, scores = case
        assert_allclose(auc(labels, [-s for s in scores]), 1 - auc(labels, scores), atol=1e-12)

    def test_a_perfect_order_is_1_a_reversed_one_0_and_no_order_a_half(self) -> None:
        assert auc([1, 1, 0], [3, 2, 1]) == 1
        assert auc([0, 1, 1], [3, 2, 1]) == 0
        assert auc([1, 0, 1], [2, 2, 2]) == 0.5

    def test_many_pairs_agree_with_scikit_learn(self) -> None:
        generator = np.random.default_rng(0)
        labels = generator.integers(0, 2, 20_000)
        scores = (generator.normal(size=20_000) + labels).round(2)
        assert_allclose(auc(labels, scores), roc_auc_score(labels, scores), rtol=1e-12)


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


class TestInvariance:
    @given(cases)
    def test_a_monotone_transform_changes_no_decision(self, case: Case) -> None:
        labels, scores = case
        warped = [np.exp(3 * score) - 7 for score in scores]
        assert auc(labels, warped) == auc(labels, scores)
        before, after = youden_threshold(labels, scores), youden_threshold(labels, warped)
        assert [s >= before for s in scores] == [s >= after for s in warped]
        assert accuracy_at(labels, scores, before) == accuracy_at(labels, warped, after)

    @given(cases, st.randoms(use_true_random=False))
    def test_the_order_of_rows_does_not_matter(self, case: Case, random) -> None:
        rows = list(zip(*case, strict=True))
        random.shuffle(rows)
        shuffled = tuple(map(list, zip(*rows, strict=True)))
        assert auc(*case) == auc(*shuffled)
        assert youden_threshold(*case) == youden_threshold(*shuffled)
        for one, other in zip(roc(*case), roc(*shuffled), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_labels_may_be_words_and_scores_any_array(self) -> None:
        words = ["same" if label else "different" for label in LABELS]
        assert auc(words, np.array(SCORES, dtype=np.float64)) == auc(LABELS, SCORES)


@pytest.mark.parametrize("function", [roc, auc, youden_threshold])
class TestRefused:
    @pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
    def test_one_class(self, function, labels: list[int]) -> None:
        with pytest.raises(ValueError, match="both classes"):
            function(labels, [0.5, 0.4][: len(labels)])

    @pytest.mark.parametrize("scores", [[0.5], [0.5, 0.4, 0.3], [[0.5, 0.4]]])
    def test_other_lengths(self, function, scores: list[float]) -> None:
        with pytest.raises(ValueError, match="2 labels"):
            function([1, 0], scores)


def test_accuracy_refuses_a_threshold_of_nan_and_other_lengths() -> None:
    with pytest.raises(ValueError, match="NaN"):
        accuracy_at([1, 0], [0.5, 0.5], np.nan)
    with pytest.raises(ValueError, match="2 labels"):
        accuracy_at([1, 0], [0.5], 0.5)
