"""Networks and people pair by pair: do they find the same pairs alike, and err on the same?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.columns import interval_cells
from facebench.metrics.accuracy import youden_threshold
from facebench.metrics.correlation import correlate
from facebench.metrics.error_consistency import consistencies, kappa_bounds, mean_between
from facebench.metrics.noise_ceiling import split_half
from facebench.metrics.uncertainty.spread import Scale, Spread, interval
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.tasks.shared.people import spread_of_participants, sum_of_spreads
from facebench.tasks.shared.people_answers import PairAnswers
from facebench.types import Float64Array, IntArray

__all__ = [
    "ItemAgreement",
    "crossed_decisions",
    "jackknife_spread",
    "mean_of_known",
    "with_interval",
]

_NAN = float("nan")
_MEASURE = "spearman"
# Fewer pairs of a kind say nothing of a correlation.
_FEWEST_PAIRS = 4
# Participants are left out in so many groups; and every two of so many are compared.
_MOST_GROUPS, _MOST_COMPARED = 40, 300
_FOLDS = 20


def crossed_decisions(
    labels: NDArray[np.bool_],
    distances: Float64Array,
    cell: IntArray,
    jackknife: StratifiedJackknife,
) -> NDArray[np.bool_]:
    """Decide every pair at a threshold that other people's pairs chose.

    Parameters
    ----------
    labels : bool array, shape [N]
        True for one person.
    distances : array, shape [N]
        NaN is rejected.
    cell : int array, shape [N]
        The condition: each has a threshold of its own.
    jackknife : StratifiedJackknife
        Of the same pairs; people in 20 parts are judged by the others.

    Returns
    -------
    bool array, shape [N]
        Whether the pair is accepted as of one person, at the threshold with the largest Youden
        index. Where the others are of one class, or there are none, all pairs choose.
    """
    kept = jackknife.kept
    n_folds = min(_FOLDS, kept.shape[1])
    accepted = np.zeros(labels.size, dtype=bool)
    for k in np.unique(cell):
        rows = cell == k
        undecided = rows.copy()
        for fold in range(n_folds + 1):
            # The last one takes what is never left out.
            left = np.ones(labels.size, bool) if fold == n_folds else kept[:, fold::n_folds].all(1)
            judged = undecided if fold == n_folds else undecided & ~left
            if not judged.any():
                continue
            chosen = rows & left & ~np.isnan(distances)
            if np.unique(labels[chosen]).size < 2:
                chosen = rows & ~np.isnan(distances)
            if np.unique(labels[chosen]).size == 2:
                threshold = youden_threshold(
                    labels[chosen], distances[chosen], higher_is_better=False
                )
                accepted[judged] = distances[judged] <= threshold
            undecided &= ~judged
    return accepted


def with_interval(
    name: str, value: float, spread: Spread, scale: Scale = "identity"
) -> dict[str, float]:
    """Give a number and its interval their columns."""
    low, high = (_NAN, _NAN)
    if np.isfinite([value, spread.error]).all():
        low, high = interval(value, spread.error, scale, df=spread.df)
    return interval_cells(name, value, low, high)


class _Kind(NamedTuple):
    """Pairs that are alike to people but for the faces: of one condition and class."""

    condition: int
    rows: IntArray


class ItemAgreement:
    """How the answers of one group of people agree with distances, pair by pair.

    Parameters
    ----------
    answers : PairAnswers
        What they answered.
    jackknife : StratifiedJackknife
        Leaves out the people of the pairs.
    group : str
        The group's name.
    conditions : sequence of int
        The conditions to average over.
    """

    def __init__(
        self,
        answers: PairAnswers,
        jackknife: StratifiedJackknife,
        group: str,
        conditions: Sequence[int],
    ) -> None:
        self._answers = answers
        self._jackknife = jackknife
        self._group = group
        self._conditions = list(conditions)
        self._kept = jackknife.kept

    @cached_property
    def _kinds(self) -> list[_Kind]:
        answers = self._answers
        seen = np.isfinite(answers.by_pair)
        labels = answers.labels if answers.kind == "same-different" else None
        found = []
        for k in self._conditions:
            own = seen & (answers.cell == k)
            classes = [own] if labels is None else [own & labels, own & ~labels]
            for rows in classes:
                varied = rows.sum() >= _FEWEST_PAIRS and np.ptp(answers.by_pair[rows]) > 0
                if varied:
                    found.append(_Kind(k, np.flatnonzero(rows)))
        return found

    @cached_property
    def _parts(self) -> NDArray[np.intp]:
        """The group in which each participant is left out."""
        n = len(self._answers.participants)
        return np.arange(n) % min(n, _MOST_GROUPS)

    @cached_property
    def _without_participants(self) -> Float64Array:
        """The mean answer to each pair without each group of participants."""
        answers, found = self._answers, []
        part = self._parts[answers.participant]
        with np.errstate(divide="ignore", invalid="ignore"):
            for number in range(int(self._parts.max()) + 1):
                left = part != number
                pair = answers.pair[left]
                found.append(
                    np.bincount(pair, answers.distances[left], answers.n_pairs)
                    / np.bincount(pair, minlength=answers.n_pairs)
                )
        return np.stack(found)

    @cached_property
    def reliabilities(self) -> list[float]:
        """Of each kind of pairs, the split-half reliability of people's mean answers."""
        matrix = self._answers.matrix
        return [split_half(matrix[kind.rows], _MEASURE).reliability for kind in self._kinds]

    def _mean(self, values: Any, conditions: Sequence[int]) -> Any:
        """Average kinds by their numbers of pairs, then conditions alike; nothing undefined."""
        table = np.atleast_2d(np.asarray(values, dtype=np.float64).T).T
        means = []
        for k in conditions:
            rows = [n for n, kind in enumerate(self._kinds) if kind.condition == k]
            rows = [n for n in rows if np.isfinite(table[n]).any()]
            if not rows:
                continue
            weights = np.array([self._kinds[n].rows.size - 1.0 for n in rows])
            means.append((weights[:, None] * table[rows]).sum(axis=0) / weights.sum())
        found = np.mean(means, axis=0) if means else np.full(table.shape[1], np.nan)
        return found if np.ndim(values) == 2 else float(found[0])

    @property
    def ceiling(self) -> float:
        """What a perfect model's item correlation tends to: the root of the reliability."""
        reliability = float(self._mean(self.reliabilities, self._conditions))
        return reliability**0.5 if reliability > 0 else _NAN

    def columns_of_people(self) -> dict[str, float]:
        """Give what people's row says of agreement among people."""
        row = {
            "Item Reliability": float(self._mean(self.reliabilities, self._conditions)),
            "Item Ceiling": self.ceiling,
        }
        if self._answers.right is not None:
            row |= with_interval("Error Consistency", *self._between_people)
        return row

    def columns(
        self, distances: Float64Array, accepted: NDArray[np.bool_] | None
    ) -> dict[str, float]:
        """Compare a layer with people, pair by pair.

        Parameters
        ----------
        distances : array, shape [N]
            The layer's.
        accepted : bool array, shape [N], or None
            Its decisions, where people decided too.

        Returns
        -------
        dict of str to float
            'Item Correlation with <group>' (Spearman, within condition and, where people decided,
            within pairs of one person and of two), by condition too where there are several,
            'Noise-Ceiled Item Correlation with <group>', and 'Error Consistency with <group>' with
            its upper bound and difference from that between people.
        """
        name = f"Item Correlation with {self._group}"
        of_kind = self._correlations(distances)
        row: dict[str, float] = {}
        value, spread = self._estimate(of_kind, self._conditions)
        row |= with_interval(name, value, spread, "fisher")
        if len(self._conditions) > 1:
            for k in self._conditions:
                own = self._estimate(of_kind, [k])
                row |= with_interval(f"{self._answers.conditions[k]} {name}", *own, "fisher")
        share = f"Noise-Ceiled {name}"
        top = self.ceiling
        scaled = Spread(spread.error / top, spread.df) if top > 0 else Spread(_NAN, 1.0)
        row |= with_interval(share, value / top if top > 0 else _NAN, scaled)
        if accepted is not None and self._answers.right is not None:
            row |= self._consistency(accepted)
        return row

    def _correlations(
        self, distances: Float64Array
    ) -> list[tuple[float, Float64Array, Float64Array]]:
        """By kind: the correlation, without each unit of pairs, without each participant."""
        people, others = self._answers.by_pair, self._without_participants
        found = []
        for kind in self._kinds:
            own, rows = distances[kind.rows], kind.rows
            value = correlate(own, people[rows], _MEASURE)
            units = correlate(own, people[rows], _MEASURE, self._kept[rows].T.astype(float))
            found.append((value, units, correlate(own, others[:, rows], _MEASURE)))
        return found

    def _estimate(
        self,
        of_kind: list[tuple[float, Float64Array, Float64Array]],
        conditions: Sequence[int],
    ) -> tuple[float, Spread]:
        if not of_kind:
            return _NAN, Spread(_NAN, 1.0)
        values, units, participants = zip(*of_kind, strict=True)
        value = float(self._mean(np.array(values), conditions))
        return value, self._spread(
            self._mean(np.stack(units), conditions), self._mean(np.stack(participants), conditions)
        )

    def _spread(self, units: Float64Array, participants: Float64Array) -> Spread:
        """Combine leaving out the people of pairs with leaving out participants."""
        error = self._jackknife.error(units)
        return sum_of_spreads(Spread(*error), jackknife_spread(participants))

    @cached_property
    def _compared(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Who was right on which pair, and saw it: of up to 300 participants, [P, N]."""
        rights = self._answers.rights.T
        step = max(1, -(-len(rights) // _MOST_COMPARED))
        rights = rights[::step]
        return np.nan_to_num(rights) >= 0.5, np.isfinite(rights)

    @cached_property
    def _people_tables(self) -> tuple[list[Float64Array], Float64Array]:
        """Kappa of every two people by condition, and its mean without each unit of pairs."""
        right, seen = self._compared
        tables = []
        for k in self._conditions:
            own = self._answers.cell == k
            tables.append(consistencies(right[:, own], seen[:, own]))
        without = []
        for kept in self._kept.T:
            means = []
            for k in self._conditions:
                own = (self._answers.cell == k) & kept
                means.append(mean_between(consistencies(right[:, own], seen[:, own])))
            without.append(mean_of_known(means))
        return tables, np.array(without)

    def _between(self, kept: NDArray[np.bool_] | None = None) -> float:
        return mean_of_known([mean_between(table, kept) for table in self._people_tables[0]])

    @cached_property
    def _without_each(self) -> Float64Array:
        """The mean kappa between people without each participant."""
        everyone = np.arange(len(self._compared[0]))
        return np.array([self._between(everyone != one) for one in everyone])

    @cached_property
    def _between_people(self) -> tuple[float, Spread]:
        return self._between(), self._spread(self._people_tables[1], self._without_each)

    def _consistency(self, accepted: NDArray[np.bool_]) -> dict[str, float]:
        answers = self._answers
        labels = answers.labels
        if labels is None:
            return {}
        right, seen = self._compared
        network = accepted == labels
        by_person = self._with_network(network, right, seen, np.ones(network.size, bool))
        value = mean_of_known(by_person)
        without = np.array(
            [mean_of_known(self._with_network(network, right, seen, kept)) for kept in self._kept.T]
        )
        name = f"Error Consistency with {self._group}"
        units = Spread(*self._jackknife.error(without))
        row = with_interval(name, value, sum_of_spreads(units, spread_of_participants(by_person)))
        bounds = []
        for k in self._conditions:
            own = answers.cell == k
            for one, had in zip(right[:, own], seen[:, own], strict=True):
                if had.any():
                    bounds.append(kappa_bounds(network[own][had].mean(), one[had].mean())[1])
        row[f"{name} Bound"] = mean_of_known(bounds)
        everyone = np.arange(by_person.size)
        alone = np.array([mean_of_known(by_person[everyone != one]) for one in everyone])
        spread = self._spread(without - self._people_tables[1], alone - self._without_each)
        difference = value - self._between_people[0]
        return row | with_interval(
            f"Error Consistency Difference from {self._group}", difference, spread
        )

    def _with_network(
        self,
        network: NDArray[np.bool_],
        right: NDArray[np.bool_],
        seen: NDArray[np.bool_],
        kept: NDArray[np.bool_],
    ) -> Float64Array:
        """Give each participant's kappa with the network, averaged over conditions."""
        tables = []
        for k in self._conditions:
            own = (self._answers.cell == k) & kept
            ones = np.ones((1, int(own.sum())))
            tables.append(consistencies(network[None, own], ones, right[:, own], seen[:, own])[0])
        table = np.stack(tables)
        known = np.isfinite(table)
        sums = np.where(known, table, 0.0).sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / known.sum(axis=0))


def jackknife_spread(replicates: Float64Array) -> Spread:
    """Give the standard error of a number, from itself without each of several groups."""
    n = replicates.size
    if n < 3 or not np.isfinite(replicates).all():
        return Spread(_NAN, 1.0)
    centred = replicates - replicates.mean()
    return Spread(float(((n - 1) / n * (centred**2).sum()) ** 0.5), float(n - 1))


def mean_of_known(values: Any) -> float:
    """Average what is finite; NaN of nothing."""
    table = np.asarray(values, dtype=np.float64)
    own = table[np.isfinite(table)]
    return float(own.mean()) if own.size else _NAN
