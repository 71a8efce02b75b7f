"""People's orders of alternatives, trial by trial, and how well one person predicts another."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.errors import PairsError
from facebench.metrics.orders import kendalls_w, order_agreement
from facebench.people import Trials
from facebench.people.trials import PARTICIPANT, RESPONSE
from facebench.tasks.shared.answered_items import (
    SEPARATOR,
    AnsweredItems,
    answers_to,
    as_the_task_names,
)
from facebench.tasks.shared.line_ups import LineUps
from facebench.tasks.shared.people_choices import as_line_ups
from facebench.types import Float64Array

__all__ = ["PeopleOrders"]


class PeopleOrders:
    """Orders that participants gave to the alternatives of a task's line-ups.

    Parameters
    ----------
    trials : Trials
        Of kind 'order'.
    line_ups : LineUps
        Of the task.
    task : str
        The task's name, for messages.

    Attributes
    ----------
    ranks : array, shape [T, K]
        The mid-rank of each alternative of the line-up, 1 for the most similar; NaN where there is
        none. Alternatives that an order leaves out tie behind the others.
    answers : AnsweredItems
        Whose they are, and of which line-up; their values are the rows of `ranks`.
    n_missing : int
        Trials without a response.

    Raises
    ------
    PairsError
        If no trial fits, or an order names something else than the alternatives, or one twice.
    """

    def __init__(self, trials: Trials, line_ups: LineUps, *, task: str) -> None:
        trials = as_the_task_names(trials, line_ups.images)
        given = trials.table[RESPONSE].notna().to_numpy()
        self.n_missing = int((~given).sum())
        own = as_line_ups(trials, trials.table[given])
        item, participant = answers_to(
            trials, own.keys(), line_ups.keys(), task=task, shown=own.images,
            known_images=line_ups.images, participants=own.rows[PARTICIPANT],
        )  # fmt: skip
        kept = item >= 0
        item = item[kept]
        self.participants = list(pd.unique(own.rows[PARTICIPANT]))
        self.ranks = _ranks(own, kept, line_ups, item)
        self.answers = AnsweredItems(
            item, np.arange(len(item)), participant[kept], len(line_ups), len(self.participants)
        )

    def members(self, trials: Trials) -> NDArray[np.bool_]:
        """Tell which of the participants have trials among some."""
        return np.isin(np.array(self.participants, dtype=object), trials.participants)

    @cached_property
    def _sums(self) -> Float64Array:
        sums = np.zeros((self.answers.n_items, self.ranks.shape[1]))
        np.add.at(sums, self.answers.item, self.ranks)
        return sums

    @cached_property
    def of_others(self) -> Float64Array:
        """The mean rank that the others gave to a trial's alternatives, NaN without others."""
        number = self.answers.per_item[self.answers.item][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (self._sums[self.answers.item] - self.ranks) / (number - 1)
        # Sums of halves are exact, so that equal means come out equal.
        return np.asarray(np.where(number > 1, mean, np.nan))

    @cached_property
    def of_all(self) -> Float64Array:
        """The mean rank that all gave to a trial's alternatives; NaN where one person did."""
        number = self.answers.per_item[self.answers.item][:, None]
        return np.asarray(np.where(number > 1, self._sums[self.answers.item] / number, np.nan))

    @cached_property
    def is_first(self) -> NDArray[np.bool_]:
        """Which alternative was ranked first in each trial, shape [T, K]."""
        return np.asarray(self.ranks == np.nanmin(self.ranks, axis=1, keepdims=True), dtype=bool)

    def agreement_with(self, orders: Float64Array) -> dict[str, Float64Array]:
        """Compare each trial with an order of its alternatives.

        Parameters
        ----------
        orders : array, shape [T, K]
            Distances or mean ranks, smaller ones first; NaN where not known.

        Returns
        -------
        dict of str to array, shape [T]
            Measures of `RankingTask`; NaN where the order is not known.
        """
        found = order_agreement(orders, self.ranks)
        known = ~(np.isnan(orders) & ~np.isnan(self.ranks)).any(axis=1)
        filled = np.where(np.isnan(orders), np.inf, orders)
        nearest = filled == filled.min(axis=1, keepdims=True)
        first = (nearest & self.is_first).sum(axis=1) / (
            nearest.sum(axis=1) * np.maximum(self.is_first.sum(axis=1), 1)
        )
        # An order that ties everything agrees with others as far as chance does.
        is_flat = known & (
            np.where(np.isnan(orders), -np.inf, orders).max(axis=1) == filled.min(axis=1)
        )
        return {
            "Kendall Tau-b": np.where(known, np.where(is_flat, 0.0, found.tau_b), np.nan),
            "Top-1 Agreement": np.where(known, first, np.nan),
            "Concordance": np.where(known, found.concordance, np.nan),
        }

    @cached_property
    def concordance(self) -> Float64Array:
        """Kendall's W of each line-up; NaN where fewer than two people ordered it."""
        size = (self.ranks[:, :, None] == self.ranks[:, None, :]).sum(axis=2)
        # Each of t alternatives that tie counts (t³ - t) / t.
        tied = np.where(np.isnan(self.ranks), 0, size**2 - 1).sum(axis=1).astype(np.float64)
        ties = np.bincount(self.answers.item, tied, self.answers.n_items)
        return kendalls_w(self._sums, self.answers.per_item, ties)


def _ranks(own: LineUps, kept: NDArray[np.bool_], line_ups: LineUps, item: Any) -> Float64Array:
    """Read orders, as mid-ranks of the alternatives of each item."""
    orders = own.rows[RESPONSE].astype(str)
    named = orders.str.split(SEPARATOR, expand=True, regex=False)
    names = named.apply(lambda column: column.str.strip()).to_numpy(dtype=object)
    given = ~pd.isna(names)
    places = np.full(names.shape, -1, dtype=np.intp)
    for place in range(names.shape[1]):
        same = own.names == names[:, [place]]
        places[:, place] = np.where(same.any(axis=1), same.argmax(axis=1), -1)
    unknown = given & (places < 0)
    ordered = np.sort(np.where(given, places, -np.arange(1, names.shape[1] + 1)), axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    for bad, what in ((unknown.any(axis=1), "only"), (twice, "each once")):
        if bad.any():
            row = int(bad.argmax())
            listed = ", ".join(repr(name) for name in own.names[row] if name)
            msg = (
                f"The order of a trial in {own.source} must name its alternatives, {what}, the "
                f"most similar first, joined by {SEPARATOR!r}. Got {orders.iloc[row]!r:.200} in "
                f"{own.row_name(row)}, whose alternatives are {listed} "
                f"({int(bad.sum())} such rows)."
            )
            raise PairsError(msg)
    names, given = names[kept], given[kept]
    of_item, offered = line_ups.names[item], line_ups.offered[item]
    n_given = given.sum(axis=1)
    # Those left out share the mean of the ranks that are left.
    behind = (n_given + 1 + offered.sum(axis=1)) / 2
    ranks = np.where(offered, behind[:, None], np.nan)
    for place in range(names.shape[1]):
        rows, columns = np.nonzero((of_item == names[:, [place]]) & given[:, [place]])
        ranks[rows, columns] = place + 1
    return ranks
