"""The difference between two groups of pairs, relative to their sum."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics.pairwise import euclidean_distances

from facebench.errors import MetricError, PairsError
from facebench.tasks.relative_difference import RelativeDifferenceTask

MakeTask = Callable[..., RelativeDifferenceTask]
THATCHER = ["upright", "inverted", "upright", "inverted"]


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    def make_task(
        groups: list, column: str = "group", group_column: str = "group", **options: object
    ) -> RelativeDifferenceTask:
        path = tmp_path / "pairs.csv"
        rows = [f"a{i}.jpg,b{i}.jpg,{group}\n" for i, group in enumerate(groups)]
        path.write_text(f"img1,img2,{column}\n" + "".join(rows))
        return RelativeDifferenceTask(
            "Thatcher", path, tmp_path, group_column=group_column, **options
        )

    return make_task


def compared(task: RelativeDifferenceTask, distances: list[float], unrounded=False) -> dict:
    frame = task.pairs_df.assign(layer_name="default", model_computed_distance=distances)
    compute = task.compute_unrounded_performance if unrounded else task.compute_task_performance
    result = compute(frame)
    assert len(result) == 1
    return result.iloc[0].to_dict()


class TestDifferences:
    def test_worked_example(self, make_task: MakeTask) -> None:
        assert compared(make_task(THATCHER), [0.5, 0.2, 0.7, 0.2]) == {
            "upright Mean": 0.6,
            "inverted Mean": 0.2,
            "Relative Difference": 0.5,
            "Distance Metric": "cosine_distances",
        }

    def test_columns_in_their_order(self, make_task: MakeTask) -> None:
        found = compared(make_task(THATCHER, distance_metric=euclidean_distances), [1.0] * 4)
        assert list(found) == [
            "upright Mean",
            "inverted Mean",
            "Relative Difference",
            "Distance Metric",
        ]
        assert found["Distance Metric"] == "euclidean_distances"

    def test_the_first_group_is_the_first_in_the_file(self, make_task: MakeTask) -> None:
        distances = [3.0, 1.0]
        assert compared(make_task(["z", "a"]), distances)["Relative Difference"] == 0.5
        assert compared(make_task(["a", "z"]), distances)["Relative Difference"] == 0.5
        assert compared(make_task(["a", "z"]), distances[::-1])["Relative Difference"] == -0.5

    def test_the_first_group_stays_the_first_in_any_order_of_rows(
        self, make_task: MakeTask
    ) -> None:
        task = make_task(THATCHER)
        frame = task.pairs_df.assign(model_computed_distance=[0.5, 0.2, 0.7, 0.2])
        backwards = task.compute_task_performance(frame[::-1])
        assert backwards.columns[0] == "upright Mean"
        assert backwards["Relative Difference"].tolist() == [0.5]

    @pytest.mark.parametrize(
        ("distances", "difference"),
        [([1.0, 0.0], 1.0), ([0.0, 1.0], -1.0), ([0.3, 0.3], 0.0), ([1e-30, 3e-30], -0.5)],
    )
    def test_lies_between_minus_1_and_1(
        self, make_task: MakeTask, distances: list[float], difference: float
    ) -> None:
        assert compared(make_task(["a", "b"]), distances)["Relative Difference"] == difference

    def test_groups_may_differ_in_size(self, make_task: MakeTask) -> None:
        found = compared(make_task(["a", "a", "a", "b"]), [1.0, 2.0, 3.0, 6.0])
        assert (found["a Mean"], found["b Mean"]) == (2.0, 6.0)
        assert found["Relative Difference"] == -0.5

    def test_values_are_rounded_to_5_decimals_and_kept_whole(self, make_task: MakeTask) -> None:
        task = make_task(["a", "b"])
        assert compared(task, [1.0, 2.0])["Relative Difference"] == -0.33333
        assert compared(task, [1.0, 2.0], unrounded=True)["Relative Difference"] == -1 / 3

    def test_small_means_are_kept_whole(self, make_task: MakeTask) -> None:
        found = compared(make_task(["a", "b"]), [0.000791, 0.000812])
        assert (found["a Mean"], found["b Mean"]) == (0.000791, 0.000812)

    def test_two_zero_means_are_nan_and_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = make_task(THATCHER)
        with caplog.at_level(logging.WARNING, logger="facebench"):
            found = compared(task, [0.0] * 4)
        assert np.isnan(found["Relative Difference"])
        assert (found["upright Mean"], found["inverted Mean"]) == (0, 0)
        assert "'Thatcher'" in caplog.text

    def test_a_group_that_lost_all_its_pairs_is_nan_and_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = make_task(THATCHER)
        frame = task.pairs_df.assign(model_computed_distance=[0.5, 0.2, 0.7, 0.2])
        left = frame[frame["group"] == "upright"]
        found = task.compute_task_performance(left).iloc[0]
        assert found["upright Mean"] == 0.6
        assert np.isnan(found["Relative Difference"])
        assert "'Thatcher'" in caplog.text

    def test_a_defined_difference_is_not_logged(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        compared(make_task(THATCHER), [0.5, 0.2, 0.7, 0.2])
        assert not caplog.records


class TestGroups:
    @pytest.mark.parametrize(
        "groups", [[1, 0], [10, 20], [0.5, 1.5], [True, False], ["1", "one"], ["ä b", "c/d"]]
    )
    def test_anything_may_name_a_group(self, make_task: MakeTask, groups: list) -> None:
        found = compared(make_task(groups * 2), [0.6, 0.2, 0.6, 0.2])
        assert list(found)[:2] == [f"{group} Mean" for group in groups]
        assert found["Relative Difference"] == 0.5

    def test_the_column_may_have_any_name(self, make_task: MakeTask) -> None:
        task = make_task(["a", "b"], column="how turned", group_column="how turned")
        assert task.group_column == "how turned"
        assert compared(task, [3.0, 1.0])["Relative Difference"] == 0.5

    @pytest.mark.parametrize("groups", [["a"], ["a", "a"], ["a", "b", "c"], list("abcdefgh")])
    def test_other_than_two_groups_are_told(self, make_task: MakeTask, groups: list) -> None:
        with pytest.raises(PairsError, match=r"'group' column.*exactly two groups") as caught:
            make_task(groups)
        assert f"It holds {len(set(groups))}: 'a'" in str(caught.value)

    def test_a_missing_column_is_told_with_those_there_are(self, make_task: MakeTask) -> None:
        with pytest.raises(
            PairsError,
            match=r"'group_column' parameter of RelativeDifferenceTask .*"
            r"\(it has: img1, img2, turn\)\. Got 'group' instead",
        ):
            make_task(["a", "b"], column="turn")

    def test_an_empty_cell_is_told_with_its_row(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match=r"'group'.*row 3 \(line 4\)"):
            make_task(["a", "b", ""])

    def test_a_distance_metric_that_cannot_be_used_is_told(self, make_task: MakeTask) -> None:
        with pytest.raises(MetricError, match="RelativeDifferenceTask"):
            make_task(["a", "b"], distance_metric="cosine")
