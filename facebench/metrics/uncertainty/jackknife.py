"""Errors of any measure at all, by leaving out the comparisons of a group of people at a time.

A bootstrap calls a measure a thousand times, and an influence function must be known. Leaving out
one of forty groups in turn takes forty calls, on real comparisons without repetitions, and the same
groups for every model and layer make differences paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from facebench.metrics.uncertainty.influence import PairedDifference
from facebench.metrics.uncertainty.resamples import Interval
from facebench.types import Float64Array, IntArray

__all__ = [
    "FEWEST_GROUPS",
    "N_GROUPS",
    "JackknifeGroups",
    "JackknifeReplicates",
    "jackknife_difference",
    "jackknife_error",
    "jackknife_interval",
]

N_GROUPS = 40
# Fewer groups say next to nothing of a spread.
FEWEST_GROUPS = 3
# Smaller errors are rounding.
_TINY = 1e-9
_NOTHING = Interval(float("nan"), float("nan"))


class JackknifeReplicates(NamedTuple):
    """Measures of one layer without the comparisons of each group.

    Attributes
    ----------
    by : str
        What the members are: 'identity', 'image' …
    digest : str
        Of the comparisons: equal only where the same ones are left out.
    values : dict of (str or None, str) to array, shape [G]
        By condition and measure, as the task names them.
    """

    by: str
    digest: str
    values: dict[tuple[str | None, str], Float64Array]


class JackknifeGroups:
    """Comparisons without those of each group of units in turn; `Weightings` of them.

    Units (people, images) are assigned to groups by their sorted names, so that the same units
    are in the same groups for any order of the comparisons. A comparison of units of two
    groups is left out with either.

    Parameters
    ----------
    *sides : array-like, shape [N]
        The member on each side of every comparison: two for pairs, one for probes, three for
        triplets.
    n_groups : int, default 40
        Number of groups; as many as members where there are fewer.

    Attributes
    ----------
    n_resamples : int
        Number of groups.
    n_members : int
        Number of members.

    References
    ----------
    P. S. Kott, "The delete-a-group jackknife", Journal of Official Statistics 17 (2001) 521-526;
    J. N. Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40 (1969)
    2076-2100, for comparisons of two members.

    Examples
    --------
    >>> JackknifeGroups(["a", "a", "b"], ["a", "b", "c"]).kept.astype(int)
    array([[1, 0, 1],
           [1, 0, 0],
           [0, 1, 0]])
    """

    def __init__(self, *sides: Any, n_groups: int = N_GROUPS) -> None:
        columns = [np.asarray(side) for side in sides]
        names, index = np.unique(np.concatenate(columns), return_inverse=True)
        self.n_members = names.size
        self.n_resamples = min(n_groups, names.size)
        order = np.random.default_rng(0).permutation(names.size)
        group = np.empty(names.size, dtype=np.intp)
        group[order] = np.arange(names.size) % max(1, self.n_resamples)
        self._groups: list[IntArray] = np.split(group[index], len(columns))
        self._names = names

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which comparisons are left without each group, shape [N, groups]."""
        every = np.arange(self.n_resamples)
        return np.asarray(np.logical_and.reduce([s[:, None] != every for s in self._groups]))

    def digest(self, *names: Any) -> str:
        """Identify comparisons: equal only for the same ones, in any order.

        Parameters
        ----------
        *names : array-like of str, shape [N]
            What is compared, such as the images of both sides.

        Returns
        -------
        str
        """
        rows = sorted("\0".join(map(str, row)) for row in zip(*names, strict=True))
        text = "\n".join((str(self.n_resamples), *map(str, self._names.tolist()), "", *rows))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def part(self, chosen: NDArray[np.bool_]) -> JackknifeGroups:
        """Give the same groups, for some of the comparisons."""
        found = JackknifeGroups.__new__(JackknifeGroups)
        found.n_members, found.n_resamples = self.n_members, self.n_resamples
        found._names = self._names
        found._groups = [side[chosen] for side in self._groups]
        return found

    def weights(self) -> Iterator[NDArray[np.float32]]:
        """Give 1 for each comparison that is left and 0 for the others, shape [N, groups]."""
        yield self.kept.astype(np.float32)

    def sums(self, columns: Float64Array) -> Float64Array:
        """Sum columns [N, K] over the comparisons that are left: [groups, K]."""
        return np.asarray(self.kept.T.astype(np.float64) @ columns)


def jackknife_error(values: Any) -> float:
    """Give the standard error of a measure from its values without each group.

    s² = (G - 1) / G Σ (value - mean of values)². Of comparisons of two members it also counts what
    is peculiar to a pair twice, so that it is too large, not too small, where people matter little.

    Parameters
    ----------
    values : array-like, shape [G]
        The measure without each group.

    Returns
    -------
    float
        NaN with fewer than three groups, or where the measure is undefined without one.

    Examples
    --------
    >>> round(jackknife_error([1.0, 2.0, 3.0]), 6)
    1.154701
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size < FEWEST_GROUPS or not np.isfinite(array).all():
        return float("nan")
    return float(np.sqrt((array.size - 1) * array.var()))


def _step(values: Float64Array, confidence: float) -> float:
    error = jackknife_error(values)
    if error <= _TINY:
        return np.nan
    return float(stdtrit(values.size - 1, (1 + confidence) / 2) * error)


def jackknife_interval(estimate: float, values: Any, confidence: float = 0.95) -> Interval:
    """Interval of a measure from its values without each group, by the t distribution.

    Parameters
    ----------
    estimate : float
        The measure of all comparisons.
    values : array-like, shape [G]
        The measure without each group.
    confidence : float, default 0.95
        Nominal coverage.

    Returns
    -------
    Interval
        NaN where there is no error to go by: see `jackknife_error`, or all values are equal.

    Examples
    --------
    >>> low, high = jackknife_interval(0.5, [0.48, 0.5, 0.52, 0.5])
    >>> round(low, 3), round(high, 3)
    (0.422, 0.578)
    """
    step = _step(np.asarray(values, dtype=np.float64), confidence)
    return _NOTHING if np.isnan(step) else Interval(estimate - step, estimate + step)


def jackknife_difference(
    a: float, b: float, values_a: Any, values_b: Any, confidence: float = 0.95
) -> PairedDifference | None:
    """Compare a measure of two systems on the same comparisons, by the same groups.

    Parameters
    ----------
    a, b : float
        The measure of all comparisons.
    values_a, values_b : array-like, shape [G]
        The measure without each group.
    confidence : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    PairedDifference or None
        a - b, by the t distribution; p is 1 where the two do not differ at all. None where there is
        no error to go by.

    Examples
    --------
    >>> jackknife_difference(0.5, 0.5, [0.4, 0.5, 0.6], [0.4, 0.5, 0.6]).p_value
    1.0
    """
    with np.errstate(invalid="ignore"):
        # Ratios may be infinite.
        values = np.asarray(values_a, dtype=np.float64) - np.asarray(values_b, dtype=np.float64)
    difference = a - b
    error = jackknife_error(values)
    if np.isnan(error) or not np.isfinite(difference):
        return None
    if error < _TINY:
        if abs(difference) > _TINY:
            return None
        return PairedDifference(difference, difference, difference, 1.0)
    step = float(stdtrit(values.size - 1, (1 + confidence) / 2) * error)
    p_value = float(2 * stdtr(values.size - 1, -abs(difference) / error))
    return PairedDifference(difference, difference - step, difference + step, p_value)
