"""What bootstraps resample: pairs, images or identities, and how often each comparison occurs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facebench.types import Float64Array, IntArray

__all__ = [
    "CHUNK",
    "By",
    "Interval",
    "Units",
    "Weightings",
    "draws_of",
    "units_of",
]

By: TypeAlias = Literal["pair", "image", "identity"]

# Weights per call: small enough for the cache, large enough that Python's loop costs nothing.
CHUNK = 1 << 18


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
) -> Iterator[Float64Array]:
    """Draw units with replacement, `step` resamples at a time: how often each is drawn, [R, U]."""
    generator = np.random.default_rng(seed)
    step = step or max(1, CHUNK // max(units.n_units, units.first.size))
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        drawn = generator.integers(0, units.n_units, size=(rows, units.n_units))
        drawn += np.arange(rows)[:, None] * units.n_units
        counts = np.bincount(drawn.ravel(), minlength=rows * units.n_units)
        yield counts.reshape(rows, units.n_units).astype(np.float64)
