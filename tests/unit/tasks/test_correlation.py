"""Correlation with given distances, by any function and whatever it returns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics.pairwise import euclidean_distances

from facebench.errors import MetricError, PairsError
from facebench.tasks.correlation import CorrelationTask

GIVEN = [0.0, 2.0, 1.0, 3.0]
COMPUTED = [0.0, 1.0, 2.0, 3.0]  # Pearson's r and Spearman's rho 0.8, Kendall's tau 2/3
COLUMNS = ["Correlation Score", "Distance Metric", "Correlation Metric"]

MakeTask = Callable[..., CorrelationTask]


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    def make_task(given: list = GIVEN, column: str = "distance", **options) -> CorrelationTask:
        path = tmp_path / "pairs.csv"
        rows = [f"a{i}.jpg,b{i}.jpg,{value}\n" for i, value in enumerate(given)]
        path.write_text(f"img1,img2,{column}\n" + "".join(rows))
        return CorrelationTask("ratings", path, tmp_path, **options)

    return make_task


def scored(task: CorrelationTask, computed: list[float], unrounded: bool = False) -> dict:
    frame = task.pairs_df.assign(layer_name="default", model_computed_distance=computed)
    compute = task.compute_unrounded_performance if unrounded else task.compute_task_performance
    result = compute(frame)
    assert len(result) == 1
    return result.iloc[0].to_dict()


class TestScores:
    def test_pearson_unless_told_otherwise(self, make_task: MakeTask) -> None:
        assert scored(make_task(), COMPUTED) == {
            "Correlation Score": 0.8,
            "Distance Metric": "cosine_distances",
            "Correlation Metric": "corrcoef",
        }

    def test_columns_in_their_order(self, make_task: MakeTask) -> None:
        task = make_task()
        frame = task.pairs_df.assign(model_computed_distance=COMPUTED)
        assert task.compute_task_performance(frame).columns.tolist() == COLUMNS

    @pytest.mark.parametrize(
        ("function", "score"),
        [
            (np.corrcoef, 0.8),
            (stats.pearsonr, 0.8),
            (stats.spearmanr, 0.8),
            (stats.kendalltau, 2 / 3),
        ],
    )
    def test_the_usual_coefficients(self, make_task: MakeTask, function, score: float) -> None:
        found = scored(make_task(correlation_metric=function), COMPUTED)
        assert found["Correlation Score"] == round(score, 5)
        assert found["Correlation Metric"] == function.__name__

    def test_every_digit_is_within_reach(self, make_task: MakeTask) -> None:
        found = scored(make_task(correlation_metric=stats.kendalltau), COMPUTED, unrounded=True)
        assert found["Correlation Score"] == pytest.approx(2 / 3, abs=1e-15)

    @pytest.mark.parametrize(
        "shape",
        [
            lambda r: r,
            lambda r: np.float32(r),
            lambda r: np.array(r),
            lambda r: np.array([r]),
            lambda r: torch.tensor(r),
            lambda r: (r, 0.04),
            lambda r: [r, 0.04],
            lambda r: (np.array([r]), 0.04),
            lambda r: np.array([[1.0, r], [r, 1.0]]),
            lambda r: [[1.0, r], [r, 1.0]],
            lambda r: ((1.0, r), (r, 1.0)),
            lambda r: [np.array([1.0, r]), np.array([r, 1.0])],
            lambda r: pd.DataFrame([[1.0, r], [r, 1.0]]),
            lambda r: (np.array([[1.0, r], [r, 1.0]]), 0.04),
            lambda r: stats.pearsonr(COMPUTED, GIVEN),
        ],
        ids=[
            "number", "float32", "0-d", "1-element", "tensor", "tuple", "list", "nested",
            "matrix", "matrix-list", "matrix-tuple", "matrix-rows", "frame", "matrix-and-p",
            "scipy",
        ],
    )  # fmt: skip
    def test_whatever_form_the_coefficient_comes_in(self, make_task: MakeTask, shape) -> None:
        def metric(computed: np.ndarray, given: np.ndarray) -> object:
            return shape(float(np.corrcoef(computed, given)[0, 1]))

        found = scored(make_task(correlation_metric=metric), COMPUTED)
        assert found["Correlation Score"] == pytest.approx(0.8, abs=1e-5)

    def test_the_network_comes_first_then_the_given(self, make_task: MakeTask) -> None:
        def metric(computed: np.ndarray, given: np.ndarray) -> float:
            seen.append((computed.tolist(), given.tolist()))
            return 0.0

        seen: list = []
        scored(make_task([4, 3, 2], correlation_metric=metric), [7.0, 8.0, 9.0])
        assert seen[-1] == ([7.0, 8.0, 9.0], [4.0, 3.0, 2.0])

    @pytest.mark.parametrize(("factor", "score"), [(5.0, 1.0), (-5.0, -1.0)])
    def test_a_straight_line_is_1_or_minus_1(
        self, make_task: MakeTask, factor: float, score: float
    ) -> None:
        computed = [factor * value + 100 for value in GIVEN]
        assert scored(make_task(), computed)["Correlation Score"] == score

    def test_the_distance_metric_is_named(self, make_task: MakeTask) -> None:
        task = make_task(distance_metric=euclidean_distances)
        assert scored(task, COMPUTED)["Distance Metric"] == "euclidean_distances"

    def test_whole_numbers_will_do(self, make_task: MakeTask) -> None:
        assert scored(make_task([0, 2, 1, 3]), COMPUTED)["Correlation Score"] == 0.8


class TestUndefinedScores:
    @pytest.mark.parametrize("function", [np.corrcoef, stats.pearsonr, stats.spearmanr])
    def test_a_constant_network_is_nan_and_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture, function
    ) -> None:
        task = make_task(correlation_metric=function)
        with caplog.at_level(logging.WARNING, logger="facebench"):
            assert np.isnan(scored(task, [0.5] * 4)["Correlation Score"])
        assert "'ratings'" in caplog.text
        assert "all 4 distances of the model are 0.5" in caplog.text

    def test_constant_given_distances_are_nan_and_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert np.isnan(scored(make_task([2] * 4), COMPUTED)["Correlation Score"])
        assert "all 4 given distances are 2" in caplog.text

    def test_a_single_pair_is_nan_and_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert np.isnan(scored(make_task([2]), [1.0])["Correlation Score"])
        assert "only 1 pair" in caplog.text

    def test_a_metric_that_says_nan_is_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = make_task(correlation_metric=lambda computed, given: float("nan"))
        assert np.isnan(scored(task, COMPUTED)["Correlation Score"])
        assert "returned NaN" in caplog.text

    def test_a_defined_score_is_not_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        scored(make_task(), COMPUTED)
        assert not caplog.records


class TestRefused:
    def test_a_file_without_distances(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match=r"CorrelationTask.*it has: img1, img2, rating") as e:
            make_task(column="rating")
        assert "'distance'" in str(e.value)

    @pytest.mark.parametrize("value", ["far", "1,5;", "inf"])
    def test_a_distance_that_is_no_finite_number(self, make_task: MakeTask, value: str) -> None:
        with pytest.raises(PairsError, match=r"'distance'.*row 2 \(line 3\)"):
            make_task([1, f'"{value}"', 3])

    def test_an_empty_distance(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match=r"'distance'.*1 are empty: row 3 \(line 4\)"):
            make_task([1, 2, ""])

    @pytest.mark.parametrize("metric", [None, "spearman", 3])
    def test_a_correlation_that_cannot_be_called(self, make_task: MakeTask, metric) -> None:
        with pytest.raises(MetricError, match="'correlation_metric' parameter") as caught:
            make_task(correlation_metric=metric)
        assert repr(metric) in str(caught.value)

    @pytest.mark.parametrize(
        "result",
        [None, "0.8", {}, {"r": 0.8}, [], (), np.array([]), np.eye(3), np.zeros(4), object()],
        ids=lambda value: type(value).__name__,
    )
    def test_a_correlation_that_returns_no_coefficient(self, make_task: MakeTask, result) -> None:
        with pytest.raises(MetricError, match="two arrays of 4 numbers it returned") as caught:
            make_task(correlation_metric=lambda computed, given: result)
        assert repr(result) in str(caught.value)

    def test_a_correlation_that_raises(self, make_task: MakeTask) -> None:
        def metric(computed: np.ndarray, given: np.ndarray) -> float:
            msg = "no such thing"
            raise LookupError(msg)

        with pytest.raises(MetricError, match=r"metric of task 'ratings'.*LookupError: no such"):
            make_task(correlation_metric=metric)

    def test_a_correlation_of_one_argument(self, make_task: MakeTask) -> None:
        with pytest.raises(MetricError, match="TypeError"):
            make_task(correlation_metric=lambda computed: 1.0)

    def test_a_distance_metric_that_cannot_be_used(self, make_task: MakeTask) -> None:
        with pytest.raises(MetricError, match="'distance_metric' parameter of CorrelationTask"):
            make_task(distance_metric="cosine")
