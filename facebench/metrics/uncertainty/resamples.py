"""What bootstraps resample: pairs, images or identities, and how often each comparison occurs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from facebench.metrics.labels import as_labels
from facebench.types import Float64Array, IntArray

__all__ = [
    "CHUNK",
    "By",
    "Interval",
    "Resamples",
    "Units",
    "Weightings",
    "draws_of",
    "percentiles",
    "units_of",
]

By: TypeAlias = Literal["pair", "image", "identity"]

# Weights per call: small enough for the cache, large enough that Python's loop costs nothing.
CHUNK = 1 << 18
# The same where whole rows are worked on: a row of all resamples, memory permitting.
_TOGETHER = 1 << 23
# Weights are kept for the next scores up to this many bytes, else drawn again.
_KEPT = 1 << 28


class Interval(NamedTuple):
    """A confidence interval, low to high."""

    low: float
    high: float


class Weightings(Protocol):
    """How often each comparison counts, many times over: what metrics on resamples ask for."""

    n_resamples: int

    def weights(self) -> Iterator[NDArray[np.float32]]:
        """Give whole numbers of shape [N, R], some columns at a time."""

    def sums(self, columns: Float64Array) -> Float64Array:
        """Sum columns [N, K] under each weighting: [n_resamples, K]."""


class Units(NamedTuple):
    """What is resampled, and which unit or two each comparison hangs on."""

    first: IntArray
    second: IntArray
    n_units: int

    def weights(self, draws: Float64Array) -> Float64Array:
        """Return how often each comparison occurs, [R, N], from how often each unit is drawn."""
        # A comparison within one unit counts its draws once, one of two units their product.
        return (
            np.where(self.first == self.second, 1.0, draws[:, self.second]) * draws[:, self.first]
        )


def units_of(genuine: NDArray[np.bool_], by: str, members1: Any, members2: Any) -> Units:
    """Tell what each comparison hangs on; see `bootstrap`."""
    if by not in ("pair", "image", "identity"):
        msg = f"The 'by' parameter must be 'pair', 'image' or 'identity'. Got {by!r} instead."
        raise ValueError(msg)
    size = genuine.size
    if by == "pair":
        rows = np.arange(size)
        return Units(rows, rows, size)
    if members1 is None or members2 is None:
        msg = f"Resampling by {by} needs members1 and members2, the {by} of each side of a pair."
        raise ValueError(msg)
    first, second = np.asarray(members1), np.asarray(members2)
    if first.shape != (size,) or second.shape != (size,):
        msg = f"Got members of shapes {first.shape} and {second.shape} for {size} comparisons."
        raise ValueError(msg)
    names, index = np.unique(np.concatenate((first, second)), return_inverse=True)
    if by == "identity" and ((index[:size] == index[size:]) != genuine).any():
        row = int(np.argmax((index[:size] == index[size:]) != genuine))
        msg = (
            "Genuine pairs are of one identity and impostor pairs of two. Got label "
            f"{int(genuine[row])} for {first[row]!r} and {second[row]!r} at position {row}."
        )
        raise ValueError(msg)
    return Units(index[:size], index[size:], names.size)


def draws_of(
    units: Units,
    n_resamples: int,
    seed: Any,
    step: int | None = None,
    strata: IntArray | None = None,
) -> Iterator[Float64Array]:
    """Draw units with replacement, `step` resamples at a time: how often each is drawn, [R, U].

    With `strata`, one of each unit, as many of each stratum as there are.
    """
    generator = np.random.default_rng(seed)
    step = step or max(1, CHUNK // max(units.n_units, units.first.size))
    if strata is not None:
        order = np.argsort(strata, kind="stable")
        sizes = np.bincount(strata)[strata[order]]
        starts = np.searchsorted(strata[order], strata[order])
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        if strata is None:
            drawn = generator.integers(0, units.n_units, size=(rows, units.n_units))
        else:
            drawn = order[starts + generator.integers(0, sizes, size=(rows, units.n_units))]
        drawn += np.arange(rows)[:, None] * units.n_units
        counts = np.bincount(drawn.ravel(), minlength=rows * units.n_units)
        yield counts.reshape(rows, units.n_units).astype(np.float64)


class Resamples:
    """Resamples of some comparisons, drawn once and used for any number of scores and metrics.

    Measuring every metric of every network on the same resamples is quicker than drawing anew, and
    makes differences between networks and metrics paired.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    by : {'pair', 'image', 'identity'}
        What is resampled; see `bootstrap`.
    members1, members2 : array-like, shape [N]
        Image or identity of each side of each pair; not needed by pair.
    n_resamples : int, default 1000
        Number of resamples.
    seed : int, default 0
        The same seed gives the same resamples.

    Attributes
    ----------
    n_resamples, n_units : int
        Number of resamples, and of pairs, images or identities.
    first, second : array of int, shape [N]
        The unit of each side of each pair.

    Raises
    ------
    ValueError
        For an unknown `by`, missing or contradictory members, or no resamples.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An introduction to the bootstrap" (1993), chapter 8.

    Examples
    --------
    >>> resamples = Resamples([1, 1, 0, 0], n_resamples=5)
    >>> np.concatenate(list(resamples.weights()), axis=1).sum(axis=0)
    array([4., 4., 4., 4., 4.], dtype=float32)
    """

    def __init__(
        self,
        labels: Any,
        by: By = "pair",
        members1: Any = None,
        members2: Any = None,
        *,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> None:
        if n_resamples < 1:
            msg = f"The 'n_resamples' parameter must be 1 or more. Got {n_resamples!r} instead."
            raise ValueError(msg)
        self._units = units_of(as_labels(labels).astype(bool), by, members1, members2)
        self._strata: IntArray | None = None
        self._seed = seed
        self._kept: list[NDArray[Any]] | None = None
        self.n_resamples = n_resamples

    @property
    def n_units(self) -> int:
        """Number of pairs, images or identities."""
        return self._units.n_units

    @property
    def first(self) -> IntArray:
        """The unit of the first side of each pair."""
        return self._units.first

    @property
    def second(self) -> IntArray:
        """The unit of the second side of each pair."""
        return self._units.second

    def part(self, chosen: NDArray[np.bool_]) -> Resamples:
        """Give the same resamples of the same units, for some of the comparisons.

        Parameters
        ----------
        chosen : array of bool, shape [N]
            Which comparisons.

        Returns
        -------
        Resamples
        """
        found = copy.copy(self)
        found._units = Units(self.first[chosen], self.second[chosen], self.n_units)
        found._kept = None
        return found

    def within(self, groups: IntArray) -> Resamples:
        """Give resamples of as many units of each group as there are, if none is in two groups.

        Parameters
        ----------
        groups : int array, shape [N]
            Of each comparison.

        Returns
        -------
        Resamples
            These very ones where some unit is in two groups.

        References
        ----------
        B. Efron and R. J. Tibshirani, "An introduction to the bootstrap" (1993), chapter 8, on two
        samples.
        """
        units = np.concatenate((self.first, self.second))
        strata = np.zeros(self.n_units, dtype=np.intp)
        strata[units] = np.concatenate((groups, groups))
        if (strata[self.first] != groups).any() or (strata[self.second] != groups).any():
            return self
        found = copy.copy(self)
        found._strata = strata
        found._kept = None
        return found

    def weights(self) -> Iterator[NDArray[np.float32]]:
        """Give how often each comparison occurs in each resample, some resamples at a time.

        Yields
        ------
        float32 array, shape [N, R]
            Whole numbers; the resamples are the same, in the same order, at every call.
        """
        if self._kept is not None:
            yield from (part.astype(np.float32) for part in self._kept)
            return
        kept: list[NDArray[Any]] = []
        keep = self.n_resamples * self.first.size <= _KEPT
        step = max(1, _TOGETHER // max(self.n_units, self.first.size))
        within = (self.first == self.second)[:, None]
        for draws in draws_of(self._units, self.n_resamples, self._seed, step, self._strata):
            # Comparisons by rows: whole rows are then sorted, added and copied at a time.
            counts = np.ascontiguousarray(draws.T, dtype=np.float32)
            weights = counts[self.first]
            weights *= np.where(within, np.float32(1), counts[self.second])
            if keep:
                kept.append(weights.astype(np.min_scalar_type(int(weights.max()))))
            yield weights
        if keep:
            self._kept = kept

    def sums(self, columns: Float64Array) -> Float64Array:
        """Sum some columns over the comparisons of each resample.

        Parameters
        ----------
        columns : array, shape [N, K]
            Finite numbers.

        Returns
        -------
        array, shape [n_resamples, K]
        """
        narrow = columns.astype(np.float32)
        return np.concatenate([weights.T @ narrow for weights in self.weights()]).astype(np.float64)


def percentiles(
    values: Float64Array, confidence: float = 0.95, n_units: int | None = None
) -> Interval:
    """Percentile interval of a metric's values in resamples.

    Parameters
    ----------
    values : array, shape [R]
        NaN where the metric is undefined.
    confidence : float, default 0.95
        Nominal coverage.
    n_units : int, optional
        How many units were drawn from. With few of them resamples vary too little, and by normal
        quantiles; levels are then those of sqrt(n / (n - 1)) t quantiles (n - 1 degrees of
        freedom): 0.6 and 99.4 % for 8 units.

    Returns
    -------
    Interval
        NaN if more than one in twenty are undefined.

    References
    ----------
    T. C. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69
    (2015) 371-386, the expanded percentile interval.

    Examples
    --------
    >>> low, high = percentiles(np.arange(101.0), confidence=0.9)
    >>> round(low, 9), round(high, 9)
    (5.0, 95.0)
    """
    defined = values[~np.isnan(values)]
    if not defined.size or defined.size < 0.95 * values.size:
        return Interval(float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    if n_units is not None and n_units > 1:
        step = float(stdtrit(n_units - 1, tail))
        tail = float(ndtr(np.sqrt(n_units / (n_units - 1)) * step))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(low), float(high))
