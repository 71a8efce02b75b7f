"""Does the network judge similarity as people do, as far as people agree?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from typing_extensions import override

from facebench.columns import REMARK, comparable_name
from facebench.data.estimates import InfluenceKind
from facebench.data.rdms import is_rdm_file
from facebench.errors import InputError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.correlation import MEASURES
from facebench.metrics.noise_ceiling import POOLS, Pool
from facebench.metrics.ratings.draws import INTERVALS, RESAMPLES
from facebench.metrics.ratings.pairs import IntervalKind, RatedPairs, Resample
from facebench.metrics.uncertainty.jackknife import JackknifeReplicates
from facebench.tasks.base import RoundedTask
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure
from facebench.tasks.shared.arguments import refuse_unknown
from facebench.tasks.shared.people import PeopleSource, groups_of_people, trials_of
from facebench.tasks.shared.people_answers import PairAnswers, refuse_kind
from facebench.tasks.shared.people_raters import RatersBeside
from facebench.tasks.shared.pixels import PixelDistances
from facebench.tasks.shared.predictor_sources import NuisanceSources, as_sources, predictor_values
from facebench.tasks.shared.rating_columns import (
    MEAN_CEILING,
    MEASURE_NAMES,
    OTHER_POLARITY,
    interval_columns,
    rating_columns,
    rating_measures,
    ratings_left_out,
    remarks_on,
)
from facebench.tasks.shared.ratings import (
    RATER,
    RatingKind,
    Ratings,
    count_pairs,
    find_layout,
    is_rated,
    refuse_other_polarity,
    take_ratings,
)
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import DistancesByModel, Float64Array, MetricFunction, StrPath

if TYPE_CHECKING:
    from facebench.people import Trials

__all__ = ["SimilarityTask"]

_log = logging.getLogger(__name__)


class SimilarityTask(RoundedTask):
    """Are pairs that people find unlike far apart for the network, as far as people agree?

    Reports the correlation with the mean rating (Pearson, Spearman, Kendall Tau-a, Rho-a), each
    with an interval, and P Value (is it above chance?): by permuting images where all their pairs
    are rated, else by a t test modified for pairs that share images (P Method). With several raters
    also, by the measure of `measure`: Single Rater Correlation (mean of the correlations with each
    rater), Noise Ceiling Lower (how well the other raters' mean predicts each) and Upper, Share of
    Ceiling = Single Rater Correlation / Noise Ceiling Lower and Share of Upper Ceiling, and Split
    Half Reliability of the mean rating (Spearman-Brown). Both sides of a share are about single
    raters; the correlation with the mean rating is not divided. How high that one can get is Mean
    Rating Ceiling, the square root of the reliability (of 'pearson' and 'spearman'; NaN where
    raters do not agree). With nuisances also Partial Correlation. Larger is better in all but P
    Value. What is not defined is NaN, and the column Remark says why.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric
        See `BaseTask`. The table holds a mean rating, a column per rater, or (in columns rater,
        img1, img2, rating) a row per rating; empty cells are missing ratings, left out pair by
        pair and counted in Missing Ratings. Pairs without any rating are not measured, but
        counted in Unrated Pairs.
    ratings : str or list of str, optional
        Columns of the ratings, or patterns such as 'rater_*'. None finds 'rater' and 'rating',
        else all 'rater_*', else 'distance', 'rating' or 'similarity'.
    rating : {'distance', 'similarity'}
        Whether larger ratings mean less alike or more.
    measure : {'spearman', 'pearson', 'tau-a', 'rho-a'}
        The measure of ceilings, shares, the partial correlation and the P Value.
    pool : {'mean', 'zscore', 'rank'}, optional
        How raters are averaged: raw ratings, each rater's standardised, or their ranks. None takes
        raw ratings for the mean rating, and for noise ceilings what predicts single raters best:
        ranks for measures of order, standardised ratings for 'pearson'. Remark tells where raters
        rated different pairs on scales of their own, so that 'zscore' or 'rank' is better.
    nuisance : str, Path or list of them, optional
        Other distances to partial out (those of 'pearson' or 'spearman' ranks): columns of the
        table, or files of one RDM each, which become columns under the names of the files.
    pixel_distance : bool, default False
        Partial out the Euclidean distance of the images too, at 64 x 64 pixels.
    resample : {'image', 'rater', 'both', 'pair'}
        What intervals are for: new images judged by these raters, new raters of these images,
        new ones of both; 'pair' suits tables in which no image comes twice.
    interval : {'jackknife', 'bootstrap'}
        Where their standard errors come from: leaving images or raters out in turn, or drawing
        them with replacement. Both give Student's interval of as many degrees of freedom as there
        are images or raters, less one; correlations go through Fisher's z.
    n_resamples, n_permutations : int, default 200 and 999
        Bootstrap samples, or most leavings-out (of more images groups are left out), and
        permutations; 0 for none.
    confidence : float, default 0.95
        Nominal coverage of intervals.
    seed : int, default 0
        The same seed gives the same intervals.
    people : Trials, path or mapping, optional
        Trials of kind 'rating' that show these pairs, instead of ratings in the table: see
        `facebench.people.people_of`. Participants then have rows of results: how well each predicts
        the mean rating of the others, and every layer its difference from that.
    people_groups : bool or list of str, optional
        A row for each group of participants: by default where the trials name two or more.
    people_margin : float, optional
        The smallest difference from people that would matter, for a test of equivalence.

    Raises
    ------
    PairsError
        If a column is missing or holds something else than numbers.
    InputError
        If a parameter is none of those above.

    References
    ----------
    H. Nili et al., "A toolbox for representational similarity analysis", PLoS Computational
    Biology 10 (2014); H. H. Schütt et al., "Statistical inference on representational
    geometries", eLife 12 (2023).
    """

    citations = ("nili2014toolbox", "schutt2023inference")

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        ratings: str | Sequence[str] | None = None,
        *,
        rating: RatingKind = "distance",
        measure: str = "spearman",
        pool: Pool | None = None,
        nuisance: NuisanceSources | None = None,
        pixel_distance: bool = False,
        resample: Resample = "image",
        interval: IntervalKind = "jackknife",
        n_resamples: int = 200,
        n_permutations: int = 999,
        confidence: float = 0.95,
        seed: int = 0,
        people: PeopleSource = None,
        people_groups: bool | Sequence[str] | None = None,
        people_margin: float | None = None,
    ) -> None:
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        self.people = trials_of(people)
        if self.people is not None:
            ratings = self._take_people(self.people, ratings, people_groups)
        refuse_unknown(
            type(self).__name__,
            ("rating", rating, ("distance", "similarity")),
            ("measure", measure, MEASURES),
            ("resample", resample, RESAMPLES),
            ("interval", interval, INTERVALS),
            ("pool", pool, (None, *POOLS)),
        )
        if not 0 < confidence < 1 or n_resamples < 0 or n_permutations < 0:
            msg = (
                f"{type(self).__name__} needs 0 < confidence < 1 and no negative numbers of "
                f"samples. Got {confidence!r}, {n_resamples!r} and {n_permutations!r}."
            )
            raise InputError(msg)
        self.rating: RatingKind = rating
        self.measure, self.resample, self.seed = measure, resample, seed
        self.pool: Pool | None = pool
        self.interval: IntervalKind = interval
        self.n_resamples, self.n_permutations = n_resamples, n_permutations
        self.confidence, self.pixel_distance = confidence, pixel_distance
        self.layout = find_layout(
            self.pairs_df, ratings, owner=type(self).__name__, path=pairs_file_path
        )
        refuse_other_polarity(self.layout, rating, owner=type(self).__name__, path=pairs_file_path)
        self.nuisance = [self._nuisance_column(source) for source in as_sources(nuisance)]
        for column in self.nuisance:
            self._numbers("nuisance", column)
        self._people: tuple[Float64Array, RatedPairs] | None = None
        self._pixels: PixelDistances | None = None
        self._suspect_similarities()
        n_pairs = count_pairs(self.pairs_df, self.layout)
        self.n_unrated = n_pairs - count_pairs(self.measured_pairs, self.layout)
        if self.n_unrated:
            _log.warning(
                "Task %r: %d of the %d pairs in %s are left out, since they have no rating.",
                name,
                self.n_unrated,
                n_pairs,
                pairs_file_path,
            )
        self.sampling_unit = "images and raters" if resample == "both" else f"{resample}s"
        is_long = self.layout.is_long
        n_raters = self.measured_pairs[RATER].nunique() if is_long else len(self.layout.columns)
        self.measures = rating_measures(measure, n_raters)
        self._beside = self._raters_beside(people_margin)
        if self.nuisance or pixel_distance:
            self.measures += (
                Measure("Partial Correlation", better="higher", chance=0, bounds=(-1, 1)),
            )

    @override
    def facts(self) -> TaskFacts:
        return replace(
            super().facts(),
            # In long form a row is one rating of several of a pair.
            rating_columns=[] if self.layout.is_long else list(self.layout.columns),
            rates_similarity=self.rating == "similarity",
        )

    def _take_people(
        self,
        people: Trials,
        ratings: str | Sequence[str] | None,
        people_groups: bool | Sequence[str] | None,
    ) -> list[str]:
        """Put the ratings of participants into columns of the table; give their names."""
        if ratings is not None:
            msg = (
                f"{type(self).__name__} {self.name!r} was given both 'people' and 'ratings'. Give "
                "one of them: the trials of people, or columns of the pairs file."
            )
            raise InputError(msg)
        refuse_kind(people, ("rating",), task=self.name)
        cell = np.zeros(len(self.pairs_df), dtype=np.intp)
        answers = PairAnswers(
            people, pd.DataFrame(self.pairs_df), cell, ["all"], None, task=self.name
        )
        self.people_notes = answers.notes
        known = groups_of_people(people, people_groups, owner=type(self).__name__)
        names = {who: f"{RATER}_{who}" for who in answers.participants}
        self._columns_of = {
            group: [names[who] for who in own.participants if who in names]
            for group, own in known.items()
        }
        for place, who in enumerate(answers.participants):
            self.pairs_df[names[who]] = answers.matrix[:, place]
        return list(names.values())

    def _raters_beside(self, margin: float | None) -> RatersBeside | None:
        """Set single participants beside layers."""
        if self.people is None:
            return None
        pairs = pd.DataFrame(self.measured_pairs).reset_index(drop=True)
        taken = take_ratings(pairs, self.layout, self.rating)
        place = {column: number for number, column in enumerate(self.layout.columns)}
        groups = {
            group: taken.values[:, [place[column] for column in columns]]
            for group, columns in self._columns_of.items()
        }
        few = next((group for group, values in groups.items() if values.shape[1] < 3), None)
        if few is not None:
            msg = (
                f"Task {self.name!r} needs three participants or more who rated its pairs. Got "
                f"{groups[few].shape[1]} of {few!r}."
            )
            raise InputError(msg)
        name = MEASURE_NAMES[self.measure]
        return RatersBeside(groups, pairs, self.measure, name, self.pool, margin)

    @override
    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as the task measures a layer; see `WithPeople.people_rows`."""
        return None if self._beside is None else self._beside.rows()

    @override
    def against_people(self, measured: pd.DataFrame) -> dict[str, Any]:
        """Compare a layer with people; see `WithPeople.against_people`."""
        if self._beside is None:
            return {}
        return self._beside.against(measured["model_computed_distance"].to_numpy(dtype=np.float64))

    @property
    @override
    def measured_pairs(self) -> pd.DataFrame:
        """The rows of `pairs_df` whose pair someone rated."""
        rated = is_rated(self.pairs_df, self.layout)
        return self.pairs_df if rated.all() else self.pairs_df[rated]

    @property
    @override
    def influences(self) -> Mapping[str, InfluenceKind]:
        return {"Pearson": "pearson", "Spearman": "spearman", "Kendall Tau-a": "tau-a"}

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        taken = take_ratings(pairs_distances_df, self.layout, self.rating)
        rated = self._rated(taken)
        distances = taken.pairs["model_computed_distance"].to_numpy(dtype=np.float64)
        found = rated.compare(distances, self._nuisances(taken.pairs))
        remarks = remarks_on(rated, found, distances)
        if OTHER_POLARITY in remarks:
            _log.warning(
                "Task %r: pairs with larger ratings are nearer to each other for the network "
                "(p = %.3g). If larger ratings mean more alike, pass rating=%r.",
                self.name,
                found.p_reversed,
                "similarity" if self.rating == "distance" else "distance",
            )
        for reason in remarks:
            _log.warning("Task %r: %s.", self.name, reason)
        row = rating_columns(rated, found, self.n_unrated)
        row["Missing Ratings"] += self.n_unrated * row["Raters"]
        if self.nuisance or self.pixel_distance:
            row |= interval_columns("Partial Correlation", found.partial)
        row |= {
            "Distance Metric": self.distance_metric_name,
            "Ceiling Measure": MEASURE_NAMES[self.measure],
            REMARK: "; ".join(remarks),
        }
        return pd.DataFrame([row])

    def left_out(self, pairs_distances_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of images in turn, for errors of differences."""
        taken = take_ratings(pairs_distances_df, self.layout, self.rating)
        return ratings_left_out(
            self._rated(taken), taken.pairs, taken.pairs["model_computed_distance"]
        )

    @override
    def plot(
        self,
        output_dir: str,
        performances: pd.DataFrame,
        distances: DistancesByModel | None = None,
        *optional: Any,
    ) -> None:
        """Draw correlations and shares of the ceiling with intervals, and the pairs behind them.

        Where participants rated the pairs, networks stand beside them: both are correlated with the
        mean rating of the other participants.
        """
        name = MEASURE_NAMES[self.measure]
        PlotHelper.interval_plot(
            performances, name, f"{name} with the mean rating", f"{name} with people",
            output_dir, "correlation", reference=(0.0, "chance"),
        )  # fmt: skip
        if performances.get("Share of Ceiling", pd.Series(dtype=float)).notna().any():
            PlotHelper.interval_plot(
                performances, "Share of Ceiling", "Share of the lower noise ceiling",
                "Share of what people explain", output_dir, "share_of_ceiling",
                reference=(1.0, "as other people"),
            )  # fmt: skip
        beside = comparable_name(name)
        if performances.get(beside, pd.Series(dtype=float)).notna().any():
            levels = [(0.0, "chance")]
            if performances.get(MEAN_CEILING, pd.Series(dtype=float)).notna().any():
                levels.append(
                    (float(performances[MEAN_CEILING].max()), "noise ceiling of the mean")
                )
            PlotHelper.interval_plot(
                performances, beside, f"{name} with the mean rating of the other people",
                "Networks beside people", output_dir, "beside_people", reference=levels,
            )  # fmt: skip
        if distances is not None:
            PlotHelper.scatter_plot(
                performances.rename(columns={name: "Correlation Score"}).assign(
                    **{"Correlation Metric": name}
                ),
                {
                    model: {self.name: self._averaged(tables[self.name])}
                    for model, tables in distances.items()
                    if self.name in tables
                },
                output_dir,
                "scatters",
            )

    def _averaged(self, table: pd.DataFrame) -> pd.DataFrame:
        """Give the mean rating as the given distance, a row per pair and layer."""
        frames = []
        for _, rows in table.groupby("layer_name", sort=False):
            kept = rows[rows["model_computed_distance"].notna()].reset_index(drop=True)
            taken = take_ratings(kept, self.layout, self.rating)
            frames.append(taken.pairs.assign(distance=self._rated(taken).mean))
        return pd.concat(frames, ignore_index=True)

    def _rated(self, taken: Ratings) -> RatedPairs:
        """Give what depends on people alone, computed once for all layers of the same pairs."""
        if self._people is not None and np.array_equal(
            self._people[0], taken.values, equal_nan=True
        ):
            return self._people[1]
        rated = RatedPairs(
            taken.values,
            taken.pairs["img1"],
            taken.pairs["img2"],
            measure=self.measure,
            pool=self.pool,
            by=self.resample,
            interval=self.interval,
            n_resamples=self.n_resamples,
            n_permutations=self.n_permutations,
            confidence=self.confidence,
            seed=self.seed,
        )
        self._people = taken.values, rated
        return rated

    def _nuisance_column(self, source: Any) -> str:
        """Name the column of a nuisance, which a file becomes."""
        is_file = not isinstance(source, str) or (
            source not in self.pairs_df and is_rdm_file(Path(source))
        )
        if not is_file:
            return str(source)
        rdm = source.get("rdm", "nuisance") if isinstance(source, Mapping) else source
        column = Path(str(rdm)).stem
        if column in self.pairs_df:
            msg = (
                f"The nuisance {source!s} of {type(self).__name__} cannot become a column: "
                f"{self.pairs_file_path} has a column {column!r}. Rename one of them."
            )
            raise InputError(msg)
        self.pairs_df[column] = predictor_values(
            column, source, self.pairs_df, self.images_path,
            owner=type(self).__name__, path=self.pairs_file_path,
        )  # fmt: skip
        return column

    def _nuisances(self, pairs: pd.DataFrame) -> list[Float64Array]:
        given = [pairs[column].to_numpy(dtype=np.float64) for column in self.nuisance]
        if self.pixel_distance:
            if self._pixels is None or self._pixels.folder != self.images_path:
                self._pixels = PixelDistances(self.images_path)
            given.append(self._pixels.of_pairs(pairs["img1"], pairs["img2"]))
        return given

    def _suspect_similarities(self) -> None:
        """Warn before anything runs where the table itself tells that similarities were rated."""
        if self.rating == "similarity":
            return
        named = [column for column in self.layout.columns if "simil" in column.lower()]
        clues = [f"their column is called {named[0]!r}"] if named else []
        taken = take_ratings(self.pairs_df, self.layout, "distance")
        same = (taken.pairs["img1"] == taken.pairs["img2"]).to_numpy()
        if same.any() and not same.all():
            means = [np.nanmean(taken.values[rows]) for rows in (same, ~same)]
            if means[0] > means[1]:
                clues.append("pairs of an image with itself have larger ratings than others")
        if clues and not (named and "dis" in named[0].lower()):
            _log.warning(
                "Task %r takes its ratings as distances, but %s. If larger means more alike, pass "
                "rating='similarity'.",
                self.name,
                " and ".join(clues),
            )
