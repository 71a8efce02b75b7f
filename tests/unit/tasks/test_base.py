"""The contract of a task, as people who write their own rely on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from sklearn.metrics.pairwise import manhattan_distances

from facebench.errors import InputError, MetricError, MissingPairsFileError, PairsError
from facebench.tasks.base import BaseTask, RoundedTask


class MeanDistance(BaseTask):
    """The smallest task there can be."""

    def compute_task_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Mean": [pairs_distances_df["model_computed_distance"].mean()]})

    @staticmethod
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw nothing."""


class OldStyleTask(BaseTask):
    """A task as the documentation always showed it: its own __init__, a plot that is no static."""

    def __init__(self, pairs_file_path, images_path, power=2, **kwargs):
        super().__init__(
            name="old", pairs_file_path=pairs_file_path, images_path=images_path, **kwargs
        )
        self.power = power
        self.largest_rating = self.pairs_df["rating"].max()

    def compute_task_performance(self, pairs_distances_df):
        distances = pairs_distances_df.pop("model_computed_distance")
        return pd.DataFrame({"Power": [(distances**self.power).sum()]})

    def plot(self, output_dir, performances, *optional):
        self.drawn = output_dir


class Thirds(RoundedTask):
    """A task whose values need rounding."""

    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Third": [1 / 3], "Tiny": [4e-6], "Count": [3], "Word": ["thirds"]})

    @staticmethod
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw nothing."""


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text("img1,img2,rating\nb,a,3\na,c,1\nb,a,2\n")
    return path


@pytest.fixture
def with_distances(pairs_file: Path) -> pd.DataFrame:
    frame = pd.read_csv(pairs_file)
    return frame.assign(layer_name="default", model_computed_distance=[1.0, 2.0, 3.0])


class TestWhatATaskHas:
    def test_the_pairs_of_the_file_in_file_order(self, pairs_file: Path) -> None:
        task = MeanDistance("means", pairs_file, "images")
        assert task.pairs_df["img1"].tolist() == ["b", "a", "b"]
        assert task.pairs_df["rating"].tolist() == [3, 1, 2]

    def test_what_it_was_given(self, pairs_file: Path) -> None:
        task = MeanDistance(name="means", pairs_file_path=pairs_file, images_path="images")
        assert task.name == "means"
        assert task.pairs_file_path == pairs_file
        assert task.images_path == "images"

    def test_cosine_distance_unless_told_otherwise(self, pairs_file: Path) -> None:
        task = MeanDistance("means", pairs_file, "images")
        assert task.distance_metric_name == "cosine_distances"
        distance = task.distance_metric(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
        assert isinstance(distance, float)
        assert distance == pytest.approx(1)

    def test_a_distance_of_ones_own_with_its_name(self, pairs_file: Path) -> None:
        def chord(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return (left - right).norm()

        task = MeanDistance("means", pairs_file, "images", distance_metric=chord)
        assert task.distance_metric_name == "chord"
        assert task.distance_metric(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])) == 5

    def test_the_distance_is_the_fourth_argument(self, pairs_file: Path) -> None:
        task = MeanDistance("means", pairs_file, "images", manhattan_distances)
        assert task.distance_metric_name == "manhattan_distances"

    def test_a_name_to_print(self, pairs_file: Path) -> None:
        assert repr(MeanDistance("means", pairs_file, "i")) == "MeanDistance('means', 3 pairs)"

    @pytest.mark.parametrize("name", ["LFW", "LFW 2.0", "upright/inverted", "顔"])
    def test_any_text_for_a_name(self, pairs_file: Path, name: str) -> None:
        assert MeanDistance(name, pairs_file, "images").name == name


class TestWhatATaskRefuses:
    @pytest.mark.parametrize("name", ["", "   ", "\n", None, 3, b"LFW", ["LFW"]])
    def test_a_name_that_is_no_text(self, pairs_file: Path, name: object) -> None:
        with pytest.raises(InputError, match="'name' of a MeanDistance") as caught:
            MeanDistance(name, pairs_file, "images")
        assert repr(name) in str(caught.value)

    def test_a_missing_pairs_file(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPairsFileError, match=r"gone\.csv"):
            MeanDistance("means", tmp_path / "gone.csv", "images")

    def test_a_pairs_file_without_pairs(self, tmp_path: Path) -> None:
        (tmp_path / "pairs.csv").write_text("left,right\na,b\n")
        with pytest.raises(PairsError, match="img1 and img2"):
            MeanDistance("means", tmp_path / "pairs.csv", "images")

    def test_a_distance_that_cannot_be_used(self, pairs_file: Path) -> None:
        with pytest.raises(MetricError, match="MeanDistance"):
            MeanDistance("means", pairs_file, "images", distance_metric="cosine")
        with pytest.raises(MetricError, match="returned None"):
            MeanDistance("means", pairs_file, "images", distance_metric=lambda a, b: None)

    def test_a_class_that_lacks_a_method(self, pairs_file: Path) -> None:
        class Unfinished(BaseTask):
            pass

        with pytest.raises(TypeError, match="compute_task_performance"):
            Unfinished("u", pairs_file, "images")
        with pytest.raises(TypeError, match="abstract"):
            BaseTask("u", pairs_file, "images")


class TestTasksOfOnesOwn:
    def test_the_smallest_task_works(self, pairs_file: Path, with_distances: pd.DataFrame) -> None:
        task = MeanDistance("means", pairs_file, "images")
        assert task.compute_task_performance(with_distances).to_dict("list") == {"Mean": [2.0]}

    def test_an_old_style_task_works(self, pairs_file: Path, with_distances: pd.DataFrame) -> None:
        task = OldStyleTask(pairs_file_path=pairs_file, images_path="images", power=3)
        assert task.name == "old"
        assert task.largest_rating == 3
        result = task.compute_task_performance(with_distances)
        assert result.to_dict("list") == {"Power": [36.0]}
        task.plot("somewhere", result)
        assert task.drawn == "somewhere"

    def test_an_old_style_task_takes_a_distance(self, pairs_file: Path) -> None:
        task = OldStyleTask(pairs_file, "images", distance_metric=manhattan_distances)
        assert task.distance_metric_name == "manhattan_distances"


class TestRounding:
    def test_five_decimals_are_reported(self, pairs_file, with_distances) -> None:
        result = Thirds("t", pairs_file, "images").compute_task_performance(with_distances)
        assert result.to_dict("list") == {
            "Third": [0.33333],
            "Tiny": [0.0],
            "Count": [3],
            "Word": ["thirds"],
        }

    def test_every_digit_is_within_reach(self, pairs_file, with_distances) -> None:
        result = Thirds("t", pairs_file, "images").compute_unrounded_performance(with_distances)
        assert result.loc[0, ["Third", "Tiny"]].tolist() == [1 / 3, 4e-6]


def test_merging_keeps_plain_names(pairs_file):
    pairs = MeanDistance("means", pairs_file, "images").pairs_df
    given = pairs.drop_duplicates(["img1", "img2"]).assign(model_computed_distance=0.5)
    merged = pairs.merge(given, on=["img1", "img2"], how="left")
    assert merged["rating"].tolist() == merged["rating_x"].tolist() == [3, 1, 2]
    assert type(pairs.copy()) is type(merged) is pd.DataFrame
