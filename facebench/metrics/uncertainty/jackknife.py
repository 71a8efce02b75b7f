"""Errors of any measure at all, by leaving out the comparisons of a group of people at a time.

A bootstrap calls a measure a thousand times, and an influence function must be known. Leaving out
one of forty groups in turn takes forty calls, on real comparisons without repetitions, and the same
groups for every model and layer make differences paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.uncertainty.influence import Dyads, Influence, dyads
from facebench.metrics.uncertainty.spread import Replicates, uneven_df
from facebench.types import Float64Array, IntArray

__all__ = [
    "N_DYAD_GROUPS",
    "N_GROUPS",
    "JackknifeGroups",
    "JackknifeReplicates",
    "dyad_groups",
]

N_GROUPS = 40
# Pairs of two units are left out in fewer groups: they only correct.
N_DYAD_GROUPS = 20
# Weights of so many comparisons in one go.
_TOGETHER = 1 << 23


@dataclass(frozen=True)
class JackknifeReplicates:
    """Measures of one layer without the comparisons of each group.

    Attributes
    ----------
    by : str
        What the members are: 'identity', 'image' …
    digest : str
        Of the comparisons: equal only where the same ones are left out.
    values : dict of (str or None, str) to array, shape [G]
        By condition and measure, as the task names them.
    dyads : dict of (str or None, str) to array, shape [B]
        Likewise without each group of pairs of two units, for some of the measures.
    df : dict of (str or None, str) to float
        Degrees of freedom of measures that have fewer than G - 1.
    sides : int
        Units of a comparison: 3 for triplets, which `dyads` then leaves out.
    """

    by: str
    digest: str
    values: dict[tuple[str | None, str], Float64Array]
    dyads: dict[tuple[str | None, str], Float64Array] = field(default_factory=dict)
    df: dict[tuple[str | None, str], float] = field(default_factory=dict)
    sides: int = 2

    @classmethod
    def collect(
        cls, by: str, digest: str, found: Mapping[tuple[str | None, str], Replicates]
    ) -> JackknifeReplicates:
        """Collect the replicates of a layer, by condition and measure."""
        return cls(
            by,
            digest,
            {key: made.units for key, made in found.items()},
            {key: made.dyads for key, made in found.items() if made.dyads.size},
            {key: made.df for key, made in found.items() if made.df is not None},
            max((made.sides for made in found.values()), default=2),
        )

    def of(self, condition: str | None, measure: str, value: float) -> Replicates | None:
        """Give the replicates of a measure with this value; None if there are none."""
        key = (condition, measure)
        if key not in self.values:
            return None
        return Replicates(
            value,
            self.values[key],
            self.dyads.get(key, np.empty(0)),
            self.df.get(key),
            self.sides,
        )


class JackknifeGroups:
    """Comparisons without those of each group of units in turn; `Weightings` of them.

    Units (people, images) are assigned to groups by their sorted names, so that the same units
    are in the same groups for any order of the comparisons. A comparison of units of two
    groups is left out with either. A unit that is in every comparison is never left out.

    Parameters
    ----------
    *sides : array-like, shape [N]
        The member on each side of every comparison: two for pairs, one for probes, three for
        triplets.
    n_groups : int, default 40
        Number of groups; as many as members where there are fewer.
    names : array of str, optional
        What the digest calls the members, in order, where sides have them by number.

    Attributes
    ----------
    n_resamples : int
        Number of groups.
    n_members : int
        Number of members.

    References
    ----------
    P. S. Kott, "The delete-a-group jackknife", Journal of Official Statistics 17 (2001) 521-526;
    J. N. Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40 (1969)
    2076-2100, for comparisons of two members.

    Examples
    --------
    >>> JackknifeGroups(["a", "a", "b"], ["a", "b", "c"]).kept.astype(int)
    array([[1, 0, 1],
           [1, 0, 0],
           [0, 1, 0]])
    """

    def __init__(self, *sides: Any, n_groups: int = N_GROUPS, names: Any = None) -> None:
        columns = [np.asarray(side) for side in sides]
        found, index = np.unique(np.concatenate(columns), return_inverse=True)
        names = found if names is None else np.asarray(names)
        self.n_members = names.size
        members = self._members = np.split(index, len(columns))
        n_comparisons = columns[0].size
        n_of = sum(
            np.bincount(side[fresh], minlength=names.size)
            for side, fresh in zip(members, _firsts(members), strict=True)
        )
        left_out = np.flatnonzero(np.asarray(n_of) < max(n_comparisons, 2))
        self.n_resamples = self._n_groups = min(n_groups, left_out.size)
        order = np.random.default_rng(0).permutation(left_out.size)
        group = np.full(names.size, -1)
        group[left_out[order]] = np.arange(left_out.size) % max(1, self.n_resamples)
        self._groups: list[IntArray] = np.split(group[index], len(columns))
        self._dyads = dyad_groups(members)
        self._first = 0
        self._names = names

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which comparisons are left without each group, shape [N, groups]."""
        return self._kept(np.arange(self.n_resamples) + self._first)

    def _kept(self, numbers: IntArray) -> NDArray[np.bool_]:
        return np.ascontiguousarray(self._kept_rows(numbers).T)

    def _kept_rows(self, numbers: IntArray) -> NDArray[np.bool_]:
        # Groups of units, then of dyads; -1 leaves nothing out.
        units = numbers[numbers < self._n_groups, None]
        kept = np.logical_and.reduce([(side != units) | (units < 0) for side in self._groups])
        if units.size == numbers.size:
            return np.asarray(kept)
        dyads = self._dyads != numbers[units.size :, None] - self._n_groups
        return np.concatenate((kept, dyads))

    @property
    def first(self) -> IntArray:
        """The unit of the first side of each comparison, by number."""
        return self._members[0]

    @property
    def second(self) -> IntArray:
        """The unit of the second side of each comparison of two."""
        return self._members[1]

    @cached_property
    def shared(self) -> Dyads:
        """Which comparisons of two have units in common."""
        return dyads(self.first, self.second)

    @cached_property
    def left_out(self) -> tuple[IntArray, IntArray]:
        """Which comparison is left out with which group: numbers of both, by group, dyads last."""
        found = [
            (np.flatnonzero(fresh & (side >= 0)), side)
            for side, fresh in zip(self._groups, _firsts(self._groups), strict=True)
        ]
        found.append((np.flatnonzero(self._dyads >= 0), self._dyads + self._n_groups))
        rows = np.concatenate([rows for rows, _ in found])
        numbers = np.concatenate([groups[rows] for rows, groups in found])
        order = np.argsort(numbers, kind="stable")
        return rows[order], numbers[order]

    @property
    def n_dyad_groups(self) -> int:
        """Number of groups of pairs of two units."""
        return int(self._dyads.max(initial=-1)) + 1

    @cached_property
    def df(self) -> float | None:
        """Degrees of freedom, where the groups have very different numbers of comparisons."""
        within = np.logical_and.reduce([side == self.first for side in self._members])
        n_of = np.zeros(self._n_groups)
        for fresh, side in zip(_firsts(self._groups), self._groups, strict=True):
            n_of += np.bincount(side[fresh & (side >= 0)], minlength=self._n_groups)
        own = self._groups[0][within]
        return uneven_df(n_of, np.bincount(own[own >= 0], minlength=self._n_groups))

    def with_dyads(self) -> JackknifeGroups:
        """Give all comparisons, then these weightings, then those without each group of dyads."""
        found = self.part(np.ones(self._dyads.size, dtype=bool))
        found.n_resamples += 1 + self.n_dyad_groups
        found._first = -1
        return found

    def linear(self, influence: Influence) -> Replicates:
        """Give a measure without each group in turn, to first order, as `linear_replicates`."""
        values = np.asarray(influence.values, dtype=np.float64)
        rows, group = self.left_out
        n_groups = self.n_resamples + self.n_dyad_groups
        found = np.full(n_groups, influence.estimate)
        classes = influence.classes
        for chosen in (
            (np.ones(values.size, dtype=bool),) if classes is None else (classes, ~classes)
        ):
            left = np.bincount(group, np.where(chosen, values, 0.0)[rows], n_groups)
            count = np.bincount(group, chosen[rows], n_groups)
            size = float(np.count_nonzero(chosen))
            with np.errstate(divide="ignore", invalid="ignore"):
                found -= np.where(count < size, left * size / (size - count), np.nan)
        units, of_dyads = np.split(found, [self.n_resamples])
        dyads_ = of_dyads if influence.dyads else np.empty(0)
        return Replicates(influence.estimate, units, dyads_, self.df)

    def digest(self, *names: Any) -> str:
        """Identify comparisons: equal only for the same ones, in any order.

        Parameters
        ----------
        *names : array-like of str, shape [N]
            What is compared, such as the images of both sides.

        Returns
        -------
        str
        """
        rows = sorted("\0".join(map(str, row)) for row in zip(*names, strict=True))
        text = "\n".join((str(self.n_resamples), *map(str, self._names.tolist()), "", *rows))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def part(self, chosen: NDArray[np.bool_] | IntArray) -> JackknifeGroups:
        """Give the same groups, for some of the comparisons, or all in another order."""
        found = JackknifeGroups.__new__(JackknifeGroups)
        found.n_members, found.n_resamples = self.n_members, self.n_resamples
        found._n_groups, found._first = self._n_groups, self._first
        found._names = self._names
        found._groups = [side[chosen] for side in self._groups]
        found._dyads = self._dyads[chosen]
        found._members = [side[chosen] for side in self._members]
        return found

    def weights(self) -> Iterator[NDArray[np.float32]]:
        """Give 1 for each comparison that is left and 0 for the others, some groups at a time."""
        for numbers in self._together():
            yield self._kept(numbers).astype(np.float32)

    def weight_rows(self) -> Iterator[NDArray[np.float32]]:
        """Give `weights` with a row for each group.

        That of millions of comparisons come a few groups at a time, and work on short rows of these
        takes longer the more comparisons there are.
        """
        for numbers in self._together():
            yield self._kept_rows(numbers).astype(np.float32)

    def _together(self) -> Iterator[IntArray]:
        step = max(1, _TOGETHER // max(1, self._dyads.size))
        for start in range(0, self.n_resamples, step):
            yield np.arange(start, min(start + step, self.n_resamples)) + self._first

    def sums(self, columns: Float64Array) -> Float64Array:
        """Sum columns [N, K] over the comparisons that are left: [groups, K]."""
        parts = [weights.T.astype(np.float64) @ columns for weights in self.weights()]
        return np.concatenate(parts)


def _firsts(members: list[IntArray]) -> list[NDArray[np.bool_]]:
    """Tell, side by side, whose member is on no earlier side of the comparison."""
    return [
        np.logical_and.reduce([side != earlier for earlier in members[:place]])
        if place
        else np.ones(side.size, dtype=bool)
        for place, side in enumerate(members)
    ]


def dyad_groups(members: Sequence[IntArray]) -> IntArray:
    """Assign pairs of two units (or triplets) to groups, -1 for comparisons of one unit.

    Parameters
    ----------
    members : sequence of int arrays, shape [N]
        The unit on each side of every comparison.

    Returns
    -------
    int array, shape [N]
        Below `N_DYAD_GROUPS`; all comparisons of the same units are in one group.
    """
    groups = np.full(members[0].size, -1)
    if len(members) < 2:
        return groups
    together = np.sort(np.stack(members), axis=0)
    n_members = int(together.max(initial=0)) + 1
    between = (np.diff(together, axis=0) > 0).all(axis=0)
    number = np.zeros(int(between.sum()), dtype=np.intp)
    for side in together[:, between]:
        number = number * n_members + side
    dyads, place = np.unique(number, return_inverse=True)
    order = np.random.default_rng(1).permutation(dyads.size)
    groups[between] = (order % N_DYAD_GROUPS)[place]
    return groups
