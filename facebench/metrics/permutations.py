"""Permutation tests of effects: condition labels swapped within items, people, or shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from facebench.metrics.cells import Cells, measured
from facebench.metrics.effects import Contrast, compared
from facebench.types import Float64Array, IntArray

__all__ = ["Exchange", "exchange_of", "permutation_p", "permuted_differences"]

# Blocks of people from which on swapping whole blocks can tell anything.
_FEW_BLOCKS = 8
_TOGETHER = 1 << 22


class Exchange(NamedTuple):
    """What keeps together when condition labels are exchanged.

    Attributes
    ----------
    how : str
        In words, for the results.
    paired : bool
        Whether every item is in every condition.
    blocks : int array, shape [N]
        Comparisons of one block get new labels together.
    """

    how: str
    paired: bool
    blocks: IntArray


def exchange_of(
    cell: IntArray,
    involved: NDArray[np.bool_],
    first: IntArray,
    second: IntArray,
    items: IntArray | None,
    plural: str,
) -> Exchange:
    """Find out how condition labels may be exchanged if there were no effect.

    Parameters
    ----------
    cell : int array, shape [N]
        The condition of each comparison.
    involved : bool array, shape [N]
        Comparisons of conditions that are compared.
    first, second : int array, shape [N]
        The person (or image) of each side.
    items : int array, shape [N], or None
        What the comparison is of, the same in every condition; None if conditions are of others.
    plural : str
        What people (or images) are called.

    Returns
    -------
    Exchange
        Paired: blocks of comparisons that share no person with others, if there are 8 or more, so
        that the test is exact; else single items, which takes items as independent. Not paired:
        the comparisons within a person, if these are in one condition, and single ones of two.
    """
    n_units = int(max(first.max(), second.max())) + 1
    if items is None:
        within = (first == second) & involved
        own = np.unique(np.stack((first[within], cell[within])), axis=1)[0]
        rows = n_units + np.arange(first.size)
        if own.size and np.unique(own).size == own.size:
            how = (
                f"conditions shuffled among {plural}, and among pairs of two, taken as independent"
            )
            return Exchange(how, False, np.where(within, first, rows))
        how = "conditions shuffled among pairs of one class, taken as independent"
        return Exchange(how, False, rows)
    ends = (first[involved], second[involved])
    links = coo_array((np.ones(ends[0].size), ends), shape=(n_units, n_units))
    blocks = np.asarray(connected_components(links, directed=False)[1][first], dtype=np.intp)
    if np.unique(blocks[involved]).size >= _FEW_BLOCKS:
        return Exchange(f"conditions swapped within {plural}", True, blocks)
    how = "conditions swapped within items, taken as independent"
    return Exchange(how, True, items)


class _Relabelled:
    """The comparisons that get one condition, in every permutation."""

    def __init__(self, relabelled: NDArray[np.int16], cell: int) -> None:
        self._relabelled = relabelled
        self._cell = cell
        self.n_resamples = relabelled.shape[1]

    def weights(self) -> Iterator[NDArray[np.float32]]:
        yield (self._relabelled == self._cell).astype(np.float32)

    def sums(self, columns: Float64Array) -> Float64Array:
        (weights,) = self.weights()
        return np.asarray(weights.T.astype(np.float64) @ columns)


def permuted_differences(
    cells: Cells,
    contrast: Contrast,
    exchange: Exchange,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> Float64Array:
    """Measure a difference again and again, with condition labels exchanged.

    Parameters
    ----------
    cells : Cells
        The comparisons.
    contrast : Contrast
        What is compared.
    exchange : Exchange
        What keeps together.
    n_permutations : int, default 1000
        Number of random relabellings.
    seed : int, default 0
        The same seed gives the same relabellings, of whatever distances.

    Returns
    -------
    array, shape [n_permutations]
        NaN where the measure is not defined.
    """
    involved = sorted({*contrast.first, *contrast.second})
    chosen = np.isin(cells.cell, involved)
    part = cells.part(chosen)
    blocks = np.unique(exchange.blocks[chosen], return_inverse=True)[1]
    moves = np.array(_moves(contrast, involved, cells.n_cells), dtype=np.int16)
    rng = np.random.default_rng(seed)
    step = max(1, _TOGETHER // part.cell.size)
    found = []
    for start in range(0, n_permutations, step):
        count = min(step, n_permutations - start)
        if exchange.paired:
            drawn = rng.integers(0, len(moves), size=(int(blocks.max()) + 1, count))
            relabelled = moves[drawn[blocks], part.cell[:, None]]
        else:
            relabelled = _shuffled(part, blocks, count, rng)
        values = np.full((count, cells.n_cells), np.nan)
        for k in involved:
            values[:, k] = measured(part, _Relabelled(relabelled, k))
        found.append(compared(values, contrast)[0])
    return np.concatenate(found)


def permutation_p(difference: float, permuted: Float64Array) -> float:
    """Two-sided p: how often a difference is as far from zero with labels exchanged.

    p = (1 + number of permutations as far from zero) / (1 + number of permutations).

    Parameters
    ----------
    difference : float
        As observed.
    permuted : array, shape [R]
        From `permuted_differences`.

    Returns
    -------
    float
        NaN if the difference is, or more than one in twenty of `permuted`.

    References
    ----------
    B. Phipson and G. K. Smyth, "Permutation p-values should never be zero", Statistical
    Applications in Genetics and Molecular Biology 9 (2010) 39; P. Good, "Permutation, parametric
    and bootstrap tests of hypotheses" (2005).

    Examples
    --------
    >>> permutation_p(0.5, np.array([0.1, -0.6, 0.2]))
    0.5
    """
    defined = permuted[~np.isnan(permuted)]
    if np.isnan(difference) or not defined.size or defined.size < 0.95 * permuted.size:
        return float("nan")
    # Equal differences may differ by rounding.
    scale = abs(difference) + float(np.abs(defined).max())
    extreme = np.abs(defined) >= abs(difference) - 1e-6 * scale
    return float((1 + np.count_nonzero(extreme)) / (1 + defined.size))


def _moves(contrast: Contrast, involved: list[int], n_cells: int) -> list[tuple[int, ...]]:
    if contrast.moves:
        return list(contrast.moves)
    if len(involved) <= 6:
        orders = list(permutations(involved))
    else:
        # All rotations: as many places for every label, and few enough to list.
        orders = [tuple(np.roll(involved, shift).tolist()) for shift in range(len(involved))]
    found = []
    for order in orders:
        move = list(range(n_cells))
        for old, new in zip(involved, order, strict=True):
            move[old] = new
        found.append(tuple(move))
    return found


def _shuffled(
    part: Cells, blocks: IntArray, count: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    relabelled = np.empty((part.cell.size, count), dtype=np.int16)
    for chosen in (part.labels, ~part.labels):
        rows = np.flatnonzero(chosen)
        if rows.size:
            _, one, block = np.unique(blocks[rows], return_index=True, return_inverse=True)
            own = part.cell[rows][one].astype(np.int16)
            drawn = rng.permuted(np.broadcast_to(own[:, None], (own.size, count)), axis=0)
            relabelled[rows] = drawn[block]
    return relabelled
