"""Pairs that people rated, ready to be compared with the distances of many layers.

What depends on people alone (ceilings, resamples, permutations, ranks of ratings in all of them)
is computed once, so that each further layer costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.correlation import (
    MEASURES,
    correlate,
    partial_correlation,
    standardise,
    standardise_all,
)
from facebench.metrics.jackknife import LeaveOut
from facebench.metrics.noise_ceiling import (
    NoiseCeiling,
    ceilings,
    mean_rating,
    noise_ceiling,
    share_of_ceiling,
    split_half,
)
from facebench.metrics.rdm import rdm_from_pairs
from facebench.metrics.resampling import drawn_counts, pair_weights, percentile_interval
from facebench.metrics.rsa import permuted_rows, share_as_large
from facebench.types import Float64Array, IntArray

__all__ = ["Comparison", "Estimate", "RatedPairs", "Resample"]

Resample = Literal["image", "rater", "both", "pair"]

# Resamples x pairs whose ranks are kept at a time, and from one layer to the next.
_BLOCK = 1 << 20
_KEPT = 1 << 25
# Resampling tau-a takes N log N steps for every resample: beyond this it has no interval unless
# it is the measure of the ceiling.
_MOST_PAIRS_FOR_TAU = 1000
_FEWEST_IMAGES = 3
_FEWEST_SHARED = 3
_PARTIAL = ("pearson", "spearman")


class Estimate(NamedTuple):
    """A value with its interval; NaN where not defined."""

    value: float
    low: float
    high: float


class Comparison(NamedTuple):
    """What one layer's distances have to do with the ratings.

    Attributes
    ----------
    correlations : dict of str to Estimate
        With the mean rating, by measure.
    with_raters : Estimate
        Mean correlation with single raters, by the measure of the ceiling.
    share : Estimate
        `with_raters` as a share of the lower noise ceiling.
    upper_share : Estimate
        As a share of the upper one.
    partial : Estimate
        With the mean rating, nuisances partialled out; NaN without nuisances.
    p_value, p_reversed : float
        By permutation of images: a correlation with the mean rating as large, or as small.
    """

    correlations: dict[str, Estimate]
    with_raters: Estimate
    share: Estimate
    upper_share: Estimate
    partial: Estimate
    p_value: float
    p_reversed: float


class _Draws(NamedTuple):
    """Some resamples: how often each pair [R, N] and each rater ([R, K] or [1, K]) counts."""

    weights: Float64Array
    times: Float64Array


class _People(NamedTuple):
    """What the ratings are in some resamples.

    `mean_targets` holds each measure's standardised mean rating times `mean_weights`;
    `rater_targets` the same of single raters, summed over those who rated the same pairs, with
    their number in each resample.
    """

    mean: Float64Array
    mean_weights: Float64Array
    mean_targets: dict[str, Float64Array]
    rater_targets: list[tuple[NDArray[np.bool_], Float64Array, Float64Array]]
    lower: Float64Array
    upper: Float64Array


class RatedPairs:
    """Ratings of image pairs by one or more raters, to be compared with distances.

    Parameters
    ----------
    ratings : array-like, shape [N, K]
        Dissimilarities, a row per pair and a column per rater (a mean rating: one column); NaN
        where missing.
    first, second : array-like, shape [N]
        The images of each pair.
    measure : {'spearman', 'pearson', 'tau-a', 'rho-a'}
        The measure of ceilings, shares and permutations.
    by : {'image', 'rater', 'both', 'pair'}
        What is drawn with replacement for intervals: by 'image' they are for new images and these
        raters, by 'both' for new ones of either. Raters drawn twice make a mean less reliable
        than as many different raters do, so intervals over raters lie somewhat low, and by
        'rater' alone they cover too seldom with few raters.
    n_resamples, n_permutations : int
        How many; 0 for none.
    confidence : float, default 0.95
        Nominal coverage of intervals.
    seed : int, default 0
        The same seed gives the same intervals and p values.

    Attributes
    ----------
    ratings : array, shape [N, K]
    mean : array, shape [N]
        Mean rating of each pair, over the raters who rated it.
    n_images : int
    ceiling : NoiseCeiling
    split_half : SplitHalf

    Raises
    ------
    ValueError
        If shapes do not fit or a name is unknown.

    References
    ----------
    H. H. Schütt et al., "Statistical inference on representational geometries", eLife 12 (2023)
    e82566 (who correct the variance of both factors; percentiles are not corrected); H. Nili et
    al., PLoS Computational Biology 10 (2014) e1003553.

    Examples
    --------
    >>> rated = RatedPairs([[1.0, 2], [2, 1], [3, 3]], "aab", "bcc", n_resamples=0)
    >>> round(rated.compare([0.1, 0.2, 0.5]).correlations["spearman"].value, 4)
    0.866
    """

    def __init__(
        self,
        ratings: Any,
        first: Any,
        second: Any,
        *,
        measure: str = "spearman",
        by: Resample = "image",
        n_resamples: int = 1000,
        n_permutations: int = 999,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.ratings = np.asarray(ratings, dtype=np.float64)
        names1, names2 = list(first), list(second)
        if self.ratings.ndim != 2 or not len(self.ratings) == len(names1) == len(names2):
            msg = (
                "Rated pairs need a row of ratings and two images for each pair. "
                f"Got ratings of shape {self.ratings.shape}, and {len(names1)} and {len(names2)} "
                "images."
            )
            raise ValueError(msg)
        for name, value, known in (
            ("measure", measure, MEASURES),
            ("by", by, ("image", "rater", "both", "pair")),
        ):
            if value not in known:
                msg = f"The {name!r} must be one of {', '.join(known)}. Got {value!r} instead."
                raise ValueError(msg)
        self.measure, self.by = measure, by
        self.n_resamples, self.n_permutations = n_resamples, n_permutations
        self.confidence, self.seed = confidence, seed
        place = {name: row for row, name in enumerate(dict.fromkeys(names1 + names2))}
        self.n_images = len(place)
        self._first: IntArray = np.array([place[name] for name in names1], dtype=np.intp)
        self._second: IntArray = np.array([place[name] for name in names2], dtype=np.intp)
        self._whole = _Draws(np.ones((1, len(self.ratings))), np.ones((1, self.ratings.shape[1])))
        self._found = self._people(self._whole)
        self.mean: Float64Array = self._found.mean[0]
        self.ceiling: NoiseCeiling = noise_ceiling(self.ratings, measure)
        self.split_half = split_half(self.ratings, measure, seed=seed)
        self._kept: dict[int, _People] = {}
        self._permuted: tuple[Float64Array, Float64Array] | None = None
        self._permutes = n_permutations > 0 and self.n_images >= _FEWEST_IMAGES

    @property
    def resamples(self) -> bool:
        """Whether there are intervals: enough resamples, and images or raters to draw from."""
        few_images = self.by in ("image", "both") and self.n_images < _FEWEST_IMAGES
        few_raters = self.by in ("rater", "both") and self.ratings.shape[1] < 2
        return self.n_resamples > 0 and not few_images and not few_raters

    @property
    def _resamples_tau(self) -> bool:
        fixed_raters = self.by in ("image", "pair")
        return self.measure == "tau-a" or (
            fixed_raters and len(self.ratings) <= _MOST_PAIRS_FOR_TAU
        )

    def ceiling_intervals(self) -> tuple[Estimate, Estimate]:
        """Give the lower and the upper noise ceiling with their intervals."""
        low, high = (
            np.concatenate([np.empty(0)] + [getattr(people, side) for _, people in self._blocks()])
            for side in ("lower", "upper")
        )
        return (
            Estimate(self.ceiling.lower, *percentile_interval(low, self.confidence)),
            Estimate(self.ceiling.upper, *percentile_interval(high, self.confidence)),
        )

    def compare(self, distances: Any, nuisances: Sequence[Any] = ()) -> Comparison:
        """Compare one layer's distances with the ratings.

        Parameters
        ----------
        distances : array-like, shape [N]
            A distance for each pair.
        nuisances : sequence of array-like, shape [N]
            Other distances of the pairs, to be partialled out.

        Returns
        -------
        Comparison

        Raises
        ------
        ValueError
            If there is not one distance for each pair, or one is NaN or infinite.
        """
        values = np.asarray(distances, dtype=np.float64)
        if values.shape != self.mean.shape or not np.isfinite(values).all():
            msg = f"Each of the {len(self.mean)} pairs needs one finite distance."
            raise ValueError(msg)
        exact = self._compared(values, nuisances, self._whole, self._found, True)
        parts = [
            self._compared(values, nuisances, draws, people, self._resamples_tau)
            for draws, people in self._blocks()
        ]

        def estimate(name: str) -> Estimate:
            resampled = np.concatenate(
                [np.empty(0)] + [part[name] for part in parts if name in part]
            )
            return Estimate(float(exact[name][0]), *percentile_interval(resampled, self.confidence))

        larger, smaller = self._p_values(values, float(exact[self.measure][0]))
        return Comparison(
            {measure: estimate(measure) for measure in MEASURES},
            estimate("raters"),
            estimate("share"),
            estimate("upper share"),
            estimate("partial"),
            larger,
            smaller,
        )

    def left_out(self, distances: Any, groups: LeaveOut) -> dict[str, Float64Array]:
        """Correlate one layer's distances with the mean rating, without each group of images.

        Parameters
        ----------
        distances : array-like, shape [N]
            A finite distance for each pair.
        groups : LeaveOut
            Of the images of these pairs.

        Returns
        -------
        dict of str to array, shape [groups]
            By measure; without 'tau-a' where it would take too long.
        """
        rated = ~np.isnan(self.mean)
        kept = groups.part(rated).kept.T.astype(np.float64)
        values = np.asarray(distances, dtype=np.float64)[rated]
        measures = [name for name in MEASURES if name != "tau-a" or self._resamples_tau]
        return {name: correlate(values, self.mean[rated], name, kept) for name in measures}

    def _blocks(self) -> Iterator[tuple[_Draws, _People]]:
        """Give all resamples, block by block, with what people are in them."""
        if not self.resamples:
            return
        generator = np.random.default_rng(self.seed)
        n_pairs, n_raters = self.ratings.shape
        step = max(1, _BLOCK // n_pairs)
        keep = self.n_resamples * n_pairs <= _KEPT
        for start in range(0, self.n_resamples, step):
            rows = min(step, self.n_resamples - start)
            if self.by in ("image", "both"):
                counts = drawn_counts(self.n_images, rows, generator)
                weights = pair_weights(self._first, self._second, counts)
            elif self.by == "pair":
                weights = drawn_counts(n_pairs, rows, generator)
            else:
                weights = np.ones((rows, n_pairs))
            times = np.ones((1, n_raters))
            if self.by in ("rater", "both"):
                times = drawn_counts(n_raters, rows, generator)
            draws = _Draws(weights, times)
            people = self._kept.get(start) or self._people(draws)
            if keep:
                self._kept[start] = people
            yield draws, people

    def _people(self, draws: _Draws) -> _People:
        """Compute all that the ratings have to tell in some resamples."""
        weights, times = draws
        seen = ~np.isnan(self.ratings)
        values = np.where(seen, self.ratings, 0.0)
        count = times @ seen.T.astype(np.float64)
        mean = mean_rating(times @ values.T, count)
        rated = ~np.isnan(mean)
        mean_weights = weights if rated.all() else weights * rated
        target = mean[0] if len(mean) == 1 else mean
        targets = {
            measure: scores * mean_weights
            for measure, scores in standardise_all(target, mean_weights).items()
        }
        lower, upper = (
            _mean_by_count(found, times)
            for found in ceilings(self.ratings, self.measure, weights, times)
        )
        return _People(mean, mean_weights, targets, self._rater_targets(draws, seen), lower, upper)

    def _rater_targets(
        self, draws: _Draws, seen: NDArray[np.bool_]
    ) -> list[tuple[NDArray[np.bool_], Float64Array, Float64Array]]:
        if self.measure == "tau-a":
            return []
        weights, times = draws
        found = []
        patterns, pattern_of = np.unique(seen, axis=1, return_inverse=True)
        for index, pattern in enumerate(patterns.T):
            own = weights if pattern.all() else weights * pattern
            total, number = np.zeros(weights.shape), np.zeros(len(weights))
            for rater in np.flatnonzero(pattern_of == index):
                scores = standardise(self.ratings[:, rater], own, self.measure) * own
                often = np.where(np.isnan(scores).any(axis=1), 0.0, times[:, rater])
                total += np.nan_to_num(scores) * often[:, None]
                number += often
            found.append((pattern, total, number))
        return found

    def _compared(
        self,
        distances: Float64Array,
        nuisances: Sequence[Any],
        draws: _Draws,
        people: _People,
        with_tau: bool,
    ) -> dict[str, Float64Array]:
        """Compare distances with the ratings in some resamples."""
        weights, mean_weights = draws.weights, people.mean_weights
        target = people.mean[0] if len(people.mean) == 1 else people.mean
        found: dict[str, Float64Array] = {}
        scores = standardise_all(distances, mean_weights)
        for measure, targets in people.mean_targets.items():
            found[measure] = np.clip(np.einsum("rn,rn->r", scores[measure], targets), -1.0, 1.0)
        own = scores.get(self.measure) if mean_weights is weights else None
        if with_tau:
            found["tau-a"] = correlate(distances, target, "tau-a", mean_weights)
        found["raters"] = self._with_raters(distances, draws, people, own)
        found["share"] = np.asarray(share_of_ceiling(found["raters"], people.lower))
        found["upper share"] = np.asarray(share_of_ceiling(found["raters"], people.upper))
        found["partial"] = np.full(len(weights), np.nan)
        if len(nuisances):
            measure = self.measure if self.measure in _PARTIAL else "spearman"
            found["partial"] = partial_correlation(
                distances, target, nuisances, measure, mean_weights
            )
        return found

    def _with_raters(
        self,
        distances: Float64Array,
        draws: _Draws,
        people: _People,
        own: Float64Array | None,
    ) -> Float64Array:
        """Average the correlations with single raters."""
        weights, times = draws
        if self.measure == "tau-a":
            by_rater = np.stack(
                [correlate(distances, column, "tau-a", weights) for column in self.ratings.T],
                axis=1,
            )
            return _mean_by_count(by_rater, times)
        total, number = np.zeros(len(weights)), np.zeros(len(weights))
        for pattern, targets, often in people.rater_targets:
            if own is not None and pattern.all():
                scores = own
            else:
                scores = standardise(distances, weights * pattern, self.measure)
            total += np.where(often > 0, np.einsum("rn,rn->r", scores, targets), 0.0)
            number += often
        return _divided(total, number)

    def _p_values(self, distances: Float64Array, statistic: float) -> tuple[float, float]:
        """Test by permuting the images of the mean rating."""
        if not self._permutes or np.isnan(statistic):
            return float("nan"), float("nan")
        if self._permuted is None:
            vector = rdm_from_pairs(self._first, self._second, self.mean, self.n_images)
            rows = permuted_rows(vector, self._first, self._second, self.n_permutations, self.seed)
            # Of an image with itself there is nothing to permute.
            rows[:, self._first == self._second] = np.nan
            shared = ~np.isnan(rows)
            weights = shared.astype(np.float64)
            if self.measure != "tau-a":
                rows = standardise(rows, weights, self.measure) * weights
            rows[shared.sum(axis=1) < _FEWEST_SHARED] = np.nan
            # The same pairs in every permutation: distances are ranked once.
            self._permuted = rows, weights[:1] if (weights == weights[0]).all() else weights
        rows, weights = self._permuted
        if self.measure == "tau-a":
            values = correlate(distances, rows, "tau-a", np.ones(rows.shape))
        else:
            scores = standardise(distances, weights, self.measure)
            values = np.einsum("rn,rn->r", np.broadcast_to(scores, rows.shape), rows)
        return share_as_large(statistic, values), share_as_large(-statistic, -values)


def _mean_by_count(values: Float64Array, times: Float64Array) -> Float64Array:
    """Average over raters, each as often as it counts, without those that are not defined."""
    often = np.where(np.isnan(values), 0.0, times)
    total = (np.nan_to_num(values) * often).sum(axis=1)
    number = often.sum(axis=1)
    return _divided(total, number)


def _divided(total: Float64Array, number: Float64Array) -> Float64Array:
    return np.asarray(np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0))
