"""Mean distances per condition, normalised by the layer or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics.pairwise import euclidean_distances

from facebench.errors import MetricError, PairsError
from facebench.tasks.conditioned_average import ConditionedAverageDistances

COLUMNS = ["Condition", "Mean Value", "Distance Metric"]

MakeTask = Callable[..., ConditionedAverageDistances]


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    def make_task(
        conditions: list, column: str = "condition", **options: object
    ) -> ConditionedAverageDistances:
        path = tmp_path / "pairs.csv"
        rows = [f"a{i}.jpg,b{i}.jpg,{condition}\n" for i, condition in enumerate(conditions)]
        path.write_text(f"img1,img2,{column}\n" + "".join(rows))
        return ConditionedAverageDistances("view", path, "images", **options)

    return make_task


def averaged(task: ConditionedAverageDistances, distances: list[float]) -> dict:
    frame = task.pairs_df.assign(layer_name="default", model_computed_distance=distances)
    result = task.compute_task_performance(frame)
    return dict(zip(result["Condition"], result["Mean Value"], strict=True))


class TestAverages:
    def test_distances_are_divided_by_the_largest_of_the_layer(self, make_task: MakeTask) -> None:
        task = make_task(["near", "far", "near", "far"])
        assert averaged(task, [1.0, 4.0, 2.0, 3.0]) == {"near": 0.375, "far": 0.875}

    def test_distances_may_stay_as_they_are(self, make_task: MakeTask) -> None:
        task = make_task(["near", "far", "near", "far"], normalize=False)
        assert averaged(task, [1.0, 4.0, 2.0, 3.0]) == {"near": 1.5, "far": 3.5}

    def test_columns_in_their_order_and_the_metric_named(self, make_task: MakeTask) -> None:
        task = make_task(["near", "far"], distance_metric=euclidean_distances)
        frame = task.pairs_df.assign(model_computed_distance=[1.0, 2.0])
        result = task.compute_task_performance(frame)
        assert result.columns.tolist() == COLUMNS
        assert result["Distance Metric"].tolist() == ["euclidean_distances"] * 2
        assert result.index.tolist() == [0, 1]

    def test_conditions_come_in_order_of_first_appearance(self, make_task: MakeTask) -> None:
        task = make_task(["z", "a", "m", "a", "z"])
        assert list(averaged(task, [1.0] * 5)) == ["z", "a", "m"]

    def test_every_condition_counts_its_own_pairs(self, make_task: MakeTask) -> None:
        task = make_task(["a", "b", "b", "b"], normalize=False)
        assert averaged(task, [6.0, 1.0, 2.0, 3.0]) == {"a": 6.0, "b": 2.0}

    @pytest.mark.parametrize("normalize", [True, False])
    def test_an_all_zero_layer_stays_zero(self, make_task: MakeTask, normalize: bool) -> None:
        task = make_task(["a", "b"], normalize=normalize)
        assert averaged(task, [0.0, 0.0]) == {"a": 0.0, "b": 0.0}

    @pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
    def test_the_scale_of_a_layer_does_not_matter(self, make_task: MakeTask, scale: float) -> None:
        task = make_task(["near", "far", "near", "far"])
        found = averaged(task, [1.0 * scale, 4.0 * scale, 2.0 * scale, 3.0 * scale])
        assert found == {"near": 0.375, "far": 0.875}

    def test_the_order_of_pairs_within_a_condition_does_not_matter(
        self, make_task: MakeTask
    ) -> None:
        task = make_task(["a", "a", "b"])
        assert averaged(task, [1.0, 3.0, 4.0]) == averaged(task, [3.0, 1.0, 4.0])

    def test_values_are_kept_whole(self, make_task: MakeTask) -> None:
        task = make_task(["a", "b"])
        assert averaged(task, [1.0, 3.0])["a"] == 1 / 3
        frame = task.pairs_df.assign(model_computed_distance=[1.0, 3.0])
        assert task.compute_unrounded_performance(frame)["Mean Value"][0] == 1 / 3

    def test_an_index_of_its_own_does_no_harm(self, make_task: MakeTask) -> None:
        frame = pd.DataFrame(
            {"condition": ["a", "b", "a"], "model_computed_distance": [1.0, 2.0, 3.0]},
            index=[5, 5, 0],
        )
        result = make_task(["a", "b"], normalize=False).compute_task_performance(frame)
        assert result["Mean Value"].tolist() == [2.0, 2.0]


class TestConditions:
    def test_the_column_may_have_any_name(self, make_task: MakeTask) -> None:
        task = make_task(["a", "b"], column="how far", condition_column="how far")
        assert task.condition_column == "how far"
        assert averaged(task, [1.0, 2.0]) == {"a": 0.5, "b": 1.0}

    def test_one_condition_is_enough(self, make_task: MakeTask) -> None:
        assert averaged(make_task(["a", "a"]), [1.0, 2.0]) == {"a": 0.75}

    def test_numbers_may_name_conditions(self, make_task: MakeTask) -> None:
        assert averaged(make_task([30, 60, 30]), [1.0, 2.0, 1.0]) == {30: 0.5, 60: 1.0}

    def test_truth_values_may_name_conditions(self, make_task: MakeTask) -> None:
        assert averaged(make_task([True, False]), [1.0, 2.0]) == {True: 0.5, False: 1.0}

    def test_a_condition_is_not_rounded(self, make_task: MakeTask) -> None:
        noise = [0.000001, 0.000002]
        assert averaged(make_task(noise), [1.0, 2.0]) == dict(zip(noise, [0.5, 1.0], strict=True))

    def test_a_missing_column_is_told_with_those_there_are(self, make_task: MakeTask) -> None:
        with pytest.raises(
            PairsError,
            match=r"'condition_column' parameter of ConditionedAverageDistances .*"
            r"\(it has: img1, img2, view\)\. Got 'condition' instead",
        ):
            make_task(["a", "b"], column="view")

    def test_an_empty_cell_is_told_with_its_row(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match=r"'condition'.*row 2 \(line 3\)"):
            make_task(["a", "", "b"])

    def test_a_distance_metric_that_cannot_be_used_is_told(self, make_task: MakeTask) -> None:
        with pytest.raises(MetricError, match="ConditionedAverageDistances"):
            make_task(["a"], distance_metric=None)
