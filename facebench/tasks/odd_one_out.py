"""Of three images, does the network find the one odd that people do?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from typing_extensions import override

from facebench.columns import CI_METHOD, N_FAILED, N_IMAGES
from facebench.data.pairs import read_pairs, require_column, row_name
from facebench.errors import InputError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.noise_ceiling import share_of_ceiling
from facebench.metrics.odd_one_out import (
    agreement,
    best_temperature,
    choice_ceiling,
    log_likelihood,
)
from facebench.metrics.rdm import gram, rdm, square
from facebench.metrics.uncertainty.choice_errors import choice_estimate
from facebench.metrics.uncertainty.influence import Scale
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.rating_resamples import RatingEstimate
from facebench.metrics.uncertainty.spread import Replicates
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.arguments import refuse_unknown
from facebench.tasks.shared.people import PeopleSource, groups_of_people, trials_of
from facebench.tasks.shared.people_triplets import ChoosersBeside, choices_of_people
from facebench.tasks.shared.rating_columns import interval_columns
from facebench.types import Float64Array, FloatArray, IntArray, StrPath

__all__ = ["OddOneOutTask"]

_IMAGES = ("img1", "img2", "img3")
# Similarity of the pair without img1, without img2, without img3.
_SIMILARITIES = ("similarity_23", "similarity_13", "similarity_12")
_PAIRS = ((1, 2), (0, 2), (0, 1))


class OddOneOutTask(EmbeddingTask):
    """Does the network choose the same odd one out of three images as people do?

    The network's choice is the image outside its most similar pair. Reports Agreement (by chance
    1/3; ties share) and Log Likelihood, the mean over choices under a softmax of the similarities
    (by chance -1.0986; larger is better), with intervals; Temperature, that of the softmax, fitted
    to the layer's choices unless given: layers differ in scale. Where triplets were judged more
    than once also Ceiling Lower (how often one person chooses as most of the others) and Ceiling
    Upper (as most of all: the most any model can reach), and, on these triplets, Share of Ceiling =
    agreement / Ceiling Lower, with intervals too. Counts are Choices, Triplets, Images and Failed
    (choices lost to images that cannot be read).

    Parameters
    ----------
    name : str
        Unique name of the task.
    triplets_file_path : str or Path
        A CSV file with img1, img2, img3 and odd, a row per choice: ``odd`` names one of the three
        images, or is 1, 2 or 3.
    images_path : str or Path
        The folder the image names are relative to.
    similarity : {'cosine', 'euclidean', 'dot'}
        Similarity of two embeddings: cosine, minus the Euclidean distance, or the inner product.
    temperature : float, optional
        Of the softmax; None fits it.
    resample : {'image', 'triplet'}
        What intervals are for: new images (choices that share one depend on each other), or new
        triplets of these.
    confidence : float, default 0.95
        Nominal coverage of intervals.
    people : Trials, path or mapping, optional
        Trials of kind 'choice', whose response is the odd one of the three images shown, instead of
        choices in the table, which then only names triplets: see `facebench.people.people_of`.
        Participants have rows of results: how often each chooses as most of the others, and every
        layer its difference from that.
    people_groups : bool or list of str, optional
        A row for each group of participants: by default where the trials name two or more.
    people_margin : float, optional
        The smallest difference from people that would matter, for a test of equivalence.

    Raises
    ------
    PairsError
        If the table lacks a column, or an odd one is none of the three.
    InputError
        If a parameter is none of those above.

    References
    ----------
    M. N. Hebart et al., "Revealing the multidimensional mental representations of natural objects
    underlying human similarity judgements", Nature Human Behaviour 4 (2020) 1173-1185.
    """

    citations = ("hebart2020dimensions",)
    _beside: ChoosersBeside | None = None

    item_name = "choices"

    def __init__(
        self,
        name: str,
        triplets_file_path: StrPath,
        images_path: StrPath,
        *,
        similarity: str = "cosine",
        temperature: float | None = None,
        resample: str = "image",
        confidence: float = 0.95,
        people: PeopleSource = None,
        people_groups: bool | Sequence[str] | None = None,
        people_margin: float | None = None,
    ) -> None:
        refuse_unknown(
            "OddOneOutTask",
            ("similarity", similarity, ("cosine", "euclidean", "dot")),
            ("resample", resample, ("image", "triplet")),
        )
        if temperature is not None and not temperature > 0:
            msg = f"The 'temperature' of OddOneOutTask must be above 0. Got {temperature!r}."
            raise InputError(msg)
        if not 0 < confidence < 1:
            msg = f"The 'confidence' of OddOneOutTask must be within 0 and 1. Got {confidence!r}."
            raise InputError(msg)
        self.people = trials_of(people)
        if self.people is None:
            self.triplets_df = _read_triplets(triplets_file_path)
        else:
            given = _read_triplets(triplets_file_path, with_choices=False)
            self.triplets_df, self.people_notes = choices_of_people(self.people, given, name)
            groups = groups_of_people(self.people, people_groups, owner="OddOneOutTask")
            self._beside = ChoosersBeside(
                self.triplets_df,
                *_triplets(self.triplets_df),
                {group: own.participants for group, own in groups.items()},
                people_margin,
                name,
            )
        names = [image for column in _IMAGES for image in self.triplets_df[column]]
        super().__init__(name, list(dict.fromkeys(names)), images_path)
        self.similarity, self.temperature, self.resample = similarity, temperature, resample
        self.confidence = confidence
        self.sampling_unit = f"{resample}s"
        self.measures = (
            Measure(
                "Agreement",
                better="higher",
                headline=True,
                chance=1 / 3,
                bounds=(0, 1),
                ceiling=("Ceiling Lower", "Ceiling Upper"),
                label="Agreement with people (share of choices)",
            ),
            Measure(
                "Log Likelihood",
                better="higher",
                chance=math.log(1 / 3),
                bounds=(-math.inf, 0),
                label="Log likelihood of a choice (nats)",
            ),
            Measure("Temperature", bounds=(0, math.inf), shown=False),
        )
        if choice_ceiling(*_triplets(self.triplets_df)).repeated.any():
            self.measures += (
                Measure("Ceiling Lower", bounds=(0, 1), shown=False),
                Measure("Ceiling Upper", bounds=(0, 1), shown=False),
                Measure(
                    "Share of Ceiling",
                    better="higher",
                    bounds=(0, math.inf),
                    label="Share of the lower noise ceiling (1 is the ceiling)",
                ),
            )

    @override
    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as the task measures a layer; see `WithPeople.people_rows`."""
        return None if self._beside is None else self._beside.rows()

    @override
    def against_people(self, measured: pd.DataFrame) -> dict[str, Any]:
        """Compare a layer with people; see `WithPeople.against_people`."""
        if self._beside is None:
            return {}
        table = measured[list(_SIMILARITIES)].to_numpy(dtype=np.float64)
        known = np.isfinite(table).all(axis=1)
        odd = measured[list(_IMAGES)].to_numpy(dtype=object)[
            np.arange(len(table)), np.argmax(np.where(np.isnan(table), -np.inf, table), axis=1)
        ]
        # In the order that the images of equal triplets have.
        return self._beside.against(_triplets(measured.assign(odd=odd))[1], known)

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Add similarity_23, similarity_13, similarity_12 and agrees to the rows of the file."""
        similarities = self._similarities(embeddings)
        return self._items([similarities[pair] for pair in self._pairs()])

    @override
    def image_pairs(self) -> tuple[IntArray, IntArray]:
        first, second = np.concatenate(self._pairs(), axis=1)
        return first, second

    @override
    def items_of_distances(self, distances: Float64Array) -> pd.DataFrame:
        return self._items(np.split(-distances, len(_PAIRS)))

    def _pairs(self) -> list[tuple[IntArray, IntArray]]:
        """Give the pairs of images of all triplets, for each of the similarities."""
        place = {image: row for row, image in enumerate(self.images)}
        rows = [self.triplets_df[column].map(place).to_numpy(dtype=np.intp) for column in _IMAGES]
        return [(rows[one], rows[other]) for one, other in _PAIRS]

    def _items(self, similarities: Sequence[Float64Array]) -> pd.DataFrame:
        items = self.triplets_df.assign(**dict(zip(_SIMILARITIES, similarities, strict=True)))
        items["agrees"] = agreement(items[list(_SIMILARITIES)], _chosen(items))
        return items

    def _similarities(self, embeddings: FloatArray) -> Float64Array:
        """Compute the similarities of all images at once: they come in many triplets each."""
        if self.similarity == "dot":
            return gram(embeddings)
        distances = square(rdm(embeddings, self.similarity))
        return 1 - distances if self.similarity == "cosine" else -distances

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        complete = items_df["agrees"].notna().to_numpy()
        items = items_df[complete].reset_index(drop=True)
        table, chosen = items[list(_SIMILARITIES)].to_numpy(dtype=np.float64), _chosen(items)
        agrees = items["agrees"].to_numpy(dtype=np.float64)
        fitted = self.temperature is None
        temperature = best_temperature(table, chosen) if fitted else float(self.temperature or 1)
        likely = log_likelihood(table, chosen, temperature) if len(items) else np.empty(0)
        triplet, place = _triplets(items)
        ceiling = choice_ceiling(triplet, place)
        row = self._mean("Agreement", agrees, items, "logit")
        row |= self._mean("Log Likelihood", likely, items)
        row["Temperature"] = temperature
        again = ceiling.repeated
        if again.any():
            shared = items[again]
            lower, upper = ceiling.by_choice[again].T
            row |= self._mean("Ceiling Lower", lower, shared, "logit")
            row |= self._mean("Ceiling Upper", upper, shared, "logit")
            share = float(share_of_ceiling(float(agrees[again].mean()), ceiling.lower))
            left_over = (agrees[again] - share * lower) / (ceiling.lower or np.nan)
            row |= self._estimate("Share of Ceiling", share, left_over / len(shared), shared)
        images = {image for column in _IMAGES for image in items[column]}
        counts: dict[str, Any] = {
            "Choices": len(items),
            "Triplets": int(np.unique(triplet).size),
            N_IMAGES: len(images),
            N_FAILED: int((~complete).sum()),
            "Temperature From": "same choices" if fitted else "given",
            CI_METHOD: f"choices that share {self.resample}s, Student's t",
        }
        return pd.DataFrame([row | counts])

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of images in turn, for errors of differences."""
        items = items_df[items_df["agrees"].notna()].reset_index(drop=True)
        if items.empty:
            return JackknifeReplicates("image", "", {})
        groups = JackknifeGroups(*(items[column] for column in _IMAGES))
        columns = np.stack(
            (items["agrees"].to_numpy(dtype=np.float64), np.ones(len(items))), axis=1
        )
        sums = groups.with_dyads().sums(columns)
        with np.errstate(invalid="ignore"):
            value, *agreements = sums[:, 0] / sums[:, 1]
        images, triplets = np.split(np.asarray(agreements), [groups.n_resamples])
        made = Replicates(float(value), images, triplets, sides=len(_IMAGES))
        digest = groups.digest(*(items[column] for column in (*_IMAGES, "odd")))
        return JackknifeReplicates.collect("image", digest, {(None, "Agreement"): made})

    def _mean(
        self, column: str, values: Float64Array, items: pd.DataFrame, scale: Scale = "identity"
    ) -> dict[str, float]:
        """Give a mean over choices with its interval, as columns."""
        if not values.size:
            return interval_columns(column, RatingEstimate(*[float("nan")] * 3))
        mean = float(values.mean())
        return self._estimate(column, mean, (values - mean) / values.size, items, scale)

    def _estimate(
        self,
        column: str,
        value: float,
        influences: Float64Array,
        items: pd.DataFrame,
        scale: Scale = "identity",
    ) -> dict[str, float]:
        place = {image: row for row, image in enumerate(self.images)}
        images = np.column_stack([items[each].map(place) for each in _IMAGES])
        return interval_columns(
            column,
            choice_estimate(
                value, influences, images,
                by=self.resample, confidence=self.confidence, scale=scale,
                long_tails=column == "Log Likelihood",
            ),
        )  # fmt: skip

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw agreement and log-likelihood with intervals, a picture per task each."""
        for column, reference, file_name in (
            ("Agreement", 1 / 3, "agreement"),
            ("Log Likelihood", float(np.log(1 / 3)), "log_likelihood"),
        ):
            PlotHelper.interval_plot(
                performances, column, column, f"Odd one out, {column.lower()}",
                output_dir, file_name, reference=(reference, "chance"),
            )  # fmt: skip


def _read_triplets(path: StrPath, *, with_choices: bool = True) -> pd.DataFrame:
    table = read_pairs(path)
    for column in ("img3", "odd") if with_choices else ("img3",):
        require_column(table, column, parameter=None, owner="OddOneOutTask", path=path)
        table[column] = _as_text(table[column])
    for one, other in _PAIRS:
        same = np.flatnonzero(table[_IMAGES[one]] == table[_IMAGES[other]])
        if same.size:
            msg = (
                f"Each row of {path} must name three different images. "
                f"Got {table[_IMAGES[one]].iloc[same[0]]!r:.200} twice in "
                f"{row_name(int(same[0]), path)}."
            )
            raise PairsError(msg)
    if not with_choices:
        return table
    bad = np.flatnonzero(_chosen(table) < 0)
    if bad.size:
        first = int(bad[0])
        named = ", ".join(repr(table[column].iloc[first]) for column in _IMAGES)
        msg = (
            f"The 'odd' column of {path} must name one of the row's images, or 1, 2 or 3. "
            f"Got {table['odd'].iloc[first]!r:.200} in {row_name(first, path)}, whose images are "
            f"{named}."
        )
        raise PairsError(msg)
    return table


def _as_text(column: pd.Series) -> pd.Series:
    """Write names that are numbers as they were: 7, not 7.0."""
    if pd.api.types.is_float_dtype(column) and (column % 1 == 0).all():
        return column.astype(int).astype(str)
    return column.astype(str)


def _chosen(table: pd.DataFrame) -> Any:
    """Give the place of the odd image in its row, 0, 1 or 2; -1 for none."""
    chosen = np.full(len(table), -1, dtype=np.intp)
    # An image may be called '1': names go before numbers.
    for place in (2, 1, 0):
        chosen[(table["odd"] == str(place + 1)).to_numpy()] = place
    for place, column in enumerate(_IMAGES):
        chosen[(table["odd"] == table[column]).to_numpy()] = place
    return chosen


def _triplets(items: pd.DataFrame) -> tuple[Any, Any]:
    """Give every triplet a number, for any order of images, and the odd image's place."""
    names = items[list(_IMAGES)].to_numpy(dtype=object)
    order = np.argsort(names.astype(str), axis=1) if len(items) else np.empty((0, 3), np.intp)
    sorted_names = np.take_along_axis(names, order, axis=1)
    keys = pd.MultiIndex.from_arrays(list(sorted_names.T)) if len(items) else pd.Index([])
    triplet = pd.factorize(keys)[0]
    place = np.argmax(order == np.asarray(_chosen(items))[:, None], axis=1)
    return triplet, place
