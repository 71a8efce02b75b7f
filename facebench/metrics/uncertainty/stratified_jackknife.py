"""Errors of effects by the jackknife over people, each kind of people with a variance of its own.

Where conditions show different people, one kind may vary more than the other. People are therefore
divided into strata by the conditions that they are in. A paired design has a single stratum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from facebench.metrics.uncertainty.jackknife import dyad_groups
from facebench.metrics.uncertainty.spread import uneven_df
from facebench.types import Float64Array, IntArray

__all__ = ["Error", "StratifiedJackknife"]

# Fewer units say next to nothing of a spread.
_FEWEST = 3
_MOST_GROUPS = 200
# Smaller variances, relative to the squared values, are rounding.
_TINY = 1e-20


class Error(NamedTuple):
    """The standard error of a number.

    Attributes
    ----------
    standard : float
        NaN where the number is undefined without one of the units, or there are fewer than three.
    df : float
        Welch and Satterthwaite's degrees of freedom.
    """

    standard: float
    df: float

    @property
    def quantile(self) -> float:
        """The t quantile of a 95 % interval."""
        return float(scipy.special.stdtrit(self.df, 0.975))

    @property
    def step(self) -> float:
        """Half the width of a 95 % interval."""
        return self.quantile * self.standard


class StratifiedJackknife:
    """Comparisons without those of each unit in turn; `Weightings` of them.

    Parameters
    ----------
    first, second : int array, shape [N]
        The unit (person, image, group of people) of each side.
    cell : int array, shape [N]
        The condition of each comparison.

    Attributes
    ----------
    n_resamples : int
        Number of units. More than 200 of a stratum are left out in 200 groups.
    sizes : list of int
        Number of units in each stratum. Fewer than three units are counted with the largest stratum
        that shares a condition with theirs.
    cells : list of set of int
        The conditions of each stratum.
    uneven : float or None
        The fewest degrees of freedom of a stratum whose units are in very different numbers of
        comparisons, see `uneven_df`; None where all strata are even.

    References
    ----------
    J. N. Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40 (1969)
    2076-2100; P. S. Kott, "The delete-a-group jackknife", Journal of Official Statistics 17 (2001)
    521-526; B. L. Welch, "The generalization of 'Student's' problem when several different
    population variances are involved", Biometrika 34 (1947) 28-35; F. E. Satterthwaite, "An
    approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946)
    110-114.

    Examples
    --------
    >>> people = np.arange(6)
    >>> jackknife = StratifiedJackknife(people, people, np.array([0, 0, 0, 1, 1, 1]))
    >>> jackknife.sizes
    [3, 3]
    """

    def __init__(self, first: IntArray, second: IntArray, cell: IntArray) -> None:
        used, index = np.unique(np.concatenate((first, second)), return_inverse=True)
        is_in = np.zeros((used.size, int(cell.max()) + 1), dtype=bool)
        is_in[index, np.tile(cell, 2)] = True
        patterns, stratum = np.unique(is_in, axis=0, return_inverse=True)
        stratum = _merged(patterns, stratum.ravel())
        rng = np.random.default_rng(0)
        group = np.empty(used.size, dtype=np.intp)
        self.sizes: list[int] = []
        self.cells: list[set[int]] = []
        self._strata: list[slice] = []
        start = 0
        for number in np.unique(stratum):
            members = np.flatnonzero(stratum == number)
            n_groups = min(members.size, _MOST_GROUPS)
            group[rng.permutation(members)] = start + np.arange(members.size) % n_groups
            self.sizes.append(members.size)
            self.cells.append(set(np.flatnonzero(patterns[number]).tolist()))
            self._strata.append(slice(start, start + n_groups))
            start += n_groups
        self.n_resamples = start
        self._groups = tuple(np.split(group[index], 2))
        free = self._degrees(*self._groups)
        whole = np.array([rows.stop - rows.start - 1.0 for rows in self._strata])
        uneven = free[free < whole]
        self.uneven = float(uneven.min()) if uneven.size else None
        self._free = free

    def part(self, chosen: NDArray[np.bool_]) -> StratifiedJackknife:
        """Give the same units, for some of the comparisons."""
        found = StratifiedJackknife.__new__(StratifiedJackknife)
        found.sizes, found.cells, found.uneven = self.sizes, self.cells, self.uneven
        found._strata, found.n_resamples = self._strata, self.n_resamples
        found._free = self._free
        found._groups = tuple(side[chosen] for side in self._groups)
        return found

    def _degrees(self, first: IntArray, second: IntArray) -> Float64Array:
        """Give the degrees of freedom of each stratum, fewer where comparisons are uneven."""
        size = self.n_resamples
        within = np.bincount(first[first == second], minlength=size)
        n_of = np.bincount(first, minlength=size) + np.bincount(second, minlength=size) - within
        found = []
        for rows in self._strata:
            df = uneven_df(n_of[rows], within[rows])
            found.append(rows.stop - rows.start - 1.0 if df is None else df)
        return np.array(found)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which comparisons are left without each unit, shape [N, units]."""
        first, second = self._groups
        every = np.arange(self.n_resamples)
        return np.asarray((first[:, None] != every) & (second[:, None] != every))

    @property
    def kept_dyads(self) -> NDArray[np.bool_]:
        """Which comparisons are left without each group of pairs of two units, [N, groups]."""
        group = dyad_groups(self._groups)
        return np.asarray(group[:, None] != np.arange(int(group.max(initial=-1)) + 1))

    def weights(self) -> Iterator[NDArray[np.float32]]:
        """Give 1 for each comparison that is left and 0 for the others, shape [N, units]."""
        yield self.kept.astype(np.float32)

    def sums(self, columns: Float64Array) -> Float64Array:
        """Sum columns [N, K] over the comparisons that are left: [units, K]."""
        return np.asarray(self.kept.T.astype(np.float64) @ columns)

    def covariances(self, replicates: Float64Array) -> Float64Array:
        """Give the covariance of numbers that each stratum adds.

        Parameters
        ----------
        replicates : array, shape [units, K]
            The numbers without each unit.

        Returns
        -------
        array, shape [strata, K, K]
            (n - 1) / n Σ of the products of deviations from the stratum's mean.
        """
        found = []
        for rows in self._strata:
            own = replicates[rows]
            centred = own - own.mean(axis=0)
            found.append((len(own) - 1) / len(own) * centred.T @ centred)
        return np.stack(found)

    def variances(self, replicates: Float64Array) -> Float64Array:
        """Give the variance of each of several numbers.

        Parameters
        ----------
        replicates : array, shape [units, K]
            The numbers without each unit.

        Returns
        -------
        array, shape [K]
            As the square of what `error` gives.
        """
        found = np.zeros(replicates.shape[1])
        for rows in self._strata:
            own = replicates[rows]
            found += (len(own) - 1) / len(own) * ((own - own.mean(axis=0)) ** 2).sum(axis=0)
        return found

    def error(self, replicates: Float64Array) -> Error:
        """Give the standard error of a number, and its degrees of freedom.

        Parameters
        ----------
        replicates : array, shape [units]
            The number without each unit.

        Returns
        -------
        Error
            s² = Σ s_h², and df = s⁴ / Σ s_h⁴ / (n_h - 1), over the strata h.

        Examples
        --------
        >>> jackknife = StratifiedJackknife(np.arange(4), np.arange(4), np.zeros(4, dtype=int))
        >>> left = (10.0 - np.array([1.0, 2, 3, 4])) / 3
        >>> error = jackknife.error(left)
        >>> round(error.standard, 6), error.df
        (0.645497, 3.0)
        """
        parts = self.covariances(replicates[:, None])[:, 0, 0]
        free = self._free
        variance = float(parts.sum())
        if np.isnan(variance) or self.n_resamples < _FEWEST:
            return Error(float("nan"), float("nan"))
        if variance <= _TINY * float((replicates**2).max()):
            return Error(0.0, float(free.sum()))
        counted = parts > 0
        df = variance**2 / float((parts[counted] ** 2 / free[counted]).sum())
        return Error(variance**0.5, df)


def _merged(patterns: NDArray[np.bool_], stratum: IntArray) -> IntArray:
    """Count strata of fewer than three units with others that share a condition with them."""
    sizes = np.bincount(stratum)
    found = stratum.copy()
    for small in np.flatnonzero(sizes < _FEWEST):
        shares = (patterns & patterns[small]).any(axis=1) & (sizes >= _FEWEST)
        if shares.any():
            found[stratum == small] = np.argmax(np.where(shares, sizes, 0))
    return found
