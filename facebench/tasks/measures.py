"""Measures: what a task reports, which way is better, and which number stands for the task.

A task declares its measures. What is guessed from names here serves old-style tasks only, which
declare none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from facebench.errors import InputError

__all__ = [
    "Better",
    "Measure",
    "declared_measures",
    "headline",
    "headlines",
    "higher_is_better",
    "measures_for",
]

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
# What has one of these words in its name explains another number.
_AUXILIARY = frozenset(
    [
        "ceiling",
        "count",
        "df",
        "n",
        "number",
        "p",
        "pvalue",
        "se",
        "seed",
        "sem",
        "std",
        "threshold",
    ]
)


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
    ceiling : tuple of str
        The measures of the same results that say how high it can get with these data: the lower
        ceiling and the upper one, or one of both; empty where it has none.
    shown : bool
        Whether charts and verdicts offer it; a headline always is. False for what only explains
        another number, such as a threshold or a ceiling.
    label : str
        What an axis calls it, with its unit, such as "Upright minus inverted AUC"; its name if
        empty.

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
    ceiling: tuple[str, ...] = ()
    shown: bool = True
    label: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            msg = f"The name of a Measure must be a text. Got {self.name!r} instead."
            raise InputError(msg)
        if self.better not in (None, *get_args(Better)):
            msg = (
                f"The 'better' of Measure {self.name!r} must be 'higher', 'lower' or None. "
                f"Got {self.better!r} instead."
            )
            raise InputError(msg)
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            msg = (
                f"The 'bounds' of Measure {self.name!r} must be its smallest and its largest "
                f"value. Got {self.bounds!r} instead."
            )
            raise InputError(msg)

    @property
    def higher_is_better(self) -> bool | None:
        """True, False, or None where neither way is better."""
        return None if self.better is None else self.better == "higher"

    @property
    def axis_label(self) -> str:
        """What an axis calls it: its label, or its name."""
        return self.label or self.name

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Measure:
        """Read a measure from the manifest of a run, where infinity is a text."""
        known = {name: fields[name] for name in cls.__dataclass_fields__ if name in fields}
        if known.get("chance") is not None:
            known["chance"] = float(known["chance"])
        if known.get("bounds") is not None:
            low, high = map(float, known["bounds"])
            known["bounds"] = (low, high)
        known["ceiling"] = tuple(known.get("ceiling", ()))
        return cls(**known)


def declared_measures(task: Any) -> tuple[Measure, ...]:
    """Give the measures that a task declares.

    Parameters
    ----------
    task : BaseTask, EmbeddingTask or TaskFacts
        The task, or what is known of it.

    Returns
    -------
    tuple of Measure
        Empty for an old-style task, which declares none.

    Raises
    ------
    InputError
        If they are something else, or two have one name.
    """
    found = tuple(getattr(task, "measures", ()))
    if not all(isinstance(measure, Measure) for measure in found):
        msg = (
            f"The 'measures' of {type(task).__name__} must be a sequence of facebench.Measure. "
            f"Got {getattr(task, 'measures', ())!r} instead."
        )
        raise InputError(msg)
    names = [measure.name for measure in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        msg = (
            f"The 'measures' of {type(task).__name__} must have different names. "
            f"Got {twice!r} twice."
        )
        raise InputError(msg)
    return found


def measures_for(task: Any, names: Sequence[str]) -> dict[str, Measure]:
    """Describe the measures of a task's results.

    Parameters
    ----------
    task : BaseTask, EmbeddingTask or TaskFacts
        The task, or what is known of it; its ``measures`` are what it declares.
    names : sequence of str
        The measures among its results, in their order.

    Returns
    -------
    dict of str to Measure
        By name: headline measures in the order of their declaration (the first measure declared
        where none is one), then the others in the order of `names`. Where a task declares measures,
        its other numbers are not headlines, have no direction and are not shown, but for those on
        the scale of people ('Comparable …'); where it declares none, all is guessed from names.
    """
    declared = {measure.name: measure for measure in declared_measures(task)}
    known = [name for name in declared if name in names]
    first = [name for name in known if declared[name].headline] or known[:1]
    if not declared:
        directions: dict[bool | None, Better | None] = {True: "higher", False: "lower", None: None}
        declared = {
            name: Measure(name, directions[higher_is_better(name)], shown=not _is_auxiliary(name))
            for name in names
        }
    # Of an old-style task, or where results lack all that was declared.
    first = first or headline(list(names))
    return {
        name: _as_headline(declared.get(name) or _undeclared(name), name in first)
        for name in dict.fromkeys([*first, *names])
    }


def _undeclared(name: str) -> Measure:
    return Measure(name, shown="Comparable " in name)


def _as_headline(measure: Measure, headline: bool) -> Measure:
    return replace(measure, headline=headline, shown=measure.shown or headline)


def headlines(task: Any, names: Sequence[str]) -> list[str]:
    """Name the measures that stand for a task, the one that chooses the best layer first.

    Parameters
    ----------
    task, names
        See `measures_for`.

    Returns
    -------
    list of str
        One or more of `names`; none if there are none.
    """
    return [name for name, measure in measures_for(task, names).items() if measure.headline]


def _is_auxiliary(metric: str) -> bool:
    """Tell whether a number of an old-style task explains another one."""
    words = re.findall(r"[a-z]+", metric.lower())
    return not _AUXILIARY.isdisjoint(words)


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
        plain = [m for m in metrics if not _is_auxiliary(m)] or metrics
        known = [m for m in metrics if higher_is_better(m) is not None] or plain[-1:]
    return known[:_HEADLINES_SHOWN]


def _rank(metric: str) -> int | None:
    short = _short(metric)
    if short.endswith(" difference") and not short.endswith("relative difference"):
        # Of one factor of several: '<factor> Difference'.
        short = short if short in _HEADLINES else "difference"
    return _HEADLINES.index(short) if short in _HEADLINES else None
