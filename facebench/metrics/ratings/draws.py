"""Versions of rated pairs without some images or raters, or with some of them several times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from facebench.metrics.uncertainty.rating_resamples import drawn_counts, kept_counts
from facebench.metrics.uncertainty.resamples import Units
from facebench.types import Float64Array, IntArray

__all__ = ["INTERVALS", "RESAMPLES", "Draws", "IntervalKind", "RatedUnits", "Resample"]

Resample = Literal["image", "rater", "both", "pair"]
IntervalKind = Literal["jackknife", "bootstrap"]
RESAMPLES = ("image", "rater", "both", "pair")
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

    def n_units(self, factor: str) -> int:
        """Give the number of units, or groups, that versions of a factor are made of."""
        size = self.factors[factor]
        return min(size, self.most) if self.interval == "jackknife" else size

    def blocks(self, factor: str) -> Iterator[Draws]:
        """Make all versions for one factor, some at a time; the same ones each time."""
        generator = np.random.default_rng([self.seed, RESAMPLES.index(factor)])
        make = kept_counts if self.interval == "jackknife" else drawn_counts
        counts = make(self.factors[factor], self.most, generator)
        n_pairs = self.first.size
        # Two copies of one image are not a pair: their distance of 0 means nothing.
        units = Units(self.first, self.second, self.n_images)
        step = max(1, _BLOCK // max(1, n_pairs))
        for start in range(0, len(counts), step):
            some = counts[start : start + step]
            everybody = np.ones((1, self.n_raters))
            if factor == "image":
                yield Draws(units.weights(some), everybody)
            elif factor == "pair":
                yield Draws(some, everybody)
            else:
                yield Draws(np.ones((len(some), n_pairs)), some)
