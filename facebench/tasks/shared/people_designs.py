"""Which participants give an effect: each of them all of it, or several samples a part each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.types import Float64Array, IntArray

__all__ = ["FEWEST", "Design", "design_of"]

# Fewer participants say next to nothing of a spread.
FEWEST = 3


class Design(NamedTuple):
    """How participants are divided between the conditions of an effect.

    Attributes
    ----------
    sample : int array, shape [P]
        The sample of each participant, from 0; -1 for those who lack a condition of theirs.
    conditions : tuple of tuple of int
        The conditions of each sample. Within participants there is one, with all of them.
    """

    sample: IntArray
    conditions: tuple[tuple[int, ...], ...]

    @property
    def is_within(self) -> bool:
        """Whether each participant has all conditions."""
        return len(self.conditions) == 1

    def has_size(self, weights: Float64Array) -> bool:
        """Tell whether an effect has a standardised size: dz within participants, g between them.

        Of two samples it is the difference of what both have alike, not an effect within each.
        """
        if self.is_within:
            return True
        one, *others = (weights[list(conditions)] for conditions in self.conditions)
        return len(others) == 1 and one.shape == others[0].shape and bool((one == -others[0]).all())

    def summed(self, values: Float64Array, weights: Float64Array) -> Float64Array:
        """Weigh the conditions of each participant.

        Parameters
        ----------
        values : array, shape [..., P, K]
            A measure of every participant and condition.
        weights : array, shape [K]
            Of the contrast.

        Returns
        -------
        array, shape [..., P]
            NaN for those who are in no sample. The means of the samples add up to the effect.
        """
        found = np.full(values.shape[:-1], np.nan)
        for number, conditions in enumerate(self.conditions):
            own, used = self.sample == number, [k for k in conditions if weights[k] != 0]
            found[..., own] = values[..., own, :][..., used] @ weights[used]
        return found


def design_of(known: NDArray[np.bool_], involved: Sequence[int]) -> Design | None:
    """Find the design of participants' conditions.

    Parameters
    ----------
    known : bool array, shape [P, K]
        Whether each participant has the measure in each condition.
    involved : sequence of int
        The conditions that are compared.

    Returns
    -------
    Design or None
        Within participants, where three or more have all conditions. Between them, where the
        participants' conditions fall into sets without overlap that are all conditions together,
        each of three participants or more; a set may be of several conditions. None otherwise.

    Examples
    --------
    >>> known = np.array([[1, 0]] * 3 + [[0, 1]] * 4, dtype=bool)
    >>> design_of(known, [0, 1]).sample.tolist()
    [0, 0, 0, 1, 1, 1, 1]
    """
    own = known[:, list(involved)]
    complete = own.all(axis=1)
    if complete.sum() >= FEWEST:
        return Design(np.where(complete, 0, -1), (tuple(involved),))
    patterns, of_participant, number = np.unique(
        own, axis=0, return_inverse=True, return_counts=True
    )
    sets = [frozenset(np.flatnonzero(pattern).tolist()) for pattern in patterns]
    # Who lacks a part of what the others of a sample have is left out, and counted.
    largest = [one for one in sets if one and not any(one < other for other in sets)]
    counts = dict(zip(sets, number.tolist(), strict=True))
    is_split = len(set().union(*largest)) == sum(map(len, largest)) == len(involved)
    if not is_split or min(counts[one] for one in largest) < FEWEST:
        return None
    # In the order of the conditions.
    largest.sort(key=min)
    place = {one: sample for sample, one in enumerate(largest)}
    sample = np.array([place.get(one, -1) for one in sets], dtype=np.intp)
    conditions = tuple(tuple(involved[k] for k in sorted(one)) for one in largest)
    return Design(sample[of_participant.ravel()], conditions)
