"""Searching a gallery: the nearest templates of every probe, and the exact rank of its mate.

A table of all comparisons of 1,000 probes with a million templates would take 4 GB. Here a block of
the gallery at a time is multiplied with the probes in float32, and the product only decides which
few comparisons deserve a second look: those within its error bound of the k-th best so far, or of
the mate. They alone are computed again, in float64 and row by row, and these values decide. So the
result is that of the exact distances, for any block size, number of threads or BLAS, and equal
templates tie exactly.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facebench.metrics import distances
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["GallerySearch", "Measure", "RunningSearch", "row_distances", "search_gallery"]

Measure: TypeAlias = Literal["cosine", "euclidean", "inner_product"]

# No template: it loses every tie.
NO_TEMPLATE = np.iinfo(np.int64).max
# A product of this many templates and probes stays in the cache while it is looked through.
_TEMPLATES, _PROBES = 4096, 1024
_EXACT_VALUES = 4_000_000
# Beyond this share of second looks, a product in float64 costs less than the looks.
_CROWDED = 1 / 32
# Norms outside this range may overflow or vanish when multiplied in float32.
_SAFE = (1e-15, 1e15)


class GallerySearch(NamedTuple):
    """What a search found, a row per probe.

    Attributes
    ----------
    indices : int array, shape [P, k]
        The nearest templates, nearest first; of equal distances the one earlier in the gallery.
    distances : array, shape [P, k]
        Their distances, in float64; lower is better.
    mate_distances : array, shape [P]
        Distance to the right template; NaN without one.
    mate_ranks : int array, shape [P]
        How many templates are as near as the right one or nearer, itself included; 0 without one.
    """

    indices: IntArray
    distances: Float64Array
    mate_distances: Float64Array
    mate_ranks: IntArray


def search_gallery(
    probes: FloatArray,
    gallery: FloatArray,
    *,
    k: int = 20,
    mates: Any = None,
    measure: Measure = "cosine",
) -> GallerySearch:
    """Find the k nearest templates of every probe, and the rank of its mate, in bounded memory.

    Parameters
    ----------
    probes : array, shape [P, D]
        Embeddings, finite.
    gallery : array, shape [G, D]
        Templates, finite; a memory map is read once, block by block.
    k : int, default 20
        How many; at most G are given.
    mates : int array, shape [P] or [P, M], optional
        The rows of each probe's right templates in the gallery, -1 for none. Of several right ones
        the nearest counts, and the others are not before it.
    measure : {'cosine', 'euclidean', 'inner_product'}
        The distance: 1 - cosine (1 for a zero vector), Euclidean, or the negative inner product.

    Returns
    -------
    GallerySearch
        Ties of the mate are pessimistic: what is as near stands before it.

    Raises
    ------
    ValueError
        If shapes do not fit, a vector is not finite, the gallery is empty, a mate is not a row of
        the gallery, k is below 1, or the measure is unknown.

    References
    ----------
    N. J. Higham, "Accuracy and stability of numerical algorithms" (2002), section 3.1: the error of
    an inner product of n terms is at most n u / (1 - n u) times the product of the norms, u the
    unit roundoff, in any order of summation.

    Examples
    --------
    >>> gallery = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    >>> found = search_gallery(np.array([[3.0, 0.0]]), gallery, k=2, mates=[3])
    >>> found.indices, found.distances, found.mate_ranks
    (array([[1, 3]]), array([[0., 0.]]), array([2]))
    """
    probes, gallery = np.asarray(probes), np.asanyarray(gallery)
    check_search(probes, gallery.shape, k, measure)
    mate_rows = as_mates(mates, len(probes), len(gallery))
    mate_distances = np.full(len(probes), np.nan)
    for rows in mate_rows.T:
        mated = np.flatnonzero(rows >= 0)
        own = row_distances(probes[mated], gallery[rows[mated]], measure)
        mate_distances[mated] = np.fmin(mate_distances[mated], own)
    search = RunningSearch(probes, min(k, len(gallery)), measure, mate_distances, mate_rows)
    for start in range(0, len(gallery), _TEMPLATES):
        rows = np.asarray(gallery[start : start + _TEMPLATES])
        search.look_at(rows, np.arange(start, start + len(rows)))
    ranks = search.nearer + np.isfinite(mate_distances)
    return GallerySearch(search.indices, search.found, mate_distances, ranks)


def check_search(probes: FloatArray, shape: tuple[int, ...], k: int, measure: str) -> None:
    """Refuse what cannot be searched; raises ValueError."""
    if probes.ndim != 2 or len(shape) != 2 or probes.shape[1] != shape[1]:
        msg = f"A search needs probes [P, D] and a gallery [G, D]. Got {probes.shape} and {shape}."
        raise ValueError(msg)
    if shape[0] == 0:
        msg = "The gallery is empty."
        raise ValueError(msg)
    if k < 1:
        msg = f"The 'k' parameter must be 1 or more. Got {k!r} instead."
        raise ValueError(msg)
    if measure not in ("cosine", "euclidean", "inner_product"):
        msg = (
            "The 'measure' parameter must be 'cosine', 'euclidean' or 'inner_product'. "
            f"Got {measure!r} instead."
        )
        raise ValueError(msg)


def as_mates(mates: Any, n_probes: int, n_gallery: int) -> IntArray:
    """Check the rows of right templates; gives them as [P, M], -1 for none."""
    rows = np.full((n_probes, 1), -1) if mates is None else np.asarray(mates)
    if rows.ndim == 1:
        rows = rows[:, None]
    if rows.shape[:1] != (n_probes,) or rows.ndim != 2 or ((rows < -1) | (rows >= n_gallery)).any():
        msg = (
            f"The 'mates' of {n_probes} probes must each be a row of the gallery "
            f"(0 to {n_gallery - 1}), or -1."
        )
        raise ValueError(msg)
    return rows.astype(np.int64)


def row_distances(left: FloatArray, right: FloatArray, measure: Measure) -> Float64Array:
    """Compute the distances of a search, row against row.

    Each depends on its two vectors only, to the last bit: not on what else is computed with it.

    Parameters
    ----------
    left, right : array, shape [N, D]
        Vectors, finite.
    measure : {'cosine', 'euclidean', 'inner_product'}
        See `search_gallery`.

    Returns
    -------
    array, shape [N]

    Examples
    --------
    >>> row_distances(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), "inner_product")
    array([-11.])
    """
    # einsum adds the values of a row in an order that depends on the layout in memory.
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    if measure == "cosine":
        return np.nan_to_num(distances.cosine(left, right), nan=1.0)
    if measure == "euclidean":
        return distances.minkowski(left, right)
    products = np.einsum("ij,ij->i", left.astype(np.float64), right.astype(np.float64))
    return np.asarray(-products)


class _Shortlist(NamedTuple):
    """Comparisons of a block that deserve a second look, as probe and template numbers."""

    best: tuple[IntArray, IntArray]
    near_mate: tuple[IntArray, IntArray]
    surely_nearer: IntArray


class RunningSearch:
    """A search that looks at a gallery block by block, and knows what is best so far.

    Parameters
    ----------
    probes : array, shape [P, D]
        Embeddings, finite.
    k : int
        How many of the nearest templates to keep.
    measure : {'cosine', 'euclidean', 'inner_product'}
        See `search_gallery`.
    mate_distances : array, shape [P]
        Distance of each probe to its nearest right template; NaN without one.
    mates : int array, shape [P, M]
        The numbers of right templates, which are not counted; -1 for none.

    Attributes
    ----------
    indices : int array, shape [P, k]
        Numbers of the nearest templates so far; the largest integer where there is none yet.
    found : array, shape [P, k]
        Their distances; infinite where there is none.
    nearer : int array, shape [P]
        Templates, other than right ones, as near as the nearest right one or nearer.
    """

    def __init__(
        self,
        probes: FloatArray,
        k: int,
        measure: Measure,
        mate_distances: Float64Array,
        mates: IntArray,
    ) -> None:
        self.probes, self.k, self.measure = probes, k, measure
        self.mates, self.mate_distances = mates, mate_distances
        self.norms = _norms(probes, "probes", np.arange(len(probes)))
        self.indices = np.full((len(probes), k), NO_TEMPLATE, dtype=np.int64)
        self.found = np.full((len(probes), k), np.inf)
        self.nearer = np.zeros(len(probes), dtype=np.int64)
        self._use(np.float32)
        if not _is_safe(self.norms):
            self._use(np.float64)

    def _use(self, dtype: type[np.floating[Any]]) -> None:
        """Take up products of this precision."""
        self.dtype = dtype
        self.prepared = self._prepare(self.probes, self.norms, is_probe=True)
        self.product = np.empty(min(_PROBES, len(self.probes)) * _TEMPLATES, dtype=dtype)

    def _prepare(self, rows: FloatArray, norms: Float64Array, *, is_probe: bool) -> FloatArray:
        """Give vectors whose plain products rank templates as the measure does."""
        if self.measure == "cosine":
            scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
            return np.multiply(rows, scale[:, None].astype(self.dtype), dtype=self.dtype)
        if self.measure == "inner_product":
            return np.asarray(rows, dtype=self.dtype)
        # ‖x - y‖² = ‖x‖² - 2 (x·y - ‖y‖²/2): one more dimension takes the second term along.
        extended = np.empty((len(rows), rows.shape[1] + 1), dtype=self.dtype)
        extended[:, :-1] = rows
        extended[:, -1] = 1.0 if is_probe else -(norms**2) / 2
        return extended

    def as_similarity(self, values: Float64Array, part: slice) -> Float64Array:
        """Turn distances of some probes into what the product of prepared vectors estimates."""
        if self.measure == "cosine":
            return 1.0 - values
        if self.measure == "inner_product":
            return -values
        return np.asarray((self.norms[part] ** 2 - values**2) / 2)

    def error(self, part: slice, largest_norm: float) -> Float64Array:
        """Bound the error of the products of some probes with a block, and of its preparation."""
        terms = self.probes.shape[1] + 16
        unit = terms * float(np.finfo(self.dtype).eps) / 2
        # Squares and differences of exact distances have their own rounding errors.
        double = terms * float(np.finfo(np.float64).eps)
        if self.measure == "cosine":
            return np.full(len(self.norms[part]), unit + double)
        products = (unit + double) * self.norms[part] * largest_norm
        if self.measure == "inner_product":
            return np.asarray(products)
        squares = unit * largest_norm**2 / 2 + double * (self.norms[part] + largest_norm) ** 2
        return np.asarray(products + squares)

    def _rounded(self, values: Float64Array, towards: float) -> FloatArray:
        """Round bounds to the product's precision, and outwards: none may be tightened."""
        with np.errstate(over="ignore"):
            return np.asarray(np.nextafter(values.astype(self.dtype), self.dtype(towards)))

    def exact(self, probe_rows: IntArray, block: FloatArray, templates: IntArray) -> Float64Array:
        """Compute some comparisons in float64, each on its own."""
        values = np.empty(len(probe_rows))
        step = max(1, _EXACT_VALUES // max(1, self.probes.shape[1]))
        for start in range(0, len(values), step):
            part = slice(start, start + step)
            values[part] = row_distances(
                self.probes[probe_rows[part]], block[templates[part]], self.measure
            )
        return values

    def look_at(self, rows: FloatArray, numbers: IntArray) -> None:
        """Take a block of templates into account.

        Parameters
        ----------
        rows : array, shape [B, D]
            Templates, finite.
        numbers : int array, shape [B]
            Their rows in the gallery.
        """
        for start in range(0, len(rows), _TEMPLATES):
            block = slice(start, start + _TEMPLATES)
            self._look_at(rows[block], numbers[block])

    def prepared_block(
        self, rows: FloatArray, numbers: IntArray
    ) -> tuple[Float64Array, FloatArray]:
        """Give the norms of templates, and what is multiplied with `prepared` of the probes."""
        norms = _norms(rows, "gallery", numbers)
        if self.dtype is np.float32 and not _is_safe(norms):
            self._use(np.float64)
        return norms, self._prepare(rows, norms, is_probe=False)

    def _look_at(self, rows: FloatArray, numbers: IntArray) -> None:
        norms, block = self.prepared_block(rows, numbers)
        for first in range(0, len(self.probes), _PROBES):
            part = slice(first, min(first + _PROBES, len(self.probes)))
            listed = self._shortlist(part, block, float(norms.max()))
            n_probes = part.stop - part.start
            looks = len(listed.best[0]) + len(listed.near_mate[0])
            if self.dtype is np.float32 and looks > n_probes * (2 * self.k + _CROWDED * len(rows)):
                # Embeddings that are all alike leave float32 undecided.
                self._use(np.float64)
                block = self._prepare(rows, norms, is_probe=False)
                listed = self._shortlist(part, block, float(norms.max()))
            self._settle(part, rows, numbers, listed)

    def _shortlist(self, part: slice, block: FloatArray, largest_norm: float) -> _Shortlist:
        prepared = self.prepared[part]
        product = self.product[: len(prepared) * len(block)].reshape(len(prepared), len(block))
        np.matmul(prepared, block.T, out=product)
        error = self.error(part, largest_norm)
        peaks = product.max(axis=1)
        floor = self.as_similarity(self.found[part, -1], part) - error
        best = self._candidates(product, peaks, floor, error)
        mate = self.as_similarity(self.mate_distances[part], part)
        # NaN, for probes without a mate, is never reached.
        low, high = self._rounded(mate - error, -np.inf), self._rounded(mate + error, np.inf)
        reached = np.flatnonzero(peaks >= low)
        values = product if len(reached) == len(product) else product[reached]
        surely = np.zeros(len(product), dtype=np.intp)
        surely[reached] = _count(values > high[reached, None])
        inside = values >= low[reached, None]
        inside &= values <= high[reached, None]
        rows, columns = _where(inside)
        return _Shortlist(best, (reached[rows], columns), surely)

    def _candidates(
        self, product: FloatArray, peaks: FloatArray, floor: Float64Array, error: Float64Array
    ) -> tuple[IntArray, IntArray]:
        """Find what may be among the k best: at least `floor`, and not surely behind k others."""
        low = self._rounded(floor, -np.inf)
        reached = np.flatnonzero(peaks >= low)
        low = low[reached]
        values = product if len(reached) == len(product) else product[reached]
        passing = values >= low[:, None]
        many = np.flatnonzero(_count(passing) > 2 * self.k)
        if many.size:
            some = values[many]
            place = some.shape[1] - self.k
            kth = np.partition(some, place, axis=1)[:, place].astype(np.float64)
            raised = self._rounded(kth - 2 * error[reached[many]], -np.inf)
            low[many] = np.maximum(low[many], raised)
            passing[many] = some >= low[many, None]
        rows, columns = _where(passing)
        return reached[rows], columns

    def _settle(
        self, part: slice, block: FloatArray, numbers: IntArray, listed: _Shortlist
    ) -> None:
        """Compute what is listed exactly, and let it decide."""
        first = part.start
        self.nearer[part] += listed.surely_nearer
        rows, columns = listed.near_mate[0] + first, listed.near_mate[1]
        self._count_nearer(rows, numbers[columns], self.exact(rows, block, columns))
        rows, columns = listed.best[0] + first, listed.best[1]
        if rows.size:
            self._merge(rows, numbers[columns], self.exact(rows, block, columns))

    def take(self, rows: IntArray, numbers: IntArray, values: Float64Array) -> None:
        """Take comparisons that were computed exactly into account, each template once.

        Parameters
        ----------
        rows, numbers : int array, shape [N]
            The probes and templates.
        values : array, shape [N]
            Their distances, see `exact`.
        """
        self._count_nearer(rows, numbers, values)
        if rows.size:
            self._merge(rows, numbers, values)

    def _count_nearer(self, rows: IntArray, numbers: IntArray, values: Float64Array) -> None:
        others = (numbers[:, None] != self.mates[rows]).all(axis=1)
        np.add.at(self.nearer, rows[others & (values <= self.mate_distances[rows])], 1)

    def _merge(self, rows: IntArray, columns: IntArray, values: Float64Array) -> None:
        touched = np.unique(rows)
        all_rows = np.concatenate((np.repeat(touched, self.k), rows))
        all_columns = np.concatenate((self.indices[touched].ravel(), columns))
        all_values = np.concatenate((self.found[touched].ravel(), values))
        order = np.lexsort((all_columns, all_values, all_rows))
        starts = np.searchsorted(all_rows[order], touched)
        kept = order[starts[:, None] + np.arange(self.k)]
        self.indices[touched] = all_columns[kept]
        self.found[touched] = all_values[kept]


def _norms(rows: FloatArray, what: str, numbers: IntArray) -> Float64Array:
    wide = rows.astype(np.float64, copy=False)
    squares = np.einsum("ij,ij->i", wide, wide)
    bad = np.flatnonzero(~np.isfinite(squares))
    if bad.size:
        msg = (
            f"A search needs finite vectors. Row {int(numbers[bad[0]])} of the {what} is not: "
            "leave out what failed."
        )
        raise ValueError(msg)
    return np.asarray(np.sqrt(squares))


def _is_safe(norms: Float64Array) -> bool:
    nonzero = norms[norms > 0]
    return bool(((nonzero > _SAFE[0]) & (nonzero < _SAFE[1])).all())


def _where(flags: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    # Faster than np.nonzero of a table, which is meant for any number of axes.
    rows, columns = np.divmod(np.flatnonzero(flags), flags.shape[1])
    return rows, columns


def _count(flags: NDArray[np.bool_]) -> IntArray:
    """Count the true flags of each row."""
    # A row at a time is an order of magnitude faster than the axis of a whole table.
    return np.fromiter((np.count_nonzero(row) for row in flags), dtype=np.intp, count=len(flags))
