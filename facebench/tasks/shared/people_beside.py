"""People beside the layers of a task of pairs: their rows, and each layer's difference from them.

The difference is taken on an index that means the same of both. Its interval is for other
participants and for other people in the pairs: participants add the variance of their mean, and the
people of the pairs are left out of both sides at once, as both judged the same pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import CI_METHOD, comparable_name
from facebench.errors import InputError
from facebench.metrics.conditions import ConditionScores, condition_replicates, condition_values
from facebench.metrics.effects import Contrast, compared, weights_of
from facebench.metrics.uncertainty.effect_intervals import ZeroTest
from facebench.metrics.uncertainty.effect_sizes import standardised
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.spread import Spread
from facebench.metrics.uncertainty.stratified_jackknife import Error, StratifiedJackknife
from facebench.metrics.verification_report import Estimate
from facebench.tasks.shared.labelled_pairs import SamplingUnits
from facebench.tasks.shared.people import (
    BETWEEN_PARTICIPANTS,
    EVERYBODY,
    OVER_PARTICIPANTS,
    PARTICIPANTS,
    PEOPLE,
    PEOPLE_DISTANCE,
    PeopleSource,
    compared_with_people,
    difference_of_groups,
    groups_of_people,
    mean_of_participants,
    samples_of,
    spread_of_participants,
    sum_of_spreads,
    trials_of,
)
from facebench.tasks.shared.people_answers import PairAnswers
from facebench.tasks.shared.people_designs import Design, design_of
from facebench.tasks.shared.people_items import (
    ItemAgreement,
    answer_noise,
    crossed_decisions,
    with_interval,
)
from facebench.tasks.shared.rate_measures import columns_of
from facebench.types import Float64Array, IntArray
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    from facebench.people import Trials

__all__ = ["ComparedMeasure", "PeopleBeside", "PeopleIndex", "PeopleOfPairs"]

PeopleIndex = Literal["standardised", "relative"]
INDICES: tuple[PeopleIndex, ...] = ("standardised", "relative")

_NAN = float("nan")


class ComparedMeasure(NamedTuple):
    """A number that people and layers are compared by.

    Attributes
    ----------
    name : str
        What stands before 'Difference from People'; '' for the only effect of a task.
    measure : str
        One of `facebench.metrics.conditions.MEASURES`.
    contrast : Contrast or None
        Of the conditions; None for the measure of the only one.
    """

    name: str
    measure: Any
    contrast: Contrast | None = None


class PeopleBeside:
    """People who judged the pairs of a task.

    Parameters
    ----------
    groups : mapping of str to PairAnswers
        By the name of the row.
    asked : sequence of ComparedMeasure
        What is compared.
    jackknife : StratifiedJackknife
        Leaves out the people of the pairs.
    measure_name : str
        What the measure of a condition is called.
    involved : sequence of int
        The conditions that are compared.
    far : float
        For TAR.
    index : {'standardised', 'relative'}
        For mean distances.
    margin : float or mapping of str to float, optional
        The smallest difference from people that would matter, of all that is compared or by name.
    task : str
        The task's name, for messages.

    Raises
    ------
    InputError
        If too few participants have what is compared, or people cannot answer the measure.
    """

    def __init__(
        self,
        groups: Mapping[str, PairAnswers],
        asked: Sequence[ComparedMeasure],
        jackknife: StratifiedJackknife,
        *,
        measure_name: str = "",
        involved: Sequence[int] = (0,),
        far: float = 0.01,
        index: PeopleIndex = "standardised",
        margin: float | Mapping[str, float] | None = None,
        task: str,
    ) -> None:
        if index not in INDICES:
            msg = (
                f"The 'people_index' of task {task!r} must be one of "
                f"{', '.join(map(repr, INDICES))}. Got {index!r} instead."
            )
            raise InputError(msg)
        self.groups = dict(groups)
        self._asked = list(asked)
        self.jackknife = jackknife
        self._measure_name = measure_name
        self._involved = list(involved)
        self._far = far
        self._index = index
        self._task = task
        self._margins = self._checked_margins(margin)
        self._kept = jackknife.kept
        self.notes = list(
            dict.fromkeys(note for answers in self.groups.values() for note in answers.notes)
        )
        self._replicates: dict[tuple[str, str], tuple[Float64Array, float]] = {}
        # How participants are divided between the conditions, by group and what is asked.
        self._designs: dict[tuple[str, str], Design] = {}
        for group, answers in self.groups.items():
            self._check(group, answers)
        self.notes = list(dict.fromkeys(self.notes))

    def _checked_margins(self, margin: float | Mapping[str, float] | None) -> dict[str, float]:
        """Give the margin of each number: one for all, or by name."""
        if margin is None:
            return {}
        names = [asked.name for asked in self._asked]
        given = margin if isinstance(margin, Mapping) else dict.fromkeys(names, margin)
        for name, value in given.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not value > 0:
                msg = (
                    f"The 'people_margin' of task {self._task!r} must be above 0. Got {value!r} "
                    "instead."
                )
                raise InputError(msg)
            if name not in names:
                msg = (
                    f"The 'people_margin' of task {self._task!r} must be a number, or name "
                    f"{', '.join(map(repr, names))}. Got {name!r}.{did_you_mean(name, names)}"
                )
                raise InputError(msg)
        return dict(given)

    def _check(self, group: str, answers: PairAnswers) -> None:
        """Refuse people who cannot be compared; note those who can only in part."""
        n_people = len(answers.participants)
        of_group = "" if group == EVERYBODY else f" of group {group!r}"
        for asked in self._asked:
            needs_ratings = asked.measure in ("pearson", "spearman")
            takes_both = asked.measure in ("mean distance", "auc")
            if not takes_both and needs_ratings != (answers.kind == "rating"):
                kind = "rating" if needs_ratings else "same-different"
                msg = (
                    f"The 'people' of task {self._task!r} must be trials of kind {kind!r} for "
                    f"{asked.measure!r}. Got {answers.kind!r}."
                )
                raise InputError(msg)
            both = ", to pairs of one person and of two" if needs_both(asked.measure) else ""
            known = np.isfinite(self._cells(group, asked.measure))
            design = design_of(known, self._involved_in(asked))
            if design is None:
                raise InputError(self._unclear(answers, known, asked, of_group, both))
            self._designs[group, asked.name] = design
            if not design.is_within:
                self._note_samples(answers, design, asked)
            values = self._of_participants(group, asked)
            complete = np.isfinite(values).tolist()
            n = sum(complete)
            if n < n_people:
                first = answers.participants[complete.index(False)]
                of = f"{asked.name.strip()} " if asked.name.strip() else ""
                every = "every condition" if design.is_within else "every condition of their sample"
                self.notes.append(
                    f"{n_people - n} of {n_people} participants{of_group} are left out of {of}"
                    f"comparisons, since they did not answer in {every}{both}; the first "
                    f"is {first!r}"
                )

    def _unclear(
        self,
        answers: PairAnswers,
        known: NDArray[np.bool_],
        asked: ComparedMeasure,
        of_group: str,
        both: str,
    ) -> str:
        """Say why an effect can be compared neither within participants nor between them."""
        involved = self._involved_in(asked)
        n = int(known[:, involved].all(axis=1).sum())
        msg = (
            f"Task {self._task!r} needs three participants or more{of_group} who answered in every "
            f"condition that it compares{both}. Got {n} of {len(known)}."
        )
        if len(involved) < 2:
            return msg
        by_condition = ", ".join(
            f"{int(known[:, k].sum())} in {answers.conditions[k]!r}" for k in involved
        )
        msg += f" Or three or more in each, if every participant saw one only; here {by_condition}"
        few = np.flatnonzero(known[:, involved].sum(axis=1) > 1)
        if few.size:
            msg += (
                f", and {few.size} in several, first {answers.participants[few[0]]!r}: are they "
                "several people with one name? If not, leave them out "
                "(exclude: {participants: …})"
            )
        return f"{msg}."

    def _note_samples(self, answers: PairAnswers, design: Design, asked: ComparedMeasure) -> None:
        if asked.measure == "mean distance" and self._index == "relative":
            msg = (
                f"The 'people_index' of task {self._task!r} must be 'standardised', since its "
                "participants saw different conditions: 'relative' compares the conditions of each "
                "participant."
            )
            raise InputError(msg)
        samples = "; ".join(
            f"{int((design.sample == number).sum())} in "
            f"{' and '.join(repr(answers.conditions[k]) for k in conditions)}"
            for number, conditions in enumerate(design.conditions)
        )
        self.notes.append(
            f"conditions are compared between participants, each of whom saw one part of them "
            f"({samples})"
        )

    def by_pair(self) -> Float64Array:
        """Give all people's mean answer to each pair, as a distance."""
        tables = [answers.by_pair for answers in self.groups.values()]
        if len(tables) == 1:
            return tables[0]
        stack = np.stack(tables)
        known = np.isfinite(stack)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(known, stack, 0.0).sum(axis=0) / known.sum(axis=0))

    def index_name(self, asked: ComparedMeasure) -> str:
        """Say what people and layers are compared by."""
        answers = next(iter(self.groups.values()))
        if asked.measure == "mean distance":
            if self._index == "relative":
                return "relative difference, (a - b) / (a + b), of distances and of answers"
            return (
                "difference in standard deviations of pairs within conditions (of distances; of "
                "mean answers, free of the noise of single answers)"
            )
        if asked.measure == "auc" and not answers.is_graded:
            return (
                "AUC of one operating point, (1 + hits - false alarms) / 2: participants' own "
                "criterion; the layer's best threshold of each condition, chosen on other people"
            )
        if asked.measure == "auc":
            return "AUC; of participants from their confidence or ratings"
        if asked.measure == "dprime":
            return (
                "d'; of participants at their own criterion (log-linear), of a layer from distances"
            )
        if asked.measure == "tar":
            return f"TAR@FAR={self._far:g}; of participants from d' (equal variances)"
        if asked.measure in ("pearson", "spearman"):
            return (
                f"{asked.measure.capitalize()} correlation with ratings; of participants with the "
                "mean of the others"
            )
        return "accuracy; of participants at their own criterion"

    @property
    def _index_names(self) -> str:
        return "; ".join(dict.fromkeys(map(self.index_name, self._asked)))

    def _is_own(self, asked: ComparedMeasure) -> bool:
        """Whether the common index is the very number that a layer's row reports."""
        answers = next(iter(self.groups.values()))
        return asked.measure != "mean distance" and (asked.measure != "auc" or answers.is_graded)

    @staticmethod
    def _own_name(asked: ComparedMeasure) -> str:
        """Name the task's own number."""
        return asked.name if asked.contrast is None else f"{asked.name}Difference"

    def comparables(self) -> list[str]:
        """Name the columns of what people and layers are compared by, effect by effect."""
        own = {asked: self._own_name(asked) for asked in self._asked}
        return [
            name if self._is_own(asked) else comparable_name(name) for asked, name in own.items()
        ]

    def _cells(self, group: str, measure: str) -> Float64Array:
        """Give the measure of every participant and condition."""
        return self.groups[group].values(measure, far=self._far)

    def _contrasted(self, values: Float64Array, asked: ComparedMeasure) -> Float64Array:
        """Compare conditions: values [..., K] as they are."""
        if asked.contrast is None:
            return np.asarray(values[..., 0])
        if asked.measure == "mean distance" and self._index == "relative":
            return compared(values, asked.contrast)[2]
        weights = weights_of(asked.contrast, values.shape[-1])
        used = np.flatnonzero(weights)
        return np.asarray(values[..., used] @ weights[used])

    def _involved_in(self, asked: ComparedMeasure) -> list[int]:
        if asked.contrast is None:
            return [0]
        return sorted({*asked.contrast.first, *asked.contrast.second})

    def _by_participant(
        self, group: str, asked: ComparedMeasure, values: Float64Array
    ) -> Float64Array:
        """Give what each participant adds to an effect, of a measure [..., P, K]."""
        design, contrast = self._designs[group, asked.name], asked.contrast
        if contrast is None or design.is_within:
            return self._contrasted(values, asked)
        return design.summed(values, weights_of(contrast, values.shape[-1]))

    def _of_participants(self, group: str, asked: ComparedMeasure) -> Float64Array:
        """Give the index of each participant."""
        answers = self.groups[group]
        values = self._by_participant(group, asked, self._cells(group, asked.measure))
        if asked.measure == "mean distance" and self._index == "standardised":
            return values / answers.spread_of_pairs(self._involved_in(asked))
        return values

    def _of_parts(self, group: str, asked: ComparedMeasure) -> tuple[Float64Array, float]:
        """Give the mean index of participants without each unit of pairs, and its noise.

        See `answer_noise`.
        """
        key = group, asked.name
        if key not in self._replicates:
            answers, design = self.groups[group], self._designs[key]
            drawn = self._by_participant(
                group, asked, answers.replicates(asked.measure, self._kept, far=self._far)
            )
            if asked.measure == "mean distance" and self._index == "standardised":
                cells = self._involved_in(asked)
                spreads = [answers.spread_of_pairs(cells, kept) for kept in self._kept.T]
                drawn = drawn / np.array(spreads)[:, None]
            whole, noise = np.zeros(len(drawn)), 0.0
            for number in range(len(design.conditions)):
                own = drawn if design.is_within else drawn[:, design.sample == number]
                known = np.isfinite(own)
                with np.errstate(divide="ignore", invalid="ignore"):
                    means = np.where(known, own, 0.0).sum(axis=1) / known.sum(axis=1)
                whole, noise = whole + means, noise + answer_noise(self.jackknife, own, means)
            self._replicates[key] = whole, noise
        return self._replicates[key]

    def rows(self) -> pd.DataFrame:
        """Measure people as a layer is measured: a row per group."""
        return pd.DataFrame([self._row(group) for group in self.groups])

    def _sample(self, group: str, asked: ComparedMeasure) -> IntArray | None:
        """Give the sample of each participant, if conditions are compared between them."""
        design = self._designs[group, asked.name]
        return None if design.is_within else design.sample

    def _against_groups(self, group: str, asked: ComparedMeasure) -> dict[str, float]:
        """Compare a group with each of the others: Welch's interval of the difference."""
        row: dict[str, float] = {}
        own, sample = self._of_participants(group, asked), self._sample(group, asked)
        for other in self.groups:
            if other != group:
                row |= difference_of_groups(
                    asked.name.strip(), other, own, self._of_participants(other, asked),
                    sample, self._sample(other, asked),
                )  # fmt: skip
        return row

    def _row(self, group: str) -> dict[str, Any]:
        answers = self.groups[group]
        row: dict[str, Any] = {PEOPLE: group}
        for asked in self._asked:
            if asked.contrast is None:
                row |= mean_of_participants(asked.name, self._cells(group, asked.measure)[:, 0])
        effects = [asked for asked in self._asked if asked.contrast is not None]
        if effects:
            cells = self._cells(group, effects[0].measure)
            for k, name in enumerate(answers.conditions):
                row |= mean_of_participants(f"{name} {self._measure_name}", cells[:, k])
            for asked in effects:
                row |= self._effect(group, asked, cells)
        for asked in self._asked:
            if not self._is_own(asked):
                values = self._of_participants(group, asked)
                row |= mean_of_participants(
                    comparable_name(self._own_name(asked)), values, self._sample(group, asked)
                )
            row |= self._against_groups(group, asked)
        row |= self._agreements[group].columns_of_people()
        n_pairs = int(np.isfinite(answers.by_pair).sum())
        return row | {
            PARTICIPANTS: len(answers.participants),
            "Trials": answers.n_trials,
            "Pairs": n_pairs,
            "People Index": self._index_names,
            CI_METHOD: OVER_PARTICIPANTS
            if all(self._sample(group, asked) is None for asked in self._asked)
            else BETWEEN_PARTICIPANTS,
        }

    def _effect(self, group: str, asked: ComparedMeasure, cells: Float64Array) -> dict[str, Any]:
        """Give the effect of people, in the measure's own unit."""
        contrast = asked.contrast
        if contrast is None:
            return {}
        weights = weights_of(contrast, cells.shape[1])
        values = self._designs[group, asked.name].summed(cells, weights)
        sample = self._sample(group, asked)
        row: dict[str, Any] = mean_of_participants(f"{asked.name}Difference", values, sample)
        spread = spread_of_participants(values, sample)
        mean = row[f"{asked.name}Difference"]
        statistic = mean / spread.error if spread.error > 0 else _NAN
        row[f"{asked.name}P"] = 2 * spread.tail(-abs(statistic))
        low, high = (row[f"{asked.name}Difference CI {end}"] for end in ("Low", "High"))
        test = ZeroTest(
            Estimate(mean, Interval(low, high)),
            row[f"{asked.name}P"],
            statistic,
            Error(spread.error, spread.df),
        )
        samples = samples_of(values, sample)
        if self._designs[group, asked.name].has_size(weights):
            errors = tuple(spread_of_participants(own).error ** 2 for own in samples)
            sized = standardised(test, errors, [own.size for own in samples])
            row |= columns_of(f"{asked.name}{sized.name}", sized.size)
        is_scaled = asked.measure != "mean distance" or self._index == "relative"
        if is_scaled and asked.measure not in ("dprime", "pearson", "spearman"):
            own = cells[np.isfinite(values)]
            unit = np.arange(len(own))
            strata = unit * 0 if sample is None else sample[np.isfinite(values)]
            error = StratifiedJackknife(unit, unit, strata).error
            there = np.isfinite(own)
            sums, number = np.where(there, own, 0.0), there.sum(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                whole = sums.sum(axis=0) / number
                left = (sums.sum(axis=0) - sums) / (number - there)
            _, ratio, relative = compared(whole, contrast)
            _, ratios, relatives = compared(left, contrast)
            for name, value, drawn in (
                ("Ratio", ratio, ratios),
                ("Relative Difference", relative, relatives),
            ):
                row |= with_interval(f"{asked.name}{name}", float(value), Spread(*error(drawn)))
        return row

    @cached_property
    def _agreements(self) -> dict[str, ItemAgreement]:
        return {
            group: ItemAgreement(answers, self.jackknife, group, self._involved)
            for group, answers in self.groups.items()
        }

    def against(
        self,
        cells: ConditionScores,
        known: Mapping[str, tuple[float, Float64Array]] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Compare a layer with people.

        Parameters
        ----------
        cells : ConditionScores
            All pairs of the layer, in their order.
        known : mapping of str to (float, array of shape [G]), optional
            Numbers that the task has made in a way of its own, by name, and the same without each
            unit of pairs.

        Returns
        -------
        dict of str to Any
            See `compared_with_people` and `ItemAgreement.columns`.
        """
        accepted = None
        if any(answers.right is not None for answers in self.groups.values()):
            accepted = crossed_decisions(cells.labels, cells.distances, cells.cell, self.jackknife)
        row: dict[str, Any] = {}
        for asked in self._asked:
            value, drawn = known.get(asked.name) or self._of_layer(
                asked, cells._replace(measure=asked.measure), accepted
            )
            if not self._is_own(asked):
                error = Spread(*self.jackknife.error(drawn))
                row |= with_interval(comparable_name(self._own_name(asked)), value, error)
            for group in self.groups:
                values = self._of_participants(group, asked)
                parts, noise = self._of_parts(group, asked)
                units = self.jackknife.error(drawn - parts)
                # The noise of answers is in the spread of participants already.
                left = Spread(max(units.standard**2 - noise, 0.0) ** 0.5, units.df)
                if np.isnan(units.standard):
                    left = Spread(_NAN, 1.0)
                spread = sum_of_spreads(
                    left, spread_of_participants(values, self._sample(group, asked))
                )
                row |= compared_with_people(
                    asked.name.strip(),
                    group,
                    value,
                    values,
                    spread,
                    margin=self._margins.get(asked.name),
                    sample=self._sample(group, asked),
                )
        for agreement in self._agreements.values():
            row |= agreement.columns(cells.distances, accepted)
        return row | {
            "People Index": self._index_names,
            "People CI Method": (
                "95 %: participants; people (or images) of the pairs, left out of both sides at "
                "once; Welch-Satterthwaite df"
            ),
        }

    def _of_layer(
        self, asked: ComparedMeasure, cells: ConditionScores, accepted: NDArray[np.bool_] | None
    ) -> tuple[float, Float64Array]:
        """Give a layer's index, and the same without each unit of pairs."""
        if asked.measure == "auc" and not self._is_own(asked) and accepted is not None:
            right = (accepted == cells.labels).astype(np.float64)
            n_cells = cells.n_cells
            place = cells.cell * 2 + cells.labels
            columns = np.zeros((right.size, 4 * n_cells))
            columns[np.arange(right.size), place] = right
            columns[np.arange(right.size), place + 2 * n_cells] = 1.0
            with np.errstate(divide="ignore", invalid="ignore"):
                whole, drawn = (
                    (sums[:, : 2 * n_cells] / sums[:, 2 * n_cells :])
                    .reshape(-1, n_cells, 2)
                    .mean(-1)
                    for sums in (columns.sum(axis=0, keepdims=True), self.jackknife.sums(columns))
                )
            units = self._contrasted(drawn, asked)
            # Decisions are as made: without a person other thresholds would have been chosen.
            stretch = (units.size / max(1, units.size - 1)) ** 0.5
            middle = units.mean()
            return float(self._contrasted(whole[0], asked)), middle + stretch * (units - middle)
        values = condition_values(cells)[0]
        drawn = condition_replicates(cells, self.jackknife)
        value, parts = self._contrasted(values, asked), self._contrasted(drawn, asked)
        if asked.measure == "mean distance" and self._index == "standardised":
            rows = self._involved_in(asked)
            value = value / _spread(cells, rows, None)
            parts = parts / np.array([_spread(cells, rows, kept) for kept in self._kept.T])
        return float(value), parts


class PeopleOfPairs:
    """What a task of pairs says of people, once it has set them.

    Attributes
    ----------
    beside : PeopleBeside or None
        The people; None where there are none.
    """

    beside: PeopleBeside | None = None
    pairs_df: pd.DataFrame
    people_notes: Sequence[str]

    def _set_people(self, beside: PeopleBeside) -> None:
        """Take people, and give the pairs their answers, for galleries."""
        self.beside = beside
        self.people_notes = beside.notes
        if PEOPLE_DISTANCE not in self.pairs_df:
            self.pairs_df[PEOPLE_DISTANCE] = beside.by_pair()

    def _take_people(
        self,
        people: PeopleSource,
        people_groups: bool | Sequence[str] | None,
        margin: float | Mapping[str, float] | None,
        labels: NDArray[np.int8],
        units: SamplingUnits,
        asked: Sequence[ComparedMeasure],
        name: str,
    ) -> Trials | None:
        """Read same-different trials for labelled pairs of one condition."""
        trials = trials_of(people)
        if trials is None:
            return None
        first, second = units.numbers
        cell = np.zeros(first.size, dtype=np.intp)
        pairs = pd.DataFrame(self.pairs_df)
        groups = groups_of_people(trials, people_groups, owner=type(self).__name__)
        answers = {
            group: PairAnswers(own, pairs, cell, ["all"], labels.astype(bool), task=name)
            for group, own in groups.items()
        }
        jackknife = StratifiedJackknife(first, second, cell)
        self._set_people(PeopleBeside(answers, asked, jackknife, margin=margin, task=name))
        return trials

    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as the task measures a layer; see `WithPeople.people_rows`."""
        return None if self.beside is None else self.beside.rows()


def needs_both(measure: str) -> bool:
    """Tell whether a measure of people takes pairs of one person and of two."""
    return measure in ("auc", "dprime", "tar")


def _spread(cells: ConditionScores, chosen: list[int], kept: NDArray[np.bool_] | None) -> float:
    """Give the standard deviation of distances within conditions."""
    usable = np.isfinite(cells.distances)
    if kept is not None:
        usable &= kept
    squares, free = 0.0, 0
    for k in chosen:
        own = cells.distances[usable & (cells.cell == k)]
        squares += float(((own - own.mean()) ** 2).sum()) if own.size else 0.0
        free += max(own.size - 1, 0)
    return float((squares / free) ** 0.5) if free and squares > 0 else _NAN
