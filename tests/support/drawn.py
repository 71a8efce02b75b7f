"""Comparisons as often as a bootstrap draws them, for functions that take weightings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from facebench.metrics.uncertainty.resamples import draws_of, units_of


class Drawn:
    """Weightings of comparisons: the resamples of `facebench.metrics.stats.bootstrap`."""

    def __init__(
        self,
        labels: Any,
        by: str = "pair",
        members1: Any = None,
        members2: Any = None,
        *,
        n_resamples: int,
        seed: int = 0,
    ) -> None:
        units = units_of(np.asarray(labels).astype(bool), by, members1, members2)
        drawn = [units.weights(draws) for draws in draws_of(units, n_resamples, seed)]
        self.counts = np.concatenate(drawn).T.astype(np.float32)
        self.n_resamples = n_resamples

    def weights(self) -> Iterator[np.ndarray]:
        yield self.counts

    def sums(self, columns: np.ndarray) -> np.ndarray:
        return self.counts.T.astype(np.float64) @ columns
