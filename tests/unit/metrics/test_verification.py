"""ROC, AUC, Youden's threshold and accuracy, against scikit-learn and plain loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from facebench.metrics.verification import accuracy_at, auc, roc, youden_threshold
from support.scored import LABELS, SCORES, Case, cases


class TestAuc:
    def test_worked_example(self) -> None:
        assert round(auc(LABELS, SCORES), 4) == 0.7917

    @given(cases)
    def test_is_the_share_of_rightly_ordered_couples(self, case: Case) -> None:
        genuine = [s for label, s in zip(*case, strict=True) if label]
        impostor = [s for label, s in zip(*case, strict=True) if not label]
        wins = sum(Fraction((g > i) + (g >= i), 2) for g in genuine for i in impostor)
        assert_allclose(auc(*case), float(wins / (len(genuine) * len(impostor))))

    @pytest.mark.slow
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
