"""Which of several networks is better, and which do not differ significantly?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import DEFAULT_LAYER, LAYER, MODEL, interval_cells
from facebench.data.identity import IdentitySource
from facebench.errors import InputError, PairsError
from facebench.metrics.accuracy import kfold_accuracy, kfold_decisions
from facebench.metrics.operating_points import tar_at_far
from facebench.metrics.stats import mcnemar_difference
from facebench.metrics.uncertainty.influence import (
    auc_influence,
    eer_influence,
    linear_replicates,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    Proportion,
    effective_counts,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.replicates import (
    dprime_jackknife,
    fold_accuracy_replicates,
    verification_jackknife,
)
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.spread import PairedDifference, Replicates, max_statistic
from facebench.metrics.verification import dprime
from facebench.results.comparison.networks import COMPUTED, chosen_task, frames_of
from facebench.results.comparison.paired import PairedTests, paired_tests
from facebench.tasks.shared.labelled_pairs import (
    SamplingUnits,
    find_sampling_units,
    genuine_labels,
    stratified_folds,
)
from facebench.types import Float64Array

__all__ = ["ModelComparison", "compare_models"]

_FOLDS = 10
_NO_SPREAD = "no interval: equal without each person or image"
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
        Low and CI High, p, p Holm, Different (p Holm below the level), Test, Detectable Difference
        (found with 80 % power at P < .05) and p max (adjusted for all rows by the maximum
        statistic, see `max_statistic`). With a margin also p Equivalent (TOST, not adjusted) and
        Equivalent.
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
    number: Replicates
    interval: Interval
    right: NDArray[np.bool_] | None


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
    margin: float | None = None,
    test: Literal["paired", "mcnemar"] = "paired",
) -> ModelComparison:
    """Test every two networks on the same pairs, with Holm's correction, and group them.

    All networks are measured without each person (each image where people are unknown) in turn, so
    that what is common to both cancels. Interval and P follow from the same standard error, by the
    t distribution: P is below .05 exactly where the 95 % interval excludes 0. docs/intervals.md has
    the measured coverage and size. Accuracy is the mean of folds, each judged at a threshold from
    the others; of a manager's `VerificationTask` the folds of the task.

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
        Without effect since people are left out in turn; kept for scripts that name it.
    level : float, default 0.05
        Chance of calling any two equal networks different.
    seed : int, default 0
        Of the folds of accuracy, and of the maximum statistic.
    margin : float, optional
        The smallest difference that would matter. With it, two one-sided tests (TOST) are made of
        whether networks are equivalent.
    test : {'paired', 'mcnemar'}, default 'paired'
        'mcnemar' compares accuracies by McNemar's test and the interval that belongs to it. Both
        hold for independent pairs only; where pairs share people (or images) the column Test says
        so, and P is too small.

    Returns
    -------
    ModelComparison

    Raises
    ------
    UnknownNameError
        If no results of such a task, or of such a layer, are there.
    InputError
        If there are fewer than two networks, or a parameter is unknown or the metric undefined.
    PairsError
        If networks were measured on different pairs, or pairs are not labelled.

    References
    ----------
    S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70; H.-P. Piepho, "An algorithm for a
    letter-based representation of all-pairwise comparisons", Journal of Computational and
    Graphical Statistics 13 (2004) 456-466.
    """
    target = _checked_metric(metric)
    _check_options(metric, margin, test)
    by_model, task_name, column = chosen_task(results, task, label_column)
    frames = frames_of(by_model, task_name, layers)
    if len(frames) < 2:
        msg = f"compare_models needs two networks or more. Got {len(frames)}, of {task_name!r}."
        raise InputError(msg)
    pairs = next(iter(frames.values()))
    where: dict[str, Any] = {"task": task_name, "owner": "compare_models", "path": task_name}
    labels = genuine_labels(pairs, column, **where)
    sampling_units = find_sampling_units(pairs, labels, identity, **where)
    groups = JackknifeGroups(sampling_units.first, sampling_units.second)
    folds = None
    if metric == "accuracy":
        folds = getattr(getattr(results, "tasks", {}).get(task_name), "folds", None)
        if folds is None or len(folds) != len(labels):
            n_folds = min(_FOLDS, int(labels.sum()), int((1 - labels).sum()))
            folds = stratified_folds(pairs, labels, sampling_units, n_folds, seed=seed).of_pair
    networks = []
    for (model, layer), frame in frames.items():
        if not frame[["img1", "img2"]].equals(pairs[["img1", "img2"]]):
            msg = (
                f"Model {model!r} was measured on other pairs of task {task_name!r}: run it again."
            )
            raise PairsError(msg)
        distances = np.asarray(frame[COMPUTED], dtype=np.float64)
        number, right = _measured(metric, target, labels, distances, groups, folds)
        if metric == "dprime":
            interval = number.interval()
        else:
            counts = effective_counts(labels == 1, distances, groups.first, groups.second)
            interval = jackknife_proportion(_PROPORTIONS[metric.partition("@")[0]], number, counts)
        networks.append(_Network(model, layer, number, interval, right))
    undefined = [network for network in networks if np.isnan(network.number.value)]
    if undefined:
        msg = (
            f"The metric {metric!r} is undefined for {undefined[0].model!r} "
            f"({undefined[0].layer}) on the {len(labels)} pairs of task {task_name!r}."
        )
        raise InputError(msg)
    differences, how = _differences(networks, sampling_units, test)
    if None in differences:
        msg = (
            f"{groups.n_resamples} {sampling_units.plural} in task {task_name!r} are too few to "
            f"compare networks by {metric!r}, or it is undefined without the pairs of one of them."
        )
        raise InputError(msg)
    tests = paired_tests([found for found in differences if found is not None], level)
    return ModelComparison(
        metric, _pairs(networks, tests, how, margin, level, seed), _ranks(networks, tests, metric)
    )


def _check_options(metric: str, margin: float | None, test: str) -> None:
    if margin is not None and not (np.isfinite(margin) and margin > 0):
        msg = (
            "The 'margin' parameter of compare_models must be the smallest difference that would "
            f"matter, above 0. Got {margin!r} instead."
        )
        raise InputError(msg)
    if test not in ("paired", "mcnemar") or (test == "mcnemar" and metric != "accuracy"):
        msg = (
            "The 'test' parameter of compare_models must be 'paired', or 'mcnemar' with "
            f"metric='accuracy'. Got {test!r} with metric={metric!r} instead."
        )
        raise InputError(msg)


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
    groups: JackknifeGroups,
    folds: Any,
) -> tuple[Replicates, NDArray[np.bool_] | None]:
    way: dict[str, Any] = {"higher_is_better": False}
    if metric == "accuracy":
        found = kfold_accuracy(labels, distances, folds, **way)
        right = kfold_decisions(labels, distances, folds, found.thresholds, **way)
        units = fold_accuracy_replicates(right, folds, groups)
        return Replicates(found.mean, units, df=groups.df), right
    if target is None and metric != "dprime":
        influence = auc_influence if metric == "auc" else eer_influence
        return linear_replicates(influence(labels, distances, **way), groups.shared), None
    if target is None:
        made = dprime_jackknife(labels, distances, groups, **way)
        return made._replace(value=dprime(labels, distances, **way)), None
    name = f"tar@{target:g}"
    drawn = verification_jackknife(labels, distances, groups, far=[target], names=[name], **way)
    return drawn[name]._replace(value=tar_at_far(labels, distances, target, **way).tar), None


def _differences(
    networks: list[_Network], sampling_units: SamplingUnits, test: str
) -> tuple[list[PairedDifference | None], str]:
    """Compare every two networks, and say how."""
    if test == "paired":
        return [
            one.number.minus(other.number) for one, other in combinations(networks, 2)
        ], f"paired jackknife of {sampling_units.plural}"
    found: list[PairedDifference | None] = [
        mcnemar_difference(one.right, other.right) for one, other in combinations(networks, 2)
    ]
    each = np.where(sampling_units.first == sampling_units.second, "", sampling_units.second)
    used = np.concatenate((sampling_units.first, each[each != ""]))
    shares = np.unique(used).size < used.size
    note = f" (pairs share {sampling_units.plural}: P is too small)" if shares else ""
    return found, f"McNemar{note}"


def _pairs(
    networks: list[_Network],
    tests: PairedTests,
    how: str,
    margin: float | None,
    level: float,
    seed: int,
) -> pd.DataFrame:
    table = pd.DataFrame(
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
            "Test": how,
            "Detectable Difference": found.detectable,
            "p max": largest,
        }
        for (one, other), found, adjusted, different, largest in zip(
            combinations(networks, 2),
            tests.differences,
            tests.adjusted,
            tests.different,
            max_statistic(tests.differences, seed=seed),
            strict=True,
        )
    )
    # As where both accept no pair at all: this does not show that networks are equally good.
    alike = table["Detectable Difference"].isna()
    table.loc[alike, ["CI Low", "CI High"]] = np.nan
    table.loc[alike, "Test"] += f"; {_NO_SPREAD}"
    if margin is not None:
        table["p Equivalent"] = [found.equivalence(margin) for found in tests.differences]
        table["Equivalent"] = table["p Equivalent"] < level
    return table


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
                **interval_cells(metric, network.number.value, *network.interval),
                "Rank Group": groups[rank],
            }
        )
    return pd.DataFrame(rows)
