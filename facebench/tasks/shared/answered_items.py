"""People's answers to the items of a task: who chose what in which line-up, who called what old."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.errors import PairsError
from facebench.metrics.noise_ceiling import SplitHalf, split_half_of_answers
from facebench.people import TrialKind, Trials
from facebench.people.names import ImageFinder
from facebench.people.trials import PARTICIPANT, RESPONSE
from facebench.tasks.shared.people import trials_of
from facebench.tasks.shared.people_answers import refuse_kind
from facebench.types import Float64Array, IntArray
from facebench.utils.suggestions import did_you_mean

__all__ = ["SEPARATOR", "AnsweredItems", "answers_to", "as_the_task_names", "trials_of_kind"]

_log = logging.getLogger(__name__)
# Random halves of participants, and numbers to be ranked in all of them.
_SPLITS, _RANKED = (10, 200), 2_000_000
# Between the names of an order.
SEPARATOR = "|"


class AnsweredItems:
    """Answers of participants, each to an item of a task.

    Parameters
    ----------
    item : int array, shape [T]
        The item of each answer.
    value : array, shape [T]
        What was answered: 1 or 0, or a place among alternatives.
    participant : int array, shape [T]
        Who answered.
    n_items : int
        Number of items.
    n_participants : int
        Number of participants, those without an answer to these items among them.
    """

    def __init__(
        self,
        item: IntArray,
        value: NDArray[Any],
        participant: IntArray,
        n_items: int,
        n_participants: int,
    ) -> None:
        self.item, self.value, self.participant = item, value, participant
        self.n_items, self.n_participants = n_items, n_participants

    def with_values(self, value: NDArray[Any]) -> AnsweredItems:
        """Take something else of every answer, such as whether it is right."""
        return AnsweredItems(self.item, value, self.participant, self.n_items, self.n_participants)

    @cached_property
    def per_item(self) -> Float64Array:
        """Number of answers to each item."""
        return np.bincount(self.item, minlength=self.n_items).astype(np.float64)

    @cached_property
    def item_means(self) -> Float64Array:
        """Mean of the answers to each item; NaN without any. NaN values do not count."""
        known = ~np.isnan(self.value)
        return _quotient(*_sums(self.item[known], self.value[known], self.n_items))

    def sums_in(self, items: NDArray[np.bool_]) -> tuple[Float64Array, Float64Array]:
        """Sum the answers of each participant to some of the items, and count them."""
        kept = items[self.item] & ~np.isnan(self.value)
        return _sums(self.participant[kept], self.value[kept], self.n_participants)

    def means_in(self, items: NDArray[np.bool_]) -> Float64Array:
        """Mean of the answers of each participant to some of the items; NaN without any."""
        sums, counts = self.sums_in(items)
        return _quotient(sums, counts)

    def split_half(self, items: NDArray[np.bool_]) -> SplitHalf:
        """Give the reliability of the means of some items, by halves of the participants."""
        kept = items[self.item]
        # The more items, the less do splits differ.
        n_splits = int(np.clip(_RANKED // max(1, int(items.sum())), *_SPLITS))
        return split_half_of_answers(
            self.item[kept],
            self.participant[kept],
            self.value[kept].astype(np.float64),
            n_splits=n_splits,
        )


def _sums(place: IntArray, values: NDArray[Any], size: int) -> tuple[Float64Array, Float64Array]:
    sums, counts = np.zeros(size), np.zeros(size)
    np.add.at(sums, place, values)
    np.add.at(counts, place, 1)
    return sums, counts


def _quotient(sums: Float64Array, counts: Float64Array) -> Float64Array:
    return np.asarray(np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0))


def trials_of_kind(people: Any, kind: TrialKind, *, task: str) -> Trials | None:
    """Read the trials that a task was given, and refuse those of another kind.

    Raises
    ------
    InputError
        If they are of another kind.
    """
    trials = trials_of(people)
    if trials is not None:
        refuse_kind(trials, [kind], task=task)
    return trials


def as_the_task_names(trials: Trials, known_images: Sequence[str]) -> Trials:
    """Write the images that trials show, and answer, as a task does, see `ImageFinder`.

    Names that are none of the task's stay as they are.
    """
    finder = ImageFinder(known_images)
    own = {name: finder.find(name) or name for name in _names_in(trials)}
    if all(name == other for name, other in own.items()):
        return trials
    columns = list(trials.shown)
    if trials.kind == "choice":
        columns.append(RESPONSE)
    table = trials.table.assign(
        **{column: trials.table[column].map(lambda name: own.get(name, name)) for column in columns}
    )
    if trials.kind == "order":
        orders = table[RESPONSE]
        written = {
            order: SEPARATOR.join(own.get(name, name) for name in str(order).split(SEPARATOR))
            for order in orders.dropna().unique()
        }
        table = table.assign(**{RESPONSE: orders.map(written)})
    return Trials(table, trials.kind, trials.source, trials.notes)


def _names_in(trials: Trials) -> list[str]:
    shown = (trials.table[column].dropna().unique() for column in trials.shown)
    return list(dict.fromkeys(name for names in shown for name in names if isinstance(name, str)))


def answers_to(
    trials: Trials,
    trial_keys: Any,
    item_keys: Any,
    *,
    task: str,
    shown: Sequence[str],
    known_images: list[str],
    participants: pd.Series | None = None,
) -> tuple[IntArray, IntArray]:
    """Find the item of every trial.

    Parameters
    ----------
    trials : Trials
        The trials, for messages.
    trial_keys, item_keys : MultiIndex
        What was shown, the same where it is the same item.
    task : str
        The task's name, for messages.
    shown : sequence of str
        All images of the trials, each once.
    known_images : list of str
        The task's images.
    participants : Series, optional
        Whose trials they are, if not all of `trials`.

    Returns
    -------
    item, participant : int array, shape [T]
        The first of equal items; -1 for a trial of none of them, which are counted in the log.

    Raises
    ------
    PairsError
        If no trial fits.
    """
    first = np.flatnonzero(~item_keys.duplicated())
    place = item_keys[first].get_indexer(trial_keys)
    item = np.where(place < 0, -1, first[place])
    whose = trials.table[PARTICIPANT] if participants is None else participants
    participant = pd.factorize(whose)[0]
    lost = int((item < 0).sum())
    source = f" of {trials.source}" if trials.source else ""
    if lost == len(item):
        known = set(known_images)
        unknown = next((name for name in shown if name not in known), None)
        reason = (
            "Their images are those of the task, but they stand together otherwise, or in other "
            "conditions."
            if unknown is None
            else f"The image {unknown!r:.200} is not one of the task's."
            f"{did_you_mean(str(unknown), known_images)}"
        )
        msg = f"None of the {lost} trials{source} fits task {task!r}. {reason}"
        raise PairsError(msg)
    if lost:
        _log.warning(
            "Task %r: %d of %d trials%s show something else than the task, and are left out.",
            task,
            lost,
            len(item),
            source,
        )
    return item, participant
