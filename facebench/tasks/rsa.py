"""How does each layer arrange a set of images, and is it as people arrange them?"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import CI_METHOD, N_FAILED, N_IMAGES, N_PAIRS, REMARK
from facebench.data.images import open_image
from facebench.data.pairs import as_path, read_pairs, resolve_image
from facebench.data.rdms import is_rdm_file, pairs_of_rdms, rdms_of_images, read_rdms
from facebench.errors import ImageError, InputError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.noise_ceiling import Pool
from facebench.metrics.ratings.pairs import IntervalKind, RatedPairs, Resample
from facebench.metrics.rdm import DISTANCES, rdm, rdm_from_pairs
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.rsa_intervals import rdm_likeness
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure
from facebench.tasks.shared.layer_similarity import rdm_similarity
from facebench.tasks.shared.predictor_sources import NuisanceSources, as_sources, predictor_values
from facebench.tasks.shared.rating_columns import (
    MEASURE_NAMES,
    interval_columns,
    rating_columns,
    rating_measures,
    ratings_left_out,
    remarks_on,
)
from facebench.tasks.shared.ratings import (
    RatingKind,
    find_layout,
    refuse_other_polarity,
    take_ratings,
)
from facebench.types import DistancesByModel, Float64Array, FloatArray, IntArray, StrPath

__all__ = ["RsaTask"]

_log = logging.getLogger(__name__)

# Beside those of rated pairs.
_FURTHER = {
    "cosine": "Cosine",
    "cosine-whitened": "Whitened Cosine",
    "pearson-whitened": "Whitened Pearson",
}
_MOST_PANELS, _MOST_WITH_PICTURES, _MOST_PICTURES, _THUMBNAIL = 24, 12, 60, 64


class RsaTask(EmbeddingTask):
    """Representational similarity analysis of every layer, with or without people to compare with.

    Every layer's representational dissimilarity matrix (RDM) of the images is kept, exported and
    drawn, with a map of the images (multidimensional scaling) and the likeness of all layers. With
    a reference it is compared with people's: Pearson, Spearman, Kendall Tau-a, Rho-a with
    intervals, P Value (Mantel's permutation of images) and, with several raters, the noise ceiling
    and the share of it explained, all as in `SimilarityTask`; also Cosine and the Whitened measures
    (NaN where pairs are missing), with jackknife intervals. Larger is better in all but P Value.
    Without a reference it reports Mean Distance and the number of pairs.

    Parameters
    ----------
    name : str
        Unique name of the task.
    images_path : str or Path
        The folder the image names are relative to.
    images : sequence of str, optional
        The images; None takes those of `reference`.
    reference : str or Path, optional
        A pairs table with ratings, see `SimilarityTask`, or a file of RDMs, each of which is a
        rater (`facebench.data.rdms.read_rdms`). Pairs of other images are left out.
    distance : {'euclidean', 'sqeuclidean', 'cosine', 'correlation'}
        The distance of two embeddings.
    ratings, rating, measure, pool, resample, interval
        See `SimilarityTask`.
    n_resamples, n_permutations, confidence, seed
        See `SimilarityTask`.
    nuisance : str, Path or list of them, optional
        Files of one RDM each, or 'pixels', to be partialled out: Partial Correlation.
    groups : dict of str to str, optional
        A group by image, for the colours of the map.

    Raises
    ------
    InputError
        If there are fewer than two images, or a parameter is none of those above.
    PairsError
        If the reference cannot be read or has no ratings.

    References
    ----------
    N. Kriegeskorte, M. Mur and P. Bandettini, "Representational similarity analysis", Frontiers
    in Systems Neuroscience 2 (2008) 4.
    """

    item_name = "pairs"
    citations = ("kriegeskorte2008rsa",)

    def __init__(
        self,
        name: str,
        images_path: StrPath,
        images: Sequence[str] | None = None,
        *,
        reference: StrPath | None = None,
        distance: str = "euclidean",
        ratings: str | Sequence[str] | None = None,
        rating: RatingKind = "distance",
        measure: str = "spearman",
        pool: Pool | None = None,
        resample: Resample = "image",
        interval: IntervalKind = "jackknife",
        n_resamples: int = 200,
        n_permutations: int = 999,
        confidence: float = 0.95,
        seed: int = 0,
        groups: dict[str, str] | None = None,
        nuisance: NuisanceSources | None = None,
    ) -> None:
        if distance not in DISTANCES:
            msg = (
                f"The 'distance' parameter of RsaTask must be one of {', '.join(DISTANCES)}. "
                f"Got {distance!r} instead."
            )
            raise InputError(msg)
        table = None if reference is None else _read_reference(reference, images, images_path)
        if images is None:
            if table is None:
                msg = f"RsaTask {name!r} needs images, a reference, or both. Got neither."
                raise InputError(msg)
            images = [*table["img1"], *table["img2"]]
        chosen = list(dict.fromkeys(images))
        if len(chosen) < 2:
            msg = f"RsaTask {name!r} needs two different images or more. Got {len(chosen)}."
            raise InputError(msg)
        super().__init__(name, chosen, images_path)
        self.distance, self.groups = distance, groups
        self._first, self._second = np.triu_indices(len(chosen), 1)
        self._people: tuple[Float64Array, RatedPairs] | None = None
        self._options: dict[str, Any] = {
            "measure": measure, "pool": pool, "by": resample, "interval": interval,
            "n_resamples": n_resamples, "n_permutations": n_permutations,
            "confidence": confidence, "seed": seed,
        }  # fmt: skip
        self._level = confidence
        self._ratings: Float64Array | None = None
        if table is not None and reference is not None:
            layout = find_layout(table, ratings, owner="RsaTask", path=reference)
            refuse_other_polarity(layout, rating, owner="RsaTask", path=reference)
            taken = take_ratings(table, layout, rating)
            self._ratings = self._arranged(taken.pairs, taken.values)
        try:
            # Refuses an unknown measure or way of resampling before anything runs.
            RatedPairs([[1.0]], "a", "b", **self._options)
        except ValueError as error:
            msg = f"RsaTask {name!r}: {error}"
            raise InputError(msg) from error
        if nuisance is not None and self._ratings is None:
            msg = f"RsaTask {name!r} needs a 'reference' to partial a 'nuisance' out of."
            raise InputError(msg)
        self._nuisances = self._read_nuisances(nuisance)
        self.measures = self._declared(measure)
        if self._ratings is not None:
            self.sampling_unit = "images and raters" if resample == "both" else f"{resample}s"

    def _declared(self, measure: str) -> tuple[Measure, ...]:
        if self._ratings is None:
            return (Measure("Mean Distance", headline=True, label="Mean distance"),)
        return (
            *rating_measures(measure, self._ratings.shape[1]),
            *(
                [Measure("Partial Correlation", better="higher", chance=0, bounds=(-1, 1))]
                if self._nuisances
                else []
            ),
            Measure("Cosine", better="higher", bounds=(-1, 1), label="Cosine with the mean rating"),
            Measure(
                "Whitened Cosine",
                better="higher",
                bounds=(-1, 1),
                label="Whitened cosine with the mean rating",
            ),
            Measure(
                "Whitened Pearson",
                better="higher",
                chance=0,
                bounds=(-1, 1),
                label="Whitened Pearson's r with the mean rating",
            ),
        )

    def _read_nuisances(self, nuisance: NuisanceSources | None) -> list[Float64Array]:
        """Find the nuisances of all pairs of images."""
        names = np.array(self.images, dtype=object)
        pairs = pd.DataFrame({"img1": names[self._first], "img2": names[self._second]})
        return [
            predictor_values(
                str(source), source, pairs, self.images_path, owner="RsaTask", path="its images"
            )
            for source in as_sources(nuisance)
        ]

    @override
    def facts(self) -> TaskFacts:
        # People's mean dissimilarity, see `compute_items`.
        columns = [] if self._ratings is None else ["distance"]
        return replace(super().facts(), rating_columns=columns)

    def _arranged(self, pairs: pd.DataFrame, values: Float64Array) -> Float64Array:
        """Put ratings in the order of the RDM, a column per rater."""
        place = {image: row for row, image in enumerate(self.images)}
        known = (pairs["img1"].isin(place) & pairs["img2"].isin(place)).to_numpy()
        if not known.any():
            msg = f"The reference of RsaTask {self.name!r} has no pair of its images."
            raise InputError(msg)
        if not known.all():
            _log.warning(
                "RsaTask %r: %d of %d pairs of the reference are of other images, and left out.",
                self.name,
                int((~known).sum()),
                len(known),
            )
        first, second = (
            np.array([place[image] for image in pairs.loc[known, side]], dtype=np.intp)
            for side in ("img1", "img2")
        )
        return np.column_stack(
            [rdm_from_pairs(first, second, rater, len(place)) for rater in values[known].T]
        )

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Say which group each image is of."""
        groups = self.groups or {}
        named = [str(groups.get(image, "")) for image in self.images]
        return {"group": [np.array(named, dtype=object)]} if groups else {}

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Compute the distances of all pairs of images.

        Columns are img1, img2, distance (people's mean, with a reference) and
        model_computed_distance.
        """
        return self.items_of_distances(rdm(embeddings, self.distance))

    @override
    def image_pairs(self) -> tuple[IntArray, IntArray]:
        return self._first, self._second

    @override
    def items_of_distances(self, distances: Float64Array) -> pd.DataFrame:
        names = np.array(self.images, dtype=object)
        items = pd.DataFrame({"img1": names[self._first], "img2": names[self._second]})
        if self._ratings is not None:
            items["distance"] = self._rated(np.arange(len(items))).mean
        return items.assign(model_computed_distance=distances)

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        distances = items_df["model_computed_distance"].to_numpy(dtype=np.float64)
        there = ~np.isnan(distances)
        lost = {*items_df["img1"], *items_df["img2"]}
        lost -= {*items_df.loc[there, "img1"], *items_df.loc[there, "img2"]}
        row: dict[str, Any] = {}
        if self._ratings is not None:
            rated = there & ~np.isnan(self._ratings).all(axis=1)
            people = self._rated(np.flatnonzero(rated))
            compared = people.compare(distances[rated], [each[rated] for each in self._nuisances])
            row = rating_columns(people, compared, int((there & ~rated).sum()))
            if self._nuisances:
                row |= interval_columns("Partial Correlation", compared.partial)
            known = np.where(rated, distances, np.nan)
            for measure, column in _FURTHER.items():
                row |= interval_columns(
                    column, rdm_likeness(known, self._ratings, measure, people.units, self._level)
                )
            remarks = remarks_on(people, compared, distances[rated])
            for reason in remarks:
                _log.warning("Task %r: %s.", self.name, reason)
            row |= {
                "Ceiling Measure": MEASURE_NAMES[people.measure],
                REMARK: "; ".join(remarks),
            }
        else:
            row |= {
                "Mean Distance": float(distances[there].mean()) if there.any() else np.nan,
                N_PAIRS: int(there.sum()),
                N_IMAGES: len(self.images) - len(lost),
                CI_METHOD: "none",
            }
        return pd.DataFrame([row | {N_FAILED: len(lost), "Distance": self.distance}])

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of images in turn, for errors of differences."""
        distances = items_df["model_computed_distance"].to_numpy(dtype=np.float64)
        there = ~np.isnan(distances)
        if self._ratings is not None:
            there &= ~np.isnan(self._ratings).all(axis=1)
        pairs, own = items_df[there], distances[there]
        if self._ratings is not None:
            return ratings_left_out(self._rated(np.flatnonzero(there)), pairs, own)
        groups = JackknifeGroups(pairs["img1"], pairs["img2"])
        sums = groups.sums(np.stack((own, np.ones(own.size)), axis=1))
        with np.errstate(invalid="ignore"):
            means = sums[:, 0] / sums[:, 1]
        digest = groups.digest(pairs["img1"], pairs["img2"])
        return JackknifeReplicates("image", digest, {(None, "Mean Distance"): means})

    def _rated(self, rows: Any) -> RatedPairs:
        """Give the ratings of some pairs, computed once for all layers."""
        if self._people is not None and np.array_equal(self._people[0], rows):
            return self._people[1]
        names = np.array(self.images, dtype=object)
        table = self._ratings if self._ratings is not None else np.empty((0, 1))
        rated = RatedPairs(
            table[rows], names[self._first[rows]], names[self._second[rows]], **self._options
        )
        self._people = rows, rated
        return rated

    @override
    def plot(
        self,
        output_dir: str,
        performances: pd.DataFrame,
        items: DistancesByModel | None = None,
        *optional: Any,
    ) -> None:
        """Draw RDMs, maps, the likeness of layers, and correlations with people.

        Of more layers than a page has room for, the best of each model and others evenly spaced
        are drawn; the figures say so.
        """
        if self._ratings is not None:
            name = MEASURE_NAMES[str(self._options["measure"])]
            PlotHelper.interval_plot(
                performances, name, f"{name} with the mean rating", f"{name} with people",
                output_dir, "correlation", reference=(0.0, "chance"),
            )  # fmt: skip
            if "Share of Ceiling" in performances:
                PlotHelper.interval_plot(
                    performances, "Share of Ceiling", "Share of the lower noise ceiling",
                    "Share of what people explain", output_dir, "share_of_ceiling",
                    reference=(1.0, "as other people"),
                )  # fmt: skip
        if items is None:
            return
        own = {model: tables for model, tables in items.items() if self.name in tables}
        reference = "distance" if self._ratings is not None else None
        PlotHelper.rdm_plot(
            performances, own, output_dir, "rdms", reference=reference, most_panels=_MOST_PANELS
        )
        if len(self.images) > 2:
            # Many small maps show dots: pictures would hide each other, and take minutes.
            pictures = self._pictures() if len(performances) <= _MOST_WITH_PICTURES else None
            PlotHelper.mds_plot(
                performances, own, output_dir, "maps", groups=self.groups, pictures=pictures,
                reference=reference, most_panels=_MOST_PANELS,
            )  # fmt: skip
        if len(performances) > 1:
            PlotHelper.likeness_plot(
                rdm_similarity(own, self.name), self.name, output_dir, "likeness",
                title_prefix="Likeness of RDMs", value_label="Spearman",
            )  # fmt: skip

    def _pictures(self) -> dict[str, Any] | None:
        """Read small pictures of the images, if a map has room for them."""
        if len(self.images) > _MOST_PICTURES:
            return None
        folder = as_path(self.images_path, "images_path")
        pictures = {}
        for name in self.images:
            # What the run could not read is on no map.
            with contextlib.suppress(ImageError):
                image = open_image(resolve_image(folder, name))
                image.thumbnail((_THUMBNAIL, _THUMBNAIL))
                pictures[name] = np.asarray(image)
        return pictures


def _read_reference(
    reference: StrPath, images: Sequence[str] | None, images_path: StrPath
) -> pd.DataFrame:
    """Read people's ratings; of RDMs those of the images, under the names that the task has."""
    path = as_path(reference, "reference")
    if images is None or not is_rdm_file(path):
        return read_pairs(path, images_path)
    rdms = read_rdms(path)
    for note in rdms.notes:
        _log.warning("%s: %s", path, note)
    return pairs_of_rdms(rdms_of_images(rdms, images_path, list(dict.fromkeys(images))))
