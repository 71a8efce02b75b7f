"""Measures: what a task reports, which way is better, and which number stands for the task.

A task declares its measures. What is guessed from names here serves old-style tasks only, which
declare none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Better", "Measure", "headline", "higher_is_better", "measures_for"]

Better = Literal["higher", "lower"]

# Names are matched whole, in lower case, '@…' and what follows cut off.
_HIGHER = frozenset(
    [
        "accuracy",
        "auc",
        "roc auc",
        "pauc",
        "partial auc",
        "d'",
        "dprime",
        "tar",
        "tmr",
        "gar",
        "tpir",
        "tpr",
        "rank",
        "rank-1",
        "rank-5",
        "rank-10",
        "cmc",
        "map",
        "mean average precision",
        "precision",
        "recall",
        "f1",
        "correlation score",
        "correlation",
        "pearson",
        "spearman",
        "kendall",
        "rsa",
        "rsa score",
        "noise-ceiled score",
        "explained share",
        "choice agreement",
        "agreement",
        "hit rate",
        "triplet accuracy",
        "odd-one-out accuracy",
    ]
)
_LOWER = frozenset(
    [
        "eer",
        "equal error rate",
        "fnmr",
        "fmr",
        "frr",
        "far",
        "fpir",
        "fnir",
        "fpr",
        "fnr",
        "hter",
        "min dcf",
        "mindcf",
        "dcf",
        "cllr",
        "min cllr",
        "garbe",
        "fdr gap",
        "max/min ratio",
        "error",
        "error rate",
        "rmse",
        "mae",
        "failure rate",
        "failed",
    ]
)
# Earlier ones stand for the task where it reports several.
_HEADLINES = (
    "garbe",
    "auc",
    "accuracy",
    "tar",
    "eer",
    "rank-1",
    "rank 1",
    "tpir",
    "map",
    "correlation score",
    "rsa score",
    "rsa",
    "interaction difference",
    "difference",
    "relative difference",
    "effect size",
    "mean value",
)
_HEADLINES_SHOWN = 2


@dataclass(frozen=True)
class Measure:
    """A number that a task reports, and how to read it.

    Attributes
    ----------
    name : str
        Its column in the task's results.
    better : {'higher', 'lower'} or None
        Which way is better; None where neither is, as for a threshold or a mean distance.
    headline : bool
        Whether it stands for the task: in the report, the leaderboard and comparisons. The first
        headline measure also chooses the best layer.
    chance : float or None
        Its value without any information, drawn as a line.
    bounds : (float, float) or None
        The smallest and the largest value that it can have.

    Examples
    --------
    >>> Measure("AUC", better="higher", headline=True, chance=0.5, bounds=(0, 1)).better
    'higher'
    """

    name: str
    better: Better | None = None
    headline: bool = False
    chance: float | None = None
    bounds: tuple[float, float] | None = None

    @property
    def higher_is_better(self) -> bool | None:
        """True, False, or None where neither way is better."""
        return None if self.better is None else self.better == "higher"


def measures_for(task: Any, names: Sequence[str]) -> dict[str, Measure]:
    """Describe the measures of a task's results.

    Parameters
    ----------
    task : BaseTask or EmbeddingTask
        The task; its ``measures`` are what it declares.
    names : sequence of str
        The measures among its results, in their order.

    Returns
    -------
    dict of str to Measure
        By name, in the order of `names`. Where a task declares measures, others of its numbers
        are no headlines and have no direction; where it declares none, both are guessed from names.
    """
    declared = {measure.name: measure for measure in getattr(task, "measures", ())}
    if declared:
        return {name: declared.get(name, Measure(name)) for name in names}
    first = headline(list(names))
    directions: dict[bool | None, Better | None] = {True: "higher", False: "lower", None: None}
    return {
        name: Measure(name, directions[higher_is_better(name)], headline=name in first)
        for name in names
    }


def _short(metric: str) -> str:
    return re.split(r"\s*(?:@|\bat\b)", metric.strip().lower(), maxsplit=1)[0]


def higher_is_better(metric: str) -> bool | None:
    """Tell which way a measure is better.

    Parameters
    ----------
    metric : str
        Its name in a task's results.

    Returns
    -------
    bool or None
        None where neither way is, as for a threshold or a mean distance, or the name is unknown.

    Examples
    --------
    >>> higher_is_better("TAR@FAR=1e-3"), higher_is_better("EER"), higher_is_better("Mean Value")
    (True, False, None)
    """
    short = _short(metric)
    if short in _HIGHER or re.fullmatch(r"rank[- ]?\d+", short):
        return True
    return False if short in _LOWER else None


def headline(metrics: list[str]) -> list[str]:
    """Choose the measures that stand for a task, the first one above all.

    Parameters
    ----------
    metrics : list of str
        The task's measures, in its order.

    Returns
    -------
    list of str
        One or two of them.

    Examples
    --------
    >>> headline(["Accuracy", "Optimal Threshold", "AUC"])
    ['AUC', 'Accuracy']
    """
    ranks = {metric: _rank(metric) for metric in metrics}
    known = sorted((m for m in metrics if ranks[m] is not None), key=lambda m: ranks[m] or 0)
    if not known:
        known = [m for m in metrics if higher_is_better(m) is not None] or metrics[-1:]
    return known[:_HEADLINES_SHOWN]


def _rank(metric: str) -> int | None:
    short = _short(metric)
    if short.endswith(" difference") and not short.endswith("relative difference"):
        # Of one factor of several: '<factor> Difference'.
        short = short if short in _HEADLINES else "difference"
    return _HEADLINES.index(short) if short in _HEADLINES else None
