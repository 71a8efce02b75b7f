"""Which of several networks is better, and which do not differ significantly?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import CI_HIGH, CI_LOW, DEFAULT_LAYER, LAYER, MODEL
from facebench.data.identity import IdentitySource
from facebench.errors import InputError, PairsError
from facebench.metrics.accuracy import kfold_accuracy, kfold_decisions
from facebench.metrics.folds import make_folds
from facebench.metrics.operating_points import eer, tar_at_far
from facebench.metrics.uncertainty.proportions import (
    Proportion,
    effective_counts,
    proportion_interval,
)
from facebench.metrics.uncertainty.replicates import (
    fold_accuracy_replicates,
    verification_replicates,
)
from facebench.metrics.uncertainty.resamples import Interval, Resamples, percentiles
from facebench.metrics.verification import auc, dprime
from facebench.results.comparison.networks import COMPUTED, chosen_task, frames_of
from facebench.results.comparison.paired import PairedTests, Resampled, paired_tests
from facebench.tasks.shared.labelled_pairs import (
    find_sampling_units,
    genuine_labels,
    resamples_of,
)
from facebench.types import Float64Array

__all__ = ["ModelComparison", "compare_models"]

_FOLDS = 10
_PROPORTIONS: dict[str, Proportion] = {
    "auc": "auc",
    "accuracy": "accuracy",
    "tar": "tar",
    "eer": "eer",
}


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Networks (model and layer) compared on the same pairs.

    Attributes
    ----------
    metric : str
        What they were compared by.
    pairs : DataFrame
        A row per two networks: Model 1, Layer 1, Model 2, Layer 2, Difference (1 minus 2) with CI
        Low and CI High, p, p Holm, Different (p Holm below the level) and Test.
    ranks : DataFrame
        A row per network, the best first: Rank, Model Name, Layer Name, the metric with its
        interval, and Rank Group: networks that share a letter do not differ significantly.
    """

    metric: str
    pairs: pd.DataFrame
    ranks: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Give the tests as a table, see `pairs`."""
        return self.pairs.copy()


class _Network(NamedTuple):
    model: str
    layer: str
    number: Resampled
    interval: Interval


def compare_models(
    results: Any,
    task: str | None = None,
    metric: str = "auc",
    *,
    label_column: str | None = None,
    identity: IdentitySource = "folder",
    layers: Mapping[str, str] | None = None,
    n_resamples: int = 1000,
    level: float = 0.05,
    seed: int = 0,
) -> ModelComparison:
    """Test every two networks on the same pairs, with Holm's correction, and group them.

    All networks are measured on the same resamples of people (of images where people are unknown),
    so that what is common to both cancels. A difference d with standard deviation s over the
    resamples is tested by the normal distribution of d / s. Accuracy is compared by McNemar's test
    of the decisions, each pair judged at a threshold from other folds; it takes pairs as
    independent, unlike its interval.

    Parameters
    ----------
    results : MultiModelTaskManager, or mapping
        A manager after its run, or its ``model_task_distances_dfs``.
    task : str, optional
        Which task; not needed where there is one task of labelled pairs.
    metric : {'auc', 'eer', 'dprime', 'accuracy', 'tar@RATE'}, default 'auc'
        'tar@1e-2' is TAR at FAR 0.01. EER is better where it is lower.
    label_column : str, optional
        Column of genuine (1) and impostor (0); None: that of the manager's task, 'same' or 'truth'.
    identity : 'folder', pair of str or None, default 'folder'
        See `VerificationTask`.
    layers : mapping of str to str, optional
        By model, the one layer to compare; None compares all layers of all models.
    n_resamples : int, default 1000
        Number of resamples.
    level : float, default 0.05
        Chance of calling any two equal networks different.
    seed : int, default 0
        The same seed gives the same comparison.

    Returns
    -------
    ModelComparison

    Raises
    ------
    UnknownNameError
        If no results of such a task, or of such a layer, are there.
    InputError
        If there are fewer than two networks, or the metric is unknown or undefined.
    PairsError
        If networks were measured on different pairs, or pairs are not labelled.

    References
    ----------
    S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70; H.-P. Piepho, "An algorithm for a
    letter-based representation of all-pairwise comparisons", Journal of Computational and
    Graphical Statistics 13 (2004) 456-466.
    """
    target = _checked_metric(metric)
    by_model, task_name, column = chosen_task(results, task, label_column)
    frames = frames_of(by_model, task_name, layers)
    if len(frames) < 2:
        msg = f"compare_models needs two networks or more. Got {len(frames)}, of {task_name!r}."
        raise InputError(msg)
    pairs = next(iter(frames.values()))
    where: dict[str, Any] = {"task": task_name, "owner": "compare_models", "path": task_name}
    labels = genuine_labels(pairs, column, **where)
    members = find_sampling_units(pairs, labels, identity, **where)
    resamples = resamples_of(labels, members, n_resamples=n_resamples, seed=seed)
    folds = None
    if metric == "accuracy":
        n_folds = min(_FOLDS, int(labels.sum()), int((1 - labels).sum()))
        folds = make_folds(labels, n_folds, members.first, members.second, seed=seed).of_pair
    networks = []
    for (model, layer), frame in frames.items():
        if not frame[["img1", "img2"]].equals(pairs[["img1", "img2"]]):
            msg = (
                f"Model {model!r} was measured on other pairs of task {task_name!r}: run it again."
            )
            raise PairsError(msg)
        distances = np.asarray(frame[COMPUTED], dtype=np.float64)
        number = _measured(metric, target, labels, distances, resamples, folds)
        if metric == "dprime":
            interval = percentiles(number.replicates, n_units=resamples.n_units)
        else:
            counts = effective_counts(labels == 1, distances, resamples.first, resamples.second)
            share = _PROPORTIONS[metric.partition("@")[0]]
            interval = proportion_interval(share, number.value, number.replicates, counts)
        networks.append(_Network(model, layer, number, interval))
    undefined = [network for network in networks if np.isnan(network.number.value)]
    if undefined:
        msg = (
            f"The metric {metric!r} is undefined for {undefined[0].model!r} "
            f"({undefined[0].layer}) on the {len(labels)} pairs of task {task_name!r}."
        )
        raise InputError(msg)
    numbers = [network.number for network in networks]
    tests = paired_tests([one.minus(other) for one, other in combinations(numbers, 2)], level)
    return ModelComparison(metric, _pairs(networks, tests), _ranks(networks, tests, metric))


def _checked_metric(metric: str) -> float | None:
    if metric in ("auc", "eer", "dprime", "accuracy"):
        return None
    name, _, rate = str(metric).partition("@")
    try:
        target = float(rate) if name == "tar" else 0.0
    except ValueError:
        target = 0.0
    if not 0 < target <= 1:
        msg = (
            "The 'metric' parameter of compare_models must be 'auc', 'eer', 'dprime', 'accuracy' "
            f"or 'tar@1e-2' (any rate). Got {metric!r} instead."
        )
        raise InputError(msg)
    return target


def _measured(
    metric: str,
    target: float | None,
    labels: NDArray[np.int8],
    distances: Float64Array,
    resamples: Resamples,
    folds: Any,
) -> Resampled:
    way: dict[str, Any] = {"higher_is_better": False}
    if metric == "accuracy":
        found = kfold_accuracy(labels, distances, folds, **way)
        right = kfold_decisions(labels, distances, folds, found.thresholds, **way)
        everything = np.zeros(labels.size)
        drawn_accuracy = fold_accuracy_replicates(right, everything, resamples)
        return Resampled(float(right.mean()), drawn_accuracy, right)
    far = [] if target is None else [target]
    drawn = verification_replicates(labels, distances, resamples, far=far, **way)
    if target is not None:
        tar = tar_at_far(labels, distances, target, **way).tar
        return Resampled(tar, drawn[f"tar@{target:g}"])
    functions: dict[str, Any] = {
        "auc": auc,
        "dprime": dprime,
        "eer": lambda *given, **options: eer(*given, **options).rate,
    }
    return Resampled(float(functions[metric](labels, distances, **way)), drawn[metric])


def _pairs(networks: list[_Network], tests: PairedTests) -> pd.DataFrame:
    named = combinations(networks, 2)
    return pd.DataFrame(
        {
            "Model 1": one.model,
            "Layer 1": one.layer,
            "Model 2": other.model,
            "Layer 2": other.layer,
            "Difference": found.difference,
            "CI Low": found.low,
            "CI High": found.high,
            "p": found.p_value,
            "p Holm": adjusted,
            "Different": different,
            "Test": "paired bootstrap" if one.number.right is None else "McNemar",
        }
        for (one, other), found, adjusted, different in zip(
            named, tests.differences, tests.adjusted, tests.different, strict=True
        )
    )


def _ranks(networks: list[_Network], tests: PairedTests, metric: str) -> pd.DataFrame:
    values = np.array([network.number.value for network in networks])
    order = np.argsort(values if metric == "eer" else -values, kind="stable").tolist()
    groups = tests.letters(order)
    rows = []
    for rank, number in enumerate(order):
        network = networks[number]
        rows.append(
            {
                "Rank": rank + 1,
                MODEL: network.model,
                LAYER: network.layer or DEFAULT_LAYER,
                metric: network.number.value,
                f"{metric}{CI_LOW}": network.interval.low,
                f"{metric}{CI_HIGH}": network.interval.high,
                "Rank Group": groups[rank],
            }
        )
    return pd.DataFrame(rows)
