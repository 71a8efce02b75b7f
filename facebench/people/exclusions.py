"""Leaving out trials and participants by rules that are written down, with a count for each.

Rules apply in this order: participants by name, catch trials, missing responses and accuracy, on
all trials of a participant; then single trials by RT; then participants with too few trials left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from facebench.errors import InputError
from facebench.people.codes import chosen
from facebench.people.trials import PARTICIPANT, RESPONSE, Trials
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

    from facebench.people.description import Exclusions

__all__ = ["excluded"]


def excluded(trials: Trials, rules: Exclusions) -> Trials:
    """Leave out what the rules say.

    Parameters
    ----------
    trials : Trials
        The trials.
    rules : Exclusions
        The rules.

    Returns
    -------
    Trials
        Its `notes` count what each rule left out.

    Raises
    ------
    InputError
        If a rule needs a column that is missing, or nothing is left.
    """
    left = _Left(trials)
    table = trials.table
    if rules.participants:
        for name in rules.participants:
            if name not in trials.participants:
                msg = (
                    f"`exclude` names the participant {name!r}, who has no trials."
                    f"{did_you_mean(name, trials.participants)}"
                )
                raise InputError(msg)
        left.without(set(rules.participants), "Named under `exclude.participants`")
    if rules.catch is not None:
        is_catch = table[RESPONSE].notna() | True
        for column, choice in rules.catch.rows.items():
            cells = left.column(column, "exclude.catch").map(
                lambda cell: "" if cell != cell else str(cell)
            )
            is_catch &= chosen(cells, choice)
        if not is_catch.any():
            msg = "No trial is a catch trial by `exclude.catch.rows`."
            raise InputError(msg)
        failed = left.below(left.accuracy("exclude.catch")[is_catch], rules.catch.accuracy)
        left.without(failed, f"Accuracy in catch trials below {rules.catch.accuracy:g}")
        left.drop(~is_catch, "Catch trials", "are not trials of the experiment")
    if rules.missing is not None:
        share = left.table[RESPONSE].isna().groupby(left.table[PARTICIPANT]).mean()
        left.without(
            {*share.index[share > rules.missing]}, f"Missing responses above {rules.missing:g}"
        )
    if rules.accuracy is not None:
        failed = left.below(left.accuracy("exclude.accuracy"), rules.accuracy)
        left.without(failed, f"Accuracy below {rules.accuracy:g}")
    if rules.rt is not None:
        low, high = rules.rt
        rt = left.column("rt", "exclude.rt")
        kept = rt.isna() | ((rt >= (low or 0.0)) & (rt <= (float("inf") if high is None else high)))
        said = f"RT below {low or 0:g} s" + ("" if high is None else f" or above {high:g} s")
        left.drop(kept, said)
    if rules.rt_sd is not None:
        rt = left.column("rt", "exclude.rt_sd")
        of_person = rt.groupby(left.table[PARTICIPANT])
        away = (rt - of_person.transform("mean")).abs() / of_person.transform("std")
        left.drop(
            ~(away > rules.rt_sd), f"RT more than {rules.rt_sd:g} SD from the participant's mean"
        )
    if rules.trials is not None:
        counts = left.table.loc[left.table[RESPONSE].notna(), PARTICIPANT].value_counts()
        few = {
            name
            for name in dict.fromkeys(left.table[PARTICIPANT])
            if counts.get(name, 0) < rules.trials
        }
        left.without(few, f"Fewer than {rules.trials} answered trials")
    return replace(
        trials, table=left.table.reset_index(drop=True), notes=(*trials.notes, *left.notes)
    )


class _Left:
    """The trials that are left, and what was left out so far."""

    def __init__(self, trials: Trials) -> None:
        self.table: pd.DataFrame = trials.table
        self.notes: list[str] = []
        self._source = trials.source

    def column(self, name: str, rule: str) -> pd.Series[Any]:
        if name not in self.table:
            known = [str(column) for column in self.table.columns]
            msg = (
                f"`{rule}` needs the column {name!r}, which the trials do not have."
                f"{did_you_mean(name, known)}"
            )
            raise InputError(msg)
        return self.table[name]

    def accuracy(self, rule: str) -> pd.Series[Any]:
        """Give which trials are correct."""
        if "correct" not in self.table:
            msg = (
                f"`{rule}` needs to know which responses are correct. Name the column 'correct' or "
                "'correct_response' under `columns`."
            )
            raise InputError(msg)
        return self.table["correct"]

    def below(self, correct: pd.Series[Any], least: float) -> set[str]:
        """Name participants whose accuracy is lower, or who have none."""
        means = correct.groupby(self.table[PARTICIPANT]).mean()
        everyone = set(self.table[PARTICIPANT])
        return everyone - {*means.index[means >= least]}

    def without(self, names: set[str], why: str) -> None:
        people = list(dict.fromkeys(self.table[PARTICIPANT]))
        gone = [name for name in people if name in names]
        who = f" ({listed(gone)})" if gone else ""
        self.notes.append(f"{why}: {len(gone)} of {len(people)} participants left out{who}.")
        self._keep(~self.table[PARTICIPANT].isin(names), why)

    def drop(self, kept: pd.Series[bool], why: str, how: str = "left out") -> None:
        kept = kept.reindex(self.table.index)
        n = int((~kept).sum())
        self.notes.append(f"{why}: {n:,} of {len(self.table):,} trials {how}.")
        self._keep(kept, why)

    def _keep(self, kept: pd.Series[bool], why: str) -> None:
        self.table = self.table[kept]
        if self.table.empty:
            where = f" in {self._source}" if self._source else ""
            msg = f"No trials are left{where} after the rule {why!r} of `exclude`."
            raise InputError(msg)
