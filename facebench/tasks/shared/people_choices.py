"""People's choices in the line-ups of a task, and what they tell: accuracy, ceilings, counts."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.errors import PairsError
from facebench.people import Trials
from facebench.people.trials import PARTICIPANT, RESPONSE
from facebench.tasks.shared.answered_items import AnsweredItems, answers_to, as_the_task_names
from facebench.tasks.shared.line_ups import NONE, LineUps
from facebench.types import Float64Array, IntArray

__all__ = ["PeopleChoices", "as_line_ups", "different_line_ups", "line_ups_of"]

# Columns of people's trials that name the right alternative.
_ANSWERS = ("answer", "correct_response")


class PeopleChoices:
    """Choices of participants, each in one of a task's line-ups.

    Parameters
    ----------
    trials : Trials
        Of kind 'choice'.
    line_ups : LineUps
        Of the task.
    right : int array, shape [N]
        The right alternative of each, -1 for none.
    condition_column : str or None
        The column of conditions: where the trials have it too, it is part of what was shown.
    task : str
        The task's name, for messages.

    Attributes
    ----------
    answers : AnsweredItems
        The place that was chosen, the last one for "none of them".

    Raises
    ------
    PairsError
        If no trial fits, or a response is none of the alternatives.
    """

    def __init__(
        self,
        trials: Trials,
        line_ups: LineUps,
        right: IntArray,
        condition_column: str | None,
        *,
        task: str,
    ) -> None:
        self._right, self._line_ups = right, line_ups
        trials = as_the_task_names(trials, line_ups.images)
        self._has_none = bool((right < 0).any())
        given = trials.table[RESPONSE].notna().to_numpy()
        answered = Trials(trials.table[given], trials.kind, trials.source, trials.notes)
        own = as_line_ups(answered, answered.table)
        condition = condition_column if condition_column in own.rows else None
        item, participant = answers_to(
            answered, own.keys(condition), line_ups.keys(condition), task=task,
            shown=own.images, known_images=line_ups.images,
        )  # fmt: skip
        self.participants = list(pd.unique(answered.table[PARTICIPANT]))
        chosen = own.places_of(own.rows[RESPONSE], RESPONSE, may_be_none=self._has_none)
        names = np.append(own.names, np.full((len(own), 1), NONE, dtype=object), axis=1)
        names = names[np.arange(len(own)), chosen]
        kept = item >= 0
        item = item[kept]
        same = line_ups.names[item] == names[kept][:, None]
        place = np.where(chosen[kept] < 0, line_ups.names.shape[1], np.argmax(same, axis=1))
        self.answers = AnsweredItems(
            item, place, participant[kept], len(line_ups), len(self.participants)
        )
        self._groups = {
            group: np.isin(self.participants, trials.of_group(group).participants)
            for group in trials.groups
        }

    @cached_property
    def counts(self) -> Float64Array:
        """How often each alternative was chosen, shape [N, K], and "none of them", [N, K + 1]."""
        width = self._line_ups.names.shape[1] + self._has_none
        places = self.answers.item * width + self.answers.value
        counts = np.bincount(places, minlength=len(self._line_ups) * width)
        return counts.reshape(-1, width).astype(np.float64)

    @cached_property
    def correct(self) -> AnsweredItems:
        """Whether each choice is right."""
        right = np.where(self._right < 0, self._line_ups.names.shape[1], self._right)
        return self.answers.with_values(
            (self.answers.value == right[self.answers.item]).astype(np.float64)
        )

    def members(self, trials: Trials) -> NDArray[np.bool_]:
        """Tell which of the participants have trials among some."""
        return np.isin(np.array(self.participants, dtype=object), trials.participants)

    def by_participant(self, chosen: NDArray[np.bool_]) -> dict[str, Float64Array]:
        """Measure each participant in some of the line-ups.

        Parameters
        ----------
        chosen : bool array, shape [N]
            Which ones.

        Returns
        -------
        dict of str to array, shape [P]
            Measures of `MatchingTask`; NaN for a participant without such trials.
        """
        absent = self._right < 0
        correct = self.correct
        found = {"Accuracy": correct.means_in(chosen)}
        if not chosen.all():
            found["Advantage"] = found["Accuracy"] - correct.means_in(~chosen)
        if self._has_none:
            none = (self.answers.value == self._line_ups.names.shape[1]).astype(np.float64)
            rejected = self.answers.with_values(none)
            present = chosen & ~absent
            found["Hits"] = correct.means_in(present)
            found["Misses"] = rejected.means_in(present)
            found["Misidentifications"] = 1 - found["Hits"] - found["Misses"]
            found["Correct Rejections"] = rejected.means_in(chosen & absent)
        return found

    def own_group(self, conditions: NDArray[np.object_]) -> dict[str, Float64Array] | None:
        """Measure participants in the condition that has the name of their group.

        Parameters
        ----------
        conditions : array of str, shape [N]
            The condition of each line-up.

        Returns
        -------
        dict of str to array, shape [P], or None
            Accuracy there, and its Advantage over the other conditions; None unless two groups or
            more have the name of a condition.
        """
        shared = [group for group in self._groups if (conditions == group).any()]
        if len(shared) < 2:
            return None
        found = {
            name: np.full(len(self.participants), np.nan) for name in ("Accuracy", "Advantage")
        }
        for group in shared:
            own = self.by_participant(conditions == group)
            for name, values in found.items():
                values[self._groups[group]] = own[name][self._groups[group]]
        return found


def line_ups_of(trials: Trials, owner: str) -> LineUps:
    """Take the different line-ups that people saw, with the right answers.

    Parameters
    ----------
    trials : Trials
        Of kind 'choice', with a column 'answer' or 'correct_response', or whether a response is
        'correct'.
    owner : str
        The task's class, for messages.

    Returns
    -------
    LineUps
        With 'answer', and the columns of trials that are the same in all trials of a line-up.

    Raises
    ------
    PairsError
        If the right answers are not known, or contradict each other.
    """
    whole = as_line_ups(trials, trials.table)
    rows = whole.rows
    named = next((name for name in _ANSWERS if name in rows), None)
    if named is not None:
        answers = rows[named]
    elif "correct" in rows:
        answers = _answers_by_correctness(whole, owner)
    else:
        msg = (
            f"{owner} needs to know the right alternative of the trials in {whole.source}: a "
            "column 'answer', or 'correct', which is 1 for a right response and 0 for another."
        )
        raise PairsError(msg)
    keys = pd.factorize(whole.keys())[0]
    known = pd.Series(answers.to_numpy(dtype=object)).groupby(keys)
    if (known.nunique() > 1).any():
        key = int((known.nunique() > 1).to_numpy().argmax())
        row = int(np.flatnonzero(keys == key)[0])
        msg = (
            f"The trials in {whole.source} give one line-up several right answers, first that of "
            f"{whole.row_name(row)}."
        )
        raise PairsError(msg)
    first, different = different_line_ups(whole)
    found = known.first()
    if found.isna().any():
        row = int(first[int(found.isna().to_numpy().argmax())])
        msg = (
            f"The right alternative of {whole.row_name(row)} in {whole.source} is not known: no "
            "participant found it. Name it in a column 'answer'."
        )
        raise PairsError(msg)
    table = different.assign(answer=found.to_numpy())
    return LineUps(table, whole.source, owner)


def different_line_ups(line_ups: LineUps) -> tuple[IntArray, pd.DataFrame]:
    """Take each line-up of trials once, in order of first appearance.

    Returns
    -------
    first : int array, shape [N]
        The first trial of each.
    table : DataFrame
        Target, alternatives, and the columns that are the same in all trials of a line-up.
    """
    rows, keys = line_ups.rows, pd.factorize(line_ups.keys())[0]
    first = np.unique(keys, return_index=True)[1]
    constant = [
        name
        for name in rows
        if name not in (PARTICIPANT, RESPONSE)
        and (rows[name].groupby(keys).nunique(dropna=False) == 1).all()
    ]
    columns = list(dict.fromkeys(["target", *line_ups.columns, *constant]))
    return first, rows.iloc[first][columns].reset_index(drop=True)


def _answers_by_correctness(line_ups: LineUps, owner: str) -> pd.Series:
    """Find the right alternative: what was rightly chosen, or of two the one wrongly not chosen."""
    rows = line_ups.rows
    is_right = pd.to_numeric(rows["correct"], errors="coerce").to_numpy(dtype=np.float64)
    answers = rows[RESPONSE].to_numpy(dtype=object).copy()
    wrong = np.flatnonzero(~(is_right == 1))
    answers[wrong] = None
    of_two = (line_ups.offered.sum(axis=1) == 2) & (is_right == 0)
    for one, other in ((0, 1), (1, 0)):
        at = of_two & (line_ups.names[:, one] == rows[RESPONSE].to_numpy(dtype=object))
        answers[at] = line_ups.names[at, other]
    return pd.Series(answers)


def as_line_ups(trials: Trials, table: pd.DataFrame) -> LineUps:
    """Take what was shown in some of the trials as line-ups, a row per trial."""
    columns = ["target", *trials.alternatives, RESPONSE]
    texts = table.assign(**{name: table[name].astype(object) for name in columns})
    return LineUps(texts.reset_index(drop=True), trials.source or "the people's trials", "The task")
