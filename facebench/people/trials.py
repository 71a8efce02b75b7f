"""Trials of an experiment in one form, from any program that collects them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from typing_extensions import override

from facebench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ALTERNATIVES",
    "FILE",
    "KINDS",
    "OPTIONAL",
    "PARTICIPANT",
    "RESPONSE",
    "ROW",
    "SHOWN",
    "TrialKind",
    "Trials",
    "alternatives_in",
    "condition_columns",
]

TrialKind = Literal["same-different", "rating", "choice", "old-new", "order"]
KINDS: tuple[str, ...] = get_args(TrialKind)

PARTICIPANT, RESPONSE = "participant", "response"
# Columns beside these that have a meaning; all others may be conditions.
OPTIONAL = ("correct", "confidence", "rt", "session", "group")
# Where a trial was read from, where that is known.
FILE, ROW = "source file", "source row"
# Of a choice or an order: the alternatives, alt1 … altK.
ALTERNATIVES = "alt"

# By kind, the columns that say what was shown.
SHOWN: dict[str, tuple[str, ...]] = {
    "same-different": ("img1", "img2"),
    "rating": ("img1", "img2"),
    "choice": ("target",),
    "order": ("target",),
    "old-new": ("image",),
}


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials of one kind, a row per answer of a participant.

    Parameters
    ----------
    table : DataFrame
        Columns ``participant`` (text), what was shown (below), ``response``, and where known
        ``correct`` (0 or 1), ``confidence``, ``rt`` (seconds), ``session``, ``group`` (of the
        participant), ``source file`` and ``source row``, and any conditions.
        NaN is unknown. Rows are in the order of the files.
    kind : {'same-different', 'rating', 'choice', 'old-new', 'order'}
        What was asked, and so what was shown and what a response is:
        'same-different' shows ``img1`` and ``img2``, 1 is "same" and 0 "different";
        'rating' shows ``img1`` and ``img2``, the response is a number;
        'choice' shows ``target`` and ``alt1`` … ``altK``, the response is the chosen image's name,
        or 'none' for "not among them";
        'order' shows the same; the response is the alternatives' names from most to least similar,
        joined by '|';
        'old-new' shows ``image``, 1 is "old" and 0 "new".
    source : str, default ''
        The files, for messages.
    notes : tuple of str, default ()
        What was left out or assumed on reading, a sentence each, for the report.

    Raises
    ------
    InputError
        If a column is missing or there are no trials.
    """

    table: pd.DataFrame
    kind: TrialKind
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            known = ", ".join(map(repr, KINDS))
            msg = f"The 'kind' of trials must be one of {known}. Got {self.kind!r} instead."
            raise InputError(msg)
        needed = [PARTICIPANT, *SHOWN[self.kind], RESPONSE]
        missing = [name for name in needed if name not in self.table]
        if missing or (self.is_among_alternatives and not self.alternatives):
            absent = missing or [f"{ALTERNATIVES}1"]
            msg = (
                f"Trials of kind {self.kind!r}{self._where} need the columns {', '.join(needed)}. "
                f"Missing: {', '.join(absent)}."
            )
            raise InputError(msg)
        if self.table.empty:
            msg = f"There are no trials{self._where}."
            raise InputError(msg)

    @property
    def _where(self) -> str:
        return f" in {self.source}" if self.source else ""

    @property
    def is_among_alternatives(self) -> bool:
        """Whether a trial shows a target and alternatives."""
        return self.kind in ("choice", "order")

    @property
    def shown(self) -> list[str]:
        """The columns that name images; the same values in all of them are the same item."""
        return [*SHOWN[self.kind], *(self.alternatives if self.is_among_alternatives else [])]

    @property
    def alternatives(self) -> list[str]:
        """The columns of alternatives, in order of their numbers."""
        return alternatives_in(map(str, self.table.columns))

    @cached_property
    def participants(self) -> list[str]:
        """The participants, in order of first appearance."""
        return list(dict.fromkeys(self.table[PARTICIPANT]))

    @cached_property
    def groups(self) -> list[str]:
        """The groups of participants, in order of first appearance; empty if there are none."""
        if "group" not in self.table:
            return []
        return list(dict.fromkeys(self.table["group"].dropna()))

    def of_group(self, group: str) -> Trials:
        """Give the trials of one group of participants."""
        return Trials(self.table[self.table["group"] == group], self.kind, self.source, self.notes)

    @override
    def __repr__(self) -> str:
        return (
            f"Trials({len(self.table)} {self.kind} trials of {len(self.participants)} participants)"
        )


def alternatives_in(names: Iterable[str]) -> list[str]:
    """Give those names that are of alternatives (alt1, alt2 …), in order of their numbers.

    Examples
    --------
    >>> alternatives_in(["target", "alt10", "alt2", "alt", "altitude"])
    ['alt2', 'alt10']
    """
    found = [
        (int(number), name)
        for name in names
        if (number := name.removeprefix(ALTERNATIVES)) != name and number.isdecimal()
    ]
    return [name for _, name in sorted(found)]


def condition_columns(trials: Trials) -> Sequence[str]:
    """Name the columns without a meaning of their own, which may be conditions."""
    known = {PARTICIPANT, RESPONSE, *OPTIONAL, FILE, ROW, *trials.shown}
    return [name for name in map(str, trials.table.columns) if name not in known]
