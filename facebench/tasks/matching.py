"""Which of several images shows the person of the target, if any?"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import (
    CI_LOW,
    CI_METHOD,
    CONDITION,
    DISTANCE_METRIC,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    N_PAIRS,
    TASK,
)
from facebench.errors import InputError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.choices import (
    absence_criterion,
    choice_ceiling_likelihoods,
    choice_shares,
    fit_choices,
    held_out_log_probabilities,
    log_probabilities,
    margins,
    with_absence,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.proportions import conservative_note
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.answered_items import trials_of_kind
from facebench.tasks.shared.arguments import checked_criterion
from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.tasks.shared.item_rows import ItemRow, rows_of_people
from facebench.tasks.shared.labelled_pairs import jackknife_note
from facebench.tasks.shared.line_ups import NONE, read_line_ups
from facebench.tasks.shared.people import EVERYBODY, groups_of_people
from facebench.tasks.shared.people_choices import PeopleChoices, line_ups_of
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import Float64Array, FloatArray, IntArray, MetricFunction, StrPath

__all__ = ["MatchingTask"]

_log = logging.getLogger(__name__)
_CRITERIA = ("best", "equal error")
_ALL = "all trials"
_OWN = "own group"
_FOLDS = 10


class MatchingTask(EmbeddingTask):
    """Does the network find the person of a target image among several alternatives?

    Two-alternative forced choice, ABX (X is the target, A and B are the alternatives), and line-ups
    of any size, with or without the target. The network chooses the alternative at the least
    distance; equal distances share the choice. Where some trials are target-absent, it answers
    "none of them" beyond a criterion distance.

    Reports Accuracy with its interval (Chance is what guessing gives), Advantage (the accuracy of a
    condition minus that of all other trials), Mean Rank of the right alternative of three or more;
    with target-absent trials Hits, Misidentifications (another was chosen) and Misses (none was) of
    the target-present trials, and Correct Rejections of the others, with the Criterion.

    With a temperature T, given or fitted to people's choices, an alternative at distance d is
    chosen with a probability in proportion to exp(-d / T): Probability Correct is its mean for the
    right answer.

    With people, also Log Likelihood per choice of theirs (between Log Likelihood Chance and the
    ceilings: choices predicted from those of the others, and of all), Margin Spearman (the
    correlation over trials of P(correct) with the margin: the distance of the best wrong
    alternative minus that of the right one) with Margin Ceiling and Share of Ceiling, and the
    difference from people's accuracy. T is fitted to trials of other targets than it is judged on.

    With a condition column there is a row for all trials and one for each condition.

    Parameters
    ----------
    name : str
        Unique name of the task.
    trials : str, Path or DataFrame, optional
        A row per trial: ``target``, ``alt1`` … ``altK``, ``answer`` (the right alternative's name,
        or its number, or 'none') and optionally a condition. Rows may have fewer alternatives than
        others. None takes the line-ups that people saw.
    images_path : str or Path
        The folder the image names are relative to.
    distance_metric : callable, default sklearn's ``cosine_distances``
        Distance of two [1, D] tensors.
    condition_column : str, default 'condition'
        The column of the condition, if there is one.
    criterion : float or {'best', 'equal error'}
        The largest distance at which an alternative is taken for the target, where trials are
        target-absent: given, or chosen on the same trials, for the most right answers or for as
        many rejections of target-present trials as choices in target-absent ones.
    temperature : float, optional
        T, in the units of the distance; None fits it to people's choices.
    people : Trials, mapping, str or Path, optional
        Trials of kind 'choice', or their description.
    people_groups : bool or sequence of str, optional
        Rows of people: True for one per group, False for one of all, a list for some groups; None
        gives groups if there are two or more.

    Raises
    ------
    PairsError
        If the table lacks a column, an answer is none of the alternatives, or a row has fewer than
        two of them or one twice.
    InputError
        If a parameter is none of those above.

    References
    ----------
    A. M. Burton, D. White and A. McNeill, "The Glasgow Face Matching Test", Behavior Research
    Methods 42 (2010) 286-291; V. Bruce et al., "Verification of face identities from images
    captured on video", Journal of Experimental Psychology: Applied 5 (1999) 339-360 (1-in-10
    line-ups). R. D. Luce, "Individual Choice Behavior" (1959).
    """

    citations = ("bruce1999verification",)
    sampling_unit = "people"
    item_name = "trials"

    def __init__(
        self,
        name: str,
        trials: StrPath | pd.DataFrame | None = None,
        images_path: StrPath = ".",
        distance_metric: MetricFunction = cosine_distances,
        *,
        condition_column: str = "condition",
        criterion: float | str = "best",
        temperature: float | None = None,
        people: Any = None,
        people_groups: bool | Sequence[str] | None = None,
    ) -> None:
        owner = type(self).__name__
        self.people = trials_of_kind(people, "choice", task=name)
        if trials is None and self.people is None:
            msg = f"{owner} needs 'trials', a table of line-ups, or 'people', who saw some."
            raise InputError(msg)
        self.line_ups = (
            line_ups_of(self.people, owner)
            if trials is None and self.people is not None
            else read_line_ups(trials, owner=owner, needs=("answer",))
        )
        rows = self.line_ups.rows
        self._right = self.line_ups.places_of(rows["answer"], "answer", may_be_none=True)
        self._absent = self._right < 0
        if self._absent.all():
            msg = (
                f"{owner} needs trials whose answer is one of the alternatives. In "
                f"{self.line_ups.source} all are {NONE!r}."
            )
            raise PairsError(msg)
        self.condition_column = condition_column if condition_column in rows else None
        if condition_column != "condition" and self.condition_column is None:
            msg = (
                f"The 'condition_column' parameter of {owner} must be a column of "
                f"{self.line_ups.source} (it has: {', '.join(map(str, rows))}). Got "
                f"{condition_column!r} instead."
            )
            raise PairsError(msg)
        self._conditions = self._read_conditions()
        super().__init__(name, self.line_ups.images, images_path)
        self.distance_metric = DistanceMetric(distance_metric, owner=owner)
        self.distance_metric_name = self.distance_metric.name
        self.criterion = checked_criterion(criterion, _CRITERIA, "a distance", owner)
        if temperature is not None and not (0 < temperature < math.inf):
            msg = f"The 'temperature' of {owner} must be above 0. Got {temperature!r}."
            raise InputError(msg)
        self.temperature = temperature
        units = self.line_ups.sides(self._right)
        self.sampling_unit = units.plural
        self._units, self._groups = units, JackknifeGroups(units.first, units.second)
        self._report_oddities()
        self._choices: PeopleChoices | None = None
        # By row of people: which participants it is about.
        self._members: dict[str, NDArray[np.bool_]] = {}
        if self.people is not None:
            self._choices = PeopleChoices(
                self.people, self.line_ups, self._right, self.condition_column, task=name
            )
            groups = groups_of_people(self.people, people_groups, owner=owner)
            self._members = {
                group: self._choices.members(trials) for group, trials in groups.items()
            }
        self._parts = self._rows_of_results()
        # By row of results, what does not depend on a layer.
        self._by_participant: dict[str, dict[str, Float64Array]] = {}
        self._ceilings: dict[str, float] = {}
        if self._choices is not None:
            correct = self._choices.correct
            for condition, chosen in self._parts.items():
                self._by_participant[condition] = self._choices.by_participant(chosen)
                reliability = correct.split_half(chosen).reliability
                self._ceilings[condition] = math.sqrt(max(reliability, 0.0))
        self.measures = self._declared()

    @property
    def _has_absent(self) -> bool:
        """Whether "none of them" may be answered."""
        return bool(self._absent.any())

    @property
    def _has_ranks(self) -> bool:
        """Whether the rank of the right alternative tells more than whether it is the first."""
        return bool((self.line_ups.offered.sum(axis=1) > 2).any())

    def _read_conditions(self) -> NDArray[Any]:
        rows = self.line_ups.rows
        if self.condition_column is None:
            return np.full(len(rows), _ALL, dtype=object)
        values = rows[self.condition_column]
        if values.isna().any():
            row = int(values.isna().to_numpy().argmax())
            msg = (
                f"The {self.condition_column!r} column of {self.line_ups.source} must name the "
                f"condition of every trial. It is empty in {self.line_ups.row_name(row)}."
            )
            raise PairsError(msg)
        return np.asarray(values, dtype=object)

    def _report_oddities(self) -> None:
        line_ups, wrong = self.line_ups, self.line_ups.contradicting(self._right)
        if wrong.size:
            _log.warning(
                "Task %r: in %d of %d trials the people that folders (or identity columns) name "
                "are not those of the answers, first in %s of %s. Intervals are over images.",
                self.name, wrong.size, len(line_ups), line_ups.row_name(int(wrong[0])),
                line_ups.source,
            )  # fmt: skip
        if line_ups.n_with_target:
            _log.warning(
                "Task %r: %d of %d trials of %s have the target's own image among the "
                "alternatives, which every network finds.",
                self.name, line_ups.n_with_target, len(line_ups), line_ups.source,
            )  # fmt: skip

    def _declared(self) -> tuple[Measure, ...]:
        share: dict[str, Any] = {"bounds": (0, 1)}
        chance = self._chance()
        same = float(chance[0]) if np.ptp(chance) == 0 else None
        found = [Measure("Accuracy", better="higher", headline=True, chance=same, **share)]
        if self.condition_column is not None:
            found.append(
                Measure(
                    "Advantage",
                    chance=0,
                    bounds=(-1, 1),
                    label="Accuracy of the condition − of all other trials",
                )
            )
        if self._has_ranks:
            found.append(Measure("Mean Rank", better="lower", bounds=(1, math.inf)))
        if self._has_absent:
            found += [
                Measure("Hits", better="higher", **share),
                Measure("Misidentifications", better="lower", **share),
                Measure("Misses", better="lower", **share),
                Measure("Correct Rejections", better="higher", **share),
                Measure("Criterion", label="Criterion c (standard deviations)"),
            ]
        if self.temperature is not None or self._choices is not None:
            found += [
                Measure("Probability Correct", better="higher", **share),
                Measure("Temperature", bounds=(0, math.inf), shown=False),
            ]
        if self._choices is not None:
            below = (-math.inf, 0)
            found += [
                Measure(
                    "Log Likelihood",
                    better="higher",
                    bounds=below,
                    ceiling=("Log Likelihood Ceiling Lower", "Log Likelihood Ceiling Upper"),
                    label="Log likelihood of a choice (nats)",
                ),
                Measure("Log Likelihood Chance", bounds=below, shown=False),
                Measure("Log Likelihood Ceiling Lower", bounds=below, shown=False),
                Measure("Log Likelihood Ceiling Upper", bounds=below, shown=False),
                Measure(
                    "Margin Spearman",
                    better="higher",
                    chance=0,
                    bounds=(-1, 1),
                    ceiling=("Margin Ceiling",),
                    label="Spearman correlation of margins with people",
                ),
                Measure("Margin Ceiling", bounds=(-1, 1), shown=False),
                Measure(
                    "Share of Ceiling",
                    better="higher",
                    chance=0,
                    label="Share of the noise ceiling (1 is the ceiling)",
                ),
                Measure("People Accuracy", **share, shown=False),
            ]
        return tuple(found)

    def _chance(self) -> Float64Array:
        """Give the accuracy of guessing, trial by trial."""
        return np.asarray(1 / (self.line_ups.offered.sum(axis=1) + self._has_absent))

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Say whether an image is a target, and its condition; see `EmbeddingTask.groupings`."""
        codes = self.line_ups.target_codes
        role = np.full(len(self.images), "alternative", dtype=object)
        role[codes] = "target"
        found = {"role": [role]}
        if self.condition_column is not None:
            of_target = np.full(len(self.images), "", dtype=object)
            of_target[codes] = self._conditions
            found["condition"] = [of_target]
        return found

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Choose in every trial.

        Returns
        -------
        DataFrame
            The trials with distance_1 … distance_K (empty where there is no alternative), correct
            (1, 0, or a share of ties; NaN where a distance is missing), margin, rank of the right
            alternative, chosen (empty in ties), criterion where trials are target-absent; and with
            people their number of answers and share of right ones.
        """
        return self._items(self.line_ups.distances(embeddings, self.distance_metric))

    @override
    def image_pairs(self) -> tuple[IntArray, IntArray]:
        return self.line_ups.pairs()

    @override
    def items_of_distances(self, distances: Float64Array) -> pd.DataFrame:
        return self._items(self.line_ups.placed(distances))

    def _items(self, distances: Float64Array) -> pd.DataFrame:
        criterion = math.nan
        if self._has_absent:
            criterion = self._criterion_of(distances)
        options, right = self._options(distances, criterion)
        shares = choice_shares(options)
        failed = np.isnan(distances).any(axis=1)
        rows = np.arange(len(distances))
        items = self.line_ups.with_distances(distances)
        items["correct"] = shares[rows, right]
        items["margin"] = margins(options, right)
        items["rank"] = np.where(failed, np.nan, self._ranks(distances))
        names = np.concatenate(
            (self.line_ups.names, np.full((len(rows), 1), NONE, dtype=object)), axis=1
        )
        best = shares.max(axis=1, initial=0)
        items["chosen"] = np.where(
            best == 1, names[rows, np.argmax(np.nan_to_num(shares), axis=1)], ""
        )
        if self._has_absent:
            items["criterion"] = criterion
        if self._choices is not None:
            correct = self._choices.correct
            items["people_trials"] = correct.per_item.astype(int)
            items["people_correct"] = correct.item_means
        return items

    def _criterion_of(self, distances: Float64Array) -> float:
        if isinstance(self.criterion, float):
            return self.criterion
        return absence_criterion(distances, self._right, self.criterion)

    def _options(self, distances: Float64Array, criterion: float) -> tuple[Float64Array, IntArray]:
        """Add "none of them" to the alternatives, where it may be answered."""
        if not self._has_absent:
            return distances, self._right
        right = np.where(self._absent, distances.shape[1], self._right)
        return with_absence(distances, criterion), right

    def _ranks(self, distances: Float64Array) -> Float64Array:
        """Rank the right alternative by distance; equal ones share their mean rank."""
        own = distances[np.arange(len(distances)), np.maximum(self._right, 0)][:, None]
        ranks = (distances < own).sum(axis=1) + ((distances == own).sum(axis=1) + 1) / 2
        return np.asarray(np.where(self._absent, np.nan, ranks))

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        rows = []
        failed = items_df["correct"].isna().to_numpy()
        for condition, row in self._measured(items_df).items():
            chosen = row.chosen
            people = np.unique(self._units.first[chosen]).size
            notes = conservative_note(row.few_errors)
            counts: dict[str, Any] = {
                "Chance": float(self._chance()[chosen].mean()),
                "Trials": int(chosen.sum()),
                # What tables of all tasks count.
                N_PAIRS: int(chosen.sum()),
                "Target-Absent Trials": int((chosen & self._absent).sum()),
                N_IMAGES: self.line_ups.n_images(chosen),
                N_IDENTITIES: people if self._units.by == "identity" else math.nan,
                N_FAILED: int((chosen & failed).sum()),
                DISTANCE_METRIC: self.distance_metric_name,
                CI_METHOD: jackknife_note(self._units, self._groups) + notes,
            }
            if self._has_absent:
                given = isinstance(self.criterion, float)
                counts["Criterion From"] = "given" if given else f"same trials, {self.criterion}"
            if "Temperature" in row.columns:
                fitted = "people's choices; likelihood on held-out targets"
                counts["Temperature From"] = "given" if self.temperature else fitted
            named = {} if self.condition_column is None else {CONDITION: condition}
            rows.append({**named, **row.columns, **counts})
        return pd.DataFrame(rows)

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences.

        Measures that need a temperature are left out; the criterion stays as it is.
        """
        digest = self._groups.digest(
            items_df["target"], *(items_df[name].fillna("") for name in self.line_ups.columns)
        )
        found = {
            (None if self.condition_column is None else condition, name): made
            for condition, row in self._measured(items_df, fits=False).items()
            for name, made in row.replicates.items()
        }
        return JackknifeReplicates.collect(self._units.by, digest, found)

    def _rows_of_results(self) -> dict[str, NDArray[np.bool_]]:
        """Give the trials of every row of results."""
        parts = {_ALL: np.ones(len(self.line_ups), dtype=bool)}
        if self.condition_column is not None:
            for condition in dict.fromkeys(self._conditions):
                parts[str(condition)] = self._conditions == condition
        return parts

    def _measured(self, items: pd.DataFrame, *, fits: bool = True) -> dict[str, ItemRow]:
        """Measure all trials and each condition; without `fits`, what needs no temperature."""
        if len(items) != len(self.line_ups):
            msg = (
                f"Task {self.name!r} must be given all of its {len(self.line_ups)} trials. "
                f"Got {len(items)}."
            )
            raise InputError(msg)
        correct = items["correct"].to_numpy(dtype=np.float64)
        margin = items["margin"].to_numpy(dtype=np.float64)
        ranks = items["rank"].to_numpy(dtype=np.float64)
        model = self._model_of(items) if fits else None
        rows = {}
        for condition, chosen in self._parts.items():
            row = rows[condition] = ItemRow(self._groups, chosen)
            row.share("Accuracy", correct, margin)
            if self.condition_column is not None:
                row.difference("Advantage", correct)
            if self._has_ranks:
                row.mean("Mean Rank", ranks)
                # None is before the first.
                low = f"Mean Rank{CI_LOW}"
                row.columns[low] = float(np.maximum(row.columns[low], 1.0))
            if self._has_absent:
                self._add_absence(row, items, correct, margin)
            if model is not None:
                self._add_probabilities(row, model)
            if self._choices is not None:
                self._add_people(row, margin, condition)
        return rows

    def _add_absence(
        self, row: ItemRow, items: pd.DataFrame, correct: Float64Array, margin: Float64Array
    ) -> None:
        rejected = (items["chosen"] == NONE).to_numpy(dtype=np.float64)
        rejected[np.isnan(correct)] = np.nan
        nearest = items[self.line_ups.distance_columns].min(axis=1).to_numpy(dtype=np.float64)
        near = np.abs(nearest - items["criterion"].to_numpy(dtype=np.float64))
        present = ~self._absent
        row.share("Hits", correct, margin, present)
        row.share("Misidentifications", 1 - correct - rejected, -margin, present)
        row.share("Misses", rejected, near, present)
        row.share("Correct Rejections", correct, margin, self._absent)
        row.number("Criterion", float(items["criterion"].iloc[0]))

    def _model_of(self, items: pd.DataFrame) -> tuple[float, Float64Array] | None:
        """Give the temperature, and log-probabilities of all answers."""
        if self.temperature is None and self._choices is None:
            return None
        distances = items[self.line_ups.distance_columns].to_numpy(dtype=np.float64)
        distances = np.where(self.line_ups.offered, distances, np.inf)
        given: dict[str, Any] = {"temperature": self.temperature}
        if self._has_absent and (isinstance(self.criterion, float) or self._choices is None):
            given["absence"] = float(items["criterion"].iloc[0])
        counts = self._counts()
        model = fit_choices(distances, counts, **given)
        if self.temperature is not None and len(given) == 1 + self._has_absent:
            return model.temperature, log_probabilities(distances, model)
        found = held_out_log_probabilities(
            distances, counts, self._units.first, n_folds=_FOLDS, **given
        )
        return model.temperature, found

    def _counts(self) -> Float64Array:
        """Count people's choices; without people the right answers stand for them."""
        if self._choices is not None:
            return self._choices.counts
        counts = np.zeros((len(self.line_ups), self.line_ups.names.shape[1] + self._has_absent))
        counts[np.arange(len(counts)), self._right] = 1  # the last one is "none of them"
        return counts

    def _add_probabilities(self, row: ItemRow, model: tuple[float, Float64Array]) -> None:
        temperature, logs = model
        right = np.where(self._absent, logs.shape[1] - 1, self._right)
        row.mean("Probability Correct", np.exp(logs[np.arange(len(logs)), right]), scale="logit")
        row.number("Temperature", temperature)
        if self._choices is None:
            return
        counts = self._choices.counts
        answers = counts.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(counts > 0, counts * logs, 0.0).sum(axis=1) / answers
            found[np.isnan(logs).any(axis=1)] = np.nan
            lower, upper = (
                total / answers for total in choice_ceiling_likelihoods(counts, self._offered())
            )
        row.mean("Log Likelihood", found, weights=answers)
        chance = np.log(self._chance())
        known = row.chosen & (answers > 0)
        row.number("Log Likelihood Chance", _average(chance[known], answers[known]))
        row.mean("Log Likelihood Ceiling Lower", lower, weights=answers)
        row.mean("Log Likelihood Ceiling Upper", upper, weights=answers)

    def _offered(self) -> NDArray[np.bool_]:
        none = np.ones((len(self.line_ups), int(self._has_absent)), dtype=bool)
        return np.concatenate((self.line_ups.offered, none), axis=1)

    def _add_people(self, row: ItemRow, margin: Float64Array, condition: str) -> None:
        if self._choices is None:
            return
        correct = self._choices.correct
        found = row.correlation("Margin Spearman", margin, correct.item_means)
        ceiling = self._ceilings[condition]
        row.number("Margin Ceiling", ceiling)
        row.number("Share of Ceiling", found / ceiling if ceiling else math.nan)
        row.mean("People Accuracy", correct.item_means, weights=correct.per_item)
        people = self._by_participant[condition]
        compared = [measure for measure in ("Accuracy", "Advantage") if measure in people]
        row.against_groups({measure: people[measure] for measure in compared}, self._members)

    @override
    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as layers are measured; see `EmbeddingTask.people_rows`.

        Returns
        -------
        DataFrame or None
            For each group a row for all trials and one for each condition. Where groups have the
            names of conditions, such as the races of participants and faces, also 'own group': the
            accuracy of participants in the condition of their own, and its advantage over others.
        """
        if self._choices is None:
            return None
        has_conditions = self.condition_column is not None
        rows = rows_of_people(
            self._by_participant, self._members, "Accuracy", has_conditions=has_conditions
        )
        own = self._choices.own_group(self._conditions) if has_conditions else None
        if own is not None:
            everybody = {EVERYBODY: np.ones(len(self._choices.participants), dtype=bool)}
            rows += rows_of_people({_OWN: own}, everybody, "Accuracy", has_conditions=True)
        return pd.DataFrame(rows)

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the accuracy of every model and layer with its interval, a picture per task."""
        for task, rows in performances.groupby(TASK, sort=False):
            chance = rows["Chance"].dropna().unique() if "Chance" in rows else []
            reference = (float(chance[0]), "chance") if len(chance) == 1 else None
            PlotHelper.interval_plot(
                rows.assign(**{TASK: task}), "Accuracy", "Accuracy", "Matching accuracy",
                output_dir, "matching_accuracy", reference=reference, ylim=(0, 1),
            )  # fmt: skip


def _average(values: Float64Array, weights: Float64Array) -> float:
    return float(np.average(values, weights=weights)) if weights.sum() else math.nan
