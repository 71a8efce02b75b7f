"""What does this network explain of people's judgements beyond other predictors?"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from typing_extensions import override

from facebench.columns import CI_METHOD, N_FAILED, N_IMAGES, N_PAIRS, REMARK
from facebench.data.pairs import read_pairs
from facebench.errors import InputError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.ratings.draws import INTERVALS, IntervalKind
from facebench.metrics.rdm import DISTANCES, rdm, square
from facebench.metrics.reweighting import Reweighted, component_design, feature_design, reweighted
from facebench.metrics.uncertainty.explained_variance import SCALES, Explained, ExplainedVariance
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure
from facebench.tasks.shared.arguments import refuse_unknown
from facebench.tasks.shared.predictor_sources import PredictorSources, predictor_values
from facebench.tasks.shared.rating_columns import interval_columns
from facebench.tasks.shared.ratings import (
    RatingKind,
    find_layout,
    refuse_other_polarity,
    take_ratings,
)
from facebench.types import Float64Array, FloatArray, IntArray, StrPath

__all__ = ["PredictorsTask", "explained_columns", "remarks_on_predictors"]

_log = logging.getLogger(__name__)

Reweight = Literal["features", "components"]
# What the layer in question is called among the predictors.
MODEL = "model"
_DISTANCE, _FITTED = "model_computed_distance", "reweighted_distance"
_RESERVED = ("img1", "img2", "layer_name", _DISTANCE, _FITTED, "distance", MODEL)
_HEADLINE, _UNIQUE = "Cross-validated R2", "Cross-validated Unique R2"
_REWEIGHTED = "Reweighted R2 (cross-validated)"
# Squared differences of more features are no longer fitted in reasonable time.
_MOST_FEATURES = 1024
_FEWEST_IMAGES = 6
_ALIKE, _REVERSED = 0.9999, -0.2


class PredictorsTask(EmbeddingTask):
    """What does this network explain of people's judgements beyond other predictors?

    Every layer's distances and the predictors named here explain the mean rating of each pair
    together, by multiple regression. Cross-validated R2 is of pairs whose images took no part in
    the fit, and may be negative; so are Cross-validated Unique R2 (what the layer adds to all
    others) and Alone. What is of the same pairs as the fit says '(in sample)': R2, Alone R2, Unique
    R2, and 'Common R2: a, b', which with the unique parts add up to R2 (commonality analysis, up to
    five predictors with the layer). Noise Ceiling R2 is the reliability of the mean rating, Share
    of Ceiling and Unique Share of Ceiling are cross-validated R2 divided by it. Partial Correlation
    is of the layer, all others partialled out. 'NAME: …' is the same of another predictor. With
    `reweight` also Reweighted R2, of non-negative weights of the layer's features.

    Parameters
    ----------
    name : str
        Unique name of the task.
    pairs_file_path : str or Path
        A table of rated pairs as `SimilarityTask` takes it, or a file of RDMs.
    images_path : str or Path
        The folder the image names are relative to.
    predictors : dict, optional
        By name: 'pixels' (Euclidean distance at 64 x 64 pixels), a column of the pairs table, a
        file of RDMs, or a mapping: ``rdm`` (a file; ``layer``, ``polarity``), ``embeddings`` (a
        file; ``layer``, ``distance``), ``table`` (a table of images; ``column``, whose absolute
        difference counts, or of texts whether they differ) or ``column``.
    distance : {'cosine', 'euclidean', 'sqeuclidean', 'correlation'}
        The distance of two embeddings.
    ratings, rating
        See `SimilarityTask`.
    scale : {'pearson', 'spearman'}
        Numbers as they are, or ranks of the ratings and of every predictor.
    reweight : {'features', 'components'}, optional
        Fit non-negative weights to the squared differences of the layer's features (up to 1,024),
        or of its first 100 principal components of the training images, with a ridge penalty that
        is chosen within them.
    n_folds : int, optional
        Folds of images; a pair is predicted from those that share no fold with it. None: as many
        as images up to 30, else 10.
    interval : {'jackknife', 'bootstrap'}
        Whether images are left out in turn or drawn with replacement. Intervals are for new images
        and these raters; those of Reweighted R2 are without fitting weights anew.
    n_resamples : int, default 200
        Bootstrap samples, or most images or groups of them that are left out; 0 for no intervals.
    confidence : float, default 0.95
        Nominal coverage of intervals.
    seed : int, default 0
        Of folds, versions and splits of raters.

    Raises
    ------
    PairsError
        If the table cannot be read or has no ratings.
    InputError
        If a predictor cannot be read or lacks an image, or a parameter is none of those above.

    References
    ----------
    I. Groen et al., "Distinct contributions of functional and deep neural network features to
    representational similarity of scenes in human brain and behavior", eLife 7 (2018) e32962;
    K. Nimon et al., Behavior Research Methods 40 (2008) 457-466.
    """

    item_name = "pairs"
    citations = ("groen2018scenes",)

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        predictors: PredictorSources | None = None,
        *,
        distance: str = "cosine",
        ratings: str | list[str] | None = None,
        rating: RatingKind = "distance",
        scale: str = "pearson",
        reweight: Reweight | None = None,
        n_folds: int | None = None,
        interval: IntervalKind = "jackknife",
        n_resamples: int = 200,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        refuse_unknown(
            "PredictorsTask",
            ("distance", distance, DISTANCES),
            ("rating", rating, get_args(RatingKind)),
            ("scale", scale, SCALES),
            ("reweight", reweight, (None, *get_args(Reweight))),
            ("interval", interval, INTERVALS),
        )
        if n_folds is not None and (not isinstance(n_folds, int) or n_folds < 3):
            msg = f"The 'n_folds' parameter of PredictorsTask must be 3 or more. Got {n_folds!r}."
            raise InputError(msg)
        if not 0 < confidence < 1 or n_resamples < 0:
            msg = (
                "PredictorsTask needs 0 < confidence < 1 and no negative number of samples. "
                f"Got {confidence!r} and {n_resamples!r}."
            )
            raise InputError(msg)
        table = read_pairs(pairs_file_path, images_path)
        layout = find_layout(table, ratings, owner="PredictorsTask", path=pairs_file_path)
        refuse_other_polarity(layout, rating, owner="PredictorsTask", path=pairs_file_path)
        taken = take_ratings(table, layout, rating)
        rated = np.asarray(~np.isnan(taken.values).all(axis=1))
        pairs = taken.pairs[rated].reset_index(drop=True)
        super().__init__(name, list(dict.fromkeys([*pairs["img1"], *pairs["img2"]])), images_path)
        self.pairs_file_path, self.distance, self.reweight = pairs_file_path, distance, reweight
        self.distance_metric_name = distance
        self.n_unrated = int((~rated).sum())
        if self.n_unrated:
            _log.warning(
                "Task %r: %d of the %d pairs in %s are left out, since they have no rating.",
                name, self.n_unrated, len(rated), pairs_file_path,
            )  # fmt: skip
        self.predictors = _checked_names(predictors)
        self.scale, self.rating_columns = scale, _rating_columns(taken.values.shape[1])
        columns = dict(zip(self.rating_columns, taken.values[rated].T, strict=True))
        for predictor, source in (predictors or {}).items():
            columns[predictor] = predictor_values(
                predictor, source, pairs, images_path, owner="PredictorsTask", path=pairs_file_path
            )
        self._items = pd.concat([pairs[["img1", "img2"]], pd.DataFrame(columns)], axis=1)
        self._options: dict[str, Any] = {
            "scale": scale, "interval": interval, "n_folds": n_folds, "n_resamples": n_resamples,
            "confidence": confidence, "seed": seed,
        }  # fmt: skip
        place = {image: row for row, image in enumerate(self.images)}
        self._first, self._second = (
            np.array([place[image] for image in pairs[side]], dtype=np.intp)
            for side in ("img1", "img2")
        )
        self._people: tuple[tuple[int, ...], ExplainedVariance] | None = None
        self.measures = self._declared()

    def _declared(self) -> tuple[Measure, ...]:
        several = len(self.rating_columns) > 1
        ceiling = ("Noise Ceiling R2",) if several else ()
        r2: dict[str, Any] = {
            "better": "higher", "chance": 0.0, "bounds": (float("-inf"), 1.0), "ceiling": ceiling
        }  # fmt: skip
        found = [Measure(_HEADLINE, headline=True, **r2, label="Cross-validated R²")]
        if self.predictors:
            found.append(
                Measure(
                    _UNIQUE, headline=True, **r2, label="Unique R² of the layer, cross-validated"
                )
            )
            found.append(Measure("Partial Correlation", better="higher", chance=0, bounds=(-1, 1)))
        found.append(Measure("R2 (in sample)", "higher", bounds=(0, 1), label="R² (in sample)"))
        if several:
            found += [
                Measure("Noise Ceiling R2", bounds=(0, 1), shown=False),
                Measure(
                    "Share of Ceiling",
                    better="higher",
                    chance=0,
                    label="Share of the noise ceiling (1 is the ceiling)",
                ),
            ]
        if self.reweight is not None:
            found.append(Measure(_REWEIGHTED, **r2, label="Reweighted R², cross-validated"))
        return tuple(found)

    @override
    def facts(self) -> TaskFacts:
        return replace(super().facts(), rating_columns=list(self.rating_columns))

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Compute the distances of the rated pairs, and predict them from re-weighted features."""
        distances = square(rdm(embeddings, self.distance))[self._first, self._second]
        items = self._items.assign(**{_DISTANCE: distances})
        if self.reweight is None:
            return items
        kept = np.flatnonzero(self._is_complete(items))
        fitted = np.full(len(items), np.nan)
        if kept.size:
            found = self._reweighted(embeddings, items.iloc[kept], kept)
            fitted[kept] = found.predicted
        return items.assign(**{_FITTED: fitted})

    def _reweighted(
        self, embeddings: FloatArray, items: pd.DataFrame, rows: IntArray
    ) -> Reweighted:
        """Fit weights to the pairs of images that could be read."""
        if self.reweight == "features" and embeddings.shape[1] > _MOST_FEATURES:
            msg = (
                f"Task {self.name!r} can weigh {_MOST_FEATURES:,} features at most, and the layer "
                f"has {embeddings.shape[1]:,}. Say reweight='components'."
            )
            raise InputError(msg)
        used, place = np.unique(
            np.concatenate((self._first[rows], self._second[rows])), return_inverse=True
        )
        first, second = np.split(place, 2)
        make = feature_design if self.reweight == "features" else component_design
        target = self._rated(items).target
        return reweighted(
            make(embeddings[used], first, second), target, first, second,
            seed=self._options["seed"],
        )  # fmt: skip

    def _is_complete(self, items: pd.DataFrame) -> Any:
        return items[[*self.predictors, _DISTANCE]].notna().all(axis=1).to_numpy()

    def _rated(self, items: pd.DataFrame) -> ExplainedVariance:
        """Give the ratings of some pairs, computed once for all layers."""
        key = tuple(items.index)
        if self._people is None or self._people[0] != key:
            ratings = items[list(self.rating_columns)].to_numpy(dtype=np.float64)
            made = ExplainedVariance(ratings, items["img1"], items["img2"], **self._options)
            self._people = key, made
        return self._people[1]

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        items = items_df.reset_index(drop=True)
        complete = self._is_complete(items)
        failed = items[_DISTANCE].isna().to_numpy()
        own = items[complete]
        images = {*own["img1"], *own["img2"]}
        row: dict[str, Any] = {}
        remarks: list[str] = []
        names = [*self.predictors, MODEL]
        n_incomplete = int((~complete & ~failed).sum())
        if n_incomplete:
            remarks.append(f"{n_incomplete} pairs lack a predictor and are left out")
        if len(images) < _FEWEST_IMAGES or len(own) < len(names) + 2:
            remarks.append(f"{len(own)} pairs of {len(images)} images are too few")
            row |= {_HEADLINE: np.nan, CI_METHOD: "none"}
        else:
            rated = self._rated(own)
            values = own[[*self.predictors, _DISTANCE]].to_numpy(dtype=np.float64)
            found = rated.explain(values)
            row |= explained_columns(found, names)
            remarks += remarks_on_predictors(rated, found, values, names)
            if self.reweight is not None:
                row |= self._reweighted_columns(own, rated)
            row[CI_METHOD] = rated.method
            row["Folds"] = rated.blocks.n_folds
        for reason in remarks:
            _log.warning("Task %r: %s.", self.name, reason)
        lost = {*items.loc[failed, "img1"], *items.loc[failed, "img2"]}
        lost -= {*items.loc[~failed, "img1"], *items.loc[~failed, "img2"]}
        return pd.DataFrame(
            [
                row
                | {
                    N_PAIRS: len(own),
                    N_IMAGES: len(images),
                    "Raters": len(self.rating_columns),
                    "Unrated Pairs": self.n_unrated,
                    "Incomplete Pairs": n_incomplete,
                    N_FAILED: len(lost),
                    "Scale": self.scale,
                    "Distance": self.distance,
                    REMARK: "; ".join(remarks),
                }
            ]
        )

    def _reweighted_columns(
        self, items: pd.DataFrame, rated: ExplainedVariance
    ) -> dict[str, float]:
        found = Reweighted(items[_FITTED].to_numpy(dtype=np.float64), np.empty(0))
        return interval_columns(_REWEIGHTED, rated.estimate(lambda w: found.r2(rated.target, w)))

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of images in turn, for errors of differences.

        Parameters
        ----------
        items_df : DataFrame
            As `compute_task_performance` takes it.

        Returns
        -------
        JackknifeReplicates
        """
        items = items_df.reset_index(drop=True)
        own = items[self._is_complete(items)]
        groups = JackknifeGroups(own["img1"], own["img2"])
        values = own[[*self.predictors, _DISTANCE]].to_numpy(dtype=np.float64)
        whole, unique = self._rated(own).left_out(values, groups)
        found: dict[tuple[str | None, str], Float64Array] = {(None, _HEADLINE): whole}
        if self.predictors:
            found[None, _UNIQUE] = unique
        return JackknifeReplicates("image", groups.digest(own["img1"], own["img2"]), found)

    @override
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw what all predictors explain together and what each layer adds, with intervals."""
        ceiling = performances.get("Noise Ceiling R2", pd.Series(dtype=float)).dropna()
        line = (float(ceiling.iloc[0]), "noise ceiling") if len(ceiling) else (0.0, "the mean")
        PlotHelper.interval_plot(
            performances, _HEADLINE, "R² on pairs of other images", "All predictors together",
            output_dir, "explained", reference=line,
        )  # fmt: skip
        if self.predictors:
            PlotHelper.interval_plot(
                performances, _UNIQUE, "R² added, on pairs of other images",
                f"Beyond {', '.join(self.predictors)}", output_dir, "unique",
                reference=(0.0, "adds nothing"),
            )  # fmt: skip


def _checked_names(predictors: Any) -> list[str]:
    if predictors is not None and not hasattr(predictors, "items"):
        msg = (
            "The 'predictors' parameter of PredictorsTask must be a mapping of names to sources. "
            f"Got {predictors!r:.200} instead."
        )
        raise InputError(msg)
    names = [str(name) for name in predictors or {}]
    taken = [name for name in names if name in _RESERVED or name.startswith("rater_")]
    if taken:
        msg = f"A predictor cannot be called {taken[0]!r}: items have a column of that name."
        raise InputError(msg)
    return names


def _rating_columns(n_raters: int) -> list[str]:
    if n_raters == 1:
        return ["distance"]
    return [f"rater_{number + 1:02d}" for number in range(n_raters)]


def explained_columns(found: Explained, names: list[str]) -> dict[str, Any]:
    """Give what predictors explain as the columns of a result.

    Parameters
    ----------
    found : Explained
        The estimates.
    names : list of str
        The predictors; the last is the layer in question, whose columns bear no name.

    Returns
    -------
    dict of str to value
    """
    row: dict[str, Any] = {}
    row |= interval_columns(_HEADLINE, found.cross_validated)
    row |= interval_columns("R2 (in sample)", found.r2)
    has_ceiling = not np.isnan(found.ceiling.value)
    if has_ceiling:
        row |= interval_columns("Noise Ceiling R2", found.ceiling)
        row |= interval_columns("Share of Ceiling", found.share)
    if len(names) == 1:
        return row
    for number in [len(names) - 1, *range(len(names) - 1)]:
        before = "" if number == len(names) - 1 else f"{names[number]}: "
        for column, estimate in (
            (_UNIQUE, found.unique_cross_validated[number]),
            ("Cross-validated Alone R2", found.alone_cross_validated[number]),
            ("Unique R2 (in sample)", found.unique[number]),
            ("Alone R2 (in sample)", found.alone[number]),
            ("Partial Correlation", found.partial[number]),
        ):
            row |= interval_columns(f"{before}{column}", estimate)
        if has_ceiling:
            row |= interval_columns(f"{before}Unique Share of Ceiling", found.unique_share[number])
    for subset, estimate in found.common.items():
        if len(subset) > 1:
            named = ", ".join(names[number] for number in subset)
            row |= interval_columns(f"Common R2: {named} (in sample)", estimate)
    return row


def remarks_on_predictors(
    rated: ExplainedVariance, found: Explained, values: Float64Array, names: list[str]
) -> list[str]:
    """Say in words what is odd about predictors, or why a number is not defined.

    Parameters
    ----------
    rated : ExplainedVariance
        The ratings.
    found : Explained
        What is explained of them.
    values : array, shape [N, Q]
        The predictors.
    names : list of str
        Their names.

    Returns
    -------
    list of str
        Empty where all is well.
    """
    remarks = []
    constant = np.ptp(values, axis=0) == 0
    remarks += [
        f"all values of {name} are equal"
        for name, flat in zip(names, constant, strict=True)
        if flat
    ]
    if np.ptp(rated.target) == 0:
        return [*remarks, "all mean ratings are equal"]
    varying = np.flatnonzero(~constant)
    r = np.atleast_2d(np.corrcoef(np.column_stack((values[:, varying], rated.target)).T))
    for one in range(len(varying)):
        if r[one, -1] < _REVERSED:
            remarks.append(
                f"{names[varying[one]]} is the smaller the less alike people find images "
                f"(r = {r[one, -1]:.2f}): is it a similarity?"
            )
        remarks += [
            f"{names[varying[one]]} and {names[varying[other]]} are the same but for the scale, so "
            "that neither explains anything of its own"
            for other in range(one + 1, len(varying))
            if abs(r[one, other]) > _ALIKE
        ]
    remarks += [
        f"what {name} adds has the opposite sign: all others held constant, people find images "
        f"less alike the smaller it is (partial correlation {partial.value:.2f})"
        for name, partial in zip(names, found.partial, strict=True)
        if len(names) > 1 and partial.high < 0
    ]
    if np.isnan(found.cross_validated.value):
        remarks.append(
            f"{rated.n_images} images are too few, or too rarely paired, to predict pairs of others"
        )
    elif found.cross_validated.value < 0:
        remarks.append(
            f"on pairs of other images the predictors do worse than the mean, although R2 in "
            f"sample is {found.r2.value:.2f}"
        )
    if np.isnan(found.ceiling.value) and rated.n_raters > 1:
        remarks.append("raters do not agree, so there is no noise ceiling")
    elif found.share.value > 1:
        remarks.append(
            "the share of the ceiling is above 1: the ratings are predicted better than other "
            "raters would repeat them"
        )
    return remarks
