"""A row of results about items, such as choices: values, intervals, jackknife replicates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.columns import interval_cells
from facebench.metrics.correlation import correlate
from facebench.metrics.uncertainty.influence import Influence, mean_influence
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    effective_counts,
    has_few_errors,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.spread import Replicates, Scale
from facebench.types import Float64Array

__all__ = ["ItemRow"]

_NAN = float("nan")


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
            self.add(name, Replicates(_NAN, np.empty(0)), Interval(_NAN, _NAN))
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
            self.add(name, Replicates(_NAN, np.empty(0)), Interval(_NAN, _NAN))
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
            self.add(name, Replicates(_NAN, np.empty(0)), Interval(_NAN, _NAN))
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
            self.add(name, Replicates(_NAN, np.empty(0)), Interval(_NAN, _NAN))
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
            self.add(name, Replicates(_NAN, np.empty(0)), Interval(_NAN, _NAN))
            return _NAN
        kept = self._all.part(used).kept.T.astype(np.float64)
        weights = np.concatenate((np.ones((1, int(used.sum()))), kept))
        drawn = correlate(values[used], other[used], "spearman", weights)
        made = Replicates(float(drawn[0]), drawn[1:])
        self.add(name, made, made.interval("fisher"))
        return made.value

    def part(self, used: NDArray[np.bool_]) -> JackknifeGroups:
        """Give the same groups of people, for some of all items."""
        return self._all.part(used)

    def number(self, name: str, value: float) -> None:
        """Add a number without an interval."""
        self.columns[name] = value

    def add(self, name: str, made: Replicates, interval: Interval) -> None:
        """Add a measure that was measured elsewhere."""
        self.columns |= interval_cells(name, made.value, *interval)
        if made.units.size:
            self.replicates[name] = made
