"""Verification accuracy and AUC at a threshold tuned on the same pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from typing_extensions import override

from facebench.data.estimates import InfluenceKind
from facebench.errors import PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.conditions import ConditionScores
from facebench.metrics.verification import accuracy_at, as_labels, auc, youden_threshold
from facebench.tasks.base import RoundedTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.labelled_pairs import find_sampling_units, genuine_labels
from facebench.tasks.shared.people import PeopleSource
from facebench.tasks.shared.people_beside import ComparedMeasure, PeopleOfPairs
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import MetricFunction, StrPath

__all__ = ["AccuracyTask"]


class AccuracyTask(PeopleOfPairs, RoundedTask):
    """Does the network tell same-person pairs from different-person pairs?

    Reports Accuracy, Optimal Threshold, AUC, Distance Metric and Threshold From. The score is
    similarity = 1 - distance; the threshold has the largest Youden index (true minus false match
    rate); a pair is accepted if similarity >= threshold, so that ties are treated alike. The
    threshold is chosen on the same pairs that it is evaluated on, which overestimates accuracy in
    small samples: the column 'Threshold From' says 'same pairs'. AUC needs no threshold. Larger is
    better for both. For accuracy at thresholds from other pairs, with intervals, use
    `VerificationTask`.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric
        See `BaseTask`.
    true_label : str, default 'truth'
        Column that is 1 (or true, or 'same') for pairs of one person, 0 (false, 'different') else.
    people : Trials, path or mapping, optional
        People who judged the same pairs as same or different, or the YAML file that describes their
        trials: see `EffectTask`.
    people_groups : bool or list of str, optional
        A row for each group of participants: by default where the trials name two or more.
    people_margin : float or dict, optional
        The smallest difference from people that would matter, for a test of equivalence: of all
        measures, or of each by name.

    Raises
    ------
    PairsError
        If the column is missing, has empty cells or other values, or holds one class only.
    """

    true_label: str
    measures = (
        Measure("AUC", better="higher", headline=True, chance=0.5, bounds=(0, 1)),
        Measure("Accuracy", better="higher", headline=True, bounds=(0, 1)),
        Measure("Optimal Threshold", shown=False),
    )

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        true_label: str = "truth",
        *,
        people: PeopleSource = None,
        people_groups: bool | Sequence[str] | None = None,
        people_margin: float | Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        self.true_label = true_label
        where: dict[str, Any] = {
            "task": name,
            "owner": type(self).__name__,
            "path": pairs_file_path,
        }
        labels = genuine_labels(self.pairs_df, true_label, **where)
        if people is not None:
            units = find_sampling_units(pd.DataFrame(self.pairs_df), labels, "folder", **where)
            asked = [ComparedMeasure("AUC", "auc"), ComparedMeasure("Accuracy", "accuracy")]
            self.people = self._take_people(
                people, people_groups, people_margin, labels, units, asked, name
            )

    @override
    def against_people(self, measured: pd.DataFrame) -> dict[str, Any]:
        """Compare a layer with people; see `WithPeople.against_people`."""
        if self.beside is None:
            return {}
        labels = as_labels(measured[self.true_label])
        distances = measured["model_computed_distance"].to_numpy(dtype=np.float64)
        usable = np.isfinite(distances)
        threshold = youden_threshold(labels[usable], distances[usable], higher_is_better=False)
        cell = np.zeros(labels.size, dtype=np.intp)
        return self.beside.against(
            ConditionScores("auc", cell, labels == 1, distances, threshold=threshold)
        )

    @property
    @override
    def influences(self) -> Mapping[str, InfluenceKind]:
        return {"AUC": "auc", "Accuracy": "accuracy"}

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Give one row: Accuracy, Optimal Threshold, AUC, Distance Metric and Threshold From."""
        labels = as_labels(pairs_distances_df[self.true_label])
        if labels.min() == labels.max():
            msg = (
                f"Task {self.name!r} needs pairs of both classes. The {len(labels)} that are left "
                f"without unreadable images are all {'same' if labels[0] else 'different'}."
            )
            raise PairsError(msg)
        similarities = 1.0 - pairs_distances_df["model_computed_distance"].to_numpy(dtype=float)
        threshold = youden_threshold(labels, similarities)
        return pd.DataFrame(
            {
                "Accuracy": [accuracy_at(labels, similarities, threshold)],
                "Optimal Threshold": [threshold],
                "AUC": [auc(labels, similarities)],
                "Distance Metric": [self.distance_metric_name],
                "Threshold From": ["same pairs"],
            }
        )

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw accuracy and AUC of every model and layer, a picture per task each."""
        for column, title, file_name in (
            ("Accuracy", "Accuracy Score Comparison", "accuracy_comparison"),
            ("AUC", "AUC Comparison", "auc_comparison"),
        ):
            PlotHelper.bar_plot(
                performances=performances,
                y=column,
                ylabel=column,
                ylim=(0, 1.1),
                title_prefix=title,
                output_dir=output_dir,
                file_name=file_name,
            )
