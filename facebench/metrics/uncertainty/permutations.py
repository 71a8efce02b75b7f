"""Exact tests of effects: condition labels swapped within people who share no pair."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.conditions import ConditionScores, measured
from facebench.metrics.effects import Contrast, compared
from facebench.metrics.uncertainty.independent_groups import FEW_BLOCKS, blocks_of
from facebench.types import Float64Array, IntArray

__all__ = ["exchangeable_blocks", "permutation_p", "permuted_differences"]

_TOGETHER = 1 << 22


def exchangeable_blocks(
    first: IntArray, second: IntArray, involved: NDArray[np.bool_]
) -> IntArray | None:
    """Find the groups of people within which condition labels may be swapped.

    Parameters
    ----------
    first, second : int array, shape [N]
        The person (image, group of people) of each side; every comparison is in every condition.
    involved : bool array, shape [N]
        Comparisons of conditions that are compared.

    Returns
    -------
    int array, shape [N], or None
        Groups of people whom pairs link, directly or through others. None where there are fewer
        than 6: nothing can be swapped then without taking pairs that share people as independent.
    """
    blocks = blocks_of(first, second, involved)
    return blocks if np.unique(blocks[involved]).size >= FEW_BLOCKS else None


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
    cells: ConditionScores,
    contrast: Contrast,
    blocks: IntArray,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> Float64Array:
    """Measure a difference again and again, with condition labels swapped within blocks.

    Parameters
    ----------
    cells : ConditionScores
        The comparisons.
    contrast : Contrast
        What is compared.
    blocks : int array, shape [N]
        From `exchangeable_blocks`: comparisons of one block get new labels together.
    n_permutations : int, default 1000
        Number of random relabellings.
    seed : int, default 0
        The same seed gives the same relabellings, for any distances.

    Returns
    -------
    array, shape [n_permutations]
        NaN where the measure is not defined.
    """
    involved = sorted({*contrast.first, *contrast.second})
    chosen = np.isin(cells.cell, involved)
    part = cells.part(chosen)
    own = np.unique(blocks[chosen], return_inverse=True)[1]
    moves = np.array(_moves(contrast, involved, cells.n_cells), dtype=np.int16)
    rng = np.random.default_rng(seed)
    step = max(1, _TOGETHER // part.cell.size)
    found = []
    for start in range(0, n_permutations, step):
        count = min(step, n_permutations - start)
        drawn = rng.integers(0, len(moves), size=(int(own.max()) + 1, count))
        relabelled = moves[drawn[own], part.cell[:, None]]
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
