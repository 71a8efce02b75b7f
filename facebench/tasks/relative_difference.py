"""Relative difference between the mean distances of two groups of pairs."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from typing_extensions import override

from facebench.data.estimates import InfluenceKind
from facebench.errors import PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.tasks.base import RoundedTask
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure
from facebench.tasks.shared.effect_measure import relative_label
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import MetricFunction, StrPath

__all__ = ["RelativeDifferenceTask"]

_log = logging.getLogger(__name__)


class RelativeDifferenceTask(RoundedTask):
    """By how much do the pairs of one group differ more than those of the other?

    Reports '<group 1> Mean', '<group 2> Mean', Relative Difference = (m1 - m2) / (m1 + m2), in
    [-1, 1], and Distance Metric. The groups are taken in order of first appearance in the file.
    Made for effects such as the Thatcher illusion: pairs of a normal and an altered face, upright
    against inverted.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric
        See `BaseTask`.
    group_column : str
        Column that names each pair's group; exactly two different values.

    Raises
    ------
    PairsError
        If the column is missing, has empty cells, or does not hold exactly two groups.
    """

    group_column: str

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        group_column: str = "group",
    ) -> None:
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        self.group_column = group_column
        self.groups = list(self._column("group_column", group_column).unique())
        if len(self.groups) != 2:
            msg = (
                f"The {group_column!r} column of {pairs_file_path}, the group_column of {name!r}, "
                f"must hold exactly two groups. It holds {len(self.groups)}: "
                f"{', '.join(repr(str(group)) for group in self.groups[:5])}."
            )
            raise PairsError(msg)
        self.whole_measures = tuple(f"{group} Mean" for group in self.groups)
        self.measures = (
            Measure(
                "Relative Difference",
                headline=True,
                chance=0,
                bounds=(-1, 1),
                label=relative_label("Mean distance", *map(str, self.groups)),
            ),
            *(Measure(f"{group} Mean", label=f"Mean distance, {group}") for group in self.groups),
        )

    @override
    def facts(self) -> TaskFacts:
        effect = {str(group): f"{group} Mean" for group in self.groups}
        return replace(super().facts(), effect=effect)

    @property
    @override
    def influences(self) -> Mapping[str, InfluenceKind]:
        return {"Relative Difference": "relative difference"}

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Compare the groups in one layer.

        The difference is NaN, with a warning in the log, where both means are zero.
        """
        distances = pairs_distances_df["model_computed_distance"]
        means = distances.groupby(pairs_distances_df[self.group_column].to_numpy()).mean()
        first, second = self.groups
        mean1, mean2 = float(means.get(first, float("nan"))), float(means.get(second, float("nan")))
        total = mean1 + mean2
        if not total:
            _log.warning(
                "The relative difference of task %r is not defined (NaN): both groups have a mean "
                "distance of zero.",
                self.name,
            )
        elif math.isnan(total):
            _log.warning(
                "The relative difference of task %r is not defined (NaN): no pair is left in "
                "group %r.",
                self.name,
                first if math.isnan(mean1) else second,
            )
        return pd.DataFrame(
            {
                f"{first} Mean": [mean1],
                f"{second} Mean": [mean2],
                "Relative Difference": [(mean1 - mean2) / total if total else float("nan")],
                "Distance Metric": [self.distance_metric_name],
            }
        )

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the relative differences of every model and layer, a picture per task."""
        PlotHelper.bar_plot(
            performances=performances,
            y="Relative Difference",
            ylabel="Relative difference",
            title_prefix="Relative Difference Comparison",
            output_dir=output_dir,
            file_name="relative_difference_comparison",
        )
