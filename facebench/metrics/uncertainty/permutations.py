"""Tests of effects: condition labels exchanged among people who share no pair, else t tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from facebench.metrics.conditions import ConditionScores, measured
from facebench.metrics.effects import Contrast, compared
from facebench.metrics.uncertainty.independent_groups import FEW_BLOCKS, blocks_of
from facebench.types import Float64Array, IntArray

__all__ = ["Exchange", "exchange_of", "permutation_p", "permuted_differences", "t_test"]

_TOGETHER = 1 << 22


class Exchange(NamedTuple):
    """What keeps together when condition labels are exchanged.

    Attributes
    ----------
    how : str
        In words, for the results.
    kind : {'swap', 'shuffle', 'none'}
        Labels are swapped within blocks that hold every condition, shuffled among blocks of one
        condition each, or cannot be exchanged: see `t_test`.
    blocks : int array, shape [N]
        Comparisons of one block get new labels together; they share no person with other blocks.
    """

    how: str
    kind: Literal["swap", "shuffle", "none"]
    blocks: IntArray


def exchange_of(
    cell: IntArray,
    involved: NDArray[np.bool_],
    first: IntArray,
    second: IntArray,
    is_paired: bool,
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
        The person (image, group of people) of each side.
    is_paired : bool
        Whether every comparison is in every condition.
    plural : str
        What these are called.

    Returns
    -------
    Exchange
        Blocks are groups of people whom pairs link, directly or through others. Where there are
        fewer than 6, or blocks hold some conditions and not others, nothing can be exchanged
        without taking pairs that share people as independent.
    """
    blocks = blocks_of(first, second, involved)
    if np.unique(blocks[involved]).size >= FEW_BLOCKS:
        alone = (first == second)[involved].all()
        called = plural if alone else f"groups of {plural}"
        if is_paired:
            return Exchange(f"conditions swapped within {called}", "swap", blocks)
        own = np.unique(np.stack((blocks[involved], cell[involved])), axis=1)[0]
        if np.unique(own).size == own.size:
            return Exchange(f"conditions shuffled among {called}", "shuffle", blocks)
    return Exchange(f"t test over resamples of {plural}", "none", blocks)


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
    exchange: Exchange,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> Float64Array:
    """Measure a difference again and again, with condition labels exchanged.

    Parameters
    ----------
    cells : ConditionScores
        The comparisons.
    contrast : Contrast
        What is compared.
    exchange : Exchange
        What keeps together.
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
    blocks = np.unique(exchange.blocks[chosen], return_inverse=True)[1]
    moves = np.array(_moves(contrast, involved, cells.n_cells), dtype=np.int16)
    rng = np.random.default_rng(seed)
    step = max(1, _TOGETHER // part.cell.size)
    found = []
    for start in range(0, n_permutations, step):
        count = min(step, n_permutations - start)
        if exchange.kind == "swap":
            drawn = rng.integers(0, len(moves), size=(int(blocks.max()) + 1, count))
            relabelled = moves[drawn[blocks], part.cell[:, None]]
        else:
            relabelled = _shuffled(part, blocks, count, rng)
        values = np.full((count, cells.n_cells), np.nan)
        for k in involved:
            values[:, k] = measured(part, _Relabelled(relabelled, k))
        found.append(compared(values, contrast)[0])
    return np.concatenate(found)


def t_test(difference: float, error: float, n_units: int) -> float:
    """Two-sided p of a difference by its standard error over people, n - 1 degrees of freedom.

    Parameters
    ----------
    difference : float
        As observed.
    error : float
        Its standard error, from resamples of people (or images).
    n_units : int
        How many there are.

    Returns
    -------
    float
        NaN if the error is. Without any error 1 for no difference, else what n people who all
        agree would give in an exact test.

    Examples
    --------
    >>> round(t_test(2.0, 1.0, 11), 4)
    0.0734
    """
    if np.isnan(difference) or np.isnan(error) or n_units < 2:
        return float("nan")
    if error == 0:
        return 1.0 if difference == 0 else float(2.0 ** (1 - n_units))
    return float(2 * stdtr(n_units - 1, -abs(difference) / error))


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
    part: ConditionScores, blocks: IntArray, count: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Shuffle conditions among blocks that hold the same classes of comparisons."""
    relabelled = np.empty((part.cell.size, count), dtype=np.int16)
    of_class = [np.bincount(blocks, part.labels == label) > 0 for label in (True, False)]
    classes = (of_class[0] + 2 * of_class[1])[blocks]
    for kind in np.unique(classes):
        rows = np.flatnonzero(classes == kind)
        _, one, block = np.unique(blocks[rows], return_index=True, return_inverse=True)
        own = part.cell[rows][one].astype(np.int16)
        drawn = rng.permuted(np.broadcast_to(own[:, None], (own.size, count)), axis=0)
        relabelled[rows] = drawn[block]
    return relabelled
