"""Identification: is a probe's person found in a gallery?"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import (
    CI_METHOD,
    CONDITION,
    LAYER,
    MODEL,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    TASK,
)
from facebench.data.embedding_files.row_files import RowSource
from facebench.errors import InputError, MetricError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.distances import zeros_as_nan
from facebench.metrics.identification import RankedProbes, rank_k
from facebench.metrics.search import Measure as SearchMeasure
from facebench.metrics.search import row_distances, search_gallery
from facebench.metrics.search_parts import Engine, SearchPart, merge_parts
from facebench.metrics.templates import Normalise, pool_templates, unit_rows
from facebench.metrics.uncertainty.identification_jackknife import (
    identification_intervals,
    identification_jackknife,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.spread import Replicates
from facebench.metrics.verification_report import Estimate
from facebench.tasks.base import round_measures
from facebench.tasks.embedding import EmbeddingTask, LayerSource
from facebench.tasks.measures import Measure
from facebench.tasks.shared.distance_metric import batch_cosine_distance, metric_name
from facebench.tasks.shared.distractors import Distractors, Search, SharedPart, every_file
from facebench.tasks.shared.image_tables import ImageTable, read_image_table
from facebench.tasks.shared.ranked_items import as_ranked, by_gallery, cmc_curve, tpir_and_distance
from facebench.tasks.shared.rate_measures import columns_of, interval_notes
from facebench.tasks.shared.sklearn_distances import cosine_distances, sklearn_name
from facebench.types import FloatArray, IntArray, MetricFunction, StrPath
from facebench.utils.extras import import_extra

__all__ = ["IdentificationTask"]

_MEASURES: dict[Any, SearchMeasure] = {
    batch_cosine_distance: "cosine",
    "cosine": "cosine",
    "euclidean": "euclidean",
    "inner_product": "inner_product",
}
_SKLEARN: dict[str, SearchMeasure] = {
    "cosine_distances": "cosine",
    "euclidean_distances": "euclidean",
}
_log = logging.getLogger(__name__)
AVERAGE = "average of galleries"


class _Gallery(NamedTuple):
    """One gallery: rows of the gallery table, and of the probes searched in it."""

    name: str
    templates: IntArray
    identities: NDArray[Any]
    probes: IntArray


class _Asked(NamedTuple):
    """The probes of a gallery, and the people they are searched among."""

    part: _Gallery
    people: NDArray[Any]
    known: NDArray[Any]
    templates: FloatArray
    wanted: NDArray[Any]
    readable: NDArray[np.bool_]
    own: FloatArray
    mates: IntArray


class IdentificationTask(EmbeddingTask):
    """Does the network find a probe's person in a gallery, and only if they are in it?

    Reports, each with a 95 % interval (``Rank-1 CI Low``, ``Rank-1 CI High``):

    - Rank-1, Rank-5, Rank-20: share of the probes in the gallery whose person's template is among
      the 1, 5, 20 nearest; of templates that are equally near the right one comes last;
    - TPIR@FPIR=0.1 and so on, where some probes show people outside the gallery: share of the
      probes in the gallery that are found at rank 1 and within the distance that at most this
      share of the other probes reaches, and that distance ('Threshold').

    The images of one person in a gallery are pooled into one template. With several galleries,
    every probe is searched in each of them (or in its own, if the probe table names it), and there
    is a row for each and one for their average.

    An image that cannot be read fails: a person is pooled from the images that are left; a probe
    without embedding or without its person's template is a miss, and counted in 'Failed'. 'Probes
    outside Gallery' are those whose person is not in it.

    Intervals leave out people in turn, with all their probes; the gallery stays as it is. 'CI
    Method' says so, or that every probe is another person and the interval Wilson's, and which
    intervals are conservative since there are few errors; see docs/intervals.md for how often they
    hold the truth.

    Parameters
    ----------
    name, images_path
        See `EmbeddingTask`.
    gallery, probes : str, Path or DataFrame
        CSV files or tables with an image per row, and who it shows.
    distance_metric : callable or str, default sklearn's ``cosine_distances``
        That, ``euclidean_distances``, or 'cosine', 'euclidean', 'inner_product'.
    image_column, identity_column : str, default 'image', 'identity'
        Columns of both tables.
    gallery_column : str, default 'gallery'
        Column of the gallery table, if it has one, that parts it into galleries; of the probe
        table, if it has one, that tells which gallery a probe is searched in.
    ranks : sequence of int, default 1, 5, 20
        The k of rank-k; beyond the size of the gallery it is that size.
    distractors : str or Path, optional
        Distractors: embeddings of people without a probe, in addition to the gallery table:
        a file, several (``*``), or a folder of packs. ``{model}`` and ``{layer}`` stand for the
        names of model and layer. Each row is a person. They are read block by block; see
        docs/identification.md.
    engine : {'numpy', 'faiss'}
        What searches distractors. Both give the same numbers.
    index : str, optional
        Search distractors approximately, by an index of FAISS such as 'IVF1024,Flat'. Measures are
        then called 'Rank-1 by IVF1024,Flat' and so on; 'Recall of Search' is the share of the
        nearest distractors that were found, of a sample of probes. Ranks beyond `candidates` are
        not known, and count as the last.
    fpir : sequence of float, default 0.1, 0.01
        Targets of the false positive identification rate. Too few probes outside: NaN.
    candidates : int, default 20
        How many of the nearest people are kept for every probe.
    normalise : {'none', 'before', 'after', 'both'}
        Bring embeddings to unit length before they are pooled, templates after; probes likewise.
    n_resamples, seed : int, default 1000, 0
        Without effect since intervals leave out people in turn; kept for files that name them.

    Raises
    ------
    PairsError
        If a table lacks something, or no probe's person is in a gallery.
    InputError
        If a rank, a rate or a switch is not what it should be.
    MetricError
        If the distance is another one.
    """

    citations = ("grother2019identification",)
    sampling_unit = "people"
    item_name = "probes"

    def __init__(
        self,
        name: str,
        gallery: StrPath | pd.DataFrame,
        probes: StrPath | pd.DataFrame,
        images_path: StrPath,
        distance_metric: MetricFunction | str = cosine_distances,
        *,
        image_column: str = "image",
        identity_column: str = "identity",
        gallery_column: str = "gallery",
        ranks: Sequence[int] = (1, 5, 20),
        fpir: Sequence[float] = (1e-1, 1e-2),
        candidates: int = 20,
        normalise: Normalise = "none",
        distractors: StrPath | None = None,
        engine: Engine = "numpy",
        index: str | None = None,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> None:
        owner, columns = type(self).__name__, (image_column, identity_column)
        gallery_table = read_image_table(gallery, parameter="gallery", owner=owner, columns=columns)
        probe_table = read_image_table(probes, parameter="probes", owner=owner, columns=columns)
        self._gallery_images, self._gallery_people, self._probe_images, self._probe_people = (
            table.texts(parameter, column).to_numpy(dtype=object)
            for table in (gallery_table, probe_table)
            for parameter, column in (
                ("image_column", image_column),
                ("identity_column", identity_column),
            )
        )
        super().__init__(name, [*self._gallery_images, *self._probe_images], images_path)
        self.measure = _as_measure(distance_metric)
        self.distance_metric_name = (
            distance_metric if isinstance(distance_metric, str) else metric_name(distance_metric)
        )
        self.ranks = tuple(_whole("ranks", rank) for rank in ranks)
        self.candidates = _whole("candidates", candidates)
        self.n_resamples = _whole("n_resamples", n_resamples)
        self.fpir = tuple(float(rate) for rate in fpir)
        if not all(0 < rate <= 1 for rate in self.fpir) or not self.ranks:
            msg = (
                f"The 'fpir' parameter of {owner} must be rates above 0, up to 1, and 'ranks' must "
                f"hold at least one. Got {fpir!r} and {ranks!r}."
            )
            raise InputError(msg)
        if normalise not in ("none", "before", "after", "both"):
            msg = (
                f"The 'normalise' parameter of {owner} must be 'none', 'before', 'after' or "
                f"'both'. Got {normalise!r} instead."
            )
            raise InputError(msg)
        self.normalise: Normalise = normalise
        self.seed = seed
        if index is not None and max(self.ranks) > self.candidates:
            msg = (
                f"An approximate search (index {index!r}) gives no ranks beyond the "
                f"{self.candidates} 'candidates' of {owner}. Give {max(self.ranks)} candidates or "
                "more, or lower 'ranks'."
            )
            raise InputError(msg)
        self.engine, self.index = _as_engine(engine, index, has_distractors=distractors is not None)
        self._distractors = None if distractors is None else Distractors(distractors, name)
        self._has_galleries = gallery_column in gallery_table.rows
        self._galleries = self._part(gallery_table, probe_table, gallery_column)
        self.measures = self._declared()

    def _declared(self) -> tuple[Measure, ...]:
        found = [
            Measure(
                self._called(f"Rank-{k}"),
                better="higher",
                headline=k == min(self.ranks),
                bounds=(0, 1),
                label=self._called(f"Rank-{k} identification rate"),
            )
            for k in dict.fromkeys(self.ranks)
        ]
        is_open = any(
            not set(self._probe_people[part.probes]) <= set(part.identities)
            for part in self._galleries
        )
        for target in dict.fromkeys(self.fpir if is_open else ()):
            name, stands = self._called(f"TPIR@FPIR={target:g}"), target == self.fpir[0]
            found += [
                Measure(
                    name,
                    better="higher",
                    headline=stands,
                    bounds=(0, 1),
                    label=self._called(f"True positive identification rate at FPIR = {target:g}"),
                ),
                Measure(f"{name} Threshold", shown=False),
            ]
        return tuple(found)

    def _called(self, measure: str) -> str:
        """Name a measure: by another name where the search is approximate."""
        return measure if self.index is None else f"{measure} by {self.index}"

    def _part(self, gallery: ImageTable, probes: ImageTable, column: str) -> list[_Gallery]:
        """Part the tables into galleries, in order of first appearance, and check each."""
        of_row = (
            gallery.texts("gallery_column", column).to_numpy(dtype=object)
            if self._has_galleries
            else np.full(len(gallery.rows), "", dtype=object)
        )
        names = list(dict.fromkeys(of_row))
        searched = np.full(len(probes.rows), None, dtype=object)
        if self._has_galleries and column in probes.rows:
            searched = probes.texts("gallery_column", column).to_numpy(dtype=object)
            unknown = sorted(set(searched) - set(names))
            if unknown:
                msg = (
                    f"The probes of task {self.name!r} must be searched in a gallery there is "
                    f"({', '.join(names)}). Got {unknown[0]!r:.200}."
                )
                raise PairsError(msg)
        parts = []
        for name in names:
            rows = np.flatnonzero(of_row == name)
            own = np.flatnonzero([place is None or place == name for place in searched])
            part = _Gallery(name, rows, self._gallery_people[rows], own)
            if not set(part.identities) & set(self._probe_people[own]):
                where = f"gallery {name!r}" if self._has_galleries else "the gallery"
                msg = (
                    f"Task {self.name!r} needs probes of people in {where}. Of {own.size} probes "
                    f"and {len(set(part.identities))} people none match; is the identity column "
                    "spelled the same in both tables?"
                )
                raise PairsError(msg)
            parts.append(part)
        return parts

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Say whether each image is of the gallery or a probe."""
        sizes = [len(self._gallery_images), len(self._probe_images)]
        return {"role": [np.repeat(np.array(["gallery", "probe"], dtype=object), sizes)]}

    @override
    def check_sources(self, sources: Sequence[LayerSource]) -> None:
        if self._distractors is not None:
            self._distractors.check(sources)

    @override
    def check_width(self, source: LayerSource, width: int) -> None:
        if self._distractors is not None:
            self._distractors.check_width(source, width)

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Search every probe; give a row per probe (and gallery).

        Columns are image, identity, gallery if there are several, in_gallery, rank of the right
        person (empty where there is none), mate_distance, templates (size of the gallery),
        distractors, failed_distractors and distractor_images (a digest, empty where files do not
        name them) if there are any, recall of an approximate search, and identity_1, distance_1 …
        of the nearest people. `embeddings` are of gallery images, then of probes.
        """
        return self.compute_items_of(embeddings, LayerSource())

    @override
    def compute_items_of(self, embeddings: FloatArray, source: LayerSource) -> pd.DataFrame:
        rows = self._rows(embeddings, source)
        frames = [self._items(asked, rows, source) for asked in self._asked(embeddings)]
        return pd.concat(frames, ignore_index=True)

    @property
    def has_distractors(self) -> bool:
        """Whether people of files are in the gallery, too."""
        return self._distractors is not None

    @property
    def distractor_files(self) -> list[Path]:
        """The files of distractors of all models and layers, for the record."""
        return [] if self._distractors is None else every_file(self._distractors.pattern)

    def search_share(
        self, embeddings: FloatArray, source: LayerSource, number: int, count: int
    ) -> list[SharedPart]:
        """Search a share of the distractors, and publish what was found for other machines.

        Parameters
        ----------
        embeddings : array, shape [N, D]
            See `compute_items`.
        source : LayerSource
            Where they are from, and where to publish.
        number, count : int
            Which share, from 0, of how many.

        Returns
        -------
        list of SharedPart
            One for each gallery.
        """
        rows = self._rows(embeddings, source)
        if self._distractors is None or rows is None:
            return []
        return [
            self._distractors.search_share(self._wanted(asked), rows, source, number, count)
            for asked in self._asked(embeddings)
        ]

    def _rows(self, embeddings: FloatArray, source: LayerSource) -> RowSource | None:
        if self._distractors is None:
            return None
        return self._distractors.open(source, embeddings.shape[1])

    def _asked(self, embeddings: FloatArray) -> Iterator[_Asked]:
        """Pool the people of every gallery, and find the probes that are searched in it."""
        n_gallery = len(self._gallery_images)
        if self.measure == "cosine":
            embeddings = zeros_as_nan(embeddings)
        images, probes = embeddings[:n_gallery], embeddings[n_gallery:]
        if self.normalise != "none":
            probes = unit_rows(probes).astype(np.float32)
        for part in self._galleries:
            people, templates, n_images = pool_templates(
                images[part.templates], part.identities.astype(str), normalise=self.normalise
            )
            usable = n_images > 0
            if not usable.any():
                msg = f"No image of gallery {part.name!r} of task {self.name!r} can be read."
                raise InputError(msg)
            known = people[usable]
            wanted = self._probe_people[part.probes].astype(str)
            readable = np.asarray(np.isfinite(probes[part.probes]).all(axis=1))
            place = np.searchsorted(known, wanted).clip(max=len(known) - 1)
            mates = np.where(known[place] == wanted, place, -1)[readable]
            own = probes[part.probes][readable]
            yield _Asked(part, people, known, templates[usable], wanted, readable, own, mates)

    def _wanted(self, asked: _Asked) -> Search:
        """Say what is searched for among distractors."""
        mated = np.flatnonzero(asked.mates >= 0)
        distances = np.full(len(asked.mates), np.nan)
        distances[mated] = row_distances(
            asked.own[mated], asked.templates[asked.mates[mated]], self.measure
        )
        return Search(
            asked.own, asked.mates, distances, len(asked.known), self.candidates,
            self.measure, self.normalise, self.engine, self.index,
        )  # fmt: skip

    def _items(
        self, asked: _Asked, distractors: RowSource | None, source: LayerSource
    ) -> pd.DataFrame:
        beside: dict[str, float | str] = {}
        n_templates = n_known = len(asked.known)
        names = dict(enumerate(asked.known.tolist()))
        if self._distractors is None or distractors is None:
            found = search_gallery(
                asked.own, asked.templates, k=self.candidates, mates=asked.mates,
                measure=self.measure,
            )  # fmt: skip
        else:
            search = self._wanted(asked)
            others = self._distractors.search(search, distractors, source)
            enrolled = search.enrolled(asked.templates, n_known + distractors.n_rows)
            found = merge_parts([enrolled, others]).result()
            n_templates += distractors.n_rows - others.n_failed
            beside = {"distractors": distractors.n_rows, "failed_distractors": others.n_failed}
            beside |= {"distractor_images": distractors.images_digest()}
            beside |= {} if self.index is None else {"recall": others.recall}
            shown = np.unique(found.indices[found.indices >= n_known])
            names |= {
                row: f"distractor {distractors.name(row - n_known)}" for row in shown.tolist()
            }
            self._report_copies(others, source)
            if self.index is not None:
                # What an index lists tells no rank beyond its list.
                unknown = found.mate_ranks > self.candidates
                found = found._replace(mate_ranks=np.where(unknown, n_templates, found.mate_ranks))
        rows = np.flatnonzero(asked.readable)
        rank = pd.Series(found.mate_ranks, index=rows, dtype="Int64")
        frame = pd.DataFrame(
            {
                "image": self._probe_images[asked.part.probes],
                "identity": asked.wanted,
                **({"gallery": asked.part.name} if self._has_galleries else {}),
                "in_gallery": np.isin(asked.wanted, asked.people),
                "rank": rank.mask(rank == 0).reindex(range(len(asked.wanted))),
                "mate_distance": pd.Series(found.mate_distances, index=rows),
                "templates": n_templates,
                **beside,
            }
        )
        nearest = {}
        for place, column in enumerate(found.indices.T, start=1):
            people = [names[row] for row in column.tolist()]
            nearest[f"identity_{place}"] = pd.Series(people, index=rows, dtype=object)
            nearest[f"distance_{place}"] = pd.Series(found.distances[:, place - 1], index=rows)
        return pd.concat([frame, pd.DataFrame(nearest).reindex(frame.index)], axis=1)

    def _report_copies(self, others: SearchPart, source: LayerSource) -> None:
        """Warn of probes that are distractors themselves."""
        copies = int((others.distances[:, 0] == 0).sum()) if self.measure != "inner_product" else 0
        if copies:
            _log.warning(
                "Task %r, model %r, layer %r: %d probes have the same embedding as a distractor. "
                "Distractors must show other people than probes: remove these images.",
                self.name,
                source.model,
                source.layer,
                copies,
            )

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        """Give one row; with a gallery column, one per gallery and one for their average."""
        parts = by_gallery(items_df)
        galleries = {name: as_ranked(items) for name, items in parts.items()}
        rows = [self._row([galleries[name]], parts[name], name) for name in parts]
        if self._has_galleries:
            rows.append(self._row(list(galleries.values()), items_df, AVERAGE))
        return round_measures(pd.DataFrame(rows))

    def _row(
        self, galleries: list[RankedProbes], items: pd.DataFrame, condition: str
    ) -> dict[str, Any]:
        open_set = any(not gallery.mated.all() for gallery in galleries)
        fpir = self.fpir if open_set else ()
        made = identification_intervals(galleries, ranks=self.ranks, fpir=fpir)
        measured: dict[str, Estimate] = {}
        thresholds: dict[str, float] = {}
        for k, interval in zip(self.ranks, made.rank, strict=True):
            rate = float(np.mean([rank_k(gallery, k=k) for gallery in galleries]))
            measured[self._called(f"Rank-{k}")] = Estimate(rate, interval)
        for target, interval in zip(fpir, made.tpir, strict=True):
            found = [tpir_and_distance(gallery, target) for gallery in galleries]
            name = self._called(f"TPIR@FPIR={target:g}")
            measured[name] = Estimate(float(np.mean([rate for rate, _ in found])), interval)
            # Each gallery has a threshold of its own: an average of them would apply to none.
            thresholds[name] = found[0][1] if len(found) == 1 else np.nan
        few = [*made.few_rank, *made.few_tpir]
        notes = interval_notes(
            measured, [name for name, is_few in zip(measured, few, strict=True) if is_few]
        )
        row: dict[str, Any] = {CONDITION: condition} if self._has_galleries else {}
        for name, estimate in measured.items():
            row |= columns_of(name, estimate)
            if name in thresholds:
                row[f"{name} Threshold"] = thresholds[name]
        mated = items["in_gallery"].astype(bool)
        outside = int((~mated).sum())
        lost = items["distance_1"].isna() | (mated & items["rank"].isna())
        return {
            **row,
            "Probes": len(items),
            "Probes in Gallery": len(items) - outside,
            "Probes outside Gallery": outside,
            "Gallery Templates": sum(gallery.n_gallery for gallery in galleries),
            **_distractors_of(items),
            N_IMAGES: len(set(self.images)),
            N_IDENTITIES: int(items["identity"].nunique()),
            N_FAILED: int(lost.sum()),
            "Distance Metric": self.distance_metric_name,
            CI_METHOD: made.method + notes,
        }

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences."""
        groups = JackknifeGroups(items_df["identity"].to_numpy(dtype=str))
        names = [
            items_df[column] for column in ("gallery", "identity", "image") if column in items_df
        ]
        if "distractors" in items_df:
            # Embeddings differ between models: its images tell a gallery, or else their number.
            names += [
                items_df[column].astype(str) for column in ("distractors", "distractor_images")
            ]
        galleries = {name: as_ranked(items) for name, items in by_gallery(items_df).items()}
        rows = {name: [gallery] for name, gallery in galleries.items()}
        if self._has_galleries:
            rows[AVERAGE] = list(galleries.values())
        found: dict[tuple[str | None, str], Replicates] = {}
        for name, searched in rows.items():
            condition = name if self._has_galleries else None
            fpir = self.fpir if any(not gallery.mated.all() for gallery in searched) else ()
            made = identification_jackknife(searched, ranks=self.ranks, fpir=fpir)
            for k, each in zip(self.ranks, made.rank, strict=True):
                found[condition, self._called(f"Rank-{k}")] = each
            for target, each in zip(fpir, made.tpir, strict=True):
                found[condition, self._called(f"TPIR@FPIR={target:g}")] = each
        return JackknifeReplicates.collect("identity", groups.digest(*names), found)

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the CMC of every model and layer, a picture per task."""
        if not optional:
            return
        curves = []
        for task, model, layer in dict.fromkeys(
            performances[[TASK, MODEL, LAYER]].itertuples(index=False, name=None)
        ):
            items = optional[0][model][task]
            curve = cmc_curve(items[items["layer_name"] == layer])
            curves.append(curve.assign(**{TASK: task, MODEL: model, LAYER: layer}))
        PlotHelper.cmc_plot(pd.concat(curves, ignore_index=True), output_dir, "cmc")


def _distractors_of(items: pd.DataFrame) -> dict[str, float]:
    """Count the distractors of a gallery, or of all galleries together."""
    if "distractors" not in items:
        return {}
    counts = items.groupby("gallery") if "gallery" in items else items
    recall = {"Recall of Search": float(items["recall"].mean())} if "recall" in items else {}
    return {
        "Distractors": int(np.sum(counts["distractors"].max())),
        "Failed Distractors": int(np.sum(counts["failed_distractors"].max())),
        **recall,
    }


def _as_engine(engine: Any, index: Any, *, has_distractors: bool) -> tuple[Engine, str | None]:
    if engine not in ("numpy", "faiss"):
        msg = (
            f"The 'engine' parameter of IdentificationTask must be 'numpy' or 'faiss'. "
            f"Got {engine!r} instead."
        )
        raise InputError(msg)
    if index is not None and not (isinstance(index, str) and engine == "faiss" and has_distractors):
        msg = (
            "The 'index' parameter of IdentificationTask is how FAISS searches distractors "
            "approximately: a text such as 'IVF1024,Flat', with engine 'faiss' and 'distractors'. "
            f"Got {index!r}, engine {engine!r} and "
            f"{'some' if has_distractors else 'no'} distractors."
        )
        raise InputError(msg)
    if engine == "faiss":
        import_extra("faiss", "faiss", "The 'engine' faiss of IdentificationTask")
    return engine, index


def _as_measure(distance_metric: Any) -> SearchMeasure:
    function = getattr(distance_metric, "function", distance_metric)
    try:
        return _SKLEARN[name] if (name := sklearn_name(function)) else _MEASURES[function]
    except (KeyError, TypeError):
        name = distance_metric if isinstance(distance_metric, str) else metric_name(distance_metric)
        msg = (
            "The 'distance_metric' parameter of IdentificationTask must be cosine_distances, "
            "euclidean_distances, 'cosine', 'euclidean' or 'inner_product', as a gallery is "
            f"searched by matrix products. Got {name!r} instead."
        )
        raise MetricError(msg) from None


def _whole(parameter: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        msg = (
            f"The {parameter!r} parameter of IdentificationTask must be positive whole numbers. "
            f"Got {value!r} instead."
        )
        raise InputError(msg)
    return int(value)
