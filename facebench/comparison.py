"""Which of several networks is better, and which cannot be told apart?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import norm

from facebench.columns import CI_HIGH, CI_LOW, DEFAULT_LAYER, LAYER, MODEL
from facebench.errors import InputError, PairsError, UnknownNameError
from facebench.metrics.accuracy import accepted_at, kfold_accuracy
from facebench.metrics.folds import make_folds
from facebench.metrics.operating_points import eer, tar_at_far
from facebench.metrics.replicates import fold_accuracy_replicates, verification_replicates
from facebench.metrics.report import proportion_interval
from facebench.metrics.resamples import Resamples
from facebench.metrics.stats import holm, mcnemar
from facebench.metrics.verification import auc, dprime
from facebench.tasks.comparisons import Identity, find_members, genuine_labels
from facebench.types import Float64Array

__all__ = ["ModelComparison", "compare_models"]

_COMPUTED = "model_computed_distance"
_LABELS = ("same", "truth")
_FOLDS = 10


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
        interval, and Rank Group: networks that share a letter cannot be told apart.
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
    value: float
    replicates: Float64Array
    # Decisions, where it is accuracy that is compared.
    right: NDArray[np.bool_] | None


def compare_models(
    results: Any,
    task: str | None = None,
    metric: str = "auc",
    *,
    label_column: str | None = None,
    identity: Identity = "folder",
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
    by_model, task_name, column = _chosen(results, task, label_column)
    frames = _frames(by_model, task_name, layers)
    if len(frames) < 2:
        msg = f"compare_models needs two networks or more. Got {len(frames)}, of {task_name!r}."
        raise InputError(msg)
    pairs = next(iter(frames.values()))
    where: dict[str, Any] = {"task": task_name, "owner": "compare_models", "path": task_name}
    labels = genuine_labels(pairs, column, **where)
    members = find_members(pairs, labels, identity, **where)
    resamples = Resamples(
        labels, members.by, members.first, members.second, n_resamples=n_resamples, seed=seed
    )
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
        distances = np.asarray(frame[_COMPUTED], dtype=np.float64)
        networks.append(
            _Network(model, layer, *_measured(metric, target, labels, distances, resamples, folds))
        )
    undefined = [network for network in networks if np.isnan(network.value)]
    if undefined:
        msg = (
            f"The metric {metric!r} is undefined for {undefined[0].model!r} "
            f"({undefined[0].layer}) on the {len(labels)} pairs of task {task_name!r}."
        )
        raise InputError(msg)
    tests = _tests(networks, level)
    n_independent = min(resamples.independent(labels == 1), resamples.independent(labels == 0))
    return ModelComparison(metric, tests, _ranks(networks, tests, metric, n_independent))


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


def _chosen(
    results: Any, task: str | None, label_column: str | None
) -> tuple[Mapping[str, Mapping[str, pd.DataFrame]], str, str]:
    """Return the distances by model and task, the task, and its column of labels."""
    by_model = getattr(results, "model_task_distances_dfs", results)
    if not isinstance(by_model, Mapping):
        msg = (
            "The 'results' parameter of compare_models must be a manager or its "
            f"model_task_distances_dfs. Got a {type(results).__name__} instead."
        )
        raise InputError(msg)
    tasks = getattr(results, "tasks", {})

    def labels_of(name: str, frame: pd.DataFrame) -> str | None:
        columns = [label_column, getattr(tasks.get(name), "true_label", None), *_LABELS]
        wanted = columns[:1] if label_column is not None else columns
        return next((column for column in wanted if column in frame.columns), None)

    usable: dict[str, str] = {}
    for by_task in by_model.values():
        for name, frame in by_task.items():
            column = labels_of(name, frame) if _COMPUTED in frame.columns else None
            if column is not None:
                usable[name] = column
    if task is None and len(usable) == 1:
        [task] = usable
    if task not in usable:
        msg = (
            f"compare_models needs the 'task' to compare by: one of {', '.join(usable) or 'none'} "
            f"(tasks with results and labels). Got {task!r}."
        )
        raise UnknownNameError(msg)
    return by_model, task, usable[task]


def _frames(
    by_model: Mapping[str, Mapping[str, pd.DataFrame]],
    task: str,
    layers: Mapping[str, str] | None,
) -> dict[tuple[str, str], pd.DataFrame]:
    frames = {}
    for model, by_task in by_model.items():
        if task not in by_task:
            continue
        for layer, frame in by_task[task].groupby("layer_name", sort=False):
            if layers is None or layers.get(model, layer) == layer:
                frames[model, str(layer)] = frame.reset_index(drop=True)
        if layers is not None and (model, layers.get(model)) not in frames and model in layers:
            msg = f"Model {model!r} has no results for the layer {layers[model]!r} in {task!r}."
            raise UnknownNameError(msg)
    return frames


def _measured(
    metric: str,
    target: float | None,
    labels: NDArray[np.int8],
    distances: Float64Array,
    resamples: Resamples,
    folds: Any,
) -> tuple[float, Float64Array, NDArray[np.bool_] | None]:
    way: dict[str, Any] = {"higher_is_better": False}
    if metric == "accuracy":
        found = kfold_accuracy(labels, distances, folds, **way)
        right = np.zeros(labels.size, dtype=bool)
        for fold, threshold in zip(np.unique(folds), found.thresholds, strict=True):
            chosen = folds == fold
            right[chosen] = accepted_at(-distances[chosen], -threshold) == labels[chosen]
        everything = np.zeros(labels.size)
        return (
            float(right.mean()),
            fold_accuracy_replicates(right, everything, resamples),
            right,
        )
    far = [] if target is None else [target]
    drawn = verification_replicates(labels, distances, resamples, far=far, **way)
    if target is not None:
        tar = tar_at_far(labels, distances, target, **way).tar
        return tar, drawn[f"tar@{target:g}"], None
    functions: dict[str, Any] = {
        "auc": auc,
        "dprime": dprime,
        "eer": lambda *given, **options: eer(*given, **options).rate,
    }
    return float(functions[metric](labels, distances, **way)), drawn[metric], None


def _tests(networks: list[_Network], level: float) -> pd.DataFrame:
    z = float(ndtri(0.975))
    rows: list[dict[str, Any]] = []
    for one, other in combinations(networks, 2):
        difference = one.value - other.value
        spread = float(np.nanstd(one.replicates - other.replicates, ddof=1))
        if one.right is not None and other.right is not None:
            p, test = mcnemar(one.right, other.right).p_value, "McNemar"
        else:
            # Without spread two networks order all pairs alike, or never do.
            p = float(2 * norm.sf(abs(difference) / spread)) if spread else float(not difference)
            test = "paired bootstrap"
        rows.append(
            {
                "Model 1": one.model,
                "Layer 1": one.layer,
                "Model 2": other.model,
                "Layer 2": other.layer,
                "Difference": difference,
                "CI Low": difference - z * spread,
                "CI High": difference + z * spread,
                "p": p,
                "Test": test,
            }
        )
    table = pd.DataFrame(rows)
    table.insert(8, "p Holm", holm(table["p"].to_numpy()))
    table.insert(9, "Different", table["p Holm"] < level)
    return table


def _ranks(
    networks: list[_Network], tests: pd.DataFrame, metric: str, n_independent: int
) -> pd.DataFrame:
    values = np.array([network.value for network in networks])
    order = np.argsort(values if metric == "eer" else -values, kind="stable")
    place = {int(number): rank for rank, number in enumerate(order)}
    different = {
        frozenset((place[one], place[other]))
        for (one, other), is_different in zip(
            combinations(range(len(networks)), 2), tests["Different"], strict=True
        )
        if is_different
    }
    letters = _rank_groups(len(networks), different)
    rows = []
    for rank, number in enumerate(order.tolist()):
        network = networks[number]
        # d' is no proportion, and 0 or 1 mean nothing in it.
        low, high = proportion_interval(
            network.value, network.replicates, 0 if metric == "dprime" else n_independent
        )
        rows.append(
            {
                "Rank": rank + 1,
                MODEL: network.model,
                LAYER: network.layer or DEFAULT_LAYER,
                metric: network.value,
                f"{metric}{CI_LOW}": low,
                f"{metric}{CI_HIGH}": high,
                "Rank Group": letters[rank],
            }
        )
    return pd.DataFrame(rows)


def _rank_groups(size: int, different: set[frozenset[int]]) -> list[str]:
    """Give letters so that two share one if and only if they are not different (Piepho 2004).

    Examples
    --------
    >>> _rank_groups(3, {frozenset((0, 2))})
    ['a', 'ab', 'b']
    """
    groups = [frozenset(range(size))]
    for pair in sorted(different, key=sorted):
        parted: list[frozenset[int]] = []
        for group in groups:
            parted += [group - {member} for member in pair] if pair <= group else [group]
        # A group within another says nothing of its own.
        groups = [
            group
            for place, group in enumerate(parted)
            if not any(
                group < other or (group == other and earlier < place)
                for earlier, other in enumerate(parted)
            )
        ]
    groups.sort(key=sorted)
    return [
        "".join(_letter(place) for place, group in enumerate(groups) if member in group)
        for member in range(size)
    ]


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"({place + 1})"
