"""Shares of people's ratings that predictors explain, with intervals over images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy

from facebench.metrics.correlation import partial_correlation
from facebench.metrics.noise_ceiling import mean_rating, split_half
from facebench.metrics.predictors import (
    Blocks,
    Subset,
    commonality,
    cross_validated_r2,
    image_blocks,
    products,
    r2_of_subsets,
    subsets_of,
)
from facebench.metrics.ratings.draws import DYAD, IntervalKind, RatedUnits
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.rating_resamples import (
    RatingEstimate,
    RatingReplicates,
    replicated_interval,
)
from facebench.types import Float64Array

__all__ = ["MOST_PARTITIONED", "SCALES", "Explained", "ExplainedVariance"]

# As docs/intervals.md finds.
_NOTE = "; unique shares: conservative"
# Sets of predictors double with each one.
MOST_PARTITIONED = 5
SCALES = ("pearson", "spearman")
_SPLITS = 100
# Standard errors that a share is shifted by before its root is taken.
_SHIFT = 0.5
_DECIMALS = 8


class Explained(NamedTuple):
    """What several predictors explain of a target, as estimates with intervals.

    Attributes
    ----------
    r2, cross_validated : RatingEstimate
        By all predictors: R² in sample, and on pairs of other images than it was fitted to.
    alone, alone_cross_validated : list of RatingEstimate
        By each predictor alone.
    unique, unique_cross_validated : list of RatingEstimate
        What each adds to all others.
    partial : list of RatingEstimate
        Correlation of each with the target, all others partialled out.
    common : dict of tuple of int to RatingEstimate
        In sample, the part that is unique to each predictor or common to each set of them; empty
        for more than `MOST_PARTITIONED`.
    ceiling : RatingEstimate
        Share of the variance of the mean rating that other raters would give again; NaN with one
        rater.
    share : RatingEstimate
        `cross_validated` as a share of `ceiling`.
    unique_share : list of RatingEstimate
        `unique_cross_validated` as shares of `ceiling`.
    """

    r2: RatingEstimate
    cross_validated: RatingEstimate
    alone: list[RatingEstimate]
    alone_cross_validated: list[RatingEstimate]
    unique: list[RatingEstimate]
    unique_cross_validated: list[RatingEstimate]
    partial: list[RatingEstimate]
    common: dict[Subset, RatingEstimate]
    ceiling: RatingEstimate
    share: RatingEstimate
    unique_share: list[RatingEstimate]


class ExplainedVariance:
    """Ratings of image pairs, to be explained by several predictors at once.

    Parameters
    ----------
    ratings : array-like, shape [N, K]
        Dissimilarities, a column per rater; NaN where missing, but not in a whole row.
    first, second : array-like, shape [N]
        The images of each pair.
    scale : {'pearson', 'spearman'}
        Numbers as they are, or mid-ranks of target and predictors over all pairs. Ranks of pairs
        that are predicted depend on the others, so that prediction of ranks is not quite of pairs
        that were never seen.
    interval : {'jackknife', 'bootstrap'}
        Whether images are left out in turn or drawn with replacement.
    n_folds : int, optional
        See `facebench.metrics.predictors.image_blocks`.
    n_resamples : int, default 200
        Most versions for an interval; 0 for none.
    confidence : float, default 0.95
        Nominal coverage.
    seed : int, default 0
        Of folds, versions and splits of raters.

    Attributes
    ----------
    target : array, shape [N]
        The mean rating, or its ranks.
    n_images : int
        Images.
    blocks : Blocks
        What is predicted from what.

    Raises
    ------
    ValueError
        If shapes do not fit, a pair has no rating, or `scale` is unknown.

    Notes
    -----
    Intervals are for new images and these raters: Student's, from the measure without each image,
    as `replicated_interval` says. As q weights are fitted to n images, the variance of a share is
    multiplied by n / (n - q - 1), and nothing is taken off for what single pairs add;
    docs/intervals.md has the coverage.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 16))
    >>> first, second = np.triu_indices(16, 1)
    >>> x = np.stack([np.abs(side[first] - side[second]) for side in (a, b)], axis=1)
    >>> rated = ExplainedVariance((x[:, 0] + x[:, 1])[:, None], first, second)
    >>> found = rated.explain(x)
    >>> round(found.cross_validated.value, 3), bool(found.unique[0].value > 0.2)
    (1.0, True)
    """

    def __init__(
        self,
        ratings: Any,
        first: Any,
        second: Any,
        *,
        scale: str = "pearson",
        interval: IntervalKind = "jackknife",
        n_folds: int | None = None,
        n_resamples: int = 200,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        table = np.asarray(ratings, dtype=np.float64)
        ends = np.concatenate((np.asarray(first), np.asarray(second)))
        if table.ndim != 2 or 2 * len(table) != len(ends):
            msg = (
                "Each pair needs a row of ratings and two images. "
                f"Got ratings of shape {table.shape} and {len(ends)} images."
            )
            raise ValueError(msg)
        if scale not in SCALES:
            msg = f"The 'scale' must be one of {', '.join(SCALES)}. Got {scale!r} instead."
            raise ValueError(msg)
        seen = ~np.isnan(table)
        if not seen.any(axis=1).all():
            msg = "Each pair needs a rating. Leave out those that have none."
            raise ValueError(msg)
        names, index = np.unique(ends, return_inverse=True)
        self.n_images = names.size
        self._first, self._second = np.split(index.astype(np.intp), 2)
        self._ratings, self._scale = table, scale
        self._confidence, self._seed = confidence, seed
        mean = mean_rating(np.where(seen, table, 0.0).sum(axis=1), seen.sum(axis=1).astype(float))
        self.target: Float64Array = self._scaled(mean[:, None])[:, 0]
        self.blocks: Blocks = image_blocks(self._first, self._second, n_folds, seed)
        self._units = RatedUnits(
            self._first, self._second, self.n_images, table.shape[1], "image", interval,
            n_resamples, seed,
        )  # fmt: skip
        # The whole first, then the versions of each factor.
        self._counts = {
            factor: np.concatenate([draws.weights for draws in self._units.blocks(factor)])
            for factor in self._units.versions
        }
        self._weights = np.concatenate([np.ones((1, len(table))), *self._counts.values()])
        self._ceilings = self._ceilings_in(self._weights)

    @property
    def method(self) -> str:
        """How intervals are made, in words; 'none' if there are none."""
        units = self._units
        if not units.factors:
            return "none"
        if units.interval == "bootstrap":
            return f"bootstrap over images, {units.most} samples, Student's t{_NOTE}"
        grouped = "groups of " if units.n_units("image") < self.n_images else ""
        return f"jackknife over {units.n_units('image')} {grouped}images, Student's t{_NOTE}"

    @property
    def ceiling(self) -> RatingEstimate:
        """The share of the variance of the mean rating that other raters would give again."""
        return self._estimate(self._ceilings)

    @property
    def n_raters(self) -> int:
        """How many raters there are."""
        return int(self._ratings.shape[1])

    def estimate(self, measure: Callable[[Float64Array], Float64Array]) -> RatingEstimate:
        """Estimate any measure of these pairs.

        Parameters
        ----------
        measure : callable
            Of weights of the pairs, [R, N], to a value each, [R].

        Returns
        -------
        RatingEstimate
        """
        return self._estimate(np.asarray(measure(self._weights), dtype=np.float64))

    def _scaled(self, columns: Float64Array) -> Float64Array:
        if self._scale == "pearson":
            return columns
        from scipy.stats import rankdata

        return np.asarray(rankdata(columns, axis=0))

    def _ceilings_in(self, weights: Float64Array) -> Float64Array:
        if self._ratings.shape[1] < 2:
            return np.full(len(weights), np.nan)
        found = []
        for row in weights:
            drawn = np.repeat(np.arange(row.size), row.astype(np.intp))
            halves = split_half(
                self._ratings[drawn], self._scale, n_splits=_SPLITS, seed=self._seed
            )
            found.append(halves.reliability if halves.reliability > 0 else np.nan)
        return np.array(found)

    def _estimate(
        self, values: Float64Array, *, is_correlation: bool = False, n_weights: int = 0
    ) -> RatingEstimate:
        """Estimate a measure, or a share explained by predictors of so many fitted weights."""
        left_out = self._units.interval == "jackknife"
        parts = np.split(values[1:], np.cumsum([len(rows) for rows in self._counts.values()])[:-1])
        by_factor = dict(zip(self._counts, parts, strict=True)) if self._counts else {}
        dyads = by_factor.pop(DYAD, None)
        inflation = 1.0
        if n_weights:
            dyads, inflation = None, self.n_images / max(self.n_images - n_weights - 1, 1)
        return replicated_interval(
            float(values[0]),
            [
                RatingReplicates(found, self._units.n_units(factor), left_out, dyads)
                for factor, found in by_factor.items()
            ],
            confidence=self._confidence,
            is_correlation=is_correlation,
            inflation=inflation,
        )

    def _share(self, values: Float64Array, n_weights: int) -> RatingEstimate:
        """Estimate an R² in sample on the scale of the multiple correlation."""
        found = self._estimate(np.sqrt(values), is_correlation=True, n_weights=n_weights)
        low = max(found.low, 0.0) if np.isfinite(found.low) else found.low
        return RatingEstimate(float(values[0]), low**2, found.high**2)

    def _added(self, values: Float64Array, n_weights: int) -> RatingEstimate:
        """Estimate what a predictor adds, on a scale on which small shares are less skewed.

        With standard error s and u = max(v, 0) / s + 1/2 the bounds are v + s (q - u), where q are
        the squares, with their sign, of √u ± t / 2√u: those of √(v + s/2), since the error of a
        share grows with it. Where v is negative, they are those of 0, moved.
        """
        found = self._estimate(values, n_weights=n_weights)
        width = (found.high - found.low) / 2
        if not width > 0:
            return found
        t = float(
            scipy.special.stdtrit(self._units.n_units("image") - 1, (1 + self._confidence) / 2)
        )
        error = width / t
        shifted = max(found.value, 0.0) / error + _SHIFT
        root, step = np.sqrt(shifted), t / (2 * np.sqrt(shifted))
        below = np.sign(root - step) * (root - step) ** 2
        return RatingEstimate(
            found.value,
            float(found.value + error * (below - shifted)),
            float(found.value + error * ((root + step) ** 2 - shifted)),
        )

    def explain(self, predictors: Any) -> Explained:
        """Explain the ratings.

        Parameters
        ----------
        predictors : array-like, shape [N, Q]
            Finite numbers, a column per predictor.

        Returns
        -------
        Explained

        Raises
        ------
        ValueError
            If shapes do not fit or a number is not finite.
        """
        x = self._scaled(np.asarray(predictors, dtype=np.float64))
        every = range(x.shape[1])
        whole = tuple(every)
        r2, held_out = self._r2_in(x, self._weights)
        size = len(whole)
        plain = partial(self._estimate, n_weights=size)
        single = partial(self._estimate, n_weights=1)
        lost = [_added_by(held_out, whole, number) for number in every]
        partials = [
            np.atleast_1d(
                partial_correlation(
                    x[:, number], self.target, list(np.delete(x, number, axis=1).T), "pearson",
                    self._weights,
                )
            )
            for number in every
        ]  # fmt: skip
        common = commonality(r2) if len(whole) <= MOST_PARTITIONED else {}
        return Explained(
            r2=self._share(r2[whole], size),
            cross_validated=plain(held_out[whole]),
            alone=[self._share(r2[number,], 1) for number in every],
            alone_cross_validated=[single(held_out[number,]) for number in every],
            unique=[
                _not_negative(self._added(_added_by(r2, whole, number), size)) for number in every
            ],
            unique_cross_validated=[self._added(values, size) for values in lost],
            partial=[plain(values, is_correlation=True) for values in partials],
            common={key: plain(values) for key, values in common.items()},
            ceiling=self.ceiling,
            share=plain(held_out[whole] / self._ceilings),
            unique_share=[self._added(values / self._ceilings, size) for values in lost],
        )

    def left_out(self, predictors: Any, groups: JackknifeGroups) -> tuple[Float64Array, ...]:
        """Measure without each group of images, for errors of differences.

        Parameters
        ----------
        predictors : array-like, shape [N, Q]
            A column per predictor, the last the one in question.
        groups : JackknifeGroups
            Of the images of the pairs.

        Returns
        -------
        cross_validated, unique : array, shape [groups]
            R² by all predictors, and what the last adds, both on pairs of other images.
        """
        x = self._scaled(np.asarray(predictors, dtype=np.float64))
        whole = tuple(range(x.shape[1]))
        subsets = (whole, whole[:-1])
        kept = groups.kept.T.astype(np.float64)
        found = cross_validated_r2(self.target, x, self.blocks, subsets, kept)
        return found[whole], found[whole] - found[whole[:-1]]

    def _r2_in(
        self, x: Float64Array, weights: Float64Array
    ) -> tuple[dict[Subset, Float64Array], dict[Subset, Float64Array]]:
        """Compute R² in sample and held out in every version."""
        whole = tuple(range(x.shape[1]))
        wanted = {(), whole, *((number,) for number in whole)}
        wanted |= {_without(whole, number) for number in whole}
        every: Sequence[Subset] = (
            subsets_of(len(whole)) if len(whole) <= MOST_PARTITIONED else sorted(wanted)
        )
        in_sample = r2_of_subsets(products(self.target, x, weights), every)
        held_out = cross_validated_r2(self.target, x, self.blocks, sorted(wanted), weights)
        return in_sample, held_out


def _not_negative(found: RatingEstimate) -> RatingEstimate:
    """Keep what cannot be negative in sample from 0 on."""
    return RatingEstimate(found.value, max(found.low, 0.0), found.high)


def _added_by(r2: dict[Subset, Float64Array], whole: Subset, number: int) -> Float64Array:
    """Give what a predictor adds to all others, without the rounding of the fits."""
    return np.asarray(np.round(r2[whole] - r2[_without(whole, number)], _DECIMALS))


def _without(whole: Subset, number: int) -> Subset:
    return tuple(other for other in whole if other != number)
