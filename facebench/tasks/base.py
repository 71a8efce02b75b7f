"""The contract of a task: which pairs, which distance, what is measured, how it is drawn."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import CONDITION
from facebench.data.estimates import InfluenceKind
from facebench.data.pairs import read_pairs, require_column, require_numbers
from facebench.data.pairs.finding import check_images_path
from facebench.errors import InputError
from facebench.tasks.facts import HumanReference, TaskFacts, described
from facebench.tasks.measures import Measure
from facebench.tasks.options import TaskOptions
from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.tasks.shared.groupings import pair_groupings
from facebench.tasks.shared.pairs_table import PairsTable
from facebench.tasks.shared.people import WithPeople
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import MetricFunction, StrPath

_log = logging.getLogger(__name__)

__all__ = ["DECIMALS", "BaseTask", "RoundedTask", "round_measures"]

DECIMALS = 5


class BaseTask(TaskOptions, WithPeople, ABC):
    """One question asked of every network, through the distances of image pairs.

    To add a task, write a subclass with two methods that declares its measures:

    - ``measures = (Measure("Error", better="lower", headline=True, bounds=(0, 1)), …)`` says which
      direction is better and which number represents the task, in reports and for the best layer.
    - ``compute_task_performance(pairs_distances_df)`` gets one model's layer: the rows of the pairs
      file in file order, with all their columns, ``layer_name`` and ``model_computed_distance``. It
      returns a DataFrame, one row (or one per condition), a column per measure. It may change the
      frame.
    - ``plot(output_dir, performances, *optional)``, static or not, draws the results of all models.
      Its first optional argument is the nested dict ``distances[model][task]`` of such frames.

    Parameters
    ----------
    name : str
        Unique name of the task.
    pairs_file_path : str or Path
        A CSV file (comma, tab or semicolon) with ``img1``, ``img2`` and any further columns.
    images_path : str or Path
        The folder the image names are relative to.
    distance_metric : callable, default sklearn's ``cosine_distances``
        Distance of two [1, D] tensors; larger is less alike. An array result is averaged.

    Attributes
    ----------
    handles_failed_pairs : bool, default False
        If True, the task is given every row, with NaN as the distance of a pair whose image could
        not be read. Otherwise such rows are dropped, also from `pairs_df` during measurement.
    pairs_df : DataFrame
        The pairs file, rows in file order.
    distance_metric : callable
        The distance of one pair as a float.
    distance_metric_name : str
        Its name, for the 'Distance Metric' column.
    measures : sequence of Measure
        The numbers it reports. If they depend on parameters, ``__init__`` sets them.
    question : str
        The question; by default the first line of the class's docstring.
    sampling_unit : str
        What the data are a sample of: 'people', 'images', 'pairs' …
    human_references : sequence of HumanReference
        Published human performance.
    citations : sequence of str
        What to cite for the task: entries in BibTeX, or keys of facebench's own references.
    columns : sequence of str
        Columns that the pairs file must have beside img1, img2 and those that arguments name.
    true_label, condition_column, group_column : str or None
        Columns of the pairs file, if it has any, that say whether a pair shows one person, and
        its condition or group: reports then draw error curves, and count by condition.

    Raises
    ------
    PairsError
        If the pairs file is missing, unreadable or incomplete.
    MetricError
        If `distance_metric` cannot be used.
    """

    handles_failed_pairs: ClassVar[bool] = False
    columns: ClassVar[Sequence[str]] = ()
    measures: Sequence[Measure] = ()
    question: str = ""
    sampling_unit: str = "pairs"
    human_references: Sequence[HumanReference] = ()
    citations: Sequence[str] = ()
    true_label: str | None = None
    condition_column: str | None = None
    group_column: str | None = None

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            msg = f"The 'name' of a {type(self).__name__} must be a text. Got {name!r} instead."
            raise InputError(msg)
        self.name = name
        self.pairs_file_path = pairs_file_path
        check_images_path(images_path, task=name)
        self.images_path = images_path
        self.distance_metric = distance_metric
        self.pairs_df: pd.DataFrame = PairsTable(read_pairs(pairs_file_path, images_path))
        if self.distance_metric.is_similarity:
            _log.warning("Task %r: %s.", name, self.distance_metric.similarity_note)

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self.pairs_df)} pairs)"

    @property
    def distance_metric(self) -> DistanceMetric:
        """The distance of one pair as a float; assigning another function renames it too."""
        return self._distance_metric

    @distance_metric.setter
    def distance_metric(self, function: MetricFunction) -> None:
        self._distance_metric = DistanceMetric(function, owner=type(self).__name__)
        self._name_distance()

    def facts(self) -> TaskFacts:
        """Describe the task for reports and comparisons."""
        wanted = (self.true_label, self.condition_column, self.group_column)
        label, condition, group = (name if name in self.pairs_df else None for name in wanted)
        return described(
            self,
            distance=self.distance_metric_name,
            label_column=label,
            condition_column=condition,
            group_column=group,
            pairs_file=str(Path(self.pairs_file_path).absolute()),
        )

    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Give the condition of img1 and img2 of every pair, by grouping; see `pair_groupings`."""
        return pair_groupings(self)

    @abstractmethod
    def compute_task_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Measure one layer of one model.

        Parameters
        ----------
        pairs_distances_df : DataFrame
            The pairs with their ``model_computed_distance``.

        Returns
        -------
        DataFrame
            A row per result, a column per measure.
        """

    @abstractmethod
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the results of all models.

        Parameters
        ----------
        output_dir : str
            Folder for the pictures; it exists.
        performances : DataFrame
            Rows of all models and layers, and of all tasks of this class if `plot` is static.
        *optional
            First the distances of every model and task, as ``distances[model][task]``.
        """

    @property
    def measured_pairs(self) -> pd.DataFrame:
        """The rows of `pairs_df` that a run measures, under their numbers in the file.

        All of them, but for tasks of ratings: pairs that no one rated are left out.
        """
        return self.pairs_df

    @property
    def influences(self) -> Mapping[str, InfluenceKind]:
        """How each pair moves a measure, by measure, where a formula for it is known.

        Such a measure's interval follows from the pairs themselves: 'auc' and 'accuracy' (at the
        threshold with the largest Youden index) of labelled pairs, 'pearson', 'spearman' and
        'kendall' (tau-b) with the given distances, 'mean' and 'relative difference' of distances.
        A subclass that measures something else under the same names gives its own.
        """
        return {}

    def _column(self, parameter: str | None, column: str) -> pd.Series:
        """Get a column of the pairs file that this task cannot do without."""
        return require_column(
            self.pairs_df,
            column,
            parameter=parameter,
            owner=type(self).__name__,
            path=self.pairs_file_path,
        )

    def _numbers(self, parameter: str | None, column: str) -> pd.Series:
        """Get a column of finite numbers that this task cannot do without.

        From now on the table has it as numbers, also where it was read as text.
        """
        numbers = require_numbers(
            self.pairs_df,
            column,
            parameter=parameter,
            owner=type(self).__name__,
            path=self.pairs_file_path,
        )
        if not pd.api.types.is_numeric_dtype(self.pairs_df[column]):
            self.pairs_df[column] = numbers
        return numbers


def round_measures(performance: pd.DataFrame, whole: Collection[str] = ()) -> pd.DataFrame:
    """Round a task's results to the documented 5 decimals, but for columns to be kept whole."""
    # Conditions may be numbers too, but they are names.
    measures = [column for column in performance.columns if column not in (CONDITION, *whole)]
    return performance.round(dict.fromkeys(measures, DECIMALS))


class RoundedTask(BaseTask):
    """A task that reports 5 decimals and keeps the unrounded values within reach.

    Subclasses write `compute_unrounded_performance`.

    Attributes
    ----------
    whole_measures : tuple of str
        Columns that are not rounded: distances, whose scale is the network's.
    """

    whole_measures: tuple[str, ...] = ()

    @override
    def compute_task_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Measure one layer of one model, rounded to 5 decimals."""
        exact = self.compute_unrounded_performance(pairs_distances_df)
        return round_measures(exact, self.whole_measures)

    @abstractmethod
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Measure one layer of one model, unrounded.

        Parameters
        ----------
        pairs_distances_df : DataFrame
            The pairs with their ``model_computed_distance``.

        Returns
        -------
        DataFrame
            The columns of `compute_task_performance`.
        """
