"""Versions of rated pairs without some images or raters, or with some of them several times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from facebench.metrics.uncertainty.jackknife import N_DYAD_GROUPS
from facebench.metrics.uncertainty.rating_resamples import drawn_counts, kept_counts
from facebench.metrics.uncertainty.resamples import Units
from facebench.types import Float64Array, IntArray

__all__ = ["DYAD", "INTERVALS", "RESAMPLES", "Draws", "IntervalKind", "RatedUnits", "Resample"]

Resample = Literal["image", "rater", "both", "pair"]
IntervalKind = Literal["jackknife", "bootstrap"]
RESAMPLES = ("image", "rater", "both", "pair")
# Groups of pairs that are left out to correct the error that images bring, see `less_dyads`.
DYAD = "dyad"
INTERVALS = ("jackknife", "bootstrap")

# Versions x pairs that are computed at a time.
_BLOCK = 1 << 20
_FEWEST_IMAGES = 3


class Draws(NamedTuple):
    """Some versions: how often each pair ([R, N]) and each rater ([R, K] or [1, K]) counts."""

    weights: Float64Array
    times: Float64Array


class RatedUnits(NamedTuple):
    """What intervals are for, and how many versions are made for them.

    Attributes
    ----------
    first, second : array of int, shape [N]
        The images of each pair, 0 … n_images - 1.
    n_images, n_raters : int
        How many there are.
    by : {'image', 'rater', 'both', 'pair'}
        New images, new raters, new ones of both, or new pairs.
    interval : {'jackknife', 'bootstrap'}
        Leave out in turn, or draw with replacement.
    most : int
        Most versions for each factor; of more images groups are left out.
    seed : int
        Of groups and draws.
    """

    first: IntArray
    second: IntArray
    n_images: int
    n_raters: int
    by: str
    interval: str
    most: int
    seed: int

    @property
    def factors(self) -> dict[str, int]:
        """The factors and how many units each has; none where one has too few."""
        sizes = {"image": self.n_images, "rater": self.n_raters, "pair": self.first.size}
        named = ("image", "rater") if self.by == "both" else (self.by,)
        fewest = {"image": _FEWEST_IMAGES, "rater": 2, "pair": 2}
        if self.most < 2 or any(sizes[name] < fewest[name] for name in named):
            return {}
        return {name: sizes[name] for name in named}

    @property
    def versions(self) -> tuple[str, ...]:
        """What versions are made for: the factors, and 'dyad', which corrects that of images."""
        found = tuple(self.factors)
        corrected = "image" in found and self.interval == "jackknife" and self.first.size > 1
        return (*found, DYAD) if corrected else found

    def n_units(self, factor: str) -> int:
        """Give the number of units, or groups, that versions of a factor are made of."""
        if factor == DYAD:
            return min(self.first.size, N_DYAD_GROUPS)
        size = self.factors[factor]
        return min(size, self.most) if self.interval == "jackknife" else size

    def blocks(self, factor: str) -> Iterator[Draws]:
        """Make all versions for one factor, some at a time; the same ones each time."""
        n_pairs = self.first.size
        named = (*RESAMPLES, DYAD)
        generator = np.random.default_rng([self.seed, named.index(factor)])
        make = kept_counts if self.interval == "jackknife" else drawn_counts
        if factor == DYAD:
            counts = kept_counts(n_pairs, N_DYAD_GROUPS, generator)
        else:
            counts = make(self.factors[factor], self.most, generator)
        # Two copies of one image are not a pair: their distance of 0 means nothing.
        units = Units(self.first, self.second, self.n_images)
        step = max(1, _BLOCK // max(1, n_pairs))
        for start in range(0, len(counts), step):
            some = counts[start : start + step]
            everybody = np.ones((1, self.n_raters))
            if factor == "image":
                yield Draws(units.weights(some), everybody)
            elif factor in ("pair", DYAD):
                yield Draws(some, everybody)
            else:
                yield Draws(np.ones((len(some), n_pairs)), some)
