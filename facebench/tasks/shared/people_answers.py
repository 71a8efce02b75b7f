"""People's answers to the pairs of a task: which trial shows which pair, and what was answered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from facebench.errors import InputError
from facebench.metrics.noise_ceiling import ceilings
from facebench.metrics.uncertainty.replicates import verification_replicates
from facebench.people.names import ImageFinder
from facebench.tasks.shared.ratings import RatingKind
from facebench.types import Float64Array, IntArray
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from facebench.people import Trials

__all__ = ["PairAnswers", "refuse_kind"]

_log = logging.getLogger(__name__)
_SIDES = ("img1", "img2")
# More answers than this share that contradict the column 'correct' are a code read the wrong way.
_MOST_CONTRADICTIONS = 0.5


def refuse_kind(trials: Trials, kinds: Sequence[str], *, task: str) -> None:
    """Refuse trials of a kind that a task cannot compare.

    Raises
    ------
    InputError
        If their kind is none of these.
    """
    if trials.kind not in kinds:
        msg = (
            f"The 'people' of task {task!r} must be trials of kind "
            f"{' or '.join(map(repr, kinds))}. Got {trials.kind!r}"
            f"{f' in {trials.source}' if trials.source else ''}."
        )
        raise InputError(msg)


class _PairFinder:
    """Finds rows of pairs by the names of their images, whichever comes first."""

    def __init__(self, shown: pd.DataFrame) -> None:
        self.images = ImageFinder([*shown["img1"], *shown["img2"]])
        self._rows: dict[tuple[str, str], list[int]] = {}
        self._named: dict[str, str | None] = {}
        for row, one, other in shown.itertuples():
            self._rows.setdefault((one, other), []).append(int(row))

    def rows(self, first: Any, second: Any) -> list[int]:
        for name in (first, second):
            if name not in self._named:
                self._named[name] = self.images.find(str(name))
        one, other = self._named[first], self._named[second]
        if one is None or other is None:
            return []
        return self._rows.get((one, other)) or self._rows.get((other, one)) or []


_NOTHING = _PairFinder(pd.DataFrame({"img1": [], "img2": []}, dtype=str))


class PairAnswers:
    """What participants answered to the pairs of a task.

    Parameters
    ----------
    trials : Trials
        Of kind 'same-different' or 'rating'.
    pairs : DataFrame
        The pairs of the task.
    cell : int array, shape [N]
        The condition of each pair.
    conditions : sequence of str
        Their names.
    labels : bool array, shape [N], or None
        True for pairs of one person, if known.
    task : str
        The task's name, for messages.
    condition_column : str, optional
        The condition's column, if trials have one too: of a pair that several conditions show.
    rating : {'distance', 'similarity'}
        Whether larger ratings mean less alike or more.
    involved : sequence of int, optional
        The conditions that must have answers; None: all of them.

    Attributes
    ----------
    participants : list of str
        Those with an answer.
    participant, pair : int array, shape [T]
        Who answered, and to which pair.
    distances : array, shape [T]
        The answers, larger for less alike: 1 is "different"; a similarity is the largest rating
        minus it.
    right : array, shape [T], or None
        1 where a same-different answer was right.
    notes : list of str
        What was left out or assumed, a sentence each.

    Raises
    ------
    InputError
        If no trial shows a pair of the task, a condition has no answers, or responses contradict
        the column 'correct'.
    """

    def __init__(
        self,
        trials: Trials,
        pairs: pd.DataFrame,
        cell: IntArray,
        conditions: Sequence[str],
        labels: NDArray[np.bool_] | None,
        *,
        task: str,
        condition_column: str | None = None,
        rating: RatingKind = "distance",
        involved: Sequence[int] | None = None,
    ) -> None:
        refuse_kind(trials, ("same-different", "rating"), task=task)
        self.kind = trials.kind
        self.notes = list(trials.notes)
        self._task = task
        self._where = f" in {trials.source}" if trials.source else ""
        table = trials.table
        answered = table["response"].notna().to_numpy()
        if not answered.all():
            self.notes.append(f"{int((~answered).sum())} trials without a response are left out")
        pair = self._pairs_of(table, pairs, condition_column)
        used = answered & (pair >= 0)
        table = table[used]
        if table.empty:
            msg = f"No trial{self._where} that shows a pair of task {task!r} has a response."
            raise InputError(msg)
        self.pair = pair[used]
        codes, names = pd.factorize(table["participant"])
        self.participant, self.participants = np.asarray(codes, dtype=np.intp), list(names)
        self.cell, self.conditions = cell, list(conditions)
        self.labels = labels
        self.n_pairs = len(pairs)
        answers = table["response"].to_numpy(dtype=np.float64)
        self.right: Float64Array | None = None
        self.evidence: Float64Array | None = None
        if self.kind == "rating":
            turned = answers if rating == "distance" else np.nanmax(answers) - answers
            self.distances = self.evidence = turned
        else:
            self.distances = 1.0 - answers
            if labels is not None:
                self.right = (answers == labels[self.pair]).astype(np.float64)
                self._check_correct(table)
            self._take_confidence(table, answers)
        self.check_conditions(range(len(self.conditions)) if involved is None else involved)

    def _pairs_of(
        self, table: pd.DataFrame, pairs: pd.DataFrame, condition_column: str | None
    ) -> IntArray:
        """Find the row of the pair that each trial shows; -1 where the task has none."""
        shown = pairs[list(_SIDES)].astype(str)
        whole = _PairFinder(shown)
        said = self._said_conditions(table, pairs, condition_column)
        parts: dict[str, _PairFinder] = {}
        if said is not None and condition_column is not None:
            own = pairs[condition_column].astype(str)
            parts = {name: _PairFinder(shown[own == name]) for name in own.unique()}
        keys = [*([] if said is None else [said]), *(table[side] for side in _SIDES)]
        found = np.full(len(table), -1, dtype=np.intp)
        ambiguous = misplaced = 0
        number, names = pd.factorize(pd.MultiIndex.from_arrays(keys))
        for place, key in enumerate(names):
            finder = whole if said is None else parts.get(str(key[0]), _NOTHING)
            rows = finder.rows(*key[-2:])
            if len(rows) > 1:
                ambiguous += 1
            elif rows:
                found[number == place] = rows[0]
            elif said is not None and whole.rows(*key[-2:]):
                misplaced += int((number == place).sum())
        if ambiguous:
            msg = (
                f"{ambiguous} pairs of trials{self._where} are several times among the pairs of "
                f"task {self._task!r}. Give the trials the column "
                f"{condition_column or 'condition'!r}, as the pairs file has it."
            )
            raise InputError(msg)
        if misplaced:
            msg = (
                f"{misplaced} trials{self._where} name another {condition_column!r} than the pairs "
                f"file of task {self._task!r} has for the same pair. Use the same values, or leave "
                "the column out of the trials."
            )
            raise InputError(msg)
        self._report_unknown(table, found, whole.images)
        return found

    def _said_conditions(
        self, table: pd.DataFrame, pairs: pd.DataFrame, column: str | None
    ) -> pd.Series | None:
        """Give the condition that each trial names itself, if it names those of the task."""
        if column is None or column not in table or column not in pairs:
            return None
        said, known = table[column].astype(str), set(pairs[column].astype(str))
        unknown = [name for name in said.unique() if name not in known]
        if not unknown:
            return said
        if len(unknown) == said.nunique():
            self.notes.append(
                f"the column {column!r} of the trials is not used: it names none of the task's "
                f"conditions, but {unknown[0]!r}"
            )
            return None
        note = (
            f"{int(said.isin(unknown).sum())} trials{self._where} are of conditions that task "
            f"{self._task!r} does not have, such as {unknown[0]!r}"
        )
        _log.warning("%s.%s", note, did_you_mean(unknown[0], known))
        self.notes.append(note)
        return said

    def _report_unknown(self, table: pd.DataFrame, found: IntArray, images: ImageFinder) -> None:
        """Count trials of pairs that the task does not have; refuse where that is all."""
        lost = found < 0
        if not lost.any():
            return
        unknown = [
            str(name)
            for name in pd.unique(pd.concat([table[side][lost] for side in _SIDES]))
            if not images.candidates(str(name))
        ]
        first = table[lost].iloc[0]
        what = f"first {first['img1']!r} and {first['img2']!r}"
        if unknown:
            what = f"{len(unknown)} of their images are unknown, first {unknown[0]!r}"
            what += images.hint(unknown[0]).replace(" Did", " (did").replace("?", "?)")
        n = int(lost.sum())
        if lost.all():
            msg = (
                f"The 'people' of task {self._task!r} must be trials of its own pairs. None of the "
                f"{n} trials{self._where} shows one: {what}."
            )
            raise InputError(msg)
        note = (
            f"{n} of {len(table)} trials{self._where} are left out, since task {self._task!r} does "
            f"not have their pairs: {what}"
        )
        _log.warning("%s.", note)
        self.notes.append(note)

    def _check_correct(self, table: pd.DataFrame) -> None:
        """Hold responses against what the program of the experiment called correct."""
        if "correct" not in table or self.right is None:
            return
        told = table["correct"].to_numpy(dtype=np.float64)
        known = np.isfinite(told)
        wrong = int((told[known] != self.right[known]).sum())
        if not wrong:
            return
        share = wrong / int(known.sum())
        what = (
            f"{wrong} of {int(known.sum())} trials{self._where} have a 'correct' that contradicts "
            f"their response and the labels of task {self._task!r}"
        )
        if share > _MOST_CONTRADICTIONS:
            msg = f"{what}. The codes of 'response' seem to be turned round: exchange them."
            raise InputError(msg)
        _log.warning("%s; the response counts.", what)
        self.notes.append(f"{what}; the response counts")

    def _take_confidence(self, table: pd.DataFrame, answers: Float64Array) -> None:
        """Order answers from a sure "same" to a sure "different", where confidence is known."""
        if "confidence" not in table:
            return
        confidence = table["confidence"].to_numpy(dtype=np.float64)
        missing = int(np.isnan(confidence).sum())
        if missing:
            self.notes.append(
                f"confidence is not used, since {missing} of {len(table)} trials have none"
            )
            return
        steps = confidence - confidence.min() + 1
        self.evidence = np.where(answers == 1, -steps, steps)

    def has_conditions(self, involved: Sequence[int]) -> bool:
        """Tell whether there are answers in all of these conditions."""
        return not self._empty(involved)

    def _empty(self, involved: Sequence[int]) -> list[str]:
        answered = np.bincount(self.cell[self.pair], minlength=len(self.conditions))
        return [self.conditions[k] for k in involved if answered[k] == 0]

    def check_conditions(self, involved: Sequence[int]) -> None:
        """Refuse people without any answer in one of these conditions."""
        empty = self._empty(involved)
        if empty:
            msg = (
                f"Task {self._task!r} compares condition {empty[0]!r}, of which no "
                f"trial{self._where} shows a pair. Name the images of trials as the pairs file "
                "does, or leave out 'people'."
            )
            raise InputError(msg)

    @property
    def is_graded(self) -> bool:
        """Whether answers have more than two steps: ratings, or confidence."""
        return self.evidence is not None

    @property
    def n_trials(self) -> int:
        """Number of answers."""
        return int(self.pair.size)

    @cached_property
    def _place(self) -> IntArray:
        """Where the sums of a participant, condition and class are."""
        genuine = np.zeros(self.n_pairs, bool) if self.labels is None else self.labels
        n_cells = len(self.conditions)
        return np.asarray(
            (self.participant * n_cells + self.cell[self.pair]) * 2 + genuine[self.pair],
            dtype=np.intp,
        )

    def _sums(self, values: Float64Array | None, kept: NDArray[np.bool_] | None) -> Float64Array:
        shape = (len(self.participants), len(self.conditions), 2)
        used = slice(None) if kept is None else kept[self.pair]
        weights = None if values is None else values[used]
        found = np.bincount(self._place[used], weights, minlength=int(np.prod(shape)))
        return found.astype(np.float64).reshape(shape)

    def values(
        self, measure: str, *, far: float = 0.01, kept: NDArray[np.bool_] | None = None
    ) -> Float64Array:
        """Measure every participant in every condition.

        Parameters
        ----------
        measure : str
            One of `facebench.metrics.conditions.MEASURES`. 'auc' is from confidence or ratings,
            else that of one operating point, (1 + hits - false alarms) / 2. 'dprime' adds 1/2 to
            both counts (log-linear). 'tar' is what d' gives at `far`. Correlations are with the
            mean of the others.
        far : float
            For 'tar'.
        kept : bool array, shape [N], optional
            The pairs to take; None takes all.

        Returns
        -------
        array, shape [participants, conditions]
            NaN where a participant has no answers, or not to both classes.
        """
        if measure in ("pearson", "spearman"):
            return self._correlations(measure, kept)
        if measure == "auc" and self.is_graded:
            return self._areas(None if kept is None else kept[:, None])[:, :, 0]
        counts = self._sums(None, kept)
        with np.errstate(divide="ignore", invalid="ignore"):
            if measure == "mean distance":
                return np.asarray(self._sums(self.distances, kept).sum(-1) / counts.sum(-1))
            hits = self._sums(self._hits, kept)
            if measure == "accuracy":
                return np.asarray(hits.sum(-1) / counts.sum(-1))
            if measure == "auc":
                return np.asarray((hits / counts).mean(-1))
            rates = np.where(counts > 0, (hits + 0.5) / (counts + 1), np.nan)
            found = np.asarray(scipy.special.ndtri(rates).sum(-1))
            return (
                found
                if measure == "dprime"
                else np.asarray(scipy.special.ndtr(found + scipy.special.ndtri(far)))
            )

    @property
    def _hits(self) -> Float64Array:
        if self.right is None:
            msg = (
                f"The 'people' of task {self._task!r} must be same-different trials for this "
                f"measure. Got ratings{self._where}."
            )
            raise InputError(msg)
        return self.right

    def replicates(
        self, measure: str, kept: NDArray[np.bool_], *, far: float = 0.01
    ) -> Float64Array:
        """Measure without each group of pairs in turn: shape [G, participants, conditions]."""
        if measure == "auc" and self.is_graded:
            return np.moveaxis(self._areas(kept), 2, 0)
        return np.stack([self.values(measure, far=far, kept=column) for column in kept.T])

    def _areas(self, kept: NDArray[np.bool_] | None) -> Float64Array:
        """Give the AUC of graded answers, under each weighting: [participants, conditions, G]."""
        evidence, labels = self.evidence, self.labels
        n_columns = 1 if kept is None else kept.shape[1]
        found = np.full((len(self.participants), len(self.conditions), n_columns), np.nan)
        if evidence is None or labels is None:
            return found
        place = self.participant * len(self.conditions) + self.cell[self.pair]
        order = np.argsort(place, kind="stable")
        ends = np.flatnonzero(np.diff(place[order], append=-1)) + 1
        for rows in np.split(order, ends[:-1]):
            genuine = labels[self.pair[rows]]
            if genuine.all() or not genuine.any():
                continue
            weights = None if kept is None else kept[self.pair[rows]]
            areas = verification_replicates(
                genuine, evidence[rows], _Rows(weights, rows.size), higher_is_better=False
            )["auc"]
            who, what = divmod(int(place[rows[0]]), len(self.conditions))
            found[who, what] = areas
        return found

    def _correlations(self, measure: str, kept: NDArray[np.bool_] | None) -> Float64Array:
        """Correlate every participant with the mean of the others, by condition."""
        table = self.matrix
        ones = np.ones((1, table.shape[1]))
        found = []
        for k in range(len(self.conditions)):
            rows = self.cell == k if kept is None else (self.cell == k) & kept
            rows = rows & np.isfinite(table).any(axis=1)
            own = table[rows]
            lower, _ = ceilings(own, measure, np.ones((1, len(own))), ones, "mean")
            found.append(lower[0])
        return np.stack(found, axis=1)

    @cached_property
    def matrix(self) -> Float64Array:
        """The mean answer of each participant to each pair, shape [N, participants]."""
        return self._table(self.distances)

    @cached_property
    def rights(self) -> Float64Array:
        """The share of right answers of each participant to each pair."""
        return self._table(self._hits)

    def _table(self, values: Float64Array) -> Float64Array:
        shape = (self.n_pairs, len(self.participants))
        place = self.pair * shape[1] + self.participant
        size = int(np.prod(shape))
        with np.errstate(divide="ignore", invalid="ignore"):
            sums = np.bincount(place, values, size) / np.bincount(place, minlength=size)
        return np.asarray(sums.reshape(shape))

    @cached_property
    def by_pair(self) -> Float64Array:
        """The mean answer to each pair, as a distance; NaN where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(
                np.bincount(self.pair, self.distances, self.n_pairs)
                / np.bincount(self.pair, minlength=self.n_pairs)
            )

    def spread_of_pairs(self, cells: Sequence[int], kept: NDArray[np.bool_] | None = None) -> float:
        """Give the standard deviation of pairs within conditions, free of the noise of answers.

        Parameters
        ----------
        cells : sequence of int
            The conditions.
        kept : bool array, shape [N], optional
            The pairs to take.

        Returns
        -------
        float
            By the analysis of variance: what mean answers vary, less what they would by noise; each
            participant's own level is taken off first. NaN where nothing is left.
        """
        used = np.isin(self.cell[self.pair], list(cells))
        if kept is not None:
            used &= kept[self.pair]
        pair, values = self.pair[used], self.distances[used]
        block = self.participant[used] * len(self.conditions) + self.cell[pair]
        values = values - _means(block, values)[block]
        n = np.bincount(pair, minlength=self.n_pairs)
        mean = _means(pair, values, self.n_pairs)
        seen = n > 0
        if seen.sum() < 3 or (n > 1).sum() < 2:
            return float("nan")
        within = float(((values - mean[pair]) ** 2).sum() / (n[seen] - 1).sum())
        squares, free = 0.0, 0
        for k in cells:
            own = mean[seen & (self.cell == k)]
            squares += float(((own - own.mean()) ** 2).sum()) if own.size else 0.0
            free += max(own.size - 1, 0)
        left = squares / max(free, 1) - within * float((1 / n[seen]).mean())
        return left**0.5 if left > 0 else float("nan")


def _means(place: IntArray, values: Float64Array, size: int = 0) -> Float64Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            np.bincount(place, values, size) / np.bincount(place, minlength=size),
        )


class _Rows:
    """Trials without those of each group of pairs."""

    def __init__(self, kept: NDArray[np.bool_] | None, size: int) -> None:
        self._kept = np.ones((size, 1), dtype=bool) if kept is None else kept
        self.n_resamples = self._kept.shape[1]

    def weights(self) -> Iterator[NDArray[np.float32]]:
        yield self._kept.astype(np.float32)

    def sums(self, columns: Float64Array) -> Float64Array:
        return np.asarray(self._kept.T.astype(np.float64) @ columns)
