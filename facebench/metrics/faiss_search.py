"""Searching with FAISS: exactly, as a second way to the same numbers, or with an approximate index.

FAISS computes in float32 and knows no ties. Here it proposes: what it lists is computed again in
float64, row by row, as in `facebench.metrics.search`. An exact search believes a list of FAISS only
where the error bound of float32 leaves no doubt that it is complete, and searches for the other
probes itself. So its ranks and distances are those of the search without FAISS, to the last bit;
FAISS's own order differs from them where distances are equal, or closer than float32 can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from facebench.metrics.search import RunningSearch
from facebench.types import FloatArray, IntArray

__all__ = ["FaissSearch", "approximate_search"]

# Beyond k, so that near ties at the end of a list are seen to be complete.
_MORE = 16
# Probes whose exact neighbours are found too, to measure the recall of an approximate index.
_SAMPLE = 200


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        msg = "The engine 'faiss' needs FAISS: pip install 'facebench[faiss]'."
        raise ValueError(msg) from error
    return faiss


class FaissSearch(RunningSearch):
    """A search whose products and lists are FAISS's (``IndexFlatIP``); see `RunningSearch`."""

    @override
    def look_at(self, rows: FloatArray, numbers: IntArray) -> None:
        faiss = _faiss()
        norms, block = self.prepared_block(rows, numbers)
        if self.dtype is not np.float32:
            super().look_at(rows, numbers)
            return
        n_listed = min(len(rows), self.k + _MORE)
        values, columns = faiss.knn(
            np.ascontiguousarray(self.prepared),
            np.ascontiguousarray(block),
            n_listed,
            metric=faiss.METRIC_INNER_PRODUCT,
        )
        error = self.error(slice(None), float(norms.max()))
        mate = self.as_similarity(self.mate_distances, slice(None)) - error
        floor = self.as_similarity(self.found[:, -1], slice(None)) - error
        # NaN, for probes without a mate, is never reached.
        wanted = values >= floor[:, None]
        wanted |= values >= mate[:, None]
        owners, places = np.nonzero(wanted)
        exact = np.full(values.shape, np.inf)
        exact[owners, places] = self.exact(owners, rows, columns[owners, places])
        best = np.partition(np.concatenate((self.found, exact), axis=1), self.k - 1, axis=1)
        reached = self.as_similarity(best[:, self.k - 1], slice(None)) - error
        # What is not listed is below the last of the list, as far as float32 can tell.
        beyond = values[:, -1] + error
        is_open = ((beyond >= reached) | (beyond >= mate)) & (n_listed < len(rows))
        sure = ~is_open[owners]
        self.take(owners[sure], numbers[columns[owners[sure], places[sure]]], exact[wanted][sure])
        few = np.flatnonzero(is_open)
        if few.size:
            other = RunningSearch(
                self.probes[few], self.k, self.measure, self.mate_distances[few], self.mates[few]
            )
            other.indices, other.found = self.indices[few], self.found[few]
            other.look_at(rows, numbers)
            self.indices[few], self.found[few] = other.indices, other.found
            self.nearer[few] += other.nearer


def approximate_search(
    search: RunningSearch, blocks: Sequence[tuple[FloatArray, IntArray]], index: str
) -> tuple[int, int]:
    """Search templates by an approximate index, and measure what it finds.

    Parameters
    ----------
    search : RunningSearch
        What is searched for, with nothing found yet.
    blocks : sequence of (array, array)
        Templates, and their rows in the gallery.
    index : str
        What FAISS's ``index_factory`` is to make.

    Returns
    -------
    n_asked, n_recalled : int
        Nearest templates that a sample of probes, every n-th, has in an exact search, and how many
        of them were found.

    Raises
    ------
    ValueError
        If there is no such index, or too few templates to train it.
    """
    faiss = _faiss()
    if not blocks or not sum(len(rows) for rows, _ in blocks):
        return 0, 0
    rows = np.concatenate([own for own, _ in blocks])
    numbers = np.concatenate([own for _, own in blocks])
    _, prepared = search.prepared_block(rows, numbers)
    prepared = np.ascontiguousarray(prepared, dtype=np.float32)
    try:
        made = faiss.index_factory(prepared.shape[1], index, faiss.METRIC_INNER_PRODUCT)
        made.train(prepared)
        made.add(prepared)
        n_listed = min(len(rows), search.k + _MORE)
        asked = np.ascontiguousarray(search.prepared, dtype=np.float32)
        _, columns = made.search(asked, n_listed)
    except RuntimeError as error:
        why = str(error).rpartition(": ")[2]
        msg = f"FAISS cannot make the index {index!r} of {len(rows)} templates: {why}."
        raise ValueError(msg) from error
    owners, places = np.nonzero(columns >= 0)
    listed = columns[owners, places]
    search.take(owners, numbers[listed], search.exact(owners, rows, listed))
    sample = np.arange(0, len(search.probes), max(1, len(search.probes) // _SAMPLE))
    exact = RunningSearch(
        search.probes[sample],
        search.k,
        search.measure,
        search.mate_distances[sample],
        search.mates[sample],
    )
    exact.look_at(rows, numbers)
    # By distance: of equal ones, either will do.
    found = (search.found[sample] <= exact.found[:, -1:]) & np.isfinite(search.found[sample])
    return int(np.isfinite(exact.found).sum()), int(found.sum())
