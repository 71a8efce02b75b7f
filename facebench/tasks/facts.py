"""What a task says of itself: the question, what is sampled, its measures, its columns.

Reports, the leaderboard and comparisons read only this of a task; a run folder keeps
it, so that they need no task object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from facebench.data.bibliography import citations_of
from facebench.data.estimates import InfluenceKind
from facebench.tasks.measures import Measure, declared_measures

__all__ = ["HumanReference", "TaskFacts", "described"]


class HumanReference(NamedTuple):
    """What people do, to compare networks with.

    Attributes
    ----------
    what : str
        The measure and the images.
    value : float
        NaN where only the direction is published.
    source : str
        The publication.
    """

    what: str
    value: float
    source: str


@dataclass(frozen=True)
class TaskFacts:
    """What a task is about.

    Attributes
    ----------
    type : str
        Its class.
    question : str
        What it asks of a network.
    sampling_unit : str
        What the data are a sample of, such as 'people'.
    measures : tuple of Measure
        What it declares; empty for an old-style task.
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
    effect_name : str
        What people call an effect whose Difference is above 0, such as 'inversion effect'; empty
        where a difference of either sign has no name.
    compared : dict of str to int
        Where the effect compares only some of the conditions: 'pairs' in these, and 'people'.
    item_name : str
        What is counted, such as 'pairs' or 'probes'.
    influences : dict of str to str
        How each pair moves a measure, as `BaseTask.influences` has it.
    references : list of dict
        What people do: what, value (None where only the direction is known) and source.
    people : dict
        Of people who answered the task's own trials: source, kind, participants, trials, groups and
        notes; empty where there are none.
    citations : list of str
        What to cite for it, as `facebench.data.bibliography.publications` takes it.
    """

    type: str
    question: str = ""
    sampling_unit: str = ""
    measures: tuple[Measure, ...] = ()
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
    effect_name: str = ""
    compared: dict[str, int] = field(default_factory=dict)
    item_name: str = ""
    influences: dict[str, InfluenceKind] = field(default_factory=dict)
    references: list[dict[str, Any]] = field(default_factory=list)
    people: dict[str, Any] = field(default_factory=dict)
    citations: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Give the facts as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> TaskFacts:
        """Read facts; what a later version wrote beside them is left out."""
        known = {name: facts[name] for name in cls.__dataclass_fields__ if name in facts}
        known["measures"] = tuple(map(Measure.from_dict, known.get("measures", ())))
        return cls(**{"type": "", **known})


def described(task: Any, **more: Any) -> TaskFacts:
    """Collect what `BaseTask` and `EmbeddingTask` both say of themselves.

    Parameters
    ----------
    task : BaseTask or EmbeddingTask
        The task.
    **more
        Further fields of `TaskFacts`.
    """
    # What a task of pairs counts needs no saying.
    more = {"item_name": "pairs", **more}
    doc = (type(task).__doc__ or "").strip().split("\n", 1)[0]
    return TaskFacts(
        type=type(task).__name__,
        question=task.question or doc,
        sampling_unit=task.sampling_unit,
        measures=declared_measures(task),
        images_path=str(Path(task.images_path).absolute()),
        influences=_influences(task),
        identity=_identity(task),
        references=[
            {"what": what, "value": None if math.isnan(value) else value, "source": source}
            for what, value, source in task.human_references
        ],
        people=_people(task),
        citations=citations_of(task),
        **more,
    )


def _people(task: Any) -> dict[str, Any]:
    trials = task.people
    if trials is None:
        return {}
    return {
        "source": trials.source,
        "kind": trials.kind,
        "participants": len(trials.participants),
        "trials": len(trials.table),
        "groups": [str(group) for group in trials.groups],
        "notes": list(task.people_notes),
    }


def _influences(task: Any) -> dict[str, InfluenceKind]:
    """Take what a task says of its own measures, not of ones that a subclass computes anew."""
    for owner in type(task).__mro__:
        if "influences" in vars(owner):
            return dict(task.influences)
        if "compute_unrounded_performance" in vars(owner):
            break
    return {}


def _identity(task: Any) -> str | list[str] | None:
    source = getattr(task, "identity", "folder")
    if source is None:
        return None
    # An attribute of that name may be anything in a user's task.
    columns = list(source) if isinstance(source, list | tuple) else []
    table = getattr(task, "pairs_df", None)
    known = table is not None and len(columns) == 2 and all(name in table for name in columns)
    return columns if known else "folder"
