"""What a task says of itself: the question, what is sampled, its measures, its columns.

Reports, the leaderboard and comparisons read this and nothing else of a task; a run folder keeps
it, so that they need no task object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from facebench.tasks.measures import Measure, declared_measures

__all__ = ["HumanReference", "SelfDescribing", "TaskFacts"]


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
    sampling_unit: str = ""
    measures: tuple[Measure, ...] = ()
    distance: str | None = None
    correlation: str | None = None
    label_column: str | None = None
    condition_column: str | None = None
    group_column: str | None = None
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
    def from_dict(cls, facts: Mapping[str, Any]) -> TaskFacts:
        """Read facts; what a later version wrote beside them is left out."""
        known = {name: facts[name] for name in cls.__dataclass_fields__ if name in facts}
        known["measures"] = tuple(map(Measure.from_dict, known.get("measures", ())))
        return cls(**{"type": "", **known})


class SelfDescribing:
    """What `BaseTask` and `EmbeddingTask` share: a task describes itself.

    Attributes
    ----------
    question : str
        What the task asks of a network; by default the first line of the class's docstring.
    sampling_unit : str
        What the data are a sample of, and intervals generalise to: 'people', 'images', 'pairs'.
    measures : sequence of Measure
        The numbers it reports, those that stand for it first. Where they depend on parameters,
        ``__init__`` sets them.
    human_references : sequence of HumanReference
        What people do, where it is published.
    """

    question: str = ""
    sampling_unit: str = ""
    measures: Sequence[Measure] = ()
    human_references: Sequence[HumanReference] = ()

    def facts(self) -> TaskFacts:
        """Describe the task for reports and comparisons.

        Returns
        -------
        TaskFacts
        """
        doc = (type(self).__doc__ or "").strip().split("\n", 1)[0]
        return TaskFacts(
            type=type(self).__name__,
            question=self.question or doc,
            sampling_unit=self.sampling_unit,
            measures=declared_measures(self),
            references=[
                {"what": what, "value": None if math.isnan(value) else value, "source": source}
                for what, value, source in self.human_references
            ],
        )
