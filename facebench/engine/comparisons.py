"""Which images all tasks together compare, each pair once per distance metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.types import IntArray

__all__ = ["DistanceGroup", "DistanceGroups", "PairsOfTask"]


@dataclass(frozen=True)
class PairsOfTask:
    """What one task compares.

    Attributes
    ----------
    task : str
        Its name.
    metric : DistanceMetric
        Its distance.
    first, second : int array, shape [N]
        The images of each pair row, as numbers of different images.
    """

    task: str
    metric: DistanceMetric
    first: IntArray
    second: IntArray


@dataclass(frozen=True)
class DistanceGroup:
    """All pairs that tasks compare by one metric.

    Attributes
    ----------
    metric : DistanceMetric
        The metric.
    pairs : int array, shape [P, 2]
        Each pair once; of a symmetric metric only one order.
    rows : dict of str to int array
        By task: which of `pairs` each of its rows is.
    """

    metric: DistanceMetric
    pairs: IntArray
    rows: dict[str, IntArray]


class DistanceGroups:
    """The comparisons of a run, grouped by metric.

    Parameters
    ----------
    tasks : sequence of PairsOfTask
        What the tasks compare.
    """

    def __init__(self, tasks: Sequence[PairsOfTask]) -> None:
        by_metric: dict[object, list[PairsOfTask]] = {}
        for task in tasks:
            by_metric.setdefault(_identity(task.metric), []).append(task)
        self.groups = [_grouped(members) for members in by_metric.values()]

    def needed(self, missing: Sequence[NDArray[np.bool_]]) -> IntArray:
        """Give the different pairs of images in one order, for every distance.

        Parameters
        ----------
        missing : sequence of bool array
            By group: which of its pairs are still to be compared.

        Returns
        -------
        int array, shape [P, 2]
            Smaller number first, sorted.
        """
        pairs = [group.pairs[wanted] for group, wanted in zip(self.groups, missing, strict=True)]
        if not pairs:
            return np.empty((0, 2), dtype=np.intp)
        return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)


def _identity(metric: DistanceMetric) -> object:
    """Tell metrics apart: known ones by what they compute, a user's by the very function."""
    if metric.rowwise is not None:
        return metric.rowwise
    return id(metric.function)


def _grouped(members: list[PairsOfTask]) -> DistanceGroup:
    metric = members[0].metric
    pairs = np.concatenate(
        [np.stack([member.first, member.second], axis=1) for member in members]
    ).astype(np.intp)
    if metric.rowwise is not None and metric.rowwise.is_symmetric:
        pairs = np.sort(pairs, axis=1)
    unique, places = np.unique(pairs, axis=0, return_inverse=True)
    ends = np.cumsum([len(member.first) for member in members])[:-1]
    rows = dict(
        zip((member.task for member in members), np.split(places.ravel(), ends), strict=True)
    )
    return DistanceGroup(metric, unique, rows)
