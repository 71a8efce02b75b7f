"""A row of results about items, such as choices: values, intervals, jackknife replicates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.columns import CONDITION, interval_cells, interval_columns
from facebench.metrics.correlation import correlate
from facebench.metrics.uncertainty.correlation_influence import spearman_influence
from facebench.metrics.uncertainty.influence import Influence, mean_influence
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    effective_counts,
    has_few_errors,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.spread import Replicates, Scale, Spread
from facebench.tasks.shared.people import (
    PARTICIPANTS,
    PEOPLE,
    compared_with_people,
    difference_of_groups,
    mean_of_participants,
    spread_of_participants,
    sum_of_spreads,
)
from facebench.types import Float64Array

__all__ = ["ItemRow", "rows_of_people"]

_NAN = float("nan")
# More items are not ranked anew without each group.
_MANY = 5000


class ItemRow:
    """The measures of some items of one layer, such as those of a condition.

    Parameters
    ----------
    groups : JackknifeGroups
        Of all items: who each depends on.
    chosen : bool array, shape [N]
        The items of the row.

    Attributes
    ----------
    columns : dict of str to Any
        Measures and their intervals, by name, in the order in which they were measured.
    replicates : dict of str to Replicates
        Measures without each group of people.
    few_errors : list of str
        Shares whose intervals are conservative for want of errors.
    """

    def __init__(self, groups: JackknifeGroups, chosen: NDArray[np.bool_]) -> None:
        self._all, self.chosen = groups, chosen
        self.columns: dict[str, Any] = {}
        self.replicates: dict[str, Replicates] = {}
        self.few_errors: list[str] = []

    def share(self, name: str, values: Float64Array, ease: Float64Array, among: Any = True) -> None:
        """Measure a share of the items, with an interval that is right next to 0 and 1 too.

        Parameters
        ----------
        name : str
            The measure.
        values : array, shape [N]
            Of all items, 1 or 0, or a part of 1 in ties; NaN does not count.
        ease : array, shape [N]
            Which items are nearest to the other outcome: the smallest.
        among : bool array, shape [N], optional
            The items that it is a share of.
        """
        used = self.chosen & among & ~np.isnan(values)
        if not used.any():
            self.undefined(name)
            return
        part = self._all.part(used)
        made = part.linear(mean_influence(values[used]))
        genuine = np.ones(int(used.sum()), dtype=bool)
        counts = effective_counts(genuine, -ease[used], part.first, part.second)
        self.add(name, made, jackknife_proportion("accuracy", made, counts))
        if has_few_errors("accuracy", made.value, counts):
            self.few_errors.append(name)

    def mean(
        self,
        name: str,
        values: Float64Array,
        *,
        among: Any = True,
        weights: Float64Array | None = None,
        scale: Scale = "identity",
    ) -> None:
        """Measure a mean over the items, each counted `weights` times."""
        used = self.chosen & among & np.isfinite(values)
        times = np.ones(len(values)) if weights is None else weights
        used &= times > 0
        if not used.any():
            self.undefined(name)
            return
        own, counted = values[used], times[used]
        mean = float(np.average(own, weights=counted))
        influence = Influence(mean, counted * (own - mean) / counted.sum())
        made = self._all.part(used).linear(influence)
        self.add(name, made, made.interval(scale))

    def ratio(
        self, name: str, values: Float64Array, others: Float64Array, weights: Float64Array
    ) -> None:
        """Measure the ratio of two weighted means, over the items that have both."""
        used = self.chosen & np.isfinite(values) & np.isfinite(others) & (weights > 0)
        total = float((others[used] * weights[used]).sum())
        if not total:
            self.undefined(name)
            return
        ratio = float((values[used] * weights[used]).sum()) / total
        moved = weights[used] * (values[used] - ratio * others[used]) / total
        made = self._all.part(used).linear(Influence(ratio, moved))
        self.add(name, made, made.interval())

    def difference(self, name: str, values: Float64Array, among: Any = True) -> None:
        """Measure by how much the mean of these items is above that of all other items."""
        used = among & ~np.isnan(values)
        own = self.chosen[used]
        if own.all() or not own.any():
            self.undefined(name)
            return
        moved, means = np.empty(own.size), []
        for side, sign in ((own, 1), (~own, -1)):
            mean, influence = mean_influence(values[used][side])[:2]
            moved[side] = sign * influence
            means.append(mean)
        made = self._all.part(used).linear(Influence(means[0] - means[1], moved, own))
        self.add(name, made, made.interval())

    def correlation(
        self, name: str, values: Float64Array, other: Float64Array, among: Any = True
    ) -> float:
        """Measure Spearman's correlation of two numbers of each item; give its value."""
        used = self.chosen & among & np.isfinite(values) & np.isfinite(other)
        if used.sum() < 3:
            self.undefined(name)
            return _NAN
        made = _spearman(values[used], other[used], self._all.part(used))
        self.add(name, made, made.interval("fisher"))
        return made.value

    def part(self, used: NDArray[np.bool_]) -> JackknifeGroups:
        """Give the same groups of people, for some of all items."""
        return self._all.part(used)

    def against_people(self, name: str, group: str, values: Float64Array) -> None:
        """Compare a measure of `replicates` with that of people.

        Next to 0 and 1, and of measures that do not vary in these items, the interval knows more
        than the standard error: its end towards people counts where it is further away (R. G.
        Newcombe, "Interval estimation for the difference between independent proportions",
        Statistics in Medicine 17 (1998) 873-890).

        Parameters
        ----------
        name : str
            The measure.
        group : str
            'People', or a group's name.
        values : array, shape [P]
            Each participant's; NaN where it is undefined.
        """
        spread = self.replicates[name].spread
        value, low, high = (self.columns[column] for column in interval_columns(name))
        people = values[np.isfinite(values)]
        is_below = people.size > 0 and people.mean() < value
        error = (value - low if is_below else high - value) / spread.quantile(0.975)
        if error > spread.error:
            spread = Spread(error, spread.df)
        both = sum_of_spreads(spread_of_participants(values), spread)
        self.columns |= compared_with_people(name, group, value, values, both)

    def against_groups(
        self,
        by_participant: Mapping[str, Float64Array],
        members: Mapping[str, NDArray[np.bool_]],
    ) -> None:
        """Compare measures of `replicates` with those of each group of people.

        Parameters
        ----------
        by_participant : mapping of str to array, shape [P]
            By measure, each participant's; those without replicates are passed over.
        members : mapping of str to bool array, shape [P]
            By group, which of the participants.
        """
        for measure, values in by_participant.items():
            if measure not in self.replicates:
                continue
            for group, own in members.items():
                self.against_people(measure, group, values[own])

    def number(self, name: str, value: float) -> None:
        """Add a number without an interval."""
        self.columns[name] = value

    def undefined(self, name: str) -> None:
        """Add a measure that these items do not have."""
        self.add(name, Replicates(_NAN, np.empty(0)), Interval(_NAN, _NAN))

    def add(self, name: str, made: Replicates, interval: Interval) -> None:
        """Add a measure that was measured elsewhere."""
        self.columns |= interval_cells(name, made.value, *interval)
        if made.units.size:
            self.replicates[name] = made


def rows_of_people(
    by_participant: Mapping[str, Mapping[str, Float64Array]],
    members: Mapping[str, NDArray[np.bool_]],
    answered: str,
    *,
    has_conditions: bool,
) -> list[dict[str, Any]]:
    """Measure people as layers are measured: for each group, a row for each condition.

    Parameters
    ----------
    by_participant : mapping of str to mapping of str to array, shape [P]
        By condition and measure, each participant's; NaN where it is undefined.
    members : mapping of str to bool array, shape [P]
        By group, which of the participants.
    answered : str
        A measure that those have who answered, who are counted.
    has_conditions : bool
        Whether rows name their conditions.
    """
    rows = []
    for group, own in members.items():
        for condition, measured in by_participant.items():
            row: dict[str, Any] = {PEOPLE: group}
            if has_conditions:
                row[CONDITION] = condition
            for measure, values in measured.items():
                row |= mean_of_participants(measure, values[own])
                for other, theirs in members.items():
                    if other != group:
                        row |= difference_of_groups(measure, other, values[own], values[theirs])
            row[PARTICIPANTS] = int(np.isfinite(measured[answered][own]).sum())
            rows.append(row)
    return rows


def _spearman(x: Float64Array, y: Float64Array, groups: JackknifeGroups) -> Replicates:
    """Correlate, and without each group of people too; of very many items to first order."""
    if x.size > _MANY and np.ptp(x) > 0 and np.ptp(y) > 0:
        return groups.linear(spearman_influence(x, y))
    weights = np.concatenate((np.ones((1, x.size)), groups.kept.T.astype(np.float64)))
    drawn = correlate(x, y, "spearman", weights)
    return Replicates(float(drawn[0]), drawn[1:])
