"""ROC of more scores than fit in memory: counts in fixed bins, with a stated error."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.labels import read_comparisons
from facebench.metrics.roc_curve import Roc
from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["StreamingRoc"]

_CHUNK = 1 << 20


class StreamingRoc:
    """Gather scores chunk by chunk into bins; `result` is a `Roc` for auc, eer and tar_at_far.

    Memory is 24 bytes per bin and one chunk, for any number of scores. Every point of the
    resulting ROC is exact: a threshold at a bin's edge parts the scores as counted. What is lost
    are the points inside a bin. So, with g_b and i_b the shares of genuine and impostor
    comparisons in bin b, the errors against the exact functions are at most

    - AUC: Σ g_b i_b / 2 (`auc_error`), known from the very counts;
    - TAR at FAR: the exact TAR is not below the one found, and above it by at most the g_b of the
      bin in which FAR passes the target, so by `rate_error`, the largest g_b or i_b of all;
    - EER: at most `rate_error`, by the midpoint rule or by the hull.

    Parameters
    ----------
    low, high : float
        Range of the scores, in their units. Scores outside are not lost: they go into the first
        or the last bin, which the errors then show.
    bins : int, default 1,000,000
        Bins of equal width.
    higher_is_better : bool, default True
        False for distances.

    Attributes
    ----------
    n_failed : int
        NaN scores so far.

    Raises
    ------
    ValueError
        If the range is empty or infinite, or there are no bins.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006): ties
    within a bin are a straight segment of the ROC, which halves their area.

    Examples
    --------
    >>> stream = StreamingRoc(low=-1.0, high=1.0, bins=8)
    >>> stream.update([1, 1, 0], [0.9, 0.3, 0.35])
    >>> stream.update([0], [-0.6])
    >>> from facebench.metrics.verification import auc
    >>> auc(stream.result()), stream.auc_error  # exactly 0.75
    (0.875, 0.125)
    """

    def __init__(
        self, low: float, high: float, bins: int = 1_000_000, *, higher_is_better: bool = True
    ) -> None:
        if not (np.isfinite(low) and np.isfinite(high) and low < high and bins >= 1):
            msg = (
                "StreamingRoc needs finite low < high and at least one bin. "
                f"Got low={low!r}, high={high!r}, bins={bins!r}."
            )
            raise ValueError(msg)
        self.higher_is_better = higher_is_better
        self._low, self._high = (low, high) if higher_is_better else (-high, -low)
        self._width = (self._high - self._low) / bins
        self._edges = self._low + np.arange(bins) * self._width
        self._genuine = np.zeros(bins, dtype=np.intp)
        self._impostor = np.zeros(bins, dtype=np.intp)
        self._failed = {True: 0, False: 0}

    @property
    def n_failed(self) -> int:
        """NaN scores so far."""
        return sum(self._failed.values())

    def _bin_of(self, similarities: FloatArray) -> IntArray:
        last = self._genuine.size - 1
        # Clipped before the arithmetic, which would overflow for huge scores.
        values = np.clip(similarities.astype(np.float64), self._low, self._high)
        place = ((values - self._low) * (1.0 / self._width)).astype(np.intp)
        np.clip(place, 0, last, out=place)
        # Rounding may miss by one bin: the edges, which become thresholds, have the last word.
        place -= values < self._edges[place]
        place += (values >= self._edges[np.minimum(place + 1, last)]) & (place < last)
        return place

    def update(self, labels: Any, scores: Any) -> None:
        """Count some comparisons.

        Parameters
        ----------
        labels : array-like, shape [N]
            1 genuine, 0 impostor; one class is fine here.
        scores : array-like, shape [N]
            Similarities or distances.

        Raises
        ------
        ValueError
            If lengths differ, there is nothing, or a label is none.
        """
        size = len(labels)
        if size != len(scores):
            msg = f"Got {size} labels for {len(scores)} scores."
            raise ValueError(msg)
        for start in range(0, max(size, 1), _CHUNK):
            part = slice(start, start + _CHUNK)
            genuine, similarities = read_comparisons(
                labels[part], scores[part], self.higher_is_better
            )
            failed = np.isnan(similarities)
            for is_genuine, counts in ((True, self._genuine), (False, self._impostor)):
                chosen = genuine if is_genuine else ~genuine
                self._failed[is_genuine] += int(np.count_nonzero(chosen & failed))
                # In place and touching only what is hit: a bincount would be as long as the bins.
                np.add.at(counts, self._bin_of(similarities[chosen & ~failed]), 1)

    def _shares(self) -> tuple[Float64Array, Float64Array]:
        n_genuine = int(self._genuine.sum()) + self._failed[True]
        n_impostor = int(self._impostor.sum()) + self._failed[False]
        if n_genuine == 0 or n_impostor == 0:
            msg = (
                "Error rates need comparisons of both classes. "
                f"Got {n_genuine} genuine and {n_impostor} impostor ones."
            )
            raise ValueError(msg)
        return self._genuine / n_genuine, self._impostor / n_impostor

    @property
    def auc_error(self) -> float:
        """Largest possible difference between the AUC of `result` and the exact one."""
        genuine, impostor = self._shares()
        return float(genuine @ impostor / 2)

    @property
    def rate_error(self) -> float:
        """Largest share of a class in one bin: bounds the error of TAR at FAR and of EER."""
        genuine, impostor = self._shares()
        return float(max(genuine.max(), impostor.max()))

    def result(self) -> Roc:
        """Return the ROC at the edges of the bins that hold scores.

        Returns
        -------
        Roc
            Exact rates; thresholds are the edges of bins, in the units of the scores.

        Raises
        ------
        ValueError
            If there is one class only so far.
        """
        self._shares()
        filled = np.flatnonzero(self._genuine + self._impostor)[::-1]
        true_matches = np.cumsum(self._genuine[filled])
        false_matches = np.cumsum(self._impostor[filled])
        n_genuine = int(self._genuine.sum()) + self._failed[True]
        n_impostor = int(self._impostor.sum()) + self._failed[False]
        thresholds = np.concatenate(([np.inf], self._edges[filled[:-1]], [-np.inf][: filled.size]))
        return Roc(
            fmr=np.concatenate(([0.0], false_matches / n_impostor)),
            fnmr=np.concatenate(([1.0], (n_genuine - true_matches) / n_genuine)),
            thresholds=thresholds if self.higher_is_better else -thresholds,
            n_genuine=n_genuine,
            n_impostor=n_impostor,
            n_failed=self.n_failed,
            higher_is_better=self.higher_is_better,
        )
