"""Mean distance per condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from typing_extensions import override

from facebench.columns import CONDITION
from facebench.data.estimates import InfluenceKind
from facebench.figures.plot_helper import PlotHelper
from facebench.tasks.base import RoundedTask
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import MetricFunction, StrPath

__all__ = ["ConditionedAverageDistances"]


class ConditionedAverageDistances(RoundedTask):
    """How far apart are the pairs of each condition?

    Reports, for every condition in order of first appearance: Condition, Mean Value and Distance
    Metric.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric
        See `BaseTask`.
    condition_column : str, default 'condition'
        Column that names each pair's condition.
    normalize : bool, default True
        Divide by the largest distance of the layer, so that layers of different scale compare; a
        layer whose distances are all zero stays zero.

    Raises
    ------
    PairsError
        If the column is missing or has empty cells.
    """

    condition_column: str
    measures = (
        Measure("Mean Value", headline=True, label="Mean distance (1 is the layer's largest)"),
    )
    whole_measures = ("Mean Value",)

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        condition_column: str = "condition",
        normalize: bool = True,
    ) -> None:
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        self.condition_column = condition_column
        self.normalize = normalize
        if not normalize:
            self.measures = (Measure("Mean Value", headline=True, label="Mean distance"),)
        self._column("condition_column", condition_column)

    @override
    def facts(self) -> TaskFacts:
        return replace(super().facts(), normalized=self.normalize)

    @property
    @override
    def influences(self) -> Mapping[str, InfluenceKind]:
        return {"Mean Value": "mean"}

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Give a row per condition: Condition, Mean Value and Distance Metric."""
        distances = pairs_distances_df["model_computed_distance"]
        largest = distances.max()
        if self.normalize and largest > 0:
            distances = distances / largest
        means = distances.groupby(
            pairs_distances_df[self.condition_column].to_numpy(), sort=False
        ).mean()
        return pd.DataFrame(
            {
                CONDITION: means.index,
                "Mean Value": means.to_numpy(),
                "Distance Metric": self.distance_metric_name,
            }
        )

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the conditions side by side, and each condition on its own, a picture per task."""
        PlotHelper.bar_plot(
            performances=performances,
            y="Mean Value",
            ylabel="Average distance",
            title_prefix="Average Distance Comparison",
            output_dir=output_dir,
            file_name="average_distance_comparison",
            x=CONDITION,
            xlabel=CONDITION,
        )
        for condition, rows in performances.groupby(CONDITION, sort=False):
            PlotHelper.bar_plot(
                performances=rows,
                y="Mean Value",
                ylabel="Average distance",
                title_prefix=f"Average Distance Comparison - {condition}",
                output_dir=output_dir,
                file_name=f"average_distance_comparison_{condition}",
            )
