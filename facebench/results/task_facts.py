"""What a run folder remembers of a task, so that its report needs no task object."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from facebench.columns import CI_METHOD, CONDITION, IDENTITY

__all__ = ["TaskFacts", "facts_of"]

_TEXTS_KEPT = 4


@dataclass(frozen=True)
class TaskFacts:
    """What a task is about.

    Attributes
    ----------
    type : str
        Its class.
    question : str
        The first line of the class's docstring.
    distance : str or None
        Name of its distance metric.
    correlation : str or None
        Name of its correlation metric.
    label_column, condition_column, group_column : str or None
        Columns of the pairs file that say whether a pair is of one person, its condition, its
        group.
    identity : 'folder', list of two str, or None
        Where the people of a pair are named, see `facebench.data.identity`.
    rating_columns : list of str
        Columns of people's ratings, where every row of the items is another pair.
    rates_similarity : bool
        Whether larger ratings mean more alike.
    images_path, pairs_file : str or None
        Where its images and pairs are.
    normalized : bool
        Whether it divides distances by the layer's largest.
    remarks : dict of str to str
        Texts among its results that hold for all of them, such as where the threshold is from.
    effect : dict of str to str
        Of a task that compares conditions within a row: its measures by condition, as
        ``{"upright": "upright AUC", "inverted": "inverted AUC"}``.
    references : list of dict
        What people do: what, value (None where only the direction is known) and source.
    """

    type: str
    question: str = ""
    distance: str | None = None
    correlation: str | None = None
    label_column: str | None = None
    condition_column: str | None = None
    group_column: str | None = None
    identity: str | list[str] | None = "folder"
    rating_columns: list[str] = field(default_factory=list)
    rates_similarity: bool = False
    images_path: str | None = None
    pairs_file: str | None = None
    normalized: bool = False
    remarks: dict[str, str] = field(default_factory=dict)
    effect: dict[str, str] = field(default_factory=dict)
    references: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Give the facts as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> TaskFacts:
        """Read facts; what a later version wrote beside them is left out."""
        known = {name: facts[name] for name in cls.__dataclass_fields__ if name in facts}
        return cls(**{"type": "", **known})


def facts_of(task: Any, performance: pd.DataFrame | None) -> TaskFacts:
    """Collect the facts of a task.

    Parameters
    ----------
    task : BaseTask or EmbeddingTask
        The task; what it does not have stays empty.
    performance : DataFrame or None
        Its results.

    Returns
    -------
    TaskFacts
    """
    doc = (type(task).__doc__ or "").strip().split("\n", 1)[0]
    return TaskFacts(
        type=type(task).__name__,
        question=doc,
        distance=_text(task, "distance_metric_name"),
        correlation=_text(task, "correlation_metric_name"),
        label_column=_column(task, "true_label"),
        condition_column=_column(task, "condition_column"),
        group_column=_column(task, "group_column"),
        identity=_identity(task),
        rating_columns=list(getattr(task, "rating_columns", ())),
        rates_similarity=getattr(task, "rating", None) == "similarity",
        images_path=_path(task, "images_path"),
        pairs_file=_path(task, "pairs_file_path"),
        normalized=bool(getattr(task, "normalize", False)),
        remarks={} if performance is None else _remarks(performance),
        effect={} if performance is None else _effect(task, performance),
        references=[
            {"what": what, "value": None if math.isnan(value) else value, "source": source}
            for what, value, source in getattr(task, "human_references", ())
        ],
    )


def _effect(task: Any, performance: pd.DataFrame) -> dict[str, str]:
    conditions = getattr(task, "conditions", None) or getattr(task, "groups", None) or ()
    measure = _text(task, "measure_name") or "Mean"
    found = {str(name): f"{name} {measure}" for name in conditions}
    return found if found and all(name in performance for name in found.values()) else {}


def _text(task: Any, attribute: str) -> str | None:
    value = getattr(task, attribute, None)
    return value if isinstance(value, str) else None


def _column(task: Any, attribute: str) -> str | None:
    name = _text(task, attribute)
    table = getattr(task, "pairs_df", None)
    return name if name is not None and table is not None and name in table.columns else None


def _identity(task: Any) -> str | list[str] | None:
    source = getattr(task, "identity", "folder")
    if source is None:
        return None
    # An attribute of that name may be anything in a task of someone's own.
    columns = list(source) if isinstance(source, list | tuple) else []
    table = getattr(task, "pairs_df", None)
    known = table is not None and len(columns) == 2 and all(name in table for name in columns)
    return columns if known else "folder"


def _path(task: Any, attribute: str) -> str | None:
    value = getattr(task, attribute, None)
    return str(Path(value).absolute()) if isinstance(value, str | os.PathLike) else None


def _remarks(performance: pd.DataFrame) -> dict[str, str]:
    remarks = {}
    for column in performance.columns:
        if column in {*IDENTITY, CONDITION, CI_METHOD} or is_numeric_dtype(performance[column]):
            continue
        texts = [text for text in performance[column].dropna().astype(str).unique() if text]
        if 0 < len(texts) <= _TEXTS_KEPT:
            remarks[str(column)] = ", ".join(texts)
    return remarks
