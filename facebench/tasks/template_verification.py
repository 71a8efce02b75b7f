"""Verification of templates: many images of a person against many, as in the IJB benchmarks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import CI_METHOD, N_FAILED, N_IDENTITIES, N_IMAGES, N_PAIRS
from facebench.data.flipping import flipped_name
from facebench.data.pairs import as_path, row_name
from facebench.errors import InputError, MissingImageError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.templates import Flip, Normalise, combine_flips, pool_templates
from facebench.metrics.uncertainty.influence import eer_influence
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.replicates import verification_jackknife
from facebench.metrics.verification_report import verify
from facebench.tasks.base import round_measures
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.tasks.shared.image_tables import read_image_table
from facebench.tasks.shared.labelled_pairs import SamplingUnits, jackknife_note, read_labels
from facebench.tasks.shared.rate_measures import (
    ORACLE_ACCURACY,
    columns_of,
    interval_notes,
    rate_measures,
    tar_columns,
)
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import Float64Array, FloatArray, MetricFunction, StrPath

__all__ = ["TemplateVerificationTask"]

_SIDES = ("template1", "template2")
_SHOWN = 5


class TemplateVerificationTask(EmbeddingTask):
    """Does the network tell same-person pairs of templates from others?

    A template is all images of a person that came in together. Their embeddings are averaged
    within each medium (the frames of one video), then over media, see `pool_templates`.

    Reports AUC, EER and TAR@FAR=0.1 … with 95 % intervals, each TAR's threshold (a pair is accepted
    if distance <= threshold), and Oracle Accuracy, whose threshold is the best on these very pairs.
    Intervals leave out people in turn where the table names them, with all their templates, else
    templates ('CI Method' says which), as those of `VerificationTask`. Pairs with a template none
    of whose images can be read are rejected, and counted in 'Failed'.

    Parameters
    ----------
    name, images_path
        See `EmbeddingTask`.
    templates : str, Path or DataFrame
        A row per image with the columns 'template' and 'image' (or 'img'), and optionally 'media'
        and 'identity'.
    pairs : str, Path or DataFrame
        A row per pair with the columns 'template1', 'template2' and `true_label`.
    distance_metric : callable, default sklearn's ``cosine_distances``
        Distance of two [1, D] tensors.
    true_label : str, default 'same'
        Column that is 1 (or true, or 'same') for pairs of one person, 0 (false, 'different') else.
    normalise : {'before', 'after', 'both', 'none'}
        Bring images to unit length before they are pooled, or templates after.
    weights : str, optional
        'norm' weighs images by the length of their embedding; else a column of `templates`, such
        as detector scores.
    flip : {'sum', 'concat'}, optional
        Combine each embedding with that of the mirrored image, before all else.
    flipped_images_path : str or Path, optional
        The folder of mirrored images, needed for `flip`: `write_flipped` makes it.
    far : sequence of float, default 0.1, 0.01, 0.001
        Targets of the false accept rate.
    n_resamples, seed : int, default 1000, 0
        Without effect since intervals leave out people in turn; kept for files that name them.

    Raises
    ------
    PairsError
        If a table lacks something, or a pair names a template without images.
    MissingImageError
        If a mirrored image is missing.
    InputError
        If a switch is not what it should be.
    """

    item_name = "template pairs"
    citations = ("maze2018ijbc",)

    def __init__(
        self,
        name: str,
        templates: StrPath | pd.DataFrame,
        pairs: StrPath | pd.DataFrame,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        *,
        true_label: str = "same",
        normalise: Normalise = "before",
        weights: str | None = None,
        flip: Flip | None = None,
        flipped_images_path: StrPath | None = None,
        far: Sequence[float] = (1e-1, 1e-2, 1e-3),
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> None:
        owner = type(self).__name__
        self._check_switches(normalise, flip, flipped_images_path)
        table = read_image_table(
            templates, parameter="templates", owner=owner, columns=("template", "image")
        )
        pair_table = read_image_table(
            pairs, parameter="pairs", owner=owner, columns=(*_SIDES, true_label)
        )
        column = "img" if "img" in table.rows and "image" not in table.rows else "image"
        names = table.texts(None, column).tolist()
        self._templates, self._media, self._people = (
            table.texts(None, wanted).to_numpy(dtype=str) if is_there else None
            for wanted, is_there in (
                ("template", True),
                ("media", "media" in table.rows),
                ("identity", "identity" in table.rows),
            )
        )
        self.weights = (
            weights if weights in (None, "norm") else table.numbers("weights", weights).to_numpy()
        )
        images, folder = names, images_path
        if flip is not None and flipped_images_path is not None:
            images, folder = _with_flipped(name, names, images_path, flipped_images_path)
        super().__init__(name, images, folder)
        self.distance_metric = DistanceMetric(distance_metric, owner=owner)
        self.distance_metric_name = self.distance_metric.name
        self.normalise, self.flip, self.true_label = normalise, flip, true_label
        self.far, self.n_resamples, self.seed = tuple(map(float, far)), n_resamples, seed
        self.sampling_unit = "templates" if self._people is None else "people"
        self.measures = (
            Measure("AUC", better="higher", headline=True, chance=0.5, bounds=(0, 1)),
            *rate_measures(self.far, headline=True),
            ORACLE_ACCURACY,
        )
        self.template_pairs = self._checked_pairs(
            pair_table.rows.assign(
                **{side: pair_table.texts(None, side) for side in _SIDES},
                **{true_label: pair_table.texts("true_label", true_label)},
            )
        )

    def _check_switches(self, normalise: Any, flip: Any, folder: Any) -> None:
        owner = type(self).__name__
        if normalise not in get_args(Normalise):
            msg = (
                f"The 'normalise' parameter of {owner} must be 'none', 'before', 'after' or "
                f"'both'. Got {normalise!r} instead."
            )
            raise InputError(msg)
        if flip not in (None, *get_args(Flip)) or (flip is None) != (folder is None):
            msg = (
                f"The 'flip' parameter of {owner} must be 'sum' or 'concat', together with "
                f"'flipped_images_path', or neither be given. Got {flip!r} and {folder!r}."
            )
            raise InputError(msg)

    def _checked_pairs(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Turn labels into 0 and 1, and check that every template has images, of one person."""
        named = pd.unique(pairs[list(_SIDES)].to_numpy().ravel())
        known = set(np.asarray(self._templates).tolist())
        empty = [template for template in named if template not in known]
        if empty:
            listed = ", ".join(f"{template!r:.200}" for template in empty[:_SHOWN])
            listed += " …" if len(empty) > _SHOWN else ""
            msg = (
                f"Every template of the pairs of task {self.name!r} must have images. "
                f"{len(empty)} of {len(named)} have none: {listed}."
            )
            raise PairsError(msg)
        where = f"The {self.true_label!r} column of the pairs of {self.name!r}"
        labels = read_labels(pairs[self.true_label], where, task=self.name)
        if labels.min() == labels.max():
            msg = f"The pairs of task {self.name!r} must be of both classes, same and different."
            raise PairsError(msg)
        pairs = pairs.assign(**{self.true_label: labels})
        if self._people is None:
            return pairs
        people = pd.Series(self._people).groupby(self._templates).agg(["first", "nunique"])
        mixed = people.index[people["nunique"] > 1]
        if len(mixed):
            msg = f"A template is of one person. {mixed[0]!r:.200} of task {self.name!r} names two."
            raise PairsError(msg)
        first, second = (pairs[side].map(people["first"]) for side in _SIDES)
        wrong = ((first == second) != (labels == 1)).to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            msg = (
                f"The label of {row_name(row)} of the pairs of {self.name!r}, {labels[row]}, "
                f"contradicts the identities {first.iloc[row]!r:.200} and "
                f"{second.iloc[row]!r:.200}."
            )
            raise PairsError(msg)
        return pairs.assign(identity1=first, identity2=second)

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Pool the templates and compare them.

        `embeddings` are of the images, then of the mirrored ones. ``model_computed_distance``
        is NaN where a template has no image left.
        """
        if self.flip is not None:
            half = len(embeddings) // 2
            embeddings = combine_flips(embeddings[:half], embeddings[half:], self.flip)
        names, vectors, n_images = pool_templates(
            embeddings,
            self._templates,
            media=self._media,
            weights=self.weights,
            normalise=self.normalise,
        )
        first, second = (
            np.searchsorted(names, self.template_pairs[side].to_numpy(dtype=str)) for side in _SIDES
        )
        kept = (n_images[first] > 0) & (n_images[second] > 0)
        distances = np.full(len(kept), np.nan)
        distances[kept] = self.distance_metric.between(vectors, first[kept], second[kept])
        return self.template_pairs.assign(model_computed_distance=distances)

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        labels, distances = self._scores(items_df)
        people = self._sampling_units(items_df)
        groups = JackknifeGroups(people.first, people.second)
        report = verify(labels, distances, None, groups, far=self.far, higher_is_better=False)
        row = {
            **columns_of("AUC", report.auc),
            **columns_of("EER", report.eer),
            **columns_of("EER Threshold", report.eer_threshold),
            **tar_columns(report.tar),
            **columns_of("Oracle Accuracy", report.oracle_accuracy),
        }
        context = {
            "Distance Metric": self.distance_metric_name,
            CI_METHOD: jackknife_note(people, groups)
            + interval_notes(report.measures, report.few_errors, distances),
            N_PAIRS: len(items_df),
            "Templates": int(pd.unique(items_df[list(_SIDES)].to_numpy().ravel()).size),
            N_IMAGES: len(set(self.images)),
            N_FAILED: int(np.isnan(distances).sum()),
        }
        if self._people is not None:
            context[N_IDENTITIES] = groups.n_members
        return round_measures(pd.DataFrame([{**row, **context}]))

    def _scores(self, items: pd.DataFrame) -> tuple[NDArray[np.int8], Float64Array]:
        labels = items[self.true_label].to_numpy(dtype=np.int8)
        return labels, items["model_computed_distance"].to_numpy(dtype=np.float64)

    def _sampling_units(self, items: pd.DataFrame) -> SamplingUnits:
        """Give the people of both sides, or the templates where people are not known."""
        if self._people is None:
            return SamplingUnits("template", *(items[side].to_numpy(dtype=str) for side in _SIDES))
        sides = ("identity1", "identity2")
        return SamplingUnits("identity", *(items[side].to_numpy(dtype=str) for side in sides))

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences."""
        people = self._sampling_units(items_df)
        groups = JackknifeGroups(people.first, people.second)
        scores = self._scores(items_df)
        given: dict[str, Any] = {"higher_is_better": False}
        made = verification_jackknife(*scores, groups, far=self.far, **given)
        found = {
            "AUC": made["auc"],
            "EER": groups.linear(eer_influence(*scores, **given)),
            "Oracle Accuracy": made["best accuracy"],
            **{f"TAR@FAR={target:g}": made[f"tar@{target:g}"] for target in self.far},
        }
        digest = groups.digest(*(items_df[side] for side in _SIDES))
        return JackknifeReplicates.collect(
            people.by, digest, {(None, name): values for name, values in found.items()}
        )

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the AUC of every model and layer, a picture per task."""
        PlotHelper.bar_plot(
            performances=performances,
            y="AUC",
            ylabel="AUC",
            ylim=(0, 1.1),
            title_prefix="Template Verification AUC",
            output_dir=output_dir,
            file_name="template_auc",
        )


def _with_flipped(
    task: str, names: list[str], images_path: StrPath, flipped_images_path: StrPath
) -> tuple[list[str], str]:
    """Name images and mirrored images from one folder that holds both: a task has but one."""
    folders = [
        as_path(images_path, "images_path").resolve(),
        as_path(flipped_images_path, "flipped_images_path").resolve(),
    ]
    mirrored = [flipped_name(name) for name in names]
    missing = [name for name in dict.fromkeys(mirrored) if not (folders[1] / name).is_file()]
    if missing:
        msg = (
            f"{len(missing)} mirrored images of task {task!r} are missing in {folders[1]}; the "
            f"first is {missing[0]!r}. Make them with facebench.write_flipped."
        )
        raise MissingImageError(msg)
    above = os.path.commonpath(folders)
    prefixes = [Path(os.path.relpath(folder, above)) for folder in folders]
    return [
        *((prefixes[0] / name).as_posix() for name in names),
        *((prefixes[1] / name).as_posix() for name in mirrored),
    ], above
