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
from facebench.metrics.uncertainty.spread import Scale, Spread, interval, less_dyads
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.tasks.shared.people import spread_of_participants, sum_of_spreads
from facebench.tasks.shared.people_answers import PairAnswers
from facebench.types import Float64Array, IntArray

__all__ = [
    "ItemAgreement",
    "answer_noise",
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
# Ways to divide the pairs into halves.
_SPLITS = 4


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


class _Correlation(NamedTuple):
    """The correlation of distances with mean answers, of one kind of pairs.

    Attributes
    ----------
    value : float
        Of all pairs.
    units, dyads, participants : array, shape [U], [D], [P]
        Without each unit of pairs, each group of the pairs of two units, each participant.
    halves : array, shape [S, 2, P]
        Of either half of the pairs, divided in several ways, without each participant.
    """

    value: float
    units: Float64Array
    dyads: Float64Array
    participants: Float64Array
    halves: Float64Array


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
        self._kept, self._kept_dyads = jackknife.kept, jackknife.kept_dyads

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

    def _correlations(self, distances: Float64Array) -> list[_Correlation]:
        """Correlate each kind of pairs, and without each of what varies."""
        people, others = self._answers.by_pair, self._without_participants
        found = []
        for kind, halves in zip(self._kinds, self._halves, strict=True):
            own, rows = distances[kind.rows], kind.rows
            value = correlate(own, people[rows], _MEASURE)
            units, dyads = (
                correlate(own, people[rows], _MEASURE, kept[rows].T.astype(float))
                for kept in (self._kept, self._kept_dyads)
            )
            without = [
                [correlate(distances[half], others[:, half], _MEASURE) for half in both]
                for both in halves
            ]
            alone = correlate(own, others[:, rows], _MEASURE)
            found.append(_Correlation(value, units, dyads, alone, np.array(without)))
        return found

    @cached_property
    def _halves(self) -> list[list[tuple[IntArray, IntArray]]]:
        """Divide the pairs of each kind into halves, in several ways."""
        rng = np.random.default_rng(0)
        found = []
        for kind in self._kinds:
            middle = kind.rows.size // 2
            mixed = [rng.permutation(kind.rows) for _ in range(_SPLITS)]
            found.append([(rows[:middle], rows[middle:]) for rows in mixed])
        return found

    def _estimate(
        self, of_kind: list[_Correlation], conditions: Sequence[int]
    ) -> tuple[float, Spread]:
        """Average kinds, and give the error over the people of pairs and over participants.

        Leaving out the people of pairs moves the noise of single answers too, which participants
        must not add once more. What they add is what both halves of the pairs have in common: the
        covariance of the correlations of both without each participant.
        """
        if not of_kind:
            return _NAN, Spread(_NAN, 1.0)
        value, units, dyads, participants = (
            self._mean(np.stack([getattr(kind, name) for kind in of_kind]), conditions)
            for name in ("value", "units", "dyads", "participants")
        )
        error, df = self._jackknife.error(units)
        if dyads.size > 1 and np.isfinite(dyads).all():
            error = less_dyads(error**2, float((dyads.size - 1) * dyads.var())) ** 0.5
        of_participants = jackknife_spread(participants)
        shared = []
        for split in range(_SPLITS):
            one, other = (
                self._mean(np.stack([kind.halves[split, side] for kind in of_kind]), conditions)
                for side in (0, 1)
            )
            product = float(((one - one.mean()) * (other - other.mean())).sum())
            shared.append((one.size - 1) / one.size * product)
        if np.isfinite(shared).any():
            common = min(max(mean_of_known(shared), 0.0) ** 0.5, of_participants.error)
            of_participants = of_participants._replace(error=common)
        return float(value), sum_of_spreads(Spread(error, df), of_participants)

    @cached_property
    def _compared(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Who was right on which pair, and saw it: of up to 300 participants, [P, N]."""
        rights = self._answers.rights.T
        step = max(1, -(-len(rights) // _MOST_COMPARED))
        rights = rights[::step]
        return np.nan_to_num(rights) >= 0.5, np.isfinite(rights)

    @cached_property
    def _people_tables(self) -> tuple[list[Float64Array], Float64Array, Float64Array]:
        """Kappa of every two people by condition, and without each unit of pairs.

        The latter as its mean [U], and as that of each participant with the others [U, P].
        """
        right, seen = self._compared
        tables = []
        for k in self._conditions:
            own = self._answers.cell == k
            tables.append(consistencies(right[:, own], seen[:, own]))
        without, of_each = [], []
        for kept in self._kept.T:
            means, rows = [], []
            for k in self._conditions:
                own = (self._answers.cell == k) & kept
                table = consistencies(right[:, own], seen[:, own])
                means.append(mean_between(table))
                np.fill_diagonal(table, np.nan)
                rows.append(_mean_of_rows(table))
            without.append(mean_of_known(means))
            of_each.append(_mean_of_rows(np.stack(rows, axis=1)))
        return tables, np.array(without), np.stack(of_each)

    def _between(self, kept: NDArray[np.bool_] | None = None) -> float:
        return mean_of_known([mean_between(table, kept) for table in self._people_tables[0]])

    @cached_property
    def _without_each(self) -> Float64Array:
        """The mean kappa between people without each participant."""
        everyone = np.arange(len(self._compared[0]))
        return np.array([self._between(everyone != one) for one in everyone])

    @cached_property
    def _between_people(self) -> tuple[float, Spread]:
        spread = jackknife_spread(self._without_each)
        return self._between(), self._with_units(*self._people_tables[1:], spread)

    def _with_units(
        self, means: Float64Array, of_each: Float64Array, participants: Spread
    ) -> Spread:
        """Add the error over the people of pairs, less the noise that participants have too."""
        error, df = self._jackknife.error(means)
        if np.isnan(error):
            return Spread(_NAN, 1.0)
        noise = answer_noise(self._jackknife, of_each, means)
        return sum_of_spreads(Spread(max(error**2 - noise, 0.0) ** 0.5, df), participants)

    def _consistency(self, accepted: NDArray[np.bool_]) -> dict[str, float]:
        answers = self._answers
        labels = answers.labels
        if labels is None:
            return {}
        right, seen = self._compared
        network = accepted == labels
        by_person = self._with_network(network, right, seen, np.ones(network.size, bool))
        value = mean_of_known(by_person)
        of_each = np.stack(
            [self._with_network(network, right, seen, kept) for kept in self._kept.T]
        )
        without = _mean_of_rows(of_each)
        name = f"Error Consistency with {self._group}"
        spread = self._with_units(without, of_each, spread_of_participants(by_person))
        row = with_interval(name, value, spread)
        bounds = []
        for k in self._conditions:
            own = answers.cell == k
            for one, had in zip(right[:, own], seen[:, own], strict=True):
                if had.any():
                    bounds.append(kappa_bounds(network[own][had].mean(), one[had].mean())[1])
        row[f"{name} Bound"] = mean_of_known(bounds)
        everyone = np.arange(by_person.size)
        alone = np.array([mean_of_known(by_person[everyone != one]) for one in everyone])
        _, between, of_people = self._people_tables
        spread = self._with_units(
            without - between, of_each - of_people, jackknife_spread(alone - self._without_each)
        )
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
        return _mean_of_rows(np.stack(tables, axis=1))


def answer_noise(
    jackknife: StratifiedJackknife, of_each: Float64Array, means: Float64Array
) -> float:
    """Find the variance that the noise of single answers gives a mean over participants.

    The variance of the mean over participants and that over units of pairs both hold this noise;
    what the units of one participant vary more than those of the mean is that noise.

    Parameters
    ----------
    jackknife : StratifiedJackknife
        Of the pairs.
    of_each : array, shape [U, P]
        The number of each participant without each unit of pairs.
    means : array, shape [U]
        Their mean.

    Returns
    -------
    float
        0 or more.
    """
    known = np.isfinite(of_each).all(axis=0)
    number = int(known.sum())
    if number < 2:
        return 0.0
    single = jackknife.variances(of_each[:, known]).mean()
    noise = (single - jackknife.variances(means[:, None])[0]) / (number - 1)
    return max(float(noise), 0.0)


def _mean_of_rows(table: Float64Array) -> Float64Array:
    """Average what is finite in each row; NaN of nothing."""
    known = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, table, 0.0).sum(axis=1) / known.sum(axis=1))


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
