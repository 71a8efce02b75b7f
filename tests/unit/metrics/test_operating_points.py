"""EER, TAR at FAR, accuracy, calibration, quality: the worked examples, loops, and the edges."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from facebench.metrics import verification as v
from support.counted import LABELS, SCORES, Case, cases, loop, sizes

THINNED = (
    [1] * 5 + [0] * 10,
    [0.90, 0.89, 0.50, 0.49, 0.48, 0.80, 0.79, 0.78, 0.77, 0.76, 0.75, 0.74, 0.40, 0.30, 0.20],
)

many = settings(max_examples=400, deadline=None)


class TestWorkedExamples:
    @pytest.mark.parametrize("sign", [1, -1])
    def test_first(self, sign: int) -> None:
        scores, way = sign * np.array(SCORES), {"higher_is_better": sign > 0}
        assert round(v.auc(LABELS, scores, **way), 4) == 0.7917
        assert v.best_accuracy(LABELS, scores, **way).accuracy == 0.75
        assert round(v.eer(LABELS, scores, **way).rate, 4) == 0.3333
        assert round(v.eer(LABELS, scores, method="hull", **way).rate, 4) == 0.2857
        found = v.tar_at_far(LABELS, scores, far=[0.1, 0.2], **way)
        assert [round(record.tar, 4) for record in found] == [0.3333, 0.3333]
        assert found[1].threshold == pytest.approx(sign * 0.75)
        assert round(v.dprime(LABELS, scores, **way), 4) == 1.1957

    def test_a_thinned_roc_would_say_1(self) -> None:
        record = v.tar_at_far(*THINNED, far=0.5)
        assert (record.tar, record.far, record.n_impostors) == (0.4, 0.0, 10)


class TestThresholds:
    @pytest.mark.slow
    @many
    @given(cases, st.booleans(), st.sampled_from([np.float32, np.float64]))
    def test_each_gives_the_rates_beside_it(self, case: Case, higher: bool, kind: type) -> None:
        labels, scores = np.array(case[0], bool), np.array(case[1], kind)
        curve = v.roc(labels, scores, higher_is_better=higher)
        assert curve.n_failed == np.isnan(scores).sum()
        for fmr, fnmr, threshold in list(zip(*curve, strict=True))[1:]:
            accepted = scores >= threshold if higher else scores <= threshold
            assert fmr == np.mean(accepted[~labels])
            assert fnmr == np.mean(~accepted[labels])

    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_neighbouring_floats_are_parted(self, kind: type, sign: int) -> None:
        for low in np.array([1.0, 0.1, 5e-8, 0.0, -1.0, 60000.0], kind):
            pair = np.array([np.nextafter(low, kind(np.inf)), low]) * kind(sign)
            curve = v.roc([1, 0], pair, higher_is_better=sign > 0)
            middle = curve.thresholds[1]
            accepted = pair >= kind(middle) if sign > 0 else pair <= kind(middle)
            assert accepted.tolist() == [True, False]

    def test_accept_none_is_below_every_distance(self) -> None:
        assert v.roc([1, 0], [1, 2], higher_is_better=False).thresholds.tolist() == [
            -np.inf, 1.5, np.inf,
        ]  # fmt: skip


class TestEer:
    @pytest.mark.slow
    @many
    @given(cases)
    def test_is_what_the_loop_finds(self, case: Case) -> None:
        n_genuine, n_impostor = sizes(case)
        ranked = [
            (abs(fm * n_genuine - fn * n_impostor), fm * n_genuine + fn * n_impostor, fm, fn)
            for fm, fn, _ in loop(case)
        ]
        _, _, fm, fn = min(ranked)
        found = v.eer(*case)
        assert_allclose(found.rate, (fm / n_impostor + fn / n_genuine) / 2)
        assert found.low <= found.rate <= found.high

    @pytest.mark.slow
    @many
    @given(cases)
    def test_fvc2000_is_its_definition(self, case: Case) -> None:
        n_genuine, n_impostor = sizes(case)
        points = [(Fraction(fm, n_impostor), Fraction(fn, n_genuine)) for fm, fn, _ in loop(case)]
        # From strict to lenient: the first with FNMR <= FMR, the last with FNMR >= FMR.
        after = next((p for p in points if p[1] <= p[0]), None)
        before = [p for p in points if p[1] >= p[0]][-1]
        chosen = before if after is None or sum(before) < sum(after) else after
        found = v.eer(*case, method="fvc2000")
        assert_allclose(found.rate, float(sum(chosen) / 2))
        assert (found.low, found.high) == (float(min(chosen)), float(max(chosen)))

    def test_fvc2000_is_that_of_pyeer(self) -> None:
        labels = [1] * 5 + [0] * 3
        scores = [0.2, 0.5, 0.6, 0.7, 0.8, 0.1, 0.3, 0.55]
        # pyeer.eer_info.get_eer_stats: eer, eer_low, eer_high.
        found = v.eer(labels, scores, method="fvc2000")
        assert_allclose([found.rate, found.low, found.high], [0.26667, 0.2, 0.33333], atol=1e-5)
        assert v.eer(labels, scores).rate == v.eer(labels, scores, method="midpoint").rate

    @given(cases)
    def test_the_hull_is_never_above_the_midpoints_interval(self, case: Case) -> None:
        hull = v.eer(*case, method="hull")
        assert hull.rate <= v.eer(*case).high + 1e-12
        assert hull.low - 1e-12 <= hull.rate <= hull.high + 1e-12

    def test_an_unknown_method_is_told(self) -> None:
        with pytest.raises(ValueError, match="'method'"):
            v.eer(LABELS, SCORES, method="mean")  # type: ignore[arg-type]


class TestTarAtFar:
    @pytest.mark.slow
    @many
    @given(cases, st.integers(0, 6), st.integers(1, 6))
    def test_is_what_the_loop_finds(self, case: Case, k: int, n: int) -> None:
        target = min(k / n, 1.0)
        n_genuine, n_impostor = sizes(case)
        found = v.tar_at_far(*case, far=target)
        assert found.resolvable == (target >= 1 / n_impostor)
        if target * n_impostor < 0.5:
            assert np.isnan(found.tar)
            return
        fits = [(fn, fm) for fm, fn, _ in loop(case) if fm / n_impostor <= target]
        fn, fm = min(fits)
        assert (found.tar, found.far) == ((n_genuine - fn) / n_genuine, fm / n_impostor)
        assert_allclose(v.fnmr_at_fmr(*case, fmr=target).fnmr, 1 - found.tar, atol=1e-15)

    def test_too_few_impostors_are_told(self) -> None:
        records = v.tar_at_far(LABELS, SCORES)
        assert [r.target for r in records] == [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
        assert not any(r.resolvable for r in records)
        assert np.isnan(records[-1].tar)
        assert records[-1].n_impostors == 6

    @pytest.mark.parametrize("target", [-0.1, 1.1, np.nan])
    def test_an_impossible_target_is_told(self, target: float) -> None:
        with pytest.raises(ValueError, match="target rate"):
            v.tar_at_far(LABELS, SCORES, far=target)

    def test_a_roc_serves_in_place_of_scores(self) -> None:
        curve = v.roc(LABELS, SCORES)
        assert v.tar_at_far(curve, far=[0.2]) == v.tar_at_far(LABELS, SCORES, far=[0.2])
        assert v.eer(curve) == v.eer(LABELS, SCORES)
        assert v.auc(curve) == v.auc(LABELS, SCORES)
        with pytest.raises(ValueError, match="Roc alone"):
            v.auc(curve, SCORES)
        with pytest.raises(ValueError, match="without scores"):
            v.auc(LABELS)


class TestFailures:
    @pytest.mark.slow
    @many
    @given(cases)
    def test_nan_ranks_below_all_in_the_area(self, case: Case) -> None:
        ranks = [-99.0 if np.isnan(s) else float(np.clip(s, -9, 9)) for s in case[1]]
        assert_allclose(v.auc(*case), v.auc(case[0], ranks))
        assert_allclose(v.min_cllr(*case), v.min_cllr(case[0], ranks))

    def test_nan_is_rejected(self) -> None:
        assert v.accuracy_at([1, 0], [np.nan, np.nan], -np.inf) == 0.5
        assert v.roc([1, 0], [np.nan, np.nan]).fnmr.tolist() == [1.0]
        assert v.eer([1, 0], [np.nan, np.nan]).rate == 0.5
        assert v.auc([1, 0], [np.nan, np.nan]) == 0.5


@pytest.mark.parametrize(
    "function",
    [v.roc, v.auc, v.eer, v.tar_at_far, v.fnmr_at_fmr, v.best_accuracy, v.youden_threshold,
     v.dprime, v.min_dcf, v.cllr, v.min_cllr],
)  # fmt: skip
class TestEveryFunction:
    def test_one_class_is_told(self, function) -> None:
        for labels in ([1], [0, 0]):
            with pytest.raises(ValueError, match="both classes"):
                function(labels, np.ones(len(labels)))

    def test_direction_labels_and_kind_do_not_matter(self, function) -> None:
        expected = repr(function(LABELS, np.array(SCORES)))
        if function not in (v.roc, v.eer, v.tar_at_far, v.fnmr_at_fmr):
            for labels in (np.array(LABELS, bool), [str(label) for label in LABELS]):
                assert repr(function(labels, SCORES)) == expected
            single = function(LABELS, np.array(SCORES, np.float32))
            assert_allclose(single, function(LABELS, SCORES), rtol=1e-5)


class TestAccuracy:
    @pytest.mark.slow
    @many
    @given(cases)
    def test_best_is_what_the_loop_finds(self, case: Case) -> None:
        n = len(case[0])
        found = v.best_accuracy(*case)
        assert_allclose(found.accuracy, max((n - fm - fn) / n for fm, fn, _ in loop(case)))
        assert v.accuracy_at(*case, found.threshold) == found.accuracy

    def test_all_scores_equal_give_the_larger_class(self) -> None:
        assert v.best_accuracy([1, 0, 0, 0], [2, 2, 2, 2]).accuracy == 0.75
        assert np.isnan(v.dprime([1, 1, 0, 0], [2, 2, 2, 2]))

    def test_folds_against_a_loop(self) -> None:
        generator = np.random.default_rng(1)
        labels, scores = generator.integers(0, 2, 90), generator.normal(size=90).round(1)
        folds = generator.integers(0, 5, 90)
        found = v.kfold_accuracy(labels, scores, folds)
        expected = []
        for fold in range(5):
            best = v.best_accuracy(labels[folds != fold], scores[folds != fold])
            expected.append(
                np.mean((scores >= best.threshold)[folds == fold] == labels[folds == fold])
            )
        assert_allclose(found.fold_accuracies, expected)
        assert_allclose(found.standard_error, np.std(expected, ddof=1) / np.sqrt(5))

    @pytest.mark.parametrize("folds", [[1, 1, 1, 1], [1, 1, 2], [1, 1, 2, np.nan], [1, 2, 2, 2]])
    def test_folds_of_no_use_are_told(self, folds: list) -> None:
        with pytest.raises(ValueError, match=r"fold"):
            v.kfold_accuracy([1, 0, 0, 0], [4, 3, 2, 1], folds)
