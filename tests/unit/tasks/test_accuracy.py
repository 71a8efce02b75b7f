"""Accuracy, AUC and the threshold of pairs whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.metrics.pairwise import euclidean_distances

from facebench.errors import PairsError
from facebench.tasks.accuracy import AccuracyTask

GENUINE = [0.9, 0.8, 0.7, 0.7, 0.6, 0.5]
IMPOSTOR = [0.7, 0.7, 0.6, 0.4, 0.3, 0.2]
COLUMNS = ["Accuracy", "Optimal Threshold", "AUC", "Distance Metric", "Threshold From"]

MakeTask = Callable[..., AccuracyTask]


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    def make_task(labels: list, column: str = "truth", **options: object) -> AccuracyTask:
        path = tmp_path / "pairs.csv"
        rows = [f"a{i}.jpg,b{i}.jpg,{label}\n" for i, label in enumerate(labels)]
        path.write_text(f"img1,img2,{column}\n" + "".join(rows))
        return AccuracyTask("LFW", path, "images", **options)

    return make_task


def measured(task: AccuracyTask, similarities: list[float], unrounded: bool = False) -> dict:
    frame = task.pairs_df.assign(
        layer_name="default", model_computed_distance=1 - np.array(similarities)
    )
    compute = task.compute_unrounded_performance if unrounded else task.compute_task_performance
    result = compute(frame)
    assert len(result) == 1
    return result.iloc[0].to_dict()


class TestMeasures:
    def test_worked_example(self, make_task: MakeTask) -> None:
        found = measured(make_task([1] * 6 + [0] * 6), GENUINE + IMPOSTOR)
        assert found == {
            "Accuracy": 0.75,
            "Optimal Threshold": 0.5,
            "AUC": 0.79167,
            "Distance Metric": "cosine_distances",
            "Threshold From": "same pairs",
        }

    def test_columns_in_their_order(self, make_task: MakeTask) -> None:
        task = make_task([1, 0])
        frame = task.pairs_df.assign(model_computed_distance=[0.1, 0.9])
        assert task.compute_task_performance(frame).columns.tolist() == COLUMNS
        assert task.compute_unrounded_performance(frame).columns.tolist() == COLUMNS

    def test_a_perfect_network(self, make_task: MakeTask) -> None:
        found = measured(make_task([1, 0, 1, 0]), [0.9, 0.1, 0.8, 0.2])
        assert (found["Accuracy"], found["AUC"]) == (1, 1)
        assert found["Optimal Threshold"] == pytest.approx(0.8)

    def test_a_network_that_sees_no_difference(self, make_task: MakeTask) -> None:
        found = measured(make_task([1, 0, 0, 0]), [0.5] * 4)
        assert found["AUC"] == 0.5
        assert found["Accuracy"] == 0.75
        assert found["Optimal Threshold"] == np.inf

    def test_a_network_that_sees_it_the_wrong_way(self, make_task: MakeTask) -> None:
        assert measured(make_task([1, 1, 0]), [0.1, 0.2, 0.9])["AUC"] == 0

    def test_pairs_at_the_threshold_are_accepted_together(self, make_task: MakeTask) -> None:
        found = measured(make_task([1, 1, 1, 0, 0, 0]), [0.7, 0.7, 0.7, 0.7, 0.2, 0.1])
        assert found["Optimal Threshold"] == pytest.approx(0.7)
        assert found["Accuracy"] == pytest.approx(5 / 6, abs=1e-5)

    def test_similarity_is_one_minus_distance_also_beyond_1(self, make_task: MakeTask) -> None:
        task = make_task([1, 0, 1, 0], distance_metric=euclidean_distances)
        frame = task.pairs_df.assign(model_computed_distance=[3.0, 40.0, 5.0, 60.0])
        [found] = task.compute_task_performance(frame).to_dict("records")
        assert found["Optimal Threshold"] == -4
        assert found["Accuracy"] == 1
        assert found["Distance Metric"] == "euclidean_distances"

    def test_agrees_with_scikit_learn_on_many_pairs(self, make_task: MakeTask) -> None:
        generator = np.random.default_rng(0)
        labels = generator.integers(0, 2, 500)
        similarities = (0.3 * labels + generator.uniform(0, 0.7, 500)).round(2)
        found = measured(make_task(labels.tolist()), similarities, unrounded=True)
        seen = 1 - (1 - similarities)
        fmr, tmr, thresholds = roc_curve(labels, seen, drop_intermediate=False)
        accepted = seen >= found["Optimal Threshold"]
        assert_allclose(found["AUC"], roc_auc_score(labels, seen), rtol=1e-12)
        assert_allclose(
            tmr[thresholds == found["Optimal Threshold"]]
            - fmr[thresholds == found["Optimal Threshold"]],
            (tmr - fmr).max(),
        )
        assert found["Accuracy"] == np.mean(accepted == labels)

    def test_values_are_rounded_to_5_decimals_and_kept_whole(self, make_task: MakeTask) -> None:
        task = make_task([1, 1, 1, 0])
        similarities = [0.123456789, 0.2, 0.3, 0.25]
        assert measured(task, similarities)["AUC"] == 0.33333
        assert measured(task, similarities, unrounded=True)["AUC"] == pytest.approx(
            1 / 3, abs=1e-15
        )

    def test_the_order_of_rows_does_not_matter(self, make_task: MakeTask) -> None:
        forwards = measured(make_task([1] * 6 + [0] * 6), GENUINE + IMPOSTOR)
        backwards = measured(make_task([0] * 6 + [1] * 6), IMPOSTOR[::-1] + GENUINE[::-1])
        assert forwards == backwards


class TestLabels:
    @pytest.mark.parametrize(
        ("same", "different"),
        [
            (1, 0),
            (True, False),
            ("true", "false"),
            ("same", "different"),
            ("Same", "DIFFERENT"),
            ("1.0", "0.0"),
            (" same ", "different"),
        ],
    )
    def test_usual_spellings_mean_the_same(self, make_task: MakeTask, same, different) -> None:
        found = measured(make_task([same, different, same]), [0.9, 0.1, 0.8])
        assert found["Accuracy"] == 1

    def test_the_column_may_have_any_name(self, make_task: MakeTask) -> None:
        task = make_task([1, 0], column="same person?", true_label="same person?")
        assert task.true_label == "same person?"
        assert measured(task, [0.9, 0.1])["Accuracy"] == 1

    def test_a_missing_column_is_told_with_those_there_are(self, make_task: MakeTask) -> None:
        with pytest.raises(
            PairsError,
            match=r"'true_label' parameter of AccuracyTask .* pairs\.csv \(it has: img1, img2, "
            r"same\)\. Got 'truth' instead\.",
        ):
            make_task([1, 0], column="same")

    @pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0], ["same"], [True]])
    def test_one_class_is_told(self, make_task: MakeTask, labels: list) -> None:
        with pytest.raises(PairsError, match=r"'truth' column.*both classes") as caught:
            make_task(labels)
        genuine = len(labels) if labels[0] else 0
        assert f"{genuine} same and {len(labels) - genuine} different" in str(caught.value)

    @pytest.mark.parametrize("label", [2, -1, 0.5, "maybe", "genuin"])
    def test_another_label_is_told(self, make_task: MakeTask, label: object) -> None:
        with pytest.raises(PairsError, match=r"'truth' column.*same/different") as caught:
            make_task([1, 0, label])
        assert str(label) in str(caught.value)

    def test_the_row_of_another_label_is_counted_as_people_count(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match=r"row 3\b"):
            make_task(["same", "different", "maybe"])

    def test_an_empty_cell_is_told_with_its_row(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match=r"'truth'.*row 2 \(line 3\)"):
            make_task([1, "", 0])

    def test_the_sentence_ends_once(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError) as caught:
            make_task([1, 0, 2])
        assert str(caught.value).endswith(".")
        assert not str(caught.value).endswith("..")


def test_further_columns_do_no_harm(make_task: MakeTask) -> None:
    task = make_task([1, 0])
    frame = pd.DataFrame(
        {"note": ["x", "y"], "truth": [1, 0], "model_computed_distance": [0.1, 0.9]}, index=[7, 3]
    )
    assert task.compute_task_performance(frame)["Accuracy"].tolist() == [1.0]
