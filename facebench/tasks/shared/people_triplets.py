"""Participants who chose the odd one out beside networks: who chooses as most others do?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import CI_METHOD, comparable_name
from facebench.errors import InputError
from facebench.metrics.choices import share_of_most
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.people.names import ImageFinder
from facebench.tasks.shared.people import (
    ONE_BY_ONE,
    OVER_PARTICIPANTS,
    PARTICIPANTS,
    PEOPLE,
    compared_with_people,
    mean_of_participants,
    spread_of_participants,
    sum_of_spreads,
)
from facebench.tasks.shared.people_answers import refuse_kind
from facebench.tasks.shared.people_items import jackknife_spread, mean_of_known, with_interval
from facebench.types import Float64Array, IntArray

if TYPE_CHECKING:
    from facebench.people import Trials

__all__ = ["ChoosersBeside", "choices_of_people"]

_log = logging.getLogger(__name__)
_IMAGES = ["img1", "img2", "img3"]
_AGREEMENT = "Agreement"
_INDEX = "choosing as most of the other participants do, of single participants and of the layer"


def choices_of_people(
    trials: Trials, triplets: pd.DataFrame, task: str
) -> tuple[pd.DataFrame, list[str]]:
    """Give the choices of people among the triplets of a task.

    Parameters
    ----------
    trials : Trials
        Of kind 'choice': the three images shown are the target and its alternatives (or three
        alternatives); the response is the odd one.
    triplets : DataFrame
        img1, img2 and img3 of every triplet.
    task : str
        The task's name, for messages.

    Returns
    -------
    DataFrame
        A row per choice: img1, img2, img3 as the triplet has them, odd and participant.
    list of str
        What was left out.

    Raises
    ------
    InputError
        If no trial shows a triplet of the task.
    """
    refuse_kind(trials, ("choice",), task=task)
    finder = ImageFinder([name for column in _IMAGES for name in triplets[column]])
    rows = {frozenset(row): row for row in triplets[_IMAGES].itertuples(index=False, name=None)}
    found, lost = [], 0
    for trial in trials.table[["participant", *trials.shown, "response"]].itertuples(index=False):
        who, *shown, response = trial
        named = [finder.find(str(name)) for name in dict.fromkeys(shown) if isinstance(name, str)]
        row = rows.get(frozenset(name for name in named if name is not None))
        odd = finder.find(str(response))
        if row is None or odd not in row:
            lost += 1
            continue
        found.append((*row, odd, who))
    where = f" in {trials.source}" if trials.source else ""
    if not found:
        msg = (
            f"The 'people' of task {task!r} must be trials of its own triplets, whose response is "
            f"one of the three images. None of the {lost} trials{where} is."
        )
        raise InputError(msg)
    notes = []
    if lost:
        notes.append(
            f"{lost} of {len(trials.table)} trials{where} are left out, since task {task!r} does "
            "not have their triplet, or the response is none of its images"
        )
        _log.warning("%s.", notes[0])
    return pd.DataFrame(found, columns=[*_IMAGES, "odd", "participant"]), notes


class ChoosersBeside:
    """Single participants and layers, both as predictors of what most others choose.

    Parameters
    ----------
    choices : DataFrame
        From `choices_of_people`.
    triplet, place : int array, shape [N]
        The triplet of each choice, and the odd image's place in it.
    groups : mapping of str to sequence of str
        Participants by the name of their row.
    margin : float, optional
        The smallest difference from people that would matter.
    task : str
        The task's name, for messages.
    """

    def __init__(
        self,
        choices: pd.DataFrame,
        triplet: IntArray,
        place: IntArray,
        groups: Mapping[str, Sequence[str]],
        margin: float | None,
        task: str,
    ) -> None:
        self._margin = margin
        codes, names = pd.factorize(choices["participant"])
        self._participant, self._names = np.asarray(codes, dtype=np.intp), list(names)
        counts = np.zeros((int(triplet.max()) + 1, 3))
        np.add.at(counts, (triplet, place), 1)
        self._others = counts[triplet].copy()
        self._others[np.arange(place.size), place] -= 1
        # Nobody else judged the triplet.
        self._judged = self._others.sum(axis=1) > 0
        self._own = share_of_most(self._others, place)
        self._kept = JackknifeGroups(*(choices[column] for column in _IMAGES)).kept
        self._groups = {
            group: np.isin(self._names, list(members)) for group, members in groups.items()
        }
        for group, members in self._groups.items():
            judged = np.isfinite(self._by_participant(self._own)[members]).sum()
            if judged < 3:
                msg = (
                    f"Task {task!r} needs three participants or more who judged triplets that "
                    f"others judged too. Got {judged} of {group!r}."
                )
                raise InputError(msg)

    def _by_participant(
        self, values: Float64Array, kept: NDArray[np.bool_] | None = None
    ) -> Float64Array:
        used = self._judged if kept is None else self._judged & kept
        who, n = self._participant[used], len(self._names)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.bincount(who, values[used], n) / np.bincount(who, minlength=n))

    def rows(self) -> pd.DataFrame:
        """Measure people: a row per group."""
        own = self._by_participant(self._own)
        rows = []
        for group, members in self._groups.items():
            trials = members[self._participant]
            rows.append(
                {
                    PEOPLE: group,
                    **mean_of_participants(comparable_name(_AGREEMENT), own[members]),
                    PARTICIPANTS: int(members.sum()),
                    "Trials": int(trials.sum()),
                    "People Index": _INDEX,
                    CI_METHOD: OVER_PARTICIPANTS,
                }
            )
        return pd.DataFrame(rows)

    def against(self, place: IntArray, known: NDArray[np.bool_]) -> dict[str, Any]:
        """Compare a layer with people.

        Parameters
        ----------
        place : int array, shape [N]
            The place of the layer's odd image in the triplet of each choice.
        known : bool array, shape [N]
            Where the layer has one.

        Returns
        -------
        dict of str to Any
            See `compared_with_people`.
        """
        layer = share_of_most(self._others, place)
        own = self._by_participant(self._own, known)
        values = self._by_participant(layer, known)
        drawn = [
            (
                self._by_participant(layer, known & kept),
                self._by_participant(self._own, known & kept),
            )
            for kept in self._kept.T
        ]
        row: dict[str, Any] = {}
        for group, members in self._groups.items():
            layers = np.array([mean_of_known(one[members]) for one, _ in drawn])
            people = np.array([mean_of_known(other[members]) for _, other in drawn])
            value = mean_of_known(values[members])
            if not row:
                spread = jackknife_spread(layers)
                row |= with_interval(comparable_name(_AGREEMENT), value, spread, "logit")
            spread = sum_of_spreads(
                jackknife_spread(layers - people), spread_of_participants((values - own)[members])
            )
            row |= compared_with_people(
                _AGREEMENT, group, value, own[members], spread, margin=self._margin
            )
        return row | {"People Index": _INDEX, "People CI Method": ONE_BY_ONE}
