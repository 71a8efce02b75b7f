"""Searching a gallery in parts, on one machine after another or on many at once.

Two passes make the parts exact. First the distance of every probe to its right template, which
takes the two of them only (`row_distances`). Then every part of the gallery on its own: the nearest
of its templates, and how many of them are as near as the right one. The nearest of the parts hold
the nearest of all; counts add up. A distance depends on its two vectors only, and equal distances
are ordered by row, so that the parts merge to the search of the whole gallery, to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np

from facebench.metrics.faiss_search import FaissSearch, approximate_search
from facebench.metrics.search import (
    GallerySearch,
    Measure,
    RunningSearch,
    as_mates,
    check_search,
)
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["Engine", "SearchPart", "merge_parts", "search_digest", "search_part"]

Engine: TypeAlias = Literal["numpy", "faiss"]
# Raised when the same vectors may give other numbers: parts of two versions do not merge.
_VERSION = "search-1"
_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class SearchPart:
    """What the search of some rows of a gallery found; `merge_parts` joins several.

    Attributes
    ----------
    first, stop : int
        The rows: from `first` to before `stop`.
    n_gallery : int
        Rows of the whole gallery.
    n_failed : int
        Of the searched rows, those that were left out since they have NaN.
    indices : int array, shape [P, k]
        Rows of the nearest templates of the part, nearest first; beyond them the largest integer.
    distances : array, shape [P, k]
        Their distances; infinite beyond them.
    mate_distances : array, shape [P]
        Distance of each probe to its nearest right template; NaN without one.
    nearer : int array, shape [P]
        Templates of the part as near as the right one or nearer, right ones not counted.
    digest : str
        What was searched for, and how: probes, right templates, measure, k, and the index of an
        approximate search.
    n_asked, n_recalled : int
        Of an approximate search: how many nearest templates a sample of probes has in an exact
        search of the same rows, and how many of these were found.
    """

    first: int
    stop: int
    n_gallery: int
    n_failed: int
    indices: IntArray
    distances: Float64Array
    mate_distances: Float64Array
    nearer: IntArray
    digest: str
    n_asked: int = 0
    n_recalled: int = 0

    @property
    def recall(self) -> float:
        """Share of the nearest templates that were found; 1 where the search is exact."""
        return self.n_recalled / self.n_asked if self.n_asked else 1.0

    def result(self) -> GallerySearch:
        """Give the search of the whole gallery.

        Returns
        -------
        GallerySearch

        Raises
        ------
        ValueError
            If the part is not the whole gallery, or holds no usable template.
        """
        if (self.first, self.stop) != (0, self.n_gallery):
            missing = [
                f"{first} to {stop - 1}"
                for first, stop in ((0, self.first), (self.stop, self.n_gallery))
                if first < stop
            ]
            msg = (
                f"The parts are not the whole gallery of {self.n_gallery} rows: rows "
                f"{' and '.join(missing)} were not searched."
            )
            raise ValueError(msg)
        usable = self.n_gallery - self.n_failed
        if not usable:
            msg = f"None of the {self.n_gallery} rows of the gallery is usable: all have NaN."
            raise ValueError(msg)
        k = min(self.indices.shape[1], usable)
        return GallerySearch(
            self.indices[:, :k],
            self.distances[:, :k],
            self.mate_distances,
            self.nearer + np.isfinite(self.mate_distances),
        )


def search_digest(
    probes: FloatArray,
    k: int,
    measure: Measure,
    mate_distances: Float64Array,
    mates: IntArray,
    index: str | None = None,
) -> str:
    """Give a digest of what is searched for, and how; parts of different ones do not merge."""
    digest = hashlib.blake2b(digest_size=16)
    arrays = (probes, np.asarray(mate_distances, dtype=np.float64), mates)
    shapes = [(array.dtype.str, array.shape) for array in arrays]
    digest.update(repr((_VERSION, measure, int(k), shapes, index)).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def search_part(
    probes: FloatArray,
    rows: FloatArray | Iterable[FloatArray],
    *,
    n_gallery: int,
    first: int = 0,
    k: int = 20,
    mates: Any = None,
    mate_distances: Any = None,
    measure: Measure = "cosine",
    skip_failed: bool = False,
    engine: Engine = "numpy",
    index: str | None = None,
) -> SearchPart:
    """Search some rows of a gallery, in bounded memory.

    Parameters
    ----------
    probes : array, shape [P, D]
        Embeddings, finite; the same for all parts.
    rows : array, shape [G, D], or iterable of such arrays
        Templates: an array or a memory map, or blocks one after another.
    n_gallery : int
        Rows of the whole gallery.
    first : int, default 0
        The row of the gallery that the first of these is.
    k : int, default 20
        How many of the nearest to keep.
    mates : int array, shape [P] or [P, M], optional
        Rows of the right templates of each probe in the whole gallery, -1 for none; the same for
        all parts. They are not counted as nearer.
    mate_distances : array, shape [P], optional
        Distance of each probe to its nearest right template (`row_distances`), NaN without one.
        The right template need not be in the gallery.
    measure : {'cosine', 'euclidean', 'inner_product'}
        See `search_gallery`.
    skip_failed : bool, default False
        Leave rows with NaN out, and count them, instead of raising.
    engine : {'numpy', 'faiss'}
        What multiplies; both give the same, to the last bit.
    index : str, optional
        Search approximately, by an index of FAISS of this description, such as 'IVF1024,Flat'. The
        rows are then in memory all at once. Nearest templates may be missed, so that ranks may be
        too good; `SearchPart.recall` says how many were found.

    Returns
    -------
    SearchPart

    Raises
    ------
    ValueError
        As `search_gallery`; if there are rows beyond `n_gallery`, or right templates without their
        distances.

    Examples
    --------
    >>> gallery = np.array([[0.0], [4.0], [2.0], [2.0]])
    >>> probes, mates = np.array([[3.0]]), [2]
    >>> options = {"mates": mates, "mate_distances": [1.0], "measure": "euclidean", "k": 2}
    >>> parts = [
    ...     search_part(probes, gallery[start : start + 2], first=start, n_gallery=4, **options)
    ...     for start in (0, 2)
    ... ]
    >>> found = merge_parts(parts).result()
    >>> found.indices, found.distances, found.mate_ranks
    (array([[1, 2]]), array([[1., 1.]]), array([3]))
    """
    probes = np.asarray(probes)
    blocks = iter(_blocks(rows))
    known = as_mates(mates, len(probes), n_gallery)
    own = np.asarray(
        np.full(len(probes), np.nan) if mate_distances is None else mate_distances, dtype=np.float64
    )
    if own.shape != (len(probes),) or np.isnan(own[(known >= 0).any(axis=1)]).any():
        msg = (
            f"The 'mate_distances' must have one number for each of {len(probes)} probes, NaN only "
            "where there is no right template."
        )
        raise ValueError(msg)
    check_search(probes, (n_gallery, probes.shape[-1]), k, measure)
    if engine not in ("numpy", "faiss") or (index is not None and engine != "faiss"):
        msg = (
            "The 'engine' parameter must be 'numpy' or 'faiss', and 'faiss' where an 'index' is "
            f"given. Got {engine!r} and {index!r}."
        )
        raise ValueError(msg)
    search = (RunningSearch if engine == "numpy" else FaissSearch)(probes, k, measure, own, known)
    kept: list[tuple[FloatArray, IntArray]] = []
    stop, n_failed = first, 0
    for block in blocks:
        check_search(probes, (n_gallery, *block.shape[1:]), k, measure)
        numbers = np.arange(stop, stop + len(block))
        stop += len(block)
        if skip_failed:
            whole = np.asarray(~np.isnan(block).any(axis=1))
            n_failed += int(len(whole) - whole.sum())
            block, numbers = (block, numbers) if whole.all() else (block[whole], numbers[whole])
        if index is not None:
            kept.append((block, numbers))
        elif len(block):
            search.look_at(block, numbers)
    if not 0 <= first <= stop <= n_gallery:
        msg = f"Rows {first} to {stop - 1} are not in a gallery of {n_gallery} rows."
        raise ValueError(msg)
    recalled = (0, 0) if index is None else approximate_search(search, kept, index)
    return SearchPart(
        first,
        stop,
        n_gallery,
        n_failed,
        search.indices,
        search.found,
        own,
        search.nearer,
        search_digest(probes, k, measure, own, known, index),
        *recalled,
    )


def _blocks(rows: FloatArray | Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Cut an array, or blocks, into blocks that stay in the cache."""
    for block in [rows] if isinstance(rows, np.ndarray) else rows:
        for start in range(0, len(block), _ROWS):
            yield np.asarray(block[start : start + _ROWS])


def merge_parts(parts: Sequence[SearchPart]) -> SearchPart:
    """Join parts of a search that follow each other.

    Parameters
    ----------
    parts : sequence of SearchPart
        In any order; themselves merged or not.

    Returns
    -------
    SearchPart
        The same, to the last bit, as one search of all their rows.

    Raises
    ------
    ValueError
        If there are none, they are of different searches or galleries, rows are in two of them, or
        rows between them are missing.
    """
    if not parts:
        msg = "There are no parts to merge."
        raise ValueError(msg)
    ordered = sorted(parts, key=lambda part: (part.first, part.stop))
    for before, after in pairwise(ordered):
        where = f"rows {after.first} to {after.stop - 1}"
        if after.digest != before.digest or after.indices.shape != before.indices.shape:
            msg = (
                f"Parts of one search must be of the same probes, right templates, measure and k. "
                f"That of {where} is of others than that of rows {before.first} to "
                f"{before.stop - 1}."
            )
            raise ValueError(msg)
        if after.n_gallery != before.n_gallery:
            msg = (
                f"Parts must be of one gallery. That of {where} is of one of {after.n_gallery} "
                f"rows, others are of {before.n_gallery}."
            )
            raise ValueError(msg)
        if after.first != before.stop:
            between = sorted((before.stop, after.first))
            what = "are in two parts" if after.first < before.stop else "are in no part"
            msg = f"Rows {between[0]} to {between[1] - 1} of the gallery {what}."
            raise ValueError(msg)
    indices, distances = ordered[0].indices, ordered[0].distances
    for part in ordered[1:]:
        indices, distances = _nearest(
            np.concatenate((indices, part.indices), axis=1),
            np.concatenate((distances, part.distances), axis=1),
            indices.shape[1],
        )
    return replace(
        ordered[0],
        stop=ordered[-1].stop,
        n_failed=sum(part.n_failed for part in ordered),
        indices=indices,
        distances=distances,
        nearer=np.sum([part.nearer for part in ordered], axis=0),
        n_asked=sum(part.n_asked for part in ordered),
        n_recalled=sum(part.n_recalled for part in ordered),
    )


def _nearest(indices: IntArray, distances: Float64Array, k: int) -> tuple[IntArray, Float64Array]:
    order = np.lexsort((indices, distances), axis=-1)[:, :k]
    return (
        np.take_along_axis(indices, order, axis=1),
        np.take_along_axis(distances, order, axis=1),
    )
