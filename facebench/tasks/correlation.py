"""Correlation of a network's distances with given ones, such as human ratings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from typing_extensions import override

from facebench.data.estimates import InfluenceKind
from facebench.errors import MetricError
from facebench.figures.plot_helper import PlotHelper
from facebench.tasks.base import RoundedTask
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure
from facebench.tasks.shared.distance_metric import metric_name
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import DistancesByModel, Float64Array, MetricFunction, StrPath

__all__ = ["CorrelationTask"]

_log = logging.getLogger(__name__)


class CorrelationTask(RoundedTask):
    """Are pairs that are far apart by the given distances far apart for the network?

    Reports Correlation Score (larger is better), Distance Metric and Correlation Metric. The pairs
    file needs a column ``distance`` where larger means less alike.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric
        See `BaseTask`.
    correlation_metric : callable, default np.corrcoef
        Of (model distances, given distances), each [N]; returns a number, a 2 x 2 matrix, a tuple
        whose first element counts, or a SciPy result (``scipy.stats.spearmanr`` and its like).

    Raises
    ------
    PairsError
        If there is no ``distance`` column of finite numbers.
    MetricError
        If `correlation_metric` fails or returns no number for four small pairs.
    """

    columns = ("distance",)
    measures = (Measure("Correlation Score", better="higher", headline=True, chance=0),)

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        correlation_metric: MetricFunction = np.corrcoef,
    ) -> None:
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        if not callable(correlation_metric):
            msg = (
                "The 'correlation_metric' parameter of CorrelationTask must be a callable such as "
                f"np.corrcoef or scipy.stats.spearmanr. Got {correlation_metric!r} instead."
            )
            raise MetricError(msg)
        self.correlation_metric = correlation_metric
        self.correlation_metric_name = metric_name(correlation_metric)
        self._numbers(None, "distance")
        self._correlate(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0, 1.0, 3.0]))

    @override
    def facts(self) -> TaskFacts:
        return replace(super().facts(), correlation=self.correlation_metric_name)

    @property
    @override
    def influences(self) -> Mapping[str, InfluenceKind]:
        if self.correlation_metric is np.corrcoef:
            return {"Correlation Score": "pearson"}
        from scipy.stats import kendalltau, pearsonr, spearmanr

        kinds: tuple[tuple[MetricFunction, InfluenceKind], ...] = (
            (pearsonr, "pearson"),
            (spearmanr, "spearman"),
            (kendalltau, "kendall"),
        )
        kind = next((kind for f, kind in kinds if f is self.correlation_metric), None)
        return {} if kind is None else {"Correlation Score": kind}

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Give one row: Correlation Score, Distance Metric and Correlation Metric.

        The score is NaN, with a warning in the log, where one side is constant.
        """
        computed = pairs_distances_df["model_computed_distance"].to_numpy(dtype=float)
        given = pairs_distances_df["distance"].to_numpy(dtype=float)
        score = self._correlate(computed, given)
        if np.isnan(score):
            _log.warning(
                "The correlation of task %r is not defined (NaN): %s.",
                self.name,
                _why_undefined(computed, given),
            )
        return pd.DataFrame(
            {
                "Correlation Score": [score],
                "Distance Metric": [self.distance_metric_name],
                "Correlation Metric": [self.correlation_metric_name],
            }
        )

    def _correlate(self, computed: Float64Array, given: Float64Array) -> float:
        complaint = (
            f"The 'correlation_metric' {self.correlation_metric_name} of task {self.name!r} "
            f"is not usable: given two arrays of {len(computed)} numbers"
        )
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                # A constant side is reported in the log, in words of the task.
                warnings.simplefilter("ignore")
                result = self.correlation_metric(computed, given)
        except Exception as error:
            msg = f"{complaint} it raised {type(error).__name__}: {error}"
            raise MetricError(msg) from error
        score = _score_in(result)
        if score is None:
            msg = (
                f"{complaint} it returned {result!r} ({type(result).__name__}). It must return a "
                "number, a 2 x 2 matrix, a tuple that begins with a number, or a SciPy result."
            )
            raise MetricError(msg)
        return score

    @staticmethod
    @override
    def plot(
        output_dir: str,
        performances: pd.DataFrame,
        distances: DistancesByModel | None = None,
        *optional: Any,
    ) -> None:
        """Draw scores as bars, and the pairs behind them as scatters, a picture per task each."""
        if distances is not None:
            PlotHelper.scatter_plot(
                performances=performances,
                distances=distances,
                output_dir=output_dir,
                file_name="scatters_comparison",
            )
        PlotHelper.bar_plot(
            performances=performances,
            y="Correlation Score",
            ylabel="Correlation coefficient",
            title_prefix="Correlation Coefficient Comparison",
            output_dir=output_dir,
            file_name="correlation_comparison",
        )


def _score_in(result: Any) -> float | None:
    """Find the coefficient in what a correlation function returns."""
    for attribute in ("statistic", "correlation", "rvalue"):
        if hasattr(result, attribute):
            return _score_in(getattr(result, attribute))
    if result is None or isinstance(result, str | bytes | dict):
        return None
    try:
        values = np.asarray(result, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape == (2, 2):
        return float(values[0, 1])
    if values.size == 1:
        return float(values.item())
    return _score_in(result[0]) if isinstance(result, tuple | list) and result else None


def _why_undefined(computed: Float64Array, given: Float64Array) -> str:
    if len(computed) < 2:
        return f"there are only {len(computed)} pairs"
    if np.ptp(computed) == 0:
        return f"all {len(computed)} distances of the model are {computed[0]:g}"
    if np.ptp(given) == 0:
        return f"all {len(given)} given distances are {given[0]:g}"
    return "the correlation metric returned NaN"
