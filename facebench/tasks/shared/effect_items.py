"""Items that are in two conditions, compared one by one."""

from __future__ import annotations

import numpy as np

from facebench.metrics.effects import item_index
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.metrics.verification_report import Estimate
from facebench.types import Float64Array, IntArray

__all__ = ["PairedItems"]


class PairedItems:
    """The items of one condition, and the same in another.

    Parameters
    ----------
    items : int array, shape [N]
        The item of each pair.
    cell : int array, shape [N]
        The condition of each pair.
    pair : (int, int)
        The conditions.

    Attributes
    ----------
    pair : (int, int)
        The conditions.
    rows : int array, shape [M]
        The pairs of the first condition, an item each.
    """

    def __init__(self, items: IntArray, cell: IntArray, pair: tuple[int, int]) -> None:
        self.pair = pair
        self.rows = np.flatnonzero(cell == pair[0])
        self._is_first = cell == pair[0]
        row_of_item = np.full(int(items.max()) + 1, -1, dtype=np.intp)
        others = np.flatnonzero(cell == pair[1])
        row_of_item[items[others]] = others
        self._partners = row_of_item[items[self.rows]]

    def values(self, distances: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Give the distance of every item in both conditions, NaN where it is missing.

        Parameters
        ----------
        distances : array, shape [N]
            Of all pairs.

        Returns
        -------
        two arrays, shape [M]
        """
        partners = np.where(self._partners >= 0, distances[self._partners], np.nan)
        return distances[self.rows], partners

    def mean_index(
        self, distances: Float64Array, jackknife: StratifiedJackknife
    ) -> tuple[Estimate, int]:
        """Average the items' relative differences, with an interval.

        Parameters
        ----------
        distances : array, shape [N]
            Of all pairs.
        jackknife : StratifiedJackknife
            Of all pairs.

        Returns
        -------
        Estimate
        int
            Items left out: without a distance, or with a denominator next to zero.
        """
        indices = item_index(*self.values(distances))
        counted = ~np.isnan(indices)
        sums = jackknife.part(self._is_first).sums(
            np.stack((np.where(counted, indices, 0.0), counted.astype(np.float64)), axis=1)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates = sums[:, 0] / sums[:, 1]
        value = float(indices[counted].mean()) if counted.any() else float("nan")
        step = jackknife.error(replicates).step
        return Estimate(value, Interval(value - step, value + step)), int((~counted).sum())
