"""Distances between very wide rows, where the tensors are.

Differences of float32 are exact enough only where little cancels, so sums are formed over short
blocks and added up in float64, and a cosine distance is half the squared distance of the two
directions: near 0 it keeps all its digits. Where most rows meet most others, blocks of inner
products (Gram matrices) take the place of visits to every pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from facebench.metrics.distances import RowDistance
from facebench.types import Float64Array, IntArray

__all__ = ["flat_rows", "gram_distances", "pair_distances", "row_norms"]

# Values of a row per step: what is summed in float32, and fits the cache with its partner.
_BLOCK = 1 << 16
_NORM_BLOCK = 1 << 10
_GRAM_BLOCK = 1 << 13
# Below this share of the rows' own size a squared distance has lost digits to cancellation.
_CANCELLED = 1e-2


def flat_rows(tensor: torch.Tensor, colours_last: bool) -> torch.Tensor:
    """Lay a layer's output [N, …] out as rows [N, D] in float32, without a copy if possible.

    Parameters
    ----------
    tensor : Tensor, shape [N, …]
        A layer.
    colours_last : bool
        Whether to flatten a layer [N, C, H, W] in the order H, W, C: as it lies in memory in
        torch's channels_last layout. Distances do not hang on the order, if it is always the same.

    Returns
    -------
    Tensor, shape [N, D]
    """
    if colours_last and tensor.ndim == 4:
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(tensor.shape[0], -1).to(torch.float32)


def row_norms(rows: torch.Tensor) -> Float64Array:
    """Euclidean norm of every row [N, D], summed in float64 over blocks."""
    n_rows, width = rows.shape
    whole = width - width % _NORM_BLOCK
    squares = torch.zeros(n_rows, dtype=torch.float64)
    if whole:
        blocks = rows[:, :whole].reshape(n_rows, -1, _NORM_BLOCK)
        norms = torch.linalg.vector_norm(blocks, dim=2).double()
        squares += (norms * norms).sum(dim=1).cpu()
    if whole < width:
        squares += torch.linalg.vector_norm(rows[:, whole:].double(), dim=1).square().cpu()
    result: Float64Array = squares.sqrt().numpy()
    return result


def pair_distances(
    distance: RowDistance,
    rows: Mapping[int, torch.Tensor],
    norms: Mapping[int, float],
    pairs: Sequence[tuple[int, int]],
) -> Float64Array:
    """Distances of pairs of rows, visiting pair by pair or through Gram blocks.

    Parameters
    ----------
    distance : RowDistance
        Which distance.
    rows : mapping of int to Tensor, shape [D]
        float32 rows by image.
    norms : mapping of int to float
        Their Euclidean norms; for the cosine distance only.
    pairs : sequence of (int, int)
        The images of each pair.

    Returns
    -------
    array, shape [P]
    """
    involved = sorted({image for pair in pairs for image in pair})
    if distance.has_gram and len(pairs) > len(involved):
        place = {image: index for index, image in enumerate(involved)}
        first, second = (np.array([place[pair[side]] for pair in pairs]) for side in (0, 1))
        own = [rows[image] for image in involved]
        return gram_distances(
            distance,
            lambda start, stop: torch.stack([row[start:stop] for row in own]),
            own[0].shape[0],
            np.array([norms.get(image, 1.0) for image in involved]),
            first,
            second,
        )
    return np.array([_one(distance, rows, norms, *pair) for pair in pairs])


def _one(
    distance: RowDistance,
    rows: Mapping[int, torch.Tensor],
    norms: Mapping[int, float],
    first: int,
    second: int,
) -> float:
    left, right = rows[first], rows[second]
    if distance.kind == "cosine":
        sizes = np.array([norms[first], norms[second]])
        scales = _scales(distance, sizes)
        squared = _sum_blocks(distance, left, right, float(scales[0]), float(scales[1]))
        return float(_cosine_of(np.array([squared]), *(sizes * scales)[:, None])[0])
    return _root(distance, _sum_blocks(distance, left, right, 1.0, 1.0))


def _scales(distance: RowDistance, norms: Float64Array) -> Float64Array:
    """Find what to multiply rows by to make them directions; a zero row stays zero."""
    bounded = np.maximum(norms, distance.eps)
    return np.divide(1.0, bounded, out=np.zeros_like(bounded), where=bounded > 0)


def _cosine_of(squared: Float64Array, size1: Float64Array, size2: Float64Array) -> Float64Array:
    """Cosine distance from the squared distance of two directions of (nearly always) size 1."""
    # 1 - <x, y> = 1 - (|x|² + |y|² - |x - y|²) / 2
    values = np.clip(1.0 - (size1**2 + size2**2) / 2 + squared / 2, 0.0, 2.0)
    # A row of zeros has no direction.
    values[(size1 == 0) | (size2 == 0)] = np.nan
    return values


def _sum_blocks(
    distance: RowDistance,
    left: torch.Tensor,
    right: torch.Tensor,
    scale1: float,
    scale2: float,
) -> float:
    width = left.shape[0]
    if left.data_ptr() == right.data_ptr() and not distance.offset:
        return 0.0
    buffer = torch.empty(min(width, _BLOCK), device=left.device)
    parts = []
    for start in range(0, width, _BLOCK):
        one, other = left[start : start + _BLOCK], right[start : start + _BLOCK]
        work = buffer[: one.shape[0]]
        if scale1 == 1.0:
            torch.sub(one, other, alpha=scale2, out=work)
        else:
            torch.mul(one, scale1, out=work)
            work.sub_(other, alpha=scale2)
        if distance.offset:
            work.add_(distance.offset)
        parts.append(_reduced(distance, work))
    sums = torch.stack(parts).double()
    return float(sums.max() if np.isinf(distance.p) else sums.sum())


def _reduced(distance: RowDistance, difference: torch.Tensor) -> torch.Tensor:
    """Sum a block of differences up as the distance does (for the largest: the largest)."""
    if distance.p == 2:
        return torch.dot(difference, difference)
    if distance.p == 0:
        return torch.count_nonzero(difference)
    if np.isinf(distance.p):
        return difference.abs().max()
    if distance.p == 1:
        return difference.abs_().sum()
    return difference.abs_().pow_(distance.p).sum()


def _root(distance: RowDistance, total: float) -> float:
    if distance.p in (0, 1) or np.isinf(distance.p):
        return total
    return float(total ** (1.0 / distance.p))


def gram_distances(
    distance: RowDistance,
    block: Callable[[int, int], torch.Tensor],
    width: int,
    norms: Float64Array,
    first: IntArray,
    second: IntArray,
) -> Float64Array:
    """Cosine or Euclidean distances of many pairs among few rows, block by block of their width.

    Rows are moved to their common mean first, which changes no distance and leaves less to cancel.
    What cancels all the same (nearly identical rows) is measured by differences in a second pass.

    Parameters
    ----------
    distance : RowDistance
        One that has_gram.
    block : callable
        From (start, stop) to these values of all rows, [R, stop - start] in float32.
    width : int
        D, the values of a row.
    norms : array, shape [R]
        Euclidean norms; used for the cosine distance.
    first, second : int array, shape [P]
        The rows of each pair.

    Returns
    -------
    array, shape [P]
    """
    is_cosine = distance.kind == "cosine"
    scales = _scales(distance, norms) if is_cosine else np.ones(len(norms))
    factors = torch.from_numpy(scales).float()[:, None]
    gram = torch.zeros((len(norms), len(norms)), dtype=torch.float64)
    for values in _blocks(block, width, factors if is_cosine else None):
        values -= values.mean(dim=0)
        gram += (values @ values.T).double().cpu()
    products: Float64Array = gram.numpy()
    sizes = np.diag(products)
    together = sizes[first] + sizes[second]
    squared = np.maximum(together - 2 * products[first, second], 0.0)
    squared[first == second] = 0.0
    close = np.flatnonzero((squared < _CANCELLED * together) & (first != second))
    if close.size:
        squared[close] = 0.0
        one, other = torch.from_numpy(first[close]), torch.from_numpy(second[close])
        for values in _blocks(block, width, factors if is_cosine else None):
            for start in range(0, close.size, len(norms)):
                part = slice(start, start + len(norms))
                difference = values[one[part]] - values[other[part]]
                squared[close[part]] += difference.square().sum(dim=1).double().cpu().numpy()
    if is_cosine:
        lengths = norms * scales
        return _cosine_of(squared, lengths[first], lengths[second])
    return np.asarray(np.sqrt(squared))


def _blocks(
    block: Callable[[int, int], torch.Tensor], width: int, factors: torch.Tensor | None
) -> Iterator[torch.Tensor]:
    """Go through the width in blocks, as directions where factors are given."""
    for start in range(0, width, _GRAM_BLOCK):
        rows = block(start, min(start + _GRAM_BLOCK, width))
        # A copy either way: it is worked on in place.
        yield rows.clone() if factors is None else rows * factors.to(rows.device)
