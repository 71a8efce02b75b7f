"""Pairs that people rated, ready to be compared with the distances of many layers.

What depends on people alone (ceilings, versions without some images or raters, permutations, ranks
of ratings in all of them) is computed once, so that each further layer costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.correlation import (
    MEASURES,
    correlate,
    partial_correlation,
    standardise_all,
)
from facebench.metrics.noise_ceiling import (
    POOLS,
    NoiseCeiling,
    noise_ceiling,
    pool_for,
    pooled_ratings,
    share_of_ceiling,
    split_half,
)
from facebench.metrics.ratings.draws import (
    DYAD,
    INTERVALS,
    RESAMPLES,
    Draws,
    IntervalKind,
    RatedUnits,
    Resample,
)
from facebench.metrics.ratings.permutations import ChanceTest
from facebench.metrics.ratings.raters import People, people_in, scales_differ, with_raters
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.rating_resamples import (
    RatingEstimate,
    RatingReplicates,
    replicated_interval,
)
from facebench.types import Float64Array

__all__ = [
    "Comparison",
    "Estimate",
    "IntervalKind",
    "RatedPairs",
    "RatingComparison",
    "RatingEstimate",
    "Resample",
]

# Versions x pairs whose ranks are kept from one layer to the next.
_KEPT = 1 << 24
_FEWEST_IMAGES = 3
_PARTIAL = ("pearson", "spearman")
_PROPORTIONS = ("share", "upper share")


class RatingComparison(NamedTuple):
    """What one layer's distances have to do with the ratings.

    Attributes
    ----------
    correlations : dict of str to RatingEstimate
        With the mean rating, by measure.
    with_raters : RatingEstimate
        Mean correlation with single raters, by the measure of the ceiling.
    share : RatingEstimate
        `with_raters` as a share of the lower noise ceiling.
    upper_share : RatingEstimate
        As a share of the upper one.
    partial : RatingEstimate
        With the mean rating, nuisances partialled out; NaN without nuisances.
    p_value, p_reversed : float
        Of a correlation with the mean rating as large, or as small, by chance.
    p_method : str
        How they were computed, or why they are not defined.
    """

    correlations: dict[str, RatingEstimate]
    with_raters: RatingEstimate
    share: RatingEstimate
    upper_share: RatingEstimate
    partial: RatingEstimate
    p_value: float
    p_reversed: float
    p_method: str


# Their older names.
Comparison = RatingComparison
Estimate = RatingEstimate


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
        The measure of ceilings, shares and p values.
    pool : {'mean', 'zscore', 'rank'}, optional
        How raters are averaged, see `facebench.metrics.noise_ceiling.pooled_ratings`. None takes
        raw ratings for the mean rating, and for ceilings what suits the measure (`pool_for`).
    by : {'image', 'rater', 'both', 'pair'}
        What intervals are for: by 'image' new images and these raters, by 'both' new ones of
        either.
    interval : {'jackknife', 'bootstrap'}
        Where standard errors come from: leaving images or raters out in turn, or drawing them
        with replacement; see `uncertainty.rating_resamples.replicated_interval`. A bootstrap of
        images counts what is peculiar to single pairs three times, the jackknife twice.
    n_resamples, n_permutations : int
        Most versions for an interval (of more images, groups are left out), and permutations;
        0 for none.
    confidence : float, default 0.95
        Nominal coverage of intervals.
    seed : int, default 0
        The same seed gives the same intervals and p values.

    Attributes
    ----------
    rated : array of bool, shape [N]
        Pairs that someone rated. Nothing is computed from the others.
    ratings : array, shape [pairs rated, raters of some]
    mean : array, shape [N]
        Mean rating of each pair, over the raters who rated it; NaN for unrated pairs.
    pool : str
        How raters are averaged for ceilings.
    n_images : int
        Of the pairs rated.
    scales_differ : bool
        Whether mean ratings depend on who rated which pair, see `raters.scales_differ`.
    ceiling : NoiseCeiling
    split_half : SplitHalf

    Raises
    ------
    ValueError
        If shapes do not fit or a name is unknown.

    References
    ----------
    H. H. Schütt et al., "Statistical inference on representational geometries", eLife 12 (2023)
    e82566; H. Nili et al., PLoS Computational Biology 10 (2014) e1003553.

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
        pool: str | None = None,
        by: Resample = "image",
        interval: IntervalKind = "jackknife",
        n_resamples: int = 200,
        n_permutations: int = 999,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        given = np.asarray(ratings, dtype=np.float64)
        names1, names2 = list(first), list(second)
        if given.ndim != 2 or not len(given) == len(names1) == len(names2):
            msg = (
                "Rated pairs need a row of ratings and two images for each pair. "
                f"Got ratings of shape {given.shape}, and {len(names1)} and {len(names2)} images."
            )
            raise ValueError(msg)
        for name, value, known in (
            ("measure", measure, MEASURES),
            ("by", by, RESAMPLES),
            ("interval", interval, INTERVALS),
            ("pool", "mean" if pool is None else pool, POOLS),
        ):
            if value not in known:
                msg = f"The {name!r} must be one of {', '.join(known)}. Got {value!r} instead."
                raise ValueError(msg)
        self.measure, self.confidence = measure, confidence
        self.n_permutations = n_permutations
        self.pool = pool_for(measure) if pool is None else pool
        seen = ~np.isnan(given)
        self.rated: NDArray[np.bool_] = np.asarray(seen.any(axis=1))
        self.ratings: Float64Array = given[self.rated][:, seen.any(axis=0)]
        ends = [
            [name for name, there in zip(names, self.rated, strict=True) if there]
            for names in (names1, names2)
        ]
        place = {name: row for row, name in enumerate(dict.fromkeys(ends[0] + ends[1]))}
        self.n_images = len(place)
        one, other = (np.array([place[name] for name in side], dtype=np.intp) for side in ends)
        self.units = RatedUnits(
            one, other,
            self.n_images, self.ratings.shape[1], by, interval, n_resamples, seed,
        )  # fmt: skip
        self._averaged = pooled_ratings(self.ratings, pool or "mean")
        self._whole = Draws(np.ones((1, len(self.ratings))), np.ones((1, self.ratings.shape[1])))
        self._found = self._people_in(self._whole)
        self.mean: Float64Array = np.full(len(given), np.nan)
        self.mean[self.rated] = self._found.mean[0]
        self.ceiling: NoiseCeiling = noise_ceiling(self.ratings, measure, pool=self.pool)
        self.split_half = split_half(self._averaged, measure, seed=seed)
        # The mean rating of a pair tells who rated it, too.
        self.scales_differ = pool in (None, "mean") and scales_differ(self.ratings)
        self._kept: dict[tuple[str, int], tuple[Draws, People]] = {}
        self._test: ChanceTest | None = None

    @property
    def resamples(self) -> bool:
        """Whether there are intervals: enough versions, and images or raters to leave out."""
        return bool(self.units.factors)

    def ceiling_intervals(self) -> tuple[RatingEstimate, RatingEstimate]:
        """Give the lower and the upper noise ceiling with their intervals."""
        found: dict[str, dict[str, Float64Array]] = {
            factor: {
                side: np.concatenate([getattr(people, side) for _, people in self._blocks(factor)])
                for side in ("lower", "upper")
            }
            for factor in self.units.versions
        }
        return (
            self._estimate("lower", self.ceiling.lower, found),
            self._estimate("upper", self.ceiling.upper, found),
        )

    def compare(self, distances: Any, nuisances: Sequence[Any] = ()) -> RatingComparison:
        """Compare one layer's distances with the ratings.

        Parameters
        ----------
        distances : array-like, shape [N]
            A distance for each pair; those of unrated pairs are not looked at.
        nuisances : sequence of array-like, shape [N]
            Other distances of the pairs, to be partialled out.

        Returns
        -------
        RatingComparison

        Raises
        ------
        ValueError
            If there is not one distance for each pair, or one of a rated pair is NaN or infinite.
        """
        given = np.asarray(distances, dtype=np.float64)
        if given.shape != self.mean.shape or not np.isfinite(given[self.rated]).all():
            msg = f"Each of the {len(self.mean)} pairs needs one finite distance."
            raise ValueError(msg)
        values = given[self.rated]
        nuisances = [np.asarray(each, dtype=np.float64)[self.rated] for each in nuisances]
        exact = self._compared(values, nuisances, self._whole, self._found)
        versions: dict[str, dict[str, Float64Array]] = {}
        for factor in self.units.versions:
            parts = [
                self._compared(values, nuisances, draws, people)
                for draws, people in self._blocks(factor)
            ]
            versions[factor] = {
                name: np.concatenate([part[name] for part in parts]) for name in exact
            }
        found = {
            name: self._estimate(name, float(value[0]), versions) for name, value in exact.items()
        }
        undefined = RatingEstimate(*[float("nan")] * 3)
        larger, smaller, method = self._p_values(values, found[self.measure].value)
        return RatingComparison(
            {measure: found[measure] for measure in MEASURES},
            found["raters"],
            found["share"],
            found["upper share"],
            found.get("partial", undefined),
            larger,
            smaller,
            method,
        )

    def left_out(self, distances: Any, groups: JackknifeGroups) -> dict[str, Float64Array]:
        """Correlate one layer's distances with the mean rating, without each group of images.

        Parameters
        ----------
        distances : array-like, shape [pairs rated]
            A finite distance for each rated pair.
        groups : JackknifeGroups
            Of the images of these pairs.

        Returns
        -------
        dict of str to array, shape [groups]
            By measure; without 'tau-a', which would take too long.
        """
        kept = groups.kept.T.astype(np.float64)
        values = np.asarray(distances, dtype=np.float64)
        measures = [name for name in MEASURES if name != "tau-a"]
        return {name: correlate(values, self.mean[self.rated], name, kept) for name in measures}

    def _people_in(self, draws: Draws) -> People:
        return people_in(self.ratings, self._averaged, self.measure, self.pool, draws)

    def _estimate(
        self, name: str, value: float, versions: dict[str, dict[str, Float64Array]]
    ) -> RatingEstimate:
        left_out = self.units.interval == "jackknife"
        # Of few images the products of Pearson's correlation have long tails.
        is_pearson = "pearson" in (name, self.measure if name not in MEASURES else "")
        dyads = None if is_pearson or DYAD not in versions else versions[DYAD][name]
        # As in `jackknife_error`: shares of 12 images were covered in .932 of worlds without it.
        n_images = self.units.n_units("image") if dyads is not None else 0
        is_widened = name in _PROPORTIONS and n_images > 1
        return replicated_interval(
            value,
            [
                RatingReplicates(
                    found[name],
                    self.units.n_units(factor),
                    left_out,
                    dyads if factor == "image" else None,
                )
                for factor, found in versions.items()
                if factor != DYAD
            ],
            confidence=self.confidence,
            is_correlation=name not in _PROPORTIONS,
            inflation=n_images / (n_images - 1) if is_widened else 1.0,
        )

    def _blocks(self, factor: str) -> Iterator[tuple[Draws, People]]:
        """Give all versions for one factor, block by block, with what people are in them."""
        keep = self.units.n_units(factor) * len(self.ratings) <= _KEPT
        for place, draws in enumerate(self.units.blocks(factor)):
            known = self._kept.get((factor, place))
            if known is None:
                known = draws, self._people_in(draws)
                if keep:
                    self._kept[factor, place] = known
            yield known

    def _compared(
        self, distances: Float64Array, nuisances: Sequence[Any], draws: Draws, people: People
    ) -> dict[str, Float64Array]:
        """Compare distances with the ratings in some versions."""
        weights, mean_weights = draws.weights, people.mean_weights
        found: dict[str, Float64Array] = {}
        scores = standardise_all(distances, mean_weights)
        for measure, targets in people.mean_targets.items():
            found[measure] = np.clip(np.einsum("rn,rn->r", scores[measure], targets), -1.0, 1.0)
        found["tau-a"] = correlate(distances, people.target, "tau-a", mean_weights)
        own = scores.get(self.measure) if mean_weights is weights else None
        found["raters"] = with_raters(distances, self.ratings, self.measure, draws, people, own)
        found["share"] = np.asarray(share_of_ceiling(found["raters"], people.lower))
        found["upper share"] = np.asarray(share_of_ceiling(found["raters"], people.upper))
        if len(nuisances):
            measure = self.measure if self.measure in _PARTIAL else "spearman"
            found["partial"] = partial_correlation(
                distances, people.target, nuisances, measure, mean_weights
            )
        return found

    def _p_values(self, distances: Float64Array, statistic: float) -> tuple[float, float, str]:
        """Test the correlation with the mean rating, and say how."""
        undefined = float("nan"), float("nan")
        if self.n_permutations < 1:
            return *undefined, "none: no permutations were asked for"
        if self.n_images < _FEWEST_IMAGES:
            return *undefined, f"none: {self.n_images} images are too few"
        if np.isnan(statistic):
            return *undefined, "none: the correlation is not defined"
        if self._test is None:
            mean = self.mean[self.rated]
            self._test = ChanceTest.of(mean, self.units, self.measure, self.n_permutations)
        larger, smaller = self._test.p_values(distances)
        if np.isnan(larger):
            return *undefined, f"none: {len(distances)} pairs are too few, or too alike"
        return larger, smaller, self._test.method
