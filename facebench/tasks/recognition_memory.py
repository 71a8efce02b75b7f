"""Does the network know faces again that it has studied?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import (
    CI_METHOD,
    CONDITION,
    DISTANCE_METRIC,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    N_PAIRS,
)
from facebench.errors import InputError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.accuracy import youden_threshold
from facebench.metrics.distances import zeros_as_nan
from facebench.metrics.recognition import Memory, familiarity, signal_detection
from facebench.metrics.templates import pool_templates
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.proportions import (
    conservative_note,
    effective_counts,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.replicates import verification_jackknife
from facebench.metrics.uncertainty.spread import Replicates
from facebench.people import Trials
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.answered_items import (
    AnsweredItems,
    answers_to,
    as_the_task_names,
    trials_of_kind,
)
from facebench.tasks.shared.arguments import at_least, checked_criterion
from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.tasks.shared.item_rows import ItemRow, rows_of_people
from facebench.tasks.shared.labelled_pairs import SamplingUnits, jackknife_note
from facebench.tasks.shared.people import groups_of_people
from facebench.tasks.shared.rate_measures import D_PRIME
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.tasks.shared.study_tables import StudyTables
from facebench.types import Float64Array, FloatArray, MetricFunction, StrPath

__all__ = ["RecognitionMemoryTask"]

_CRITERIA = ("best", "people")
_ALL = "all trials"


class RecognitionMemoryTask(EmbeddingTask):
    """Does the network know at test which faces it has studied?

    The familiarity of a test item comes from its distances to what was studied (in its list):
    'exemplar' sums exp(-sensitivity * distance / D) over all studied images, D being their mean
    distance from each other; 'nearest' takes minus the distance of the nearest; 'prototype' minus
    that of the nearest mean of a person's studied images. An item is called old from a criterion
    familiarity on, one for all conditions.

    Reports AUC, Hits and False Alarms at the Criterion, d' = z(hits) - z(false alarms) and Bias
    c = -(z(hits) + z(false alarms)) / 2, with the log-linear correction, each with an interval over
    identities of test items. People's AUC is from their confidence, or else from hits and false
    alarms, (1 + hits - false alarms) / 2. With people also Familiarity Spearman (the correlation
    over items of familiarity with the share of participants who called them old), the same among
    old items (Hits Spearman) and among new ones (False Alarms Spearman), each with its Ceiling, and
    differences from people.

    With a condition column there is a row for all items and one for each condition; items without a
    condition, such as new ones that no condition of study applies to, count in each of them. With
    several noise levels there are such rows for each level.

    Parameters
    ----------
    name : str
        Unique name of the task.
    study : str, Path or DataFrame
        A row per studied image: ``image``, optionally ``identity`` and ``list``.
    test : str, Path or DataFrame
        A row per test item: ``image``, ``old`` (old/new or 1/0), optionally ``identity``, ``list``
        and ``condition``.
    images_path : str or Path
        The folder the image names are relative to.
    distance_metric : callable, default sklearn's ``cosine_distances``
        Distance of two [1, D] tensors.
    memory : {'exemplar', 'nearest', 'prototype'}
        See above. Prototypes need identities: a column, or folders.
    sensitivity : float, default 10
        Of the exemplar model.
    noise : float or sequence of float, default 0
        Standard deviations of Gaussian noise that is added to every number of every embedding, at
        study and at test, in units of the layer's spread (the root mean square, over features, of
        the standard deviation over images). A row of results for each.
    repetitions : int, default 20
        Draws of the noise that results are averaged over.
    seed : int, default 0
        Of the noise.
    criterion : float or {'best', 'people'}
        The least familiarity that is called old: given, or chosen on the same items, for the
        largest difference of hits and false alarms, or to call as many items old as people do.
    image_column, identity_column, old_column, list_column, condition_column : str
        Columns of the tables. Items are compared with what was studied in their own list.
    people : Trials, mapping, str or Path, optional
        Trials of kind 'old-new', or their description.
    people_groups : bool or sequence of str, optional
        See `MatchingTask`.

    Raises
    ------
    PairsError
        If a table lacks something, or labels contradict the study list.
    InputError
        If a parameter is none of those above.

    References
    ----------
    R. M. Nosofsky, Journal of Experimental Psychology: General 115 (1986) 39-57; M. J. Hautus,
    Behavior Research Methods, Instruments, & Computers 27 (1995) 46-51.
    """

    item_name = "test items"
    citations = ("nosofsky1986attention", "hautus1995corrections")

    def __init__(
        self,
        name: str,
        study: StrPath | pd.DataFrame,
        test: StrPath | pd.DataFrame,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        *,
        memory: Memory = "exemplar",
        sensitivity: float = 10.0,
        noise: float | Sequence[float] = 0.0,
        repetitions: int = 20,
        seed: int = 0,
        criterion: float | str = "best",
        image_column: str = "image",
        identity_column: str = "identity",
        old_column: str = "old",
        list_column: str = "list",
        condition_column: str = "condition",
        people: Any = None,
        people_groups: bool | Sequence[str] | None = None,
    ) -> None:
        owner = type(self).__name__
        if memory not in get_args(Memory):
            known = ", ".join(map(repr, get_args(Memory)))
            msg = f"The 'memory' of {owner} must be one of {known}. Got {memory!r} instead."
            raise InputError(msg)
        if not 0 < sensitivity < math.inf:
            msg = f"The 'sensitivity' of {owner} must be above 0. Got {sensitivity!r}."
            raise InputError(msg)
        self.memory, self.sensitivity = memory, float(sensitivity)
        self.noise = _noise_levels(noise, owner)
        self.repetitions, self.seed = at_least("repetitions", repetitions, 1, owner), seed
        self.tables = StudyTables(
            study,
            test,
            owner=owner,
            task=name,
            image_column=image_column,
            identity_column=identity_column,
            old_column=old_column,
            list_column=list_column,
            condition_column=condition_column,
        )
        if memory == "prototype" and self.tables.people is None:
            msg = (
                f"The prototypes of task {name!r} need to know who each image shows: a column "
                f"{identity_column!r} in both tables, or a folder for each person."
            )
            raise InputError(msg)
        images = [*self.tables.study_images, *self.tables.test_images]
        super().__init__(name, images, images_path)
        self.distance_metric = DistanceMetric(distance_metric, owner=owner)
        self.distance_metric_name = self.distance_metric.name
        self.people = trials_of_kind(people, "old-new", task=name)
        if criterion == "people" and self.people is None:
            msg = f"The 'criterion' of {owner} can only be 'people' with trials in 'people'."
            raise InputError(msg)
        self.criterion = checked_criterion(criterion, _CRITERIA, "a familiarity", owner)
        known_people = self.tables.people
        members = self.tables.test_images.astype(str) if known_people is None else known_people[1]
        self._units = SamplingUnits(
            "image" if known_people is None else "identity", members, members
        )
        self.sampling_unit = self._units.plural
        self._groups = JackknifeGroups(members, members)
        self._parts = self._rows_of_results()
        self._answers: AnsweredItems | None = None
        self._members: dict[str, NDArray[np.bool_]] = {}
        self._by_participant: dict[str, dict[str, Float64Array]] = {}
        self._ceilings: dict[str, dict[str, float]] = {}
        if self.people is not None:
            self._answers = self._read_people(self.people, list_column)
            names = list(dict.fromkeys(self.people.table["participant"]))
            groups = groups_of_people(self.people, people_groups, owner=owner)
            self._members = {
                group: np.isin(np.array(names, dtype=object), trials.participants)
                for group, trials in groups.items()
            }
            for condition, chosen in self._parts.items():
                self._by_participant[condition] = self._participants(self._answers, chosen)
                self._ceilings[condition] = {
                    name: math.sqrt(max(self._answers.split_half(chosen & among).reliability, 0.0))
                    for name, among in self._correlated.items()
                }
        self.measures = self._declared()

    @property
    def _correlated(self) -> dict[str, NDArray[np.bool_]]:
        """By measure, the items whose familiarity is correlated with people's responses."""
        old = self.tables.old
        return {
            "Familiarity Spearman": np.ones(len(old), dtype=bool),
            "Hits Spearman": old,
            "False Alarms Spearman": ~old,
        }

    def _declared(self) -> tuple[Measure, ...]:
        found = [
            Measure("AUC", better="higher", headline=True, chance=0.5, bounds=(0, 1)),
            D_PRIME,
            Measure("Hits", better="higher", bounds=(0, 1), label="Hit rate"),
            Measure("False Alarms", better="lower", bounds=(0, 1), label="False alarm rate"),
            Measure("Bias"),
            Measure("Criterion", label="Criterion c (standard deviations)"),
        ]
        if self._answers is not None:
            for name in self._correlated:
                of = name.removesuffix(" Spearman").lower()
                found += [
                    Measure(
                        name,
                        better="higher",
                        chance=0,
                        bounds=(-1, 1),
                        ceiling=(f"{name} Ceiling",),
                        label=f"Spearman correlation with people, {of}",
                    ),
                    Measure(f"{name} Ceiling", bounds=(0, 1), shown=False),
                ]
        return tuple(found)

    def _rows_of_results(self) -> dict[str, NDArray[np.bool_]]:
        conditions = self.tables.conditions
        parts = {_ALL: np.ones(len(conditions), dtype=bool)}
        for condition in dict.fromkeys(conditions) if self.tables.has_conditions else ():
            if condition:
                parts[str(condition)] = (conditions == condition) | (conditions == "")
        return parts

    def _read_people(self, trials: Trials, list_column: str) -> AnsweredItems:
        trials = as_the_task_names(trials, list(self.tables.test_images))
        table = trials.table
        has_lists = self.tables.has_lists and list_column in table
        shown = [self.tables.test_images.astype(str)]
        asked = [table["image"].astype(str)]
        if has_lists:
            shown.append(self.tables.lists[1])
            asked.append(table[list_column].astype(str))
        keys = pd.MultiIndex.from_arrays(shown)
        if keys.has_duplicates:
            msg = (
                f"Images of task {self.name!r} are tested in several lists, so its people's trials "
                f"need a column {list_column!r}."
            )
            raise InputError(msg)
        response = pd.to_numeric(table["response"], errors="coerce").to_numpy(dtype=np.float64)
        item, participant = answers_to(
            trials,
            pd.MultiIndex.from_arrays(asked),
            keys,
            task=self.name,
            shown=list(dict.fromkeys(asked[0])),
            known_images=list(dict.fromkeys(shown[0].tolist())),
        )
        kept = (item >= 0) & np.isfinite(response)
        n_participants = int(participant.max()) + 1
        found = AnsweredItems(
            item[kept], response[kept], participant[kept], len(shown[0]), n_participants
        )
        sure = np.ones(len(response))
        if "confidence" in table:
            confidence = pd.to_numeric(table["confidence"], errors="coerce")
            # From surely new to surely old; the least sure are next to each other.
            sure = (1 + confidence - confidence.min()).to_numpy(dtype=np.float64)
        self._graded = found.with_values((np.where(response == 1, sure, -sure))[kept])
        return found

    def _participants(
        self, answers: AnsweredItems, chosen: NDArray[np.bool_]
    ) -> dict[str, Float64Array]:
        """Measure each participant in some of the items."""
        old = self.tables.old
        (hits, n_old), (alarms, n_new) = (answers.sums_in(chosen & among) for among in (old, ~old))
        found = signal_detection(hits, n_old, alarms, n_new)
        return {
            "AUC": self._areas(chosen),
            "d'": found.dprime,
            "Hits": answers.means_in(chosen & old),
            "False Alarms": answers.means_in(chosen & ~old),
            "Bias": found.criterion,
        }

    def _areas(self, chosen: NDArray[np.bool_]) -> Float64Array:
        """Give each participant's AUC, from how sure they were where that is known."""
        graded = self._graded
        kept = chosen[graded.item] & np.isfinite(graded.value)
        participant, old = graded.participant[kept], self.tables.old[graded.item[kept]]
        # Mann and Whitney's statistic, from ranks within each participant.
        ranks = pd.Series(graded.value[kept]).groupby(participant).rank().to_numpy()
        sums = np.bincount(participant, np.where(old, ranks, 0.0), graded.n_participants)
        n_old = np.bincount(participant[old], minlength=graded.n_participants)
        n_new = np.bincount(participant[~old], minlength=graded.n_participants)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((sums - n_old * (n_old + 1) / 2) / (n_old * n_new))

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Say whether images were studied, old or new; see `EmbeddingTask.groupings`."""
        studied = np.full(len(self.tables.study_images), "study", dtype=object)
        tested = np.where(self.tables.old, "old", "new").astype(object)
        none = np.full(len(studied), "", dtype=object)
        found = {"role": [np.concatenate((studied, tested))]}
        if self.tables.has_conditions:
            found["condition"] = [np.concatenate((none, self.tables.conditions))]
        return found

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Find the familiarity of every test item.

        Returns
        -------
        DataFrame
            The test table once per noise level and repetition, with noise, repetition, familiarity
            (NaN where the image could not be read), criterion, said_old; and with people their
            number of responses and the share of "old".
        """
        if self.distance_metric.is_cosine:
            embeddings = zeros_as_nan(embeddings)
        n_studied = len(self.tables.study_images)
        scale = self._scale(embeddings[:n_studied])
        with np.errstate(invalid="ignore"):
            spread = float(np.sqrt(np.nanmean(_variances(embeddings))))
        found: dict[float, list[Float64Array]] = {level: [] for level in self.noise}
        for repetition in range(self.repetitions if max(self.noise) else 1):
            drawn = None
            for level in self.noise:
                if level == 0 and repetition:
                    continue
                noisy = embeddings
                if level:
                    if drawn is None:
                        # The same draw at every level: a sweep differs by its levels only.
                        generator = np.random.default_rng([self.seed, repetition])
                        drawn = generator.standard_normal(embeddings.shape, dtype=np.float32)
                    noisy = embeddings + np.float32(level * spread) * drawn
                found[level].append(self._familiarity(noisy, scale))
        frames = [
            self._frame(level, repetition, familiar, criterion)
            for level, repeated in found.items()
            for criterion in [self._criterion_of(np.stack(repeated))]
            for repetition, familiar in enumerate(repeated, start=1)
        ]
        return pd.concat(frames, ignore_index=True)

    def _frame(
        self, level: float, repetition: int, familiar: Float64Array, criterion: float
    ) -> pd.DataFrame:
        said = np.where(np.isnan(familiar), np.nan, familiar >= criterion)
        items = self.tables.rows.assign(
            noise=level,
            repetition=repetition,
            familiarity=familiar,
            criterion=criterion,
            said_old=said,
        )
        if self._answers is not None:
            items["people_trials"] = self._answers.per_item.astype(int)
            items["people_old"] = self._answers.item_means
        return items

    def _scale(self, studied: FloatArray) -> float:
        """Give the mean distance of studied images from each other."""
        if self.memory != "exemplar":
            return 1.0
        distances = _across(studied, studied, self.distance_metric)
        np.fill_diagonal(distances, np.nan)
        known = distances[np.isfinite(distances)]
        return float(known.mean()) if known.size and known.mean() > 0 else 1.0

    def _familiarity(self, embeddings: FloatArray, scale: float) -> Float64Array:
        n_studied = len(self.tables.study_images)
        studied, tested = embeddings[:n_studied], embeddings[n_studied:]
        lists, of_item = self.tables.lists
        if self.memory == "prototype" and self.tables.people is not None:
            # A person may be in several lists, with other images.
            pairs = pd.MultiIndex.from_arrays([lists, self.tables.people[0]])
            codes, names = pd.factorize(pairs)
            number, studied, _ = pool_templates(studied, codes, normalise="none")
            lists = np.asarray(names.get_level_values(0))[number]
        distances = _across(tested, studied, self.distance_metric)
        distances[of_item[:, None] != lists] = np.inf
        return familiarity(distances, self.memory, self.sensitivity, scale)

    def _criterion_of(self, familiar: Float64Array) -> float:
        """Choose the criterion, one for all repetitions and conditions."""
        if isinstance(self.criterion, float):
            return self.criterion
        known = np.isfinite(familiar)
        old = np.broadcast_to(self.tables.old, familiar.shape)[known]
        values = familiar[known]
        if self.criterion == "people" and self._answers is not None:
            share = float(np.nanmean(self._answers.item_means))
            if not values.size:
                return math.nan
            ordered = np.sort(values)[::-1]
            n_called = round(share * values.size)
            ends = np.concatenate(([np.inf], ordered, [-np.inf]))
            low, high = ends[n_called + 1], ends[n_called]
            return float(high if np.isinf(low) else low if np.isinf(high) else (low + high) / 2)
        if not values.size or old.all() or not old.any():
            return math.nan
        return youden_threshold(old.astype(int), values)

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for (level, condition), row in self._measured(items_df).items():
            chosen, old = row.chosen, self.tables.old
            familiar = self._familiar(items_df, level)
            given = isinstance(self.criterion, float)
            label = self._label(level, condition)
            counts: dict[str, Any] = {
                "Old Items": int((chosen & old).sum()),
                "New Items": int((chosen & ~old).sum()),
                "Studied": len(self.tables.study_images),
                "Same Images": int((chosen & old & self.tables.same_image).sum()),
                "Noise": level,
                N_PAIRS: int(chosen.sum()),
                N_IMAGES: len(set(self.images)),
                N_IDENTITIES: (
                    np.unique(self._units.first[chosen]).size
                    if self._units.by == "identity"
                    else math.nan
                ),
                N_FAILED: int((chosen & np.isnan(familiar).all(axis=0)).sum()),
                DISTANCE_METRIC: self.distance_metric_name,
                CI_METHOD: jackknife_note(self._units, self._groups)
                + conservative_note(row.few_errors),
                "Criterion From": "given" if given else f"same items, {self.criterion}",
                "Memory": self.memory,
            }
            named = {} if label is None else {CONDITION: label}
            rows.append({**named, **row.columns, **counts})
        return pd.DataFrame(rows)

    def _label(self, level: float, condition: str) -> str | None:
        """Name a row of results; None where there is only one."""
        if len(self._parts) == 1 and len(self.noise) == 1:
            return None
        # Without noise a row has the name of that of people.
        plain = len(self.noise) == 1 or level == 0
        return condition if plain else f"{condition}, noise {level:g}"

    def _familiar(self, items: pd.DataFrame, level: float) -> Float64Array:
        """Give the familiarity of each item in each repetition, [R, N]."""
        values = items.loc[items["noise"] == level, "familiarity"].to_numpy(dtype=np.float64)
        return np.asarray(values.reshape(-1, len(self.tables.old)))

    def _measured(self, items: pd.DataFrame) -> dict[tuple[float, str], ItemRow]:
        found = {}
        for level in self.noise:
            familiar = self._familiar(items, level)
            criterion = float(items.loc[items["noise"] == level, "criterion"].iloc[0])
            for condition, chosen in self._parts.items():
                row = found[level, condition] = ItemRow(self._groups, chosen)
                self._add_rates(row, familiar, criterion)
                self._add_people(row, familiar, condition)
        return found

    def _add_rates(self, row: ItemRow, familiar: Float64Array, criterion: float) -> None:
        old = self.tables.old
        known = np.isfinite(familiar).all(axis=0)
        called = np.where(known, (familiar >= criterion).mean(axis=0), np.nan)
        self._add_auc(row, familiar, known & row.chosen)
        self._add_sensitivity(row, called)
        # Items whose familiarity is nearest to the criterion are the next to be called otherwise.
        near = np.abs(familiar.mean(axis=0) - criterion)
        row.share("Hits", called, near, old)
        row.share("False Alarms", called, near, ~old)
        row.number("Criterion", criterion)

    def _add_auc(self, row: ItemRow, familiar: Float64Array, used: NDArray[np.bool_]) -> None:
        labels = self.tables.old[used]
        if not labels.any() or labels.all():
            row.undefined("AUC")
            return
        groups = row.part(used)
        drawn = [
            verification_jackknife(labels.astype(int), values[used], groups)["auc"]
            for values in familiar
        ]
        made = Replicates(
            float(np.mean([each.value for each in drawn])),
            np.mean([each.units for each in drawn], axis=0),
        )
        mean = familiar.mean(axis=0)[used]
        counts = effective_counts(labels, -mean, groups.first, groups.second)
        row.add("AUC", made, jackknife_proportion("auc", made, counts))

    def _add_sensitivity(self, row: ItemRow, called: Float64Array) -> None:
        """Add d' and bias, and both without each group of people."""
        used = row.chosen & ~np.isnan(called)
        old, said = self.tables.old[used].astype(np.float64), called[used]
        columns = np.stack((said * old, old, said * (1 - old), 1 - old), axis=1)
        whole = signal_detection(*columns.sum(axis=0)) if used.any() else None
        if whole is None:
            for name in ("d'", "Bias"):
                row.undefined(name)
            return
        left = signal_detection(*row.part(used).sums(columns).T)
        for name, value, without in (
            ("d'", whole.dprime, left.dprime),
            ("Bias", whole.criterion, left.criterion),
        ):
            made = Replicates(float(value), np.asarray(without))
            row.add(name, made, made.interval())

    def _add_people(self, row: ItemRow, familiar: Float64Array, condition: str) -> None:
        if self._answers is None:
            return
        for name, among in self._correlated.items():
            row.correlation(name, familiar.mean(axis=0), self._answers.item_means, among)
            row.number(f"{name} Ceiling", self._ceilings[condition][name])
        row.against_groups(self._by_participant[condition], self._members)

    @override
    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as layers are measured; see `EmbeddingTask.people_rows`."""
        if self._answers is None:
            return None
        has_conditions = len(self._parts) > 1 or len(self.noise) > 1
        rows = rows_of_people(
            self._by_participant, self._members, "d'", has_conditions=has_conditions
        )
        return pd.DataFrame(rows)

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences.

        Parameters
        ----------
        items_df : DataFrame
            As `compute_task_performance` takes it.

        Returns
        -------
        JackknifeReplicates
            With the criterion as it is.
        """
        digest = self._groups.digest(*self.tables.lists[1:], self.tables.test_images)
        found = {
            (self._label(level, condition), name): made
            for (level, condition), row in self._measured(items_df).items()
            for name, made in row.replicates.items()
        }
        return JackknifeReplicates.collect(self._units.by, digest, found)

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw AUC and d' of every model and layer with intervals, a picture per task each."""
        for column, reference, file_name in (
            ("AUC", 0.5, "memory_auc"),
            ("d'", 0.0, "memory_dprime"),
        ):
            PlotHelper.interval_plot(
                performances, column, column, f"Recognition memory, {column}",
                output_dir, file_name, reference=(reference, "chance"),
            )  # fmt: skip


def _across(rows: FloatArray, others: FloatArray, metric: DistanceMetric) -> Float64Array:
    """Give the distances of all rows to all others, NaN where an embedding is missing."""
    found = np.full((len(rows), len(others)), np.nan)
    known, known_others = (np.isfinite(side).all(axis=1) for side in (rows, others))
    first, second = rows[known], others[known_others]
    if not len(first) or not len(second):
        return found
    if metric.rowwise is not None and metric.rowwise.has_gram:
        values = metric.function(first.astype(np.float64), second.astype(np.float64))
    else:
        places = np.indices((len(first), len(second))).reshape(2, -1)
        both = np.concatenate((first, second))
        values = metric.between(both, places[0], places[1] + len(first))
    found[np.ix_(known, known_others)] = np.reshape(values, (len(first), len(second)))
    return found


def _variances(embeddings: FloatArray) -> Float64Array:
    known = embeddings[np.isfinite(embeddings).all(axis=1)]
    return np.asarray(np.var(known, axis=0, dtype=np.float64)) if len(known) else np.array([0.0])


def _noise_levels(noise: Any, owner: str) -> tuple[float, ...]:
    levels = list(noise) if isinstance(noise, list | tuple | np.ndarray) else [noise]
    is_number = all(
        isinstance(level, int | float | np.number) and not isinstance(level, bool)
        for level in levels
    )
    if not levels or not is_number or not all(0 <= level < math.inf for level in levels):
        msg = f"The 'noise' of {owner} must be numbers of 0 or more. Got {noise!r} instead."
        raise InputError(msg)
    return tuple(dict.fromkeys(map(float, levels)))
